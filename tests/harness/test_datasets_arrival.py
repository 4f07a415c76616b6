"""Real files of every named set, from a server that plays their host, and from a mirror."""

from urllib.parse import unquote, urlsplit

import pytest

from harness.errors import HarnessError
from harness.fetching.registry import dataset_sources
from harness.scenes.adapters import find_adapter
from tests.helpers.published_servers import Repositories, play
from tests.helpers.samples import SETS, sample_files, sample_pairs

RESUMED = 1 << 16
"""Bytes after which an interrupted file goes on."""


class Sample:
    """Some pairs of a set, and the files of its repository that belong to them."""

    def __init__(self, name):
        self.adapter, files = find_adapter(name), sample_files(name)
        self.pairs = sample_pairs(name, limit=2)
        known = dataset_sources(name)
        rows = [row for pair in self.pairs for row in self.adapter.pairs[pair].values()]
        self.names = {row["path"]: self.address(known[row["path"]]) for row in rows}
        self.files = {self.names[row["path"]]: files[row["git_blob"]].read_bytes() for row in rows}

    @staticmethod
    def address(source):
        return unquote(urlsplit(source.urls[0]).path.lstrip("/"))

    def opened(self, folder, **options):
        chosen = {"pairs": self.pairs, "test": self.pairs, "cache": str(folder), **options}
        dataset = self.adapter.open_dataset(chosen)
        for scene in dataset.scenes:
            row = self.adapter.pairs[scene.name]["visible"]
            size = int(row["height"]), int(row["width"])
            assert scene.read(0, 0, scene.height, scene.width).shape == (5, *size)
            scene.close()
        return dataset

    def largest(self):
        return max(self.files, key=lambda path: len(self.files[path]))


@pytest.fixture(params=SETS)
def sample(request):
    return Sample(request.param)


def test_a_set_arrives_and_is_used_without_network_afterwards(tmp_path, monkeypatch, sample):
    host = Repositories(sample.files)
    with play(monkeypatch, host):
        first = sample.opened(tmp_path / "cache")
    assert sorted({path for path, _ in host.asked}) == sorted(path for path, _ in host.asked)
    # Without a server: from the cache, and from a mirror that is a copy of it.
    again = sample.opened(tmp_path / "cache")
    mirrored = sample.opened(tmp_path / "other", mirrors=[str(tmp_path / "cache")])
    assert first.sources == again.sources == mirrored.sources
    assert not (tmp_path / "other").exists()


def test_a_copy_of_the_repository_is_a_mirror(tmp_path, sample):
    for path, data in sample.files.items():
        place = tmp_path / "mirror" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    sample.opened(tmp_path / "cache", mirrors=[str(tmp_path / "mirror")])
    assert not (tmp_path / "cache").exists()


def test_a_wrong_byte_is_refused_by_name(tmp_path, monkeypatch, sample):
    path = sample.adapter.pairs[sample.pairs[0]]["visible"]["path"]
    address = sample.names[path]
    right = sample.files[address]
    files = {a: d for a, d in sample.files.items() if a != address}
    # Other addresses of the same content are not played, so that only the wrong one answers.
    with (
        play(monkeypatch, Repositories({**files, address: bytes([right[0] ^ 1]) + right[1:]})),
        pytest.raises(HarnessError) as error,
    ):
        sample.opened(tmp_path / "cache")
    assert path in str(error.value) and "refused" in str(error.value)
    host = Repositories(sample.files)
    with play(monkeypatch, host):
        sample.opened(tmp_path / "cache")
    assert {asked for asked, _ in host.asked} == {address}, "the other files stay"


def test_an_interrupted_fetch_goes_on(tmp_path, monkeypatch, sample):
    path = sample.largest()
    size = len(sample.files[path])
    host = Repositories(sample.files, cut={path: min(RESUMED + 5000, size - 1)})
    with play(monkeypatch, host):
        sample.opened(tmp_path / "cache")
    asked = [wanted for name, wanted in host.asked if name == path]
    assert len(asked) == 2 and asked[0] == ""
    if size > RESUMED + 5000:
        assert asked[1] == f"bytes={RESUMED}-"

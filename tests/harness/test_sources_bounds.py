"""Servers that send too much, too long, compressed, or parts of two versions."""

import gzip
import hashlib

import pytest

from harness.errors import HarnessError
from harness.fetching import source as sources
from harness.fetching.hosts import PAGE_BYTES
from harness.fetching.source import fetch
from tests.helpers.downloads import DATA, QUICK, held, source
from tests.helpers.file_server import Script, serve

CHUNK = 1 << 16


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "known", [{"bytes": 100_000}, {"at_most": 100_000}, {"about": 50_000}, {}], ids=str
)
def test_an_endless_body_is_given_up_at_the_bound_and_leaves_nothing(cache, monkeypatch, known):
    monkeypatch.setattr(sources, "LARGEST", 100_000)
    script = Script(DATA[:CHUNK], endless=True, length=False)
    with serve(script) as root, pytest.raises(HarnessError, match="sends more than 100000 bytes"):
        fetch(source(f"{root}/file.zip", sha256="", **known), cache=cache, pause=QUICK)
    assert held(cache) == []


def test_an_announced_size_above_the_bound_is_refused_before_the_body(cache):
    wanted = {"sha256": "", "at_most": 100_000}
    with serve(Script(DATA)) as root, pytest.raises(HarnessError, match="more than 100000 bytes"):
        fetch(source(f"{root}/file.zip", **wanted), cache=cache, pause=QUICK)
    assert held(cache) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-unknown"])
def test_a_body_that_is_compressed_on_its_way_is_refused(cache, encoding):
    script = Script(gzip.compress(bytes(10**7)), encoding=encoding)
    with serve(script) as root, pytest.raises(HarnessError, match=f"encoding '{encoding}'"):
        fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
    assert held(cache) == []


def test_a_page_that_asks_for_a_password_is_small(cache):
    script = Script(b"<html>" * (PAGE_BYTES // 4), content_type="text/html")
    with serve(script) as root, pytest.raises(HarnessError, match="expected a page"):
        fetch(source(f"{root}/p/x/", password="right"), cache=cache, pause=QUICK)


class Changing(Script):
    """A file that is another one at every request, whose server names no version."""

    @property
    def data(self):
        return bytes([len(self.requests)]) * 3_000_000

    @data.setter
    def data(self, _):
        pass


@pytest.mark.parametrize("stated", [True, False])
def test_parts_of_two_versions_are_never_mixed(cache, stated):
    script = Changing(b"", cuts=[1_000_000], etag="")
    mixed = {bytes([a]) * 3_000_000: a for a in range(9)}
    changes = {} if stated else {"sha256": ""}
    name = "file.bin"
    with serve(script) as root:
        wanted = source(f"{root}/{name}", name=name, **changes)
        if stated:
            # The hash shows the mixture; nothing of it stays.
            with pytest.raises(HarnessError, match="refused"):
                fetch(wanted, cache=cache, pause=QUICK)
            assert held(cache) == []
            return
        path = fetch(wanted, cache=cache, pause=QUICK)
    assert path.read_bytes() in mixed
    assert script.asked == ["", ""]


def test_a_file_without_a_version_is_continued_if_a_hash_will_prove_it(cache):
    script = Script(DATA, cuts=[1_000_000], etag="")
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert script.asked[1].startswith("bytes=9")
    assert hashlib.sha256(DATA).hexdigest()

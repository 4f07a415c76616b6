"""Where files are found: cache, mirrors, hashes of the first use, and Google Drive."""

import json
from collections import namedtuple
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.fetching import download as downloads
from harness.fetching.drive import drive_download
from harness.fetching.first_use import FirstUseHashes
from harness.fetching.places import Places
from harness.fetching.source import fetch, locate, record_of
from tests.helpers.downloads import DATA, QUICK, SHA, source
from tests.helpers.file_server import Script, serve


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_the_cache_comes_first_and_is_verified(cache):
    cache.mkdir()
    (cache / "file.zip").write_bytes(DATA)
    assert fetch(source("http://127.0.0.1:9/x"), cache=cache) == cache / "file.zip"
    (cache / "file.zip").write_bytes(DATA[:-1])
    with pytest.raises(HarnessError, match="delete it"):
        fetch(source("http://127.0.0.1:9/x"), cache=cache)
    assert (cache / "file.zip").exists()


def test_a_mirror_is_searched_by_name_or_by_hash(cache, tmp_path, capsys):
    mirrors = [tmp_path / "a", tmp_path / "b", tmp_path / "missing"]
    for folder in mirrors[:2]:
        folder.mkdir()
    (mirrors[0] / "file.zip").write_bytes(b"damaged")
    (mirrors[1] / "renamed.zip").write_bytes(DATA)
    assert fetch(source(""), cache=cache, mirrors=mirrors) == mirrors[1] / "renamed.zip"
    assert "passed over" in capsys.readouterr().err
    (mirrors[0] / "file.zip").write_bytes(DATA)
    assert fetch(source(""), cache=cache, mirrors=mirrors) == mirrors[0] / "file.zip"


@pytest.mark.parametrize("folder", ["cache", "cache/../cache", "link"])
def test_nothing_is_downloaded_into_a_mirror(cache, tmp_path, folder):
    cache.mkdir()
    (cache / "renamed.zip").write_bytes(DATA[:-1])
    (tmp_path / "link").symlink_to(cache)
    script = Script(DATA)
    with serve(script) as root, pytest.raises(HarnessError, match="name another output"):
        fetch(source(f"{root}/file.zip"), cache=cache, mirrors=[tmp_path / folder], pause=QUICK)
    assert [path.name for path in cache.iterdir()] == ["renamed.zip"]
    assert script.asked == []


def test_without_a_known_hash_the_first_use_is_recorded_and_enforced(cache):
    cache.mkdir()
    file = cache / "file.dat"
    file.write_bytes(DATA)
    unknown = source("", name="file.dat", sha256="")
    fetch(unknown, cache=cache)
    assert json.loads((cache / "sources.lock.json").read_text()) == {"file.dat": SHA}
    assert record_of(unknown, file, cache=cache)["sha256"] == SHA
    file.write_bytes(DATA + b"x")
    with pytest.raises(HarnessError, match="first use"):
        fetch(unknown, cache=cache)


def test_a_damaged_lock_file_is_reported(cache):
    cache.mkdir()
    (cache / "sources.lock.json").write_text("{")
    with pytest.raises(HarnessError, match=r"sources\.lock\.json"):
        FirstUseHashes(cache).get("file.zip")


def test_a_file_that_only_a_person_can_get_names_page_file_and_folder(cache):
    with pytest.raises(HarnessError) as error:
        fetch(source("", urls=(), page="https://example.org/form"), cache=cache)
    for part in ("file.zip", "https://example.org/form", str(cache / "file.zip")):
        assert part in str(error.value)
    assert locate(source(""), cache=cache) is None


class FakeDrive:
    """The functions of gdown that the harness calls."""

    def __init__(self, names):
        self.names = names
        self.urls = []

    def download_folder(self, url, skip_download, quiet, timeout):
        Item = namedtuple("Item", "id path")
        return [Item(f"id-{name}", f"folder/{name}") for name in self.names]

    def download(self, url, output, quiet, resume, retries, timeout, progress):
        if resume and Path(output).is_file():
            return
        self.urls.append(url)
        Path(output).write_bytes(DATA)


def test_a_file_of_a_drive_folder_is_found_by_its_name(cache, monkeypatch):
    import gdown

    drive = FakeDrive(["sar.zip", "optical.zip"])
    monkeypatch.setattr(gdown, "download_folder", drive.download_folder)
    monkeypatch.setattr(gdown, "download", drive.download)
    folder = "https://drive.google.com/drive/folders/abc"
    found = fetch(source(f"{folder}#optical.zip"), cache=cache)
    assert found.read_bytes() == DATA
    assert drive.urls == ["https://drive.google.com/uc?id=id-optical.zip"]
    with pytest.raises(HarnessError, match=r"holds optical\.zip, sar\.zip; there is no lbl\.zip"):
        drive_download(f"{folder}#lbl.zip", cache / "x", Places(cache), lambda received: None)


def test_what_came_from_elsewhere_is_not_taken_for_the_file_of_a_drive(cache, monkeypatch):
    import gdown

    monkeypatch.setattr(gdown, "download", FakeDrive([]).download)
    cache.mkdir()
    wanted = source("https://drive.google.com/uc?id=abc")
    part = downloads.Part.beside(wanted.place(cache), wanted.hashes, wanted.bytes)
    part.path.parent.mkdir()
    part.path.write_bytes(DATA[:1000])
    part.note("http://127.0.0.1:9/file.zip", len(DATA), "")
    found = fetch(wanted, cache=cache)
    assert found.read_bytes() == DATA

"""The registry of external files, and its command line."""

import hashlib
from pathlib import Path

import pytest
import yaml

from harness.__main__ import main
from harness.commands import sources
from harness.commands.sources import every_file
from harness.errors import HarnessError
from harness.fetching import registry
from harness.fetching.source import ExternalFile


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_the_registry_is_sound():
    for files in registry.read_registry().values():
        for item in files.values():
            assert item.licence
            assert item.citation
            assert item.page
            assert item.urls or item.inside or item.page
            assert len(item.sha256) in (0, 64)
            assert len(item.md5) in (0, 32)


def test_a_damaged_hash_in_the_registry_is_refused(tmp_path):
    entry = {"title": "t", "licence": "l", "citation": "c", "page": "p"}
    file = {"name": "a.zip", "md5": "cf7403c1a97c0d279414db"}
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"set": {**entry, "files": [file]}}))
    with pytest.raises(HarnessError, match=r"files\[0\]\.md5"):
        registry.read_registry(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([{"name": "a.zip", "inside": "b.zip"}], "list the archive"),
        ([{"name": "a.zip"}, {"name": "a.zip"}], "twice"),
    ],
)
def test_an_inconsistent_registry_is_refused(tmp_path, files, message):
    entry = {"title": "t", "licence": "l", "citation": "c", "page": "p", "files": files}
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"set": entry}))
    with pytest.raises(HarnessError, match=message):
        registry.read_registry(path)


def test_an_unknown_data_set_lists_the_known():
    with pytest.raises(HarnessError, match="potsdam"):
        registry.dataset_sources("postdam")


def test_list_and_where_name_every_file(capsys, cache):
    main(["sources", "list"])
    listed = capsys.readouterr().out
    main(["sources", "where", "--cache", str(cache)])
    places = capsys.readouterr().out
    for item in every_file():
        assert item.source.name in listed
        assert str(cache / item.folder / item.source.name) in places


def test_verify_reports_missing_and_refuses_damaged(capsys, cache):
    cache.mkdir()
    main(["sources", "verify", "potsdam", "--cache", str(cache)])
    assert "missing: Potsdam.zip" in capsys.readouterr().out
    (cache / "4_Ortho_RGBIR.zip").write_bytes(b"damaged")
    with pytest.raises(HarnessError, match=r"4_Ortho_RGBIR\.zip: its md5"):
        main(["sources", "verify", "potsdam", "--cache", str(cache)])


def test_get_takes_names_only(capsys, cache):
    with pytest.raises(SystemExit):
        main(["sources", "get"])
    with pytest.raises(HarnessError, match="no file, data set or method 'nothing'"):
        main(["sources", "get", "nothing"])


def test_get_leaves_optional_and_outer_archives_alone(monkeypatch, cache):
    asked = []

    def fetch_all(_, files, __, **___):
        asked.extend(file.name for file in files)
        return {file.name: Path(file.name) for file in files}

    monkeypatch.setattr(sources, "fetch_all", fetch_all)
    main(["sources", "get", "potsdam", "--cache", str(cache)])
    labels = ["5_Labels_for_participants.zip", "5_Labels_all.zip"]
    assert asked == ["4_Ortho_RGBIR.zip", *labels]


def test_get_and_verify_look_into_sheets_before_their_hash_is_recorded(cache, capsys):
    sheet = cache / "lbl/NH49E001013.tif"
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(b"II*\0 and nothing else")
    name = "lbl/NH49E001013.tif"
    for command in ("get", "verify"):
        with pytest.raises(HarnessError, match=f"{name}: it cannot be read"):
            main(["sources", command, name, "--cache", str(cache)])
    assert not (cache / "sources.lock.json").exists()


def test_get_leaves_a_mirror_alone_that_is_also_the_cache(monkeypatch, capsys, cache):
    """The file is in the mirror under another name: it is used there, and nothing is written."""
    content = b"archive"
    source = ExternalFile(
        name="a.zip", sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)
    )
    monkeypatch.setattr(sources, "every_file", lambda: [sources.RegisteredFile("own", source)])
    cache.mkdir()
    (cache / "other.zip").write_bytes(content)
    linked = cache.with_name("linked")
    linked.symlink_to(cache)
    main(["sources", "get", "own", "--cache", str(cache), "--mirror", str(linked)])
    assert "other.zip" in capsys.readouterr().out
    assert [path.name for path in cache.iterdir()] == ["other.zip"]
    assert (cache / "other.zip").read_bytes() == content

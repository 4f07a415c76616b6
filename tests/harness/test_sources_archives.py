"""Archives from elsewhere: what is read, and what is refused."""

import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import PurePosixPath

import pytest

from harness.errors import HarnessError
from harness.fetching.archives import extract_member, find_members, open_archive
from harness.fetching.source import ExternalFile, fetch


def write(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.zip"


@pytest.mark.parametrize(
    "name", ["../out.tif", "a/../../out.tif", "/etc/out.tif", "C:\\out.tif", "..\\out.tif", "\\out"]
)
def test_names_of_members_lead_nowhere(path, tmp_path, name):
    write(path, {"good.tif": b"good", name: b"odd"})
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    extract_member(path, "good.tif", target)
    assert target.read_bytes() == b"good"
    extract_member(path, PurePosixPath(name).name, target)
    assert target.read_bytes() == b"odd"
    assert sorted(tmp_path.rglob("*")) == [path, target.parent, target]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_not_made(path, tmp_path, kind):
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("out.tif")
        link.external_attr = (kind | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.tif", b"good")
    target = tmp_path / "target"
    extract_member(path, "good.tif", target)
    assert target.read_bytes() == b"good"
    extract_member(path, "out.tif", target)
    assert not target.is_symlink()
    assert target.read_bytes() == b"/etc/passwd"


def test_an_archive_that_packs_very_tightly_is_read(path, tmp_path):
    write(path, {"empty.tif": bytes(30_000_000)}, zipfile.ZIP_BZIP2)
    assert 1100 * path.stat().st_size < 30_000_000
    extract_member(path, "empty.tif", tmp_path / "target")
    assert (tmp_path / "target").stat().st_size == 30_000_000


@pytest.mark.parametrize("claim", [1001, 10**6, 10**10, 10**16])
def test_a_member_that_claims_to_be_larger_than_it_is_is_refused(path, tmp_path, claim):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("out.tif", bytes(1000))
        archive.filelist[0].file_size = claim
    with pytest.raises(HarnessError, match=f"has 1000 bytes, expected {claim}|no room"):
        extract_member(path, "out.tif", tmp_path / "target")


def test_members_that_share_their_bytes_are_refused(path, tmp_path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.tif", bytes(10_000_000))
        first = archive.filelist[0]
        for index in range(1, 8):
            again = zipfile.ZipInfo(f"{index}.tif")
            for field in ("header_offset", "file_size", "compress_size", "CRC", "compress_type"):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
    with pytest.raises(HarnessError, match="damaged"):
        extract_member(path, "1.tif", tmp_path / "target")


def test_an_encrypted_member_is_refused(path, tmp_path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("out.tif", b"pixels")
        archive.filelist[0].flag_bits |= 1
    with pytest.raises(HarnessError, match="encrypted") as error:
        extract_member(path, "out.tif", tmp_path / "target")
    assert str(path) in str(error.value)


def test_a_member_longer_than_it_claims_is_refused(path, tmp_path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("out.tif", bytes(100_000))
        archive.filelist[0].file_size = 10
    with pytest.raises(HarnessError, match="damaged"):
        extract_member(path, "out.tif", tmp_path / "target")


@pytest.mark.parametrize("damage", [slice(0, 200), slice(100, None)])
def test_a_damaged_archive_is_reported(path, tmp_path, damage):
    write(path, {"out.tif": bytes(range(256)) * 10}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes()[damage])
    with pytest.raises(HarnessError, match="damaged"):
        extract_member(path, "out.tif", tmp_path / "target")


def test_a_name_that_occurs_twice_is_refused(path):
    write(path, {"a/out.tif": b"1", "b/out.tif": b"2", "a/x.txt": b"", "b/x.txt": b"", "y": b""})
    with pytest.raises(HarnessError, match="twice"), open_archive(path) as archive:
        find_members(archive, ["out.tif"])
    with open_archive(path) as archive:
        assert list(find_members(archive, ["y", "z"])) == ["y"]


def test_members_are_found_however_deep(path, tmp_path):
    write(path, {"deep/er/out.tif": b"pixels", "__MACOSX/._out.tif": b"", "deep/": b""})
    extract_member(path, "out.tif", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"pixels"
    with pytest.raises(HarnessError, match=r"no member x\.tif; it holds .*out\.tif"):
        extract_member(path, "x.tif", tmp_path / "target")


def test_too_little_disk_is_found_before_unpacking(path, tmp_path, monkeypatch):
    write(path, {"out.tif": b"pixels"})
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(HarnessError, match="free"):
        extract_member(path, "out.tif", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_an_archive_in_an_archive_is_taken_out_once_and_verified(tmp_path):
    inner = write(tmp_path / "inner.zip", {"out.tif": b"pixels"})
    outer = write(tmp_path / "outer.zip", {"folder/inner.zip": inner.read_bytes()})
    inner.unlink()
    source = ExternalFile("inner.zip", inside=ExternalFile("outer.zip"))
    cache = tmp_path / "cache"
    found = fetch(source, cache=cache, mirrors=[tmp_path])
    assert found == cache / "inner.zip"
    outer.unlink()
    assert fetch(source, cache=cache) == found
    found.unlink()
    with pytest.raises(HarnessError, match=r"outer\.zip could not be obtained"):
        fetch(source, cache=cache)


def test_a_wrong_archive_in_an_archive_leaves_nothing(tmp_path):
    write(tmp_path / "outer.zip", {"inner.zip": b"other"})
    source = ExternalFile("inner.zip", md5="0" * 32, inside=ExternalFile("outer.zip"))
    with pytest.raises(HarnessError, match="md5"):
        fetch(source, cache=tmp_path / "cache", mirrors=[tmp_path])
    left = [p.name for p in (tmp_path / "cache").iterdir() if not p.name.endswith(".lock")]
    assert left == ["sources.lock.json"]

"""Downloads over unreliable connections, hashes, mirrors and locks, all on 127.0.0.1."""

import errno
import hashlib
import io
import multiprocessing
import re
import shutil
import signal
import sys
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.fetching import download as downloads
from harness.fetching.source import ExternalFile, fetch
from tests.helpers.downloads import DATA, QUICK, SHA, held, source
from tests.helpers.file_server import PASSWORD, Script, serve


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def part_of(url, cache):
    """Return the part of `source(url)`, whose folder exists."""
    wanted = source(url)
    part = downloads.Part.beside(wanted.place(cache), wanted.hashes, wanted.bytes)
    part.path.parent.mkdir(parents=True)
    return part


def test_a_cut_connection_is_continued_and_not_started_again(cache):
    script = Script(DATA, cuts=[1_000_000, 900_000])
    with serve(script) as root:
        path = fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
    assert path.read_bytes() == DATA
    starts = [int(asked[6:-1]) if asked else 0 for asked in script.asked]
    assert len(starts) == 3
    assert 900_000 < starts[1] <= 1_000_000
    assert starts[1] < starts[2] <= 1_900_000
    assert held(cache) == ["file.zip"]


def test_a_later_run_continues_what_an_earlier_one_left(cache):
    script = Script(DATA, cuts=[1_000_000], statuses=[])
    with serve(script) as root:
        url = f"{root}/file.zip"
        part = part_of(url, cache)
        assert "connection lost" in downloads._attempt(url, part, "", QUICK)
        assert fetch(source(url), cache=cache, pause=QUICK).read_bytes() == DATA
    assert len(script.asked) == 2
    assert script.asked[1].startswith("bytes=9")


def test_a_part_that_is_already_complete_is_taken(cache):
    script = Script(DATA)
    with serve(script) as root:
        url = f"{root}/file.zip"
        part = part_of(url, cache)
        assert downloads._attempt(url, part, "", QUICK) == ""
        assert fetch(source(url), cache=cache, pause=QUICK).read_bytes() == DATA
    assert script.asked == ["", f"bytes={len(DATA)}-"]
    assert held(cache) == ["file.zip"]


def test_a_cache_that_cannot_be_written_to_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HarnessError, match="name another cache"):
        fetch(source("http://127.0.0.1:9/file.zip"), cache=tmp_path / "file" / "cache")


def test_a_part_of_another_address_is_not_continued(cache):
    script = Script(DATA)
    part = part_of("", cache)
    part.path.write_bytes(b"other")
    part.note("http://127.0.0.1:9/elsewhere", 10, "")
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert script.asked == [""]


def test_a_file_that_changed_between_two_attempts_is_started_again(cache):
    script = Script(DATA, cuts=[1_000_000])
    with serve(script) as root:
        url = f"{root}/file.zip"
        part = part_of(url, cache)
        assert "connection lost" in downloads._attempt(url, part, "", QUICK)
        script.etag = '"two"'
        assert fetch(source(url), cache=cache, pause=QUICK).read_bytes() == DATA


def test_a_server_without_ranges_sends_the_whole_file_again(cache):
    script = Script(DATA, cuts=[1_000_000], ranges=False)
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA


def test_a_wrong_hash_is_refused_and_nothing_is_left(cache):
    with serve(Script(DATA)) as root, pytest.raises(HarnessError) as error:
        fetch(source(f"{root}/file.zip", sha256="0" * 64), cache=cache, pause=QUICK)
    assert held(cache) == []
    for part in ("file.zip", SHA, "0" * 64, str(cache / "file.zip"), "by hand"):
        assert part in str(error.value)


@pytest.mark.parametrize("wrong", [{"md5": "0" * 32}, {"bytes": 5}])
def test_a_wrong_md5_or_size_is_refused(cache, wrong):
    with serve(Script(DATA)) as root, pytest.raises(HarnessError, match="refused"):
        fetch(source(f"{root}/file.zip", sha256="", **wrong), cache=cache, pause=QUICK)
    assert held(cache) == []


def test_a_busy_server_is_asked_again(cache):
    script = Script(DATA, statuses=[503, 503])
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert len(script.asked) == 3


def test_a_server_that_stays_busy_is_given_up(cache):
    script = Script(DATA, statuses=[503] * 50)
    with serve(script) as root, pytest.raises(HarnessError, match="503"):
        fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
    assert len(script.asked) == downloads.TRIES


def test_a_missing_file_is_not_asked_for_again_and_the_next_address_is_tried(cache):
    script = Script(DATA, statuses=[404])
    with serve(script) as root:
        urls = (f"{root}/old.zip", f"{root}/new.zip")
        path = fetch(source("", urls=urls), cache=cache, pause=QUICK)
    assert path.read_bytes() == DATA
    assert [path for _, path, _ in script.requests] == ["/old.zip", "/new.zip"]


def test_a_server_that_never_gets_further_is_given_up(cache):
    script = Script(DATA, cuts=[500_000] * 50, ranges=False)
    with serve(script) as root, pytest.raises(HarnessError, match="given up"):
        fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
    assert len(script.asked) == downloads.TRIES + 1


def test_a_server_that_sends_the_rest_in_pieces_is_asked_for_every_piece(cache):
    script = Script(DATA, cuts=[1_000_000], most=700_000)
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert len(script.asked) == 4


def test_a_range_that_hides_the_size_of_the_file_is_not_taken_for_the_rest(cache):
    script = Script(DATA, cuts=[1_000_000], most=700_000, size="*")
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert len(script.asked) == 4


@pytest.mark.parametrize("size", ["3000001", "none"])
def test_a_range_of_another_file_is_started_again(cache, size):
    script = Script(DATA, cuts=[1_000_000], size=size)
    with serve(script) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert [bool(asked) for asked in script.asked] == [False, True, False]


def test_no_content_length(cache):
    with serve(Script(DATA, length=False)) as root:
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA


def test_no_content_length_and_cut_is_found_by_the_hash(cache):
    with serve(Script(DATA, length=False, cuts=[1000])) as root:
        with pytest.raises(HarnessError, match="refused"):
            fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA


def test_half_an_archive_does_not_become_the_one_that_is_enforced(cache):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.tif", DATA[:100_000])
    data = whole.getvalue()
    cache.mkdir()
    (cache / "by_hand.zip").write_bytes(data[:-50])
    with pytest.raises(HarnessError, match=r"by_hand\.zip: it is not a complete zip archive"):
        fetch(ExternalFile("by_hand.zip"), cache=cache)
    (cache / "by_hand.zip").unlink()
    with serve(Script(data, length=False, cuts=[70_000])) as root:
        unknown = source(f"{root}/file.zip", sha256="")
        with pytest.raises(HarnessError, match="refused: it is not a complete zip archive"):
            fetch(unknown, cache=cache, pause=QUICK)
        assert held(cache) == []
        assert fetch(unknown, cache=cache, pause=QUICK).read_bytes() == data


def test_a_redirect_is_followed(cache):
    with serve(Script(DATA)) as root:
        assert fetch(source(f"{root}/redirect"), cache=cache, pause=QUICK).read_bytes() == DATA


def test_a_web_page_in_place_of_the_file_is_refused(cache):
    with (
        serve(Script(b"<html>log in</html>", content_type="text/html; charset=utf-8")) as root,
        pytest.raises(HarnessError, match="web page"),
    ):
        fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
    assert held(cache) == []


def test_a_host_that_cannot_be_reached(cache, monkeypatch):
    monkeypatch.setattr(downloads, "TRIES", 1)
    url = "http://127.0.0.1:9/file.zip"
    with pytest.raises(HarnessError) as error:
        fetch(source(url), cache=cache, pause=QUICK)
    reason = r"127\.0\.0\.1:9: Failed to establish a new connection: \[Errno \d+\] .*"
    pattern = rf"^ *{re.escape(url)}: no connection after 1 attempts: {reason}$"
    assert re.search(pattern, str(error.value), re.MULTILINE), str(error.value)


def test_a_text_that_is_not_an_address(cache):
    with pytest.raises(HarnessError, match="not an address"):
        fetch(source("http//no"), cache=cache, pause=QUICK)


def test_the_password_page_of_seafile(cache):
    script = Script(DATA, cuts=[1_000_000])
    with serve(script) as root:
        url = f"{root}/f/abc123/"
        path = fetch(source(url, password=PASSWORD), cache=cache, pause=QUICK)
    assert path.read_bytes() == DATA
    posts = [sent for kind, _, sent in script.requests if kind == "POST"]
    assert all("token=abc123" in sent for sent in posts)
    assert script.requests[-1][1] == "/f/abc123/?dl=1"
    assert script.requests[-1][2].startswith("bytes=9")


def test_a_wrong_password_is_reported(cache):
    with serve(Script(DATA)) as root, pytest.raises(HarnessError, match="password was refused"):
        fetch(source(f"{root}/f/abc123/", password="wrong"), cache=cache, pause=QUICK)
    assert held(cache) == []


Usage = namedtuple("Usage", "total used free")


def test_too_little_disk_is_found_before_the_download(cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 9, 1000))
    with serve(Script(DATA)) as root, pytest.raises(HarnessError, match="free"):
        fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
    assert "file.zip" not in held(cache)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_keeps_the_part_for_the_next_run(cache, monkeypatch, number):
    writes = []

    class Full(downloads._Body):
        def __iter__(self):
            for item in super().__iter__():
                writes.append(item)
                yield item
                raise OSError(number, "no more")

    script = Script(DATA)
    with serve(script) as root:
        with monkeypatch.context() as patch, pytest.raises(HarnessError, match="disk is full"):
            patch.setattr(downloads, "_Body", Full)
            fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK)
        assert "file.zip" not in held(cache)
        assert fetch(source(f"{root}/file.zip"), cache=cache, pause=QUICK).read_bytes() == DATA
    assert script.asked[1].startswith("bytes=")


def _fetch_in_process(url, cache, results):
    path = fetch(source(url), cache=Path(cache), pause=QUICK)
    results.put(hashlib.sha256(path.read_bytes()).hexdigest())


def test_parallel_jobs_fetch_a_file_once(cache):
    script = Script(DATA)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    with serve(script) as root:
        jobs = [
            context.Process(target=_fetch_in_process, args=(f"{root}/file.zip", cache, results))
            for _ in range(3)
        ]
        for job in jobs:
            job.start()
        found = [results.get(timeout=60) for _ in jobs]
        for job in jobs:
            job.join(timeout=60)
    assert found == [SHA] * 3
    assert len(script.asked) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_leaves_a_part_that_the_next_run_continues(cache):
    script = Script(DATA)
    with serve(script) as root:
        url = f"{root}/file.zip"
        process = multiprocessing.get_context("spawn").Process(
            target=_interrupted, args=(url, str(cache))
        )
        process.start()
        process.join(timeout=60)
        assert process.exitcode == 130
        assert "file.zip" not in held(cache)
        left = next(cache.rglob(".file.zip.part")).stat().st_size
        assert left > 0
        assert fetch(source(url), cache=cache, pause=QUICK).read_bytes() == DATA
    assert script.asked == ["", f"bytes={left}-"]


def _interrupted(url, cache):
    """Fetch, and receive the signal of Ctrl-C after the first mebibyte."""

    class Stopped(downloads._Body):
        def __iter__(self):
            for item in super().__iter__():
                yield item
                signal.raise_signal(signal.SIGINT)
                time.sleep(10)

    downloads._Body = Stopped
    try:
        fetch(source(url), cache=Path(cache), pause=QUICK)
    except KeyboardInterrupt:
        sys.exit(130)

"""Downloads that survive a bad line: resumed, retried, and never seen half under their name."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from harness.disk.files import FULL, check_space, size_text
from harness.errors import HarnessError
from harness.terminal import progress

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
"""Bytes received at a time: what a cut can lose."""
MEBI = 1 << 20
TIMEOUT = (30.0, 90.0)
"""Seconds to connect, and between two pieces of the answer."""
TRIES = 5
"""Attempts in a row that bring no new byte before a server is given up."""
RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _CutError(Exception):
    """The transfer ended early; another attempt may continue it."""


@dataclass
class Part:
    """A file that is being downloaded, and what tells whether the rest still fits to it.

    `state` holds the address, the full size in bytes and the server's validator (ETag or
    date), so that a later process continues the same file and not another of that name.
    """

    path: Path

    @property
    def state(self) -> Path:
        """The small file beside the part."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def have(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self, url: str) -> dict[str, str | int]:
        """Return what was noted about `url`; nothing if the part came from elsewhere."""
        try:
            noted = dict(json.loads(self.state.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
        return noted if noted.get("url") == url else {}

    def note(self, url: str, total: int, validator: str) -> None:
        """Remember where the part comes from."""
        value = {"url": url, "total": total, "validator": validator}
        self.state.write_text(json.dumps(value), encoding="utf-8")

    def discard(self) -> None:
        """Forget everything received."""
        self.path.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Move the complete file to its final name."""
        self.path.replace(target)
        self.state.unlink(missing_ok=True)


def download(url: str, part: Part, *, password: str = "", pause: float = 1.0) -> None:
    """Bring `part` to its full length; a part of an earlier attempt is continued.

    Args:
        url: http(s) address; shares of Seafile and files of Google Drive are understood.
        part: where the bytes go; it stays after an interruption, for the next attempt.
        password: of a share that asks for one.
        pause: seconds before the second attempt; doubled for each further one.

    Raises:
        HarnessError: naming the address and what the server or the disk said.
    """
    from harness.fetching.hosts import drive_download, is_drive

    part.path.parent.mkdir(parents=True, exist_ok=True)
    if is_drive(url):
        if part.state.exists():
            # gdown would take what came from another address for the whole file.
            part.discard()
        drive_download(url, part.path)
        return
    tries, most = 0, part.have
    while True:
        try:
            _attempt(url, part, password)
            return
        except _CutError as cut:
            # Against the most there ever was: a server that makes us start again is no progress.
            tries = 0 if part.have > most else tries + 1
            most = max(most, part.have)
            if tries >= TRIES:
                raise HarnessError(f"{url}: given up after {TRIES} attempts: {cut}") from cut
            wait = pause * 2**tries
            print(f"{url}: {cut}; next attempt in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)


def _attempt(url: str, part: Part, password: str) -> None:
    import requests

    from harness.fetching.hosts import open_share

    try:
        with requests.Session() as session:
            session.headers["Accept-Encoding"] = "identity"
            address = open_share(session, url, password) if password else url
            with session.get(
                address, headers=_range(url, part), stream=True, timeout=TIMEOUT
            ) as answer:
                _receive(url, part, answer)
    except (ValueError, requests.TooManyRedirects) as error:
        raise HarnessError(f"{url}: not an address of a file: {error}") from error
    except requests.RequestException as error:
        raise _CutError(f"connection lost: {error}") from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise HarnessError(
            f"{part.path.parent}: the disk is full ({error}); free some space and run again, "
            f"the {size_text(part.have)} received are kept"
        ) from error


def _range(url: str, part: Part) -> dict[str, str]:
    """Headers that ask for the missing rest, if it can be told to belong to the part."""
    noted = part.known(url)
    if not part.have or not noted:
        part.discard()
        return {}
    headers = {"Range": f"bytes={part.have}-"}
    if noted["validator"]:
        headers["If-Range"] = str(noted["validator"])
    return headers


def _receive(url: str, part: Part, answer: "requests.Response") -> None:
    if answer.status_code in RETRIED:
        raise _CutError(f"the server answers {answer.status_code} {answer.reason}")
    if answer.status_code == 416:
        # A cut after the last byte leaves nothing to ask for; else the file has shrunk.
        if part.have == part.known(url).get("total"):
            return
        part.discard()
        raise _CutError("the file on the server has changed, starting again")
    if not answer.ok:
        raise HarnessError(f"{url}: the server answers {answer.status_code} {answer.reason}")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        raise HarnessError(
            f"{url}: the server sent a web page, not the file; "
            "the link has expired or asks for a login"
        )
    start = _start(url, part, answer)
    length = int(answer.headers.get("Content-Length", 0))
    total = _total(answer) or (start + length if length else 0)
    part.note(url, total, _validator(answer))
    check_space(part.path.parent, length, _title(part))
    with part.path.open("r+b" if start else "wb") as stream:
        stream.seek(start)
        body = _Body(answer, length, stream)
        for _ in progress(body, f"downloading {_title(part)}", start=start // MEBI, unit="MiB"):
            pass
    if total and part.have != total:
        raise _CutError(f"{part.have} of {total} bytes received")


def _validator(answer: "requests.Response") -> str:
    """Return what proves that a later answer is the same file; weak ETags prove nothing."""
    etag = answer.headers.get("ETag", "")
    strong = etag and not etag.startswith("W/")
    return etag if strong else answer.headers.get("Last-Modified", "")


def _start(url: str, part: Part, answer: "requests.Response") -> int:
    """Return the offset at which the body belongs: 0 if the server sends the whole file."""
    if answer.status_code != 206:
        return 0
    unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    noted = part.known(url).get("total")
    same = not noted or total in ("*", str(noted))
    if unit != "bytes" or span.split("-")[0] != str(part.have) or not same:
        part.discard()
        raise _CutError("the file on the server has changed, starting again")
    return part.have


def _total(answer: "requests.Response") -> int:
    """Return the size of the file that an answer is a part of, 0 if it does not say."""
    # A server may send less than the rest that was asked for.
    told = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(told) if answer.status_code == 206 and told.isdecimal() else 0


@dataclass
class _Body:
    """Writes the body of an answer; iterating counts mebibytes for the progress display."""

    answer: "requests.Response"
    length: int
    stream: BinaryIO

    def __len__(self) -> int:
        return -(-self.length // MEBI)

    def __iter__(self) -> Iterator[None]:
        written = 0
        for chunk in self.answer.iter_content(CHUNK):
            self.stream.write(chunk)
            written += len(chunk)
            if written % MEBI < len(chunk):
                yield


def _title(part: Part) -> str:
    return part.path.name.removeprefix(".").removesuffix(".part")

"""Downloads over unreliable connections: continued, repeated, and renamed only when complete."""

import json
import re
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from harness.disk.files import FULL, check_space, size_text
from harness.errors import HarnessError
from harness.fetching.checksums import Digests
from harness.fetching.drive import drive_download, is_drive
from harness.fetching.hosts import (
    TIMEOUT,
    check_encoding,
    check_status,
    is_page,
    open_share,
    reason_of,
)
from harness.fetching.places import Places
from harness.terminal import progress
from metrics.texts import printable

CHUNK = 1 << 16
"""Bytes received at a time; this much is lost when a connection is cut."""
MEBI = 1 << 20
SMALL = 8 * MEBI
"""Bytes of a file that arrives too soon to show progress."""
TRIES = 5
"""Requests in a row that fail or bring no new byte before a download is given up."""
RETRIED = (408, 425, 429, 500, 502, 503, 504)
"""Statuses of servers that may answer the next request."""


@dataclass
class Part:
    """A file that is being downloaded.

    The small file `state` beside it holds its address, its full size in bytes and the server's
    validator (ETag or date), so that a later process continues the same file and not a newer one.

    Attributes:
        path: the file.
        digests: hashes that are computed while the bytes arrive.
        expected: size in bytes that the file must have; 0 if it is unknown.
        bound: bytes after which the download is given up; 0 for none.
        proven: whether a stated hash will show that no two versions of the file were mixed.
    """

    path: Path
    digests: Digests = field(default_factory=lambda: Digests((), 0))
    expected: int = 0
    bound: int = 0
    proven: bool = False

    @staticmethod
    def beside(
        target: Path, kinds: Collection[str], size: int, *, bound: int = 0, proven: bool = False
    ) -> "Part":
        """Return the part beside the place `target` where the file will be kept.

        `kinds` are the hashes to compute; `size` is in bytes, 0 if it is unknown.
        """
        path = target.with_name(f".{target.name}.part")
        return Part(path, Digests(kinds, size), size, bound, proven)

    def check_bound(self, received: int) -> None:
        """Give up a body that is longer than it may be; delete what was received.

        Raises:
            HarnessError: naming the bound.
        """
        if self.bound and received > self.bound:
            self.discard()
            raise HarnessError(
                f"{self.path.name}: the server sends more than {self.bound} bytes; if the file is "
                "that large, state its `bytes` or `at_most`"
            )

    @property
    def state(self) -> Path:
        """What is known about the file on the server."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def have(self) -> int:
        """Bytes received so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def known(self, url: str) -> dict[str, Any]:
        """Return what was noted about `url`; nothing if the part has another address."""
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
        """Delete everything received."""
        self.path.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Move the complete file to its final name."""
        self.path.replace(target)
        self.state.unlink(missing_ok=True)


def download(url: str, part: Part, places: Places, *, password: str = "") -> None:
    """Download a file to `part`, continuing a part of an earlier process.

    Args:
        url: http(s) address of a file, a Seafile share, or a file on Google Drive.
        part: file to write; what is received stays after a failure, for the next attempt.
        places: the run: the pause before a repetition, which each further one doubles, and what
            is known about Google Drive.
        password: password of a share that asks for one.

    Raises:
        HarnessError: naming the address, and what the server or the disk reported.
    """
    part.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not is_drive(url):
            _download_ranges(url, part, password, places.pause)
            return
        if part.state.exists():
            # gdown would take a part of another address for the complete file.
            part.discard()
        drive_download(url, part.path, places, part.check_bound)
    except (ValueError, requests.TooManyRedirects) as error:
        raise HarnessError(f"{url}: not an address of a file: {error}") from error
    except requests.RequestException as error:
        reason = reason_of(error)
        raise HarnessError(f"{url}: no connection after {TRIES} attempts: {reason}") from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise HarnessError(
            f"{part.path.parent}: the disk is full ({error}); free some space and run again, "
            f"the {size_text(part.have)} received are kept"
        ) from error


def _download_ranges(url: str, part: Part, password: str, pause: float) -> None:
    tries, most = 0, part.have
    while problem := _attempt(url, part, password, pause):
        # Compared with the most there ever was: starting the file again is no progress.
        tries = 0 if part.have > most else tries + 1
        most = max(most, part.have)
        if tries >= TRIES:
            raise HarnessError(f"{url}: given up after {TRIES} attempts: {problem}")
        wait = pause * 2**tries
        text = printable(f"{url}: {problem}; next attempt in {wait:g} s")
        print(text, file=sys.stderr, flush=True)
        time.sleep(wait)


def _attempt(url: str, part: Part, password: str, pause: float) -> str:
    """Ask for the missing rest; return why another attempt is needed, or an empty string."""
    noted = part.known(url)
    # Without a validator or a hash, a rest of another version would be taken for the same file.
    if not part.have or not noted or not (noted.get("validator") or part.proven):
        part.discard()
        noted = {}
    headers = {"Range": f"bytes={part.have}-"} if noted else {}
    if noted.get("validator"):
        headers["If-Range"] = noted["validator"]
    with _session(pause) as session:
        address = open_share(session, url, password) if password else url
        with session.get(address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            return _receive(url, part, answer)


def _session(pause: float) -> requests.Session:
    """Return a session that repeats requests to servers that are busy or do not answer."""
    retry = Retry(
        total=TRIES - 1,
        backoff_factor=pause,
        status_forcelist=RETRIED,
        allowed_methods=None,
        raise_on_status=False,
        # A server could otherwise make us wait for hours without a word.
        respect_retry_after_header=False,
    )
    session = requests.Session()
    # A compressed answer cannot be continued at a byte of the file.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _receive(url: str, part: Part, answer: requests.Response) -> str:
    known = part.known(url).get("total")
    if answer.status_code == 416 and part.have == known:
        # Every byte is already here: the connection was cut only after the last one.
        return ""
    start, total = _span(answer)
    other = start != part.have or (known and total not in (None, known))
    if answer.status_code == 416 or (answer.status_code == 206 and other):
        part.discard()
        return "the file on the server has changed, it is started again"
    check_status(url, answer)
    if is_page(answer):
        raise HarnessError(
            f"{url}: the server sent a web page, not the file; the link has expired or asks "
            "for a login"
        )
    check_encoding(url, answer)
    length = answer.raw.length_remaining or 0
    total = total or (start and known) or (start + length if length else 0)
    etag = answer.headers.get("ETag", "")
    # A weak ETag does not prove that a later answer is the same file.
    strong = etag and not etag.startswith("W/")
    if part.expected and total and total != part.expected:
        raise HarnessError(
            f"{url}: the file was refused: the server announces {total} bytes, expected "
            f"{part.expected}"
        )
    part.check_bound(total)
    part.note(url, total, etag if strong else answer.headers.get("Last-Modified", ""))
    title = part.path.name.removeprefix(".").removesuffix(".part")
    check_space(part.path.parent, length, title)
    try:
        with part.path.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            part.digests.catch_up(part.path, start)
            body = _Body(answer, length, stream, part)
            shown = progress(body, f"downloading {title}", start=start // MEBI, unit="MiB")
            for _ in body if 0 < length < SMALL else shown:
                pass
    except requests.RequestException as error:
        return f"connection lost: {reason_of(error)}"
    # A server may send less than the rest that was asked for.
    return f"{part.have} of {total} bytes received" if total and part.have != total else ""


def _span(answer: requests.Response) -> tuple[int, int | None]:
    """Return the first byte of an answer and, if a range states it, the size of the whole file.

    The first byte is -1 if the answer is a range but does not say which one.
    """
    if answer.status_code != 206:
        # The server sends the whole file, even if it was asked for the rest.
        return 0, None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if found is None:
        return -1, None
    return int(found[1]), None if found[2] == "*" else int(found[2])


@dataclass
class _Body:
    """Writes the body of an answer; iterating over it counts mebibytes for the progress bar."""

    answer: requests.Response
    length: int
    stream: BinaryIO
    part: Part

    def __len__(self) -> int:
        return -(-self.length // MEBI)

    def __iter__(self) -> Iterator[None]:
        written = 0
        for chunk in self.answer.iter_content(CHUNK):
            self.part.check_bound(self.stream.tell() + len(chunk))
            self.stream.write(chunk)
            self.part.digests.update(chunk)
            written += len(chunk)
            if written % MEBI < len(chunk):
                yield

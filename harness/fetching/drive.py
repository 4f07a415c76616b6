"""Google Drive: files by their path in a shared folder, and what its quota means for a download.

gdown speaks to Drive. It lists a folder with one request per subfolder and repeats none of them,
so a run lists each folder once.
"""

import glob
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urlsplit

from harness.disk.files import read_json, write_json
from harness.errors import HarnessError
from harness.fetching.hosts import TIMEOUT
from harness.fetching.places import Places

QUOTA = ("Too many users have viewed or downloaded", "have had many accesses")
"""Parts of the two texts by which Drive or gdown report an exceeded quota."""
PATIENCE = 3
"""Files in a row that the quota refuses before a run stops asking Drive."""
RETRIES = 5
"""Repetitions of a transfer whose connection is lost."""
HELP = (
    "over the quota: this is a limit of Google Drive, not an error of the file, and what was "
    "received is kept. Run the same command again later, at the latest after 24 hours; or run "
    "`gdown --cookies-from-browser BROWSER` to use your own account; or copy the folder to your "
    "own Drive, or take the files from another address, and put them by hand"
)


def is_drive(url: str) -> bool:
    """Return whether `url` is a file or folder of Google Drive."""
    return urlsplit(url).hostname == "drive.google.com"


def _parts(url: str) -> tuple[str, str, str]:
    """Split `FOLDER#PATH?id=IDENTITY`; path and identity are empty for the address of a file.

    The path has at most one folder (`optical/a.tif`). The identity, which may be left out, is the
    file's own: it is used if the folder cannot be listed.
    """
    folder, fragment = urldefrag(url)
    path, _, identity = fragment.partition("?id=")
    return folder, path, identity


def is_absent(url: str, places: Places) -> bool:
    """Return whether the folder of a Drive address was listed and does not have the file."""
    folder, path, _ = _parts(url)
    listing = _listing(folder, places) if is_drive(url) and path else None
    return listing is not None and path not in listing


def drive_download(
    url: str, target: Path, places: Places, check_bound: Callable[[int], None]
) -> None:
    """Download from Google Drive to `target`; continue an earlier attempt.

    Args:
        url: address of a file, or `FOLDER#PATH?id=IDENTITY` (see `_parts`).
        target: file to write. No other target in its folder may have its name.
        places: the run, which lists a folder once and counts refusals.
        check_bound: called with the number of bytes that are here; raises if these are too many.

    Raises:
        HarnessError: as `check_bound`; if the folder does not hold the file, if Drive refuses it,
            because of its quota or for another reason, or if the quota refused the last few files.
    """
    import gdown
    from gdown.exceptions import DownloadError

    folder, path, identity = _parts(url)
    address = url
    if path:
        address = f"https://drive.google.com/uc?id={_identity(folder, path, identity, places)}"
    if places.refused >= PATIENCE:
        raise HarnessError(f"{url}: not asked for, since Google Drive refused {PATIENCE} in a row")
    quiet = not sys.stderr.isatty()
    try:
        gdown.download(
            url=address,
            output=str(target),
            quiet=quiet,
            resume=True,
            retries=RETRIES,
            timeout=TIMEOUT,
            progress=lambda received, _: check_bound(received),
        )
    except HarnessError:
        # gdown receives into a file of its own name beside the target.
        for unfinished in target.parent.glob(f"{glob.escape(target.name)}*.part"):
            unfinished.unlink()
        raise
    except DownloadError as error:
        text = " ".join(str(error).split())
        if any(part in text for part in QUOTA):
            places.refused += 1
            places.advice = HELP
            raise HarnessError(f"{url}: over the quota: {text}") from error
        raise HarnessError(f"{url}: Google Drive: {text}") from error
    places.refused = 0


def _identity(folder: str, path: str, fallback: str, places: Places) -> str:
    listing = _listing(folder, places)
    if listing is None:
        if not fallback:
            raise HarnessError(f"{folder}: cannot be listed, so {path} cannot be found there")
        return fallback
    found = listing.get(path, [])
    if not found:
        held = ", ".join(sorted(key for key in listing if ("/" in key) == ("/" in path))[:20])
        raise HarnessError(f"{folder}: the folder holds {held}; there is no {path}")
    if len(found) > 1:
        raise HarnessError(f"{folder}: lists {path} {len(found)} times; only one can be right")
    return found[0]


def _listing(folder: str, places: Places) -> dict[str, list[str]] | None:
    """List a folder once per run: path → identities; None if Drive does not show it."""
    if folder not in places.listings:
        kept = places.cache / f"drive_{urlsplit(folder).path.rsplit('/', 1)[-1]}.json"
        listing = _ask(folder)
        if listing:
            write_json(kept, listing)
        elif kept.is_file():
            print(f"using the listing of an earlier run, {kept}", file=sys.stderr, flush=True)
            listing = dict(read_json(kept))
        places.listings[folder] = listing or None
    listed: dict[str, list[str]] | None = places.listings[folder]
    return listed


def _ask(folder: str) -> dict[str, list[str]]:
    import gdown
    import requests
    from gdown.exceptions import DownloadError

    listing: dict[str, list[str]] = {}
    try:
        # Drive shows a folder without its files, and no error, if the page has changed.
        items = gdown.download_folder(url=folder, skip_download=True, quiet=True, timeout=TIMEOUT)
        for item in (item for item in items if not isinstance(item, str)):
            parts = PurePosixPath(Path(item.path).as_posix()).parts
            # A folder of predictions has the same names, so that one folder belongs to the key.
            for key in {parts[-1], "/".join(parts[-2:])}:
                listing.setdefault(key, []).append(item.id)
        problem = "" if listing else "it shows no files"
    except (DownloadError, requests.RequestException) as error:
        problem = " ".join(str(error).split())
    if problem:
        print(f"{folder}: cannot be listed: {problem}", file=sys.stderr, flush=True)
    return listing

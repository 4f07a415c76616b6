"""Hosts that do not serve a file at its address: password pages of Seafile, Google Drive."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import requests

from harness.errors import HarnessError

TIMEOUT = (30.0, 90.0)
"""Seconds until a connection stands, and between two pieces of an answer."""


class _Form(HTMLParser):
    """The hidden fields of a page, and whether it asks for a password."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.asks = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag != "input":
            return
        self.asks |= values.get("type") == "password"
        if values.get("type") == "hidden" and values.get("name"):
            self.fields[str(values["name"])] = values.get("value") or ""


def open_share(session: requests.Session, url: str, password: str) -> str:
    """Unlock a Seafile share for `session`, and return the address of the file itself.

    The page is a form. Its hidden fields are sent back together with the password; from then
    on, the session's cookie opens the share.

    Raises:
        HarnessError: if the password is refused.
    """
    address = f"{url}?dl=1"
    page = session.get(url, timeout=TIMEOUT)
    check_status(url, page)
    form = _Form(page.text)
    if not form.asks:
        return address
    token = urlsplit(url).path.rstrip("/").split("/")[-1]
    data = {"token": token, **form.fields, "password": password}
    headers = {"Referer": url}
    with session.post(
        address, data=data, headers=headers, allow_redirects=False, stream=True, timeout=TIMEOUT
    ) as answer:
        check_status(url, answer)
        if is_page(answer) and not answer.is_redirect and _Form(answer.text).asks:
            raise HarnessError(
                f"{url}: the password was refused; the share has a new one, ask its owner"
            )
    return address


def check_status(url: str, answer: requests.Response) -> None:
    """Raise HarnessError, naming address and status, for an answer that is an error."""
    if not answer.ok:
        raise HarnessError(f"{url}: the server answers {answer.status_code} {answer.reason}")


def is_page(answer: requests.Response) -> bool:
    """Return whether an answer is a web page."""
    return answer.headers.get("Content-Type", "").startswith("text/html")


def is_drive(url: str) -> bool:
    """Return whether `url` is a file or folder of Google Drive."""
    return urlsplit(url).hostname == "drive.google.com"


def drive_download(url: str, target: Path) -> None:
    """Download from Google Drive to `target`; continue an earlier attempt.

    Args:
        url: address of a file, or of a folder with the name of the wanted file as fragment
            (`https://drive.google.com/drive/folders/<id>#optical.zip`).
        target: file to write.

    Raises:
        HarnessError: if the folder does not hold the file, or Google Drive refuses.
    """
    import gdown
    from gdown.exceptions import DownloadError

    address, name = urldefrag(url)
    try:
        if name:
            listed = gdown.download_folder(url=address, skip_download=True, quiet=True)
            files = {Path(item.path).name: item.id for item in listed if not isinstance(item, str)}
            if name not in files:
                held = ", ".join(sorted(files)[:20]) or "nothing"
                raise HarnessError(f"{address}: the folder holds {held}; there is no {name}")
            address = f"https://drive.google.com/uc?id={files[name]}"
        gdown.download(url=address, output=str(target), resume=True, retries=5, timeout=TIMEOUT)
    except (DownloadError, OSError) as error:
        raise HarnessError(f"{url}: Google Drive: {error}") from error

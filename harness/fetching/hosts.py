"""Answers of web servers, and the password pages of Seafile."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

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

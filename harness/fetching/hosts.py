"""Answers of web servers, and the password pages of Seafile."""

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import requests

from harness.errors import HarnessError

TIMEOUT = (30.0, 90.0)
"""Seconds until a connection stands, and between two pieces of an answer."""


PAGE_BYTES = 4 << 20
"""Largest size of a page that is read."""


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
    with session.get(url, stream=True, timeout=TIMEOUT) as page:
        check_status(url, page)
        form = _Form(_text(url, page))
    if not form.asks:
        return address
    token = urlsplit(url).path.rstrip("/").split("/")[-1]
    data = {"token": token, **form.fields, "password": password}
    headers = {"Referer": url}
    with session.post(
        address, data=data, headers=headers, allow_redirects=False, stream=True, timeout=TIMEOUT
    ) as answer:
        check_status(url, answer)
        if is_page(answer) and not answer.is_redirect and _Form(_text(url, answer)).asks:
            raise HarnessError(
                f"{url}: the password was refused; the share has a new one, ask its owner"
            )
    return address


def _text(url: str, answer: requests.Response) -> str:
    """Return the text of a page, which is small."""
    check_encoding(url, answer)
    data = b""
    for chunk in answer.iter_content(1 << 16):
        data += chunk
        if len(data) > PAGE_BYTES:
            raise HarnessError(f"{url}: expected a page, the server sends over {PAGE_BYTES} bytes")
    return data.decode("utf-8", "replace")


def check_encoding(url: str, answer: requests.Response) -> None:
    """Refuse a body that is compressed on its way, which was not asked for.

    It has another size than the file, cannot be continued at a byte of the file, and may unpack to
    a thousand times its size.

    Raises:
        HarnessError: naming the address and the encoding.
    """
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise HarnessError(
            f"{url}: the server sends the encoding {encoding!r}, expected the plain file; take "
            "another address, or put the file by hand"
        )


def check_status(url: str, answer: requests.Response) -> None:
    """Raise HarnessError, naming address and status, for an answer that is an error."""
    if not answer.ok:
        raise HarnessError(f"{url}: the server answers {answer.status_code} {answer.reason}")


def is_page(answer: requests.Response) -> bool:
    """Return whether an answer is a web page."""
    return answer.headers.get("Content-Type", "").startswith("text/html")


def reason_of(error: BaseException) -> str:
    """Return why a request failed, on one line: requests and urllib3 wrap the reason."""
    wrapped = [getattr(error, "reason", None), *error.args]
    inner = next((part for part in wrapped if isinstance(part, BaseException)), None)
    texts = [part for part in error.args if isinstance(part, str)]
    if inner is not None and (inner is wrapped[0] or not texts):
        return reason_of(inner)
    text = " ".join((texts[-1] if texts else str(error)).split()) or type(error).__name__
    # The host is not always that of the URL: a proxy or a redirect may have another one.
    text = re.sub(r"^\w+\(host='?(.*?)'?, port=(\w+)\): ", r"\1:\2: ", text)
    if inner is None or str(inner) in text:
        return text
    return f"{text.rstrip('.')}: {reason_of(inner)}"

"""Servers on 127.0.0.1 that play Google Drive and the host of a repository's files.

The real clients run against them: a request for one of their names goes to 127.0.0.1 instead.
"""

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from requests.adapters import HTTPAdapter

from tests.helpers.file_server import serve_with

FOLDER = "folder-of-the-data-set-on-drive"
QUOTA_PAGE = (
    "<html><title>Google Drive - Quota exceeded</title><body>\n"
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. '
    "Please try accessing the file again later. It may take up to 24 hours.</p>\n</body></html>"
)
LOGIN_PAGE = "<html><title>Sign in</title><body>Sign in to continue</body></html>"


@dataclass
class Drive:
    """A shared folder: path → bytes; and paths at which something goes wrong.

    `wrong` gives the kind of fault of a path: `quota`, `page` (a sign-in page), `disguised` (a
    page that is offered as a file), `short` (a body that ends early), `endless` (a body that is
    repeated for ever) or `redirect`.
    """

    files: dict[str, bytes]
    wrong: dict[str, str] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    listing: bool = True
    pages: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def identity(self, path):
        """Return the identity of a file, as long as a real one."""
        return hashlib.sha256(path.encode()).hexdigest()[:33]

    def answer(self, handler, url):
        """Answer a request."""
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        identity = query.get("id", "")
        if url.path == "/embeddedfolderview":
            self.pages.append(identity)
            handler.page(
                self._folder(identity) if self.listing else "", 200 if self.listing else 500
            )
            return
        names = [path for path in self.files if self.identity(path) == identity]
        if not names:
            handler.page(LOGIN_PAGE, 404)
            return
        self._file(handler, names[0], url.path)

    def _folder(self, identity):
        below = "" if identity == FOLDER else identity.removeprefix(f"{FOLDER}-")
        links = []
        if not below:
            for name in sorted({path.split("/")[0] for path in self.files}):
                links.append((f"https://drive.google.com/drive/folders/{FOLDER}-{name}", name))
        for path in self.files:
            folder, name = path.split("/")
            if folder == below and path not in self.unlisted:
                links.append((f"https://drive.google.com/file/d/{self.identity(path)}/view", name))
        body = "".join(f'<a href="{link}">{name}</a>' for link, name in links)
        return f"<html><head><title>{below or 'WHU'}</title></head><body>{body}</body></html>"

    def _file(self, handler, path, place):
        data, fault = self.files[path], self.wrong.get(path, "")
        if fault == "redirect" and place == "/uc":
            handler.head(
                302,
                {
                    "Location": f"https://drive.usercontent.google.com/get?id={self.identity(path)}",
                    "Content-Length": "0",
                },
            )
            return
        self.asked.append(path)
        if fault in ("quota", "page"):
            handler.page(QUOTA_PAGE if fault == "quota" else LOGIN_PAGE)
            return
        if fault == "disguised":
            data = LOGIN_PAGE.encode()
        name = path.split("/")[-1]
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        if fault == "endless":
            handler.head(200, headers)
            self._repeat(handler, data)
            return
        handler.head(200, {**headers, "Content-Length": str(len(data))})
        handler.wfile.write(data[: len(data) // 2] if fault == "short" else data)
        handler.close_connection = True

    def _repeat(self, handler, data):
        handler.close_connection = True
        with suppress(ConnectionError):
            while True:
                handler.wfile.write(data)


@dataclass
class Repositories:
    """Files of repositories by their path on the host; `cut` bodies end early once each."""

    files: dict[str, bytes]
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, handler, url):
        """Answer a request, also for the rest of a file."""
        path = unquote(url.path).lstrip("/")
        wanted = handler.headers.get("Range", "")
        self.asked.append((path, wanted))
        if path not in self.files:
            handler.page("404: Not Found", 404, "text/plain")
            return
        data = self.files[path]
        start = int(wanted[6:-1]) if wanted else 0
        headers = {"Content-Type": "application/octet-stream", "ETag": '"one"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content-Length"] = str(len(data) - start)
        handler.head(206 if start else 200, headers)
        handler.wfile.write(data[start:][: self.cut.pop(path, None)])
        handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.played.answer(self, urlsplit(self.path))

    def head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def page(self, text, status=200, kind="text/html; charset=utf-8"):
        body = text.encode()
        self.head(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)


REDIRECTION = """
from urllib.parse import urlsplit
from requests.adapters import HTTPAdapter

send = HTTPAdapter.send


def redirected(self, request, **options):
    address = urlsplit(request.url)
    if address.hostname != "127.0.0.1":
        request.url = ROOT + address.path
    return send(self, request, **options)


HTTPAdapter.send = redirected
"""


@contextmanager
def play_for_programs(monkeypatch, folder, played):
    """Let the programs that a test starts find `played` instead of the repositories' host."""
    handler = type("Handler", (_Handler,), {"played": played})
    with serve_with(handler) as root, monkeypatch.context() as patch:
        folder.mkdir()
        # Python imports a module of this name before anything else.
        (folder / "sitecustomize.py").write_text(f"ROOT = {root!r}\n{REDIRECTION}")
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        yield root


@contextmanager
def play(monkeypatch, played):
    """Let `requests` find `played` at the addresses of Google Drive and of the repositories."""
    handler = type("Handler", (_Handler,), {"played": played})
    with serve_with(handler) as root, monkeypatch.context() as patch:
        send = HTTPAdapter.send

        def redirected(self, request, **options):
            address = urlsplit(request.url)
            if address.hostname == "127.0.0.1":
                return send(self, request, **options)
            request.url = f"{root}{address.path}" + (f"?{address.query}" if address.query else "")
            answer = send(self, request, **options)
            request.url = answer.url = address.geturl()
            return answer

        patch.setattr(HTTPAdapter, "send", redirected)
        yield root

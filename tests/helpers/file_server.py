"""A server on 127.0.0.1 that misbehaves according to a script."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSWORD = "right"


@dataclass
class Script:
    """What the server holds, and what goes wrong.

    `statuses` are answered first, one per request. `cuts` are the numbers of bytes after which
    the next bodies end early. `most` is the largest number of bytes in the answer to a range,
    and `size` what a range states as the size of the file, if that is not the truth.
    """

    data: bytes
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    most: int | None = None
    size: str = ""
    length: bool = True
    endless: bool = False
    encoding: str = ""
    etag: str = '"one"'
    content_type: str = "application/zip"
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def asked(self):
        """Ranges of the requests for the file itself."""
        return [wanted for _, _, wanted in self.requests]


FORM = """<html><form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="c5f">
<input type="hidden" name="token" value="{token}" /><input type="password" name="password"></form>
"""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/redirect":
            self._head(302, {"Location": "/file.zip", "Content-Length": "0"})
        elif path.startswith("/f/") and "unlocked" not in self.headers.get("Cookie", ""):
            self._page(FORM.format(token=path.strip("/").split("/")[-1]))
        else:
            self._file()

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.script.requests.append(("POST", self.path, sent))
        if "csrfmiddlewaretoken=c5f" in sent and f"password={PASSWORD}" in sent:
            headers = {"Location": "/elsewhere", "Set-Cookie": "share=unlocked; Path=/"}
            self._head(302, {**headers, "Content-Length": "0"})
        else:
            self._page(FORM.format(token="t"))

    def _head(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _page(self, text):
        body = text.encode()
        self._head(200, {"Content-Type": "text/html", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _file(self):
        script = self.script
        wanted = self.headers.get("Range", "")
        script.requests.append(("GET", self.path, wanted))
        if script.statuses:
            self._head(script.statuses.pop(0), {"Content-Length": "0"})
            return
        fits = self.headers.get("If-Range", script.etag) == script.etag
        start = int(wanted[6:-1]) if wanted and script.ranges and fits else 0
        if start >= len(script.data):
            self._head(416, {"Content-Length": "0"})
            return
        size = len(script.data)
        end = min(size, start + script.most) if start and script.most else size
        headers = {"Content-Type": script.content_type}
        if script.etag:
            headers["ETag"] = script.etag
        if script.encoding:
            headers["Content-Encoding"] = script.encoding
        if start:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{script.size or size}"
        if script.length:
            headers["Content-Length"] = str(end - start)
        headers["Connection"] = "close"
        self._head(206 if start else 200, headers)
        body = script.data[start:end]
        while script.endless:
            self.wfile.write(body)
        self.wfile.write(body[: script.cuts.pop(0)] if script.cuts else body)
        self.close_connection = True


def serve(script):
    """Run the server for a block; give the address of its root."""
    return serve_with(type("Handler", (_Handler,), {"script": script}))


@contextmanager
def serve_with(handler):
    """Run a server whose requests `handler` answers; give the address of its root."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

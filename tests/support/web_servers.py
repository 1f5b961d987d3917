"""Servers on loopback: one sends parts of files, one refuses some requests to another."""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from support.waiting import PATIENCE

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_DROPPED = ("connection", "transfer-encoding", "content-length", "date", "server")


@dataclass
class Served:
    """The files of a server; `asked` holds the first byte and the count of each request."""

    files: dict[str, bytes]
    sends_parts: bool = True
    address: str = ""
    asked: list[tuple[int, int]] = field(default_factory=list)


@contextlib.contextmanager
def file_server(served: Served) -> Iterator[Served]:
    """Serve files by HTTP, in parts if `sends_parts`; yield them with their address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(served.files.get(unquote(self.path)), with_body=False)

        def do_GET(self) -> None:
            self._answer(served.files.get(unquote(self.path)), with_body=True)

        def _answer(self, data: bytes | None, *, with_body: bool) -> None:
            if data is None:
                _send(self, 404, {}, b"")
                return
            part = _RANGE.fullmatch(self.headers.get("Range", ""))
            if part is None or not served.sends_parts:
                _send(self, 200, {"Content-Length": str(len(data))}, data if with_body else b"")
                return
            first, last = int(part[1]), min(int(part[2]), len(data) - 1)
            served.asked.append((first, last + 1 - first))
            place = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
            _send(self, 206, place, data[first : last + 1])

        def log_message(self, *_: object) -> None:
            pass

    with _running(Handler) as served.address:
        yield served


@contextlib.contextmanager
def refusing(address: str, pattern: str, status: int = 403) -> Iterator[str]:
    """Pass requests on to a server, but refuse those that match a pattern."""
    behind = urlsplit(address).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if re.search(pattern, f"{self.command} {unquote(self.path)}"):
                _send(self, status, {}, b"<Error><Code>AccessDenied</Code></Error>")
                return
            connection = HTTPConnection(behind, timeout=PATIENCE)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _DROPPED}
            if self.command == "HEAD":
                kept["Content-Length"] = answer.getheader("Content-Length", "0")
            _send(self, answer.status, kept, answer.read())
            connection.close()

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._pass_on
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            pass

    with _running(Handler) as own:
        yield own


def _send(
    to: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    to.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | headers).items():
        to.send_header(name, value)
    to.end_headers()
    if to.command != "HEAD":
        to.wfile.write(body)


def _running(handler: type[BaseHTTPRequestHandler]) -> contextlib.AbstractContextManager[str]:
    return serving(ThreadingHTTPServer(("127.0.0.1", 0), handler))


@contextlib.contextmanager
def serving(made: TCPServer) -> Iterator[str]:
    """Run a server in a thread; yield its address."""
    with made as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

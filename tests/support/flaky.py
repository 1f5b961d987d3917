"""A proxy before a server of HTTP, on loopback: busy, dropping answers, stalling, dying."""

import contextlib
import random
import socket
import threading
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

from support.web_servers import serving

_PHRASES = {400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests", 503: "Slow Down"}


@dataclass
class Trouble:
    """What the proxy does to requests: each part of one is the share of them.

    `asked` are the requests, and `troubled` counts what was done to them. After `dies_after`
    requests each connection is closed at once.
    """

    refused: float = 0.0
    dropped: float = 0.0
    stalled: float = 0.0
    status: int = 503
    code: str = "SlowDown"
    retry_after: str = ""
    dies_after: int = 10**9
    seed: int = 0
    asked: list[str] = field(default_factory=list)
    troubled: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("refused", "dropped", "stalled"), 0)
    )

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - no secret

    def next(self, request: str) -> str:
        """Return what is done to a request; empty where it is passed on."""
        self.asked.append(request)
        drawn = self._random.random()
        for name in self.troubled:
            drawn -= getattr(self, name)
            if drawn < 0:
                self.troubled[name] += 1
                return name
        return ""

    def answer(self) -> bytes:
        """Return the answer to a request that is refused, as S3 gives it."""
        body = f"<Error><Code>{self.code}</Code><Message>{self.code}.</Message></Error>"
        more = f"Retry-After: {self.retry_after}\r\n" if self.retry_after else ""
        return (
            f"HTTP/1.1 {self.status} {_PHRASES[self.status]}\r\nConnection: close\r\n"
            f"Content-Type: application/xml\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class _Proxy(ThreadingTCPServer):
    """A server that knows its open connections, so that it can end while clients go on."""

    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, behind: tuple[str, int], trouble: Trouble) -> None:
        self.behind, self.trouble = behind, trouble
        self.stopped = threading.Event()
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def shutdown(self) -> None:
        """Take no more connections, and wake each thread that waits for a client."""
        super().shutdown()
        self.stopped.set()
        for request in tuple(self._open):
            with contextlib.suppress(OSError):  # It has just been closed.
                request.shutdown(socket.SHUT_RDWR)


class _Connection(StreamRequestHandler):
    """A connection: one request and its answer."""

    server: _Proxy

    def handle(self) -> None:
        with contextlib.suppress(OSError, EOFError):  # A client may go away at any moment.
            self._serve()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _serve(self) -> None:
        lines = list(iter(self._line, ""))
        trouble = self.server.trouble
        if len(trouble.asked) >= trouble.dies_after:
            return
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        what = trouble.next(lines[0])
        if headers.get("expect"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = int(headers.get("content-length", 0))
        body = self.rfile.read(size)
        if len(body) < size:
            return
        if what == "stalled":
            self.server.stopped.wait()
        elif what == "refused":
            answer = trouble.answer()
            self.wfile.write(
                answer.partition(b"<")[0] if lines[0].startswith("HEAD") else answer
            )
        else:
            answer = self._answer_behind(lines, body)
            self.wfile.write(answer[: len(answer) // 2] if what == "dropped" else answer)

    def _line(self) -> str:
        line = self.rfile.readline().decode("latin-1")
        if not line.endswith("\n"):
            raise EOFError
        return line.rstrip("\r\n")

    def _answer_behind(self, lines: list[str], body: bytes) -> bytes:
        dropped = ("connection:", "expect:")
        kept = [line for line in lines if not line.lower().startswith(dropped)]
        head = "\r\n".join([*kept, "Connection: close", "", ""])
        with socket.create_connection(self.server.behind) as behind:
            behind.sendall(head.encode("latin-1") + body)
            return behind.makefile("rb").read()


def flaky(address: str, trouble: Trouble) -> contextlib.AbstractContextManager[str]:
    """Run the proxy before a server; the address of the proxy is yielded."""
    parts = urlsplit(address)
    return serving(_Proxy((parts.hostname or "", parts.port or 80), trouble))

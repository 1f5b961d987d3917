"""A proxy before a server of HTTP, on loopback: busy, dropping answers, stalling, dying."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

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


@contextlib.contextmanager
def flaky(address: str, trouble: Trouble) -> Iterator[str]:
    """Run the proxy before a server; yield its address."""
    behind = urlsplit(address)
    loop, stopped = asyncio.new_event_loop(), asyncio.Event()
    ports: list[int] = []
    started = threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _served(reader, writer, (behind.hostname or "", behind.port or 80), trouble)
        writer.transport.abort()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await stopped.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    started.wait()
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


async def _served(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    behind: tuple[str, int],
    trouble: Trouble,
) -> None:
    """Answer the one request of a connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    if len(trouble.asked) >= trouble.dies_after:
        return
    what = trouble.next(lines[0])
    if headers.get("expect"):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    if what == "stalled":
        await asyncio.sleep(3600)
    if what == "refused":
        answer = trouble.answer()
        writer.write(answer.partition(b"<")[0] if lines[0].startswith("HEAD") else answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        return
    dropped = ("connection:", "expect:")
    kept = [line for line in lines if not line.lower().startswith(dropped)]
    answer = await _asked("\r\n".join([*kept, "Connection: close", "", ""]), body, behind)
    if what == "dropped":
        answer = answer[: len(answer) // 2]
    writer.write(answer)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _asked(head: str, body: bytes, behind: tuple[str, int]) -> bytes:
    reader, writer = await asyncio.open_connection(*behind)
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer

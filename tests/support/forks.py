"""Processes that start in a few milliseconds: forks of one that has loaded their modules.

They are real ones: with streams, a folder, an environment, signals and a status of their own.
What Python does as it starts, and what a module does as it is imported, is not part of them.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self, TypeAlias

CAN_FORK = hasattr(os, "pidfd_open")
"""Whether the system is Linux."""

_READ_LATE = (
    *("AWS_", "CONVCLI_", "DASK_", "COLUMNS", "LINES", "TERM"),
    "PYTHONPATH",  # the path is set anew
    "HOME",  # where botocore looks for credentials
    *("PYTEST_", "LD_LIBRARY_PATH"),  # pytest changes them, and cv2 as it is imported
)
"""Beginnings of the variables that change nothing in a module as it is imported."""

_FAST = {"OPENBLAS_NUM_THREADS": "1", "PILLOW_BLOCKS_MAX": "4"}
"""What the program sets for itself before it imports NumPy and Pillow."""

Stream: TypeAlias = int | IO[Any] | None
"""`subprocess.PIPE` or `DEVNULL`, a file or its number, or None for that of this process."""


class Server:
    """A process that forks itself for each request, until it is ended."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _read_early(environment)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = str(Path(__file__).with_name("fork_server.py"))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, program, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                env={**environment, **_FAST},
            )

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Tell whether modules would be the same in a process of another environment."""
        return _read_early(environment) == self._environment

    def send(self, request: dict[str, Any], files: Iterable[int]) -> None:
        socket.send_fds(self._requests, [json.dumps(request).encode()], list(files))

    def end(self) -> None:
        self._requests.shutdown(socket.SHUT_RDWR)  # Forks of this process may hold it, too.
        self._requests.close()
        self._process.communicate()


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith(_READ_LATE)}


_SERVERS: list[Server] = []
"""None yet, or the one of this process."""


def can_fork(environment: Mapping[str, str], usual: Mapping[str, str]) -> bool:
    """Tell whether a process of an environment can be a fork; the first call starts the server.

    It starts in the usual environment.
    """
    if CAN_FORK and not _SERVERS:
        _SERVERS.append(Server(usual))
    return CAN_FORK and _SERVERS[0].serves(environment)


def end_server() -> None:
    """End what `can_fork` has started."""
    while _SERVERS:
        _SERVERS.pop().end()


class Forked:
    """A running fork, used as a `subprocess.Popen` is.

    It runs a module as ``python -m`` does, or `code` as ``python -c`` does. What is `loaded`
    are modules that the process would import in any case. `can_fork` must be true of `env`.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        module: str = "",
        code: str = "",
        loaded: Sequence[str] = (),
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
        cwd: str | Path | None = None,
        env: Mapping[str, str],
        path: Sequence[str] = (),
        start_new_session: bool = False,
    ) -> None:
        self.returncode: int | None = None
        request = {
            "words": list(words),
            "module": module,
            "code": code,
            "loaded": list(loaded),
            "folder": str(cwd or Path.cwd()),
            "environment": dict(env),
            "path": list(path),
            "session": start_new_session,
        }
        with contextlib.ExitStack() as theirs:
            self.stdin, given = _ends(theirs, stdin, 0)
            self.stdout, taken = _ends(theirs, stdout, 1)
            self.stderr, said = _ends(theirs, stderr, 2)
            told, tells = _ends(theirs, subprocess.PIPE, 3)
            assert told is not None
            _SERVERS[0].send(request, (given, taken, said, tells))
        self._told = told
        self.pid = self._next_number()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def _next_number(self) -> int:
        line = self._told.readline()
        assert line, "the process that forks has ended"
        return int(line)

    def poll(self) -> int | None:
        """Return the status, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return its status."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a fork", timeout or 0)
            self.returncode = self._next_number()
            self._told.close()
        return self.returncode

    def send_signal(self, sign: int) -> None:
        """Send it a signal if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sign)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(
        self, data: bytes = b"", timeout: float | None = None
    ) -> tuple[bytes, bytes]:
        """Write to its input, and return what comes from its outputs until they end."""
        read: dict[int, bytes] = {}
        readers = [
            threading.Thread(target=lambda n=n, s=stream: read.update({n: s.read()}))
            for n, stream in enumerate((self.stdout, self.stderr))
            if stream is not None
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self.stdin:
                self.stdin.write(data)
        for reader in readers:
            reader.join(timeout)
        self.wait(timeout)
        return read.get(0, b""), read.get(1, b"")


def _ends(theirs: contextlib.ExitStack, stream: Stream, number: int) -> tuple[Any, int]:
    """Return this process's end of a stream, if there is one, and the file that is sent."""
    if stream is None:
        return None, number
    if not isinstance(stream, int):
        return None, stream.fileno()
    if stream >= 0:
        return None, stream
    if stream == subprocess.DEVNULL:
        return None, theirs.enter_context(Path(os.devnull).open("r+b", 0)).fileno()
    readable, writable = os.pipe()
    ours, sent = (writable, readable) if number == 0 else (readable, writable)
    theirs.callback(os.close, sent)
    # What is read ahead of a line would be missing for who reads on.
    return os.fdopen(ours, "wb" if number == 0 else "rb", 0), sent

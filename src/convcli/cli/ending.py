"""How the program ends: signals, readers that went away, what a terminal may be sent."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

INTERRUPTED = 130
TERMINATED = 143
"""128 and the signal's number, as shells report them."""

_LONGEST, _TAIL = 700, 250
_STDERR = 2


@contextlib.contextmanager
def leaving_when_told() -> Iterator[None]:
    """Turn SIGTERM into an orderly exit, so that temporary files are removed.

    SIGINT needs nothing: Python raises KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's
    # A second signal must not stop the cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(TERMINATED)


_FINISHING = "Interrupted: what runs is finished; Ctrl-C again stops at once.\n"


@contextlib.contextmanager
def stopping_first(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT; the second raises KeyboardInterrupt, no third does.

    Where SIGINT is ignored, as a shell does for what runs in the background, it stays so.
    """

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, _interrupt)
        stop()
        # Not by sys.stderr, which the interrupted program may be in the middle of.
        with contextlib.suppress(OSError):
            os.write(_STDERR, f"\n{_FINISHING}".encode())

    with _interrupted_by(first):
        yield


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """Let the first SIGINT raise KeyboardInterrupt, and none after it stop the cleaning up.

    Where SIGINT is ignored it stays so.
    """
    with _interrupted_by(_interrupt):
        yield


@contextlib.contextmanager
def _interrupted_by(handler: Callable[..., None]) -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if before is signal.SIG_IGN or not main:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def abandon_output() -> None:
    """Send what standard output still holds nowhere: flushing it at exit would fail too."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError, AttributeError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def printable(text: str) -> str:
    r"""Return text without control characters: a file's name must not steer a terminal.

    Examples
    --------
    >>> printable("red\x1b[31m.png")
    'red\\x1b[31m.png'
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def shortened(line: str) -> str:
    """Return a line without its middle where it is very long: what to do stands at its end.

    Examples
    --------
    >>> len(shortened("x" * 100_000))
    703
    """
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST - _TAIL]} … {line[-_TAIL:]}"

"""How the program ends: signals, closed pipes, and text that fits a terminal."""

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator

import click

INTERRUPTED, TERMINATED = 130, 143  # 128 and the signal's number, as shells report them
_LONGEST, _TAIL = 700, 250
_STDERR = 2


@contextlib.contextmanager
def _handled(number: int, handler: Callable[..., None]) -> Iterator[None]:
    """Call `handler` at a signal; where the signal is ignored, it stays ignored."""
    before = signal.getsignal(number)
    main = threading.current_thread() is threading.main_thread()
    if before is signal.SIG_IGN or not main:
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def exit_on_sigterm() -> contextlib.AbstractContextManager[None]:
    """Exit at SIGTERM by an exception, as Python does at SIGINT: temporary files go."""

    def terminate(*_: object) -> None:
        # A second signal must not stop what removes temporary files.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(TERMINATED)

    return _handled(signal.SIGTERM, terminate)


@contextlib.contextmanager
def stop_at_interrupt(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Call `stop` at the first SIGINT, raise KeyboardInterrupt at the second, ignore others.

    What is yielded is empty until then.
    """
    came: list[int] = []

    def first(number: int, _: object) -> None:
        signal.signal(signal.SIGINT, _interrupt)
        came.append(number)
        stop()
        # Not by sys.stderr: the program may have been interrupted while it wrote there.
        with contextlib.suppress(OSError):
            os.write(
                _STDERR, b"\nInterrupted: what runs is finished; Ctrl-C again stops at once.\n"
            )

    with _handled(signal.SIGINT, first):
        yield came


def only_one_interrupt() -> contextlib.AbstractContextManager[None]:
    """Raise KeyboardInterrupt at the first SIGINT; ignore others while files are removed."""
    return _handled(signal.SIGINT, _interrupt)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def abandon_output() -> None:
    """Discard what standard output still holds: writing it at exit would fail, too."""
    no_file = (OSError, ValueError, AttributeError)
    with contextlib.suppress(*no_file), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def printable(text: str) -> str:
    """Return text without control characters: a file's name could steer a terminal by them."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def shortened(line: str) -> str:
    """Return a line, without its middle where it is very long: its end says what to do."""
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST - _TAIL]} … {line[-_TAIL:]}"


_BREAK = r"(?<=[^=+·-] )(?=\S)|(?<=,)(?=[a-z])|(?<=[a-z]-)(?=[a-z]{3})"
"""Where a cell may be broken: at a space, but not within "+ 5"; between the settings of a
layer, ``conv:64,k3``; behind a hyphen that joins words."""


def wrapped(cell: str, width: int) -> list[str]:
    """Return the lines of a cell, all with its indentation; words are never broken."""
    if cell_length(cell) <= width:
        return [cell.rstrip()]
    indent = cell[: len(cell) - len(cell.lstrip())]
    lines = [indent]
    for piece in re.split(_BREAK, cell.lstrip()):
        if lines[-1] != indent and cell_length(lines[-1] + piece.rstrip()) > width:
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def cell_length(text: str) -> int:
    """Return how many columns of a terminal a text takes; its style takes none."""
    from rich.cells import cell_len

    return cell_len(click.unstyle(text))

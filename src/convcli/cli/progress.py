"""How far a batch or a large picture is, on standard error: a bar, plain lines or nothing."""

import datetime as dt
import sys
import time
from typing import Protocol

import click

from convcli.batch.report import Summary

_SECONDS = 1.0
"""Between two plain lines, at the least."""


class Progress(Protocol):
    """Shows how far a batch is."""

    def show(self, summary: Summary) -> None:
        """Show what has ended up to now."""
        ...

    def close(self) -> None:
        """Come to an end."""
        ...


class Nothing:
    """Shows nothing."""

    def show(self, summary: Summary) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """Plain lines, at most one a second, and one at the end.

    Parameters
    ----------
    total : int
        How many files there are.
    unit : str
        What they are, if not files.
    """

    def __init__(self, total: int, unit: str = "files") -> None:
        self._total, self._unit = total, unit
        self._next = time.monotonic() + _SECONDS
        self._last = Summary()

    def show(self, summary: Summary) -> None:
        """Print a line where it is time for one."""
        self._last = summary
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS
            click.echo(line(summary, self._total, self._unit), err=True)

    def close(self) -> None:
        """Print the last line."""
        click.echo(line(self._last, self._total, self._unit), err=True)


def line(summary: Summary, total: int, unit: str = "files") -> str:
    """Return how far a batch is, in words.

    Examples
    --------
    >>> line(Summary(megapixels=12, seconds=3), 10)
    '0/10 files, 12.0 MP, 4.0 MP/s'
    """
    left = summary.seconds_left(total)
    end = "" if left is None else f" {dt.timedelta(seconds=round(left))} left,"
    return (
        f"{summary.ended:,}/{total:,} {unit},{end} {summary.megapixels:,.1f} MP, "
        f"{summary.rate:,.1f} MP/s"
    )


def progress_for(kind: str, total: int, *, silent: bool, unit: str = "files") -> Progress:
    """Return what shows the progress.

    Parameters
    ----------
    kind : str
        ``auto``, ``bar``, ``plain`` or ``none``.
    total : int
        How many files there are.
    silent : bool
        Whether ``auto`` shows nothing even on a terminal.
    unit : str
        What they are, if not files.
    """
    terminal = sys.stderr.isatty()
    if kind == "none" or (kind == "auto" and (silent or not terminal)):
        return Nothing()
    if kind == "plain" or not terminal:
        return Lines(total, unit)
    from convcli.cli.render_batch import Bar  # noqa: PLC0415 - rich only where it prints

    return Bar(total, unit)

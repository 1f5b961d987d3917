"""The progress of a batch, and its summary."""

import contextlib
import datetime as dt
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import click

from convcli.batch.inputs import counts_by_suffix
from convcli.batch.job import Status
from convcli.batch.report import Summary
from convcli.cli.ending import printable
from convcli.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.batch.job import FilePreview
    from convcli.cli.render.tables import Row
    from convcli.engine.planner import Plan

_LINE_SECONDS, _BAR_SECONDS = 1.0, 0.1  # the shortest time between two lines, or two bars
_SHOWN = 20  # the most failures that a terminal shows


def line(summary: Summary, total: int, unit: str) -> str:
    """Return how much of a batch is done, as a line."""
    left = summary.seconds_left(total)
    end = "" if left is None else f" {dt.timedelta(seconds=round(left))} left,"
    return (
        f"{summary.ended:,}/{total:,} {unit},{end} {summary.megapixels:,.1f} MP, "
        f"{summary.rate:,.1f} MP/s"
    )


Show: TypeAlias = Callable[[Summary, int], None]  # shows how much of so many is done


def progress_shown(
    setting: str, unit: str, *, silent: bool
) -> contextlib.AbstractContextManager[Show]:
    """Return what shows the progress; ``auto`` shows nothing in a pipe, or where `silent`."""
    terminal = sys.stderr.isatty()
    if setting == "none" or (setting == "auto" and (silent or not terminal)):
        return contextlib.nullcontext(lambda *_: None)
    return _plain_lines(unit) if setting == "plain" or not terminal else _bar(unit)


@contextlib.contextmanager
def _plain_lines(unit: str) -> Iterator[Show]:
    """Print a line a second, and one at the end."""
    last, due = "", time.monotonic() + _LINE_SECONDS

    def show(summary: Summary, total: int) -> None:
        nonlocal last, due
        last = line(summary, total, unit)
        if time.monotonic() >= due:
            due = time.monotonic() + _LINE_SECONDS
            click.echo(last, err=True)

    try:
        yield show
    finally:
        if last:
            click.echo(last, err=True)


@contextlib.contextmanager
def _bar(unit: str) -> Iterator[Show]:
    """Draw a bar on standard error, ten times a second at most, and remove it at the end."""
    # Not by a thread of its own: workers that are forked while it draws could inherit locks.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    progress = Progress(
        BarColumn(bar_width=None),
        TextColumn("{task.description}"),
        console=Console(file=sys.stderr, highlight=False),
        auto_refresh=False,
        transient=True,
        expand=True,
    )
    due = 0.0

    def show(summary: Summary, total: int) -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        due = time.monotonic() + _BAR_SECONDS
        task = progress.task_ids[0] if progress.task_ids else progress.add_task("")
        text = line(summary, total, unit)
        progress.update(task, completed=summary.ended, total=total, description=text)
        progress.refresh()

    with progress:
        yield show


def show_previews(
    previews: "Sequence[FilePreview]",
    memory: int,
    workers: int,
    plans: "Sequence[Plan]",
    threads: int,
) -> None:
    """Print what would be done with each file, how, and the memory of those in work."""
    from convcli.cli.render.report import show_plans
    from convcli.cli.render.tables import show_table

    rows = [
        (
            *(printable(each.source), each.action, printable(each.target) or "-"),
            *(_mebibytes(each.memory), printable(each.reason)),
        )
        for each in previews
    ]
    counts = Counter(each.action for each in previews)
    total = ", ".join(f"{action} {count:,}" for action, count in counts.items())
    heads = "input | action | output | >memory | reason"
    show_table(f"Nothing is written: {total}", heads, rows)
    at_once = counted(workers, "file")
    show_table("Memory", "at once | about", [(at_once, _mebibytes(memory))])
    show_plans(plans, threads)


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count else "-"


def show_summary(summary: Summary, total: int, out_dir: str) -> None:
    """Print how many files were done, skipped and failed, and why they failed."""
    from convcli.cli.render.tables import show_table

    files = f"{total:,} file{'s' * (total != 1)}"
    left, left_out = total - summary.ended, summary.left_out
    kinds = printable(counts_by_suffix(left_out))
    rows: list[Row] = [
        *(_count(status, summary.counts[status]) for status in Status),
        *([("not started", left, "files")] if left else []),
        *([("left out", left_out.total(), f"files: {kinds}")] if left_out else []),
        ("pixels", f"{summary.megapixels:,.2f}", "megapixels"),
        ("time", f"{summary.seconds:,.2f}", "seconds"),
        *_of_cluster(summary),
        ("rate", f"{summary.rate:,.2f}", "megapixels a second"),
    ]
    title = printable(f"{files} → {out_dir}")
    show_table(title, "what | >count | unit", rows)
    if summary.failures:
        _show_failures(summary)


def _count(status: Status, count: int) -> "Row":
    """Return how many files ended so: done in green, skipped in yellow, failed in red."""
    from rich.text import Text

    from convcli.cli.render.tables import BAD, GOOD, ODD

    style = {Status.DONE: GOOD, Status.SKIPPED: ODD, Status.FAILED: BAD}[status]
    return (status.value, Text(f"{count:,}", style=style if count else ""), "files")


def _of_cluster(summary: Summary) -> "list[Row]":
    """Return the rows of a cluster: what was sent again, and the seconds of each phase."""
    counts = summary.counts_of_cluster
    if not counts:
        return []
    return [
        *(
            (f"  {name}", f"{seconds:,.2f}", "seconds")
            for name, seconds in summary.phases.items()
        ),
        ("sent again", counts["retries"], "files"),
        ("left aside", counts["left_aside"], "workers"),
    ]


def _show_failures(summary: Summary) -> None:
    from convcli.cli.render.tables import show, show_table

    shown = summary.failures[:_SHOWN] if sys.stdout.isatty() else summary.failures
    rows = [(printable(each.job.source), printable(each.reason)) for each in shown]
    show_table("Failed", "file | reason", rows)
    rest = summary.counts[Status.FAILED] - len(shown)
    if rest:
        show(f"and {rest:,} more, which --json lists")

"""The progress of a batch, and its summary."""

import contextlib
import datetime as dt
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from convcli.batch.inputs import counts_by_suffix
from convcli.batch.job import Status, Summary
from convcli.cli.ending import printable
from convcli.text import counted

if TYPE_CHECKING:
    from rich.progress import Progress

    from convcli.batch.job import FilePreview
    from convcli.cli.render.tables import Row
    from convcli.engine.planner import Plan

_LINE_SECONDS, _BAR_SECONDS = 1.0, 0.1  # the shortest time between two lines, or two bars
_SHOWN = 20  # the most failures that a terminal shows


def line(summary: Summary, total: int, unit: str) -> str:
    """Return how much of a batch is done, as a line."""
    left = summary.seconds_left(total)
    end = "" if left is None else f" {dt.timedelta(seconds=round(left))} left,"
    done, rate = f"{summary.megapixels:,.1f} MP", f"{summary.rate:,.1f} MP/s"
    return f"{summary.ended:,}/{total:,} {unit},{end} {done}, {rate}"


Show: TypeAlias = Callable[[Summary, int], None]  # shows how much of so many is done


@contextlib.contextmanager
def progress_shown(setting: str, unit: str, *, silent: bool) -> Iterator[Show]:
    """Show the progress on standard error; ``auto`` shows none in a pipe, or where `silent`.

    A bar is drawn ten times a second at most, and removed at the end. In a pipe, and where
    ``plain`` asks for them, lines are printed instead: one a second, and one at the end.
    """
    terminal = sys.stderr.isatty()
    if setting == "none" or (setting == "auto" and (silent or not terminal)):
        yield lambda *_: None
        return
    bar = None if setting == "plain" or not terminal else _new_bar()
    text, pause = "", _BAR_SECONDS if bar else _LINE_SECONDS
    due = 0.0 if bar else time.monotonic() + pause

    def show(summary: Summary, total: int) -> None:
        nonlocal text, due
        text = line(summary, total, unit)
        if time.monotonic() < due:
            return
        due = time.monotonic() + pause
        if bar is None:
            click.echo(text, err=True)
            return
        task = bar.task_ids[0] if bar.task_ids else bar.add_task("")
        bar.update(task, completed=summary.ended, total=total, description=text)
        bar.refresh()

    with bar or contextlib.nullcontext():
        try:
            yield show
        finally:
            if text and not bar:
                click.echo(text, err=True)


def _new_bar() -> "Progress":
    # Not drawn by a thread of its own: workers that are forked meanwhile could inherit locks.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=None), TextColumn("{task.description}"))
    console = Console(file=sys.stderr, highlight=False)
    return Progress(*columns, console=console, auto_refresh=False, transient=True, expand=True)


def show_previews(
    previews: Sequence["FilePreview"],
    memory: int,
    workers: int,
    plans: Sequence["Plan"],
    threads: int,
) -> None:
    """Print what would be done with each file, how, and the memory of those in work."""
    from convcli.cli.render.report import show_plans
    from convcli.cli.render.tables import show_table

    rows = []
    for each in previews:
        places = (printable(each.source), each.action, printable(each.target) or "-")
        rows.append((*places, _mebibytes(each.memory), printable(each.reason)))
    counts = Counter(each.action for each in previews)
    total = ", ".join(f"{action} {count:,}" for action, count in counts.items())
    heads = "input | action | output | >memory | reason"
    show_table(f"Nothing is written: {total}", heads, rows)
    at_once = f"{counted(workers, 'file')} | {_mebibytes(memory)}"
    show_table("Memory", "at once | about", [at_once])
    show_plans(plans, threads)


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count else "-"


def show_summary(summary: Summary, total: int, out_dir: str) -> None:
    """Print how many files were done, skipped and failed, and why they failed."""
    from rich.text import Text

    from convcli.cli.render.tables import BAD, GOOD, ODD, show, show_table

    files = f"{total:,} file{'s' * (total != 1)}"
    left, left_out = total - summary.ended, summary.left_out
    kinds = printable(counts_by_suffix(left_out))
    styles = {Status.DONE: GOOD, Status.SKIPPED: ODD, Status.FAILED: BAD}
    counts = {each: summary.counts[each] for each in Status}
    rows: list[Row] = [
        *(
            (each.value, Text(f"{count:,}", style=styles[each] if count else ""), "files")
            for each, count in counts.items()
        ),
        *([("not started", left, "files")] if left else []),
        *([("left out", left_out.total(), f"files: {kinds}")] if left_out else []),
        ("pixels", f"{summary.megapixels:,.2f}", "megapixels"),
        ("time", f"{summary.seconds:,.2f}", "seconds"),
        *_of_cluster(summary),
        ("rate", f"{summary.rate:,.2f}", "megapixels a second"),
    ]
    title = printable(f"{files} → {out_dir}")
    show_table(title, "what | >count | unit", rows)
    if not summary.failures:
        return
    shown = summary.failures[:_SHOWN] if sys.stdout.isatty() else summary.failures
    failed = [(printable(each.job.source), printable(each.reason)) for each in shown]
    show_table("Failed", "file | reason", failed)
    if rest := summary.counts[Status.FAILED] - len(shown):
        show(f"and {rest:,} more, which --json lists")


def _of_cluster(summary: Summary) -> "list[Row]":
    """Return the rows of a cluster: what was sent again, and the seconds of each phase."""
    counts, phases = summary.counts_of_cluster, summary.phases
    if not counts:
        return []
    return [
        *((f"  {name}", f"{seconds:,.2f}", "seconds") for name, seconds in phases.items()),
        ("sent again", counts["retries"], "files"),
        ("left aside", counts["left_aside"], "workers"),
    ]

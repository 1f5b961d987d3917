"""What a command prints: JSON, plain text, warnings, the report."""

import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.ending import printable

if TYPE_CHECKING:
    from convcli.pipeline.report import Report


def show_json(document: Any, *, err: bool = False) -> None:
    """Print a document on a line of its own.

    Parameters
    ----------
    document : dict, list, str, number, bool or None
        Numbers that JSON has not, NaN and infinities, become null.
    err : bool
        On standard error.
    """
    import json

    try:
        text = json.dumps(document, allow_nan=False)
    except ValueError:
        text = json.dumps(_known(document))
    click.echo(text, err=err)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str, *, newline: bool = True) -> None:
    """Print lines of text; a terminal gets none that is wider than it."""
    click.echo(wrapped(text) if sys.stdout.isatty() else text, nl=newline)


def wrapped(text: str, width: int | None = None) -> str:
    r"""Return lines broken at blanks, so that each has at most `width` columns.

    Parameters
    ----------
    text : str
        Lines; what is broken off stands as far in as its line did.
    width : int, optional
        In columns; the terminal's where none is given.

    Examples
    --------
    >>> wrapped("  one two three", 12)
    '  one two\n  three'
    """
    if width is None:
        import shutil

        width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    if len(click.unstyle(line)) <= width:
        return line
    return click.wrap_text(line.strip(), width, indent, indent)


STANDARD = "-"
"""Standard input as INPUT, standard output as OUTPUT."""


def refuse_terminals(source: str, target: str | None) -> None:
    """Refuse names that are empty, and pictures that would go through a terminal."""
    for name, path in (("INPUT", source), ("OUTPUT", target)):
        if path == "":
            raise click.UsageError(
                f"{name} is empty: name a file, or - for the standard stream"
            )
    if target == STANDARD and sys.stdout.isatty():
        raise click.UsageError(
            "OUTPUT is - but standard output is a terminal: name a file, or use a pipe"
        )
    if source == STANDARD and sys.stdin.isatty():
        raise click.UsageError(
            "INPUT is - but standard input is a terminal: name a file, or use a pipe"
        )


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error, a line each."""
    label = click.style("Warning:", fg="yellow", bold=True)
    for text in warnings:
        click.echo(f"{label} {printable(text)}", err=True)


def report_outcome(
    report: "Report", source: str, target: str, *, quiet: bool, as_json: bool
) -> None:
    """Print warnings, and the report: on standard error where the picture goes out."""
    warn(report.warnings)
    to_stderr = target == STANDARD
    if as_json:
        document = {"source": source, "target": target, **report.as_dict()}
        show_json(document, err=to_stderr)
    elif not quiet:
        from convcli.cli.render.report import show_report

        show_report(report, source, target, to_stderr=to_stderr)

"""What a command prints: JSON, plain text, warnings, the report."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.ending import printable
from convcli.cli.types import STDIN
from convcli.values import plain_json

if TYPE_CHECKING:
    from convcli.cli.placing import ReplacedFile
    from convcli.engine.planner import Plan
    from convcli.pipeline.report import Report


def show_json(document: Any, *, err: bool = False) -> None:
    """Print a document as a line of JSON: see `plain_json`."""
    import json

    try:
        text = json.dumps(document, allow_nan=False, default=plain_json)
    except ValueError:
        text = json.dumps(plain_json(document))
    click.echo(text, err=err)


def say(text: str, *, newline: bool = True) -> None:
    """Print lines of text, broken where they are wider than the terminal."""
    if sys.stdout.isatty():
        import shutil

        width = shutil.get_terminal_size().columns
        text = "\n".join(_broken(line, width) for line in text.split("\n"))
    click.echo(text, nl=newline)


def _broken(line: str, width: int) -> str:
    """Break a line at blanks; each part has its indentation."""
    indent = line[: len(line) - len(line.lstrip())]
    if len(click.unstyle(line)) <= width:
        return line
    return click.wrap_text(line.strip(), width, indent, indent)


STANDARD = "-"
"""Standard input as INPUT, standard output as OUTPUT."""


def refuse_terminals(source: str, target: str | None) -> None:
    """Refuse empty names, and pictures that would be read from or written to a terminal."""
    if source == STANDARD and click.get_current_context().meta.get(STDIN):
        raise click.UsageError(
            "KERNEL and INPUT are both -, and there is one standard input: put one into a file"
        )
    for name, path, stream, which in (
        ("INPUT", source, sys.stdin, "input"),
        ("OUTPUT", target, sys.stdout, "output"),
    ):
        if path == "":
            raise click.UsageError(
                f"{name} is empty: name a file, or - for the standard stream"
            )
        if path == STANDARD and stream.isatty():
            raise click.UsageError(
                f"{name} is - but standard {which} is a terminal: name a file, or use a pipe"
            )


def shows_matrices(names: Sequence[str], output: str | None) -> bool:
    """Tell whether a matrix is filtered to be looked at: it has no OUTPUT.

    Standard input may hold one: `matrix_frame` of `convcli.cli.matrix` sees that as it reads.
    """
    from convcli.images.formats import is_matrix_name

    single = len(names) == 1 and output is None
    return single and (names[0] == STANDARD or is_matrix_name(names[0]))


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error, a line each."""
    label = click.style("Warning:", fg="yellow", bold=True)
    for text in warnings:
        click.echo(f"{label} {printable(text)}", err=True)


def note(text: str) -> None:
    """Print a line on standard error that is no warning."""
    click.echo(printable(text), err=True)


def report_outcome(
    report: "Report",
    source: str,
    target: str,
    *,
    quiet: bool,
    as_json: bool,
    replaced: "ReplacedFile | None",
) -> None:
    """Print warnings and the report; on standard error where standard output is the picture.

    `replaced` is the file that was at OUTPUT before.
    """
    warn(report.warnings)
    to_stderr = target == STANDARD
    if replaced and not quiet:
        note(f"replaced {target}")
    warn(replaced.warnings() if replaced else ())
    if as_json:
        document = {
            "source": source,
            "target": target,
            **({"replaced": True} if replaced else {}),
            **report.as_dict(),
        }
        show_json(document, err=to_stderr)
    elif not quiet:
        from convcli.cli.render.report import show_report

        show_report(report, source, target, to_stderr=to_stderr)


def show_planned(
    plans: "Sequence[Plan]", threads: int, *, as_json: bool, mixed: str = ""
) -> None:
    """Print plans for so many threads; `mixed` says how the original is mixed in."""
    if as_json:
        more = {"mixed": mixed} if mixed else {}
        show_json([plan.as_dict(threads) | more for plan in plans])
        return
    from convcli.cli.render.report import show_plans

    show_plans(plans, threads)
    if mixed:
        say(f"Then mixed with the original: {mixed}")

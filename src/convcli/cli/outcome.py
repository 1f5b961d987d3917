"""How the commands that write one picture begin and end: the standard streams, the report."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from convcli.cli.documents import show_json
from convcli.cli.ending import printable

if TYPE_CHECKING:
    from convcli.filtering import Report

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
        from convcli.cli.render import show_report  # noqa: PLC0415 - rich only here

        show_report(report, source, target, to_stderr=to_stderr)

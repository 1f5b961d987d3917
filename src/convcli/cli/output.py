"""What a command prints and shows: JSON, plain text, warnings, plans, pictures."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.command import wants_json
from convcli.cli.ending import printable
from convcli.cli.types import STDIN, late
from convcli.values import plain_json

if TYPE_CHECKING:
    from convcli.engine.planner import Plan
    from convcli.images.picture import Frame


def show_json(document: Any, *, err: bool = False) -> None:
    """Print a document as a line of JSON: see `plain_json`."""
    import json

    try:
        text = json.dumps(document, allow_nan=False, default=plain_json)
    except ValueError:
        text = json.dumps(plain_json(document))
    click.echo(text, err=err)


def answer(
    document: Any,
    show: str | Callable[..., None],
    *values: Any,
    quiet: bool = False,
    **named: Any,
) -> None:
    """Print a document, or what a function returns, as JSON where ``--json`` asks for it.

    Otherwise, unless `quiet`, call `show` with the values: a function, or a
    ``module:function`` of `convcli.cli.render`.
    """
    if wants_json():
        err = named.get("to_stderr", False)
        show_json(document() if callable(document) else document, err=err)
    elif not quiet:
        (late(f"cli.render.{show}") if isinstance(show, str) else show)(*values, **named)


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


def refuse_inputs(names: Sequence[str], *outputs: str | None) -> None:
    """Refuse to write a drawing, or numbers, over one of the pictures of a run."""
    for path in filter(None, outputs):
        from convcli.batch.places import same_file_key

        if path != STANDARD and same_file_key(path) in map(same_file_key, names):
            raise click.UsageError(f"{path} is a picture of this run itself: name another file")


def shows_matrices(names: Sequence[str], output: str | None) -> bool:
    """Tell whether a matrix is filtered to be looked at: it has no OUTPUT.

    Standard input may hold one: `show_applied` of `convcli.cli.matrix` sees that as it reads.
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


def show_planned(plans: "Sequence[Plan]", threads: int, mixed: str = "") -> None:
    """Print plans for so many threads; `mixed` says how the original is mixed in."""
    more = {"mixed": mixed} if mixed else {}
    planned = [plan.as_dict(threads) | more for plan in plans]
    answer(planned, "report:show_plans", plans, threads, mixed)


# ------------------------------------------------------------------ pictures


def scratch_file(name: str) -> str:
    """Return a file's name in a folder that is there until the command ends."""
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="convcli-")
    return os.path.join(click.get_current_context().with_resource(folder), name)  # noqa: PTH118


def show_file(path: str) -> None:
    """Show a picture file in the terminal."""
    from convcli.pipeline.files import read_first_frame

    show_frames(read_first_frame(path))


def show_frames(*frames: "Frame") -> None:
    """Show pictures side by side in the terminal; say so where there is none."""
    if not sys.stdout.isatty():
        note("not shown: standard output is no terminal")
        return
    from convcli.cli.render.cells import show_cells, show_graphics, without_colours

    plain = without_colours()
    if plain or not show_graphics(frames):
        show_cells(frames, plain=plain)

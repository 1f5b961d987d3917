"""What a command that runs refuses, prints and shows: JSON, text, warnings, plans, pictures."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.core import ParameterSource

from convcli.cli.ending import printable, wrapped
from convcli.cli.types import STDIN, late
from convcli.errors import GeometryError
from convcli.values import plain_json

if TYPE_CHECKING:
    from convcli.engine.planner import Plan


JSON = "convcli.json"  # the key under which a run remembers whether it prints JSON


def wants_json() -> bool:
    """Tell whether the running command has ``--json``."""
    return bool(click.get_current_context().meta[JSON])


def typed(*names: str) -> list[str]:
    """Return which parameters stand on the command line: one set by environment may be idle."""
    source = click.get_current_context().get_parameter_source
    return [name for name in names if source(name) is ParameterSource.COMMANDLINE]


def flags() -> dict[str, str]:
    """Return the longest form of each parameter of the running command, by its name."""
    command = click.get_current_context().command
    return {each.name or "": max(each.opts, key=len) for each in command.params}


def refuse(names: str, reason: str) -> None:
    """Refuse some options on the command line: the first of them is named before the reason."""
    if given := typed(*names.split()):
        raise click.UsageError(f"{flags()[given[0]]}{reason}")


def check_use(chosen: str, takes: dict[str, set[str]]) -> None:
    """Refuse options without use beside the `chosen` one, if any; `takes` has their use."""
    forms = flags()
    known = {*takes}.union(*takes.values()) - {"", chosen}
    for name in typed(*sorted(known - takes[chosen])):
        if chosen:
            refuse(name, f": {forms[chosen]} has no use for it: drop one of them")
        users = " or ".join(forms[user] for user in takes if name in takes[user])
        refuse(name, f" belongs to {users}: add that, or drop {forms[name]}")


@contextlib.contextmanager
def sizes_checked(before: str = "--") -> Iterator[None]:
    """Turn a `GeometryError`, which begins with an option's name, into a wrong use of it."""
    try:
        yield
    except GeometryError as error:
        raise click.UsageError(f"{before}{error}") from None


def show_json(document: Any, *, err: bool = False) -> None:
    """Print a document as a line of JSON: see `plain_json`."""
    import json

    click.echo(json.dumps(plain_json(document)), err=err)


_Shown: TypeAlias = str | Callable[..., None]


def answer(
    document: Any, show: _Shown, *values: Any, quiet: bool = False, **named: Any
) -> None:
    """Print a document, or what a function returns, as JSON where ``--json`` asks for it.

    Otherwise `show` the values: by a function, or a ``module:function`` of `cli.render`.
    """
    if wants_json():
        err = named.get("to_stderr", False)
        show_json(document() if callable(document) else document, err=err)
    elif not quiet:
        (late(f"cli.render.{show}") if isinstance(show, str) else show)(*values, **named)


STANDARD = "-"  # standard input as INPUT, standard output as OUTPUT


def refuse_terminals(source: str, target: str | None) -> None:
    """Refuse empty names, and pictures that would be read from or written to a terminal."""
    if source == STANDARD and click.get_current_context().meta.get(STDIN):
        raise click.UsageError(
            "KERNEL and INPUT are both -, and there is one standard input: put one into a file"
        )
    for name, path, stream in (("INPUT", source, sys.stdin), ("OUTPUT", target, sys.stdout)):
        if path == "":
            raise click.UsageError(
                f"{name} is empty: name a file, or - for the standard stream"
            )
        if path == STANDARD and stream.isatty():
            raise click.UsageError(
                f"{name} is - but standard {name.lower()} is a terminal: name a file, or use a "
                "pipe"
            )


def refuse_inputs(names: Sequence[str], *outputs: str | None) -> None:
    """Refuse to write a drawing, or numbers, over a picture of a run, or to no file."""
    for path in filter(None, outputs):
        from convcli.batch.places import same_file_key

        if path == STANDARD:
            raise click.UsageError(
                "-: expected the name of a file to write, or of a folder, got standard output: "
                "name one"
            )
        if same_file_key(path) in map(same_file_key, names):
            raise click.UsageError(f"{path} is a picture of this run itself: name another file")


def shows_matrices(names: Sequence[str], output: str | None) -> bool:
    """Tell whether a matrix, perhaps on standard input, is filtered to be looked at."""
    from convcli.images.formats import is_matrix_name

    single = len(names) == 1 and output is None
    return single and (names[0] == STANDARD or is_matrix_name(names[0]))


def say(*lines: str) -> None:
    """Print running text: wrapped in a terminal, unchanged in a pipe."""
    text = "\n".join(lines)
    if sys.stdout.isatty():
        import shutil

        room = shutil.get_terminal_size().columns
        text = "\n".join(part for line in text.split("\n") for part in wrapped(line, room))
    click.echo(text)


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

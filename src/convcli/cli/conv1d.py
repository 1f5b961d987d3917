"""`convcli conv1d`: convolution outside images."""

import sys
from typing import Any

import click

from convcli.choices import Overlap
from convcli.cli.options import json_option, own_options, subcommand
from convcli.cli.output import answer, wants_json
from convcli.cli.types import one_of
from convcli.errors import ConvcliError, fail


@subcommand(
    "conv1d",
    short_help="Convolve two sequences: polynomials, digits, dice.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@own_options(
    """
Reading
--as reading [sequence|digits|dice|polynomial] =sequence
              What A and B are: coefficients with the constant first, whole numbers, dice (6 is
              a fair one with 6 faces; or the probabilities of the faces 1, 2, …).
--mode =full  Which part of the result: all, as long as the longer, or where both overlap.
--method [auto|direct|fft] =auto
              How to compute it; both are exact.
--total 2..   With --as dice: colour only the ways to roll this total.

Output
--quiet       Print the bare result.
""",
    mode=one_of(Overlap),
)
@json_option
def command(
    *, a: str, b: str, reading: str, mode: Overlap, method: str, total: int | None, quiet: bool
) -> None:
    """Convolve the sequences A and B: multiply each pair, and sum along the diagonals.

    Numbers are exact: whole ones of any size, fractions (1/3), decimals (0.25). @FILE
    reads a sequence from a file, - from standard input.

    For example:
      convcli conv1d 1,2,3 4,5
      convcli conv1d 1,2,3 4,5 --as polynomial
      convcli conv1d 123 45 --as digits
      convcli conv1d 6 6 --as dice --total 8
      convcli conv1d @long.txt @longer.txt --as digits --quiet
    """
    if reading != "sequence" and mode is not Overlap.FULL:
        raise click.UsageError(f"--mode is for sequences: --as {reading} needs the full one")
    if total is not None and reading != "dice":
        raise click.UsageError("--total is for dice: add --as dice, or drop --total")
    if a == b == "-":
        raise click.UsageError("A and B are both -: standard input holds one of them")
    from convcli.lessons import sequences
    from convcli.lessons.sequences import Convolved, convolve_exactly, digits_unlimited

    readers: Any = {"digits": sequences.parse_digits, "dice": sequences.parse_die}
    parse = readers.get(reading, sequences.parse_sequence)
    left, right = parse(_text(a)), parse(_text(b))
    if total is not None and total > len(left) + len(right):
        raise click.UsageError(
            f"--total: expected 2 to {len(left) + len(right)}, got {total}: choose one of these"
        )
    fft = None if method == "auto" else method == "fft"
    places = sequences.places_kept((len(left), len(right)), mode)
    result = convolve_exactly(left, right, fft=fft)[places.start : places.stop]
    found = Convolved(left, right, dict(zip(places, result, strict=True)), reading)
    with digits_unlimited():
        if quiet and not wants_json():
            click.echo(found.text)
            return
        by_fft = method == "fft"
        answer(found.as_dict, "sequences:show_convolution", found, total, by_fft=by_fft)


def _text(argument: str) -> str:
    """Return the text that an argument stands for: that of a file, of a pipe, or itself."""
    if argument == "-":
        return sys.stdin.read()
    if not argument.startswith("@"):
        return argument
    from pathlib import Path

    try:
        return Path(argument[1:]).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        fail(argument, f"cannot be read: {reason}", "name a text file", ConvcliError)

"""`convcli conv1d`: convolution outside images."""

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from convcli.choices import Overlap
from convcli.cli.options import Command, json_option, option, quiet_option
from convcli.cli.output import show_json
from convcli.lessons.sequences import (
    Number,
    SequenceError,
    carried,
    cheaper_by_fft,
    convolve_exactly,
    digits_unlimited,
    operations,
    parse_die,
    parse_digits,
    parse_sequence,
    places_kept,
    polynomial,
)

_READERS: dict[str, Callable[[str], list[Any]]] = {
    "digits": parse_digits,
    "dice": parse_die,
    "polynomial": parse_sequence,
}
_READINGS = ("sequence", *_READERS)


@click.command(
    "conv1d",
    cls=Command,
    short_help="Convolve two sequences: polynomials, digits, dice.",
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
Examples:
  convcli conv1d 1,2,3 4,5
  convcli conv1d 1,2,3 4,5 --as polynomial
  convcli conv1d 123 45 --as digits
  convcli conv1d 6 6 --as dice
  convcli conv1d @long.txt @longer.txt --as digits --quiet""",
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@option(
    "--as",
    "reading",
    type=click.Choice(_READINGS),
    default="sequence",
    show_default=True,
    section="Reading",
    help="What A and B are: coefficients with the constant first, whole numbers, dice "
    "(6 is a fair one with 6 faces; or the probabilities of the faces 1, 2, …).",
)
@option(
    "--mode",
    type=click.Choice([mode.value for mode in Overlap]),
    default="full",
    show_default=True,
    section="Reading",
    help="Which part of the result: all, as long as the longer, or where both overlap.",
)
@option(
    "--method",
    type=click.Choice(("auto", "direct", "fft")),
    default="auto",
    show_default=True,
    section="Reading",
    help="How to compute it; both are exact.",
)
@quiet_option("Print the bare result.")
@json_option
def command(
    *, a: str, b: str, reading: str, mode: str, method: str, quiet: bool, as_json: bool
) -> None:
    """Convolve the sequences A and B: multiply each pair, and sum along the diagonals.

    Numbers are exact: whole ones of any size, fractions (1/3), decimals (0.25). @FILE
    reads a sequence from a file, - from standard input.
    """
    if reading != "sequence" and mode != "full":
        raise click.UsageError(f"--mode is for sequences: --as {reading} needs the full one")
    if a == b == "-":
        raise click.UsageError("A and B are both -: standard input holds one of them")
    parse = _READERS.get(reading, parse_sequence)
    left, right = parse(_text(a)), parse(_text(b))
    fft = None if method == "auto" else method == "fft"
    places = places_kept((len(left), len(right)), Overlap(mode))
    result = convolve_exactly(left, right, fft=fft)[places.start : places.stop]
    with digits_unlimited():
        if as_json:
            show_json(_document(left, right, result, reading))
        elif quiet:
            click.echo(_bare(result, reading))
        else:
            _show(left, right, dict(zip(places, result, strict=True)), reading)


def _text(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read()
    if not argument.startswith("@"):
        return argument
    try:
        return Path(argument[1:]).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SequenceError(
            f"{argument[1:]}: cannot be read: {reason}: name a text file"
        ) from None


def _bare(result: list[Number], reading: str) -> str:
    if reading == "digits":
        return _digits(carried(result)[0])
    if reading == "polynomial":
        return polynomial(result)
    return ",".join(str(value) for value in result)


def _digits(digits: list[int]) -> str:
    return "".join(str(digit) for digit in reversed(digits))


def _document(
    left: list[Any], right: list[Any], result: list[Number], reading: str
) -> dict[str, Any]:
    count = operations(len(left), len(right))
    document: dict[str, Any] = {
        "a": _plain(left),
        "b": _plain(right),
        "result": _plain(result),
        "operations": {"direct": count.direct, "fft": count.fft, "transform": count.transform},
        "fft_pays_for": cheaper_by_fft(),
    }
    if reading == "digits":
        digits, carries = carried(result)
        document |= {"product": _digits(digits), "carries": carries}
    elif reading == "polynomial":
        document["product"] = polynomial(result)
    elif reading == "dice":
        document["distribution"] = {
            str(total): str(value) for total, value in enumerate(result, start=2)
        }
    return document


def _plain(values: list[Any]) -> list[Any]:
    return [str(value) if isinstance(value, Fraction) else value for value in values]


def _show(left: list[Any], right: list[Any], sums: dict[int, Number], reading: str) -> None:
    from convcli.cli.render import sequences as render
    from convcli.cli.render.tables import show_lines

    result = list(sums.values())
    render.show_products(left, right, reading)
    render.show_diagonals(left, right, sums, reading)
    if reading == "digits":
        render.show_carries(result, *carried(result))
    elif reading == "polynomial":
        factors = f"({polynomial(left)}) · ({polynomial(right)})"
        show_lines(f"{factors} = {polynomial(result)}")
    elif reading == "dice":
        render.show_dice(result)
    else:
        show_lines(f"result: {render.shortened([str(value) for value in result])}")
    render.show_costs(len(left), len(right))

"""`convcli size`: the magic formula, filled in."""

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import click

from convcli.cli.help import Command
from convcli.cli.options import json_option, option, quiet_option
from convcli.cli.types import PaddingType, PairType, whole
from convcli.geometry import Axis, Padding, Pair, ReceptiveField, clean_settings, window


@dataclass(frozen=True, slots=True)
class _Side:
    """One axis of the question: its letter (W or H), its length, the window over it."""

    letter: str
    size: int
    axis: Axis

    @property
    def name(self) -> str:
        return "column" if self.letter == "W" else "row"

    @property
    def clean(self) -> bool:
        return self.axis.tiles(self.size)

    @property
    def output(self) -> int:
        return self.axis.output_size(self.size)


@click.command(
    "size",
    cls=Command,
    short_help="Work out the output size of a convolution.",
    epilog="""\b
Examples:
  convcli size --w 7 --k 3 --s 2 --p 1
  convcli size --w 224 --h 224 --k 7 --s 2 --p 3
  convcli size --w 32 --k 5 --p same --quiet
  convcli size --common
  convcli size --w 224 --k 3 --s 2 --p 1 --compare
  convcli size --w 4 --k 3 --s 2 --p 1 --transposed
  convcli size --quiz --seed 7

Exit status: 1 where the windows do not tile the input, unless --floor is given.""",
)
@option("--w", "width", type=whole(1), section="Input", help="Width W of the input, in pixels.")
@option(
    "--h",
    "height",
    type=whole(1),
    section="Input",
    help="Height H of the input; without it only the width is worked out.",
)
@option("--k", "kernel", type=PairType(), section="Window", help="Kernel size K.")
@option(
    "--s",
    "stride",
    type=PairType(),
    default="1",
    show_default=True,
    section="Window",
    help="Stride S.",
)
@option(
    "--p",
    "padding",
    type=PaddingType(),
    default="0",
    show_default=True,
    section="Window",
    help="Padding P on each side.",
)
@option(
    "--d",
    "dilation",
    type=PairType(),
    default="1",
    show_default=True,
    section="Window",
    help="Dilation D.",
)
@option("--floor", is_flag=True, section="Window", help="Accept a truncated size.")
@option("--common", is_flag=True, section="Output", help="Show a table of common settings.")
@option(
    "--compare",
    is_flag=True,
    section="Other rules",
    help="Set the course's rule beside torch's, TensorFlow's and ONNX's.",
)
@option(
    "--transposed",
    is_flag=True,
    section="Other rules",
    help="The size of a transposed convolution: the way back.",
)
@option(
    "--output-padding",
    "extra",
    type=whole(0),
    default=0,
    show_default=True,
    section="Other rules",
    help="Pixels that --transposed adds at the end.",
)
@option(
    "--quiz",
    is_flag=True,
    section="Quiz",
    help="Ask questions; answers come from the terminal or from standard input.",
)
@option(
    "--seed",
    type=whole(0),
    default=None,
    section="Quiz",
    help="The same questions for the same seed.",
)
@option(
    "--count",
    type=click.IntRange(1, 100),
    default=5,
    show_default=True,
    section="Quiz",
    help="How many questions.",
)
@quiet_option("Print the bare size: a number, or WxH.")
@json_option
def command(
    *,
    width: int | None,
    height: int | None,
    kernel: Pair | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    floor: bool,
    common: bool,
    compare: bool,
    transposed: bool,
    extra: int,
    quiz: bool,
    seed: int | None,
    count: int,
    quiet: bool,
    as_json: bool,
) -> int:
    """Work out the size that a convolution gives: (W - K + 2P)/S + 1.

    Where the fraction is no whole number it says what is left over, and which
    settings near by are clean. Pairs are YxX: --k 3x5 has 3 rows and 5 columns.
    """
    if common:
        _show_common(width or height or 32, as_json=as_json)
        return 0
    if quiz:
        from convcli.cli.quiz import run_quiz  # noqa: PLC0415 - only where it is asked for

        run_quiz(seed, count, as_json=as_json)
        return 0
    if width is None or kernel is None:
        missing = "--w" if width is None else "--k"
        raise click.UsageError(f"Missing option '{missing}': give --w and --k, or --common")
    slide = window(kernel, stride, padding, dilation)
    sides = [_Side("W", width, slide.columns)]
    if height is not None:
        sides.append(_Side("H", height, slide.rows))
    if compare or transposed:
        triples = [(side.letter, side.axis, side.size) for side in sides]
        _other_rules(triples, extra, transposed=transposed, quiet=quiet, as_json=as_json)
        return 0
    answered = floor or all(side.clean for side in sides)
    if as_json:
        click.echo(json.dumps(_document(sides)))
    elif not quiet:
        click.echo("\n\n".join(_explained(side, floor=floor) for side in sides))
    elif answered:
        click.echo("x".join(str(side.output) for side in sides))
    else:
        raise click.ClickException(_refusal(sides))
    return 0 if answered else 1


def _other_rules(
    sides: list[tuple[str, Axis, int]],
    extra: int,
    *,
    transposed: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    from convcli.cli.size_rules import show_rules, show_transposed  # noqa: PLC0415 - as above

    if transposed:
        show_transposed(sides, extra, quiet=quiet, as_json=as_json)
    else:
        show_rules(sides, as_json=as_json)


def _refusal(sides: list[_Side]) -> str:
    side = next(side for side in sides if not side.clean)
    return (
        f"expected a whole number, got {side.axis.exact_output_size(side.size)}: "
        f"change K, S, P or {side.letter}, or accept {side.output} with --floor"
    )


def _explained(side: _Side, *, floor: bool) -> str:
    lines = [_formula(side)]
    lines.append(_seen(side) if side.clean else _left_over(side))
    if side.axis.gap:
        lines.append(f"The stride skips {side.axis.gap} {side.name}(s) between two windows.")
    if not side.clean:
        lines.append(_neighbours(side, floor=floor))
    return "\n".join(lines)


def _formula(side: _Side) -> str:
    """Return the formula in letters and in numbers, with its value."""
    axis, letter = side.axis, side.letter
    kernel, size_k = "K", str(axis.kernel)
    if axis.dilation > 1:
        kernel, size_k = "(D(K-1)+1)", f"({axis.dilation}·{axis.kernel - 1}+1)"
    pad, size_p = "2P", f"2·{axis.before}"
    if axis.before != axis.after:
        pad, size_p = "P1 + P2", f"{axis.before} + {axis.after}"
    general = f"({letter} - {kernel} + {pad})/S + 1"
    filled = f"({side.size} - {size_k} + {size_p})/{axis.stride} + 1"
    exact = axis.exact_output_size(side.size)
    value = click.style(str(exact), bold=True) if side.clean else _mixed(exact)
    return f"{general} = {filled} = {value}"


def _mixed(exact: Fraction) -> str:
    """Return a fraction as a person reads it: 7/3 = 2.33."""
    return f"{click.style(str(exact), fg='yellow', bold=True)} = {float(exact):.2f}"


def _seen(side: _Side) -> str:
    taps, extent = side.axis.kernel, side.axis.extent
    sees = f"{taps} px" if taps == extent else f"{taps} of {extent} px"
    return f"Each of the {side.output} outputs sees {sees}; no {side.name} is left over."


def _left_over(side: _Side) -> str:
    left = side.axis.unseen(side.size)
    parts = [f"{left.picture} of the picture"] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    plural, verb = ("s", "are") if left.total > 1 else ("", "is")
    where = f"{plural}{' left over at the end' if side.axis.gap else ''} {verb}"
    return (
        f"No whole number: the windows do not tile the input. Truncated it is {side.output};\n"
        f"{left.total} {side.name}{where} never looked at: {', '.join(parts)}."
    )


def _neighbours(side: _Side, *, floor: bool) -> str:
    hint = "" if floor else f" (--floor accepts {side.output} as it is)"
    lines = [f"Clean settings near by{hint}:"]
    for setting in clean_settings(side.axis, side.size):
        letter = side.letter if setting.letter == "W" else setting.letter
        lines.append(f"  {letter} = {setting.value:<6} gives {setting.output}")
    return "\n".join(lines)


def _document(sides: list[_Side]) -> dict[str, Any]:
    names = {"W": "width", "H": "height"}
    return {
        "clean": all(side.clean for side in sides),
        "output": {names[side.letter]: side.output for side in sides},
        **{names[side.letter]: _axis_document(side) for side in sides},
    }


def _axis_document(side: _Side) -> dict[str, Any]:
    axis, left = side.axis, side.axis.unseen(side.size)
    return {
        "size": side.size,
        "kernel": axis.kernel,
        "stride": axis.stride,
        "padding": [axis.before, axis.after],
        "dilation": axis.dilation,
        "clean": side.clean,
        "exact": str(axis.exact_output_size(side.size)),
        "output": side.output,
        "receptive_field": ReceptiveField().through(axis).size,
        "unseen": {"total": left.total, **asdict(left)},
        "gap": axis.gap,
        "clean_settings": []
        if side.clean
        else [asdict(setting) for setting in clean_settings(axis, side.size)],
    }


_COMMON = (
    ("same 3×3", Axis(kernel=3, before=1, after=1), "no shrinkage"),
    ("same 5×5", Axis(kernel=5, before=2, after=2), "no shrinkage"),
    ("valid 3×3", Axis(kernel=3), "shrinks by 2"),
    ("strided 3×3", Axis(kernel=3, stride=2, before=1, after=1), "halves"),
)
"""Setting, window, and what it does to the size."""


def _show_common(size: int, *, as_json: bool) -> None:
    rows = [
        (name, axis.kernel, axis.stride, axis.before, axis.output_size(size), effect)
        for name, axis, effect in _COMMON
    ]
    if as_json:
        keys = ("setting", "k", "s", "p", "output", "effect")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
        return
    from convcli.cli.render import show_table  # noqa: PLC0415 - rich only where it prints

    show_table(
        f"Common settings, W = {size}",
        ("setting", "K", "S", "P", "output", "effect"),
        [tuple(str(cell) for cell in row) for row in rows],
        numbers=(1, 2, 3, 4),
    )

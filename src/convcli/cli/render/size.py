"""The tables of `convcli size`: formulas filled in, other rules, common settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from convcli.cli.render.tables import GOOD, ODD, Cell, show_lines, show_table
from convcli.geometry.window import Axis, Unseen
from convcli.text import counted
from convcli.values import replace

if TYPE_CHECKING:
    from convcli.cli.size import Side
    from convcli.geometry.layers import CleanSetting, SizeRule

_HEADINGS = ("quantity", "value", "arithmetic")
_Row = tuple[str, Cell, str]


def show_sides(sides: "Sequence[Side]", *, floor: bool) -> None:
    """Print the formula of each axis, what is left over, and what would be clean."""
    for side in sides:
        rows = [*_size(side), *_padded(side), _window(side), _starts(side)]
        rows += [_left_over(side), *_gap(side)]
        show_table(f"Output {side.title}", _HEADINGS, rows, numbers=(1,))
        if not side.clean:
            _show_neighbours(side, floor=floor)
    if len(sides) > 1:
        width, height = (side.output for side in sides)
        rounded = "" if all(side.clean for side in sides) else ", rounded down"
        show_lines(f"H×W = {height}×{width}{rounded}")


def _size(side: "Side") -> list[_Row]:
    """Return the output size: in green where it is a whole number, else in yellow."""
    general = f"({side.letter} - {_extent(side.axis)} + {_pad(side.axis)})/S + 1"
    formula = f"{general} = {_filled(side.axis, side.size)}"
    if side.clean:
        return [("output", Text(f"{side.output} px", style=GOOD), formula)]
    exact = side.axis.exact_output_size(side.size)
    return [
        ("exact", Text(str(exact), style=ODD), f"{formula} = {float(exact):.2f}"),
        (
            "truncated",
            f"{side.output} px",
            "no whole number: the windows do not tile the input",
        ),
    ]


def _extent(axis: Axis) -> str:
    return "(D(K-1)+1)" if axis.dilation > 1 else "K"


def _pad(axis: Axis) -> str:
    return "2P" if axis.before == axis.after else "P1 + P2"


def _pads(axis: Axis) -> str:
    return f"2·{axis.before}" if axis.before == axis.after else f"{axis.before} + {axis.after}"


def _filled(axis: Axis, size: int) -> str:
    """Return the formula in numbers."""
    extent = f"({axis.dilation}·{axis.kernel - 1}+1)" if axis.dilation > 1 else f"{axis.kernel}"
    return f"({size} - {extent} + {_pads(axis)})/{axis.stride} + 1"


def _window(side: "Side") -> _Row:
    axis, taps = side.axis, f"K = {side.axis.kernel}"
    if axis.dilation > 1:
        filled = f"{axis.dilation}·{axis.kernel - 1} + 1"
        taps = f"D(K-1) + 1 = {filled}, of which it reads {axis.kernel}"
    return ("each sees", f"{axis.extent} px", taps)


def _padded(side: "Side") -> list[_Row]:
    """Return the length with its padding, where there is any."""
    axis = side.axis
    if not (axis.before or axis.after):
        return []
    total = side.size + axis.before + axis.after
    pads = f"{side.letter} + {_pad(axis)} = {side.size} + {_pads(axis)}"
    return [("padded", f"{total} px", pads)]


_STARTS = 3
"""Windows whose starts are printed before the dots."""


def _starts(side: "Side") -> _Row:
    """Return where the windows start, and that the next one does not fit."""
    axis, count = side.axis, side.output
    starts = [str(1 + number * axis.stride) for number in range(min(count, _STARTS))]
    if count > _STARTS:
        dots = ["..."] * (count > _STARTS + 1)
        starts += [*dots, str(1 + (count - 1) * axis.stride)]
    padded, following = side.size + axis.before + axis.after, 1 + count * axis.stride
    if following > padded:
        why = f"the next, {following}, is beyond {padded}"
    else:
        why = f"at {following} none fits: {following + axis.extent - 1} > {padded}"
    if axis.before or axis.after:
        why += ", padded"
    return ("starts", starts[0], f"then {', '.join(starts[1:])}; {why}" if starts[1:] else why)


def _left_over(side: "Side") -> _Row:
    """Return what no window sees at the end: green where that is nothing."""
    left = side.axis.unseen(side.size)
    span = side.axis.span(side.size)
    remainder = f"({side.letter} - {_extent(side.axis)} + {_pad(side.axis)}) mod S"
    arithmetic = f"{remainder} = {span} mod {side.axis.stride}"
    cell = Text(counted(left.total, side.noun), style=ODD if left.total else GOOD)
    parts = f": {unseen_parts(left, 'picture')}" if left.total else ""
    return ("left over", cell, arithmetic + parts)


def unseen_parts(left: Unseen, noun: str) -> str:
    """Say how much no window sees of a picture (or a map), and how much of the padding."""
    parts = [f"{left.picture} of the {noun}"] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    return ", ".join(parts)


def _gap(side: "Side") -> list[_Row]:
    """Return what no window sees between two windows."""
    axis = side.axis
    if not axis.gap:
        return []
    gap = Text(counted(axis.gap, side.noun), style=ODD)
    return [("skipped", gap, f"between two windows: S - K = {axis.stride} - {axis.extent}")]


def _show_neighbours(side: "Side", *, floor: bool) -> None:
    from convcli.geometry.layers import clean_settings

    hint = "" if floor else f" (--floor accepts {side.output})"
    settings = clean_settings(side.axis, side.size)
    rows = [_neighbour(side, setting) for setting in settings]
    headings = ("change", "output", "arithmetic")
    show_table(f"Clean settings near by{hint}", headings, rows, numbers=(1,))


def _neighbour(side: "Side", setting: "CleanSetting") -> _Row:
    """Return the change of one letter, and the formula with it."""
    axis, size, value = side.axis, side.size, setting.value
    changes = {"K": {"kernel": value}, "S": {"stride": value}}
    changes |= {"P": {"before": value, "after": value}, "W": {}}
    filled = _filled(
        replace(axis, **changes[setting.letter]), value if setting.letter == "W" else size
    )
    letter = side.letter if setting.letter == "W" else setting.letter
    return (f"{letter} = {value}", Text(f"{setting.output} px", style=GOOD), filled)


def show_transposed(sides: "Sequence[Side]", sizes: Sequence[int], extra: int) -> None:
    """Print the size that a transposed convolution gives each axis."""
    for side, size in zip(sides, sizes, strict=True):
        rows = [
            ("output", f"{size} px", _transposed(side, extra)),
            _way_back(side, size, extra),
        ]
        title = f"Output {side.title}, transposed"
        show_table(title, _HEADINGS, rows, numbers=(1,))


def _transposed(side: "Side", extra: int) -> str:
    letter, axis = side.letter, side.axis
    kernel, filled = "K", f"{axis.kernel}"
    if axis.dilation > 1:
        kernel, filled = "D(K-1) + 1", f"{axis.dilation}·{axis.kernel - 1} + 1"
    pad, pads = (text.replace("+", "-") for text in (_pad(axis), _pads(axis)))
    formula = f"({letter} - 1)S + {kernel} - {pad} + A"
    return f"{formula} = ({side.size} - 1)·{axis.stride} + {filled} - {pads} + {extra}"


def _way_back(side: "Side", size: int, extra: int) -> _Row:
    """Return the sizes for which a convolution with these settings gives the input's size."""
    if side.axis.stride == 1:
        return ("the way back", f"{size} px", f"a convolution maps it to {side.size} px")
    lowest, most = size - extra, side.axis.stride - 1
    which = f"the output padding A (0 to {most}) says which one is wanted"
    sizes = f"{lowest} to {lowest + most} px"
    return ("the way back", sizes, f"a convolution maps each to {side.size} px: {which}")


def show_rules(
    sides: "Sequence[Side]", rules: "Sequence[Sequence[SizeRule]]", *, same: bool
) -> None:
    """Print what several rules give, for each axis."""
    for side, axis_rules in zip(sides, rules, strict=True):
        before, after = ("left", "right") if side.letter == "W" else ("top", "bottom")
        rows = [
            (rule.rule, rule.output, *map(str, rule.padding or ("", "")), rule.note)
            for rule in axis_rules
        ]
        headings = ("rule", "output", before, after, "")
        show_table(_rules_title(side, same=same), headings, rows, numbers=(1, 2, 3))
    show_lines("course: the lecture's rule, which takes whole numbers only; the others round.")


def _rules_title(side: "Side", *, same: bool) -> str:
    axis = side.axis
    pads = f"{axis.before}" if axis.before == axis.after else f"{axis.before}+{axis.after}"
    asked = f"{pads} (same)" if same else pads
    window = f"K = {axis.kernel}, S = {axis.stride}, P = {asked}, D = {axis.dilation}"
    return f"{side.letter} = {side.size}, {window}; padding as it is read"

"""The tables of `convcli size`: formulas filled in, other rules, common settings."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.tables import GOOD, ODD, Row, show_table
from convcli.geometry.window import Axis, Unseen
from convcli.text import counted
from convcli.values import replace

if TYPE_CHECKING:
    from convcli.cli.size import Side
    from convcli.geometry.layers import CleanSetting, Layer, SizeRule, Volume


def show_sides(sides: "Sequence[Side]", *, floor: bool) -> None:
    """Print the formula of each axis, what is left over, and what would be clean."""
    for side in sides:
        rows = [*_size(side), *_window(side), _starts(side), *_left_over(side)]
        _show_side(side, rows)
        if not side.clean:
            _show_neighbours(side, floor=floor)
    if len(sides) > 1:
        width, height = (side.output for side in sides)
        rounded = "" if all(side.clean for side in sides) else ", rounded down"
        say(f"H×W = {height}×{width}{rounded}")


def _show_side(side: "Side", rows: Sequence[Row], more: str = "") -> None:
    title = f"Output {side.name} for {side.letter} = {side.size} px{more}"
    show_table(title, "quantity | >value | arithmetic", rows)


def _extent(axis: Axis) -> tuple[str, str]:
    """Return how wide the window is, in letters and in numbers."""
    if axis.dilation == 1:
        return "K", f"{axis.kernel}"
    return "D(K-1) + 1", f"{axis.dilation}·{axis.kernel - 1} + 1"


def _pad(axis: Axis) -> tuple[str, str]:
    """Return the padding of both sides, in letters and in numbers."""
    if axis.before == axis.after:
        return "2P", f"2·{axis.before}"
    return "P1 + P2", f"{axis.before} + {axis.after}"


def _span(axis: Axis, length: object, number: int) -> str:
    """Return the way of the window: in letters (0), or in numbers (1)."""
    extent = _extent(axis)[number].replace(" ", "")
    bracketed = extent if axis.dilation == 1 else f"({extent})"
    return f"({length} - {bracketed} + {_pad(axis)[number]})"


def _filled(axis: Axis, size: int) -> str:
    return f"{_span(axis, size, 1)}/{axis.stride} + 1"


def _size(side: "Side") -> list[Row]:
    """Return the output size: in green where it is a whole number, else in yellow."""
    general = f"{_span(side.axis, side.letter, 0)}/S + 1"
    formula = f"{general} = {_filled(side.axis, side.size)}"
    size = f"{side.output} px"
    if side.clean:
        return [("output", Text(size, style=GOOD), formula)]
    exact = side.axis.exact_output_size(side.size)
    first = ("exact", Text(str(exact), style=ODD), f"{formula} = {float(exact):.2f}")
    return [first, ("truncated", size, "no whole number: the windows do not tile the input")]


def _window(side: "Side") -> Iterator[Row]:
    """Return the length with its padding, where there is any, and what a window sees."""
    axis = side.axis
    if axis.before or axis.after:
        letters, numbers = _pad(axis)
        pads = f"{side.letter} + {letters} = {side.size} + {numbers}"
        yield "padded", f"{_padded(side)} px", pads
    letters, numbers = _extent(axis)
    read = f", of which it reads {axis.kernel}" * (axis.dilation > 1)
    yield "each sees", f"{axis.extent} px", f"{letters} = {numbers}{read}"


def _padded(side: "Side") -> int:
    return side.size + side.axis.before + side.axis.after


_STARTS = 3  # windows whose starts are printed before the dots


def _starts(side: "Side") -> Row:
    """Return where the windows start, and that the next one does not fit."""
    axis, count = side.axis, side.output
    starts = [str(1 + number * axis.stride) for number in range(min(count, _STARTS))]
    starts += ["..."] * (count > _STARTS + 1)
    starts += [str(1 + (count - 1) * axis.stride)] * (count > _STARTS)
    padded, following = _padded(side), 1 + count * axis.stride
    if following > padded:
        why = f"the next, {following}, is beyond {padded}"
    else:
        why = f"at {following} none fits: {following + axis.extent - 1} > {padded}"
    if axis.before or axis.after:
        why += ", padded"
    return ("starts", starts[0], f"then {', '.join(starts[1:])}; {why}" if starts[1:] else why)


def _left_over(side: "Side") -> Iterator[Row]:
    """Return what no window sees at the end, green where that is nothing, and in between."""
    axis, left = side.axis, side.axis.unseen(side.size)
    remainder = f"{_span(axis, side.letter, 0)} mod S"
    arithmetic = f"{remainder} = {axis.span(side.size)} mod {axis.stride}"
    cell = Text(counted(left.total, side.noun), style=ODD if left.total else GOOD)
    parts = f": {unseen_parts(left, 'picture')}" if left.total else ""
    yield "left over", cell, arithmetic + parts
    if axis.gap:
        gap = Text(counted(axis.gap, side.noun), style=ODD)
        yield "skipped", gap, f"between two windows: S - K = {axis.stride} - {axis.extent}"


def unseen_parts(left: Unseen, noun: str) -> str:
    """Say how much no window sees of a picture (or a map), and how much of the padding."""
    parts = [f"{left.picture} of the {noun}"] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    return ", ".join(parts)


def _show_neighbours(side: "Side", *, floor: bool) -> None:
    from convcli.geometry.layers import clean_settings

    hint = "" if floor else f" (--floor accepts {side.output})"
    rows = [_neighbour(side, each) for each in clean_settings(side.axis, side.size)]
    show_table(f"Clean settings near by{hint}", "change | >output | arithmetic", rows)


def _neighbour(side: "Side", setting: "CleanSetting") -> Row:
    """Return the change of one letter, and the formula with it."""
    axis, letter, value = side.axis, setting.letter, setting.value
    changes = {"K": {"kernel": value}, "S": {"stride": value}}
    changes |= {"P": {"before": value, "after": value}, "W": {}}
    changed = replace(axis, **changes[letter])
    filled = _filled(changed, value if letter == "W" else side.size)
    named = side.letter if letter == "W" else letter
    return (f"{named} = {value}", Text(f"{setting.output} px", style=GOOD), filled)


def show_common(size: int, rows: "Sequence[dict[str, Any]]") -> None:
    """Print a table of settings; a size that is no whole number shows what is rounded."""
    cells = []
    for row in rows:
        output, effect = f"{row['output']}", row["effect"]
        if not row["clean"]:
            output = f"{float(Fraction(row['exact'])):g} → {output}"
            effect += ", rounded down: not clean"
        cells.append((row["setting"], row["k"], row["s"], row["p"], output, effect))
    heads = "setting | >K | >S | >P | >output | effect"
    show_table(f"Common settings, W = {size}", heads, cells)


def show_transposed(sides: "Sequence[Side]", sizes: Sequence[int], extra: int) -> None:
    """Print the size that a transposed convolution gives each axis."""
    for side, size in zip(sides, sizes, strict=True):
        kernel, filled = _extent(side.axis)
        pad, pads = (text.replace("+", "-") for text in _pad(side.axis))
        formula = f"({side.letter} - 1)S + {kernel} - {pad} + A"
        numbers = f"({side.size} - 1)·{side.axis.stride} + {filled} - {pads} + {extra}"
        output = ("output", f"{size} px", f"{formula} = {numbers}")
        _show_side(side, [output, _way_back(side, size, extra)], ", transposed")


def _way_back(side: "Side", size: int, extra: int) -> Row:
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
        axis = side.axis
        pads = f"{axis.before}" if axis.before == axis.after else f"{axis.before}+{axis.after}"
        asked = f"{pads} (same)" if same else pads
        window = f"K = {axis.kernel}, S = {axis.stride}, P = {asked}, D = {axis.dilation}"
        title = f"{side.letter} = {side.size}, {window}; padding as it is read"
        show_table(title, f"rule | >output | >{before} | >{after} | ", rows)
    say("course: the lecture's rule, which takes whole numbers only; the others round.")


def show_parameters(
    rows: "Sequence[tuple[str, Layer]]", arithmetic: str, output: "Volume | None"
) -> None:
    """Print the counts of the first layer, and what others that share no weights need."""
    _, layer = rows[0]
    counts: list[Row] = [
        ("weights", layer.weights, arithmetic),
        ("biases", layer.biases, "one per filter" if layer.biases else "none"),
        ("total", layer.total, f"{layer.weights:,} + {layer.biases:,}"),
    ]
    if output:
        positions = f"{output.width:,} × {output.height:,}"
        counts += [
            ("output values", output.values, f"{positions} × {output.channels:,}"),
            ("multiply-adds", layer.multiply_adds, f"{positions} · {layer.weights:,}"),
        ]
    show_table("Parameters of the convolution", "what | >count | arithmetic", counts)
    if output:
        others = [
            (name, one.weights, one.biases, one.total, f"{one.total / layer.total:,.1f} ×")
            for name, one in rows
        ]
        heads = "layer | >weights | >biases | >total | >ratio"
        show_table("What it would take without shared weights", heads, others)

"""Sizes, parameters and stacks of layers as tables that people read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.tables import GOOD, ODD, Row, show_table
from convcli.geometry.window import Axis, Unseen
from convcli.text import counted, side_lengths, times

if TYPE_CHECKING:
    from convcli.cli.size import Side
    from convcli.geometry.layers import Layer, SizeRule, Volume
    from convcli.lessons.stacks import Stack, StackRow

# ------------------------------------------------------------------ one size


def show_sides(sides: "Sequence[Side]", *, floor: bool) -> None:
    """Print the formula of each axis, what is left over, and what would be clean."""
    for side in sides:
        axis = side.axis
        _show_side(side, _facts(side))
        if not side.clean:
            from convcli.geometry.layers import clean_settings

            hint = "" if floor else f" (--floor accepts {side.output})"
            rows = []
            for each in clean_settings(axis, side.size):
                is_size = each.letter == "W"
                filled = _filled(each.changed(axis), each.value if is_size else side.size)
                change = f"{side.letter if is_size else each.letter} = {each.value}"
                rows.append((change, Text(f"{each.output} px", style=GOOD), filled))
            show_table(f"Clean settings near by{hint}", "change | >output | arithmetic", rows)
    if len(sides) > 1:
        width, height = (side.output for side in sides)
        rounded = "" if all(side.clean for side in sides) else ", rounded down"
        say(f"H×W = {height}×{width}{rounded}")


def _show_side(side: "Side", rows: Iterable[Row], more: str = "") -> None:
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


def _facts(side: "Side") -> Iterator[Row]:
    """Return the size, what a window sees, and what none does: green what is clean."""
    axis, size = side.axis, f"{side.output} px"
    formula = f"{_span(axis, side.letter, 0)}/S + 1 = {_filled(axis, side.size)}"
    if side.clean:
        yield "output", Text(size, style=GOOD), formula
    else:
        exact = axis.exact_output_size(side.size)
        yield "exact", Text(str(exact), style=ODD), f"{formula} = {float(exact):.2f}"
        yield "truncated", size, "no whole number: the windows do not tile the input"
    if side.padded > side.size:
        letters, numbers = _pad(axis)
        pads = f"{side.letter} + {letters} = {side.size} + {numbers}"
        yield "padded", f"{side.padded} px", pads
    letters, numbers = _extent(axis)
    read = f", of which it reads {axis.kernel}" * (axis.dilation > 1)
    yield "each sees", f"{axis.extent} px", f"{letters} = {numbers}{read}"
    yield _starts(side)
    yield from _left_over(side)


_STARTS = 3  # windows whose starts are printed before the dots


def _starts(side: "Side") -> Row:
    """Return where the windows start, and that the next one does not fit."""
    axis, count = side.axis, side.output
    starts = [str(1 + number * axis.stride) for number in range(min(count, _STARTS))]
    starts += ["..."] * (count > _STARTS + 1)
    starts += [str(1 + (count - 1) * axis.stride)] * (count > _STARTS)
    following = 1 + count * axis.stride
    why = f"the next, {following}, is beyond {side.padded}"
    if following <= side.padded:
        why = f"at {following} none fits: {following + axis.extent - 1} > {side.padded}"
    if side.padded > side.size:
        why += ", padded"
    return ("starts", starts[0], f"then {', '.join(starts[1:])}; {why}" if starts[1:] else why)


def _left_over(side: "Side") -> Iterator[Row]:
    """Return what no window sees at the end, green where that is nothing, and in between."""
    axis, left = side.axis, side.axis.unseen(side.size)
    remainder = f"{_span(axis, side.letter, 0)} mod S"
    arithmetic = f"{remainder} = {axis.span(side.size)} mod {axis.stride}"
    cell = Text(counted(left.total, side.noun), style=ODD if left.total else GOOD)
    parts = f": {_unseen_parts(left, 'picture')}" if left.total else ""
    yield "left over", cell, arithmetic + parts
    if axis.gap:
        gap = Text(counted(axis.gap, side.noun), style=ODD)
        yield "skipped", gap, f"between two windows: S - K = {axis.stride} - {axis.extent}"


def _unseen_parts(left: Unseen, noun: str) -> str:
    """Say how much no window sees of a picture (or a map), and how much of the padding."""
    parts = [f"{left.picture} of the {noun}"] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    return ", ".join(parts)


# ------------------------------------------------------------------ other rules


def show_common(size: int, rows: Sequence[dict[str, Any]]) -> None:
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
    """Print the size that a transposed convolution gives each axis, and the way back."""
    for side, size in zip(sides, sizes, strict=True):
        stride = side.axis.stride
        kernel, filled = _extent(side.axis)
        pad, pads = (text.replace("+", "-") for text in _pad(side.axis))
        formula = f"({side.letter} - 1)S + {kernel} - {pad} + A"
        numbers = f"({side.size} - 1)·{stride} + {filled} - {pads} + {extra}"
        back, means = f"{size}", f"a convolution maps it to {side.size} px"
        if stride > 1:
            back = f"{size - extra} to {size - extra + stride - 1}"
            which = f"the output padding A (0 to {stride - 1}) says which one is wanted"
            means = f"a convolution maps each to {side.size} px: {which}"
        rows = [("output", f"{size} px", f"{formula} = {numbers}")]
        _show_side(side, [*rows, ("the way back", f"{back} px", means)], ", transposed")


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


# ------------------------------------------------------------------ stacks

_TERMS = (
    "output: rows × columns × maps. mult-adds: products that are added up, for one picture.",
    "sees: the receptive field, the pixels of the input (rows × columns) behind one value.",
    "jump: the step from one value to the next, in pixels of the input.",
)
_POOL = (
    "pool: the largest value, as maxpool. In apply --then and animate pool:2 is the mean; "
    "maxpool and avgpool mean the same everywhere."
)
_UNITS = ("", " k", " M", " G", " T", " P")


def show_stack(stack: "Stack") -> None:
    """Print a table with a row a layer, the totals, and the layers that do not tile."""
    memory = _memory(stack.source.values * 4)
    rows = [f" | input | {_volume(stack.source)} |  |  | 1 | 1 | {memory}"]
    rows += [
        f"{number} | {'  ' * row.depth}{row.spec.text} | "
        f"{_volume(row.volume)}{'' if row.clean else ' !'} | {_parameters(row)} | "
        f"{_scaled(row.layer.multiply_adds) if row.layer.multiply_adds else ''} | "
        f"{_sees(row, side_lengths)} | {_jump(row)} | {_memory(row.memory)}"
        for number, row in enumerate(stack.rows, 1)
    ]
    heads = ">#|layer|output|parameters|>mult-adds|>sees|>jump|>memory"
    show_table("A stack, layer by layer", heads, rows)
    totals = [
        ("parameters", stack.parameters, f"{_memory(stack.parameters * 4)} as float32"),
        ("mult-adds", stack.multiply_adds, "for one picture"),
        ("memory", _memory(stack.memory), "for all outputs of one picture (float32)"),
    ]
    show_table("Totals", "what | >count | note", totals)
    notes = [note for number, row in enumerate(stack.rows, 1) for note in _note(number, row)]
    names = [row.spec.text.partition(":")[0].lower() for row in stack.rows]
    say(*_TERMS, *[_POOL] * ("pool" in names), *notes)


def show_run(layers: Sequence[dict[str, Any]], classes: Sequence[tuple[int, float]]) -> None:
    """Print what each layer of a network answered, its time, and the top classes."""
    cells = "{number} | {layer} | {size} | {low:.4g} | {high:.4g} | {ms:.1f} ms"
    rows = [
        cells.format(size=times(layer["shape"]), ms=1000 * layer["seconds"], **layer)
        for layer in layers
    ]
    heads = ">#|layer|output|>lowest|>highest|>time"
    show_table("What each layer answers", heads, rows)
    if classes:
        parts = [f"{number} | {100 * part:.2f} %" for number, part in classes]
        show_table("Top classes, counted from 0", ">class | >part", parts)


def _volume(volume: "Volume") -> str:
    if volume.height == volume.width == 1:
        return f"{volume.channels}"
    return f"{volume.height}×{volume.width}×{volume.channels}"


def _note(number: int, row: "StackRow") -> list[str]:
    """Say what a layer leaves over; once where both axes are the same."""
    if row.clean:
        return []
    outputs = (row.volume.height, row.volume.width)
    rows, columns = zip(row.exact, outputs, row.unseen, strict=True)
    axes = {"rows and columns": rows} if rows == columns else {"rows": rows, "columns": columns}
    return [
        f"! layer {number} {row.spec.text}: {exact} {name}, truncated to {output}; "
        f"never looked at: {_unseen_parts(left, 'map')}."
        for name, (exact, output, left) in axes.items()
        if left.total
    ]


def show_comparison(one: "Stack", other: "Stack") -> None:
    """Print two stacks side by side, and their totals with the ratio."""
    stacks = (one, other)
    parameters = [stack.parameters for stack in stacks]
    products = [stack.multiply_adds for stack in stacks]
    memory = [stack.memory for stack in stacks]
    ends = [stack.rows[-1] for stack in stacks]
    rows: list[Row] = [
        ("input", *(_volume(stack.source) for stack in stacks)),
        *(
            (f"layer {number}", *map(_counted, pair))
            for number, pair in enumerate(zip_longest(one.rows, other.rows), 1)
        ),
        ("parameters", *parameters, _ratio(*parameters)),
        ("mult-adds", *map(_scaled, products), _ratio(*products)),
        ("output", *(_volume(row.volume) for row in ends)),
        ("sees", *(_sees(row, times) for row in ends)),
        ("jump (px of the input)", *map(_jump, ends)),
        ("memory", *map(_memory, memory), _ratio(*memory)),
    ]
    show_table("Two stacks, side by side", " | first | second | >ratio", rows)


def _ratio(one: int, other: int) -> str:
    return f"{one / other:.2f}" if other else ""


def _counted(row: "StackRow | None") -> str:
    return ": ".join(filter(None, (row.spec.text, _parameters(row)))) if row else ""


def _parameters(row: "StackRow") -> str:
    """Return how the parameters of a layer are counted; nothing where it has none."""
    return f"{row.arithmetic} = {row.layer.total:,}" if row.arithmetic else ""


def _sees(row: "StackRow", written: Callable[[Sequence[int]], str]) -> str:
    return "all" if row.all_seen else written([field.size for field in row.fields])


def _jump(row: "StackRow") -> str:
    return side_lengths([field.jump for field in row.fields])


def _scaled(value: float) -> str:
    """Return a number with 3 significant digits and a letter for its thousands."""
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:  # noqa: PLR2004 - rounds to 1,000 from there
            return f"{value:.0f}" if not unit else f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:g}"


def _memory(count: int) -> str:
    return f"{_scaled(count)}B" if count > 999 else f"{count} B"  # noqa: PLR2004

"""Stacks of layers as tables that people read."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from convcli.cli.output import say
from convcli.cli.render.size import unseen_parts
from convcli.cli.render.tables import Row, show_table
from convcli.geometry.layers import Volume
from convcli.lessons.stacks import Stack, StackRow
from convcli.text import side_lengths, times

_HEADS = ">#|layer|output|parameters|>mult-adds|>sees|>jump|>memory"
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


def show_stack(stack: Stack) -> None:
    """Print a table with a row a layer, the totals, and the layers that do not tile."""
    memory = _memory(stack.source.values * 4)
    rows: list[Row] = [("", "input", _volume(stack.source), "", "", 1, 1, memory)]
    rows += [_row(number, row) for number, row in enumerate(stack.rows, 1)]
    show_table("A stack, layer by layer", _HEADS, rows, names=2)
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
    rows = [
        (
            layer["number"],
            layer["layer"],
            "×".join(map(str, layer["shape"])),
            f"{layer['low']:.4g}",
            f"{layer['high']:.4g}",
            f"{1000 * layer['seconds']:.1f} ms",
        )
        for layer in layers
    ]
    heads = ">#|layer|output|>lowest|>highest|>time"
    show_table("What each layer answers", heads, rows, names=2)
    if classes:
        parts = [(f"{number}", f"{100 * part:.2f} %") for number, part in classes]
        show_table("Top classes, counted from 0", ">class | >part", parts)


def _row(number: int, row: StackRow) -> Row:
    return (
        number,
        "  " * row.depth + row.spec.text,
        _volume(row.volume) + ("" if row.clean else " !"),
        _parameters(row),
        _scaled(row.layer.multiply_adds) if row.layer.multiply_adds else "",
        "all" if row.all_seen else side_lengths([field.size for field in row.fields]),
        _jump(row),
        _memory(row.memory),
    )


def _volume(volume: Volume) -> str:
    if volume.height == volume.width == 1:
        return f"{volume.channels}"
    return f"{volume.height}×{volume.width}×{volume.channels}"


def _note(number: int, row: StackRow) -> list[str]:
    """Say what a layer leaves over; once where both axes are the same."""
    if row.clean:
        return []
    outputs = (row.volume.height, row.volume.width)
    rows, columns = zip(row.exact, outputs, row.unseen, strict=True)
    axes = {"rows and columns": rows} if rows == columns else {"rows": rows, "columns": columns}
    return [
        f"! layer {number} {row.spec.text}: {exact} {name}, truncated to {output}; "
        f"never looked at: {unseen_parts(left, 'map')}."
        for name, (exact, output, left) in axes.items()
        if left.total
    ]


def show_comparison(one: Stack, other: Stack) -> None:
    """Print two stacks side by side, and their totals with the ratio."""
    layers: list[Row] = [
        (f"layer {number}", *map(_counted, pair))
        for number, pair in enumerate(zip_longest(one.rows, other.rows), 1)
    ]
    inputs: Row = ("input", _volume(one.source), _volume(other.source))
    rows = [inputs, *layers, *_compared_totals(one, other)]
    show_table("Two stacks, side by side", " | first | second | >ratio", rows)


def _compared_totals(one: Stack, other: Stack) -> list[Row]:
    parameters = (one.parameters, other.parameters)
    products = (one.multiply_adds, other.multiply_adds)
    memory = (one.memory, other.memory)
    ends = (one.rows[-1], other.rows[-1])
    return [
        ("parameters", *parameters, _ratio(*parameters)),
        ("mult-adds", *map(_scaled, products), _ratio(*products)),
        ("output", *(_volume(row.volume) for row in ends)),
        ("sees", *map(_sees, ends)),
        ("jump (px of the input)", *map(_jump, ends)),
        ("memory", *map(_memory, memory), _ratio(*memory)),
    ]


def _ratio(one: int, other: int) -> str:
    return f"{one / other:.2f}" if other else ""


def _counted(row: StackRow | None) -> str:
    if row is None:
        return ""
    return ": ".join(filter(None, (row.spec.text, _parameters(row))))


def _parameters(row: StackRow) -> str:
    """Return how the parameters of a layer are counted; nothing where it has none."""
    return f"{row.arithmetic} = {row.layer.total:,}" if row.arithmetic else ""


def _sees(row: StackRow) -> str:
    return "all" if row.all_seen else times([field.size for field in row.fields])


def _jump(row: StackRow) -> str:
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

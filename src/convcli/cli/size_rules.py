"""What other rules than the course's give: `convcli size --compare` and `--transposed`."""

import json
from dataclasses import dataclass
from typing import Any

import click

from convcli.geometry import Axis, Pair, ceil_padding, transposed_size


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to size an output: who computes so, what comes out, with which padding."""

    name: str
    output: str
    padding: Pair | None
    note: str


def rules_for(axis: Axis, size: int) -> list[Rule]:
    """Return what each rule makes of one axis; those named SAME choose the padding."""
    exact, floor = axis.exact_output_size(size), axis.output_size(size)
    asked = (axis.before, axis.after)
    clean = exact.denominator == 1
    rules = [
        Rule("course", str(exact), asked, "clean" if clean else "no whole number: not allowed"),
        Rule("torch", str(floor), asked, "clean" if clean else "rounded down"),
    ]
    upper = ceil_padding(size, axis.kernel, axis.stride, axis.dilation)
    same = str(-(-size // axis.stride))
    return [
        *rules,
        Rule("TensorFlow SAME", same, upper, "odd pixel at the end"),
        Rule("ONNX SAME_UPPER", same, upper, "odd pixel at the end"),
        Rule("ONNX SAME_LOWER", same, (upper[1], upper[0]), "odd pixel at the start"),
    ]


def show_rules(sides: list[tuple[str, Axis, int]], *, as_json: bool) -> None:
    """Print the rules side by side, for each (letter, axis, size)."""
    found = {letter: rules_for(axis, size) for letter, axis, size in sides}
    if as_json:
        click.echo(json.dumps({letter: _document(rules) for letter, rules in found.items()}))
        return
    from convcli.cli.render import show_table  # noqa: PLC0415 - rich only where it prints

    for letter, axis, size in sides:
        title = f"{letter} = {size}, K = {axis.kernel}, S = {axis.stride}, D = {axis.dilation}"
        before, after = ("left", "right") if letter == "W" else ("top", "bottom")
        rows = [(r.name, r.output, *_sides(r), r.note) for r in found[letter]]
        show_table(title, ("rule", "output", before, after, ""), rows, numbers=(1, 2, 3))


def _sides(rule: Rule) -> tuple[str, str]:
    return ("", "") if rule.padding is None else (str(rule.padding[0]), str(rule.padding[1]))


def _document(rules: list[Rule]) -> list[dict[str, Any]]:
    return [
        {"rule": r.name, "output": r.output, "padding": r.padding, "note": r.note}
        for r in rules
    ]


def show_transposed(
    sides: list[tuple[str, Axis, int]], extra: int, *, quiet: bool, as_json: bool
) -> None:
    """Print the size that a transposed convolution gives, with the formula filled in."""
    sizes = {letter: transposed_size(axis, size, extra) for letter, axis, size in sides}
    if as_json:
        names = {"W": "width", "H": "height"}
        document = {"output": {names[letter]: size for letter, size in sizes.items()}}
        click.echo(json.dumps({"transposed": True, "output_padding": extra, **document}))
    elif quiet:
        click.echo("x".join(str(size) for size in sizes.values()))
    else:
        click.echo("\n\n".join(_transposed(*side, extra, sizes[side[0]]) for side in sides))


def _transposed(letter: str, axis: Axis, size: int, extra: int, result: int) -> str:
    kernel, filled = "K", f"{axis.kernel}"
    if axis.dilation > 1:
        kernel, filled = "D(K-1) + 1", f"{axis.dilation}·{axis.kernel - 1} + 1"
    pad, pads = "2P", f"2·{axis.before}"
    if axis.before != axis.after:
        pad, pads = "P1 - P2", f"{axis.before} - {axis.after}"
    formula = f"({letter} - 1)S + {kernel} - {pad} + A"
    numbers = f"({size} - 1)·{axis.stride} + {filled} - {pads} + {extra}"
    lines = [f"{formula} = {numbers} = {click.style(str(result), bold=True)}"]
    if axis.stride > 1:
        lowest = result - extra
        lines.append(
            f"A convolution with these settings maps each size from {lowest} to "
            f"{lowest + axis.stride - 1} to {size}:\n"
            f"the output padding A (0 to {axis.stride - 1}) says which one is wanted."
        )
    else:
        lines.append(f"A convolution with these settings maps {result} back to {size}.")
    return "\n".join(lines)

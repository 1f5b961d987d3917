"""What other rules than the course's give: `convcli size --compare` and `--transposed`."""

import click

from convcli.cli.output import say, show_json
from convcli.cli.render.size import NAMES, Side
from convcli.geometry.sizes import ceil_padding, transposed_size
from convcli.geometry.window import Axis, Pair
from convcli.text import counted
from convcli.values import Record, asdict


class SizeRule(Record):
    """One way to size an output.

    Attributes
    ----------
    rule : str
        Who computes so.
    output : str
        What comes out; ``none`` where the rule has no answer.
    padding : (int, int) or None
        Pixels of padding at the start and at the end that windows look at; where nothing
        comes out, those that were asked for.
    note : str
        What a person should know.
    """

    rule: str
    output: str
    padding: Pair | None
    note: str


def rules_for(side: Side, *, same: bool = False) -> list[SizeRule]:
    """Return what each rule makes of one axis; those named SAME choose the padding.

    Parameters
    ----------
    side : Side
        The axis.
    same : bool
        Whether its padding was asked for as ``same``, which torch has at stride 1 only.
    """
    return [
        _course(side),
        _torch(side, same=same),
        _same("TensorFlow SAME", side),
        _same("ONNX SAME_UPPER", side),
        _same("ONNX SAME_LOWER", side, lower=True),
    ]


def _course(side: Side) -> SizeRule:
    asked = (side.axis.before, side.axis.after)
    exact = str(side.axis.exact_output_size(side.size))
    return SizeRule(
        "course", exact, asked, "clean" if side.clean else "no whole number: not allowed"
    )


def _torch(side: Side, *, same: bool) -> SizeRule:
    axis = side.axis
    if same and axis.stride > 1:
        return SizeRule("torch", "none", None, "same needs stride 1: torch refuses")
    left = axis.unseen(side.size)
    note = "clean" if side.clean else f"rounded down: {_unread(side, axis)}"
    return SizeRule("torch", str(side.output), (axis.before, axis.after - left.padding), note)


def _unread(side: Side, axis: Axis) -> str:
    """Say how much of the picture and of the padding no window looks at."""
    left = axis.unseen(side.size)
    parts = [counted(left.picture, side.name)] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    return f"{' and '.join(parts)} not read"


def _same(name: str, side: Side, *, lower: bool = False) -> SizeRule:
    axis = side.axis
    pads = ceil_padding(side.size, axis.kernel, axis.stride, axis.dilation, lower=lower)
    note = _split(pads)
    used = Axis(axis.kernel, axis.stride, *pads, axis.dilation)
    if not used.tiles(side.size):
        note = f"{note}; {_unread(side, used)}"
    return SizeRule(name, str(used.output_size(side.size)), pads, note)


def _split(pads: Pair) -> str:
    if pads[0] == pads[1]:
        return "as much on both sides" if pads[0] else "no padding needed"
    return f"odd pixel at the {'end' if pads[1] > pads[0] else 'start'}"


def show_rules(sides: list[Side], *, same: bool, as_json: bool) -> None:
    """Print the rules side by side, for each axis."""
    found = [rules_for(side, same=same) for side in sides]
    if as_json:
        pairs = zip(sides, found, strict=True)
        show_json({s.letter: [asdict(rule) for rule in rules] for s, rules in pairs})
        return
    from convcli.cli.render.tables import show_table

    for side, rules in zip(sides, found, strict=True):
        before, after = ("left", "right") if side.letter == "W" else ("top", "bottom")
        rows = [(r.rule, r.output, *_sides(r), r.note) for r in rules]
        headings = ("rule", "output", before, after, "")
        show_table(_title(side, same=same), headings, rows, numbers=(1, 2, 3))


def _title(side: Side, *, same: bool) -> str:
    axis = side.axis
    pads = f"{axis.before}" if axis.before == axis.after else f"{axis.before}+{axis.after}"
    asked = f"{pads} (same)" if same else pads
    window = f"K = {axis.kernel}, S = {axis.stride}, P = {asked}, D = {axis.dilation}"
    return f"{side.letter} = {side.size}, {window}; padding as it is read"


def _sides(rule: SizeRule) -> tuple[str, str]:
    return ("", "") if rule.padding is None else (str(rule.padding[0]), str(rule.padding[1]))


def show_transposed(sides: list[Side], extra: int, *, quiet: bool, as_json: bool) -> int:
    """Print the size that a transposed convolution gives, with the formula filled in."""
    sizes = {s.letter: transposed_size(s.axis, s.size, extra) for s in sides}
    if as_json:
        document = {"output": {NAMES[letter]: size for letter, size in sizes.items()}}
        show_json({"transposed": True, "output_padding": extra, **document})
    elif quiet:
        click.echo("x".join(str(size) for size in sizes.values()))
    else:
        say("\n\n".join(_transposed(side, extra, sizes[side.letter]) for side in sides))
    return 0


def _transposed(side: Side, extra: int, result: int) -> str:
    letter, axis, size = side.letter, side.axis, side.size
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

"""One axis of `convcli size`: the formula filled in, what is left over, what would be clean."""

from typing import Any

import click

from convcli.geometry.window import Axis
from convcli.text import counted
from convcli.values import Record, asdict


class Side(Record):
    """One axis of the question: its letter (W or H), its length, the window over it."""

    letter: str
    size: int
    axis: Axis

    @property
    def name(self) -> str:
        """What its pixels are."""
        return "column" if self.letter == "W" else "row"

    @property
    def clean(self) -> bool:
        """Whether the windows tile it."""
        return self.axis.tiles(self.size)

    @property
    def output(self) -> int:
        """The size that comes out, rounded down."""
        return self.axis.output_size(self.size)


def refusal(sides: list[Side]) -> str:
    """Say which side has no whole size, and what to do."""
    side = next(side for side in sides if not side.clean)
    return (
        f"expected a whole number, got {side.axis.exact_output_size(side.size)}: "
        f"change K, S, P or {side.letter}, or accept {side.output} with --floor"
    )


def explained(side: Side, *, floor: bool) -> str:
    """Return all that is to be said of a side, on some lines."""
    lines = [_formula(side)]
    lines.append(_seen(side) if side.clean else _left_over(side))
    if side.axis.gap:
        gap = counted(side.axis.gap, side.name)
        lines.append(f"The stride skips {gap} between two windows.")
    if not side.clean:
        lines.append(_neighbours(side, floor=floor))
    return "\n".join(lines)


def _formula(side: Side) -> str:
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
    value = click.style(str(side.output), bold=True) if side.clean else _mixed(side)
    return f"{general} = {filled} = {value}"


def _mixed(side: Side) -> str:
    """Return a fraction as a person reads it: 7/3 = 2.33."""
    exact = side.axis.exact_output_size(side.size)
    return f"{click.style(str(exact), fg='yellow', bold=True)} = {float(exact):.2f}"


def _seen(side: Side) -> str:
    taps, extent, outputs = side.axis.kernel, side.axis.extent, side.output
    sees = f"{taps} px" if taps == extent else f"{taps} of {extent} px"
    which = "The one output" if outputs == 1 else f"Each of the {outputs} outputs"
    return f"{which} sees {sees}; no {side.name} is left over."


def _left_over(side: Side) -> str:
    left = side.axis.unseen(side.size)
    parts = [f"{left.picture} of the picture"] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    verb = "are" if left.total > 1 else "is"
    where = f"{' left over at the end' if side.axis.gap else ''} {verb}"
    return (
        f"No whole number: the windows do not tile the input. Truncated it is {side.output};\n"
        f"{counted(left.total, side.name)}{where} never looked at: {', '.join(parts)}."
    )


def _neighbours(side: Side, *, floor: bool) -> str:
    hint = "" if floor else f" (--floor accepts {side.output} as it is)"
    from convcli.geometry.sizes import clean_settings

    lines = [f"Clean settings near by{hint}:"]
    for setting in clean_settings(side.axis, side.size):
        letter = side.letter if setting.letter == "W" else setting.letter
        lines.append(f"  {letter} = {setting.value:<6} gives {setting.output}")
    return "\n".join(lines)


NAMES = {"W": "width", "H": "height"}


def document(sides: list[Side]) -> dict[str, Any]:
    """Return all that is known of the sides as plain JSON values."""
    return {
        "clean": all(side.clean for side in sides),
        "output": {NAMES[side.letter]: side.output for side in sides},
        **{NAMES[side.letter]: _axis_document(side) for side in sides},
    }


def _axis_document(side: Side) -> dict[str, Any]:
    from convcli.geometry.layers import ReceptiveField
    from convcli.geometry.sizes import clean_settings

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

"""Layers: receptive fields, parameters, settings without remainder, rules of other tools."""

import functools
import math
from collections.abc import Iterable
from fractions import Fraction

from convcli.errors import GeometryError, fail
from convcli.geometry.window import Axis, Pair
from convcli.text import counted
from convcli.values import Record, replace


class ReceptiveField(Record):
    """The receptive field of one output of a stack of layers, along one axis."""

    size: int = 1  # r, in pixels of the input
    jump: int = 1  # j, the distance of two neighbouring outputs
    start: Fraction = Fraction(0)  # the centre of the first; the first pixel's is 0

    def through(self, axis: Axis) -> "ReceptiveField":
        """Return it after a layer: r += d(k-1)·j, start += (d(k-1)/2 - p)·j, then j *= s."""
        growth = axis.extent - 1
        start = self.start + (Fraction(growth, 2) - axis.before) * self.jump
        return ReceptiveField(self.size + growth * self.jump, self.jump * axis.stride, start)


def seen_through(axes: Iterable[Axis]) -> ReceptiveField:
    """Return the receptive field of one output after layers, along one axis."""
    return functools.reduce(ReceptiveField.through, axes, ReceptiveField())


class Layer(Record):
    """The number of weights and biases of a layer, and of multiply-adds for one picture."""

    weights: int
    biases: int
    multiply_adds: int = 0

    @property
    def total(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


class Volume(Record):
    """The size of a stack of maps: channels × height × width."""

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1:
            got = f"got {self.channels} × {self.height} × {self.width}"
            fault = f"expected at least 1 channel, row and column, {got}"
            fail("volume", fault, "use 1 or more of each", GeometryError)

    def __str__(self) -> str:
        return f"{self.height} × {self.width} × {self.channels}"

    @property
    def values(self) -> int:
        """Numbers in the volume, C·H·W."""
        return self.channels * self.height * self.width


def convolution_layer(
    channels: int,
    filters: int,
    kernel: Pair,
    *,
    groups: int = 1,
    bias: bool = True,
    output: Pair = (0, 0),
) -> Layer:
    """Count a convolution layer; its output (rows, columns) is for multiply-adds only.

    A layer that shares no weights has as many filters as values, and an output of 1×1; a fully
    connected one is that with the values of its input as channels, and a kernel of 1×1.
    """
    for name, value in (("in", channels), ("filters", filters), ("groups", groups)):
        if value < 1:
            fault = f"expected a whole number of at least 1, got {value}"
            fail(name, fault, "use 1 or more", GeometryError)
    if channels % groups or filters % groups:
        both = f"{counted(channels, 'input channel')} and {counted(filters, 'filter')}"
        fault = f"expected a divisor of {both}, got {groups}"
        fail("groups", fault, "use a number that divides both", GeometryError)
    weights = filters * (channels // groups) * math.prod(kernel)
    return Layer(weights, filters if bias else 0, weights * math.prod(output))


class CleanSetting(Record):
    """One letter (K, S, P or W), its new value that leaves no remainder, the output size."""

    letter: str
    value: int
    output: int

    def changed(self, axis: Axis) -> Axis:
        """Return an axis with it; W, the size, is none of its settings."""
        return replace(axis, **dict.fromkeys(_CHANGES[self.letter], self.value))


_CHANGES = {"K": ("kernel",), "S": ("stride",), "P": ("before", "after"), "W": ()}
_SEARCHED = 1000  # the largest change of a letter: a value further off helps nobody


def clean_settings(axis: Axis, size: int) -> list[CleanSetting]:
    """Return the nearest settings on both sides that tile an axis, changing one letter."""
    settings: list[CleanSetting] = []
    known = (axis.kernel, axis.stride, axis.before, size)
    for letter, current in zip(_CHANGES, known, strict=True):
        if letter == "P" and axis.before != axis.after:
            continue
        least = max(current - _SEARCHED, 0 if letter == "P" else 1)
        below = range(current - 1, least - 1, -1)
        for values in (below, range(current + 1, current + _SEARCHED)):
            outputs = ((value, _clean_output(axis, size, letter, value)) for value in values)
            nearest = next((each for each in outputs if each[1]), None)
            settings += [CleanSetting(letter, *nearest)] if nearest else []
    return settings


def _clean_output(axis: Axis, size: int, letter: str, value: int) -> int:
    """Return the output size after a change, or 0 where windows do not tile the axis."""
    changed = CleanSetting(letter, value, 0).changed(axis)
    length = value if letter == "W" else size
    fits = length + changed.before + changed.after >= changed.extent
    return changed.output_size(length) if fits and changed.tiles(length) else 0


def transposed_size(axis: Axis, size: int, output_padding: int = 0) -> int:
    """Return the size (W - 1)·S + D(K-1) + 1 - P1 - P2 + output padding, or GeometryError.

    The last chooses among the S widths that a convolution maps to one.
    """
    limit = max(axis.stride, axis.dilation)
    if not 0 <= output_padding < limit:
        raise GeometryError(
            f"output padding: expected 0 to {limit - 1} (below the stride or the dilation), "
            f"got {output_padding}"
        )
    full = (size - 1) * axis.stride + axis.extent + output_padding
    result = full - axis.before - axis.after
    if result < 1:
        takes = f"the padding takes {axis.before} + {axis.after} px off {full} px"
        remedy = "use a smaller padding or a larger kernel"
        fail("", f"{takes} and leaves nothing", remedy, GeometryError)
    return result


class SizeRule(Record):
    """What one tool makes of an axis: a size or ``none``, and the padding that windows read."""

    rule: str
    output: str
    padding: Pair | None
    note: str


def size_rules(axis: Axis, size: int, noun: str, *, same: bool = False) -> list[SizeRule]:
    """Return what the course, torch, TensorFlow and ONNX make of an axis of `noun`s."""
    note = "clean" if axis.tiles(size) else "no whole number: not allowed"
    exact = str(axis.exact_output_size(size))
    return [
        SizeRule("course", exact, (axis.before, axis.after), note),
        _torch_rule(axis, size, noun, same=same),
        _same_rule("TensorFlow SAME", axis, size, noun),
        _same_rule("ONNX SAME_UPPER", axis, size, noun),
        _same_rule("ONNX SAME_LOWER", axis, size, noun, lower=True),
    ]


def _torch_rule(axis: Axis, size: int, noun: str, *, same: bool) -> SizeRule:
    """Return torch's rule; `same` says that padding was asked for as ``same``."""
    if same and axis.stride > 1:
        return SizeRule("torch", "none", None, "same needs stride 1: torch refuses")
    left = axis.unseen(size)
    note = "clean" if axis.tiles(size) else f"rounded down: {_not_read(axis, size, noun)}"
    pads = (axis.before, axis.after - left.padding)
    return SizeRule("torch", str(axis.output_size(size)), pads, note)


def _same_rule(name: str, axis: Axis, size: int, noun: str, *, lower: bool = False) -> SizeRule:
    """Return the rule for the output ceil(W/S); `lower` puts the odd pixel at the start."""
    outputs = -(-size // axis.stride)
    total = max(axis.input_size(outputs) - size, 0)
    pads = (total // 2, total - total // 2)
    pads = pads[::-1] if lower else pads
    padded = Axis(axis.kernel, axis.stride, *pads, axis.dilation)
    note = "as much on both sides" if pads[0] else "no padding needed"
    if pads[0] != pads[1]:
        note = f"odd pixel at the {'end' if pads[1] > pads[0] else 'start'}"
    if not padded.tiles(size):
        note = f"{note}; {_not_read(padded, size, noun)}"
    return SizeRule(name, str(padded.output_size(size)), pads, note)


def _not_read(axis: Axis, size: int, noun: str) -> str:
    """Say how much of the picture and of the padding no window looks at."""
    left = axis.unseen(size)
    parts = [counted(left.picture, noun)] * (left.picture > 0)
    parts += [f"{left.padding} of padding"] * (left.padding > 0)
    return f"{' and '.join(parts)} not read"

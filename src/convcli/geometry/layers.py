"""Layers of a network: parameters, multiply-adds and receptive fields."""

import math
from fractions import Fraction

from convcli.errors import GeometryError
from convcli.geometry.window import Axis, Pair
from convcli.text import counted
from convcli.values import Record


class ReceptiveField(Record):
    """The receptive field of one output of a stack of layers, along one axis.

    It is `size` pixels of the input wide, r. Two neighbouring outputs are `jump` pixels of the
    input apart, j. `start` is the centre of the first output; the first pixel's centre is 0.
    Each layer does r += d(k-1)·j, start += (d(k-1)/2 - p)·j, then j *= s.

    Two 3×3 layers see as much as one 5×5:

    >>> layer = Axis(kernel=3, before=1, after=1)
    >>> ReceptiveField().through(layer).through(layer).size
    5
    """

    size: int = 1
    jump: int = 1
    start: Fraction = Fraction(0)

    def through(self, axis: Axis) -> "ReceptiveField":
        """Return the receptive field after one more layer."""
        growth = axis.extent - 1
        return ReceptiveField(
            size=self.size + growth * self.jump,
            jump=self.jump * axis.stride,
            start=self.start + (Fraction(growth, 2) - axis.before) * self.jump,
        )


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
            raise GeometryError(
                "volume: expected at least 1 channel, row and column, got "
                f"{self.channels} × {self.height} × {self.width}: use 1 or more of each"
            )

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
    """Count a convolution layer: C_out·C_in/g·kh·kw weights and C_out biases.

    The size of the kernel and of the output are (rows, columns); the output counts for the
    multiply-adds H'·W'·C_out·C_in/g·kh·kw only. A count below 1, and groups that do not divide
    the channels, are a `GeometryError`.

    >>> convolution_layer(3, 64, (3, 3)).total
    1792
    """
    for name, value in (("in", channels), ("filters", filters), ("groups", groups)):
        if value < 1:
            raise GeometryError(
                f"{name}: expected a whole number of at least 1, got {value}: use 1 or more"
            )
    if channels % groups or filters % groups:
        raise GeometryError(
            f"groups: expected a divisor of {counted(channels, 'input channel')} and "
            f"{counted(filters, 'filter')}, "
            f"got {groups}: use a number that divides both"
        )
    weights = filters * (channels // groups) * math.prod(kernel)
    return Layer(weights, filters if bias else 0, weights * math.prod(output))


def fully_connected_layer(inputs: int, outputs: int, *, bias: bool = True) -> Layer:
    """Count a fully connected layer: a weight for each (input, output) pair.

    >>> fully_connected_layer(3072, 1000).weights
    3072000
    """
    return Layer(inputs * outputs, outputs if bias else 0, inputs * outputs)


def locally_connected_layer(
    channels: int, output: Volume, kernel: Pair, *, groups: int = 1, bias: bool = True
) -> Layer:
    """Count a layer whose windows share no weights: each output has weights of its own.

    >>> locally_connected_layer(3, Volume(64, 32, 32), (3, 3)).total
    1835008
    """
    weights = output.values * (channels // groups) * math.prod(kernel)
    return Layer(weights, output.values if bias else 0, weights)

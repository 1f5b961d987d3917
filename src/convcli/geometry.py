"""The arithmetic of sliding a window: sizes, remainders, receptive fields, parameters.

Pure integers. The engine and the commands share this module, so a size that
`convcli size` explains is the size that `convcli apply` makes. Pairs are
(rows, columns), as arrays are indexed; lengths are in pixels.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, TypeAlias, TypeGuard

from convcli.errors import GeometryError

Pair: TypeAlias = tuple[int, int]
IntOrPair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]] | Literal["same", "valid"]


@dataclass(frozen=True, slots=True)
class Unseen:
    """What a stride leaves over at the end of an axis, in pixels."""

    picture: int
    padding: int

    @property
    def total(self) -> int:
        """All that is left over: (W + p1 + p2 - extent) mod stride."""
        return self.picture + self.padding


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a sliding window.

    Parameters
    ----------
    kernel : int
        Number of taps, k.
    stride : int
        Step between two outputs, s, in pixels.
    before, after : int
        Padding at the start and at the end, in pixels.
    dilation : int
        Distance between two taps, d, in pixels.

    Raises
    ------
    GeometryError
        If a tap count, stride or dilation is below 1, or a padding negative.

    Examples
    --------
    >>> Axis(kernel=3, stride=2, before=1, after=1).output_size(7)
    4
    """

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            if getattr(self, name) < 1:
                raise GeometryError(
                    f"{name}: expected a whole number of at least 1, "
                    f"got {getattr(self, name)}: use 1 or more"
                )
        if min(self.before, self.after) < 0:
            raise GeometryError(
                f"padding: expected 0 or more pixels, got {min(self.before, self.after)}"
            )

    @property
    def extent(self) -> int:
        """Pixels from the first tap to the last, d(k-1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    def span(self, size: int) -> int:
        """Return W + p1 + p2 - extent: how far the window can travel.

        Raises
        ------
        GeometryError
            If the axis is empty, or the kernel larger than the padded axis.
        """
        if size < 1:
            raise GeometryError(f"size: expected at least 1 pixel, got {size}")
        span = size + self.before + self.after - self.extent
        if span < 0:
            raise GeometryError(
                f"the kernel spans {self.extent} px but the padded image only "
                f"{size + self.before + self.after} px ({size} + {self.before} + "
                f"{self.after}): use a smaller kernel or dilation, or a padding that is "
                f"{-span} px larger in all"
            )
        return span

    def output_size(self, size: int) -> int:
        """Return floor((W + p1 + p2 - d(k-1) - 1)/s) + 1, as torch.

        Raises
        ------
        GeometryError
            If the axis is empty, or the kernel larger than the padded axis.
        """
        return self.span(size) // self.stride + 1

    def exact_output_size(self, size: int) -> Fraction:
        """Return the magic formula (W - K + 2P)/S + 1 without rounding.

        Examples
        --------
        >>> Axis(kernel=3, stride=3).exact_output_size(7)
        Fraction(7, 3)
        """
        return Fraction(self.span(size), self.stride) + 1

    def tiles(self, size: int) -> bool:
        """Tell whether the windows end exactly where the padded axis ends."""
        return self.span(size) % self.stride == 0

    def unseen(self, size: int) -> Unseen:
        """Return how much lies behind the last window, picture and padding apart.

        Examples
        --------
        A 3-tap kernel with stride 2 and padding 1 on 8 pixels leaves padding only.

        >>> Axis(kernel=3, stride=2, before=1, after=1).unseen(8)
        Unseen(picture=0, padding=1)
        """
        total = self.span(size) % self.stride
        first = size + self.after - total  # the first position behind the last window
        picture = max(size - max(first, 0), 0)
        return Unseen(picture=picture, padding=total - picture)

    @property
    def gap(self) -> int:
        """Pixels between two windows that neither looks at: stride less extent."""
        return max(self.stride - self.extent, 0)

    def source(self, output: int) -> int:
        """Return the picture position of the first tap of an output (negative: padding)."""
        return output * self.stride - self.before

    def centre(self, output: int) -> int:
        """Return the picture position of the middle tap, (k-1)//2, of an output."""
        return self.source(output) + self.dilation * ((self.kernel - 1) // 2)


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel slides over a picture: its size, stride, padding and dilation.

    Make one with `window`, which accepts the forms that a person writes.

    Attributes
    ----------
    rows, columns : Axis
        The vertical and the horizontal axis.

    Examples
    --------
    >>> window((3, 3), stride=2, padding=1).output_shape((224, 224))
    (112, 112)
    """

    rows: Axis
    columns: Axis

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The two axes, rows first."""
        return (self.rows, self.columns)

    @property
    def kernel(self) -> Pair:
        """Kernel size (rows, columns)."""
        return (self.rows.kernel, self.columns.kernel)

    @property
    def stride(self) -> Pair:
        """Stride (rows, columns)."""
        return (self.rows.stride, self.columns.stride)

    @property
    def dilation(self) -> Pair:
        """Dilation (rows, columns)."""
        return (self.rows.dilation, self.columns.dilation)

    @property
    def padding(self) -> tuple[Pair, Pair]:
        """Padding ((top, bottom), (left, right))."""
        return (
            (self.rows.before, self.rows.after),
            (self.columns.before, self.columns.after),
        )

    def output_shape(self, shape: Pair) -> Pair:
        """Return the size (rows, columns) of the result for a picture of that size.

        Raises
        ------
        GeometryError
            If the picture is empty, or the kernel larger than the padded picture.
        """
        for name, axis, size in zip(("rows", "columns"), self.axes, shape, strict=True):
            try:
                axis.span(size)
            except GeometryError as error:
                raise GeometryError(f"{name}: {error}") from None
        return (self.rows.output_size(shape[0]), self.columns.output_size(shape[1]))

    def unseen(self, shape: Pair) -> tuple[Unseen, Unseen]:
        """Return what the stride leaves over at the bottom and at the right."""
        return (self.rows.unseen(shape[0]), self.columns.unseen(shape[1]))


def window(
    kernel: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
) -> Window:
    """Build a `Window` from the forms that a person writes.

    Parameters
    ----------
    kernel, stride, dilation : int or (int, int)
        One number for both axes, or (rows, columns).
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        Pixels on every side; (rows, columns); ((top, bottom), (left, right)); or the
        padding that keeps the size at stride 1, d(k-1) in all with the odd pixel at
        the end (as torch), so that the size with stride s is ceil(W/s); or none.

    Returns
    -------
    Window

    Raises
    ------
    GeometryError
        If a value has another form, or is out of range.

    Examples
    --------
    >>> window(4, padding="same").padding
    ((1, 2), (1, 2))
    """
    kernels, strides = pair(kernel, "kernel"), pair(stride, "stride")
    dilations = pair(dilation, "dilation")
    sides = _sides(padding, kernels, dilations)
    rows, columns = (
        Axis(k, s, before, after, d)
        for k, s, (before, after), d in zip(kernels, strides, sides, dilations, strict=True)
    )
    return Window(rows, columns)


def pair(value: object, name: str) -> Pair:
    """Return (rows, columns) of one number or of two.

    Raises
    ------
    GeometryError
        If the value is neither a whole number nor two of them.

    Examples
    --------
    >>> pair(3, "kernel")
    (3, 3)
    """
    if _is_several(value):
        if len(value) == 2:  # noqa: PLR2004 - a pair is two
            return (_whole(value[0], name), _whole(value[1], name))
        raise GeometryError(f"{name}: expected one number or two (rows, columns), got {value}")
    number = _whole(value, name)
    return (number, number)


def _is_several(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell whether a value has parts: a list, a tuple or an array of one dimension."""
    return hasattr(value, "__len__") and not isinstance(value, str)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or _is_several(value) or not hasattr(value, "__index__"):
        raise GeometryError(f"{name}: expected a whole number, got {value!r}")
    return operator.index(value)


def _sides(padding: Padding, kernel: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """Return ((top, bottom), (left, right)) of any form of padding."""
    if isinstance(padding, str) and padding == "valid":
        return ((0, 0), (0, 0))
    if isinstance(padding, str) and padding == "same":
        return (_same(kernel[0], dilation[0]), _same(kernel[1], dilation[1]))
    sides = list(padding) if _is_several(padding) else [padding, padding]
    if len(sides) == 2 and not isinstance(padding, str):  # noqa: PLR2004 - a pair is two
        return (pair(sides[0], "padding"), pair(sides[1], "padding"))
    raise GeometryError(
        "padding: expected a number, (rows, columns), ((top, bottom), (left, right)), 'same' "
        f"or 'valid'; got {padding!r}"
    )


def _same(kernel: int, dilation: int) -> Pair:
    total = dilation * (kernel - 1)
    return (total // 2, total - total // 2)


# ------------------------------------------------------------------ clean settings


@dataclass(frozen=True, slots=True)
class CleanSetting:
    """One change that makes the windows tile the axis.

    Attributes
    ----------
    letter : str
        The letter that changes: K, S, P or W.
    value : int
        Its new value.
    output : int
        The output size that follows.
    """

    letter: str
    value: int
    output: int


def clean_settings(axis: Axis, size: int) -> list[CleanSetting]:
    """Return the nearest settings that tile an axis, one letter changed at a time.

    For each of K, S, P and W the nearest value below and the nearest above that
    make (W - K + 2P)/S an integer, where there are any. P is the padding a side.

    Examples
    --------
    >>> for setting in clean_settings(Axis(kernel=3, stride=3), 7):
    ...     print(setting.letter, setting.value, setting.output)
    K 1 3
    K 4 2
    S 2 3
    S 4 2
    P 1 3
    W 6 2
    W 9 3
    """
    changes: list[tuple[str, int, int, Callable[[int], tuple[Axis, int]]]] = [
        ("K", axis.kernel, 1, lambda k: (replace(axis, kernel=k), size)),
        ("S", axis.stride, 1, lambda s: (replace(axis, stride=s), size)),
        ("P", axis.before, 0, lambda p: (replace(axis, before=p, after=p), size)),
        ("W", size, 1, lambda w: (axis, w)),
    ]
    symmetric = axis.before == axis.after
    return [
        CleanSetting(letter, value, changed.output_size(length))
        for letter, current, least, change in changes
        if symmetric or letter != "P"
        for value in _nearest_clean(current, least, change)
        for changed, length in [change(value)]
    ]


_SEARCHED = 1000
"""How far from its value a letter is changed: further off is no neighbour any more."""


def _nearest_clean(
    current: int, least: int, change: Callable[[int], tuple[Axis, int]]
) -> list[int]:
    below = range(current - 1, max(current - _SEARCHED, least) - 1, -1)
    above = range(current + 1, current + _SEARCHED)
    found = (next((v for v in side if _tiles(*change(v))), None) for side in (below, above))
    return [value for value in found if value is not None]


def _tiles(axis: Axis, size: int) -> bool:
    padded = size + axis.before + axis.after
    return padded >= axis.extent and axis.tiles(size)


# ---------------------------------------------------------------- receptive fields


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What one output of a stack of layers sees, along one axis.

    Attributes
    ----------
    size : int
        Receptive field r, in input pixels.
    jump : int
        Distance j between two neighbouring outputs, in input pixels.
    start : Fraction
        Position of the centre of the first output; the first pixel's centre is 0.

    Notes
    -----
    Each layer does r += d(k-1)·j, start += (d(k-1)/2 - p)·j, then j *= s.

    Examples
    --------
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
        reach = axis.extent - 1
        return ReceptiveField(
            size=self.size + reach * self.jump,
            jump=self.jump * axis.stride,
            start=self.start + (Fraction(reach, 2) - axis.before) * self.jump,
        )


# ---------------------------------------------------------------- parameter counts


@dataclass(frozen=True, slots=True)
class Layer:
    """The learnable numbers of a layer, counted.

    Attributes
    ----------
    weights, biases : int
        How many of each.
    multiply_adds : int
        Products that one picture takes.
    """

    weights: int
    biases: int
    multiply_adds: int = 0

    @property
    def total(self) -> int:
        """Weights and biases together."""
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Volume:
    """The size of a stack of maps: channels × height × width."""

    channels: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1:
            raise GeometryError(
                "volume: expected at least 1 channel, row and column, got "
                f"{self.channels} × {self.height} × {self.width}"
            )

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

    Parameters
    ----------
    channels, filters : int
        Input and output channels.
    kernel : (int, int)
        Kernel size (rows, columns).
    groups : int
        Groups that the channels are split into; must divide both counts.
    bias : bool
        Whether each filter has a bias.
    output : (int, int)
        Output size, for the multiply-adds H'·W'·C_out·C_in/g·kh·kw.

    Raises
    ------
    GeometryError
        If a count is below 1 or the groups do not divide the channels.

    Examples
    --------
    >>> convolution_layer(3, 64, (3, 3)).total
    1792
    """
    for name, value in (("in", channels), ("filters", filters), ("groups", groups)):
        if value < 1:
            raise GeometryError(f"{name}: expected a whole number of at least 1, got {value}")
    if channels % groups or filters % groups:
        raise GeometryError(
            f"groups: expected a divisor of {channels} input channels and {filters} filters, "
            f"got {groups}"
        )
    weights = filters * (channels // groups) * math.prod(kernel)
    return Layer(weights, filters if bias else 0, weights * math.prod(output))


def fully_connected_layer(inputs: int, outputs: int, *, bias: bool = True) -> Layer:
    """Count a fully connected layer: a weight for each (input, output) pair.

    Examples
    --------
    >>> fully_connected_layer(3072, 1000).weights
    3072000
    """
    return Layer(inputs * outputs, outputs if bias else 0, inputs * outputs)


def locally_connected_layer(
    channels: int, output: Volume, kernel: Pair, *, groups: int = 1, bias: bool = True
) -> Layer:
    """Count a layer that looks locally but shares no weights between positions.

    Examples
    --------
    >>> locally_connected_layer(3, Volume(64, 32, 32), (3, 3)).total
    1835008
    """
    weights = output.values * (channels // groups) * math.prod(kernel)
    return Layer(weights, output.values if bias else 0, weights)


# ------------------------------------------------------------- other tools' rules


def ceil_padding(
    size: int, kernel: int, stride: int = 1, dilation: int = 1, *, lower: bool = False
) -> Pair:
    """Return the padding (before, after) that makes the output ceil(W/S).

    TensorFlow's ``SAME`` and ONNX's ``SAME_UPPER`` put the odd pixel at the end,
    ONNX's ``SAME_LOWER`` at the start. Unlike the padding that torch calls ``same`` it
    depends on the size: max((ceil(W/S) - 1)·S + D(K-1) + 1 - W, 0) in all.

    Parameters
    ----------
    size, kernel, stride, dilation : int
        Of one axis, in pixels.
    lower : bool
        Put the odd pixel at the start.

    Raises
    ------
    GeometryError
        If a number is below 1.

    Examples
    --------
    >>> ceil_padding(224, kernel=3, stride=2)
    (0, 1)
    """
    axis = Axis(kernel, stride, dilation=dilation)
    if size < 1:
        raise GeometryError(f"size: expected at least 1 pixel, got {size}")
    total = max((-(-size // stride) - 1) * stride + axis.extent - size, 0)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def transposed_size(axis: Axis, size: int, output_padding: int = 0) -> int:
    """Return (W - 1)·S + D(K-1) + 1 - P1 - P2 + output padding: a layer run backwards.

    A forward convolution with stride S maps S different widths to the same output; the
    output padding, 0 to S-1, says which of them is wanted (as torch ConvTranspose2d).

    Raises
    ------
    GeometryError
        If the axis is empty, nothing is left, or the output padding is not smaller than
        the stride or the dilation.

    Examples
    --------
    >>> transposed_size(Axis(kernel=3, stride=2, before=1, after=1), 4, output_padding=1)
    8
    """
    if size < 1:
        raise GeometryError(f"size: expected at least 1 pixel, got {size}")
    limit = max(axis.stride, axis.dilation)
    if not 0 <= output_padding < limit:
        raise GeometryError(
            f"output padding: expected 0 to {limit - 1} (below the stride or the dilation), "
            f"got {output_padding}"
        )
    full = (size - 1) * axis.stride + axis.extent + output_padding
    result = full - axis.before - axis.after
    if result < 1:
        raise GeometryError(
            f"the padding takes {axis.before} + {axis.after} px off {full} px and leaves "
            "nothing: use a smaller padding or a larger kernel"
        )
    return result

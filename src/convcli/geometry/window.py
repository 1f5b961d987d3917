"""A window that slides: kernel size, stride, padding and dilation, on one axis and on two."""

import functools
import math
import operator
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeGuard

from convcli.errors import GeometryError, fail
from convcli.text import brief
from convcli.values import Record

if TYPE_CHECKING:
    from fractions import Fraction

_MOST_PIXELS = 2**56  # of a padded picture: NumPy counts the bytes of its values with 63 bits


class Unseen(Record):
    """The pixels at the end of an axis that no window reaches."""

    picture: int
    padding: int

    @property
    def total(self) -> int:
        """Picture and padding together: (W + p1 + p2 - extent) mod stride."""
        return self.picture + self.padding


class Axis(Record):
    """One axis of a sliding window; values that are too small are a `GeometryError`."""

    kernel: int  # its taps, k
    stride: int = 1  # s, the pixels from one output to the next
    before: int = 0  # the padding at the start
    after: int = 0  # the padding at the end
    dilation: int = 1  # d, the pixels from one tap to the next

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            if (value := getattr(self, name)) < 1:
                fault = f"expected a whole number of at least 1, got {value}"
                fail(name, fault, "use 1 or more", GeometryError)
        if (least := min(self.before, self.after)) < 0:
            remedy = "cut the picture where it should be smaller"
            fail("padding", f"expected 0 or more pixels, got {least}", remedy, GeometryError)

    @cached_property
    def extent(self) -> int:
        """Pixels from the first tap to the last, d(k-1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    def span(self, size: int) -> int:
        """Return W + p1 + p2 - extent; raise a `GeometryError` if the kernel does not fit."""
        if size < 1:
            fault = f"expected at least 1 pixel, got {size}"
            fail("size", fault, "use a larger one", GeometryError)
        padded = size + self.before + self.after
        span = padded - self.extent
        if span < 0:
            image = f"{padded} px ({size} + {self.before} + {self.after})"
            fault = f"the kernel spans {self.extent} px but the padded image only {image}"
            larger = f"a padding that is {-span} px larger in all"
            fail("", fault, f"use a smaller kernel or dilation, or {larger}", GeometryError)
        return span

    def output_size(self, size: int) -> int:
        """Return floor((W + p1 + p2 - d(k-1) - 1)/s) + 1, as torch; raise as `span`."""
        return self.span(size) // self.stride + 1

    def input_size(self, outputs: int) -> int:
        """Return how many padded pixels neighbouring outputs read, (n - 1)s + extent."""
        return (outputs - 1) * self.stride + self.extent

    def inputs(self, outputs: slice) -> slice:
        """Return the padded pixels that some outputs read."""
        first = outputs.start * self.stride
        return slice(first, first + self.input_size(outputs.stop - outputs.start))

    def exact_output_size(self, size: int) -> "Fraction":
        """Return the magic formula (W - K + 2P)/S + 1 without rounding."""
        from fractions import Fraction

        return Fraction(self.span(size), self.stride) + 1

    def tiles(self, size: int) -> bool:
        """Tell whether the windows end exactly where the padded axis ends."""
        return self.span(size) % self.stride == 0

    def unseen(self, size: int) -> Unseen:
        """Return the pixels behind the last window, of the picture and of the padding."""
        total = self.span(size) % self.stride
        first = size + self.after - total  # the first position behind the last window
        picture = max(size - max(first, 0), 0)
        return Unseen(picture=picture, padding=total - picture)

    @property
    def gap(self) -> int:
        """Pixels between two neighbouring windows, in neither of them."""
        return max(self.stride - self.extent, 0)

    def source(self, output: int) -> int:
        """Return the picture position of the first tap of an output (negative: padding)."""
        return output * self.stride - self.before

    def centre(self, output: int) -> int:
        """Return the picture position of the middle tap, (k-1)//2, of an output."""
        return self.source(output) + self.dilation * ((self.kernel - 1) // 2)


Pair: TypeAlias = tuple[int, int]
IntOrPair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]] | Literal["same", "valid"]


class Window(Record):
    """How a kernel slides over a picture: its size, stride, padding and dilation.

    `window` makes one of the forms that a person writes. Its axes are `rows` and `columns`.

    Examples
    --------
    >>> window((3, 3), stride=2, padding=1).output_shape((224, 224))
    (112, 112)
    """

    rows: Axis
    columns: Axis

    @cached_property
    def axes(self) -> tuple[Axis, Axis]:
        """The two axes, rows first."""
        return (self.rows, self.columns)

    @cached_property
    def kernel(self) -> Pair:
        """Kernel size (rows, columns)."""
        return (self.rows.kernel, self.columns.kernel)

    @cached_property
    def stride(self) -> Pair:
        """Stride (rows, columns)."""
        return (self.rows.stride, self.columns.stride)

    @cached_property
    def dilation(self) -> Pair:
        """Dilation (rows, columns)."""
        return (self.rows.dilation, self.columns.dilation)

    @cached_property
    def padding(self) -> tuple[Pair, Pair]:
        """Padding ((top, bottom), (left, right))."""
        down, across = self.axes
        return (down.before, down.after), (across.before, across.after)

    def output_shape(self, shape: Pair) -> Pair:
        """Return the size (rows, columns) of the result of a picture; raise as `span`."""
        for name, axis, size in zip(("rows", "columns"), self.axes, shape, strict=True):
            try:
                axis.span(size)
            except GeometryError as error:
                raise GeometryError(f"{name}: {error}") from None
        padded = [size + sum(pads) for size, pads in zip(shape, self.padding, strict=True)]
        if math.prod(padded) > _MOST_PIXELS:
            got = f"got {math.prod(padded):,}"
            fault = f"expected a padded picture of at most {_MOST_PIXELS:,} pixels, {got}"
            fail("", fault, "use less padding or dilation", GeometryError)
        return (self.rows.output_size(shape[0]), self.columns.output_size(shape[1]))

    def inputs(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Return the rows and columns of the padded picture that some outputs read."""
        return self.rows.inputs(rows), self.columns.inputs(columns)

    def unseen(self, shape: Pair) -> tuple[Unseen, Unseen]:
        """Return the pixels at the bottom and at the right that no window reaches."""
        return (self.rows.unseen(shape[0]), self.columns.unseen(shape[1]))


def window(
    kernel: IntOrPair, stride: IntOrPair = 1, padding: Padding = 0, dilation: IntOrPair = 1
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
    (top, bottom), (left, right) = _sides(padding, kernels, dilations)
    rows = _axis(kernels[0], strides[0], top, bottom, dilations[0])
    columns = _axis(kernels[1], strides[1], left, right, dilations[1])
    return Window(rows, columns)


_axis = functools.lru_cache(Axis)  # the axes of most windows are equal, and those of a batch


def pair(value: object, name: str) -> Pair:
    """Return (rows, columns) of one number or of two; raise `GeometryError` for others."""
    if _is_several(value):
        if len(value) == 2:  # noqa: PLR2004 - a pair is two
            return (_whole(value[0], name), _whole(value[1], name))
        fault = f"expected one number or two (rows, columns), got {value}"
        fail(name, fault, "give one or two", GeometryError)
    number = _whole(value, name)
    return (number, number)


def _is_several(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell whether a value is a list, a tuple or an array, but of no dimension."""
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str)
    return is_sequence or getattr(value, "ndim", 0) > 0


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or _is_several(value) or not hasattr(value, "__index__"):
        fault = f"expected a whole number, got {brief(value)}"
        fail(name, fault, "use one, such as 3", GeometryError)
    return operator.index(value)


def _sides(padding: Padding, kernel: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """Return ((top, bottom), (left, right)) of any form of padding."""
    sides: Sequence[Any] = [padding, padding]
    if isinstance(padding, str):
        totals = [taps * (size - 1) for size, taps in zip(kernel, dilation, strict=True)]
        same = [(total // 2, total - total // 2) for total in totals]
        named: dict[str, Sequence[Any]] = {"valid": (0, 0), "same": same}
        sides = named.get(padding, ())
    elif _is_several(padding):
        sides = padding
    if len(sides) == 2:  # noqa: PLR2004 - a pair is two
        return (pair(sides[0], "padding"), pair(sides[1], "padding"))
    raise GeometryError(
        "padding: expected a number, (rows, columns), ((top, bottom), (left, right)), 'same' "
        f"or 'valid'; got {padding!r}: use one of these"
    )

"""Two axes together, from the forms that a person writes."""

import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeGuard

from convcli.errors import GeometryError
from convcli.geometry.axis import Axis, Unseen
from convcli.records import Record

Pair: TypeAlias = tuple[int, int]
IntOrPair: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | Sequence[int] | Sequence[Sequence[int]] | Literal["same", "valid"]


class Window(Record):
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
        raise GeometryError(
            f"{name}: expected one number or two (rows, columns), got {value}: give one or two"
        )
    number = _whole(value, name)
    return (number, number)


def _is_several(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell whether a value has parts: a list, a tuple or an array of one dimension."""
    return hasattr(value, "__len__") and not isinstance(value, str)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or _is_several(value) or not hasattr(value, "__index__"):
        raise GeometryError(f"{name}: expected a whole number, got {value!r}: round it")
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
        f"or 'valid'; got {padding!r}: use one of these"
    )


def _same(kernel: int, dilation: int) -> Pair:
    total = dilation * (kernel - 1)
    return (total // 2, total - total // 2)

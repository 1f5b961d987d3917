"""Shift then filter, or filter then shift: the same, wherever the border has no say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import source_indices
from convcli.choices import Alpha, Border
from convcli.errors import GeometryError
from convcli.geometry.window import Axis, Pair, window
from convcli.images.picture import Picture
from convcli.kernels.operator import Operator
from convcli.lessons.pictures import differences, json_number
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_picture
from convcli.pipeline.steps import Operand
from convcli.values import Record, replace

Values = NDArray[Any]

_NOISE = 1e-5
"""Part of the largest possible value below which a difference is float noise."""


class Difference(Record, kw_only=True):
    """How far the two orders are apart, for one shift.

    Attributes
    ----------
    shift : (int, int)
        Rows and columns of the picture.
    output_shift : (int, int) or None
        Rows and columns of the output that this is; None where the stride does not
        divide the shift (then the nearest whole shift was compared).
    inside : float or None
        Largest difference where no window looks beyond the picture; None where there is
        no such output.
    border : float or None
        Largest difference at the other outputs.
    commutes : bool
        Whether `inside` is nothing but float noise.
    """

    shift: Pair
    output_shift: Pair | None
    inside: float | None
    border: float | None
    commutes: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as plain JSON values."""
        return {
            "shift": {"x": self.shift[1], "y": self.shift[0]},
            "output_shift": None
            if self.output_shift is None
            else {"x": self.output_shift[1], "y": self.output_shift[0]},
            "inside": None if self.inside is None else json_number(self.inside),
            "border": None if self.border is None else json_number(self.border),
            "commutes": self.commutes,
        }


def compare_orders(
    picture: Picture, operand: Operand, shift: Pair, options: Options
) -> Difference:
    """Shift a picture and filter it, filter it and shift the result, and compare.

    What a shift brings in from beyond the edge is what the border mode says is there.
    Values are compared raw: before any range step.

    Parameters
    ----------
    picture : Picture
        The picture.
    operand : Kernel or Operator
        What it is filtered by.
    shift : (int, int)
        Rows down and columns to the right, in pixels.
    options : Options
        Window, border, bias, flip and gray.

    Returns
    -------
    Difference

    Raises
    ------
    GeometryError
        If the shift is as large as the picture.
    """
    pixels = (picture.gray() if options.gray else picture).pixels
    _check_shift(shift, picture.shape)
    slide = window(operand.size, options.stride, options.padding, options.dilation)
    nearest = tuple(
        _nearest(by, axis.stride) for by, axis in zip(shift, slide.axes, strict=True)
    )
    even = all(by % axis.stride == 0 for by, axis in zip(shift, slide.axes, strict=True))
    first = _filtered(_shifted(pixels, shift, options.border), operand, options)
    second = _shifted(
        _filtered(pixels, operand, options), (nearest[0], nearest[1]), options.border
    )
    apart = differences(first, second).max(axis=2)
    inside = np.logical_and.outer(
        *(
            _undisturbed(axis, size, by, count)
            for axis, size, by, count in zip(
                slide.axes, pixels.shape, shift, apart.shape, strict=False
            )
        )
    )
    largest = _largest(apart, inside)
    scale = _gain(operand) * picture.white
    return Difference(
        shift=shift,
        output_shift=(nearest[0], nearest[1]) if even else None,
        inside=largest,
        border=_largest(apart, ~inside),
        commutes=largest is not None and largest <= _NOISE * scale,
    )


def compare_steps(
    picture: Picture, operand: Operand, shift: Pair, options: Options, most: int = 6
) -> list[Difference]:
    """Compare the shifts by 1, 2, … pixels in the direction of a shift.

    With stride s those by multiples of s do.
    """
    down, right = ((by > 0) - (by < 0) for by in shift)
    lengths = [size for by, size in zip(shift, picture.shape, strict=True) if by]
    return [
        compare_orders(picture, operand, (step * down, step * right), options)
        for step in range(1, min(most + 1, *lengths))
    ]


def _check_shift(shift: Pair, shape: Pair) -> None:
    for name, by, size in zip(("y", "x"), shift, shape, strict=True):
        if by and size == 1:
            raise GeometryError(
                f"shift: expected {name} = 0 where a picture is 1 px long, got {by}: use a "
                "larger picture"
            )
        if abs(by) >= size:
            raise GeometryError(
                f"shift: expected {name} between {1 - size} and {size - 1}, got {by}: nothing "
                "of the picture would be left"
            )


def _gain(operand: Operand) -> float:
    """Return how much larger than a pixel an answer may be."""
    kernels = operand.kernels if isinstance(operand, Operator) else (operand,)
    return float(sum(np.abs(kernel.weights).sum() for kernel in kernels))


def _nearest(by: int, stride: int) -> int:
    return round(by / stride)


def _filtered(pixels: Values, operand: Operand, options: Options) -> Values:
    raw = filter_picture(
        Picture(pixels), [operand], replace(options, alpha=Alpha.KEEP), raw=True
    )
    return raw.values


def _shifted(values: Values, shift: Pair, border: Border) -> Values:
    rows, columns = (
        _sources(border, size, by) for size, by in zip(values.shape, shift, strict=False)
    )
    moved = values[np.ix_(rows, columns)]
    moved[(rows < 0)[:, np.newaxis] | (columns < 0)] = 0
    return moved


def _sources(border: Border, size: int, by: int) -> NDArray[np.intp]:
    padded = source_indices(border, size, max(by, 0), max(-by, 0))
    return padded[:size] if by >= 0 else padded[-by : size - by]


def _undisturbed(axis: Axis, size: int, by: int, outputs: int) -> NDArray[np.bool_]:
    """Tell which outputs look at the picture only, shifted or not."""
    first = np.arange(outputs) * axis.stride - axis.before
    # Where the stride does not divide the shift, the other order looks a little aside.
    aside = by - _nearest(by, axis.stride) * axis.stride
    low, high = max(by, 0) + max(-aside, 0), min(size, size + by) - max(aside, 0)
    inside: NDArray[np.bool_] = (first >= low) & (first + axis.extent <= high)
    return inside


def _largest(apart: NDArray[np.float64], where: NDArray[np.bool_]) -> float | None:
    return float(apart[where].max()) if where.any() else None


def verdict(differences: Sequence[Difference], stride: Pair) -> str:
    """Say what a series of shifts shows."""
    rows, columns = stride
    compared = [one for one in differences if one.inside is not None]
    if not compared:
        return "All windows look beyond the picture: there is nothing to compare away from it."
    if all(one.commutes for one in compared):
        return "Away from the border the order makes no difference."
    by = f"{columns}" if rows == columns else f"{columns} columns and {rows} rows"
    return f"With stride {by} only shifts by multiples of {by} commute."

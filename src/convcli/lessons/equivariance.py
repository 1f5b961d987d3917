"""Shift then filter, or filter then shift: the same where no window sees the border."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import AnyBorder, Fill, fill_of
from convcli.choices import Alpha
from convcli.errors import OptionError, fail
from convcli.geometry.window import Axis, Pair, window
from convcli.images.picture import Frame
from convcli.lessons.pictures import beyond, differences
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame
from convcli.pipeline.steps import Operand
from convcli.values import Record, fields_of, replace

Values = NDArray[Any]

_NOISE = 1e-5  # a difference below this part of the largest possible value is a rounding error


class Difference(Record, kw_only=True):
    """How far the two orders are apart, for one shift of the frame in rows and columns."""

    shift: Pair
    output_shift: Pair | None  # None where the stride does not divide it: the nearest counts
    inside: float | None  # the largest difference where no window looks beyond the frame
    border: float | None  # that of the other windows, if any
    commutes: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as plain JSON values."""
        moved = self.output_shift
        return {
            "shift": {"x": self.shift[1], "y": self.shift[0]},
            "output_shift": moved and {"x": moved[1], "y": moved[0]},
            **fields_of(self, "inside", "border", "commutes"),
        }


def compare_orders(frame: Frame, operand: Operand, shift: Pair, options: Options) -> Difference:
    """Compare raw values of a frame that is shifted, then filtered, and the other way round."""
    pixels = (frame.gray() if options.gray else frame).pixels
    _check_shift(shift, frame.shape)
    slide = window(operand.size, options.stride, options.padding, options.dilation)
    down, right = slide.stride
    output_shift = round(shift[0] / down), round(shift[1] / right)
    divides = shift == (down * output_shift[0], right * output_shift[1])
    border, fill = options.border, fill_of(options.border, pixels.shape[2], frame.white)
    first = _filtered(_shifted(pixels, shift, border, fill), operand, options)
    second = _shifted(_filtered(pixels, operand, options), output_shift, border, fill)
    apart = differences(first, second).max(axis=2)
    sides = zip(slide.axes, frame.shape, shift, apart.shape, strict=True)
    undisturbed = [_undisturbed(axis, size, by, count) for axis, size, by, count in sides]
    inside = np.logical_and.outer(*undisturbed)
    largest = _largest(apart, inside)
    gain = float(sum(np.abs(kernel.weights).sum() for kernel in operand.kernels))
    return Difference(
        shift=shift,
        output_shift=output_shift if divides else None,
        inside=largest,
        border=_largest(apart, ~inside),
        commutes=largest is not None and largest <= _NOISE * gain * frame.white,
    )


def compare_steps(
    frame: Frame, operand: Operand, shift: Pair, options: Options, most: int = 6
) -> list[Difference]:
    """Compare the orders for shifts by 1, 2, … `most` pixels in the direction of a shift."""
    down, right = ((by > 0) - (by < 0) for by in shift)
    lengths = [size for by, size in zip(shift, frame.shape, strict=True) if by]
    steps = range(1, min(most + 1, *lengths))
    shifts = [(step * down, step * right) for step in steps]
    return [compare_orders(frame, operand, each, options) for each in shifts]


def _check_shift(shift: Pair, shape: Pair) -> None:
    for name, by, size in zip(("y", "x"), shift, shape, strict=True):
        if by and size == 1:
            fault = f"expected {name} = 0 where a picture is 1 px long, got {by}"
            fail("shift", fault, "use a larger picture", OptionError)
        if abs(by) >= size:
            fault = f"expected {name} between {1 - size} and {size - 1}, got {by}"
            fail("shift", fault, "nothing of the picture would be left", OptionError)


def _filtered(pixels: Values, operand: Operand, options: Options) -> Values:
    raw = filter_frame(Frame(pixels), [operand], replace(options, alpha=Alpha.KEEP), raw=True)
    return raw.values


def _shifted(values: Values, shift: Pair, border: AnyBorder, fill: Fill) -> Values:
    rows, columns = (np.arange(n) - by for n, by in zip(values.shape, shift, strict=False))
    constant = fill if len(fill) == values.shape[2] else fill[:1]
    return beyond(values, border, rows, columns, constant)


def _undisturbed(axis: Axis, size: int, by: int, outputs: int) -> NDArray[np.bool_]:
    """Return which outputs see no padding, in the frame and in the shifted frame."""
    first = np.arange(outputs) * axis.stride - axis.before
    # Where the stride does not divide the shift, the other order looks a little aside.
    aside = by - round(by / axis.stride) * axis.stride
    low, high = max(by, 0) + max(-aside, 0), min(size, size + by) - max(aside, 0)
    return np.asarray((first >= low) & (first + axis.extent <= high))


def _largest(apart: NDArray[np.float64], where: NDArray[np.bool_]) -> float | None:
    return float(apart[where].max()) if where.any() else None


def verdict(differences: Sequence[Difference], stride: Pair) -> str:
    """Return a sentence that says what a series of shifts shows."""
    rows, columns = stride
    compared = [each for each in differences if each.inside is not None]
    if not compared:
        return "All windows look beyond the picture: there is nothing to compare away from it."
    if all(each.commutes for each in compared):
        return "Away from the border the order makes no difference."
    by = f"{columns}" if rows == columns else f"{columns} columns and {rows} rows"
    return f"With stride {by} only shifts by multiples of {by} commute."

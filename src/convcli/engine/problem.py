"""The problem: a correlation to compute, checked once. How to compute it is the planner's."""

import math
from functools import cached_property
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convcli.choices import Border, border_named
from convcli.engine.store import holds, integer_limits
from convcli.errors import ConvcliError, GeometryError, ImageError, fail
from convcli.geometry.window import Window
from convcli.kernels.kernel import Kernel
from convcli.text import counted
from convcli.values import Record

Shape: TypeAlias = tuple[int, int, int]

_FLOATS = (np.float16, np.float32, np.float64)
_FLOAT32_DIGITS = 2**24  # up to this number every whole number is a float32
_WIDE_INTEGER = 4  # bytes from which integers are computed in float64: float32 holds 24 bits

_KEPT_WHOLE = {4: 2.0**16, 8: 2.0**45}
"""Largest range of whole sums that a transform returns within ½, by the bytes of a value: in
float32 the worst error found was 8.4e-7 of the range (127×127, one weight, in a corner)."""


class Problem(Record):
    """One correlation, described completely and hashable.

    `shape` (H, W, C) and `dtype` are those of the image, `fill` is that of `Border.ZERO`.
    """

    shape: Shape
    dtype: np.dtype[Any]
    kernel: Kernel
    window: Window
    groups: int
    border: Border
    fill: float
    result: np.dtype[Any]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Caches of plans, and of parts of plans, use the problem as their key.
        return hash((self.shape, self.dtype, self.kernel, self.border))

    @cached_property
    def outputs(self) -> int:
        """Channels of the result."""
        return self.kernel.filters if self.kernel.is_bank else self.shape[2]

    @cached_property
    def result_shape(self) -> Shape:
        """Size of the result (H', W', O)."""
        rows, columns = self.window.output_shape(self.shape[:2])
        return (rows, columns, self.outputs)

    @cached_property
    def is_integer(self) -> bool:
        """Whether image, weights (over a divisor) and fill are whole numbers."""
        # The search for a divisor takes long; a float image needs none.
        if self.dtype.kind == "f" or self.fill != round(self.fill):
            return False
        return self.kernel.integer_form is not None

    @cached_property
    def pixel_limits(self) -> tuple[float, float]:
        """The smallest and the largest value of an integer image and its fill."""
        least, most = map(float, integer_limits(self.dtype))
        return (min(least, self.fill), max(most, self.fill))

    @cached_property
    def holds_fill(self) -> bool:
        """Whether a pixel holds the constant of the border, if there is one."""
        if self.dtype.kind == "f" or self.border is not Border.ZERO:
            return True
        return self.fill == round(self.fill) and holds(self.dtype, self.fill, self.fill)

    @cached_property
    def sum_limits(self) -> tuple[float, float]:
        """The smallest and the largest sum of exact weights times pixels of integers."""
        least, most = self.pixel_limits
        filters = self.exact_weights[0].reshape(self.kernel.filters, -1)
        above = np.where(filters > 0, filters, 0).sum(axis=1)
        below = np.where(filters < 0, filters, 0).sum(axis=1)
        low = (above * least + below * most).min()
        high = (above * most + below * least).max()
        return (float(low), float(high))

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest raw value: infinite for float images."""
        if self.dtype.kind == "f":
            return (-np.inf, np.inf)
        (below, above), divisor = self.sum_limits, self.exact_weights[1]
        bias = self.kernel.bias or (0.0,)
        return (below / divisor + min(bias), above / divisor + max(bias))

    @cached_property
    def exact_weights(self) -> tuple[NDArray[Any], float]:
        """The weights and a divisor: whole numbers if sums can be exact."""
        form = None if self.dtype.kind == "f" else self.kernel.integer_form
        if form is None:
            return self.kernel.weights, 1.0
        return form.integers, form.divisor

    @property
    def dense_weights(self) -> NDArray[np.float64]:
        """The exact weights of a 2-D kernel, with the zeros of its dilation written out."""
        down, across = self.window.axes
        dense = np.zeros((down.extent, across.extent))
        dense[:: down.dilation, :: across.dilation] = self.exact_weights[0]
        return dense

    @cached_property
    def natural_working(self) -> np.dtype[Any]:
        """Float32 if it keeps all digits that the result can show, else float64."""
        wide = np.float64 in (natural_result(self.dtype), self.result)
        whole = self.result.kind in "iu" and natural_result(self.result) == np.float64
        if not wide and not whole and self.is_integer:
            largest = max(map(abs, (*self.sum_limits, *self.kernel.bias)))
            wide = largest >= _FLOAT32_DIGITS
        return np.dtype(np.float64 if wide or whole else np.float32)

    @cached_property
    def rounded_working(self) -> np.dtype[Any]:
        """The working dtype that keeps whole sums within ½, so that they can be rounded."""
        is_wide = self._sum_range > _KEPT_WHOLE[4]
        return np.dtype(np.float64) if is_wide else self.natural_working

    @cached_property
    def dense_refusal(self) -> str:
        """Why this is not one 2-D kernel at stride 1; empty where it is."""
        if self.kernel.is_bank:
            return "a filter bank"
        down, across = self.window.axes
        return "" if down.stride == across.stride == 1 else "a stride above 1"

    @cached_property
    def rounding_refusal(self) -> str:
        """Why rounding would not make whole sums right again; empty where it would."""
        is_large = self._sum_range > _KEPT_WHOLE[8]
        return "whole numbers too large to stay whole" if is_large else ""

    @cached_property
    def _sum_range(self) -> float:
        """How far whole sums can be apart; 0 where sums are not whole."""
        return self.sum_limits[1] - self.sum_limits[0] if self.is_integer else 0.0


def problem_for(
    shape: tuple[int, ...],
    image_dtype: np.dtype[Any],
    kernel: Kernel,
    window: Window,
    *,
    groups: int = 1,
    border: str | Border = Border.ZERO,
    fill: float = 0.0,
    dtype: DTypeLike | None = None,
) -> Problem:
    """Describe a correlation of an image of a shape (H, W, C), and check that its parts fit.

    The window has the size of the kernel; other arguments and errors are those of `correlate`.
    """
    border = border if isinstance(border, Border) else border_named(border)
    if border is Border.ODD:
        raise GeometryError("border: expected one that fills tiles, got odd: pad first")
    _check_image(shape, image_dtype)
    _check_channels(kernel, shape[2], groups)
    _check_fill(fill)
    size, native = (shape[0], shape[1], shape[2]), image_dtype.newbyteorder("=")
    result = _result_dtype(native, dtype)
    problem = Problem(size, native, kernel, window, groups, border, float(fill), result)
    _ = problem.result_shape  # the kernel must fit
    _check_magnitude(problem)
    if len(kernel.bias) not in (0, 1, problem.outputs):
        got = f"got {len(kernel.bias)}"
        fault = f"expected one number or {problem.outputs}, one per output channel; {got}"
        fail("bias", fault, "give as many as there are maps")
    return problem


def natural_result(image: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a raw result: float32, or float64 where that would lose digits."""
    wide = image == np.float64 or (image.kind in "iu" and image.itemsize >= _WIDE_INTEGER)
    return np.dtype(np.float64 if wide else np.float32)


def _result_dtype(image: np.dtype[Any], given: DTypeLike | None) -> np.dtype[Any]:
    if given is None:
        return natural_result(image)
    try:
        dtype = np.dtype(given).newbyteorder("=")
    except TypeError:
        fault = f"expected a NumPy dtype, got {given!r}"
        fail("dtype", fault, "use one as numpy.uint8", ImageError)
    if dtype.kind in "iu" or dtype in _FLOATS:
        return dtype
    raise ImageError(
        f"dtype: expected an integer type or float16, 32 or 64; got {dtype}: use one of these"
    )


def _check_image(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biu" and dtype.newbyteorder("=") not in _FLOATS:
        fault = f"expected booleans, integers or float16, 32 or 64; got {dtype}"
        fail("image", fault, "convert it with astype", ImageError)
    if 0 in shape:
        fault = f"expected at least one pixel and one channel, got the shape {shape}"
        fail("image", fault, "check how it was cut", GeometryError)


def _check_magnitude(problem: Problem) -> None:
    """Refuse weights whose sums may be too large for the working dtype."""
    filters = np.abs(problem.kernel.weights).reshape(problem.kernel.filters, -1)
    with np.errstate(over="ignore"):
        pixels = (1.0, problem.fill) if problem.dtype.kind == "f" else problem.pixel_limits
        largest = filters.sum(axis=1).max() * max(map(abs, pixels))
        largest += max(map(abs, problem.kernel.bias), default=0.0)
    most = float(np.finfo(problem.natural_working).max)
    if not largest <= most:
        got = f"got up to {largest:.3g}"
        fault = f"expected sums below {most:.3g}, the largest {problem.natural_working}; {got}"
        fail("weights", fault, "scale the weights or the bias down")


def _check_fill(fill: object) -> None:
    if not isinstance(fill, Real) or not math.isfinite(fill):
        raise GeometryError(f"fill: expected a finite number, got {fill!r}: use 0 or another")


def checked_count(
    name: str, count: object, remedy: str, error: type[ConvcliError] = ConvcliError
) -> int:
    """Return a whole number of at least 1, or raise an error."""
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
        raise error(f"{name}: expected a whole number of at least 1, got {count!r}: {remedy}")
    return int(count)


def _check_channels(kernel: Kernel, channels: int, groups: int) -> None:
    checked_count("groups", groups, "use 1 or more", GeometryError)
    if not kernel.is_bank:
        if groups != 1:
            got = f"got {groups}"
            fault = f"expected 1 with a 2-D kernel (each channel is on its own already), {got}"
            fail("groups", fault, "leave it out", GeometryError)
        return
    if kernel.channels * groups != channels:
        depth = f"{kernel.channels * groups}"
        depth += f" ({kernel.channels} × {groups} groups)" if groups > 1 else ""
        fault = f"the bank expects {depth}, the image has {channels}"
        fail("channels", fault, "use a bank for as many, or a 2-D kernel", GeometryError)
    if kernel.filters % groups:
        fault = f"expected a divisor of {counted(kernel.filters, 'filter')}, got {groups}"
        fail("groups", fault, "use a number that divides both", GeometryError)

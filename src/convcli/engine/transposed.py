"""Transposed convolution: the gradient of a correlation, computed as a correlation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from convcli.choices import Method
from convcli.engine.buffers import round_up
from convcli.engine.correlate import computed, image_pixels, kernel_given, within_memory
from convcli.engine.planner import choose_plan
from convcli.engine.problem import Problem, problem_for
from convcli.errors import GeometryError, fail
from convcli.geometry.window import Axis, IntOrPair, Padding, Pair, Window, pair, window
from convcli.kernels.kernel import Kernel
from convcli.values import Record

_ROUNDING = 1e-9


class Stamping(Record):
    """A correlation of a `cut` of a picture with `stride` - 1 zeros between its pixels."""

    problem: Problem
    stride: Pair
    cut: tuple[slice, slice]

    def spread(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return pixels (H, W, C) with the zeros between them."""
        size = [(n - 1) * s + 1 for n, s in zip(pixels.shape[:2], self.stride, strict=True)]
        spread = np.zeros((*size, pixels.shape[2]), pixels.dtype)
        spread[:: self.stride[0], :: self.stride[1]] = pixels
        return spread[self.cut]


@within_memory
def correlate_transposed(
    image: ArrayLike,
    weights: ArrayLike | Kernel,
    *,
    bias: float | Sequence[float] | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    dtype: DTypeLike | None = None,
    method: str | Method = Method.AUTO,
    jobs: int | None = None,
) -> NDArray[Any]:
    """Add up a stamp of the weights for each pixel, as torch's ``conv_transpose2d``.

    Each pixel multiplies the weights, and the products are added to the result at `stride`
    times the pixel's place. That is the gradient of `correlate` with respect to its image.

    Parameters
    ----------
    image : array_like, shape (H, W) or (H, W, C)
        As for `correlate`.
    weights : array_like, shape (kh, kw) or (C, O/groups, kh, kw); Kernel; or str
        A 2-D kernel, applied to each channel on its own; or a bank as torch writes it, whose
        first axis is the *inputs*: the bank of the correlation that it is the gradient of.
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        Pixels that are *cut* from each side of the result. With ``"same"`` the result has
        `stride` times the size of the image.
    output_padding : int or (int, int)
        Rows and columns that the result has more at its end; less than the stride or the
        dilation.
    bias, stride, dilation, groups, dtype, method, jobs
        As for `correlate`.

    Returns
    -------
    ndarray, shape (H', W'), (H', W', C) or (H', W', O)
        Raw sums. W' is (W-1)s - p1 - p2 + d(k-1) + output_padding + 1.

    Raises
    ------
    ConvcliError
        As `correlate`; `GeometryError` if nothing is left of the result.

    Examples
    --------
    >>> correlate_transposed([[1, 2]], [[1, 1, 1]], stride=2)
    array([[1., 1., 3., 2., 2.]])
    """
    pixels, is_grid = image_pixels(image)
    kernel = exchanged(kernel_given(weights, None), groups)
    kernel = kernel if bias is None else kernel.plus_bias(bias)
    slide, more = stamp_window(kernel.size, stride, padding, dilation, output_padding)
    stamping = stamping_for(
        pixels.shape, pixels.dtype, kernel, slide, more, groups=groups, dtype=dtype
    )
    plan = choose_plan(stamping.problem, method)
    return computed(plan, stamping.spread(pixels), jobs, is_grid=is_grid)


def exchanged(kernel: Kernel, groups: int = 1) -> Kernel:
    """Return a bank (C, O/groups, kh, kw) as (O, C/groups, kh, kw); a 2-D kernel as it is."""
    if not kernel.is_bank:
        return kernel
    inputs, outputs, *size = kernel.weights.shape
    if groups < 1 or inputs % groups:
        fault = f"expected a divisor of the bank's {inputs} inputs, got {groups}"
        fail("groups", fault, "use 1")
    split = kernel.weights.reshape(groups, inputs // groups, outputs, *size).swapaxes(1, 2)
    return kernel.with_weights(split.reshape(groups * outputs, inputs // groups, *size))


def stamp_window(
    kernel: Pair,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    output_padding: IntOrPair = 0,
) -> tuple[Window, Pair]:
    """Return the window whose gradient is asked for, and the output padding."""
    more = pair(output_padding, "output_padding")
    if padding == "same":
        if more != (0, 0):
            fault = f"expected 0 with padding 'same', which chooses it; got {more}"
            fail("output_padding", fault, "give the padding as a number", GeometryError)
        bare = window(kernel, stride, 0, dilation)
        total = [max(axis.extent - axis.stride, 0) for axis in bare.axes]
        sides = [(each // 2, each - each // 2) for each in total]
        return window(kernel, stride, sides, dilation), (bare.rows.gap, bare.columns.gap)
    slide = window(kernel, stride, padding, dilation)
    for name, axis, extra in zip(("rows", "columns"), slide.axes, more, strict=True):
        most = max(axis.stride, axis.dilation) - 1
        if not 0 <= extra <= most:
            got = f"got {extra}"
            fault = f"expected 0 to {most} {name}, less than the stride or the dilation; {got}"
            fail("output_padding", fault, "use less", GeometryError)
    return slide, more


def stamping_for(
    shape: tuple[int, ...],
    image_dtype: np.dtype[Any],
    kernel: Kernel,
    slide: Window,
    more: Pair,
    *,
    groups: int = 1,
    dtype: DTypeLike | None = None,
) -> Stamping:
    """Describe a transposed convolution of an `exchanged` kernel: see `stamp_window`."""
    parts = zip(slide.axes, shape[:2], more, strict=True)
    axes, lengths, cut = zip(*(_along(*each) for each in parts), strict=True)
    size, flipped = (*lengths, shape[2]), kernel.flipped()
    problem = problem_for(size, image_dtype, flipped, Window(*axes), groups=groups, dtype=dtype)
    return Stamping(problem, slide.stride, cut)


def _along(axis: Axis, size: int, more: int) -> tuple[Axis, int, slice]:
    """Return how the flipped kernel slides over an axis with zeros, its length, and its cut."""
    reach = axis.extent - 1
    spread = (size - 1) * axis.stride + 1
    before, after = reach - axis.before, reach - axis.after + more
    if size >= 1 and spread + before + after <= reach:
        got = f"got {axis.before} + {axis.after} to cut"
        fault = f"expected to leave at least 1 pixel of {spread + reach + more}, {got}"
        fail("padding", fault, "use less", GeometryError)
    cut = slice(max(-before, 0), spread - max(-after, 0))
    slid = Axis(axis.kernel, 1, max(before, 0), max(after, 0), axis.dilation)
    return slid, cut.stop - cut.start, cut


def checkerboard_of(slide: Window, weights: NDArray[Any]) -> str:
    """Warn where stamps overlap unevenly and flat areas show it; else return an empty text."""
    down, across = map(_meeting, slide.axes)
    sides = zip(("rows", "columns"), slide.axes, (down, across), strict=True)
    uneven = {name: axis for name, axis, taps in sides if np.ptp(taps.sum(axis=1))}
    # A flat picture stays flat where all remainders have one sum.
    sums = down @ weights @ across.T
    gaps = np.ptp(sums.reshape(*sums.shape[:-2], -1), axis=-1)
    if not uneven or (gaps <= _ROUNDING * np.abs(weights).max()).all():
        return ""
    axis = next(iter(uneven.values()))
    return (
        f"stride {axis.stride} does not divide the {axis.kernel} {' and '.join(uneven)} of the "
        "kernel: its stamps overlap unevenly, which shows as a checkerboard: use a kernel of "
        f"{round_up(axis.kernel, axis.stride)}, or a larger picture and stride 1"
    )


def _meeting(axis: Axis) -> NDArray[np.float64]:
    """Return which taps, d·i, have each remainder mod s: they meet in one pixel."""
    places = np.arange(axis.kernel) * axis.dilation
    return np.equal.outer(np.arange(axis.stride), places % axis.stride) * 1.0

"""The front door of the engine: arrays in, an array out. No arithmetic here."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from convcli.borders import Padder, fill_of
from convcli.choices import Border, Depth, Edges, Method, border_named
from convcli.engine.buffers import recycled_array
from convcli.engine.compiled import least_saving
from convcli.engine.planner import Plan, choose_plan
from convcli.engine.problem import problem_for
from convcli.engine.worker import run_plan
from convcli.errors import GeometryError, ImageError, fail
from convcli.geometry.window import IntOrPair, Padding, window
from convcli.kernels.kernel import Kernel

_P = ParamSpec("_P")
# Settings of which two that are equal, and of one type, are the same.
_PLAIN = (int, float, str, type, np.dtype, Border, Method, type(None))
_MOST_REMEMBERED = 2**20  # bytes of weights up to which their kernel is kept for the next call


class Settings(TypedDict, total=False):
    """The keyword arguments that `correlate` and `convolve` share."""

    bias: float | Sequence[float] | None
    stride: IntOrPair
    padding: Padding
    dilation: IntOrPair
    groups: int
    border: str | Border | Edges
    fill: float
    dtype: DTypeLike | None
    method: str | Method
    jobs: int | None


def within_memory(function: Callable[_P, NDArray[Any]]) -> Callable[_P, NDArray[Any]]:
    """Let a function say in one line that no memory holds its arrays."""

    # A context manager takes 2 µs more a call: 5 to 8 % of a picture of 16 × 16.
    @functools.wraps(function)
    def called(*arguments: _P.args, **settings: _P.kwargs) -> NDArray[Any]:
        try:
            return function(*arguments, **settings)
        except MemoryError:
            remedy = "use a smaller picture, padding or kernel"
            fail("", "not enough memory", remedy, ImageError)

    return called


@within_memory
def correlate(
    image: ArrayLike,
    weights: ArrayLike | Kernel,
    *,
    bias: float | Sequence[float] | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    border: str | Border | Edges = Border.ZERO,
    fill: float = 0.0,
    dtype: DTypeLike | None = None,
    method: str | Method = Method.AUTO,
    jobs: int | None = None,
) -> NDArray[Any]:
    """Slide weights over an image as they are written: cross-correlation, as CNNs do.

    Parameters
    ----------
    image : array_like, shape (H, W) or (H, W, C)
        Booleans, integers, or float16, 32 or 64; any strides; also an object with
        ``__array__``. Never modified.
    weights : array_like, shape (kh, kw) or (O, I/groups, kh, kw); Kernel; or str
        A 2-D kernel, applied to each channel on its own; or a filter bank, which takes
        all channels at once. A `Kernel` brings its bias; a text names a kernel as
        `kernel_from` reads it, ``"gaussian:2"``.
    bias : float or sequence of float, optional
        Added to the result, beside a bias that the kernel has of its own: one number, or
        one per output channel.
    stride, dilation : int or (int, int)
        In pixels, for both axes or (rows, columns).
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        In pixels: every side, (rows, columns), ((top, bottom), (left, right)).
        ``"same"`` pads d(k-1) in all, the odd pixel at the end, so that the size with
        stride s is ceil(W/s).
    groups : int
        Groups that a filter bank splits the channels into.
    border : {"zero", "replicate", "reflect", "symmetric", "wrap", "odd"} or Edges
        How the image goes on in the padding, named as in `numpy.pad` (its ``edge`` is
        ``replicate``; ``odd`` is its ``reflect`` with ``reflect_type="odd"``).
    fill : float
        The constant of ``"zero"``.
    dtype : dtype, optional
        Of the result. Integers are rounded half to even and saturate; NaN becomes 0.
    method : {"auto", "direct", "separable", "gemm", "fft"}
        The method of the strategy: by passes over the picture, by two one-dimensional
        ones, by matrix products, by Fourier transforms; or the planner's choice.
    jobs : int, optional
        Threads; by default one for each core that the process may use. The result is the
        same to the last bit whatever the number.

    Returns
    -------
    ndarray, shape (H', W'), (H', W', C) or (H', W', O)
        Raw, unclipped: float32, or float64 for float64 or integer images of 32 bits
        or more, unless `dtype` says otherwise. H' and W' are
        floor((W + p1 + p2 - d(k-1) - 1)/s) + 1.

    Raises
    ------
    ConvcliError
        `ImageError` for an image that holds no real numbers, or a result that no memory
        holds, `KernelError` for weights
        or a bias that cannot be used, `SpecError` for a name that no kernel has,
        `GeometryError` for settings that do not fit.

    Examples
    --------
    >>> correlate([[1, 2, 4]], [[-1, 0, 1]], padding="same")
    array([[ 2.,  3., -2.]])
    >>> correlate([[1, 2, 4]], Kernel([[-1, 0, 1]], bias=10), padding="same")
    array([[12., 13.,  8.]])
    >>> correlate([[9, 9, 9]], "box:3", border="replicate", padding=1)
    array([[9., 9., 9.]])
    """
    pixels, is_grid = image_pixels(image)
    kernel = kernel_given(weights, bias)
    if border in ("odd", Border.ODD) or isinstance(border, Edges):
        pixels, padding = _bordered(pixels, kernel, border, (stride, padding, dilation)), 0
        border, fill = Border.ZERO, 0.0
    settings: Any = (stride, padding, dilation, groups, border, fill, dtype, method)
    # A dictionary takes 1 and True in a pair for the same; as a stride they are not.
    plain = all(map(isinstance, settings, itertools.repeat(_PLAIN)))
    look_up = _planned if plain else _planned.__wrapped__
    chosen = look_up(pixels.shape, pixels.dtype, kernel, least_saving(), *settings)
    return computed(chosen, pixels, jobs, is_grid=is_grid)


def computed(
    plan: Plan, pixels: NDArray[Any], jobs: int | None, *, is_grid: bool
) -> NDArray[Any]:
    """Run a plan; of a 2-D kernel and an image without channels return (H', W')."""
    result = recycled_array(plan.problem.result_shape, plan.problem.result)
    run_plan(plan, pixels, result, jobs)
    return result[..., 0] if is_grid and not plan.problem.kernel.is_bank else result


def _bordered(
    pixels: NDArray[Any], kernel: Kernel, border: str | Border | Edges, slide: tuple[Any, ...]
) -> NDArray[Any]:
    """Return the image with a border that the engine does not fill itself."""
    edges = border if isinstance(border, Edges) else border_named(border)
    fill = fill_of(edges, pixels.shape[2], Depth.of(pixels.dtype).white)
    size, padding = (pixels.shape[0], pixels.shape[1]), window(kernel.size, *slide).padding
    return Padder(size, padding, edges, fill).whole(pixels)


def kernel_given(weights: ArrayLike | Kernel, bias: float | Sequence[float] | None) -> Kernel:
    """Return the kernel of some weights or of a name, with a bias added to its own."""
    if isinstance(weights, str):
        from convcli.kernels.spec import kernel_from

        weights = kernel_from(weights)
    if isinstance(weights, Kernel):
        return weights if bias is None else weights.plus_bias(bias)
    # A subclass of ndarray may mean more than its bytes.
    if bias is None and type(weights) is np.ndarray:
        remembered = weights.dtype.kind in "iuf" and weights.nbytes <= _MOST_REMEMBERED
        if remembered:
            return _remembered_kernel(weights.shape, weights.dtype, weights.tobytes())
    return Kernel(weights, bias)


@functools.lru_cache(maxsize=16)
def _remembered_kernel(shape: tuple[int, ...], dtype: np.dtype[Any], data: bytes) -> Kernel:
    """Make a kernel once: to look up a bank of 256×64 takes 25 µs, to check it again 65."""
    return Kernel(np.frombuffer(data, dtype).reshape(shape))


@functools.lru_cache(maxsize=64, typed=True)
def _planned(
    shape: tuple[int, ...],
    image_dtype: np.dtype[Any],
    kernel: Kernel,
    _: float,
    *settings: Any,
) -> Plan:
    """Check the settings and plan the problem: once for equal calls."""
    stride, padding, dilation, groups, border, fill, dtype, method = settings
    slide = window(kernel.size, stride, padding, dilation)
    how = {"groups": groups, "border": border, "fill": fill, "dtype": dtype}
    problem = problem_for(shape, image_dtype, kernel, slide, **how)
    return choose_plan(problem, method)


def convolve(
    image: ArrayLike, weights: ArrayLike | Kernel, **settings: Unpack[Settings]
) -> NDArray[Any]:
    """Convolve as mathematicians do: `correlate` with the kernel flipped on both axes.

    Arguments, result and errors are those of `correlate`.

    Examples
    --------
    >>> convolve([[0, 1, 0]], [[1, 2, 3]], padding="same")
    array([[1., 2., 3.]])
    """
    return correlate(image, kernel_given(weights, None).flipped(), **settings)


def image_pixels(image: ArrayLike) -> tuple[NDArray[Any], bool]:
    """Return the pixels of an image, shape (H, W, C), and whether it had no channels."""
    try:
        pixels = np.asarray(image)
    except ValueError:
        fault = "expected rows of equal length, got ragged lists"
        fail("image", fault, "fill them up", ImageError)
    if pixels.ndim not in (2, 3):
        got = f"got {pixels.ndim} dimensions of shape {pixels.shape}"
        fault = f"expected (H, W) or (H, W, C), {got}"
        fail("image", fault, "reshape it", GeometryError)
    is_grid = pixels.ndim == 2  # noqa: PLR2004 - (H, W)
    return pixels[..., np.newaxis] if is_grid else pixels, is_grid

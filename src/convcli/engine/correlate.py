"""The front door of the engine: arrays in, an array out. No arithmetic here."""

import functools
from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from convcli.choices import Border, Method
from convcli.engine.buffers import recycled_array
from convcli.engine.planner import Plan, method_named, plan
from convcli.engine.problem import problem_for
from convcli.engine.worker import run
from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import IntOrPair, Padding, window
from convcli.kernels.kernel import Kernel

_PLAIN = (int, float, str, type, np.dtype, Border, Method, type(None))
"""Settings of which two that are equal, and of one type, are the same."""


_MOST_COMPARED = 2**20
"""Bytes of weights that are compared with those that came before."""

_HASHED = 64
"""Bytes of them that are hashed, about."""


class Settings(TypedDict, total=False):
    """The keyword arguments that `correlate` and `convolve` share."""

    bias: float | Sequence[float] | None
    stride: IntOrPair
    padding: Padding
    dilation: IntOrPair
    groups: int
    border: str | Border
    fill: float
    dtype: DTypeLike | None
    method: str | Method
    jobs: int | None


def correlate(
    image: ArrayLike,
    weights: ArrayLike,
    *,
    bias: float | Sequence[float] | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    border: str | Border = Border.ZERO,
    fill: float = 0.0,
    dtype: DTypeLike | None = None,
    method: str | Method = Method.AUTO,
    jobs: int | None = None,
) -> NDArray[Any]:
    """Slide weights over an image as they are written: cross-correlation, as CNNs do.

    Parameters
    ----------
    image : array_like, shape (H, W) or (H, W, C)
        Booleans, integers, or float16, 32 or 64; any strides. Never modified.
    weights : array_like, shape (kh, kw) or (O, I/groups, kh, kw)
        A 2-D kernel, applied to each channel on its own; or a filter bank, which takes
        all channels at once.
    bias : float or sequence of float, optional
        Added to the result: one number, or one per output channel.
    stride, dilation : int or (int, int)
        In pixels, for both axes or (rows, columns).
    padding : int, (int, int), ((int, int), (int, int)), "same" or "valid"
        In pixels: every side, (rows, columns), ((top, bottom), (left, right)).
        ``"same"`` pads d(k-1) in all, the odd pixel at the end, so that the size with
        stride s is ceil(W/s).
    groups : int
        Groups that a filter bank splits the channels into.
    border : {"zero", "replicate", "reflect", "symmetric", "wrap"}
        How the image goes on in the padding, named as in `numpy.pad` (its ``edge`` is
        ``replicate``).
    fill : float
        The constant of ``"zero"``.
    dtype : dtype, optional
        Of the result. Integers are rounded half to even and saturate; NaN becomes 0.
    method : {"auto", "direct", "separable", "gemm", "fft"}
        The kind of strategy: by passes over the picture, by two one-dimensional ones, by
        matrix products, by Fourier transforms; or the planner's choice.
    jobs : int, optional
        Threads; the cores that the process may use where none is given. The result is
        the same to the last bit whatever the number.

    Returns
    -------
    ndarray, shape (H', W'), (H', W', C) or (H', W', O)
        Raw, unclipped: float32, or float64 for float64 or integer images of 32 bits
        or more, unless `dtype` says otherwise. H' and W' are
        floor((W + p1 + p2 - d(k-1) - 1)/s) + 1.

    Raises
    ------
    ConvcliError
        `ImageError` for an image that holds no real numbers, `KernelError` for weights
        or a bias that cannot be used, `GeometryError` for settings that do not fit.

    Examples
    --------
    >>> correlate([[1, 2, 4]], [[-1, 0, 1]], padding="same")
    array([[ 2.,  3., -2.]])
    """
    pixels = _channels_last(image)
    kernel = _kernel(weights, bias)
    settings: tuple[Any, ...] = (stride, padding, dilation, groups, border, fill, dtype, method)
    # What a dictionary takes for the same, 1 and True in a pair, is not the same stride.
    plain = all(isinstance(setting, _PLAIN) for setting in settings)
    look_up = _planned if plain else _planned.__wrapped__
    chosen = look_up(pixels.shape, pixels.dtype, kernel, *settings)
    result = recycled_array(chosen.problem.result_shape, chosen.problem.result)
    run(chosen, pixels, chosen.store(result), jobs)
    return result[..., 0] if np.ndim(image) == 2 and not kernel.is_bank else result  # noqa: PLR2004


def _kernel(weights: ArrayLike, bias: float | Sequence[float] | None) -> Kernel:
    """Return the kernel of some weights: the same where they were given before.

    To compare a bank of 256×64 with those takes 5 µs, to check and hash it anew 65; its
    use on 56×56 pixels takes 800.
    """
    # What is derived from an array may mean more than its bytes.
    if bias is None and isinstance(weights, np.ndarray) and type(weights) is np.ndarray:
        kind, size = weights.dtype, weights.nbytes
        if kind.kind in "iuf" and size <= _MOST_COMPARED:
            return _known_kernel(weights.shape, kind, _Weights(weights.data))
    return Kernel(weights, bias)


class _Weights(bytes):
    """Weights as they are in memory, that are compared in full but hashed by a sample.

    To hash 64 KB takes 19 µs, to compare them 1.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(self[:: len(self) // _HASHED + 1])


@functools.lru_cache(maxsize=16)
def _known_kernel(shape: tuple[int, ...], dtype: np.dtype[Any], data: _Weights) -> Kernel:
    return Kernel(np.frombuffer(data, dtype).reshape(shape))


@functools.lru_cache(maxsize=64, typed=True)
def _planned(  # noqa: PLR0917 - a key
    shape: tuple[int, ...],
    image_dtype: np.dtype[Any],
    kernel: Kernel,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    groups: int,
    border: str | Border,
    fill: float,
    dtype: DTypeLike | None,
    method: str | Method,
) -> Plan:
    """Check what is asked for, and plan it: once where the same is asked for again."""
    problem = problem_for(
        shape,
        image_dtype,
        kernel,
        window(kernel.size, stride, padding, dilation),
        groups=groups,
        border=border,
        fill=fill,
        dtype=dtype,
    )
    return plan(problem, method_named(method))


def convolve(
    image: ArrayLike, weights: ArrayLike, **settings: Unpack[Settings]
) -> NDArray[Any]:
    """Convolve as mathematicians do: `correlate` with the kernel flipped on both axes.

    Parameters
    ----------
    image, weights, **settings
        As in `correlate`.

    Returns
    -------
    ndarray
        As from `correlate`.

    Raises
    ------
    ConvcliError
        As `correlate`.

    Examples
    --------
    >>> convolve([[0, 1, 0]], [[1, 2, 3]], padding="same")
    array([[1., 2., 3.]])
    """
    return correlate(image, Kernel(weights).flipped().weights, **settings)


def _channels_last(image: ArrayLike) -> NDArray[Any]:
    try:
        pixels = np.asarray(image)
    except ValueError:
        raise ImageError(
            "image: expected rows of equal length, got ragged lists: fill them up"
        ) from None
    if pixels.ndim == 2:  # noqa: PLR2004 - (H, W)
        return pixels[..., np.newaxis]
    if pixels.ndim == 3:  # noqa: PLR2004 - (H, W, C)
        return pixels
    raise GeometryError(
        f"image: expected (H, W) or (H, W, C), got {pixels.ndim} dimensions of shape "
        f"{pixels.shape}: reshape it"
    )

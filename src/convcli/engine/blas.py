"""Matrix products by BLAS: their layout, their cost, their threads."""

import ctypes
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from convcli.engine.buffers import Scratch
from convcli.engine.costs import RATES
from convcli.engine.problem import Problem
from convcli.threads import available_cores

Values = NDArray[Any]

UNPACKED = 1_000_000
"""Multiply-adds of one product, rows·inner·columns, up to which OpenBLAS packs nothing.

With few rows, 4×70×640, such a product runs at 75 to 110 GFLOP/s on one core with
AVX-512; the same one 4000 columns wide, packed first, at 33.
"""

_LINE = 64
_SURE = {4: 2.0**16, 8: 2.0**45}
"""Sums that a transform keeps whole, once rounded, by the bytes of a value. In float32 the
worst error found was 1.8e-6 of the range of the sums: 63×63, one weight, in a corner."""


def round_up(size: int, unit: int) -> int:
    """Return the smallest multiple of `unit` that is not below `size`.

    Examples
    --------
    >>> round_up(9, 4), round_up(8, 4)
    (12, 8)
    """
    return -(-size // unit) * unit


def pitch(length: int, dtype: np.dtype[Any]) -> int:
    """Return how far apart rows of a matrix lie: an odd number of cache lines.

    Rows that lie a power of two apart meet in a few sets of the first cache. With a
    pitch of 256 values a product with 64×256 weights ran at 69 GFLOP/s, with 272 at 100.

    Examples
    --------
    >>> pitch(256, np.dtype(np.float32)), pitch(257, np.dtype(np.float32))
    (272, 272)
    """
    items = _LINE // dtype.itemsize
    lines = -(-length // items)
    return (lines | 1) * items


def frozen(values: Values, dtype: DTypeLike) -> Values:
    """Return a read-only copy that starts on a cache line and has the rows' `pitch`."""
    kind = np.dtype(dtype)
    rows = pitch(values.shape[-1], kind)
    copy = Scratch().take("constant", (*values.shape[:-1], rows), kind)
    copy[..., : values.shape[-1]] = values
    copy.flags.writeable = False
    return copy[..., : values.shape[-1]]


def dense_weights(problem: Problem) -> tuple[NDArray[np.float64], float]:
    """Return a 2-D kernel with the zeros of its dilation written out, and its divisor."""
    weights, divisor = problem.exact_weights
    down, across = problem.window.axes
    dense = np.zeros((down.extent, across.extent))
    dense[:: down.dilation, :: across.dilation] = weights
    return dense, divisor


def dense_refusal(problem: Problem) -> str:
    """Say why a problem is not one 2-D kernel at stride 1; empty where it is."""
    if problem.kernel.is_bank:
        return "a filter bank"
    return "" if problem.window.stride == (1, 1) else "a stride above 1"


def transform_refusal(problem: Problem) -> str:
    """Say why a transform would not keep whole sums whole; empty where it would."""
    large = problem.is_integer and _range(problem) > _SURE[8]
    return "whole numbers too large to stay whole" if large else ""


def transform_working(problem: Problem) -> np.dtype[Any]:
    """Return the dtype in which a transform keeps whole sums within ½ of themselves."""
    if problem.is_integer and _range(problem) > _SURE[4]:
        return np.dtype(np.float64)
    return problem.natural_working


def _range(problem: Problem) -> float:
    low, high = problem.sum_limits
    return high - low


def whole_again(problem: Problem, sums: Values) -> Values:
    """Round sums that are known to be whole numbers, in place; leave all others."""
    return np.rint(sums, out=sums) if problem.is_integer else sums


def transfer_cost(problem: Problem, working: np.dtype[Any], overlap: float = 1.0) -> float:
    """Estimate loading and storing, in nanoseconds an output value.

    Parameters
    ----------
    problem : Problem
        What is computed.
    working : dtype
        Of tiles and accumulators.
    overlap : float
        How often an input is loaded, on average.
    """
    down, across = problem.window.stride
    inputs = overlap * down * across * problem.shape[2] / problem.outputs
    return inputs * RATES.load[working] + RATES.store[working]


def call_cost(problem: Problem, calls: float) -> float:
    """Estimate what so many calls for the whole image cost an output value."""
    rows, columns, outputs = problem.result_shape
    return calls * RATES.call / (rows * columns * outputs)


_Functions: TypeAlias = tuple[Callable[[int], None], Callable[[], int]]
"""What sets and what tells the number of threads."""

_NAMES = [
    (f"{prefix}set_num_threads{suffix}", f"{prefix}get_num_threads{suffix}")
    for prefix in ("scipy_openblas_", "openblas_")
    for suffix in ("64_", "")
]


class _Wishes:
    """Who wants how many threads at the moment, and how many there were before them all."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.single = self.many = 0
        self.before = 1

    def change(self, functions: _Functions, single: int, many: int) -> None:
        """Count blocks that begin (1) or end (-1), and set what those left want."""
        set_threads, get_threads = functions
        with self.lock:
            if not self.single and not self.many:
                self.before = get_threads()
            self.single += single
            self.many += many
            set_threads(1 if self.single else available_cores() if self.many else self.before)


_WISHES = _Wishes()


@contextmanager
def _wished(*, single: int = 0, many: int = 0) -> Iterator[None]:
    """Wish for threads; only OpenBLAS, which NumPy's wheels carry, grants it.

    Other libraries (Accelerate, MKL) are left as they are, which costs speed and no digit.
    """
    functions = thread_functions()
    if functions is None:
        yield
        return
    _WISHES.change(functions, single, many)
    try:
        yield
    finally:
        _WISHES.change(functions, -single, -many)


single_threaded_blas = functools.partial(_wished, single=1)
"""Keep BLAS in the calling thread; the last block that ends restores the old number."""

many_threaded_blas = functools.partial(_wished, many=1)
"""Give BLAS all cores where little else is done than to multiply, unless others hold it to one
thread: the command line starts with one."""


@functools.cache
def thread_functions() -> _Functions | None:
    """Return OpenBLAS's setter and getter, or None where NumPy has another BLAS.

    A look-up in an extension module also searches the libraries that it depends on, so
    that no path of a shared library has to be guessed.
    """
    try:
        module = importlib.import_module("numpy._core._multiarray_umath")

        library = ctypes.CDLL(module.__file__)
    except (ImportError, OSError, AttributeError):
        return None
    for setter_name, getter_name in _NAMES:
        if hasattr(library, setter_name) and hasattr(library, getter_name):
            setter, getter = library[setter_name], library[getter_name]
            setter.argtypes, setter.restype = [ctypes.c_int], None
            getter.argtypes, getter.restype = [], ctypes.c_int
            return setter, getter
    return None

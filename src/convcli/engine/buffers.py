"""Memory: scratch buffers of a thread, matrices laid out for BLAS, arrays of results."""

import contextlib
import math
import weakref
from collections import deque
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Values: TypeAlias = NDArray[Any]

UNPACKED = 1_000_000
"""Multiply-adds of one product, rows·inner·columns, up to which OpenBLAS packs nothing:
4×70×640 runs at 75 to 110 GFLOP/s with AVX-512; 4000 columns wide, packed first, at 33."""

LANES = 128  # complex numbers of a compiled transform; 64 take 1.5 times as long each
BLOCK_PITCH, BLOCK_ROWS = 528, 16  # of a block in the nearest cache: pitch, rows of outputs
_LINE = 64  # bytes of a cache line
_PAGE = 4096
_STAGGER = 1344  # bytes by which the starts of two buffers differ, counted from a page


class Scratch:
    """Named buffers of one worker, allocated once; `nbytes` is the memory of all of them.

    A buffer starts on a cache line: at NumPy's usual 16 bytes behind one, an int16 pass takes
    0.11 ns an element, not 0.09. Buffers start at different distances from a page, so that
    loads from one and stores to another do not meet in the same cache set.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, np.dtype[Any]], Values] = {}
        self.nbytes = 0

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Values:
        """Return a C-contiguous buffer; later calls of a name and dtype share the first."""
        size, dtype = int(np.prod(shape)), np.dtype(dtype)
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name, dtype] = self._aligned(size, dtype)
            self.nbytes = sum(each.nbytes for each in self._buffers.values())
        return buffer[:size].reshape(shape)

    def _aligned(self, size: int, dtype: np.dtype[Any]) -> Values:
        raw = np.zeros(size * dtype.itemsize + 2 * _PAGE, np.uint8)
        start = -raw.ctypes.data % _PAGE + _STAGGER * len(self._buffers) % _PAGE
        return raw[start : start + size * dtype.itemsize].view(dtype)


def strided(
    flat: Values, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Values:
    """Return a view of a contiguous buffer: offset and strides count elements.

    The array constructor takes 0.5 µs, `numpy.lib.stride_tricks.as_strided` 5 to 10.
    """
    size = flat.itemsize
    steps = tuple(stride * size for stride in strides)
    return np.ndarray(shape, flat.dtype, flat, offset * size, steps)


def flat_rows(values: Values) -> tuple[Values, int]:
    """Return a flat view of rows, from the first value to the last, and their distance.

    It can be written, whatever the array can: numba compiles a function for each kind.
    """
    height, width = values.shape
    if values.flags.c_contiguous and values.flags.writeable:
        return values.reshape(-1), width
    pitch = values.strides[0] // values.itemsize if height > 1 else width
    memory = {
        "data": (values.ctypes.data, False),
        "shape": ((height - 1) * pitch + width,),
        "typestr": values.dtype.str,
        "version": 3,
    }
    # The view holds the namespace, and that the array.
    return np.asarray(SimpleNamespace(__array_interface__=memory, owner=values)), pitch


def round_up(size: int, unit: int) -> int:
    """Return the smallest multiple of `unit` that is not below `size`."""
    return -(-size // unit) * unit


def pitch(length: int, dtype: np.dtype[Any]) -> int:
    """Return how many values apart rows start: an odd number of cache lines."""
    # A product with 64×256 weights, 256 values apart, ran at 69 GFLOP/s, 272 apart at 100.
    items = _LINE // dtype.itemsize
    return (-(-length // items) | 1) * items


def frozen(values: Values, dtype: np.dtype[Any]) -> Values:
    """Return a read-only copy that starts on a cache line and has the rows' `pitch`."""
    shape = (*values.shape[:-1], pitch(values.shape[-1], dtype))
    copy = Scratch().take("constant", shape, dtype)
    copy[..., : values.shape[-1]] = values
    copy.flags.writeable = False
    return copy[..., : values.shape[-1]]


_LARGE = 2**25  # bytes of an array from which the C library asks the system for each
_MOST_BYTES = 2**62  # above which no memory is
_MOST_KEPT = 2**27  # bytes of a result above which its memory is not kept
_UNUSED: deque[Values] = deque(maxlen=1)  # memory of a large result that nobody uses


def result_array(shape: tuple[int, ...], dtype: DTypeLike) -> Values:
    """Return an array for results that starts on a cache line; what it holds is undefined.

    A float32 pass into a row that starts on one takes 0.20 ns a value, elsewhere 0.36.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return _on_a_line(np.empty(size + _LINE, np.uint8), shape, dtype)


def recycled_array(shape: tuple[int, ...], dtype: DTypeLike) -> Values:
    """Return an array as `result_array` does, in the memory of an earlier one if it can.

    The system fills new pages with zeros: sobel-x on 12 megapixels of floats takes 14.6 ms with
    that, 10.5 without. Memory of 32 to 128 MiB that nobody uses waits for the next one.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > _MOST_BYTES:
        raise MemoryError
    if size < _LARGE:
        return result_array(shape, dtype)
    memory = _unused(size)
    # All views of `lent` hold the memoryview that it is made from: it ends with the last.
    lent = np.frombuffer(memory.data, np.uint8)
    if size <= _MOST_KEPT:
        weakref.finalize(lent.base, _UNUSED.append, memory).atexit = False
    return _on_a_line(lent, shape, dtype)


def _unused(size: int) -> Values:
    """Return the unused memory if it has that size, else new memory; give the old back."""
    with contextlib.suppress(IndexError):
        memory = _UNUSED.pop()
        if memory.size == size + _LINE:
            return memory
        del memory
    return np.empty(size + _LINE, np.uint8)


def _on_a_line(memory: Values, shape: tuple[int, ...], dtype: DTypeLike) -> Values:
    start = -memory.__array_interface__["data"][0] % _LINE
    return memory[start : memory.size - _LINE + start].view(dtype).reshape(shape)

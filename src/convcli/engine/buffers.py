"""Memory that is used again: scratch arrays of a thread, arrays of results."""

import math
import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Values = NDArray[Any]

_LINE = 64
_PAGE = 4096
_STAGGER = 1344


class Scratch:
    """Named buffers of one worker, allocated once.

    A buffer starts on a cache line: at NumPy's usual 16 bytes behind one, an int16 pass
    takes 0.11 ns an element, not 0.09, and a float32 product of two arrays in the L2
    cache 0.40, not 0.16. Buffers start at different distances from a page, so that
    loads from one and stores to another do not meet in the same cache set.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, np.dtype[Any]], Values] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Values:
        """Return the buffer of that name; what it held before is undefined.

        Parameters
        ----------
        name : str
            One name, one buffer: a second call with the same name shares it.
        shape : tuple of int
            What is needed; the first call of a name should ask for the most.
        dtype : dtype
            Part of the name.

        Returns
        -------
        ndarray
            C-contiguous; zeros when new.
        """
        size, kind = int(np.prod(shape)), np.dtype(dtype)
        held = self._held.get((name, kind))
        if held is None or held.size < size:
            held = self._held[name, kind] = self._aligned(size, kind)
        return held[:size].reshape(shape)

    @property
    def nbytes(self) -> int:
        """Memory of all buffers."""
        return sum(buffer.nbytes for buffer in self._held.values())

    def _aligned(self, size: int, dtype: np.dtype[Any]) -> Values:
        raw = np.zeros(size * dtype.itemsize + 2 * _PAGE, np.uint8)
        start = -raw.ctypes.data % _PAGE + _STAGGER * len(self._held) % _PAGE
        return raw[start : start + size * dtype.itemsize].view(dtype)


def strided(
    flat: Values, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Values:
    """Return a view of a contiguous buffer: offset and strides count elements.

    The array constructor checks the bounds and takes 0.5 µs, where
    `numpy.lib.stride_tricks.as_strided` checks nothing and takes 5 to 10.

    Examples
    --------
    >>> strided(np.arange(6), 1, (2, 2), (2, 1)).tolist()
    [[1, 2], [3, 4]]
    """
    size = flat.itemsize
    steps = tuple(stride * size for stride in strides)
    return np.ndarray(shape, flat.dtype, flat, offset * size, steps)


_LARGE = 2**25
"""Bytes from which the C library asks the system for memory, and gives it back, each time;
the system fills what it gives with zeros."""

_MOST_KEPT = 2**27
"""Bytes of a result above which its memory is not kept."""

_UNUSED: deque[Values] = deque(maxlen=1)
"""Memory of the last large result that nobody uses any more."""


def result_array(shape: tuple[int, ...], dtype: DTypeLike) -> Values:
    """Return an array for results that starts on a cache line; what it holds is undefined.

    NumPy starts large arrays 16 bytes behind one: a float32 pass into such a row takes
    0.36 ns a value, into one that starts on a line 0.20.

    Examples
    --------
    >>> result_array((3, 5), "float32").ctypes.data % 64
    0
    """
    return _on_a_line(_memory(_size(shape, dtype)), shape, dtype)


def recycled_array(shape: tuple[int, ...], dtype: DTypeLike) -> Values:
    """Return an array as `result_array` does, in the memory of an earlier one if it can.

    The system fills the pages of a large result with zeros first: sobel-x on 12 megapixels
    of floats takes 14.6 ms with that, 10.5 without. So the memory of a result between 32
    and 128 MiB is kept from when nobody uses it to the next result above 32 MiB.

    Examples
    --------
    >>> array = recycled_array((2048, 4096), "float32")
    >>> address = array.ctypes.data
    >>> del array
    >>> recycled_array((4096, 2048), "float32").ctypes.data == address
    True
    """
    size = _size(shape, dtype)
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
    try:
        memory = _UNUSED.pop()
    except IndexError:
        return _memory(size)
    if memory.size == size + _LINE:
        return memory
    del memory
    return _memory(size)


def _size(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def _memory(size: int) -> Values:
    return np.empty(size + _LINE, np.uint8)


def _on_a_line(memory: Values, shape: tuple[int, ...], dtype: DTypeLike) -> Values:
    start = -memory.ctypes.data % _LINE
    return memory[start : start + _size(shape, dtype)].view(dtype).reshape(shape)

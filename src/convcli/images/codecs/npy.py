"""Raw arrays: ``.npy``, without pickles, and no larger than the file."""

import io
import math
import struct
import tokenize
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convcli.errors import ImageError
from convcli.images.formats import NPY
from convcli.images.picture import Document, Picture
from convcli.images.policy import Counter, ReadPolicy

_DIMENSIONS = (2, 3)
_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}

_HEADER_FAULTS = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
)
"""What numpy raises on a header, which it reads as Python's literals."""


def is_array(prefix: bytes) -> bool:
    """Say whether a file that begins so is a ``.npy``."""
    return prefix.startswith(npy.MAGIC_PREFIX)


def read_array(file: BinaryIO, label: str, reading: ReadPolicy) -> Document:
    """Read a ``.npy`` of real numbers, (H, W) or (H, W, C).

    Parameters
    ----------
    file : binary file
        At its beginning; it can seek.
    label : str
        What messages call it.
    reading : ReadPolicy
        The limits.

    Returns
    -------
    Document

    Raises
    ------
    ImageError
        If the file is damaged, too large, or holds something else.
    """
    shape, fortran, dtype = array_header(file, label)
    _check(shape, dtype, label)
    Counter(reading.max_pixels, label).add(shape[1], shape[0], 1)
    data = file.read(math.prod(shape) * dtype.itemsize + 1)
    _check_length(len(data), math.prod(shape) * dtype.itemsize, label)
    grid = np.frombuffer(data, dtype, math.prod(shape))
    array: NDArray[Any] = grid.reshape(shape, order="F" if fortran else "C")
    native = array.astype(dtype.newbyteorder("="))
    pixels = native if native.ndim > min(_DIMENSIONS) else native[..., np.newaxis]
    return Document((Picture(pixels, None, NPY),), mode=str(pixels.dtype))


def array_header(file: BinaryIO, label: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return an array's shape, whether it is kept column by column, and its dtype.

    Raises
    ------
    ImageError
        If the file is damaged.
    """
    try:
        version = npy.read_magic(file)
        shape, fortran, dtype = _HEADERS[version](file)
    except _HEADER_FAULTS as error:
        fault = " ".join(str(error).split())
        raise ImageError(f"{label}: the array cannot be read: {fault}") from None
    return shape, fortran, dtype


def array_bytes(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of a ``.npy``."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], label: str) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        raise ImageError(
            f"{label}: expected an array of real numbers of at most 64 bits, got {dtype}: "
            "convert it with astype"
        )
    if len(shape) not in _DIMENSIONS:
        raise ImageError(
            f"{label}: expected an array (H, W) or (H, W, C), got the shape {shape}: "
            "save one picture of it"
        )
    if 0 in shape:
        raise ImageError(f"{label}: expected at least one pixel, got the shape {shape}")


def _check_length(got: int, expected: int, label: str) -> None:
    if got < expected:
        raise ImageError(
            f"{label}: the array is truncated: expected {expected:,} bytes, got {got:,}"
        )

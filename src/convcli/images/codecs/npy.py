"""NumPy's ``.npy``: raw arrays, without pickles, and no larger than the file."""

import io
import math
import os
import struct
import tokenize
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convcli.errors import ImageError
from convcli.images.formats import NPY
from convcli.images.picture import Frame, Picture
from convcli.images.policy import PixelCounter, ReadPolicy

DIMENSIONS = (2, 3)
"""Of an array that is a picture: (H, W) or (H, W, C)."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

_HEADER_ERRORS = (
    ValueError, KeyError, TypeError, EOFError, OverflowError, MemoryError, RecursionError,
    SyntaxError, struct.error, tokenize.TokenError,
)  # fmt: skip
"""What NumPy raises on a damaged header, which it reads as a literal of Python."""


def read_array(file: BinaryIO, label: str, reading: ReadPolicy) -> Picture:
    """Read a ``.npy`` of real numbers, (H, W) or (H, W, C).

    The file can seek. Where it is damaged, too large, or no picture, ImageError is raised.
    """
    shape, fortran, dtype = array_header(file, label)
    _check(shape, dtype, label)
    PixelCounter(reading.max_pixels, label).add(shape[1], shape[0])
    count = math.prod(shape)
    _check_length(file, count * dtype.itemsize, label)
    flat = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    array: NDArray[Any] = flat.reshape(shape, order="F" if fortran else "C")
    native = array.astype(dtype.newbyteorder("="))
    pixels = native if native.ndim > min(DIMENSIONS) else native[..., np.newaxis]
    return Picture((Frame(pixels, None, NPY),), mode=str(pixels.dtype))


def array_header(file: BinaryIO, label: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return an array's shape, whether it is kept column by column, and its dtype."""
    try:
        return _HEADERS[npy.read_magic(file)](file)
    except _HEADER_ERRORS as error:
        fault = " ".join(str(error).split())
        raise ImageError(f"{label}: the array cannot be read: {fault}") from None


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
    if len(shape) not in DIMENSIONS:
        raise ImageError(
            f"{label}: expected an array (H, W) or (H, W, C), got the shape {shape}: "
            "save one picture of it"
        )
    if any(isinstance(length, bool) for length in shape) or min(shape) < 1:
        raise ImageError(f"{label}: expected at least one pixel, got the shape {shape}")


def _check_length(file: BinaryIO, expected: int, label: str) -> None:
    """Check that the rest of the file holds the array, before memory is taken for it."""
    start = file.tell()
    got = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if got < expected:
        raise ImageError(
            f"{label}: the array is truncated: expected {expected:,} bytes, got {got:,}"
        )

"""Arrays as pictures: NumPy's ``.npy``, rows of numbers in text (CSV), nested lists (JSON)."""

import io
import json
import math
import os
import re
import struct
import tokenize
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from convcli.errors import ImageError
from convcli.images.formats import CSV, JSON, NPY
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
    """Read a ``.npy`` of real numbers, (H, W) or (H, W, C), from a file that can seek."""
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


def check_numbers(dtype: np.dtype[Any], label: str) -> None:
    """Refuse numbers that are not real, or have more than 64 bits."""
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        raise ImageError(
            f"{label}: expected an array of real numbers of at most 64 bits, got {dtype}: "
            "convert it with astype"
        )


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], label: str) -> None:
    check_numbers(dtype, label)
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


# ------------------------------------------------------------------ numbers as text

_COMMENT = re.compile(r"#.*")


def read_matrix(file: BinaryIO, label: str, reading: ReadPolicy) -> Picture:
    """Read numbers as a grey picture of floats, or as (H, W, C) from nested lists.

    >>> import io
    >>> read_matrix(io.BytesIO(b"1,2"), "a", ReadPolicy()).frames[0].array.tolist()
    [[1.0, 2.0]]
    """
    data = file.read(reading.max_bytes + 1)
    if len(data) > reading.max_bytes:
        _fail(label, f"at most {reading.max_bytes:,} bytes", "more", "raise --max-pixels")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        _fail(label, "text", "bytes that are none", "save it as UTF-8")
    is_json = text.startswith(("[", "{"))
    array = _array(_nested(text, label) if is_json else _rows(text, label), label)
    PixelCounter(reading.max_pixels, label).add(array.shape[1], array.shape[0])
    pixels = array if array.ndim == max(DIMENSIONS) else array[..., np.newaxis]
    name = JSON if is_json else CSV
    return Picture((Frame(pixels, None, name),), mode=str(array.dtype))


def _fail(label: str, expected: str, got: str, remedy: str) -> NoReturn:
    raise ImageError(f"{label}: expected {expected}, got {got}: {remedy}")


def _nested(text: str, label: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        remedy = "mend the brackets, commas and numbers"
        _fail(label, "a matrix like [[1,2],[3,4]]", repr(text[:40]), remedy)


def _rows(text: str, label: str) -> list[list[float]]:
    """Return the numbers of each line, or of each part of a line between semicolons."""
    lines = [_COMMENT.sub("", line) for line in re.split(r"[\n\r]", text)]
    if not any("," in line for line in lines):
        lines = [part for line in lines for part in line.split(";")]
    words = [re.split(r"[\s,;]+", line.strip(" \t,;")) for line in lines if line.strip(" \t,;")]
    try:
        return [[float(word) for word in row] for row in words]
    except ValueError as error:
        _fail(label, "rows of numbers", str(error).rpartition(": ")[2], "put a number there")


def _array(values: Any, label: str) -> NDArray[np.float64]:
    remedy = "give as many numbers in each row"
    try:
        array = np.array(values)
    except ValueError:
        _fail(label, "rows of one length", "others", remedy)
    if array.ndim not in DIMENSIONS or array.size == 0:
        _fail(label, "rows of numbers", f"the shape {array.shape}", "write [[1,2],[3,4]]")
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        _fail(label, "finite numbers", "something else", "put numbers of 64 bits there")
    return array.astype(np.float64)


def matrix_bytes(array: NDArray[Any], format_name: str) -> bytes:
    r"""Return an array as text, a row a line, with the digits that give each number again.

    >>> matrix_bytes(np.array([[1.0, 0.5]]), "CSV"), matrix_bytes(np.array([[2]]), "JSON")
    (b'1,0.5\n', b'[[2]]\n')
    """
    text = io.StringIO()
    if format_name == CSV:
        text.writelines(f"{','.join(map(exact, row))}\n" for row in array)
        return text.getvalue().encode()
    rows = ",\n ".join(_json(row) for row in array)
    return f"[{rows}]\n".encode()


def _json(values: Any) -> str:
    if not np.ndim(values):
        return exact(values) if np.isfinite(values) else "null"
    return f"[{','.join(map(_json, values))}]"


def exact(value: Any) -> str:
    """Return the fewest digits that give a number again; whole numbers without a point.

    >>> exact(3.0), exact(np.float32(0.1))
    ('3', '0.1')
    """
    return str(value).removesuffix(".0")

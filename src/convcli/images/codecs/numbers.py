"""Files that are little more than their numbers: PGM and PPM, ``.npy``, and numbers as text."""

import functools
import io
import math
import os
import re
import tokenize
from collections.abc import Sequence
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from convcli.choices import Depth
from convcli.errors import ImageError, fail
from convcli.images import policy
from convcli.images.formats import CSV, JSON, NPY
from convcli.images.picture import Frame, Picture
from convcli.images.policy import ReadPolicy, check_exact, check_pixels, decoder_errors
from convcli.text import words_of_rows

_SAFE_DIGITS = 15  # a float64 holds any whole number of so many
_DIMENSIONS = (2, 3)  # of an array that is a picture: (H, W) or (H, W, C)
# Version 3 differs from 2 in the names of fields alone, which no picture has.
_HEADERS = {(1, 0): npy.read_array_header_1_0} | dict.fromkeys(
    ((2, 0), (3, 0)), npy.read_array_header_2_0
)


def read_array(file: BinaryIO, label: str, reading: ReadPolicy) -> Picture:
    """Read a ``.npy`` of real numbers, (H, W) or (H, W, C), from a file that can seek."""
    shape, dtype = array_header(file, label)
    check_pixels(shape[1] * shape[0], reading, label)
    # The rest of the file must hold the array, before memory is taken for it.
    start, expected = file.tell(), math.prod(shape) * dtype.itemsize
    got = file.seek(0, os.SEEK_END) - start
    if got < expected:
        counts = f"expected {expected:,} bytes, got {got:,}"
        fail(label, "the array is truncated", counts, ImageError)
    file.seek(0)
    native = npy.read_array(file, allow_pickle=False).astype(dtype)
    check_exact(native, label)
    return Picture((Frame(native.reshape(shape), None, NPY),), mode=str(native.dtype))


def array_header(file: BinaryIO, label: str) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Return the rows, columns and channels of a ``.npy``, and its dtype."""
    try:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"expected format 1.0, 2.0 or 3.0, got {version[0]}.{version[1]}")
        shape, _, dtype = _HEADERS[version](file)
    except (*policy.DECODER_ERRORS, MemoryError, tokenize.TokenError) as error:
        fail(label, "the array cannot be read", policy.one_line(error), ImageError)
    check_numbers(dtype, label)
    got = f"the shape {shape}"
    if len(shape) not in _DIMENSIONS:
        _fail(label, "an array (H, W) or (H, W, C)", got, "save one picture of it")
    if any(isinstance(length, bool) for length in shape) or min(shape) < 1:
        raise ImageError(f"{label}: expected at least one pixel, got {got}")
    rows, columns, channels = (*shape, 1)[:3]
    return (rows, columns, channels), dtype.newbyteorder("=")


def check_numbers(dtype: np.dtype[Any], label: str) -> None:
    """Refuse numbers that are not real, or have more than 64 bits."""
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        expected = "an array of real numbers of at most 64 bits"
        _fail(label, expected, str(dtype), "convert it with astype")


# ------------------------------------------------------------------ numbers as text


def read_matrix(file: BinaryIO, label: str, reading: ReadPolicy) -> Picture:
    """Read numbers as a grey picture of floats, or as (H, W, C) from nested lists."""
    data = file.read(reading.max_bytes + 1)
    if len(data) > reading.max_bytes:
        _fail(label, f"at most {reading.max_bytes:,} bytes", "more", "raise --max-pixels")
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        _fail(label, "text", "bytes that are none", "save it as UTF-8")
    is_json = text.startswith(("[", "{"))
    array = _array(_nested(text, label) if is_json else _rows(text, label), label)
    if np.isinf(array).any() and "inf" not in text.lower():
        _fail(label, "numbers below 1e308", "a larger one", "scale them down")
    check_pixels(array.shape[1] * array.shape[0], reading, label)
    frame = Frame(np.atleast_3d(array), None, JSON if is_json else CSV)
    return Picture((frame,), mode=str(array.dtype))


def _fail(label: str, expected: str, got: str, remedy: str) -> NoReturn:
    fail(label, f"expected {expected}, got {got}", remedy, ImageError)


def _nested(text: str, label: str) -> Any:
    import json

    try:
        return json.loads(text, parse_int=functools.partial(_number, label))
    except (ValueError, RecursionError):
        remedy = "mend the brackets, commas and numbers"
        _fail(label, "a matrix like [[1,2],[3,4]]", repr(text[:40]), remedy)


def _rows(text: str, label: str) -> list[list[float]]:
    words = words_of_rows(text, label, ImageError).values()
    try:
        return [[_number(label, word) for word in row] for row in words]
    except ValueError as error:
        _fail(label, "rows of numbers", str(error).rpartition(": ")[2], "put a number there")


def _number(label: str, word: str) -> float:
    """Return a number; refuse a whole one that a float would round."""
    number = float(word)
    is_long = len(word) > _SAFE_DIGITS and word.lstrip("+-").isdecimal()
    if is_long and math.isfinite(number) and int(word) != number:
        got = f"{word:.40}, which a float would round"
        _fail(label, "whole numbers up to 2^53", got, "make them smaller")
    return number


def _array(values: Any, label: str) -> NDArray[np.float64]:
    try:
        array = np.array(values)
    except ValueError:
        _fail(label, "rows of one length", "others", "give as many numbers in each row")
    if array.ndim not in _DIMENSIONS or array.size == 0:
        _fail(label, "rows of numbers", f"the shape {array.shape}", "write [[1,2],[3,4]]")
    if array.dtype == object:  # null in JSON, which has no NaN; or too many bits
        known = [math.nan if value is None else value for value in array.flat]
        array = np.array(known).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        _fail(label, "numbers", "something else", "put numbers of 64 bits there")
    return array.astype(np.float64)


def matrix_bytes(array: NDArray[Any], format_name: str) -> bytes:
    """Return an array as a ``.npy``, or as text with the digits that give each number again."""
    if format_name == NPY:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()
    if format_name == CSV:
        return "".join(f"{','.join(map(exact, row))}\n" for row in array).encode()
    if np.isinf(array).any():
        raise ImageError("JSON has no infinite numbers: write .csv or .npy")
    rows = ",\n ".join(map(_json, array))
    return f"[{rows}]\n".encode()


def _json(values: Any) -> str:
    if not np.ndim(values):
        return exact(values) if np.isfinite(values) else "null"
    return f"[{','.join(map(_json, values))}]"


def exact(value: Any) -> str:
    """Return the fewest digits that give a number again; whole numbers without a point."""
    return str(value).removesuffix(".0")


# ------------------------------------------------------------------ PGM and PPM

_LETTERS = {1: "P5", 3: "P6"}
_CHANNELS = {"L": 1, "RGB": 3}
_BYTE, _WHITE, _PAIR = 255, 65_535, 2
_NETPBM = re.compile(
    rb"\s*(P[4-7fF])(?:\s|#[^\r\n]*)+(\d+)(?:\s|#[^\r\n]*)+(\d+)(?:(?:\s|#[^\r\n]*)+(-?[\d.]+))?\s"
)
_LONGEST_HEADER = 4096
_BITS_A_PIXEL = {b"P4": 1, b"P5": 8, b"P6": 24, b"Pf": 32, b"PF": 96}  # twice, for 16 bits


def netpbm_spans(file: BinaryIO) -> list[tuple[int, int]]:
    """Return where the binary pictures at the start of a stream begin, and their bytes."""
    spans: list[tuple[int, int]] = []
    start, end = 0, file.seek(0, os.SEEK_END)
    while start < end:
        file.seek(start)
        header = _NETPBM.match(file.read(_LONGEST_HEADER))
        if header is None or header[1] not in _BITS_A_PIXEL:
            break
        is_wide = header[1] in (b"P5", b"P6") and float(header[4] or 0) > _BYTE
        bits = int(header[2]) * _BITS_A_PIXEL[header[1]] * (1 + is_wide)
        # A bitmap has no largest number: what looks like one is pixels.
        first = header.end(3) + 1 if header[1] == b"P4" else header.end()
        size = first + -(-bits // 8) * int(header[3])
        spans.append((start, size))
        start += size
    file.seek(0)
    return spans


def read_netpbm(file: BinaryIO, image: ImageFile) -> Frame | None:
    """Read raw pixels of 8 bits, or deep colours; None where Pillow reads them well."""
    channels = _CHANNELS.get(image.mode)
    if channels is None or not image.tile:
        return None
    if image.tile[0].args != image.mode:
        return _deep(file, image)
    shape = (image.height, image.width, channels)
    file.seek(image.tile[0].offset)
    samples = np.frombuffer(file.read(math.prod(shape)), np.uint8)
    # Pillow reports a file that ends early, or reads the part that exists.
    return Frame(samples.reshape(shape)) if samples.size == math.prod(shape) else None


def _deep(file: BinaryIO, image: ImageFile) -> Frame | None:
    """Read colours with more than 8 bits, binary or in digits, and scale them to 16."""
    (width, height), codec = image.size, image.tile[0].codec_name
    arguments: Any = image.tile[0].args
    if image.mode != "RGB" or codec not in ("ppm", "ppm_plain") or arguments[-1] <= _BYTE:
        return None
    count, largest = width * height * 3, int(arguments[-1])
    file.seek(image.tile[0].offset)
    if codec == "ppm":
        data = file.read(count * _PAIR)
        samples: NDArray[Any] = np.frombuffer(data[: len(data) // _PAIR * _PAIR], ">u2")
    else:
        text = re.sub(rb"#[^\r\n]*", b" ", file.read()).decode("latin-1")
        # Up to the first word that is no number. Given a count, NumPy makes up missing ones.
        with decoder_errors():
            samples = np.fromstring(text, np.int64, sep=" ")[:count]
    values = policy.completed(samples, count).reshape(height, width, 3).astype(float)
    scaled = np.rint(np.clip(values, 0, largest) * (_WHITE / largest))
    return Frame(scaled.astype(np.uint16))


def netpbm_parts(frame: Frame) -> Sequence[memoryview]:
    """Return the parts of a PGM, PPM or PFM: its header, and the pixels without their alpha."""
    pixels, letters, largest = frame.pixels, _LETTERS[frame.channels], str(frame.white)
    if frame.depth is Depth.FLOAT:  # from the lowest row up, in little-endian order
        pixels, letters, largest = pixels[::-1].astype("<f4"), "Pf", "-1.0"
    elif frame.depth is Depth.SIXTEEN:
        pixels = pixels.astype(">u2")
    header = f"{letters}\n{frame.shape[1]} {frame.shape[0]}\n{largest}\n".encode("ascii")
    data = np.ascontiguousarray(pixels).view(np.uint8).data.cast("B")
    return [memoryview(header), data]

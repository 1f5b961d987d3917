"""PPM and PGM: the bytes of the file are the array, or nearly so."""

import os
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from convcli.choices import Depth
from convcli.images.picture import Frame
from convcli.images.policy import completed, decoder_errors

_CHUNK = 2**20
_LETTERS = {1: "P5", 3: "P6"}
_CHANNELS = {"L": 1, "RGB": 3}
_BYTE, _WHITE, _PAIR = 255, 65_535, 2


_HEADER = re.compile(
    rb"\s*(P[4-7fF])(?:\s|#[^\r\n]*)+(\d+)(?:\s|#[^\r\n]*)+(\d+)(?:(?:\s|#[^\r\n]*)+(-?[\d.]+))?\s"
)
_LONGEST_HEADER = 4096
_SAMPLES_A_PIXEL = {b"P5": 1, b"P6": 3, b"Pf": 4, b"PF": 12}
"""Samples of a pixel, or its bytes where those are floats."""


def netpbm_spans(file: BinaryIO) -> list[tuple[int, int]]:
    """Return where the binary pictures at the start of a stream begin, and their bytes."""
    spans: list[tuple[int, int]] = []
    start, end = 0, file.seek(0, os.SEEK_END)
    while start < end:
        file.seek(start)
        header = _HEADER.match(file.read(_LONGEST_HEADER))
        if header is None or header[1] not in (b"P4", *_SAMPLES_A_PIXEL):
            break
        size = header.end() + _pixel_bytes(header)
        if header[1] == b"P4":
            size = header.start(3) + len(header[3]) + 1 + _pixel_bytes(header)
        spans.append((start, size))
        start += size
    file.seek(0)
    return spans


def _pixel_bytes(header: "re.Match[bytes]") -> int:
    width, height = int(header[2]), int(header[3])
    if header[1] == b"P4":
        return -(-width // 8) * height
    samples = _SAMPLES_A_PIXEL[header[1]] * width * height
    wide = header[1] in (b"P5", b"P6") and float(header[4] or 0) > _BYTE
    return samples * (_PAIR if wide else 1)


def read_netpbm(file: BinaryIO, image: ImageFile.ImageFile) -> Frame | None:
    """Read raw pixels of 8 bits with one copy, or deep colours; None where Pillow reads well.

    `image` is the same file, opened by Pillow.
    """
    if not image.tile:
        return None
    return _deep(file, image) or _raw(file, image)


def _raw(file: BinaryIO, image: ImageFile.ImageFile) -> Frame | None:
    """Read raw pixels of 8 bits."""
    channels = _CHANNELS.get(image.mode)
    if channels is None or image.tile[0].args != image.mode:
        return None
    pixels = np.empty((image.height, image.width, channels), np.uint8)
    file.seek(image.tile[0].offset)
    flat = pixels.reshape(-1).data
    for start in range(0, len(flat), _CHUNK):
        chunk = file.read(min(_CHUNK, len(flat) - start))
        flat[start : start + len(chunk)] = chunk
    # Pillow reports a file that ends early, or reads the part that exists.
    complete = file.tell() - image.tile[0].offset == len(flat)
    return Frame(pixels, None, "PPM") if complete else None


def _deep(file: BinaryIO, image: ImageFile.ImageFile) -> Frame | None:
    """Read colours with more than 8 bits, binary or in digits, and scale them to 16."""
    read_samples = _SAMPLES.get(image.tile[0].codec_name)
    if image.mode != "RGB" or read_samples is None:
        return None
    arguments: Any = image.tile[0].args
    largest = int(arguments[-1])
    if largest <= _BYTE:
        return None
    width, height = image.size
    file.seek(image.tile[0].offset)
    samples = read_samples(file, width * height * 3)
    values = completed(samples, width * height * 3).reshape(height, width, 3).astype(float)
    scaled = np.rint(np.clip(values, 0, largest) * (_WHITE / largest))
    return Frame(scaled.astype(np.uint16), None, "PPM")


def _binary_samples(file: BinaryIO, count: int) -> NDArray[Any]:
    data = file.read(count * _PAIR)
    return np.frombuffer(data[: len(data) // _PAIR * _PAIR], ">u2")


def _digit_samples(file: BinaryIO, count: int) -> NDArray[Any]:
    """Return numbers in decimal digits, up to the first word that is no number."""
    text = re.sub(rb"#[^\r\n]*", b" ", file.read()).decode("latin-1")
    # Without a count: given one, NumPy makes up missing numbers.
    with decoder_errors():
        return np.fromstring(text, np.int64, sep=" ")[:count]


_SAMPLES = {"ppm": _binary_samples, "ppm_plain": _digit_samples}
"""How to read samples of more than 8 bits, by the name of Pillow's decoder."""


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

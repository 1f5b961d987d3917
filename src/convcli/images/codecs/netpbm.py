"""Netpbm's pictures: what lies in the file is the array, or nearly so."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from convcli.choices import Depth
from convcli.images.picture import Picture
from convcli.images.policy import completed

_PIECE = 2**20
_LETTERS = {1: "P5", 3: "P6"}
_MODES = {"L": 1, "RGB": 3}
_BYTE, _WHITE, _PAIR = 255, 65_535, 2


def netpbm_picture(file: BinaryIO, image: ImageFile.ImageFile) -> Picture | None:
    """Return a raw picture of 8 bits without a copy in between; None for any other.

    Parameters
    ----------
    file : binary file
        The whole file.
    image : ImageFile
        The same, opened by Pillow.
    """
    channels = _MODES.get(image.mode)
    if channels is None or not image.tile or image.tile[0].args != image.mode:
        return None
    pixels = np.empty((image.height, image.width, channels), np.uint8)
    file.seek(image.tile[0].offset)
    flat = pixels.reshape(-1).data
    for start in range(0, len(flat), _PIECE):
        piece = file.read(min(_PIECE, len(flat) - start))
        flat[start : start + len(piece)] = piece
    # Of a file that ends early it is Pillow's part to say so, or to read what there is.
    return (
        Picture(pixels, None, "PPM")
        if file.tell() - image.tile[0].offset == len(flat)
        else None
    )


def deep_ppm(file: BinaryIO, image: ImageFile.ImageFile) -> Picture | None:
    """Return a PPM in colour with more than 8 bits, binary or plain; None for any other.

    Parameters
    ----------
    file : binary file
        The whole file.
    image : Image
        The same, opened by Pillow.
    """
    if image.mode != "RGB" or not image.tile or image.tile[0].codec_name not in _SAMPLES:
        return None
    arguments: Any = image.tile[0].args
    largest = int(arguments[-1])
    if largest <= _BYTE:
        return None
    width, height = image.size
    file.seek(image.tile[0].offset)
    samples = _SAMPLES[image.tile[0].codec_name](file, width * height * 3)
    values = completed(samples, width * height * 3).reshape(height, width, 3).astype(float)
    scaled = np.rint(np.clip(values, 0, largest) * (_WHITE / largest))
    return Picture(scaled.astype(np.uint16), None, "PPM")


def _binary_samples(file: BinaryIO, count: int) -> NDArray[Any]:
    data = file.read(count * _PAIR)
    return np.frombuffer(data[: len(data) // _PAIR * _PAIR], ">u2")


def _plain_samples(file: BinaryIO, count: int) -> NDArray[Any]:
    """Return numbers in decimal digits; those before the first that is none."""
    text = re.sub(rb"#[^\r\n]*", b" ", file.read()).decode("latin-1")
    # Given a count, NumPy makes up what is missing.
    return np.fromstring(text, np.int64, sep=" ")[:count]


_SAMPLES: Mapping[str, Callable[[BinaryIO, int], NDArray[Any]]] = {
    "ppm": _binary_samples,
    "ppm_plain": _plain_samples,
}
"""How Pillow's two decoders' files hold more than 8 bits."""


def is_netpbm(picture: Picture) -> bool:
    """Tell whether a picture is kept as it is: grey or colour of 8 bits."""
    return picture.depth is Depth.EIGHT and picture.channels in _LETTERS


def netpbm_parts(picture: Picture) -> Sequence[memoryview]:
    """Return a PGM or PPM: its header, and the pixels where they are."""
    height, width, channels = picture.pixels.shape
    header = f"{_LETTERS[channels]}\n{width} {height}\n255\n".encode("ascii")
    return [memoryview(header), np.ascontiguousarray(picture.pixels).data.cast("B")]

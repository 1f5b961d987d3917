"""Netpbm's raw pictures of 8 bits: what lies in the file is the array."""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from PIL import ImageFile

from convcli.images.picture import Depth, Picture

_PIECE = 2**20
_LETTERS = {1: "P5", 3: "P6"}
_MODES = {"L": 1, "RGB": 3}


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


def is_netpbm(picture: Picture) -> bool:
    """Tell whether a picture is kept as it is: grey or colour of 8 bits."""
    return picture.depth is Depth.EIGHT and picture.channels in _LETTERS


def netpbm_parts(picture: Picture) -> Sequence[memoryview]:
    """Return a PGM or PPM: its header, and the pixels where they are."""
    height, width, channels = picture.pixels.shape
    header = f"{_LETTERS[channels]}\n{width} {height}\n255\n".encode("ascii")
    return [memoryview(header), np.ascontiguousarray(picture.pixels).data.cast("B")]

"""TIFFs in 16-bit colours or floats that Pillow misreads, or does not read at all."""

import zlib
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageFile, TiffImagePlugin

from convcli.errors import ImageError
from convcli.images.frames import NOT_READ, with_alpha
from convcli.images.picture import Document, Picture
from convcli.images.policy import Counter, ReadPolicy, completed

_PAIR = 2
_DEFLATE = (8, 32946)
_FLOAT_FORMAT = 3
_DEEP = (16, 32)
_DIFFERENCES = 2
_ORIENTATION = ExifTags.Base.Orientation
_SAMPLES = {1: (1, 2), 2: (3, 4)}
"""How many values a pixel has, for photometric 1 (black is zero) and 2 (RGB)."""


def deep_planes(file: BinaryIO, image: ImageFile.ImageFile) -> Picture | None:
    """Return 16-bit colours kept plane by plane, which Pillow misreads; None for others.

    Parameters
    ----------
    file : binary file
        The whole file.
    image : ImageFile
        The same, opened by Pillow.
    """
    tags: Any = getattr(image, "tag_v2", {})
    planar = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == _PAIR
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    if not planar or len(bits) == 1 or bits[0] != 16:  # noqa: PLR2004 - bits
        return None
    return with_alpha(plain_tiff(file, tags, image.size), "TIFF")


def plain_tiff(file: BinaryIO, image_tags: Any, size: tuple[int, int]) -> NDArray[Any]:
    """Decode a TIFF's strips of 16-bit whole numbers or of floats, plain or deflated.

    Parameters
    ----------
    file : binary file
        The whole file.
    image_tags : mapping
        The page's tags, as Pillow parses them.
    size : (int, int)
        Width and height, which have been checked.

    Returns
    -------
    ndarray of uint16 or float32, shape (H, W, C)

    Raises
    ------
    OSError
        If the layout is another one, or the file is truncated.
    """
    dtype, channels = _sample(image_tags)
    order: Literal["<", ">"] = "<" if image_tags.prefix == b"II" else ">"
    count = size[0] * size[1] * channels
    data = _strips(file, image_tags, count * dtype.itemsize)
    held = min(len(data) // dtype.itemsize, count)
    samples = np.frombuffer(data, dtype.newbyteorder(order), held).astype(dtype)
    values = completed(samples, count)
    if image_tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == _PAIR:
        grid = np.moveaxis(values.reshape(channels, size[1], size[0]), 0, 2)
    else:
        grid = values.reshape(size[1], size[0], channels)
    if image_tags.get(TiffImagePlugin.PREDICTOR, 1) == _DIFFERENCES:
        return np.cumsum(grid, axis=1, dtype=dtype)
    return grid


def _sample(tags: Any) -> tuple[np.dtype[Any], int]:
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    kind = tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0]
    dtype = {(16, 1): np.uint16, (32, _FLOAT_FORMAT): np.float32}.get((bits[0], kind))
    predictor = tags.get(TiffImagePlugin.PREDICTOR, 1)
    plain = TiffImagePlugin.TILEWIDTH not in tags and tags.get(_ORIENTATION, 1) == 1
    known = predictor == 1 or (predictor == _DIFFERENCES and dtype is np.uint16)
    colours = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION)
    if dtype is None or not plain or not known or len(bits) not in _SAMPLES.get(colours, ()):
        raise OSError(f"TIFF of {len(bits)} × {bits[0]} bits in a layout that {NOT_READ}")
    return np.dtype(dtype), len(bits)


def _strips(file: BinaryIO, tags: Any, wanted: int) -> bytes:
    compression = tags.get(TiffImagePlugin.COMPRESSION, 1)
    parts = []
    lengths = tags.get(TiffImagePlugin.STRIPBYTECOUNTS, (wanted,))
    for offset, length in zip(tags[TiffImagePlugin.STRIPOFFSETS], lengths, strict=False):
        file.seek(offset)
        data = file.read(min(length, wanted))
        if compression in _DEFLATE:
            data = zlib.decompressobj().decompress(data, wanted)
        elif compression != 1:
            raise OSError(f"TIFF of this depth with compression {compression} {NOT_READ}")
        parts.append(data)
    return b"".join(parts)


def open_deep_tiff(file: BinaryIO, label: str, reading: ReadPolicy) -> Document | None:
    """Read a TIFF of float colours or of 16 bits with alpha, which Pillow does not know.

    Returns
    -------
    Document or None
        None where it is none of them.

    Raises
    ------
    ImageError
        If it has more pixels than the limit.
    OSError
        If it is damaged, or in a layout that is not read.
    """
    file.seek(0)
    header = file.read(8)
    if header[:4] not in (b"II*\x00", b"MM\x00*"):
        return None
    tags = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(tags.next)
    tags.load(file)
    if tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))[0] not in _DEEP:
        return None
    if reading.frame or tags.next:
        raise ImageError(f"{label}: expected one page at this depth, got more: split them")
    size = (int(tags[TiffImagePlugin.IMAGEWIDTH]), int(tags[TiffImagePlugin.IMAGELENGTH]))
    Counter(reading.max_pixels, label).add(*size)
    values = plain_tiff(file, tags, size)
    return Document(
        (with_alpha(values, "TIFF"),), mode="F" if values.dtype == np.float32 else "I;16"
    )

"""Colours of 16 bits and of floats, which Pillow reads with 8 bits or not at all."""

import sys
import zlib
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageFile, TiffImagePlugin

from convcli.errors import ImageError
from convcli.images.limits import Counter, Reading, completed
from convcli.images.picture import Document, Picture

_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_PAIR = 2
_GRAY_ALPHA = "LA;16B"
_SUPPORTED = ("RGB;16", "RGBA;16", "RGBX;16")

_DEFLATE = (8, 32946)
_FLOAT_FORMAT = 3
_DEEP = (16, 32)
_DIFFERENCES = 2
_ORIENTATION = ExifTags.Base.Orientation
NOT_READ = "is not read here"
"""What the message on a deep TIFF ends in that is whole, but kept in an unusual way."""

_SAMPLES = {1: (1, 2), 2: (3, 4)}
"""How many values a pixel has, for photometric 1 (black is zero) and 2 (RGB)."""


def deep_rawmode(image: ImageFile.ImageFile) -> str | None:
    """Return how the file keeps 16-bit colours; None where it keeps none.

    Parameters
    ----------
    image : Image
        Opened, not yet decoded.
    """
    if not image.tile or image.mode not in ("RGB", "RGBA", "LA", "CMYK"):
        return None
    rawmode = _rawmode(image.tile[0].args)
    return rawmode if rawmode[:-1].endswith(";16") else None


def is_deep(rawmode: str) -> bool:
    """Say whether `decode_deep` can read such pixels with all of their bits."""
    return rawmode == _GRAY_ALPHA or rawmode[:-1] in _SUPPORTED


def low_bytes(image: ImageFile.ImageFile, rawmode: str) -> None:
    """Make an opened image decode the low bytes of its pixels, where the high ones are due.

    Pillow's decoders take the first byte of each big-endian pair and the second of each
    little-endian one. In the other byte order they take the other half.
    """
    if rawmode == _GRAY_ALPHA:
        # There is no other order of it, but its four bytes pass for red to alpha.
        image._mode = "RGBA"  # noqa: SLF001 - Pillow offers no other way
    other = "RGBA" if rawmode == _GRAY_ALPHA else rawmode[:-1] + _OTHER_ORDER[rawmode[-1]]
    image.tile = [
        tile._replace(args=_with_rawmode(tile.args, rawmode, other)) for tile in image.tile
    ]


def joined(high: NDArray[Any], low: NDArray[Any], rawmode: str, kind: str | None) -> Picture:
    """Return the 16-bit picture of its two halves, (H, W, C) each."""
    if rawmode == _GRAY_ALPHA:
        # The second decoding has both bytes of both.
        high, low = low[..., ::2], low[..., 1::2]
    return with_alpha(high.astype(np.uint16) * np.uint16(256) + low, kind)


def with_alpha(values: NDArray[Any], kind: str | None) -> Picture:
    """Return the picture of values whose last channel of 2 or 4 is alpha."""
    if values.shape[2] in (2, 4):
        return Picture(values[..., :-1], values[..., -1], kind)
    return Picture(values, None, kind)


def _rawmode(args: Any) -> str:
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _with_rawmode(args: Any, rawmode: str, other: str) -> Any:
    if isinstance(args, tuple):
        return tuple(other if part == rawmode else part for part in args)
    return other


def has_deep_planes(image: ImageFile.ImageFile) -> bool:
    """Say whether a TIFF keeps 16-bit colours plane by plane, which Pillow misreads."""
    tags = getattr(image, "tag_v2", {})
    planar = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == _PAIR
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    return planar and len(bits) > 1 and bits[0] == 16  # noqa: PLR2004 - bits


def deep_planes(file: BinaryIO, image: ImageFile.ImageFile) -> Picture:
    """Return the picture of such a TIFF."""
    tags: Any = getattr(image, "tag_v2")  # noqa: B009 - only TIFF images have it
    values = plain_tiff(file, tags, image.size)
    return with_alpha(values, "TIFF")


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


def open_deep_tiff(file: BinaryIO, label: str, reading: Reading) -> Document | None:
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

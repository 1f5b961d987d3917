"""The modes that Pillow reads, and what each is filtered as: one table."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, cast

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images.picture import Frame, Pixels, picture_of_samples
from convcli.images.policy import decoder_errors
from convcli.values import Record

_FEW_PIXELS = 2**20
"""Up to this size copies of an image do not matter."""

_PLAIN = ("L", "RGB")
"""Modes whose pixels follow the header of a PGM or PPM unchanged."""

_HEADER_BYTES = 64
"""More than the longest of those headers: a letter, a digit, three numbers."""

_STRIP_PIXELS = 2**16
"""Of 12 megapixels in colour: 17 ms. Strips of four times as many pixels, which fit no cache
and get fresh memory from the system each time, take 58 ms; of four times fewer, 24."""


class PillowMode(Record):
    """The mode to which pixels are converted before they are filtered, and what that means."""

    target: str
    about: str


_DEVICE = "the embedded profile turns it into sRGB; without one, Pillow's plain formula"

MODES: Mapping[str, PillowMode] = MappingProxyType(
    {
        "1": PillowMode("L", "black and white: 0 and 255"),
        "L": PillowMode("L", "8-bit grey"),
        "LA": PillowMode("LA", "8-bit grey with alpha"),
        "La": PillowMode("LA", "premultiplied: the grey is divided by alpha"),
        "P": PillowMode("RGB", "the palette's colours; RGBA where one of them is transparent"),
        "PA": PillowMode("RGBA", "the palette's colours with alpha"),
        "RGB": PillowMode("RGB", "8-bit colour"),
        "RGBA": PillowMode("RGBA", "8-bit colour with alpha"),
        "RGBa": PillowMode("RGBA", "premultiplied: the colours are divided by alpha"),
        "RGBX": PillowMode("RGB", "the fourth byte means nothing"),
        "CMYK": PillowMode("RGB", _DEVICE),
        "YCbCr": PillowMode("RGB", "ITU-R BT.601, as in JPEG"),
        "LAB": PillowMode("RGB", "CIE L*a*b* (D50) to sRGB"),
        "HSV": PillowMode("RGB", "a hue is an angle: it has no mean"),
        "I": PillowMode("I", "32-bit whole numbers, filtered as float64; PGM: 16-bit grey"),
        "I;16": PillowMode("I;16", "16-bit grey"),
        "I;16L": PillowMode("I;16", "16-bit grey"),
        "I;16B": PillowMode("I;16", "16-bit grey"),
        "I;16N": PillowMode("I;16", "16-bit grey"),
        "F": PillowMode("F", "32-bit floats, as they are"),
    }
)

_SIXTEEN_BIT = "I;16"
_TRANSPARENT = {"L": "LA", "RGB": "RGBA"}
_GRAY_AXES = 2


def picture_from(image: Image.Image, format_name: str | None, label: str) -> Frame:
    """Return the pixels of a decoded, upright image in a mode that can be filtered.

    A mode that is not in `MODES` raises ImageError, which begins with the label.
    """
    mode = MODES.get(image.mode)
    if mode is None:
        known = ", ".join(MODES)
        raise ImageError(
            f"{label}: expected pixels of a mode of {known}; got {image.mode}: convert it first"
        )
    if mode.target == _SIXTEEN_BIT or (mode.target == "I" and format_name == "PPM"):
        return _sixteen(np.asarray(image).astype(np.uint16), image, format_name)
    if mode.target in ("I", "F"):
        dtype = np.float64 if mode.target == "I" else np.float32
        return Frame(np.asarray(image).astype(dtype)[..., np.newaxis], None, format_name)
    samples = _pixels_of(_converted(image, mode.target))
    if samples.ndim == _GRAY_AXES:
        samples = samples[..., np.newaxis]
    return picture_of_samples(samples, format_name)


def _pixels_of(image: Image.Image) -> Pixels:
    """Return an image as an array, with few copies of a large one.

    Pillow makes two copies when NumPy asks for the pixels: of 12 megapixels in colour those
    take 72 MB beside the image and the array. A large image is therefore saved as a file in
    memory that is nothing but its pixels, where there is such a format, which takes 10 ms;
    or copied a strip at a time, in 16 ms.
    """
    if image.width * image.height <= _FEW_PIXELS:
        return np.asarray(image)
    return _saved(image) if image.mode in _PLAIN else _in_strips(image)


class _PixelFile:
    """A file in memory that ends with the pixels of a picture: `size` bytes."""

    def __init__(self, size: int) -> None:
        self._size, self._end = size, 0
        self._bytes = np.empty(size + _HEADER_BYTES, np.uint8)
        self._view = self._bytes.data

    def write(self, data: bytes) -> None:
        """Take the next part of the file."""
        start, self._end = self._end, self._end + len(data)
        self._view[start : self._end] = data

    def array(self) -> Pixels:
        """Return the pixels, flat."""
        return self._bytes[self._end - self._size : self._end]


def _saved(image: Image.Image) -> Pixels:
    """Save an image as PGM or PPM, and return the pixels of that file."""
    bands = len(image.getbands())
    file = _PixelFile(image.height * image.width * bands)
    image.save(cast("BinaryIO", file), "PPM")
    shape = (image.height, image.width, bands)
    return file.array().reshape(shape if bands > 1 else shape[:2])


def _in_strips(image: Image.Image) -> Pixels:
    rows = max(_STRIP_PIXELS // image.width, 1)
    first = np.asarray(image.crop((0, 0, image.width, rows)))
    whole = np.empty((image.height, *first.shape[1:]), first.dtype)
    whole[:rows] = first
    for y in range(rows, image.height, rows):
        whole[y : y + rows] = image.crop((0, y, image.width, min(y + rows, image.height)))
    return whole


def _sixteen(grid: Pixels, image: Image.Image, format_name: str | None) -> Frame:
    """Return 16-bit grey; the one value that the file calls transparent gets alpha 0."""
    clear = image.info.get("transparency")
    alpha = None
    if isinstance(clear, int):
        alpha = np.where(grid == clear, 0, 65_535).astype(np.uint16)
    return Frame(grid[..., np.newaxis], alpha, format_name)


def _converted(image: Image.Image, target: str) -> Image.Image:
    with decoder_errors():
        transparent = image.has_transparency_data
    if transparent:
        target = _TRANSPARENT.get(target, target)
    if image.mode == target:
        return image
    profile = image.info.get("icc_profile")
    by_profile = _by_profile(image, profile) if image.mode == "CMYK" and profile else None
    if by_profile is not None:
        return by_profile
    with decoder_errors():
        return image.convert(target)


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert a CMYK image to sRGB by its profile; return None where that is damaged."""
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None

"""The modes that Pillow reads, and what each is filtered as: one table."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, cast

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images.picture import Picture, Pixels
from convcli.values import Record

_FEW_PIXELS = 2**20
"""Up to which copies of an image do not matter."""

_STRIP_PIXELS = 2**16
"""Of 12 megapixels in colour: 17 ms; four times as many in a strip, which no cache holds and
whose memory comes from the system anew each time, take 58, four times fewer 24."""

_PLAIN = ("L", "RGB")
"""Modes whose pixels follow the header of a PGM or PPM as they are."""

_HEADER_BYTES = 64
"""More than the longest of those headers: a letter, a digit, three numbers."""


class Mode(Record):
    """What pixels of a mode become.

    Attributes
    ----------
    target : str
        Pillow's mode that they are converted to; the same where they are filtered as
        they are.
    about : str
        What that means.
    """

    target: str
    about: str


_DEVICE = "the embedded profile turns it into sRGB; without one, Pillow's plain formula"

MODES: Mapping[str, Mode] = MappingProxyType(
    {
        "1": Mode("L", "black and white: 0 and 255"),
        "L": Mode("L", "8-bit grey"),
        "LA": Mode("LA", "8-bit grey with alpha"),
        "La": Mode("LA", "premultiplied: the grey is divided by alpha"),
        "P": Mode("RGB", "the palette's colours; RGBA where one of them is transparent"),
        "PA": Mode("RGBA", "the palette's colours with alpha"),
        "RGB": Mode("RGB", "8-bit colour"),
        "RGBA": Mode("RGBA", "8-bit colour with alpha"),
        "RGBa": Mode("RGBA", "premultiplied: the colours are divided by alpha"),
        "RGBX": Mode("RGB", "the fourth byte means nothing"),
        "CMYK": Mode("RGB", _DEVICE),
        "YCbCr": Mode("RGB", "ITU-R BT.601, as in JPEG"),
        "LAB": Mode("RGB", "CIE L*a*b* (D50) to sRGB"),
        "HSV": Mode("RGB", "a hue is an angle: it has no mean"),
        "I": Mode("I", "32-bit whole numbers, filtered as float64; PGM: 16-bit grey"),
        "I;16": Mode("I;16", "16-bit grey"),
        "I;16L": Mode("I;16", "16-bit grey"),
        "I;16B": Mode("I;16", "16-bit grey"),
        "I;16N": Mode("I;16", "16-bit grey"),
        "F": Mode("F", "32-bit floats, as they are"),
    }
)

_SIXTEEN_BIT = "I;16"
_PROFILED = ("CMYK", "LAB")
_TRANSPARENT = {"L": "LA", "RGB": "RGBA"}
_GRAY_AXES = 2


def picture_from(image: Image.Image, kind: str | None, label: str) -> Picture:
    """Return the pixels of a decoded image, in a mode that can be filtered.

    Parameters
    ----------
    image : Image
        Decoded, upright.
    kind : str or None
        The name of its file format.
    label : str
        What messages call it.

    Returns
    -------
    Picture

    Raises
    ------
    ImageError
        If the mode is not in `MODES`.
    """
    mode = MODES.get(image.mode)
    if mode is None:
        known = ", ".join(MODES)
        raise ImageError(
            f"{label}: expected pixels of a mode of {known}; got {image.mode}: convert it first"
        )
    if mode.target == _SIXTEEN_BIT:
        return _sixteen(np.asarray(image).astype(np.uint16), image, kind)
    if mode.target == "I" and kind == "PPM":
        return _sixteen(np.asarray(image).astype(np.uint16), image, kind)
    if mode.target in ("I", "F"):
        dtype = np.float64 if mode.target == "I" else np.float32
        return Picture(np.asarray(image).astype(dtype)[..., np.newaxis], None, kind)
    target = mode.target
    if image.has_transparency_data:
        target = _TRANSPARENT.get(target, target)
    return _split(array_of(_converted(image, target)), target, kind)


def array_of(image: Image.Image) -> Pixels:
    """Return an image as an array.

    Pillow makes two copies of what it hands over: of 12 megapixels in colour those take
    72 MB beside the image and the array. A large image is therefore handed over in parts:
    as the file that is nothing but its pixels, where there is one, which takes 10 ms; a
    strip at a time otherwise, 16 ms.
    """
    if image.width * image.height <= _FEW_PIXELS:
        return np.asarray(image)
    return _streamed(image) if image.mode in _PLAIN else _in_strips(image)


class _Pixels:
    """A file in memory whose end is the pixels of a picture.

    Parameters
    ----------
    size : int
        Of the pixels, in bytes.
    """

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


def _streamed(image: Image.Image) -> Pixels:
    bands = len(image.getbands())
    file = _Pixels(image.height * image.width * bands)
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


def keeps_profile(mode: str) -> bool:
    """Say whether a picture of that mode is still described by its file's profile."""
    return mode not in _PROFILED


def _sixteen(grid: Pixels, image: Image.Image, kind: str | None) -> Picture:
    clear = image.info.get("transparency")
    alpha = None
    if isinstance(clear, int):
        alpha = np.where(grid == clear, 0, 65_535).astype(np.uint16)
    return Picture(grid[..., np.newaxis], alpha, kind)


def _split(array: Pixels, target: str, kind: str | None) -> Picture:
    if array.ndim == _GRAY_AXES:
        return Picture(array[..., np.newaxis], None, kind)
    if target.endswith("A"):
        return Picture(array[..., :-1], array[..., -1], kind)
    return Picture(array, None, kind)


def _converted(image: Image.Image, target: str) -> Image.Image:
    if image.mode == target:
        return image
    profile = image.info.get("icc_profile")
    through = _through(image, profile) if image.mode == "CMYK" and profile else None
    return image.convert(target) if through is None else through


def _through(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert a CMYK image to sRGB as its profile says; None where that is none."""
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None

"""The modes that Pillow reads, and what each is filtered as: one table."""

import io
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images.picture import Picture, Pixels
from convcli.records import Record

_STRIP_PIXELS = 2**16
"""Of 12 megapixels in colour: 17 ms; four times as many in a strip, which no cache holds and
whose memory comes from the system anew each time, take 58, four times fewer 24."""


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
    """Return an image as an array, a strip at a time.

    Pillow makes two copies of what it hands over: of 12 megapixels in colour those take
    72 MB beside the image and the array.
    """
    rows = max(_STRIP_PIXELS // image.width, 1)
    if image.height <= rows:
        return np.asarray(image)
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
    from PIL import ImageCms  # noqa: PLC0415 - few pictures are CMYK

    try:
        return ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None

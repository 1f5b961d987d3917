"""From a file or a pipe to a `Picture`."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from convcli.errors import ImageError
from convcli.images.picture import Picture

_DECODER_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on damaged files: each format has its own habits."""

_CONVERSIONS = {
    "1": "L",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}
"""Modes that are filtered in another one. A palette's depends on its transparency."""

_NATIVE = ("L", "LA", "RGB", "RGBA")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def read_picture(source: str | Path | BinaryIO, name: str | None = None) -> Picture:
    """Read a picture; its EXIF orientation is applied to the pixels.

    Parameters
    ----------
    source : str, Path or binary file
        A path, or an open stream (read to its end first: a pipe cannot seek).
    name : str, optional
        What messages call the stream.

    Returns
    -------
    Picture
        uint8, or uint16 for 16-bit grey. Bilevel becomes grey; palettes, CMYK, YCbCr
        and HSV become RGB.

    Raises
    ------
    ImageError
        If there is no such file, it holds no picture or a damaged one, or a mode that
        cannot be filtered.
    """
    label = name or str(source)
    try:
        if isinstance(source, str | Path):
            with Path(source).open("rb") as file:
                return _decode(file, label)
        return _decode(io.BytesIO(source.read()), label)
    except UnidentifiedImageError:
        raise ImageError(
            f"{label}: expected a picture, got something else: convert it to PNG first"
        ) from None
    except FileNotFoundError:
        raise ImageError(f"{label}: no such file: check the path") from None
    except IsADirectoryError:
        raise ImageError(
            f"{label}: expected a picture, got a folder: name a file in it"
        ) from None
    except PermissionError:
        raise ImageError(f"{label}: no permission to read it: check its mode") from None
    except _DECODER_FAULTS as error:
        fault = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{label}: the picture cannot be read: {fault}") from None


def _decode(file: BinaryIO, label: str) -> Picture:
    with warnings.catch_warnings():
        # Remarks on odd metadata or sizes are no fault of the pixels.
        warnings.simplefilter("ignore")
        with Image.open(file) as opened:
            kind = opened.format
            image = ImageOps.exif_transpose(opened)
            image.load()
    return _picture(image, kind, label)


def _picture(image: Image.Image, kind: str | None, label: str) -> Picture:
    if image.mode in _SIXTEEN_BIT:
        return Picture(np.asarray(image).astype(np.uint16)[..., np.newaxis], None, kind)
    mode = _CONVERSIONS.get(image.mode, image.mode)
    if image.has_transparency_data:
        mode = "LA" if image.mode in ("1", "L", "LA", "La") else "RGBA"
    elif image.mode == "P":
        mode = "RGB"
    if mode not in _NATIVE:
        raise ImageError(
            f"{label}: expected 8-bit grey or colour or 16-bit grey, got mode {image.mode}: "
            "convert it first"
        )
    array = np.asarray(image if image.mode == mode else image.convert(mode))
    if array.ndim == 2:  # noqa: PLR2004 - grey has no channel axis
        return Picture(array[..., np.newaxis], None, kind)
    if mode in ("LA", "RGBA"):
        return Picture(array[..., :-1], array[..., -1], kind)
    return Picture(array, None, kind)

"""From a `Picture` to a file or a pipe."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.errors import ImageError
from convcli.images.atomic import replacing
from convcli.images.picture import Picture, Pixels

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}}
"""Where Pillow's own default loses more than a filter's user expects."""

_PIPE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM")
"""Formats that keep what a filter makes, so that a pipe may go on in them."""

_OPAQUE_FORMATS = ("JPEG", "PPM", "BMP")
"""Common formats without transparency."""

_SIXTEEN_BIT_FORMATS = ("PNG", "TIFF", "PPM")
"""Formats to which Pillow writes 16-bit grey as it is."""


def format_for(target: str | Path) -> str:
    """Return Pillow's name of the format that a file name's suffix stands for.

    Raises
    ------
    ImageError
        If the suffix is missing or no picture format that can be written.

    Examples
    --------
    >>> format_for("edges.png")
    'PNG'
    """
    suffix = Path(target).suffix.lower()
    Image.preinit()
    if suffix not in Image.EXTENSION:
        Image.init()
    kind = Image.EXTENSION.get(suffix)
    if kind is None or kind not in Image.SAVE:
        got = f"the suffix '{suffix}'" if suffix else "no suffix"
        raise ImageError(
            f"{target}: expected a picture format that can be written, got {got}: "
            "name it .png, .jpg, .webp, .tif or .npy"
        )
    return kind


def pipe_format(source: str | None, picture: Picture) -> str:
    """Return the format for standard output: the input's where it keeps all, else PNG."""
    if source not in _PIPE_FORMATS or _obstacle(picture, source):
        return "PNG"
    return source


def write_picture(picture: Picture, target: str | Path | BinaryIO, kind: str) -> None:
    """Write a picture: complete, or not at all.

    Parameters
    ----------
    picture : Picture
        What to write.
    target : str, Path or binary file
        A path, which is replaced in one step, or an open stream.
    kind : str
        Pillow's name of the format.

    Raises
    ------
    ImageError
        If the format cannot hold the picture, or the target cannot be written.
    """
    label = target if isinstance(target, str | Path) else "standard output"
    obstacle = _obstacle(picture, kind)
    if obstacle:
        raise ImageError(f"{label}: {obstacle}")
    image = _image(picture, kind)
    if isinstance(target, str | Path):
        with replacing(target) as file:
            _save(image, file, kind, str(label))
        return
    buffer = io.BytesIO()
    _save(image, buffer, kind, str(label))
    target.write(buffer.getbuffer())
    target.flush()


def write_array(array: NDArray[Any], target: str | Path | BinaryIO) -> None:
    """Write an array as .npy: complete, or not at all.

    Raises
    ------
    ImageError
        If the target cannot be written.
    """
    if isinstance(target, str | Path):
        with replacing(target) as file:
            np.save(file, array, allow_pickle=False)
        return
    np.save(target, array, allow_pickle=False)


def _obstacle(picture: Picture, kind: str) -> str:
    """Say why the format cannot hold the picture; empty where it can."""
    sixteen = picture.pixels.dtype == np.uint16
    if sixteen and kind not in _SIXTEEN_BIT_FORMATS:
        return f"{kind} cannot hold 16 bits: write .png or .tif"
    if sixteen and (picture.channels > 1 or picture.alpha is not None):
        return "16 bits are written in grey only: use --gray, or write .npy"
    if kind in _OPAQUE_FORMATS and picture.alpha is not None and _is_translucent(picture.alpha):
        return f"{kind} cannot hold transparency: write .png, .webp or .tif"
    return ""


def _is_translucent(alpha: Pixels) -> bool:
    return bool((alpha != np.iinfo(alpha.dtype).max).any())


def _image(picture: Picture, kind: str) -> Image.Image:
    pixels = picture.pixels
    if picture.alpha is not None and kind not in _OPAQUE_FORMATS:
        pixels = np.dstack([pixels, picture.alpha])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _save(image: Image.Image, file: BinaryIO, kind: str, label: str) -> None:
    try:
        image.save(file, format=kind, **_SAVE_OPTIONS.get(kind, {}))
    except (ValueError, KeyError, TypeError, SystemError) as error:
        raise ImageError(f"{label}: {kind} cannot hold this picture: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise ImageError(f"{label}: {kind} cannot hold this picture: {error}") from None

"""Pictures for other programs in the same process: Pillow's images, and notebooks."""

import io
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.choices import Depth
from convcli.errors import ImageError
from convcli.images.codecs.pillow import image_of
from convcli.images.picture import Frame

_MOST_SHOWN = 1024
"""The longest side that a notebook is sent, in pixels."""


def pil_image(frame: Frame) -> Image.Image:
    """Return a picture as an image of Pillow's.

    Raises
    ------
    ImageError
        If Pillow has no mode for it: colours of 16 bits or floats, or an opacity beside them.
    """
    plain = frame.depth is Depth.EIGHT and frame.channels in (1, 3)
    if not plain and (frame.channels > 1 or frame.alpha is not None):
        raise ImageError(
            f"picture: expected 8 bits a channel, or one channel, got "
            f"{frame.channels} channels of {frame.pixels.dtype}: take numpy.asarray of it"
        )
    if frame.depth is Depth.FLOAT:
        return Image.fromarray(frame.pixels[..., 0].astype(np.float32))
    return image_of(frame)


def notebook_png(frame: Frame) -> bytes:
    """Return a PNG for a notebook: of 8 bits, with sides of at most 1024 pixels.

    16 bits are scaled to 8; of floats the smallest becomes black and the largest white.
    Channels other than 1 or 3 are shown as the first of them.
    """
    pixels = frame.pixels if frame.channels in (1, 3) else frame.pixels[..., :1]
    alpha = None if frame.alpha is None else _eight_bits(frame.alpha, frame.depth)
    image = image_of(Frame(_eight_bits(pixels, frame.depth), alpha))
    image.thumbnail((_MOST_SHOWN, _MOST_SHOWN))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def is_pil_image(value: object) -> TypeGuard[Image.Image]:
    """Tell whether a value is an image of Pillow's."""
    return isinstance(value, Image.Image)


def file_of_image(image: Image.Image) -> io.BytesIO:
    """Return the file that Pillow would save an image to, so that it is read like any file."""
    buffer = io.BytesIO()
    plain = image.convert("RGBA") if image.mode == "PA" else image
    exif, profile = image.getexif(), image.info.get("icc_profile")
    plain.save(buffer, "TIFF", exif=exif, **({"icc_profile": profile} if profile else {}))
    buffer.seek(0)
    return buffer


def _eight_bits(values: NDArray[Any], depth: Depth) -> NDArray[Any]:
    if depth is Depth.EIGHT:
        return values
    if depth is Depth.SIXTEEN:
        return (values // 257).astype(np.uint8)
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    low, high = finite.min(), finite.max()
    scaled: NDArray[np.uint8] = np.rint((finite - low) * (255 / (high - low or 1))).astype(
        np.uint8
    )
    return scaled

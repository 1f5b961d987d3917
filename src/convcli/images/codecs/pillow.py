"""One picture through one of Pillow's encoders."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images.metadata import save_settings
from convcli.images.picture import Metadata, Picture
from convcli.images.policy import FAULTS

_FAULTS = (*FAULTS, SystemError)
"""What Pillow's encoders raise on what they cannot hold: each has its own habits."""


def image_of(picture: Picture) -> Image.Image:
    """Return a picture of 8 bits, or of 16 bits or floats in grey, as Pillow's own."""
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    return Image.fromarray(
        np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    )


def encoded(
    picture: Picture,
    kind: str,
    metadata: Metadata,
    settings: Mapping[str, Any],
    rest: Sequence[Picture] = (),
) -> memoryview:
    """Return a picture, and the frames after it, as the bytes of a file.

    Parameters
    ----------
    picture : Picture
        Of a depth that Pillow encodes.
    kind : str
        Pillow's name of the format.
    metadata : Metadata
        What is held of it, is written.
    settings : mapping
        What the encoder is told beside.
    rest : sequence of Picture
        Further frames.

    Raises
    ------
    ImageError
        If the encoder refuses the picture.
    """
    buffer = io.BytesIO()
    encode(picture, buffer, kind, metadata, settings=settings, rest=rest)
    return buffer.getbuffer()


def encode(
    picture: Picture,
    file: Any,
    kind: str,
    metadata: Metadata,
    *,
    settings: Mapping[str, Any],
    rest: Sequence[Picture] = (),
) -> None:
    """Write a picture, and the frames after it, to what has the methods that its format needs.

    Parameters, errors
    ------------------
    As for `encoded`. For PNG the file needs a ``write`` only.
    """
    options = {**settings, **save_settings(metadata, kind, picture.channels, picture.shape)}
    if rest:
        options |= {"save_all": True, "append_images": [image_of(frame) for frame in rest]}
    try:
        image_of(picture).save(file, format=kind, **options)
    except _FAULTS as error:
        fault = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{kind} cannot hold this picture: {fault}") from None

"""Colours of 16 bits, which Pillow reads with 8."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from convcli.images.picture import Picture

_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_GRAY_ALPHA = "LA;16B"
_SUPPORTED = ("RGB;16", "RGBA;16", "RGBX;16")

NOT_READ = "is not read here"
"""What the message on a deep TIFF ends in that is whole, but kept in an unusual way."""


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

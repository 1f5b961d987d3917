"""Pixels and what their file said about them."""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[Any]

_LUMA = (19595, 38470, 7471)
"""ITU-R BT.601 luma (0.299, 0.587, 0.114) in 1/65536, as Pillow's mode L."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in memory.

    Attributes
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W, C)
        Colour channels: 1 (grey) or 3 (red, green, blue).
    alpha : ndarray, shape (H, W), or None
        Opacity, of the same dtype; None where the file has none.
    format : str or None
        Pillow's name of the file format that it came from.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    format: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Size (rows, columns), in pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """Colour channels, alpha not counted."""
        return int(self.pixels.shape[2])

    @property
    def white(self) -> int:
        """The largest value that a pixel can have: 255 or 65,535."""
        return int(np.iinfo(self.pixels.dtype).max)

    def gray(self) -> "Picture":
        """Return the picture in grey, by ITU-R BT.601 luma, rounded as Pillow does.

        Examples
        --------
        >>> red = np.array([[[255, 0, 0]]], dtype=np.uint8)
        >>> Picture(red).gray().pixels.tolist()
        [[[76]]]
        """
        if self.channels == 1:
            return self
        weighted = self.pixels.astype(np.uint32) @ np.array(_LUMA, np.uint32)
        luma = ((weighted + 0x8000) >> 16).astype(self.pixels.dtype)
        return replace(self, pixels=luma[..., np.newaxis])

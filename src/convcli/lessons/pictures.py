"""Where the lessons take pictures from, and small things that they share about them."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.images.picture import Picture
from convcli.images.policy import ReadPolicy
from convcli.pipeline.files import read_source
from convcli.storage.atomic import replacing

_READING = ReadPolicy(frame=0)
_SHOWN = 7
"""The most rows and columns of a kernel that are shown."""


def read_picture_at(source: str, reading: ReadPolicy = _READING) -> Picture:
    """Read the picture of a path, or of standard input where it is ``-``: the first.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    return read_source(source, reading).frames[0]


def json_number(value: float) -> float | None:
    """Return a number that JSON has: None where it is not finite."""
    return value if math.isfinite(value) else None


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values that have a colour: 0 for those that are NaN or infinite."""
    return np.where(np.isfinite(values), values, 0.0)


def differences(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far apart two arrays are: two NaNs, or two equal infinities, not at all.

    Examples
    --------
    >>> nan, inf = float("nan"), float("inf")
    >>> differences(np.array([1, nan, inf, 3]), np.array([4, nan, inf, nan])).tolist()
    [3.0, 0.0, 0.0, nan]
    """
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    apart = np.zeros(same.shape)
    np.subtract(one, other, where=~same, out=apart, dtype=np.float64)
    return np.abs(apart)


def grey_colors(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return greys, shape (…, 3), for levels from 0 (black) to 1 (white)."""
    greys = np.rint(255 * np.clip(finite(levels), 0, 1)).astype(np.uint8)
    return np.repeat(greys[..., np.newaxis], 3, axis=-1)


def middle(length: int) -> slice:
    """Return the middle of an axis of a kernel that is too long to be shown."""
    start = max(length - _SHOWN, 0) // 2
    return slice(start, min(start + _SHOWN, length))


def read_values(
    source: str, reading: ReadPolicy = _READING, *, gray: bool = False
) -> NDArray[Any]:
    """Read the colours of a picture, or an array from a .npy, shape (H, W, C).

    Raises
    ------
    ImageError
        If there is no picture and no such array.
    """
    picture = read_picture_at(source, reading)
    return (picture.gray() if gray else picture).pixels


def write_json(document: dict[str, Any], target: str) -> None:
    """Write a JSON file: complete, or not at all.

    Raises
    ------
    ImageError
        If it cannot be written.
    """
    with replacing(target) as file:
        file.write(json.dumps(document, indent=1).encode() + b"\n")

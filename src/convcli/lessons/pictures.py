"""What the lessons share: comparing and colouring numbers, and writing JSON."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError
from convcli.storage.atomic import replacing

_SHOWN = 7  # the most rows and columns of a kernel that are shown


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values with 0 in place of NaN and infinity, which have no colour."""
    return np.where(np.isfinite(values), values, 0.0)


def differences(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return absolute differences of two arrays; two NaNs or equal infinities differ by 0."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    apart = np.zeros(same.shape)
    np.subtract(one, other, where=~same, out=apart, dtype=np.float64)
    return np.abs(apart)


def grey_colors(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return greys, shape (…, 3), for levels from 0 (black) to 1 (white)."""
    greys = np.rint(255 * np.clip(finite(levels), 0, 1)).astype(np.uint8)
    return np.repeat(greys[..., np.newaxis], 3, axis=-1)


def middle(length: int, most: int = _SHOWN) -> slice:
    """Return the part of a kernel's axis that is shown: its middle, at most `most` long."""
    most = max(most, 1)
    start = max(length - most, 0) // 2
    return slice(start, min(start + most, length))


def square_around(
    shape: tuple[int, int], at: tuple[int, int] | None, cells: int
) -> tuple[slice, slice]:
    """Return a square of `cells` rows around `at` (row, column), or the picture's middle."""
    height, width = shape
    row, column = at or (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise GeometryError(
            f"at: expected a pixel of the picture, x 0 to {width - 1} and y 0 to {height - 1}; "
            f"got {column},{row}: choose one inside"
        )
    top, left = (
        max(min(place - cells // 2, size - cells), 0)
        for place, size in ((row, height), (column, width))
    )
    return slice(top, top + cells), slice(left, left + cells)


def write_json(document: dict[str, Any], target: str) -> None:
    """Write a JSON file completely, or not at all."""
    with replacing(target) as file:
        file.write(json.dumps(document, indent=1).encode() + b"\n")

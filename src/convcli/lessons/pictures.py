"""What the lessons share: numbers beyond the edge, compared and coloured; writing JSON."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import AnyBorder, Fill, Padder, Places
from convcli.choices import RED_BLUE, Depth
from convcli.errors import OptionError, fail
from convcli.geometry.window import Pair
from convcli.images.picture import Frame
from convcli.storage.atomic import replacing

_PALE = RED_BLUE[1:-1]  # without the dark ends: digits stay readable on all
_SHOWN = 7  # the most rows and columns of a kernel that are shown


def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values with 0 in place of NaN and infinity, which have no colour."""
    return np.where(np.isfinite(values), values, 0.0)


def brightest(frame: Frame) -> int:
    """Return what a drawing shows as white: 255, 65,535, or the largest pixel of a matrix."""
    if frame.depth is not Depth.FLOAT:
        return frame.white
    largest = float(finite(frame.pixels).max(initial=0))
    return max(math.ceil(largest), 1)


def beyond(
    values: NDArray[Any], border: AnyBorder, rows: Places, columns: Places, fill: Fill = (0.0,)
) -> NDArray[Any]:
    """Return the values at some rows and columns, also beyond the edge, of (H, W) or (H, W, C).

    `Border.ODD` makes float64 of whole numbers.
    """
    padder = Padder((values.shape[0], values.shape[1]), ((0, 0), (0, 0)), border, fill)
    return padder.at(lambda *part: values[part], rows, columns)


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


def diverging_colors(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return pale colours, shape (…, 3): blue for -1, near-white for 0, red for 1."""
    places, knots = (levels + 1) / 2 * (len(_PALE) - 1), range(len(_PALE))
    channels = [np.interp(places, knots, each) for each in zip(*_PALE, strict=True)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


def middle(length: int, most: int = _SHOWN) -> slice:
    """Return the part of a kernel's axis that is shown: its middle, at most `most` long."""
    most = max(most, 1)
    start = max(length - most, 0) // 2
    return slice(start, min(start + most, length))


def check_inside(at: Pair, shape: Pair, noun: str) -> None:
    """Refuse a place (row, column) that is none of the pixels of the `noun`."""
    (row, column), (height, width) = at, shape
    if not (0 <= row < height and 0 <= column < width):
        inside = f"x 0 to {width - 1} and y 0 to {height - 1}"
        fault = f"expected a pixel of the {noun}, {inside}; got {column},{row}"
        fail("at", fault, "choose one inside", OptionError)


def square_around(shape: Pair, at: Pair | None, cells: int) -> tuple[slice, slice]:
    """Return a square of `cells` rows around `at` (row, column), or the picture's middle."""
    at = at or (shape[0] // 2, shape[1] // 2)
    check_inside(at, shape, "picture")
    top, left = (
        max(min(place - cells // 2, size - cells), 0)
        for place, size in zip(at, shape, strict=True)
    )
    return slice(top, top + cells), slice(left, left + cells)


def write_json(document: dict[str, Any], target: str) -> None:
    """Write a JSON file completely, or not at all."""
    with replacing(target) as file:
        file.write(json.dumps(document, indent=1).encode() + b"\n")

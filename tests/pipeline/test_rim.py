"""The report says where the zeros beyond the edge are seen in the result."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli

SOBEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def shows(kernel: Any, pixels: Any, **options: Any) -> bool | None:
    """Tell what the report says of the rim."""
    picture = np.asarray(pixels, np.uint8)
    return convcli.apply(kernel, picture, **options).report.rim


FLAT = np.full((8, 9), 200, np.uint8)


@pytest.mark.parametrize(
    ("kernel", "pixels", "options", "expected"),
    [
        ("box:3", FLAT, {}, True),
        ("sobel-x", FLAT, {}, True),
        ("sobel", FLAT, {}, True),
        ("box:3", FLAT, {"border": "replicate"}, False),
        ("sobel-x", FLAT, {"border": "wrap"}, False),
        ("box:3", FLAT, {"padding": "valid"}, False),
        ("box:3", FLAT * 0, {}, False),
        ("sobel-x", FLAT * 0, {}, False),
        ("identity", FLAT, {}, False),
        (["sobel-x", "box:3"], FLAT, {}, True),
    ],
)
def test_the_rim(kernel: Any, pixels: Any, options: dict[str, Any], *, expected: bool) -> None:
    assert shows(kernel, pixels, **options) is expected


def test_black_edges_hide_it() -> None:
    pixels = np.pad(FLAT, 2)
    assert not shows("box:3", pixels)
    assert not shows("sobel-x", pixels)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_where_the_largest_answer_is(seed: int) -> None:
    pixels: NDArray[np.uint8] = (
        np.random.default_rng(seed).integers(0, 256, (12, 12)).astype(np.uint8)
    )
    answers = np.abs(ndimage.correlate(pixels.astype(float), SOBEL_X, mode="constant"))
    inner = answers[1:-1, 1:-1].max()
    assert shows("sobel-x", pixels) is bool(answers.max() > inner or _in_rim(answers))


def _in_rim(answers: NDArray[np.float64]) -> bool:
    rim = answers.copy()
    rim[1:-1, 1:-1] = 0
    return bool(rim.max() == answers.max())

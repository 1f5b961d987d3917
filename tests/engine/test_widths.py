"""Widths: values of a program in the smallest integers that hold them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.engine.program import in_integers, program_for
from convcli.kernels.kernel import Kernel

EXTREMES = [np.full((40, 50), 255, np.uint8), np.zeros((40, 50), np.uint8)]


def names(weights: NDArray[np.int64], limits: tuple[float, float]) -> list[str]:
    typed = in_integers(
        program_for(Kernel(weights), weights), (weights.shape[0], weights.shape[1]), limits
    )
    assert typed is not None
    return [kind.name for kind in typed.types]


def test_sobel_needs_16_bits_only() -> None:
    """-1020 to 1020."""
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    assert set(names(sobel, (0, 255))) == {"int16"}


def test_the_last_sums_of_a_large_box_need_32_bits() -> None:
    """8 rows of 31 pixels of 255 are 63,240, 16 are 126,480."""
    found = names(np.ones((31, 31), np.int64), (0, 255))
    assert found[0] == "uint16"
    assert found[-1] == "int32"
    assert set(found) == {"uint16", "int32"}


def test_sums_beyond_32_bits_are_refused() -> None:
    weights = np.full((3, 3), 2**20)
    assert in_integers(program_for(Kernel(weights), weights), (3, 3), (0, 65_535)) is None


@pytest.mark.parametrize("size", [16, 17, 31, 45])
@pytest.mark.parametrize("image", [*EXTREMES, None])
def test_boxes_are_exact(size: int, image: NDArray[np.uint8] | None) -> None:
    if image is None:
        image = np.random.default_rng(size).integers(0, 256, (90, 70), np.uint8)
    ones = np.ones((size, size), np.int64)
    expected = ndimage.correlate(image.astype(np.int64), ones, mode="constant", origin=0)
    pad = (size // 2, size - 1 - size // 2)
    found = convcli.correlate(image, ones, padding=(pad, pad), dtype=np.int32)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_mixed_signs_are_exact(sign: int) -> None:
    """A ring: a large box less a small one, whose sums leave 16 bits on the way."""
    ring = np.ones((21, 21), np.int64)
    ring[5:16, 5:16] = -3
    image = np.random.default_rng(5).integers(0, 256, (60, 64), np.uint8)
    image[20:40, 20:44] = 255
    expected = ndimage.correlate(image.astype(np.int64), sign * ring, mode="constant")
    found = convcli.correlate(image, sign * ring, padding="same", dtype=np.int32)
    assert np.array_equal(found, expected)

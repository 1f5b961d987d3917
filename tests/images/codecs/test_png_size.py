"""PNG without a level asked for: no larger than zlib's level 4 makes it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convcli.images.picture import Frame
from convcli.images.write import write_picture
from support.commands import PHOTOS


def photograph() -> NDArray[np.uint8]:
    return np.asarray(Image.open(PHOTOS / "coffee.png").convert("RGB"))


def writing() -> NDArray[np.uint8]:
    """Letters repeat, which only a search finds."""
    page = Image.new("RGB", (600, 400), "white")
    for y in range(0, 400, 16):
        ImageDraw.Draw(page).text((5, y), "the same words again and again " * 3, fill="black")
    return np.asarray(page)


def pattern() -> NDArray[np.uint8]:
    tile = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    return np.tile(tile, (20, 30, 1))


def size_by_pillow(pixels: NDArray[np.uint8]) -> int:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return len(buffer.getvalue())


@pytest.mark.parametrize("make", [writing, pattern])
def test_what_repeats_is_searched(
    make: Callable[[], NDArray[np.uint8]], tmp_path: Path
) -> None:
    pixels = make()
    write_picture(Frame(pixels), tmp_path / "out.png", "PNG")
    assert (tmp_path / "out.png").stat().st_size <= 1.02 * size_by_pillow(pixels)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), pixels)


def test_a_photograph_is_smaller_without_a_search(tmp_path: Path) -> None:
    pixels = photograph()
    write_picture(Frame(pixels), tmp_path / "out.png", "PNG")
    assert (tmp_path / "out.png").stat().st_size < size_by_pillow(pixels)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), pixels)


@pytest.mark.parametrize("height", [1, 3, 40])
def test_few_rows_are_enough_to_tell(height: int, tmp_path: Path) -> None:
    pixels = photograph()[:height]
    alpha = np.full(pixels.shape[:2], 200, np.uint8)
    write_picture(Frame(pixels, alpha), tmp_path / "out.png", "PNG")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png"))[..., :3], pixels)

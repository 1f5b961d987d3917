"""A picture in memory: its grey."""

import numpy as np
from PIL import Image

from convcli.images.picture import Frame

GREY = np.array([[0, 1, 2], [100, 254, 255]], np.uint8)
ALPHA = np.array([[255, 128, 0], [1, 2, 3]], np.uint8)


def test_grey_by_luma_equals_pillow() -> None:
    colours = np.random.default_rng(4).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L"))
    gray = Frame(colours, ALPHA, "PNG").gray()
    np.testing.assert_array_equal(gray.pixels[..., 0], expected, strict=True)
    assert gray.alpha is ALPHA
    assert gray.format == "PNG"


def test_grey_of_16_bits_by_hand() -> None:
    """0.299·65,535 = 19,595 and 0.587·40,000 + 0.114·1,000 = 23,594."""
    colours = np.array([[[65_535, 0, 0], [0, 40_000, 1_000]]], np.uint16)
    assert Frame(colours).gray().pixels.tolist() == [[[19_595], [23_594]]]


def test_white_stays_white_in_grey() -> None:
    for dtype in (np.uint8, np.uint16):
        white = np.iinfo(dtype).max
        assert (Frame(np.full((1, 1, 3), white, dtype)).gray().pixels == white).all()


def test_grey_stays_as_it_is() -> None:
    picture = Frame(GREY[..., np.newaxis])
    assert picture.gray() is picture

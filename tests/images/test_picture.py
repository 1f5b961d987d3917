"""A picture in memory: its grey, its ground, its light; its copies, and its numbers as text."""

import numpy as np
from PIL import Image

from convcli.images.codecs.numbers import matrix_bytes
from convcli.images.codecs.tiff import mean_of, shrunk
from convcli.images.drawing import diverging, spelled
from convcli.images.picture import Frame, from_linear, to_linear

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


def test_a_translucent_grey_on_white_is_rounded_half_up() -> None:
    half = Frame(np.array([[[100]]], np.uint8), np.array([[51]], np.uint8))
    assert half.on((255, 255, 255)).pixels.tolist() == [[[224]]]  # 100/5 + 255 · 4/5


def test_pure_red_has_the_luma_of_bt_601() -> None:
    assert Frame(np.array([[[255, 0, 0]]], np.uint8)).gray().pixels.tolist() == [[[76]]]


def test_half_of_the_light_is_the_code_188() -> None:
    light = to_linear(np.array([0, 188, 255], np.uint8), 255)
    np.testing.assert_allclose(light, [0, 128.2, 255], atol=0.1)
    codes = from_linear(np.array([0.0, 127.5, 255.0]), 255)
    np.testing.assert_allclose(codes, [0, 187.5, 255], atol=0.1)


def test_copies_are_means_of_squares_that_may_be_smaller_at_an_end() -> None:
    assert shrunk(np.array([[[1], [3], [9]]], np.uint8), 2).tolist() == [[[2], [9]]]
    values = np.array([[1, 2, 9], [3, 4, 11]], np.uint8)
    assert mean_of(values, (2, 2)).tolist() == [[2, 10]]  # 2.5 is rounded to even


def test_numbers_as_text_have_the_fewest_digits() -> None:
    assert matrix_bytes(np.array([[1.0, 0.5]]), "CSV") == b"1,0.5\n"
    assert matrix_bytes(np.array([[2]]), "JSON") == b"[[2]]\n"


def test_drawings_spell_signs_that_their_font_lacks_and_are_pale_at_zero() -> None:
    assert spelled("2π·σx·σy, 45° → Ré") == "2*pi*sigma_x*sigma_y, 45 deg -> Re"
    assert diverging(0.0) == (247, 247, 247)

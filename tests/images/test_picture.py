"""A picture in memory: its grey, its ground, its light; and its numbers as text."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.cli.app import main
from convcli.errors import ImageError
from convcli.images.codecs.numbers import matrix_bytes
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


def test_any_number_of_channels_is_laid_on_grey_and_on_nothing_else() -> None:
    opacity = np.array([[51]], np.uint8)
    for channels in (2, 4):
        frame = Frame(np.full((1, 1, channels), 100, np.uint8), opacity)
        assert frame.on((255, 255, 255)).pixels.tolist() == [[[224] * channels]]
        with pytest.raises(ImageError, match=f"a grey background for {channels} channels, got"):
            frame.on((255, 0, 0))


def test_pure_red_has_the_luma_of_bt_601() -> None:
    assert Frame(np.array([[[255, 0, 0]]], np.uint8)).gray().pixels.tolist() == [[[76]]]


def test_half_of_the_light_is_the_code_188() -> None:
    light = to_linear(np.array([0, 188, 255], np.uint8), 255)
    np.testing.assert_allclose(light, [0, 128.2, 255], atol=0.1)
    codes = from_linear(np.array([0.0, 127.5, 255.0]), 255)
    np.testing.assert_allclose(codes, [0, 187.5, 255], atol=0.1)


def test_numbers_as_text_have_the_fewest_digits() -> None:
    assert matrix_bytes(np.array([[1.0, 0.5]]), "CSV") == b"1,0.5\n"
    assert matrix_bytes(np.array([[2]]), "JSON") == b"[[2]]\n"


@pytest.mark.parametrize(
    "words",
    [
        ["find", "sobel-x", "four.npy"],
        ["find", "image:four.npy", "grey.png"],
        ["animate", "sobel-x", "four.npy", "out.gif"],
        ["animate", "max:2", "four.npy", "out.gif"],
        ["learn", "four.npy", "four.npy", "--show-step"],
    ],
)
def test_what_needs_grey_refuses_channels_that_have_none(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of several plain channels is not taken in silence."""
    monkeypatch.chdir(tmp_path)
    np.save("four.npy", np.zeros((20, 20, 4), np.uint8))
    Image.new("L", (20, 20), 90).save("grey.png")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    wanted = "expected one channel, or red, green and blue, got 4: take one channel of it"
    assert f"four.npy: {wanted}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("out.*"))

"""Transparency laid on a colour before the picture is filtered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import convcli
from support.commands import done, load, mode, pixels, refusal, save


def laid(pixels: NDArray[Any], color: tuple[int, ...], white: int) -> list[Any]:
    """Return the mean of picture and colour by opacity, in exact numbers, rounded half up."""
    *rest, alpha = np.moveaxis(pixels.astype(object), -1, 0)
    mixed = [
        (2 * (channel * alpha + part * (white - alpha)) + white) // (2 * white)
        for channel, part in zip(rest, color, strict=True)
    ]
    values: list[Any] = np.stack(mixed, axis=-1).tolist()
    return values


@pytest.mark.parametrize(
    ("word", "color"),
    [
        ("white", (255, 255, 255)),
        ("#102030", (16, 32, 48)),
        ("#f80", (255, 136, 0)),
        ("Black", (0, 0, 0)),
    ],
)
def test_it_is_the_mean_by_opacity(
    tmp_path: Path, word: str, color: tuple[int, int, int]
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (70, 8, 4), np.uint8)
    save(tmp_path / "in.png", pixels)
    done("apply", "identity", tmp_path / "in.png", tmp_path / "o.png", "--background", word)
    assert load(tmp_path / "o.png") == laid(pixels, color, 255)
    assert mode(tmp_path / "o.png") == "RGB"
    done("pool", "max", tmp_path / "in.png", tmp_path / "p.png", "--background", word)
    flat = np.array(laid(pixels, color, 255)).reshape(35, 2, 4, 2, 3)
    assert load(tmp_path / "p.png") == flat.max(axis=(1, 3)).tolist()


def test_sixteen_bits_and_floats() -> None:
    pixels = np.random.default_rng(2).integers(0, 65_536, (5, 6, 4), np.uint16)
    pixels[0, 0], pixels[0, 1] = 65_535, 0
    result = convcli.apply("identity", pixels, background="#ff8000")
    assert result.array.tolist() == laid(pixels, (65_535, 128 * 257, 0), 65_535)
    floats = np.array([[[100.0, 51.0]]])
    picture = convcli.open(floats, alpha=True)
    assert convcli.apply("identity", picture, background="white").array == pytest.approx(224)


def test_grey_stays_grey_on_grey_only(tmp_path: Path) -> None:
    save(tmp_path / "in.png", [[[100, 51], [10, 255]]])
    for color, expected in (("white", [[224, 10]]), ("red", [[[224, 20, 20], [10, 10, 10]]])):
        done(
            "apply", "identity", tmp_path / "in.png", tmp_path / "o.png", "--background", color
        )
        assert load(tmp_path / "o.png") == expected


def test_it_comes_before_the_kernel(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, 1] = (255, 255, 255, 255)
    save(tmp_path / "in.png", pixels)
    words = (tmp_path / "in.png", tmp_path / "o.png", "--background", "white")
    done("apply", "box:1", *words)
    assert load(tmp_path / "o.png") == [[[255] * 3] * 3]
    done("apply", "[[-1,1]]", *words, "--border", "replicate")
    assert np.max(load(tmp_path / "o.png")) == 0


@pytest.mark.slow
def test_a_tiled_picture_is_the_same(tmp_path: Path) -> None:
    photo = np.random.default_rng(3).integers(0, 256, (600, 700, 4), np.uint8)
    save(tmp_path / "in.tif", photo)
    words = ("--background", "#336699", "-q")
    done("apply", "gaussian:2", tmp_path / "in.tif", tmp_path / "a.tif", *words)
    for name in ("b.tif", "b.zarr"):
        done("apply", "gaussian:2", tmp_path / "in.tif", tmp_path / name, *words, "--tiled")
    one, tiled = (pixels(tmp_path / name) for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(tiled, one)
    done("apply", "identity", tmp_path / "b.zarr", tmp_path / "c.tif", "-q")
    np.testing.assert_array_equal(pixels(tmp_path / "c.tif"), one)


@pytest.mark.parametrize("color", ["whit", "#12345", "rgb(1,2,3)", ""])
def test_what_is_no_colour_is_refused(color: str) -> None:
    line = refusal("apply", "box", "a.png", "b.png", "--background", color, status=2)
    assert "expected a colour (#rrggbb, #rgb, or black" in line
    with pytest.raises(convcli.OptionError, match="background: expected a colour"):
        convcli.apply("box", [[1]], background=color)


@pytest.mark.parametrize(
    "options", [{"background": "white"}, {"depth": 8, "range": "stretch"}, {"missing": "alpha"}]
)
def test_transparency_of_floats_from_0_to_1_is_told(options: dict[str, Any]) -> None:
    picture = np.ones((4, 4, 4), np.float32)
    warnings = convcli.apply("box:3", convcli.open(picture, alpha=True), **options).warnings
    assert [text for text in warnings if "goes from 0 to 255" in text]
    picture[..., 3] = 255
    warnings = convcli.apply("box:3", convcli.open(picture, alpha=True), **options).warnings
    assert not [text for text in warnings if "goes from 0 to 255" in text]

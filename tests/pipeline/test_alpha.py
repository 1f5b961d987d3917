"""Transparency: no dark fringes, no invisible pictures."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import convcli
from convcli.cli.app import main
from support.opening import opened


def apply(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, ["apply", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def shape(tmp_path: Path) -> Path:
    """A white disc on transparency, whose hidden colour is black."""
    rows, columns = np.mgrid[0:40, 0:40]
    disc = (rows - 20) ** 2 + (columns - 20) ** 2 < 100
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[disc] = 255
    Image.fromarray(pixels).save(tmp_path / "disc.png")
    return tmp_path / "disc.png"


def read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    pixels = np.asarray(opened(path))
    return pixels[..., :-1], pixels[..., -1]


@pytest.mark.parametrize("kernel", ["gaussian:2", "box:5", "sharpen", "motion.json"])
def test_a_white_shape_stays_white(kernel: str, shape: Path, tmp_path: Path) -> None:
    if kernel.endswith(".json"):
        kernel = "[[1,1,1,1,1]]"
    done = apply(kernel, shape, tmp_path / "out.png")
    assert "alpha (premultiply)" in done.output
    colours, alpha = read(tmp_path / "out.png")
    assert (colours[alpha > 0] == 255).all()
    assert 0 < (alpha > 0).mean() < 1


def test_opacity_is_filtered_as_scipy_filters_it(shape: Path, tmp_path: Path) -> None:
    apply("gaussian:2", shape, tmp_path / "out.png")
    before = read(shape)[1].astype(np.float64)
    wanted = np.rint(ndimage.gaussian_filter(before, 2, mode="constant"))
    assert np.abs(read(tmp_path / "out.png")[1] - wanted).max() <= 1


def test_colours_are_the_mean_by_opacity(tmp_path: Path) -> None:
    # Red at full, green at one fifth: (255·1 + 0·0.2)/(1 + 0.2) = 212.5 and 51·…: by hand.
    pixels = np.array([[[255, 0, 0, 255], [0, 255, 0, 51], [0, 0, 255, 0]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    apply("box:3", tmp_path / "in.png", tmp_path / "out.tif", "--depth", "float")
    middle = tmp_path / "out.npy"
    apply("identity", tmp_path / "out.tif", middle, "--alpha", "keep")
    np.testing.assert_allclose(np.load(middle)[0, 1], [212.5, 42.5, 0], rtol=1e-5)


def test_a_brighter_kernel_makes_nothing_more_opaque(tmp_path: Path) -> None:
    pixels = np.full((5, 5, 4), 100, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    apply("[[2]]", tmp_path / "in.png", tmp_path / "out.png")
    assert np.asarray(opened(tmp_path / "out.png"))[2, 2].tolist() == [200, 200, 200, 100]


def test_a_bias_is_added_to_the_colour_not_to_its_part(tmp_path: Path) -> None:
    pixels = np.full((5, 5, 4), 100, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    apply("[[1]]", tmp_path / "in.png", tmp_path / "out.png", "--bias", "7")
    assert np.asarray(opened(tmp_path / "out.png"))[2, 2].tolist() == [107, 107, 107, 100]


@pytest.mark.parametrize("kernel", ["sobel-x", "laplacian8", "edge"])
def test_kernels_that_sum_to_0_keep_the_opacity(
    kernel: str, shape: Path, tmp_path: Path
) -> None:
    apply(kernel, shape, tmp_path / "out.png")
    np.testing.assert_array_equal(read(tmp_path / "out.png")[1], read(shape)[1])


def test_so_do_they_where_premultiplied_is_asked_for(shape: Path, tmp_path: Path) -> None:
    apply("sobel-x", shape, tmp_path / "out.png", "--alpha", "premultiply")
    np.testing.assert_array_equal(read(tmp_path / "out.png")[1], read(shape)[1])


def test_keep_filters_hidden_colours_too(shape: Path, tmp_path: Path) -> None:
    apply("box:3", shape, tmp_path / "out.png", "--alpha", "keep")
    colours, alpha = read(tmp_path / "out.png")
    np.testing.assert_array_equal(alpha, read(shape)[1])
    assert colours[alpha > 0].min() < 255, "the fringe that premultiplying avoids"


def test_filter_treats_opacity_as_a_colour(shape: Path, tmp_path: Path) -> None:
    apply("sobel-x", shape, tmp_path / "out.png", "--alpha", "filter")
    before = read(shape)[1].astype(np.float64)
    weights = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    wanted = ndimage.correlate(before, weights, mode="constant").clip(0, 255)
    np.testing.assert_array_equal(read(tmp_path / "out.png")[1], wanted)


def test_an_opaque_picture_is_filtered_as_one_without_alpha(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    opaque = np.dstack([colours, np.full((9, 9), 255, np.uint8)])
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    Image.fromarray(opaque).save(tmp_path / "rgba.png")
    apply("box:3", tmp_path / "rgb.png", tmp_path / "a.png")
    apply("box:3", tmp_path / "rgba.png", tmp_path / "b.png")
    got, alpha = read(tmp_path / "b.png")
    np.testing.assert_array_equal(got, np.asarray(opened(tmp_path / "a.png")))
    assert (alpha == 255).all()


def test_16_bit_transparency_is_filtered_alike(tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 6), 500, np.uint16)).save(tmp_path / "in.png", transparency=1)
    done = apply("box:3", tmp_path / "in.png", tmp_path / "out.png")
    assert "16 bits" in done.output


def test_a_bank_keeps_the_opacity_and_says_so(shape: Path, tmp_path: Path) -> None:
    bank = "[[[[1]],[[0]],[[0]]]]"
    apply(bank, shape, tmp_path / "out.png")
    np.testing.assert_array_equal(read(tmp_path / "out.png")[1], read(shape)[1])
    refused = CliRunner().invoke(
        main, ["apply", bank, str(shape), str(tmp_path / "o.png"), "--alpha", "filter"]
    )
    assert refused.exit_code == 1
    assert "use --alpha keep" in refused.output


def test_a_chain_is_premultiplied_throughout(shape: Path, tmp_path: Path) -> None:
    apply("box:3", shape, tmp_path / "out.png", "--then", "gaussian:1", "--stride", "2")
    colours, alpha = read(tmp_path / "out.png")
    assert colours.shape == (10, 10, 3)
    assert (colours[alpha > 0] == 255).all()


def test_a_kernel_whose_sum_no_float32_holds_leaves_the_opacity_as_it_is() -> None:
    pixels = np.full((3, 4, 4), [10, 20, 30, 128], np.uint8)
    result = convcli.apply([[1e-100]], pixels)
    assert result.array[..., :3].tolist() == np.zeros((3, 4, 3)).tolist()
    assert (result.array[..., 3] == 128).all()

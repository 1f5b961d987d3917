"""Mixing with the original: values from scikit-image, and from the rule done by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.filters import unsharp_mask

import convcli
from convcli.cli.app import main
from convcli.errors import ConvcliError
from support.commands import done

RNG = np.random.default_rng(17)
PHOTOS: dict[str, NDArray[Any]] = {
    "grey": RNG.integers(0, 256, (24, 33), dtype=np.uint8),
    "colour": RNG.integers(0, 256, (24, 33, 3), dtype=np.uint8),
    "alpha": RNG.integers(0, 256, (24, 33, 4), dtype=np.uint8),
    "16 bits": RNG.integers(0, 65536, (24, 33, 3), dtype=np.uint16),
    "floats": RNG.random((24, 33)).astype(np.float32),
}
KINDS = pytest.mark.parametrize("kind", PHOTOS)


def test_amount_is_that_of_unsharp_masking() -> None:
    photo = RNG.random((30, 40))
    blur = ndimage.gaussian_filter(np.eye(1, 17 * 17, 144).reshape(17, 17), 2)
    expected = unsharp_mask(photo, radius=2, amount=1.5, preserve_range=True)
    sharp = 2 * np.eye(1, 17 * 17, 144).reshape(17, 17) - blur
    ours = convcli.apply(sharp, photo, amount=1.5, border="symmetric").array
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@KINDS
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("kernel", ["gaussian:2", "sobel-x", "sharpen"])
def test_amounts_0_and_1_are_the_original_and_the_filter(
    kind: str, kernel: str, *, linear: bool
) -> None:
    photo = PHOTOS[kind]
    if linear and kind == "floats":
        with pytest.raises(ConvcliError, match="which have no transfer function"):
            convcli.apply(kernel, photo, linear=True, amount=0)
        return
    filtered = convcli.apply(kernel, photo, linear=linear).array
    white = np.ones(photo.shape[:2], bool)
    np.testing.assert_array_equal(
        convcli.apply(kernel, photo, linear=linear, amount=0).array, photo
    )
    np.testing.assert_array_equal(
        convcli.apply(kernel, photo, linear=linear, mask=white).array, filtered
    )


@KINDS
def test_a_region_is_filtered_and_the_rest_stays_bit_for_bit(kind: str) -> None:
    photo = PHOTOS[kind]
    filtered, expected = convcli.apply("gaussian:2", photo).array, photo.copy()
    if kind == "floats":
        expected = expected.astype(filtered.dtype)
    expected[6:12, 3:20] = filtered[6:12, 3:20]
    ours = convcli.apply("gaussian:2", photo, region="3,25%,17x25%").array
    np.testing.assert_array_equal(ours, expected)


def test_regions_side_by_side_make_the_whole() -> None:
    photo = PHOTOS["colour"]
    left = convcli.apply("box:5", photo, region="0,0,33.3%x100%").array
    right = convcli.apply("box:5", photo, region="33.3%,0,66.7%x100%").array
    whole = convcli.apply("box:5", photo).array
    np.testing.assert_array_equal(np.hstack([left[:, :11], right[:, 11:]]), whole)


def test_a_soft_mask_weighs_each_pixel_by_hand() -> None:
    row = np.array([[0, 100, 200, 100]], np.uint8)
    mask = np.array([[255, 51, 102, 0]], np.uint8)
    # The kernel answers 20 everywhere: 0+20, 100-80·0.2, 200-180·0.4, 100.
    ours = convcli.apply(convcli.Kernel([[0]], bias=(20,)), row, mask=mask).array
    assert ours.tolist() == [[20, 84, 128, 100]]


def test_a_threshold_keeps_small_differences() -> None:
    row = np.array([[10, 17, 12, 30]], np.uint8)
    ours = convcli.apply(convcli.Kernel([[0]], bias=(12,)), row, threshold=3, amount=2).array
    assert ours.tolist() == [[10, 7, 12, 0]]


def test_transparent_pixels_give_no_colour_to_a_mixture() -> None:
    pair = np.array([[[0, 0, 0, 0], [200, 100, 50, 255]]], np.uint8)
    ours = convcli.apply([[0, 0.5, 0.5]], pair, amount=0.5).array
    assert ours[0, 0].tolist() == [200, 100, 50, 64]


def test_channels_are_chosen_by_name_and_number() -> None:
    photo = PHOTOS["alpha"]
    filtered = convcli.apply("box", photo, alpha="filter").array
    for words, kept in (("g", [0, 2, 3]), ("0,a", [1, 2]), ([2], [0, 1, 3])):
        ours = convcli.apply("box", photo, alpha="filter", channels=words).array
        expected = filtered.copy()
        expected[..., kept] = photo[..., kept]
        np.testing.assert_array_equal(ours, expected)


def test_luma_adds_one_number_to_all_colours() -> None:
    photo = PHOTOS["16 bits"] // 2 + 16000
    ours = convcli.apply("box", photo, channels="luma", border="replicate").array
    luma = photo @ np.array([0.299, 0.587, 0.114])
    change = ndimage.uniform_filter(luma, 3, mode="nearest") - luma
    np.testing.assert_allclose(ours, np.rint(photo + change[..., np.newaxis]), atol=1)


def test_mixed_opacity_comes_down_to_8_bits_with_the_colours() -> None:
    photo = np.array([[[257 * 8, 0, 0, 65535], [257 * 8, 0, 0, 257 * 55]]], np.uint16)
    ours = convcli.apply([[0, 0.5, 0.5]], photo, depth=8, amount=0.5).array
    # Opacity 255 → filtered (255 + 55) / 2 = 155 → half way 205.
    assert ours[0, 0].tolist() == [8, 0, 0, 205]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"amount": 11}, "from 0 to 10"),
        ({"threshold": -1}, "at least 0"),
        ({"region": "5,5,100x2"}, "33 × 24 px"),
        ({"region": "5,5"}, "X,Y,WxH"),
        ({"channels": "x"}, "luma"),
        ({"channels": "a"}, "expected some of r, g, b"),
        ({"mask": np.zeros((2, 2), np.uint8)}, "33 × 24 px, got 2 × 2"),
        ({"mask": np.full((24, 33), 7.0)}, "from 0 to 1"),
        ({"amount": 0.5, "stride": 2}, "the picture's size"),
        ({"amount": 0.5, "colormap": "gray"}, "--colormap"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConvcliError, match=said):
        convcli.apply("box", PHOTOS["colour"], **options)


def test_a_picture_of_many_bands_has_no_luma() -> None:
    with pytest.raises(convcli.OptionError, match="got 5 channels"):
        convcli.apply("box", np.zeros((4, 4, 5)), channels="luma")


@pytest.mark.parametrize("tiled", [[], ["--tiled"]])
def test_a_mask_of_several_plain_channels_is_refused(tmp_path: Path, tiled: list[str]) -> None:
    """Its first channel is not taken in silence."""
    tifffile.imwrite(tmp_path / "in.tif", np.full((8, 9), 7, np.uint8))
    layout: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((8, 9, 4), np.uint8), **layout)
    words = ["apply", "box:3", "in.tif", "out.tif", "--mask", "m.tif", *tiled]
    result = CliRunner().invoke(main, [str(tmp_path / w) if ".tif" in w else w for w in words])
    assert (result.exit_code, (tmp_path / "out.tif").exists()) == (1, False)
    assert "m.tif: expected one channel, or red, green and blue, got 4: take" in result.stderr


@pytest.mark.parametrize("kind", ["colour", "alpha"])
def test_files_batches_and_tiles_equal_the_library(tmp_path: Path, kind: str) -> None:
    photo = np.tile(PHOTOS[kind], (30, 30, 1))
    mask = RNG.integers(0, 256, photo.shape[:2], dtype=np.uint8)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(photo).save(tmp_path / "in.tif")
    options: dict[str, Any] = {"amount": 1.5, "region": "10%,10%,80%x50%", "threshold": 2}
    words = [f"--{name}={value}" for name, value in options.items()]
    words.append(f"--mask={tmp_path / 'mask.png'}")
    expected = convcli.apply("box:7", tmp_path / "in.tif", mask=mask, **options).array
    done("apply", "box:7", tmp_path / "in.tif", tmp_path / "one.tif", *words)
    done("apply", "box:7", tmp_path / "in.tif", tmp_path / "tiles.tif", "--tiled", *words)
    done("apply", "box:7", tmp_path / "in.tif", "--out-dir", tmp_path / "many", *words)
    for name in ("one.tif", "tiles.tif", "many/in.tif"):
        np.testing.assert_array_equal(convcli.open(tmp_path / name).array, expected)


def test_a_chain_is_repeated_unrounded(tmp_path: Path) -> None:
    photo = PHOTOS["grey"]
    expected = photo.astype(np.float64)
    for _ in range(3):
        expected = ndimage.uniform_filter(expected, 3, mode="nearest")
    ours = convcli.apply("box", photo, times=3, border="replicate").array
    np.testing.assert_allclose(ours, expected, atol=0.5001)
    Image.fromarray(photo).save(tmp_path / "in.png")
    done("apply", "box", tmp_path / "in.png", tmp_path / "out.png", *("--times", "3"))
    thrice = convcli.apply(["box"] * 3, photo).array
    np.testing.assert_array_equal(convcli.open(tmp_path / "out.png").array, thrice)
    with pytest.raises(ConvcliError, match="whole number from 1 to 100"):
        convcli.apply("box", photo, times=0)

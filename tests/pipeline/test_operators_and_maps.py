"""Several kernels, one picture; directions, heat and sheets of maps."""

import colorsys
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from scipy import ndimage
from skimage import filters

import convcli
from convcli.cli.app import main
from convcli.kernels.spec import kernel_from
from support.references import KERNELS, OPERATORS, correlated, operated

RANDOM = np.random.default_rng(11)
GRAY: NDArray[np.uint8] = RANDOM.integers(0, 256, (24, 31), dtype=np.uint8)
BANK = RANDOM.normal(size=(5, 1, 3, 3))


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    path = tmp_path / "gray.png"
    Image.fromarray(GRAY).save(path)
    return path


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    path = tmp_path / "bank.npy"
    np.save(path, BANK)
    return path


def run(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def raw(tmp_path: Path, *words: object) -> NDArray[np.float32]:
    path = tmp_path / "raw.npy"
    result = run("apply", words[0], words[1], path, *words[2:])
    assert result.exit_code == 0, result.stderr
    return np.asarray(np.load(path))


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("name", OPERATORS)
def test_named_operators(name: str, gray: Path, tmp_path: Path) -> None:
    ours = raw(tmp_path, name, gray)
    np.testing.assert_allclose(ours, operated(GRAY, name), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "divisor"),
    [("sobel", 4), ("prewitt", 3), ("scharr", 16), ("farid", 1), ("roberts", 1)],
)
def test_scikit_images_operators_but_for_the_scale(
    name: str, divisor: int, gray: Path, tmp_path: Path
) -> None:
    theirs = getattr(filters, name)(GRAY.astype(float)) * divisor * math.sqrt(2)
    ours = raw(tmp_path, name, gray)
    np.testing.assert_allclose(ours[3:-3, 3:-3], theirs[3:-3, 3:-3], rtol=1e-5)


COMBINED: dict[str, Callable[[Any, Any], Any]] = {
    "magnitude": np.hypot,
    "max": np.maximum,
    "min": np.minimum,
    "sum": lambda x, y: x + y,
    "mean": lambda x, y: (x + y) / 2,
}


@pytest.mark.parametrize("how", COMBINED)
def test_combine(how: str, gray: Path, tmp_path: Path) -> None:
    ours = raw(tmp_path, "sobel-x+sobel-y", gray, "--combine", how)
    x, y = (correlated(GRAY, KERNELS[name]) for name in ("sobel-x", "sobel-y"))
    np.testing.assert_allclose(ours, COMBINED[how](x, y), rtol=1e-6, atol=1e-3)


def test_magnitude_is_what_joined_kernels_make(gray: Path, tmp_path: Path) -> None:
    joined = raw(tmp_path, "sobel-x+sobel-y", gray)
    np.testing.assert_array_equal(joined, raw(tmp_path, "sobel", gray))


def test_opencvs_magnitude_as_a_picture(gray: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run("apply", "sobel", gray, out, "--border", "reflect").exit_code == 0
    x, y = cv2.Sobel(GRAY, cv2.CV_64F, 1, 0), cv2.Sobel(GRAY, cv2.CV_64F, 0, 1)
    expected = np.clip(np.rint(cv2.magnitude(x, y)), 0, 255)
    np.testing.assert_array_equal(pixels_of(out), expected)


def test_kernels_of_different_sizes_without_padding(gray: Path, tmp_path: Path) -> None:
    ours = raw(tmp_path, "sobel5-x+sobel-y", gray, "-p", "valid", "--combine", "sum")
    whole = correlated(GRAY, KERNELS["sobel5-x"]) + correlated(GRAY, KERNELS["sobel-y"])
    np.testing.assert_allclose(ours, whole[2:-2, 2:-2], atol=1e-3)


def test_operators_in_a_chain_and_in_colour(tmp_path: Path) -> None:
    colour = RANDOM.integers(0, 256, (12, 13, 3), dtype=np.uint8)
    path = tmp_path / "colour.png"
    Image.fromarray(colour).save(path)
    ours = raw(tmp_path, "box", path, "--then", "sobel")
    for channel in range(3):
        soft = correlated(colour[..., channel], KERNELS["box"])
        x, y = (correlated(soft, KERNELS[name]) for name in ("sobel-x", "sobel-y"))
        np.testing.assert_allclose(ours[..., channel], np.hypot(x, y), rtol=1e-4, atol=1e-2)


def test_combine_needs_several(gray: Path, tmp_path: Path) -> None:
    result = run("apply", "sobel-x", gray, tmp_path / "o.png", "--combine", "max")
    assert result.exit_code == 2
    assert "expected several kernels, got one: join them as sobel-x+sobel-y" in result.stderr


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("combine", "expected"), [("sum", [np.nan, 0]), ("mean", [np.nan, 0])])
def test_infinities_are_combined_without_a_warning(combine: str, expected: list[float]) -> None:
    pixels = np.array([[np.inf, 2]])
    result = convcli.apply("[[1]]+[[-1]]", pixels, combine=combine, raw=True)
    np.testing.assert_array_equal(result.array, [expected])


# ------------------------------------------------------------------- directions


def ramp(angle: float) -> NDArray[np.uint8]:
    """A picture that gets brighter by 4 a pixel in a direction, counter-clockwise."""
    y, x = np.mgrid[:21, :21]
    turn = math.radians(angle)
    along = (x - 10) * math.cos(turn) - (y - 10) * math.sin(turn)
    return np.asarray(np.rint(128 + 4 * along), np.uint8)


@pytest.mark.parametrize("angle", range(0, 360, 30))
@pytest.mark.parametrize("name", ["sobel", "farid", "roberts", "kirsch", "frei-chen"])
def test_hue_is_the_direction(name: str, angle: int, tmp_path: Path) -> None:
    path, out = tmp_path / "ramp.png", tmp_path / "out.png"
    Image.fromarray(ramp(angle)).save(path)
    result = run("apply", name, path, out, "--direction", "--border", "replicate")
    assert result.exit_code == 0, result.stderr
    red, green, blue = pixels_of(out)[10, 10] / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    away = abs((360 * hue - angle + 180) % 360 - 180)
    # A ramp of whole numbers is a little bent.
    assert away < 12
    assert saturation > 0.9


def test_brightness_is_the_strength(gray: Path, tmp_path: Path) -> None:
    plain, hued = tmp_path / "plain.png", tmp_path / "hued.png"
    assert run("apply", "sobel", gray, plain).exit_code == 0
    assert run("apply", "sobel", gray, hued, "--direction").exit_code == 0
    np.testing.assert_array_equal(pixels_of(hued).max(axis=2), pixels_of(plain))


@pytest.mark.filterwarnings("error")
def test_no_direction_is_black_and_says_nothing(tmp_path: Path) -> None:
    numbers = np.add.outer(np.zeros(9, np.float32), np.linspace(0, 200, 9, dtype=np.float32))
    numbers[4, 4] = np.nan
    np.save(tmp_path / "in.npy", numbers)
    out = tmp_path / "out.png"
    result = run("apply", "sobel", tmp_path / "in.npy", out, "--direction")
    assert result.exit_code == 0, result.output
    ring = [(3, 3), (3, 4), (3, 5), (4, 3), (4, 5), (5, 3), (5, 4), (5, 5)]
    assert not any(pixels_of(out)[place].any() for place in ring)
    assert pixels_of(out)[1, 1:7].any(axis=1).all()


@pytest.mark.parametrize("tiled", [[], ["--tiled"]])
def test_the_strength_of_floats_from_0_to_1_is_stretched(
    tmp_path: Path, tiled: list[str]
) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.float32(GRAY / 255))
    hued = tmp_path / "hued.tif"
    result = run("apply", "sobel", tmp_path / "f.tif", hued, "--direction", *tiled)
    assert result.exit_code == 0
    strength = pixels_of(hued).max(axis=2)
    x, y = (ndimage.sobel(GRAY / 255, axis, mode="constant") for axis in (1, 0))
    expected = 255 / np.hypot(x, y).max() * np.hypot(x, y)
    np.testing.assert_allclose(strength, expected, atol=0.51)
    assert "floats keep" not in result.stderr


def test_an_even_slope_has_a_hue(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.add.outer(np.zeros(9), np.linspace(0, 1, 9)))
    words = (tmp_path / "in.npy", tmp_path / "out.png", "--direction", "--padding", "valid")
    assert run("apply", "sobel", *words).exit_code == 0
    assert (pixels_of(tmp_path / "out.png") == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("words", "warnings"),
    [
        (("--depth", "8"), 1),
        (("--depth", "16", "--range", "shift"), 1),
        (("--direction", "--range", "clip"), 1),
        (("--depth", "8", "--range", "stretch"), 0),
        (("--depth", "float"), 0),
    ],
)
@pytest.mark.parametrize("tiled", [[], ["--tiled"]])
def test_floats_that_fill_no_range_are_told(
    words: tuple[str, ...], warnings: int, tiled: list[str], tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "f.tif", np.float32(GRAY / 255))
    result = run("apply", "sobel", tmp_path / "f.tif", tmp_path / "o.tif", "-q", *words, *tiled)
    assert result.exit_code == 0
    assert result.stderr.count("floats keep their numbers") == warnings


def test_the_legend(gray: Path, tmp_path: Path) -> None:
    result = run("apply", "sobel", gray, tmp_path / "o.png", "--direction", "--json")
    legend = json.loads(result.stdout)["legend"]
    assert len(legend) == 8
    assert legend[0] == {"meaning": "→ brighter to the right", "rgb": [255, 0, 0]}
    assert legend[4] == {"meaning": "← brighter to the left", "rgb": [0, 255, 255]}
    shown = run("apply", "sobel", gray, tmp_path / "o.png", "--direction").stdout
    assert "↑ brighter above" in shown


def test_a_direction_of_colour_is_that_of_its_grey(tmp_path: Path) -> None:
    with Image.open(Path(__file__).parents[2] / "sample_images" / "chelsea.png") as photo:
        crop = photo.convert("RGB").crop((100, 60, 140, 90))
    crop.save(tmp_path / "c.png")
    crop.convert("L").save(tmp_path / "g.png")
    for name in ("c", "g"):
        words = ("apply", "scharr", tmp_path / f"{name}.png", tmp_path / f"{name}o.png")
        assert run(*words, "--direction").exit_code == 0
    np.testing.assert_array_equal(
        pixels_of(tmp_path / "co.png"), pixels_of(tmp_path / "go.png")
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sobel-x", "o.png"], "two directions, got fewer: use sobel"),
        (["sobel-x+prewitt-x", "o.png"], "two directions"),
        (["laplacian4+edge", "o.png"], "two directions"),
        (["sobel", "o.npy"], "raw floats: name a .png"),
        (["sobel", "o.png", "--colormap", "magma"], "a colour map: drop one"),
    ],
)
def test_no_direction(words: list[str], message: str, gray: Path, tmp_path: Path) -> None:
    result = run("apply", words[0], gray, tmp_path / words[1], *words[2:], "--direction")
    assert result.exit_code == (2 if "two directions" in message else 1)
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize("tiled", [[], ["--tiled"]])
def test_several_channels_have_no_one_direction(
    channels: int, tiled: list[str], tmp_path: Path
) -> None:
    """Of plain channels none is left out in silence; joined by a bank, all are seen."""
    pixels = RANDOM.integers(0, 64, (20, 24, channels), dtype=np.uint8)
    pixels[..., 1] *= 2
    path, out = tmp_path / "in.tif", tmp_path / "out.tif"
    extra: dict[str, Any] = {
        "planarconfig": "contig",
        "extrasamples": ["unspecified"] * (channels - 1),
    }
    tifffile.imwrite(path, pixels, photometric="minisblack", **extra)
    result = run("apply", "sobel", path, out, "--direction", *tiled)
    assert (result.exit_code, out.exists()) == (1, False)
    wanted = "--direction: expected one channel, or red, green and blue"
    assert f"{wanted}, got {channels}: join them first" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    second = [[[[1.0 * (number == 1)]] for number in range(channels)]]
    words = (json.dumps(second), path, out, "--then", "sobel", "--direction", *tiled)
    assert run("apply", *words).exit_code == 0
    plane = pixels[..., 1].astype(float)
    x, y = (ndimage.sobel(plane, axis, mode="constant") for axis in (1, 0))
    strength = pixels_of(out).max(axis=2)
    np.testing.assert_allclose(strength, np.minimum(np.hypot(x, y), 255), atol=0.51)


def test_a_kernel_that_has_no_direction_is_named_first(tmp_path: Path) -> None:
    """To join the channels, as the other message says, would not help it."""
    source = tmp_path / "in.npy"
    np.save(source, np.zeros((6, 7, 2), np.uint8))
    result = run("apply", "identity", source, tmp_path / "out.png", "--direction")
    assert result.exit_code == 2
    assert "identity: expected kernels that answer two directions" in result.stderr


def test_maps_of_a_bank_have_no_one_direction(bank: Path, gray: Path, tmp_path: Path) -> None:
    words = (bank, gray, tmp_path / "out.png", "--then", "sobel", "--direction")
    result = run("apply", *words)
    assert result.exit_code == 1
    assert "red, green and blue, got 5: join them first" in result.stderr


@pytest.mark.parametrize(("channels", "warnings"), [(1, 0), (2, 1), (3, 0), (4, 1)])
def test_gray_says_where_there_is_no_grey(channels: int, warnings: int, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros((5, 6, channels), np.uint8))
    result = run("apply", "box:3", tmp_path / "in.npy", tmp_path / "out.tif", "--gray", "-q")
    assert result.exit_code == 0
    told = "--gray is not used: only red, green and blue can be made grey"
    assert result.stderr.count(f"{told}, got {channels} channels") == warnings


# ------------------------------------------------------------------ output maps


def answers() -> NDArray[np.float64]:
    return np.dstack([correlated(GRAY, weights[0]) for weights in BANK])


def test_one_map(bank: Path, gray: Path, tmp_path: Path) -> None:
    ours = raw(tmp_path, bank, gray, "--map", 3)
    np.testing.assert_allclose(ours, answers()[..., 3], atol=1e-3)


def test_the_bias_of_one_map(tmp_path: Path, gray: Path) -> None:
    path = tmp_path / "biased.npz"
    np.savez(path, weight=BANK, bias=np.arange(5.0) * 10)
    ours = raw(tmp_path, f"{path}::weight", gray, "--map", 3)
    np.testing.assert_allclose(ours, answers()[..., 3] + 30, atol=1e-3)


def test_a_file_for_each_map(bank: Path, gray: Path, tmp_path: Path) -> None:
    result = run("apply", bank, gray, tmp_path / "m-{map}.png", "--range", "clip")
    assert result.exit_code == 0, result.stderr
    for number in range(5):
        expected = np.clip(np.rint(answers()[..., number]), 0, 255)
        np.testing.assert_array_equal(pixels_of(tmp_path / f"m-{number}.png"), expected)


def test_a_page_for_each_map(bank: Path, gray: Path, tmp_path: Path) -> None:
    out = tmp_path / "maps.tif"
    result = run("apply", bank, gray, out, "--range", "clip")
    assert result.exit_code == 0, result.stderr
    with Image.open(out) as pages:
        found = [np.asarray(page) for page in ImageSequence.Iterator(pages)]
    expected = np.clip(np.rint(answers()), 0, 255)
    np.testing.assert_array_equal(np.dstack(found), expected)


def test_relu(bank: Path, gray: Path, tmp_path: Path) -> None:
    ours = raw(tmp_path, bank, gray, "--relu")
    np.testing.assert_allclose(ours, np.maximum(answers(), 0), atol=1e-3)
    out = tmp_path / "o.png"
    result = run("apply", "sobel-x", gray, out, "--relu", "--json")
    expected = np.clip(correlated(GRAY, KERNELS["sobel-x"]), 0, 255)
    np.testing.assert_array_equal(pixels_of(out), expected)
    assert json.loads(result.stdout)["raw"]["min"] == 0


def test_a_sheet(bank: Path, gray: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert run("apply", bank, gray, out, "--sheet", "--range", "clip").exit_code == 0
    sheet = pixels_of(out)
    assert sheet.shape[2] == 3
    found = 0
    for number in range(5):
        tile = np.clip(np.rint(answers()[..., number]), 0, 255).astype(np.uint8)
        result = cv2.matchTemplate(sheet[..., 0], tile, cv2.TM_SQDIFF)
        # It adds up squares in float32: a different tile is millions away.
        found += bool((result < 1000).any())
    assert found == 5
    # Beside the tiles there are labels: dark ink on white.
    assert (sheet == 32).any()
    assert (sheet[0] == 255).all()


def test_a_sheet_has_the_upper_8_of_16_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64), 0x8000, np.uint16)).save(tmp_path / "in.png")
    done = run("apply", "identity", tmp_path / "in.png", tmp_path / "out.png", "--sheet")
    assert done.exit_code == 0
    assert (pixels_of(tmp_path / "out.png") == 0x80).all(axis=2).sum() >= 64 * 64


@pytest.mark.slow
def test_a_large_sheet_is_scaled_down(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.fromarray(np.zeros((450, 800), np.uint8)).save(large)
    np.save(tmp_path / "b.npy", np.ones((64, 1, 1, 1)))
    out = tmp_path / "sheet.png"
    assert run("apply", tmp_path / "b.npy", large, out, "--sheet").exit_code == 0
    with Image.open(out) as image:
        assert max(image.size) < 64 * 330 / 4  # eight in a row would be 6,400 wide


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["o.png"], "expected 1 or 3 output maps for one picture, got 5"),
        (["o.png", "--map", "5"], "expected a map from 0 to 4, got 5"),
        (["o.npy", "--sheet"], "expected one picture for --sheet"),
        (["o-{map}.png", "--sheet"], "expected one picture for --sheet"),
        (["o.png", "--colormap", "gray"], "expected 1 output map "),
    ],
)
def test_maps_that_do_not_fit(
    words: list[str], message: str, bank: Path, gray: Path, tmp_path: Path
) -> None:
    result = run("apply", bank, gray, tmp_path / words[0], *words[1:])
    assert result.exit_code == (2 if "--map" in words else 1)
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_map_of_a_single_kernel(gray: Path, tmp_path: Path) -> None:
    result = run("apply", "sobel-x", gray, tmp_path / "o.png", "--map", 0)
    assert result.exit_code == 2
    assert "expected a filter bank to take map 0 of" in result.stderr


# -------------------------------------------------------------------- colour maps


@pytest.mark.parametrize(
    ("name", "table"),
    [("viridis", cv2.COLORMAP_VIRIDIS), ("magma", cv2.COLORMAP_MAGMA)],
)
def test_colours_are_opencvs(name: str, table: int, tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path, out = tmp_path / "ramp.png", tmp_path / "o.png"
    Image.fromarray(values).save(path)
    assert run("apply", "identity", path, out, "--colormap", name).exit_code == 0
    theirs = cv2.applyColorMap(values, table)[..., ::-1]
    assert np.abs(pixels_of(out).astype(int) - theirs).max() <= 1


def test_zero_is_in_the_middle_of_a_diverging_map(tmp_path: Path) -> None:
    path, out = tmp_path / "step.png", tmp_path / "o.png"
    Image.fromarray(np.array([[0, 0, 0, 90, 90, 90, 60, 60, 60]], np.uint8)).save(path)
    words = ("apply", "[[-1,0,1]]", path, out, "--border", "replicate")
    result = run(*words, "--colormap", "diverging", "--json")
    report = json.loads(result.stdout)
    assert report["range"] == "balance"
    assert [one["meaning"] for one in report["legend"]] == ["-90", "0", "90"]
    colours = pixels_of(out)[0]
    assert colours[0].tolist() == [247, 247, 247] == colours[8].tolist()
    assert colours[2].tolist() == [103, 0, 31]
    red, _, blue = colours[6].astype(int)
    assert blue > red


def test_heat_stretches_from_the_smallest_to_the_largest(gray: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.png"
    assert run("apply", "sobel-x", gray, out, "--colormap", "gray").exit_code == 0
    values = correlated(GRAY, KERNELS["sobel-x"])
    expected = np.rint((values - values.min()) * 255 / np.ptp(values))
    assert np.abs(pixels_of(out)[..., 0] - expected).max() <= 1
    assert pixels_of(out).min() == 0
    assert pixels_of(out).max() == 255


def test_coloured_maps_on_a_sheet_and_in_files(bank: Path, gray: Path, tmp_path: Path) -> None:
    for target in ("s.png", "m-{map}.png", "t.tif"):
        more = ["--sheet"] if target == "s.png" else []
        result = run("apply", bank, gray, tmp_path / target, "--colormap", "viridis", *more)
        assert result.exit_code == 0, result.stderr
    assert pixels_of(tmp_path / "m-4.png").shape == (24, 31, 3)
    with Image.open(tmp_path / "t.tif") as pages:
        assert getattr(pages, "n_frames", 1) == 5
        assert pages.mode == "RGB"


def test_a_flat_map_has_one_colour(tmp_path: Path) -> None:
    path, out = tmp_path / "flat.png", tmp_path / "o.png"
    Image.fromarray(np.full((5, 5), 70, np.uint8)).save(path)
    for name in ("diverging", "viridis"):
        words = ("apply", "laplacian4", path, out, "--border", "replicate")
        assert run(*words, "--colormap", name).exit_code == 0
        assert len(np.unique(pixels_of(out).reshape(-1, 3), axis=0)) == 1


def test_sixteen_bits_in_heat(tmp_path: Path) -> None:
    path, out = tmp_path / "deep.png", tmp_path / "o.png"
    Image.fromarray(np.array([[0, 30001, 60000]], np.uint16)).save(path)
    assert run("apply", "identity", path, out, "--colormap", "gray").exit_code == 0
    assert pixels_of(out)[0, :, 0].tolist() == [0, 128, 255]


def test_patches_find_themselves(tmp_path: Path) -> None:
    kernel_pixels = GRAY[5:12, 8:17]
    Image.fromarray(kernel_pixels).save(tmp_path / "patch.png")
    kernel = kernel_from(f"image:{tmp_path / 'patch.png'}")
    assert kernel.weights.sum() == pytest.approx(0, abs=1e-12)
    assert (kernel.weights**2).sum() == pytest.approx(1)
    expected = kernel_pixels - kernel_pixels.mean()
    np.testing.assert_allclose(kernel.weights * np.linalg.norm(expected), expected, atol=1e-9)

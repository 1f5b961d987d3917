"""Missing pixels: values from astropy's `convolve`, and by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import convcli
from convcli.cli.app import main
from convcli.errors import ConvcliError
from support.commands import done

RNG = np.random.default_rng(8)
KERNEL = [[1, 2, 1], [2, 5, 3], [0, 1, 2]]
BOUNDARIES = {"zero": "fill", "replicate": "extend", "wrap": "wrap"}


def run(*line: object) -> None:
    main([str(word) for word in line], prog_name="convcli", standalone_mode=False)


def holes(shape: tuple[int, int], share: float = 0.3) -> NDArray[np.float64]:
    values: NDArray[np.float64] = RNG.random(shape) * 100
    values[RNG.random(shape) < share] = np.nan
    return values


def astropy(values: NDArray[Any], boundary: str, *, normalize: bool) -> NDArray[Any]:
    """Convolve with astropy, which flips its kernel, and takes half a second to load."""
    from astropy.convolution import convolve

    kernel = np.array(KERNEL, np.float64)[::-1, ::-1]
    answer: NDArray[Any] = convolve(
        values, kernel, boundary=boundary, nan_treatment="interpolate",
        normalize_kernel=normalize,
    )  # fmt: skip
    return answer


@pytest.mark.parametrize("border", BOUNDARIES)
@pytest.mark.filterwarnings("ignore:nan_treatment='interpolate'")
def test_equals_astropy(border: str) -> None:
    values = holes((24, 31))
    ours = convcli.apply(KERNEL, values, border=border, missing="nan").array
    theirs = astropy(values, BOUNDARIES[border], normalize=False)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    mean = convcli.apply(np.array(KERNEL) / 17, values, border=border, missing="nan").array
    np.testing.assert_allclose(
        mean, astropy(values, BOUNDARIES[border], normalize=True), rtol=1e-9
    )


def test_pixels_without_any_known_neighbour_stay_missing() -> None:
    values = np.full((9, 9), np.nan)
    values[0, 0] = 7
    out = convcli.apply("box:3", values, border="replicate", missing="nan").array
    assert np.argwhere(~np.isnan(out)).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    np.testing.assert_allclose(out[:2, :2], 7)


def test_least_share_of_weights() -> None:
    values = np.array([[1.0, np.nan, 3.0, np.nan, np.nan]])
    third = convcli.apply("[[1,1,1]]", values, padding=(0, 1), border="replicate",
                          missing="nan", missing_min=0.5)  # fmt: skip
    np.testing.assert_allclose(third.array, [[3, 6, np.nan, np.nan, np.nan]])


@pytest.mark.parametrize("method", ["separable", "fft"])
def test_a_small_known_share_keeps_its_digits(method: str) -> None:
    values = np.full((9, 9), np.nan, np.float32)
    values[4, 0] = 525
    out = convcli.apply("gaussian:1", values, missing="nan", border="wrap", method=method).array
    assert out.dtype == np.float32
    # The least known share, 2 rows and 4 columns off, is 7e-6.
    np.testing.assert_allclose(out[2:7, :5], 525, rtol=1e-6)


def test_bias_is_not_scaled_and_other_steps_go_on() -> None:
    values = np.array([[2.0, np.nan, 4.0]])
    out = convcli.apply("[[1,1,1]]", values, missing="nan", bias=10, border="replicate")
    np.testing.assert_allclose(out.array, [[16, 19, 22]])
    twice = convcli.apply("[[1,1,1]]", values, missing="nan", border="replicate", then="[[1]]")
    np.testing.assert_allclose(twice.array, [[6, 9, 12]])


def test_a_number_in_all_channels_is_missing() -> None:
    photo = np.array([[[0, 0, 0], [0, 9, 9], [30, 60, 90]]], np.uint8)
    out = convcli.apply("[[1,1,1]]", photo, missing=0, range="clip", border="replicate")
    assert out.array.tolist() == [[[0, 27, 27], [45, 104, 148], [60, 129, 189]]]
    all_missing = np.full((3, 3, 3), 5, np.uint8)
    assert (convcli.apply("box:3", all_missing, missing="5", border="edge").array == 5).all()


def test_transparent_pixels_are_filled() -> None:
    photo = np.zeros((1, 5, 4), np.uint8)
    photo[0, 0] = (10, 20, 30, 255)
    out = convcli.apply("[[1,1,1]]", photo, range="clip", missing="alpha", border="edge")
    assert out.array[0, :2].tolist() == [[30, 60, 90, 255]] * 2
    assert out.array[0, 2:].tolist() == [[0, 0, 0, 0]] * 3


def test_translucent_pixels_stay_translucent() -> None:
    photo = np.full((1, 4, 4), 100, np.uint8)
    photo[0, :, 3] = (255, 128, 0, 0)
    out = convcli.apply("box:3", photo, missing="alpha", border="replicate")
    assert out.array[0, :, 3].tolist() == [255, 128, 255, 0]


@pytest.mark.parametrize("border", ["zero", "wrap", "odd", "constant:7"])
@pytest.mark.parametrize("kernels", [["gaussian:2", "box:3"], ["box:3", "relu", "pool:2"]])
def test_tiles_equal_the_whole(border: str, kernels: list[str], tmp_path: Path) -> None:
    values = holes((80, 90), 0.5).astype(np.float32)
    tifffile.imwrite(tmp_path / "in.tif", values, tile=(16, 16))
    options: dict[str, Any] = {"border": border, "missing": "nan", "missing_min": 0.2}
    convcli.apply_tiled(kernels, tmp_path / "in.tif", tmp_path / "out.tif", **options)
    whole = convcli.apply(kernels, values, **options).array
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), whole)


def test_batches_and_frames_equal_single_runs(tmp_path: Path) -> None:
    frames = [RNG.integers(0, 3, (8, 9), dtype=np.uint8) * 100 for _ in range(3)]
    tifffile.imwrite(tmp_path / "in.tif", np.stack(frames), photometric="minisblack")
    line = ("--missing", "0", "--border", "replicate", "--quiet")
    done("apply", "box:3", tmp_path / "in.tif", "--out-dir", tmp_path / "out", *line)
    pages = tifffile.imread(tmp_path / "out" / "in.tif")
    for page, frame in zip(pages, frames, strict=True):
        one = convcli.apply("box:3", frame, missing=0, border="replicate").array
        np.testing.assert_array_equal(page, one)


def test_without_missing_pixels_nothing_changes() -> None:
    photo = RNG.integers(1, 256, (30, 40, 3), dtype=np.uint8)
    plain = convcli.apply("gaussian:1.5", photo).array
    np.testing.assert_array_equal(convcli.apply("gaussian:1.5", photo, missing=0).array, plain)


def test_refusals(tmp_path: Path) -> None:
    photo = RNG.integers(0, 256, (6, 7), dtype=np.uint8)
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("box", {"missing": "nan"}, "expected floats"),
        ("box", {"missing": "alpha"}, "transparency"),
        ("box", {"missing": 300}, "0 to 255"),
        ("box", {"missing": 0, "amount": 0.5}, "no mixing"),
        ("box", {"missing": "some"}, "nan, alpha or a number"),
        ("box", {"missing_min": 2}, "from 0 to 1"),
    ]
    for kernel, options, words in refused:
        with pytest.raises(ConvcliError, match=words):
            convcli.apply(kernel, photo, **options)
    with pytest.raises(ConvcliError, match="explain"):
        convcli.explain("box", photo, (0, 0), missing=0)
    Image.fromarray(photo).save(tmp_path / "in.png")
    with pytest.raises(ConvcliError, match="0 to 255"):
        run("apply", "box", tmp_path / "in.png", tmp_path / "out.png", "--missing", 300)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("kernel", ["sobel-x", "[[0,-1,0],[-1,4,-1],[0,-1,0]]"])
def test_an_edge_beside_a_missing_pixel_is_not_known(kernel: str) -> None:
    """Weights whose sum is 0 cannot be scaled up: all that are not 0 must be known."""
    photo = RNG.uniform(1, 2, (9, 11)).astype(np.float32)
    photo[4, 5] = np.nan
    filtered = convcli.apply(kernel, photo, missing="nan").array
    operand = convcli.kernel(kernel)
    assert isinstance(operand, convcli.Kernel)
    weights = operand.weights
    for row in range(1, 8):
        for column in range(1, 10):
            seen = photo[row - 1 : row + 2, column - 1 : column + 2]
            expected = (seen[weights != 0] * weights[weights != 0]).sum()
            np.testing.assert_allclose(filtered[row, column], expected, atol=1e-5)


def test_numbers_that_stand_for_missing_pixels_follow_the_depth() -> None:
    photo = np.full((5, 5), 40_000, np.uint16)
    photo[:4, :4] = 65_535
    eight = convcli.apply("box:3", photo, missing=65_535, depth="8", border="replicate").array
    assert eight[0, 0] == 255
    assert eight[3, 3] == eight[4, 4] == round(40_000 / 257)


@pytest.mark.parametrize("tiled", [[], ["--tiled"]])
@pytest.mark.parametrize("words", [["--range", "stretch", "--depth", "8"], ["--direction"]])
def test_infinity_does_not_darken_the_others(
    words: list[str], tiled: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32) ** 2, (30, 1))
    paths = [tmp_path / name for name in ("a.tif", "b.tif", "ao.tif", "bo.tif")]
    tifffile.imwrite(paths[0], ramp)
    ramp[2, 3] = np.inf
    tifffile.imwrite(paths[1], ramp)
    for number in (0, 1):
        run("apply", "sobel", *paths[number::2], *words, *tiled, "-q", "--border", "reflect")
    assert capfd.readouterr().err == ""
    clean, spoilt = tifffile.imread(paths[2]), tifffile.imread(paths[3])
    np.testing.assert_array_equal(clean[:, 5:], spoilt[:, 5:])
    assert clean[:, 5:].max() == 255


def test_a_square_beyond_all_floats_is_clipped_without_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / "in.png")
    run("apply", "sobel", tmp_path / "in.png", tmp_path / "out.png", "--bias", "1e30", "-q")
    assert capfd.readouterr().err == ""
    assert (np.asarray(Image.open(tmp_path / "out.png")) == 255).all()


def test_numbers_that_are_missing_are_read_from_text(tmp_path: Path) -> None:
    for name, text in (("in.csv", "1,2,3\n4,nan,6\n7,8,9\n"), ("in.json", "[[1,null,3]]")):
        (tmp_path / name).write_text(text)
    words = ("--missing", "nan", "--border", "replicate", "-q")
    run("apply", "box:3", tmp_path / "in.csv", tmp_path / "out.csv", *words)
    assert np.loadtxt(tmp_path / "out.csv", delimiter=",")[1, 1] == pytest.approx(5)
    run("apply", "box:3", tmp_path / "in.json", tmp_path / "out.json", *words)
    assert json.loads((tmp_path / "out.json").read_text())[0][1] == pytest.approx(2)

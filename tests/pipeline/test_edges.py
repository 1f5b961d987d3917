"""Borders with a constant, with a mode for each axis, and odd: values from `numpy.pad`."""

import io
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import convcli
from convcli.borders import Padder, fill_of
from convcli.choices import Border, Edges
from convcli.cli.app import main
from convcli.errors import ConvcliError
from convcli.lessons.pictures import beyond
from convcli.settings import border_from

RNG = np.random.default_rng(5)
PHOTO = RNG.integers(0, 256, (19, 23, 3), dtype=np.uint8)
KERNEL = [[1, 2, 3], [4, 5, 6], [0, 1, 2]]
EDGE: dict[str, Any] = {"mode": "edge"}
WRAP: dict[str, Any] = {"mode": "wrap"}
ODD: dict[str, Any] = {"mode": "reflect", "reflect_type": "odd"}


def constant(value: float) -> dict[str, Any]:
    return {"mode": "constant", "constant_values": value}


BORDERS = {
    "constant:77": (constant(77), constant(77)),
    "replicate,wrap": (EDGE, WRAP),
    "constant:9,reflect": (constant(9), {"mode": "reflect"}),
    "odd": (ODD, ODD),
    "wrap,odd": (WRAP, ODD),
}


def run(*line: object) -> None:
    main([str(word) for word in line], prog_name="convcli", standalone_mode=False)


def valid(image: NDArray[Any], kernel: Any) -> NDArray[Any]:
    """Correlate with SciPy, which is loaded here only: that takes a second in each process."""
    from scipy.signal import correlate2d

    sums: NDArray[Any] = correlate2d(image, kernel, "valid")
    return sums


def padded(
    image: NDArray[Any], modes: tuple[dict[str, Any], dict[str, Any]], width: int
) -> NDArray[Any]:
    """Pad rows, then columns, with NumPy."""
    rest = [(0, 0)] * (image.ndim - 2)
    tall = np.pad(image.astype(np.float64), [(width, width), (0, 0), *rest], **modes[0])
    return np.pad(tall, [(0, 0), (width, width), *rest], **modes[1])


def expected(image: NDArray[Any], border: str, width: int = 1) -> NDArray[Any]:
    wide = padded(image, BORDERS[border], width)
    return np.dstack([valid(wide[..., c], KERNEL) for c in range(3)])


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("width", [1, 2, 30])
def test_result_is_that_of_numpy_pad(border: str, width: int) -> None:
    ours = convcli.apply(KERNEL, PHOTO, border=border, padding=width, raw=True)
    np.testing.assert_array_equal(ours.array, expected(PHOTO, border, width))
    assert ours.report.border == border


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("method", ["direct", "gemm", "fft"])
def test_all_methods_agree(border: str, method: str) -> None:
    ours = convcli.apply(KERNEL, PHOTO, border=border, method=method, raw=True)
    np.testing.assert_allclose(ours.array, expected(PHOTO, border), rtol=1e-5)


@pytest.mark.parametrize("border", BORDERS)
def test_tiles_files_and_stride_agree(border: str, tmp_path: Path) -> None:
    photo = RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", photo, tile=(16, 16))
    options: dict[str, Any] = {"border": border, "stride": 2}
    chain: dict[str, Any] = {"then": "box:5", **options}
    convcli.apply_tiled("gaussian:2", tmp_path / "in.tif", tmp_path / "out.tif", **chain)
    whole = convcli.apply("gaussian:2", photo, **chain).array
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), whole)
    run(*("apply", "gaussian:2", tmp_path / "in.tif", tmp_path / "out.png", "--quiet"),
        *("--border", border, "--stride", 2, "--then", "box:5"))  # fmt: skip
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), whole)


def test_colour_is_the_constant_of_each_channel() -> None:
    ours = convcli.apply(KERNEL, PHOTO, border="constant:#ff8800", raw=True).array
    for channel, value in enumerate((0xFF, 0x88, 0)):
        wide = padded(PHOTO[..., channel], (constant(value),) * 2, 1)
        np.testing.assert_array_equal(ours[..., channel], valid(wide, KERNEL))


def test_colour_is_scaled_to_16_bits_and_to_linear_light() -> None:
    white = np.full((4, 4, 3), 65535, np.uint16)
    for options in ({}, {"linear": True}):
        same = convcli.apply("box:3", white, border="constant:white", **options).array  # type: ignore[arg-type]
        np.testing.assert_array_equal(same, white)


def test_constant_is_opaque_in_a_translucent_picture() -> None:
    picture = np.full((3, 3, 4), (100, 100, 100, 0), np.uint8)
    out = convcli.apply("box:3", picture, border="constant:#0000ff").array
    assert out[0, 0].tolist() == [0, 0, 255, round(255 * 5 / 9)]
    kept = convcli.apply("box:3", picture, border="constant:9", alpha="filter").array
    assert kept[0, 0, 3] == round(255 * 5 / 9)


def test_refuses_what_makes_no_sense() -> None:
    grey = PHOTO[..., 0]
    for border, words in {
        "constant:red": "a colour",
        "replicate:3": "no value after",
        "constant:1,constant:2": "one constant",
        "wrap,wrap,wrap": "expected one of",
        "constant:": "expected a colour",
        "constant:nan": "expected a colour",
    }.items():
        with pytest.raises(ConvcliError, match=words):
            convcli.apply("box:3", grey, border=border)
    assert fill_of(border_from("constant:white"), 1, 255) == (255.0,)


def test_floats_have_no_white() -> None:
    floats = np.full((3, 3), 0.5, np.float32)
    with pytest.raises(ConvcliError, match="expected a number for a picture of floats"):
        convcli.apply("box:3", floats, border="constant:white")
    even = convcli.apply("box:3", floats, border="constant:0.5").array
    np.testing.assert_allclose(even, 0.5, rtol=1e-6)
    dark = convcli.apply("box:3", floats, border="constant:black").array
    np.testing.assert_allclose(dark[0, 0], 2 / 9, rtol=1e-6)


def test_correlate_takes_them_too() -> None:
    wide = padded(PHOTO[..., 0], BORDERS["odd"], 1)
    ours = convcli.correlate(PHOTO[..., 0], KERNEL, padding=1, border="odd")
    np.testing.assert_array_equal(ours, valid(wide, KERNEL))
    edges = Edges("replicate,wrap", (Border.REPLICATE, Border.WRAP))
    wide = padded(PHOTO[..., 0], BORDERS["replicate,wrap"], 1)
    ours = convcli.correlate(PHOTO[..., 0], KERNEL, padding="same", border=edges)
    np.testing.assert_array_equal(ours, valid(wide, KERNEL))


@pytest.mark.parametrize("border", BORDERS)
def test_explain_gives_the_pixel_of_apply(border: str) -> None:
    whole = convcli.apply(KERNEL, PHOTO, border=border, range="stretch")
    for answer in convcli.explain(KERNEL, PHOTO, (0, 18), border=border, range="stretch"):
        assert answer.value == whole.array[18, 0, answer.channel]
        wide = padded(PHOTO, BORDERS[border], 1)[18:21, 0:3, answer.channel]
        np.testing.assert_array_equal(answer.parts[0].planes[0].patch, wide)


@pytest.mark.parametrize("border", BORDERS)
def test_pool_pads_with_them(border: str) -> None:
    options: dict[str, Any] = {"padding": 1, "border": border, "kernel_size": 3, "stride": 3}
    wide = padded(PHOTO, BORDERS[border], 1)
    blocks = wide[:21, :24].reshape(7, 3, 8, 3, 3)
    ours = convcli.pool("max", PHOTO.astype(np.float32), **options).array
    np.testing.assert_array_equal(ours, blocks.max(axis=(1, 3)))
    ours = convcli.pool("average", PHOTO.astype(np.float32), **options).array
    np.testing.assert_allclose(ours, blocks.mean(axis=(1, 3)), rtol=1e-6)


def test_padding_of_four_sides_is_top_right_bottom_left() -> None:
    wide = np.pad(PHOTO[..., 0], ((1, 3), (4, 2)), mode="edge").astype(np.float64)
    ours = convcli.apply(KERNEL, PHOTO[..., 0], padding="1,2,3,4", border="edge", raw=True)
    np.testing.assert_array_equal(ours.array, valid(wide, KERNEL))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("width", [0, 1, 2, 5, 20])
def test_odd_of_any_width_is_that_of_numpy(size: int, width: int) -> None:
    line = RNG.integers(-50, 50, size)
    place = np.arange(-width, size + width)
    ours = beyond(line[np.newaxis], Border.ODD, np.arange(1), place)[0]
    wide = np.pad(line.astype(np.float64), width, mode="reflect", reflect_type="odd")
    np.testing.assert_array_equal(ours, wide)


def test_padder_reads_only_what_a_part_needs() -> None:
    asked: list[tuple[slice, slice]] = []

    def field(rows: slice, columns: slice) -> NDArray[Any]:
        asked.append((rows, columns))
        return PHOTO[rows, columns]

    padder = Padder((19, 23), ((2, 2), (2, 2)), border_from("odd,wrap"), (0.0,) * 3)
    part = padder.over(field)(slice(5, 8), slice(4, 9))
    np.testing.assert_array_equal(part, PHOTO[3:6, 2:7])
    assert (slice(3, 6), slice(2, 7)) in asked


def test_axis_lays_kernels_of_one_row_along_x_or_y() -> None:
    grey = PHOTO[..., 0]
    row = np.array([[1.0, 2.0, 4.0]])
    for axis, kernel in {"x": row, "y": row.T}.items():
        for given in (row, row.T):
            ours = convcli.apply(given, grey, axis=axis, padding="valid", raw=True).array
            np.testing.assert_array_equal(ours, valid(grey, kernel))
    found = convcli.explain(row, grey, (3, 3), axis="y", range="clip")[0]
    assert found.parts[0].planes[0].patch.shape == (3, 1)
    with pytest.raises(ConvcliError, match="one row or one column"):
        convcli.apply("box:3", grey, axis="x")
    with pytest.raises(ConvcliError, match="x \\(a row\\)"):
        convcli.apply(row, grey, axis="z")


def test_plan_names_the_mixing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    line = ("apply", "box:3", tmp_path / "in.png", tmp_path / "out.png", "--amount", "0.5")
    run(*line, "--plan")
    assert "Then mixed with the original: amount 0.5" in capsys.readouterr().out
    run(*line, "--plan", "--json")
    assert json.loads(capsys.readouterr().out)[0]["mixed"] == "amount 0.5"


def test_one_standard_input_is_not_both_kernel_and_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1 2 1")))
    with pytest.raises(click.UsageError, match="KERNEL and INPUT are both -"):
        run("apply", "-", "-", tmp_path / "out.png")

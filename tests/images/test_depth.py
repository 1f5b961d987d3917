"""16 bits and floats stay so; other depths on request; nothing is clipped without a word."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from convcli.cli.app import main
from convcli.engine.correlate import correlate
from support.opening import opened

BLUR = "[[1,2,1],[2,4,2],[1,2,1]]"
WEIGHTS = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16


def apply(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["apply", *map(str, arguments)])


def deep(path: Path) -> NDArray[np.uint16]:
    values = np.random.default_rng(2).integers(0, 65536, (20, 24)).astype(np.uint16)
    Image.fromarray(values).save(path)
    return values


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_in_are_16_bits_out(suffix: str, tmp_path: Path) -> None:
    values = deep(tmp_path / "in.png")
    kernel = '{"weights": [[1,2,1],[2,4,2],[1,2,1]], "divisor": 16}'
    done = apply(kernel, tmp_path / "in.png", tmp_path / f"out.{suffix}")
    assert done.exit_code == 0
    assert "16 bits" in done.output
    out = opened(tmp_path / f"out.{suffix}")
    assert out.mode == "I;16"
    wanted = np.rint(correlate(values.astype(np.float64), WEIGHTS, padding="same"))
    np.testing.assert_array_equal(np.asarray(out), wanted)


@pytest.mark.parametrize(("mapping", "wanted"), [("clip", 65_535), ("shift", 65_535)])
def test_ranges_are_of_16_bits(mapping: str, wanted: int, tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "in.png")
    done = apply("[[2]]", tmp_path / "in.png", tmp_path / "out.png", "--range", mapping)
    assert done.exit_code == 0
    assert np.asarray(opened(tmp_path / "out.png")).max() == wanted


def test_16_bits_come_down_to_8_by_257(tmp_path: Path) -> None:
    values = deep(tmp_path / "in.png")
    done = apply("identity", tmp_path / "in.png", tmp_path / "out.png", "--depth", "8")
    assert done.exit_code == 0
    out = opened(tmp_path / "out.png")
    assert out.mode == "L"
    np.testing.assert_array_equal(np.asarray(out), np.rint(values / 257))


def test_8_bits_go_up_to_16_by_257_in_colour_too(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 256, (9, 8, 3)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "in.png")
    for suffix in ("png", "tif"):
        target = tmp_path / f"out.{suffix}"
        assert apply("identity", tmp_path / "in.png", target, "--depth", "16").exit_code == 0
        back = tmp_path / f"back-{suffix}.npy"
        assert apply("identity", target, back).exit_code == 0
        np.testing.assert_array_equal(np.load(back), values * 257.0)


def test_16_bits_keep_what_8_would_round_away(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 0]], np.uint8)).save(tmp_path / "in.png")
    kernel = '{"weights": [[1,1,1]], "divisor": 3}'
    assert (
        apply(kernel, tmp_path / "in.png", tmp_path / "o.png", "--depth", "16").exit_code == 0
    )
    # 257/3 = 85.67: a third of a step of 8 bits.
    assert np.asarray(opened(tmp_path / "o.png")).tolist() == [[86, 86, 86]]


def test_floats_stay_unclipped(tmp_path: Path) -> None:
    values = np.linspace(-1000, 70_000, 48, dtype=np.float32).reshape(6, 8)
    Image.fromarray(values).save(tmp_path / "in.tif")
    done = apply("[[3]]", tmp_path / "in.tif", tmp_path / "out.tif")
    assert done.exit_code == 0
    out = opened(tmp_path / "out.tif")
    assert out.mode == "F"
    np.testing.assert_allclose(np.asarray(out), values * 3, rtol=1e-6)


def test_8_bits_forced_to_floats_keep_their_numbers(tmp_path: Path) -> None:
    Image.fromarray(np.array([[10, 20, 30]], np.uint8)).save(tmp_path / "in.png")
    done = apply("[[-1,0,1]]", tmp_path / "in.png", tmp_path / "o.tif", "--depth", "float")
    assert done.exit_code == 0
    assert np.asarray(opened(tmp_path / "o.tif")).tolist() == [[20, 20, -20]]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif"])
def test_floats_that_a_format_cannot_hold_are_an_error(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "in.tif")
    done = apply("identity", tmp_path / "in.tif", tmp_path / f"out.{suffix}")
    assert done.exit_code == 1
    assert "cannot hold floats: write .tif or .npy, or use --depth 8 or 16" in done.output
    assert not (tmp_path / f"out.{suffix}").exists()


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "gif", "tga"])
def test_16_bits_that_a_format_cannot_hold_are_an_error(suffix: str, tmp_path: Path) -> None:
    deep(tmp_path / "in.png")
    done = apply("identity", tmp_path / "in.png", tmp_path / f"out.{suffix}")
    assert done.exit_code == 1
    assert "cannot hold 16 bits: write .png or .tif, or use --depth 8" in done.output
    target = tmp_path / f"out.{suffix}"
    assert apply("identity", tmp_path / "in.png", target, "--depth", "8").exit_code == 0


def test_a_range_that_is_not_used_is_said(tmp_path: Path) -> None:
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "in.tif")
    done = apply("identity", tmp_path / "in.tif", tmp_path / "o.tif", "--range", "abs")
    assert done.exit_code == 0
    assert "Warning: --range abs is not used: the output holds raw floats" in done.stderr


@pytest.mark.parametrize("tiled", [[], ["--tiled"]])
def test_a_depth_that_is_not_used_is_said(tmp_path: Path, tiled: list[str]) -> None:
    Image.fromarray(np.ones((3, 3), np.uint8)).save(tmp_path / "in.tif")
    words = ("--colormap", "viridis", "--depth", "float", "-q", *tiled)
    done = apply("identity", tmp_path / "in.tif", tmp_path / "o.tif", *words)
    assert done.exit_code == 0
    told = "Warning: --depth float is not used: colours of a legend have 8 bits\n"
    assert done.stderr == told


def test_digits_that_a_tiff_of_blocks_does_not_hold_are_said(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.full((20, 20), 1 / 3))
    words = ("identity", tmp_path / "in.tif", tmp_path / "o.tif", "-q", "--tiled")
    assert "floats of 32 bits" in apply(*words).stderr
    tifffile.imwrite(tmp_path / "in.tif", np.full((20, 20), 1 / 3, np.float32))
    assert not apply(*words[:2], tmp_path / "o2.tif", *words[3:]).stderr


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 6)])
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i4", "f2", "<f4", ">f8", "?"])
def test_arrays_are_read_and_written_raw(
    shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    values = np.random.default_rng(4).integers(0, 2, shape).astype(dtype)
    np.save(tmp_path / "in.npy", values)
    done = apply("[[-3]]", tmp_path / "in.npy", tmp_path / "out.npy")
    assert done.exit_code == 0, done.output
    wanted = values.astype(np.float64) * -3
    got = np.load(tmp_path / "out.npy", allow_pickle=False)
    np.testing.assert_array_equal(got, wanted[..., 0] if shape[2:] == (1,) else wanted)
    assert got.dtype == (np.float64 if dtype in ("i4", ">f8") else np.float32)


def test_a_fortran_array_is_read_the_right_way_round(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.save(tmp_path / "in.npy", values)
    assert apply("identity", tmp_path / "in.npy", tmp_path / "out.npy").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values)


def test_an_array_with_a_depth_holds_pixels(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.array([[-5.0, 2.5, 3.5, 900.0]]))
    done = apply("[[1]]", tmp_path / "in.npy", tmp_path / "out.npy", "--depth", "8")
    assert done.exit_code == 0
    got = np.load(tmp_path / "out.npy")
    assert got.dtype == np.uint8
    assert got.tolist() == [[0, 2, 4, 255]]


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    done = apply("identity", tmp_path / "in.npy", tmp_path / "out.png")
    assert done.exit_code == 1
    assert "expected an array of real numbers" in done.output


@pytest.mark.slow
def test_raw_floats_pass_between_stages_unrounded(tmp_path: Path) -> None:
    values = np.random.default_rng(8).integers(0, 256, (16, 18)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "in.png")
    program = [sys.executable, "-m", "convcli", "apply"]
    first = subprocess.run(
        [*program, "gaussian:1", "-", "-", "--format", "npy"],
        input=(tmp_path / "in.png").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert np.load(io.BytesIO(first.stdout)).dtype == np.float32
    last = [*program, "sobel-x", "-", str(tmp_path / "piped.png"), "--depth", "8"]
    subprocess.run(last, input=first.stdout, capture_output=True, check=True)
    done = apply("gaussian:1", tmp_path / "in.png", tmp_path / "chain.png", "--then", "sobel-x")
    assert done.exit_code == 0
    piped = np.asarray(opened(tmp_path / "piped.png")).astype(int)
    chain = np.asarray(opened(tmp_path / "chain.png")).astype(int)
    # Halves may fall either way: the two sum in another order.
    assert np.abs(piped - chain).max() <= 1
    assert (piped == chain).mean() > 0.99

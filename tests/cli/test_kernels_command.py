"""`convcli kernels`: the catalogue, one kernel read, drawn, exported; and operators."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from convcli.cli.app import main
from convcli.kernels.catalogue import THEMES
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from
from convcli.lessons.kernel_figures import kernel_figure
from convcli.lessons.kernels import factors_of, frequency_response
from support.terminal import plain, shown


def run(*words: object) -> Any:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return result


def facts(*words: object) -> Any:
    return json.loads(run("kernels", *words, "--json").stdout)


def test_the_whole_catalogue() -> None:
    shown = run("kernels", "--long").stdout
    for theme in (*THEMES, "Operators"):
        assert theme in shown
    for name in (*CATALOGUE, *OPERATORS):
        assert re.search(rf"^ *{re.escape(name)}(\[| )", shown, re.MULTILINE), name
    listed = {entry["name"] for entry in facts()}
    assert listed == {*CATALOGUE, *OPERATORS}


def test_parameters_with_units_ranges_and_defaults() -> None:
    shown = run("kernels", "gabor").stdout
    assert "lambda" in shown
    assert "wavelength λ of the stripes (pixels; at least 2, at most 2000; default 8)" in shown
    assert "(degrees; at least -360, at most 360; default 0)" in shown
    entry = next(entry for entry in facts() if entry["name"] == "high-pass")
    assert entry["parameters"] == [
        {
            "name": "size",
            "default": 3,
            "unit": "pixels",
            "range": "odd, at least 1, at most 2047",
            "about": "side k of the subtracted box",
        }
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "sobel-x",
            {
                "sum": 0,
                "effect": "answers change",
                "rank": 1,
                "factors": {"column": [1, 2, 1], "row": [-1, 0, 1], "divisor": 1},
                "output_range": {"min": -1020, "max": 1020},
                "dc_gain": 0,
                "flip_matters": True,
            },
        ),
        (
            "binomial",
            {
                "sum": 1,
                "rank": 1,
                "factors": {"column": [1, 2, 1], "row": [1, 2, 1], "divisor": 16},
                "output_range": {"min": 0, "max": 255},
                "flip_matters": False,
            },
        ),
        (
            "sharpen",
            {
                "effect": "sharpens",
                "rank": 2,
                "factors": None,
                "output_range": {"min": -1020, "max": 1275},
                "dc_gain": 1,
            },
        ),
        ("laplacian8", {"rank": 2, "output_range": {"min": -2040, "max": 2040}}),
        ("contour", {"bias": [255], "output_range": {"min": -1785, "max": 2295}}),
        ("[[2,4],[3,6]]", {"factors": {"column": [2, 3], "row": [1, 2], "divisor": 1}}),
        ("[[0,0],[0,0]]", {"rank": 0, "factors": None}),
    ],
)
def test_what_is_read_from_the_weights(spec: str, expected: dict[str, Any]) -> None:
    found = facts(spec)
    assert {key: found[key] for key in expected} == expected


def test_factors_of_a_bell_are_the_bell() -> None:
    factors = factors_of(kernel_from("gaussian:2"))
    assert factors is not None
    column, row, divisor = factors
    bell = np.exp(-(np.arange(-8, 9) ** 2) / 8)
    np.testing.assert_allclose(column / divisor, bell / bell.sum(), atol=1e-12)
    np.testing.assert_allclose(row, bell / bell.sum(), atol=1e-12)


def test_factors_of_large_whole_numbers_are_exact() -> None:
    row = [1073741789, 1073741783, 1073741741, 1073741723, 1073741719, 1073741717, 9, 1]
    factors = factors_of(Kernel(np.outer([0, 2, -1], [-number for number in row])))
    assert factors is not None
    assert [part.tolist() for part in factors[:2]] == [[0, -2, 1], row]


@pytest.mark.parametrize("name", CATALOGUE)
def test_factors_multiply_to_the_kernel(name: str) -> None:
    kernel = kernel_from(name)
    factors = factors_of(kernel)
    assert (factors is None) == (kernel.rank != 1)
    if factors is not None:
        column, row, divisor = factors
        product = np.outer(column, row) / divisor
        np.testing.assert_allclose(product, kernel.weights, atol=1e-12)


@pytest.mark.parametrize(
    "spec", ["sobel-x", "gaussian:1", "emboss", "roberts-1", "motion:5,30"]
)
def test_the_frequency_response_is_the_fourier_transform(spec: str) -> None:
    kernel = kernel_from(spec)
    ours = frequency_response(kernel, 33)
    transform = np.abs(np.fft.fftshift(np.fft.fft2(kernel.weights, s=(32, 32))))
    np.testing.assert_allclose(ours[:32, :32], transform, atol=1e-12)
    assert ours[16, 16] == pytest.approx(abs(kernel.sum), abs=1e-12)
    assert facts(spec)["frequency_response"] == ours.round(6).tolist()


def test_the_engines_choice_is_named() -> None:
    assert facts("box:9")["strategy"]
    assert re.search(r"^  engine +\S+ \(.+\)$", run("kernels", "box:9").stdout, re.MULTILINE)


def test_a_kernel_of_ones_own_under_a_known_name() -> None:
    shown = run("kernels", '{"name": "sobel-x", "weights": [[1]]}').stdout
    assert "Feldman" not in shown


def test_in_a_pipe_plain_and_uncut() -> None:
    shown = run("kernels", "gaussian:2").stdout
    assert "\x1b" not in shown
    assert "MATLAB takes 2⌈2σ⌉ + 1 taps" in shown
    assert "@" in shown.splitlines()[-9]


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 60])
def test_at_a_terminal_in_colour_and_within_its_width(columns: int) -> None:
    for words in (["sobel-x"], ["gabor"], ["kirsch"], ["--long"]):
        text = shown(("kernels", *words), columns, Path())
        assert max(map(len, plain(text).split("\n"))) <= columns
        assert "\x1b[" in text


def test_half_blocks_show_the_frequencies() -> None:
    assert "▀" * 33 in plain(shown(("kernels", "sobel-x"), 80, Path()))


def test_an_operator_shows_its_kernels() -> None:
    shown = run("kernels", "sobel").stdout
    assert "magnitude" in shown
    assert re.search(r"sobel-x +sobel-y", shown)
    assert re.search(r"-2 +0 +2 +0 +0 +0", shown)
    found = facts("sobel-x+laplacian4")
    assert found["combine"] == "magnitude"
    assert [one["name"] for one in found["kernels"]] == ["sobel-x", "laplacian4"]


# ---------------------------------------------------------------------- pictures


def test_a_figure_has_the_cells_colours(tmp_path: Path) -> None:
    path = tmp_path / "k.png"
    run("kernels", "[[-1,0,1]]", "--png", path)
    with Image.open(path) as image:
        colours = {color for _, color in image.getcolors(1 << 20) or []}
    assert {(5, 48, 97), (247, 247, 247), (103, 0, 31)} <= colours


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", ["gaussian:20", "sobel-x", "kirsch", "[[[[1]],[[2]]]]", "box:1"]
)
def test_figures_of_all_kinds(spec: str, tmp_path: Path) -> None:
    path = tmp_path / "k.png"
    run("kernels", spec, "--png", path)
    with Image.open(path) as image:
        assert image.mode == "RGB"
        assert 300 < image.width < 2000
        assert 100 < image.height < 2000


def test_the_response_is_in_the_figure() -> None:
    pixels = kernel_figure(kernel_from("box")).pixels
    response = np.rint(255 * frequency_response(kernel_from("box"))).astype(np.uint8)
    large = np.kron(response, np.ones((6, 6), np.uint8))
    for left in range(pixels.shape[1] - large.shape[1]):
        for top in range(30, 90):
            part = pixels[top : top + large.shape[0], left : left + large.shape[1], 0]
            if part.shape == large.shape and (part == large).all():
                return
    raise AssertionError("the frequency response is not in the figure")


def test_a_figure_of_a_kernel_without_a_name() -> None:
    assert kernel_figure(Kernel([[1, 2]])).channels == 3


# ------------------------------------------------------------------------ export


def test_export_to_standard_output_and_to_a_file(tmp_path: Path) -> None:
    assert run("kernels", "sobel-x", "--export", "imagemagick").stdout == (
        "3x3:-1,0,1 -2,0,2 -1,0,1\n"
    )
    path = tmp_path / "k.npz"
    run("kernels", "gaussian:1", "--export", "npz", "-o", path)
    assert kernel_from(f"{path}::weights") == kernel_from("gaussian:1")
    data = CliRunner().invoke(main, ["kernels", "box", "--export", "npy"]).stdout_bytes
    assert data.startswith(b"\x93NUMPY")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--export", "vips"], "--export needs the NAME of a kernel"),
        (["--png", "x.png"], "--png needs the NAME of a kernel"),
        (["sobel", "--export", "vips"], "choose one of sobel-x, sobel-y"),
        (["sobel-x", "--export", "nonsense"], "'nonsense' is not one of"),
    ],
)
def test_wrong_usage(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["kernels", *words])
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch.json"], "nosuch.json: the kernel file cannot be read"),
        (["sobel-x", "--png", "missing/x.png"], "does not exist: make it first"),
        (["sobel-x", "--png", "x.nosuch"], "expected a picture format"),
        (["sobel-x", "--png", ""], "expected a picture format"),
        (["image:missing.png"], "missing.png: no such file"),
    ],
)
def test_failures(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["kernels", *words])
    assert result.exit_code == (2 if words == ["nosuch.json"] else 1)
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr


def test_the_schema_is_printed() -> None:
    schema = json.loads(run("kernels", "--schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_what_rounding_left_of_0_reads_as_0() -> None:
    # A quarter of a period from the middle the cosine of the stripes is 0: in floats 6e-17.
    assert "e-17" not in run("kernels", "gabor").stdout
    weights = np.array(facts("gabor")["weights"])
    quarter = weights[27, 27 + 2]
    assert 0 < abs(quarter) < 1e-16

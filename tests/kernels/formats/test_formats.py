"""Kernels for other programs: written, read back, and refused where they cannot be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from convcli.choices import EXPORTED
from convcli.errors import KernelError
from convcli.kernels.catalogue.entry import CATALOGUE
from convcli.kernels.formats.read import FORMATS, export, parse_kernel
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from

SUFFIXES = {
    "json": ".json",
    "vips": ".mat",
    "imagemagick": ".kernel",
    "ffmpeg": ".ffmpeg",
    "svg": ".svg",
    "csv": ".csv",
    "npy": ".npy",
    "npz": ".npz",
    "numpy": ".py",
    "torch": ".py",
}
FLOATS = st.floats(-1e6, 1e6)
GRIDS = hnp.arrays(
    np.float64,
    st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5])),
    elements=FLOATS,
)
WHOLE = hnp.arrays(
    np.float64, st.sampled_from([(3, 3), (5, 5)]), elements=st.integers(-99, 99).map(float)
)
BANKS = hnp.arrays(np.float64, st.tuples(*[st.integers(1, 3)] * 4), elements=FLOATS)


def there_and_back(kernel: Kernel, form: str, folder: Path) -> Kernel:
    data = export(kernel, form)
    path = folder / f"kernel{SUFFIXES[form]}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return kernel_from(str(path))


def test_every_format_is_tried() -> None:
    assert set(SUFFIXES) | {"safetensors"} == set(FORMATS)


def test_the_names_that_need_no_numpy_say_what_each_format_does() -> None:
    """The command offers the names of formats that are written."""
    assert list(EXPORTED) == [name for name, form in FORMATS.items() if form.write]
    assert set(FORMATS) - set(EXPORTED) == {"safetensors"}
    assert [form.name for form in FORMATS.values()] == list(FORMATS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


@pytest.mark.slow
@pytest.mark.parametrize("form", [form for form in SUFFIXES if form != "ffmpeg"])
@given(grid=GRIDS)
@settings(max_examples=40, deadline=None)
def test_the_same_weights_come_back(form: str, grid: NDArray[np.float64], folder: Path) -> None:
    back = there_and_back(Kernel(grid, name="mine"), form, folder)
    assert back.weights.tolist() == grid.tolist()


@given(grid=WHOLE, divisor=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_ffmpeg_takes_whole_numbers_over_a_divisor(
    grid: NDArray[np.float64], divisor: int, folder: Path
) -> None:
    kernel = Kernel(grid / divisor)
    if kernel.integer_form is None:
        with pytest.raises(KernelError, match="no such form"):
            export(kernel, "ffmpeg")
        return
    assert there_and_back(kernel, "ffmpeg", folder).weights.tolist() == kernel.weights.tolist()


@pytest.mark.parametrize("form", ["json", "npy", "npz", "numpy", "torch"])
@given(bank=BANKS)
@settings(max_examples=25, deadline=None)
def test_banks_come_back(form: str, bank: NDArray[np.float64], folder: Path) -> None:
    assert there_and_back(Kernel(bank), form, folder).weights.tolist() == bank.tolist()


@pytest.mark.parametrize("form", ["json", "npz", "numpy", "torch"])
def test_biases_of_banks_come_back(form: str, tmp_path: Path) -> None:
    kernel = Kernel(np.ones((3, 1, 2, 2)), [0.1, -2, 3])
    assert there_and_back(kernel, form, tmp_path).bias == (0.1, -2, 3)


@pytest.mark.parametrize("form", ["json", "vips", "ffmpeg", "npz", "numpy", "torch", "svg"])
def test_the_bias_of_a_kernel_comes_back(form: str, tmp_path: Path) -> None:
    kernel = kernel_from("contour")
    back = there_and_back(kernel, form, tmp_path)
    assert back == kernel


def cannot_hold(kernel: Kernel, form: str) -> bool:
    if form == "ffmpeg":
        long_row = 1 in kernel.size and max(kernel.size) <= 49
        return kernel.integer_form is None or (max(kernel.size) > 7 and not long_row)
    return form in ("imagemagick", "npy", "csv") and bool(kernel.bias)


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_named_kernel_is_exported_or_refused_in_one_line(
    name: str, tmp_path: Path
) -> None:
    for form in SUFFIXES:
        is_exported_or_refused(kernel_from(name), form, tmp_path)


def is_exported_or_refused(kernel: Kernel, form: str, folder: Path) -> None:
    if cannot_hold(kernel, form):
        with pytest.raises(KernelError) as caught:
            export(kernel, form)
        assert "\n" not in str(caught.value), form
        return
    grid = there_and_back(kernel, form, folder).weights
    if 2 in kernel.size and form in ("vips", "ffmpeg"):
        assert (grid[0] == 0).all(), form
        assert (grid[:, 0] == 0).all(), form
        grid = grid[1:, 1:]
    if grid.shape != kernel.size:
        assert form == "ffmpeg"
        margin = (np.array(grid.shape) - kernel.size) // 2
        assert np.count_nonzero(grid) == np.count_nonzero(kernel.weights)
        grid = grid[margin[0] : -margin[0] or None, margin[1] : -margin[1] or None]
    np.testing.assert_array_equal(grid, kernel.weights, err_msg=form)


@pytest.mark.parametrize(
    ("form", "spec", "text"),
    [
        ("vips", "binomial", "3 3 16 0\n1 2 1\n2 4 2\n1 2 1\n"),
        ("vips", "[[1,2]]", "3 1 1 0\n0 1 2\n"),
        ("vips", "contour", "3 3 1 255\n-1 -1 -1\n-1 8 -1\n-1 -1 -1\n"),
        ("imagemagick", "sobel-x", "3x3:-1,0,1 -2,0,2 -1,0,1\n"),
        ("imagemagick", "[[0.5],[1]]", "1x2:0.5 1\n"),
    ],
)
def test_what_is_written(form: str, spec: str, text: str) -> None:
    assert export(kernel_from(spec), form) == text


def test_what_is_written_for_svg_and_ffmpeg() -> None:
    svg = str(export(kernel_from("[[1,2,3],[4,5,6],[7,8,9]]@scale=0.5"), "svg"))
    assert 'kernelMatrix="9 8 7  6 5 4  3 2 1"' in svg
    assert 'divisor="2"' in svg
    assert 'order="3 3"' in svg
    assert 'color-interpolation-filters="sRGB"' in svg
    ffmpeg = str(export(kernel_from("binomial"), "ffmpeg"))
    assert ffmpeg.startswith("convolution=0m='1 2 1 2 4 2 1 2 1':1m=")
    assert "0rdiv=1/16" in ffmpeg


def test_long_rows_and_columns_for_ffmpeg() -> None:
    row = str(export(Kernel(np.ones((1, 49))), "ffmpeg"))
    assert "0mode=row" in row
    assert parse_kernel(row, "row", form=_text("ffmpeg")).size == (1, 49)
    column = str(export(Kernel(np.ones((9, 1))), "ffmpeg"))
    assert "0mode=column" in column
    assert parse_kernel(column, "column", form=_text("ffmpeg")).size == (9, 1)


def _text(name: str) -> Any:
    return FORMATS[name]


def test_the_worked_example_of_the_svg_specification() -> None:
    # Filter Effects Module Level 1, feConvolveMatrix: the result at the pixel of 120 is
    # (9·0 + 8·20 + 7·40 + 6·100 + 5·120 + 4·140 + 3·200 + 2·220 + 1·240) / 45.
    pixels = np.array(
        [
            [0, 20, 40, 235, 235],
            [100, 120, 140, 235, 235],
            [200, 220, 240, 235, 235],
            [225, 225, 225, 255, 255],
            [225, 225, 225, 255, 255],
        ],
        np.float64,
    )
    kernel = kernel_from('<feConvolveMatrix order="3" kernelMatrix="1 2 3 4 5 6 7 8 9"/>')
    expected = (160 + 280 + 600 + 600 + 560 + 600 + 440 + 240) / 45
    assert ndimage.correlate(pixels, kernel.weights)[1, 1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("3: 0,1,0 1,-4,1 0,1,0", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        ("3x1:1 nan -", [[1, 0, 0]]),
        ("3x1+0+0:1,2,3", [[0, 0, 1, 2, 3]]),
        ("2x1:1,2", [[1, 2]]),
        ("2x1+1+0:1,2", [[1, 2, 0]]),
        ("convolution=0m='0 0 0 0 2 0 0 0 0':0rdiv=0.25", [[0, 0, 0], [0, 0.5, 0], [0, 0, 0]]),
        ("convolution=1 1 1 1 1 1 1 1 1", [[1 / 9] * 3] * 3),
        ("convolution=0m=1 2 1:0mode=row", [[0.25, 0.5, 0.25]]),
        ('<feConvolveMatrix order="2 1" kernelMatrix="1 2" divisor="1"/>', [[2, 1, 0]]),
        (
            '<feConvolveMatrix order="2 1" kernelMatrix="1 2" divisor="1" targetX="0"/>',
            [[2, 1]],
        ),
        ("weights = np.array([[1, 2], [3, 4]]) / 4", [[0.25, 0.5], [0.75, 1]]),
        ("w = 3\nweights = torch.tensor([[1.5]], dtype=torch.float32)\n", [[1.5]]),
    ],
)
def test_what_others_write(text: str, weights: list[list[float]], tmp_path: Path) -> None:
    path = tmp_path / "kernel.txt"
    path.write_text(text)
    np.testing.assert_allclose(kernel_from(str(path)).weights, weights, rtol=1e-15)


@pytest.mark.parametrize(
    "text", ["3x1:1,2,3", "[[1,2,3]]", "convolution=0m=1 2 3:0mode=row:0rdiv=1"]
)
def test_text_formats_stand_on_the_command_line_too(text: str) -> None:
    assert kernel_from(text).weights.tolist() == [[1, 2, 3]]


def test_the_numpy_source_runs_and_means_the_same(tmp_path: Path) -> None:
    kernel = kernel_from("gaussian:0.8@scale=3")
    source = str(export(kernel, "numpy")) + "print(weights.tolist())\n"
    (tmp_path / "kernel_source.py").write_text(source)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "kernel_source.py")],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert json.loads(done.stdout) == kernel.weights.tolist()


def test_the_torch_source_is_the_same_but_for_its_words() -> None:
    kernel = kernel_from("contour@scale=0.5")
    code = [
        line.replace("torch.tensor", "np.array").replace("torch", "np")
        for line in str(export(kernel, "torch")).splitlines()
        if not line.startswith(("#", "import"))
    ]
    expected = [
        line
        for line in str(export(kernel, "numpy")).splitlines()
        if not line.startswith(("#", "import"))
    ]
    assert code == expected
    assert "import torch\n" in str(export(kernel, "torch"))


@pytest.mark.parametrize(
    ("suffix", "text", "words"),
    [
        (".mat", "", ["line 1", "width, height"]),
        (".mat", "3 3\n1 2 3", ["3×3 = 9 numbers, got 3"]),
        (".mat", "3 3 0 0\n" + "1 " * 9, ["scale other than 0"]),
        (".mat", "1.5 3\n1", ["whole sizes"]),
        (".mat", "2 1\n1 x", ["finite number", "'x'"]),
        (".mat", "2 1\n1 nan", ["finite number"]),
        (".mat", "99999 99999\n1", ["weights"]),
        (".kernel", "3x3>:1", ["flags '>'", "@45"]),
        (".kernel", "Sobel:0", ["kernel string", "3x3:"]),
        (".kernel", "2x1:1,2;2x1:3,4", ["one kernel, got several"]),
        (".kernel", "3x1+9+0:1,2,3", ["origin +9+0 lies outside"]),
        (".ffmpeg", "convolution=0m=1 2", ["9, 25 or 49 numbers, got 2"]),
        (".ffmpeg", "convolution=0m=" + "1 " * 9 + ":0rdiv=1/0", ["divisor other than 0"]),
        (".ffmpeg", "convolution=0m=" + "1 " * 9 + ":1m=" + "2 " * 9, ["the same matrix"]),
        (".svg", "<svg/>", ["expected one feConvolveMatrix, got 0"]),
        (".svg", "<svg", ["line 1", "not well-formed"]),
        (".svg", '<!DOCTYPE a [<!ENTITY b "c">]><svg/>', ["document type"]),
        (".svg", '<feConvolveMatrix order="3" kernelMatrix="1"/>', ["9 numbers, got 1"]),
        (".svg", '<feConvolveMatrix order="x" kernelMatrix="1"/>', ["order", "'x'"]),
        (".svg", '<feConvolveMatrix order="1" targetX="4" kernelMatrix="1"/>', ["at most 0"]),
        (".py", "weights = [", ["line 1", "not Python"]),
        (".py", "print(1)", ["weights = …"]),
        (".py", "weights = np.array(make())", ["plain numbers", "write the numbers out"]),
        (".py", "weights = np.array([[1], [2, 3]])", ["weights[1]", "1 entries, got 2"]),
        (".py", "weights = __import__('os').getcwd()", ["plain numbers"]),
        (".txt", "hello", ["expected a kernel, got none of json"]),
    ],
)
def test_faults_name_file_place_and_remedy(
    suffix: str, text: str, words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_text(text)
    with pytest.raises(KernelError) as caught:
        kernel_from(str(path))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("form", "kernel", "words"),
    [
        ("vips", Kernel(np.ones((2, 1, 3, 3))), ["2-D kernel", "(2, 1, 3, 3)", "json"]),
        ("imagemagick", Kernel([[1]], 3), ["no place for the bias 3"]),
        ("npy", Kernel([[1]], 3), ["no place for the bias", "npz"]),
        ("ffmpeg", Kernel([[1]], -3), ["no bias below 0"]),
        ("ffmpeg", Kernel(np.ones((9, 9))), ["up to 7×7", "9×9"]),
        ("ffmpeg", Kernel(np.ones((1, 51))), ["up to 49", "1×51"]),
        ("nonsense", Kernel([[1]]), ["expected one of json, vips"]),
    ],
)
def test_what_a_format_cannot_hold(form: str, kernel: Kernel, words: list[str]) -> None:
    with pytest.raises(KernelError) as caught:
        export(kernel, form)
    for word in words:
        assert word in str(caught.value)

"""Compiled strategies: the same numbers as the oracle's, and when they are chosen."""

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.engine.planner import Plan, choose_plan
from convcli.engine.strategies import COMPILED
from convcli.engine.worker import run_plan
from convcli.kernels.spec import kernel_from
from convcli.values import replace
from support.cases import BORDERS, Case

SCIPY = {"replicate": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "wrap"}
KERNELS: dict[str, list[list[float]]] = {
    "sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "laplacian": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "two by four": [[1, -2, 3, 4], [0, 0, 5, -1]],
    "empty rows": [[0, 0, 0], [0, 0, 0], [1, 0, -3]],
    "one": [[2]],
    "binomial": [[i * j for i in (1, 4, 6, 4, 1)] for j in (1, 4, 6, 4, 1)],
    "heavy": [[3000, -2], [1, 40]],
    "halves": [[0.5, 0.25, -1.5, 1.0, 0.125]] * 3,
}


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("numba")
    monkeypatch.setenv("CONVCLI_FAST", "always")


def plans_of(case: Case) -> list[Plan]:
    """Return a plan for each compiled strategy that can serve."""
    problem = case.plan().problem
    return [
        Plan(problem, kind.method, kind(problem), "tested", 1.0)
        for kind in COMPILED
        if not isinstance(kind.cost(problem), str)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_sums_are_those_of_the_oracle(name: str) -> None:
    values = np.random.default_rng(1).integers(0, 100, (9, 13, 3))
    for dtype in ("uint8", "float32"):
        for border in BORDERS:
            settings: dict[str, Any] = {"padding": "same", "border": border, "dilation": (2, 1)}
            case = Case(values.astype(dtype), np.array(KERNELS[name], float), settings)
            for plan in plans_of(case):
                exact = plan.strategy.exact or dtype == "uint8"
                slack = 0 if exact else case.tolerance(np.dtype(dtype))
                got, wanted = case.executed(plan), case.expected
                np.testing.assert_allclose(got, wanted, rtol=0, atol=slack)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sobel", "binomial", "halves"])
def test_nothing_is_written_beside_tiles_of_floats(name: str) -> None:
    """Their buffers are larger than what the last tile of a row, and of a column, shows."""
    values = np.random.default_rng(8).integers(0, 9, (131, 2001)).astype(np.float32)
    weights = np.array(KERNELS[name], float)
    case = Case(values, weights, {"padding": "same", "border": "wrap"})
    expected = ndimage.correlate(values.astype(float), weights, mode="wrap")[..., np.newaxis]
    for plan in plans_of(case):
        slack = case.tolerance(np.dtype(np.float32))
        np.testing.assert_allclose(case.executed(plan), expected, rtol=0, atol=slack)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sobel", "binomial", "box"])
@pytest.mark.parametrize("border", BORDERS)
def test_strides_and_borders(name: str, border: str) -> None:
    """With a constant that is not 0, wide padding, and pixels laid out in every way."""
    weights = np.ones((7, 7)) if name == "box" else np.array(KERNELS[name], float)
    values = np.random.default_rng(5).integers(0, 256, (12, 15, 8)).astype(np.uint8)
    for channels, stride in ((1, 2), (3, (1, 2)), (4, (2, 1)), (4, 3)):
        for image in (values[..., :channels], values[::-1, ::-1, :channels].copy("F")):
            settings: dict[str, Any] = {"padding": 9, "border": border, "fill": 7.0}
            case = Case(image, weights, {**settings, "stride": stride})
            plans = plans_of(case)
            assert plans
            for plan in plans:
                np.testing.assert_array_equal(case.executed(plan), case.expected)


@pytest.mark.slow
def test_a_box_of_any_size_is_a_sum() -> None:
    """Rows that move, and sums of sums across: a picture of two tiles."""
    pixels = np.random.default_rng(6).integers(0, 256, (600, 240)).astype(np.uint8)
    for size in (4, 16, 17, 23, 31):
        weights = np.ones((size, size))
        case = Case(pixels, weights, {"padding": "same", "border": "reflect"})
        expected = ndimage.correlate(
            pixels.astype(float), weights, mode="mirror", origin=-(size % 2 == 0)
        )
        for plan in plans_of(case):
            np.testing.assert_array_equal(case.executed(plan)[..., 0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_results_saturate(name: str) -> None:
    """Of several tiles, the last one cut."""
    pixels = np.random.default_rng(2).integers(0, 256, (301, 1100)).astype(np.uint8)
    weights = np.array(KERNELS[name], float)
    origin = [-(n % 2 == 0) for n in weights.shape]
    for border, mode in SCIPY.items():
        sums = ndimage.correlate(pixels.astype(float), weights, mode=mode, origin=origin)
        for result in (np.uint8, np.int16):
            limits = np.iinfo(result)
            case = Case(pixels, weights, {"padding": "same", "border": border, "dtype": result})
            for plan in plans_of(case):
                got = np.empty((301, 1100, 1), result)
                for jobs in (1, 2):
                    run_plan(plan, pixels[..., np.newaxis], got, jobs)
                    expected = np.rint(sums).clip(limits.min, limits.max)
                    np.testing.assert_array_equal(got[..., 0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["binomial:2", "gaussian:1.5", "box:5", "box:31"])
def test_pixels_are_exactly_rounded(spec: str) -> None:
    """Except within 1e-3 of a tie; sums of whole numbers there too, half to even."""
    pixels = np.random.default_rng(3).integers(0, 256, (61, 90)).astype(np.uint8)
    kernel = kernel_from(spec)
    exact = ndimage.correlate(pixels.astype(float), kernel.weights, mode="nearest")
    if kernel.integer_form is not None:
        whole = kernel.integer_form.integers
        exact = ndimage.correlate(pixels.astype(float), whole, mode="nearest")
        exact /= kernel.integer_form.divisor
    near = np.abs(exact % 1 - 0.5) < (0 if kernel.integer_form else 1e-3)
    case = Case(
        pixels, kernel.weights, {"padding": "same", "border": "replicate", "dtype": np.uint8}
    )
    plans = plans_of(case)
    assert "separable-lines" in [plan.strategy.name for plan in plans]
    for plan in plans:
        got = np.empty((61, 90, 1), np.uint8)
        run_plan(plan, pixels[..., np.newaxis], got, 1)
        np.testing.assert_array_equal(got[~near, 0], np.rint(exact)[~near])


def test_a_part_of_a_row_of_results_is_stored() -> None:
    """A row of 9000 pixels is computed in two tiles."""
    pixels = np.random.default_rng(4).integers(0, 256, (20, 9000)).astype(np.uint8)
    weights = np.array(KERNELS["sobel"])
    case = Case(pixels, weights, {"padding": 1, "dtype": np.int16})
    expected = ndimage.correlate(pixels.astype(float), weights, mode="constant")
    for plan in plans_of(case):
        got = np.empty((20, 9000, 1), np.int16)
        run_plan(plan, pixels[..., np.newaxis], got, 2)
        np.testing.assert_array_equal(got[..., 0], expected)


def test_floats_of_16_bits_are_rounded_from_the_sums() -> None:
    pixels = np.random.default_rng(6).integers(0, 256, (40, 50)).astype(np.uint8)
    weights = np.random.default_rng(7).normal(size=(5, 4))
    case = Case(pixels, weights, {"dtype": np.float16})
    expected = ndimage.correlate(pixels.astype(float), weights)[2:-2, 2:-1]
    for plan in plans_of(case):
        got = case.executed(plan)[..., 0]
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-2)


def test_a_constant_beside_another_border_is_not_looked_at() -> None:
    """Also one that no pixel holds, in a tile whose edges are computed on their own."""
    pixels = np.random.default_rng(8).integers(0, 256, (200, 300)).astype(np.uint8)
    settings = {"padding": "same", "border": "replicate", "fill": 300.0}
    weights = np.array(KERNELS["sobel"])
    case = Case(pixels, weights, settings)
    expected = ndimage.correlate(pixels.astype(float), weights, mode="nearest")
    for plan in plans_of(case):
        np.testing.assert_array_equal(case.executed(plan)[..., 0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["sobel-x", "gaussian:1", "box:31"])
@pytest.mark.parametrize("border", ["wrap", "zero"])
def test_blocks_and_threads_have_the_same_bits(spec: str, border: str) -> None:
    """Of a picture in several tiles, whose columns beyond the edge may be in another tile."""
    pixels = np.random.default_rng(7).integers(0, 256, (90, 9000, 2)).astype(np.uint8)
    case = Case(pixels, kernel_from(spec).weights, {"padding": "same", "border": border})
    rows, columns = slice(20, 71), slice(4400, 9000)
    for plan in plans_of(case):
        whole, threaded = (np.empty(pixels.shape, np.float32) for _ in range(2))
        run_plan(plan, pixels, whole, 1)
        run_plan(plan, pixels, threaded, 2)
        np.testing.assert_array_equal(threaded, whole)
        block = plan.block_of(rows, columns)
        part = pixels[np.ix_(block.held_rows, block.held_columns)]
        got = np.empty((51, 4600, 2), np.float32)
        run_plan(plan, part, got, 1, block)
        np.testing.assert_array_equal(got, whole[rows, columns])


LARGE: dict[str, tuple[int, int]] = {
    "square": (31, 31),
    "flat": (1, 70),
    "tall": (128, 3),
    "even": (14, 8),
}


def drawn_sums(image: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sums of whole windows, by a transform of the whole picture in float64."""
    size = image.shape[:2]
    product = np.fft.rfft2(image.astype(float), axes=(0, 1))
    product *= np.fft.rfft2(weights, size).conj()[..., np.newaxis]
    rows, columns = (1 + n - k for n, k in zip(size, weights.shape, strict=True))
    return np.fft.irfft2(product, size, axes=(0, 1))[:rows, :columns]


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_transforms_of_several_tiles(name: str, dtype: str) -> None:
    """Of two channels; threads change no bit, and a part of the result is that of the whole."""
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (560, 2300, 2)).astype(dtype)
    weights = rng.normal(size=LARGE[name])
    (plan,) = plans_of(Case(image, weights, {}))[-1:]
    assert plan.strategy.name == "compiled-fft"
    got = np.empty(plan.problem.result_shape, np.float32)
    run_plan(plan, image, got, 1)
    assert plan.tile_count > 4
    most = 1e-5 * 255 * np.abs(weights).sum()
    np.testing.assert_allclose(got, drawn_sums(image, weights), rtol=0, atol=most)
    again = np.empty_like(got)
    run_plan(replace(plan, cost=1e9), image, again, 2)
    np.testing.assert_array_equal(again, got)
    block = plan.block_of(slice(100, 260), slice(1900, 2200))
    part = np.empty((160, 300, 2), np.float32)
    run_plan(plan, image[np.ix_(block.held_rows, block.held_columns)], part, 1, block)
    np.testing.assert_array_equal(part, got[100:260, 1900:2200])


@pytest.mark.parametrize("size", [9, 63, 128])
def test_transforms_move_a_picture(size: int) -> None:
    """One weight in a corner: the hardest kernel for a transform in float32."""
    image = np.random.default_rng(9).integers(0, 2, (200, 300, 1)).astype(np.uint8) * 255
    weights = np.zeros((size, size))
    weights[0, 0] = 128
    case = Case(image, weights, {"dtype": np.int16})
    plan = plans_of(case)[-1]
    assert plan.strategy.name == "compiled-fft"
    wanted = np.minimum(128 * image[: 201 - size, : 301 - size].astype(int), 32767)
    np.testing.assert_array_equal(case.executed(plan), wanted)


@pytest.mark.parametrize("fill", [-3.0, 0.5, 7.0])
def test_transforms_keep_the_constant_of_the_border(fill: float) -> None:
    image = np.random.default_rng(10).integers(0, 256, (20, 30)).astype(np.uint8)
    weights = np.random.default_rng(11).normal(size=(5, 9))
    case = Case(image, weights, {"padding": 8, "fill": fill})
    got = case.executed(plans_of(case)[-1])[..., 0]
    np.testing.assert_allclose(got, case.expected, rtol=0, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(5, 5), (7, 7), (4, 6), (1, 3)])
@pytest.mark.parametrize("result", ["float32", "uint8"])
def test_columns_of_taps(size: tuple[int, int], result: str) -> None:
    """Of several tiles both ways, the last ones cut; bytes are off at ties only."""
    rng = np.random.default_rng(12)
    image = rng.integers(0, 256, (141, 5001, 2)).astype(np.uint8)
    weights = rng.normal(size=size) / size[0]
    case = Case(image, weights, {"dtype": result})
    plan = next(plan for plan in plans_of(case) if plan.strategy.name == "dense")
    assert plan.tile_count > 4
    got, sums = case.executed(plan), drawn_sums(image, weights)
    if result == "uint8":
        np.testing.assert_allclose(got, sums.clip(0, 255), rtol=0, atol=0.5 + 1e-3)
    else:
        np.testing.assert_allclose(got, sums, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(case.executed(replace(plan, cost=1e9), 2), got)


CHANNELS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "3×3": ((3, 3), {"padding": 1}),
    "stride": ((3, 5), {"stride": (2, 3), "padding": 2}),
    "dilation": ((4, 2), {"dilation": (1, 3)}),
    "one": ((1, 1), {}),
}


def channel_sums(image: NDArray[Any], weights: NDArray[Any], **settings: Any) -> NDArray[Any]:
    """Return the sums over NumPy's own windows, by einsum in float64."""
    rim, (down, across) = settings.get("padding", 0), settings.get("stride", (1, 1))
    beneath, beside = settings.get("dilation", (1, 1))
    rows, columns = weights.shape[-2:]
    size = (1 + (rows - 1) * beneath, 1 + (columns - 1) * beside)
    padded = np.pad(image.astype(float), ((rim, rim), (rim, rim), (0, 0)))
    windows = sliding_window_view(padded, size, (0, 1))[
        ::down, ::across, :, ::beneath, ::beside
    ]
    sums: NDArray[Any] = np.einsum("yxcij,cij->yxc", windows, weights[:, 0])
    return sums


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_kernel_a_channel(name: str, dtype: str) -> None:
    """On several tiles, of runs that the last one fills in part."""
    size, settings = CHANNELS[name]
    rng = np.random.default_rng(6)
    image = rng.integers(0, 99, (60, 250, 40)).astype(dtype)
    weights = rng.integers(-9, 10, (40, 1, *size)).astype(float)
    case = Case(image, weights, {"groups": 40, **settings})
    (plan,) = plans_of(case)
    expected = channel_sums(image, weights, **settings)
    for jobs in (1, 2):
        np.testing.assert_array_equal(case.executed(replace(plan, cost=1e9), jobs), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(5, 6), (9, 9), (2, 1, 3, 3)])
def test_a_nan_reaches_no_output_that_does_not_look_at_it(
    value: float, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(7)
    weights, image = rng.normal(size=shape), rng.normal(size=(40, 50, 2)).astype(np.float32)
    weights[..., 0, 0] = 0
    image[20, 30] = value
    case = Case(image, weights, {"groups": 2} if len(shape) > 2 else {})
    rows, columns = shape[-2:]
    touched = np.zeros((41 - rows, 51 - columns, 2), bool)
    touched[21 - rows : 21, 31 - columns : 31] = True
    touched[20, 30] = False
    for plan in plans_of(case):
        np.testing.assert_array_equal(~np.isfinite(case.executed(plan)), touched)


SOBEL = """
import sys, numpy as np, convcli
eye = np.eye(600, 800, dtype="u1")
def sobel():
    return convcli.correlate(eye, "sobel-x", padding=1, dtype="u1", jobs=1)
"""


def run_program(text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", SOBEL + text],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done


def compile_sobel() -> None:
    """Have its functions on disk for other processes."""
    convcli.correlate(np.zeros((600, 800), "u1"), "sobel-x", padding=1, dtype="u1")


@pytest.mark.slow
def test_other_processes_read_what_one_compiled_and_may_fork() -> None:
    compile_sobel()
    done = run_program(
        """
import os
expected = sobel()
child = os.fork()
if not child:
    os._exit(0 if np.array_equal(sobel(), expected) else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "numba" in sys.modules)
""",
        NUMBA_DEBUG_CACHE="1",
    )
    assert "data loaded" in done.stdout
    assert "data saved" not in done.stdout
    assert done.stdout.splitlines()[-1] == "0 True"


@pytest.mark.slow
def test_two_processes_write_one_cache(tmp_path: Path) -> None:
    """Each finds what it wrote, and what the other wrote: numba's own cache lost some."""
    program = """
import time
from pathlib import Path
from convcli.engine.compiled_tiles import copied
files, folder = vars(vars(copied)["_cache"])["_cache_file"], Path({folder!r})
copied.compile("({mine}[::1], f4[::1])")
(folder / "{mine}").touch()
while len(list(folder.glob("u?"))) < 2:
    time.sleep(0.001)
for number in range(300):
    files.save(("{mine}", number), ("{mine}", number))
(folder / "{mine} done").touch()
while len(list(folder.glob("* done"))) < 2:
    time.sleep(0.001)
for key in [(kind, number) for kind in ("u1", "u2") for number in range(300)]:
    assert files.load(key) == key, key
copied.compile("({other}[::1], f4[::1])")
"""
    folder = str(tmp_path)
    variables = {"XDG_CACHE_HOME": folder, "NUMBA_DEBUG_CACHE": "1"}
    programs = [
        program.format(mine=mine, other=other, folder=folder)
        for mine, other in (("u1", "u2"), ("u2", "u1"))
    ]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda text: run_program(text, **variables), programs))
    for each in done:
        assert each.stdout.count("data saved") == 301
        assert each.stdout.count("data loaded") == 601


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no LLVM here')", "numba cannot be imported (no LLVM here)"),
        ("__version__ = '0.58.1'", "numba 0.58.1 is too old, expected 0.61 or later"),
        ("", "numba cannot be imported"),
    ],
)
def test_without_a_numba_that_works_numpy_computes(
    tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "numba.py").write_text(source)
    done = run_program("sobel(); print(sobel().max())", PYTHONPATH=str(tmp_path))
    assert done.stdout.split() == ["2"]
    assert said in done.stderr
    assert done.stderr.count("RuntimeWarning") == 1


def test_without_numba_nothing_changes() -> None:
    program = """
import importlib.util
find = importlib.util.find_spec
def find_others(name, package=None):
    return None if name == "numba" else find(name, package)
importlib.util.find_spec = find_others
sys.modules.update(numba=None, llvmlite=None)  # to import them raises
print(sobel().max(), convcli.prefer_compiled(), "convcli.engine.compiled_lines" in sys.modules)
"""
    done = run_program(program)
    assert done.stdout.split() == ["2", "False", "False"]
    assert not done.stderr


def test_without_a_folder_functions_are_compiled_in_each_process(tmp_path: Path) -> None:
    """A file where the folder should be cannot be written into, by root neither."""
    (tmp_path / "file").write_text("")
    variables = {"XDG_CACHE_HOME": str(tmp_path / "file"), "NUMBA_CACHE_DIR": ""}
    done = run_program("import convcli.engine.compiled_lines", **variables)
    assert done.stderr.count("no folder for compiled functions can be written") == 1


def test_plans_name_compiled_strategies(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(np.zeros((30, 30), np.uint8), np.array(KERNELS["sobel"]), {"padding": 1})
    names = {kind.name for kind in COMPILED}
    assert names <= {candidate.strategy for candidate in case.plan().considered}
    monkeypatch.setenv("CONVCLI_FAST", "never")
    assert not names & {candidate.strategy for candidate in case.plan().considered}


def chosen(shape: tuple[int, int]) -> str:
    settings: dict[str, Any] = {"padding": 1, "dtype": np.uint8}
    case = Case(np.zeros((3, 3), np.uint8), np.array(KERNELS["sobel"]), settings)
    return choose_plan(replace(case.plan().problem, shape=(*shape, 1))).strategy.name


def test_never_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVCLI_FAST", "never")
    assert chosen((3000, 4000)) == "passes"


def test_one_photograph_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: here numba is loaded."""
    monkeypatch.setenv("CONVCLI_FAST", "auto")
    program = """
import sys, numpy as np, convcli
convcli.correlate(np.zeros((3000, 4000), np.uint8), "sobel-x", padding=1, dtype=np.uint8)
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False"]


def test_many_photographs_pay_together() -> None:
    """In a process of its own, as above: 12 megapixels of sobel-x save some milliseconds."""
    done = run_program(
        """
from convcli.engine.compiled import expect_runs, worth_compiling
print(worth_compiling(2e6), "numba" in sys.modules)
expect_runs(1000)
print(worth_compiling(2e6), "numba" in sys.modules)
""",
        CONVCLI_FAST="auto",
    )
    assert done.stdout.split() == ["False", "False", "True", "True"]


def test_to_load_numba_makes_no_plan_stale() -> None:
    """In a process of its own, whose first plan loads numba."""
    done = run_program(
        """
from convcli.engine.planner import choose_plan
from convcli.engine.problem import problem_for
from convcli.geometry.window import window
kernel = convcli.kernel("sobel-x")
def plan():
    return choose_plan(problem_for((600, 800, 1), eye.dtype, kernel, window(kernel.size)))
print("numba" in sys.modules, plan() is plan(), "numba" in sys.modules)
""",
        CONVCLI_FAST="always",
    )
    assert done.stdout.split() == ["False", "True", "True"]


def test_another_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVCLI_FAST", "maybe")
    with pytest.raises(convcli.OptionError, match="expected one of auto, always, never"):
        chosen((3000, 4000))


def test_every_compiled_strategy_is_tested_here() -> None:
    names = ["lines", "separable-lines", "dense", "compiled-fft", "compiled-depthwise"]
    assert [kind.name for kind in COMPILED] == names

"""Compiled strategies: the same numbers as the oracle's, and when they are chosen."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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
        if not kind.refusal(problem)
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
                np.testing.assert_array_equal(case.executed(plan), case.expected())


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


def test_compiled_functions_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process reads what the first compiled, and compiles nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("NUMBA_DEBUG_CACHE", "1")
    program = """
import numpy as np, convcli
convcli.correlate(np.zeros((600, 800), np.uint8), "sobel-x", padding=1, dtype=np.uint8)
"""
    run = [sys.executable, "-c", program]
    first = subprocess.run(run, capture_output=True, check=True).stdout
    second = subprocess.run(run, capture_output=True, check=True).stdout
    assert b"data saved" in first
    assert b"data loaded" in second
    assert b"data saved" not in second


def chosen(shape: tuple[int, int]) -> str:
    case = Case(np.zeros((3, 3), np.uint8), np.array(KERNELS["sobel"], float), {"padding": 1})
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


def test_another_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVCLI_FAST", "maybe")
    with pytest.raises(convcli.ConvcliError, match="expected one of auto, always, never"):
        chosen((3000, 4000))


def test_every_compiled_strategy_is_tested_here() -> None:
    assert [kind.name for kind in COMPILED] == ["lines", "separable-lines"]

"""Compiled strategies: the same numbers as the oracle's, and when they are chosen."""

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine.planner import choose_plan
from convcli.engine.strategies import COMPILED
from convcli.values import replace
from support.cases import BORDERS, Case

SCIPY = {"replicate": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "wrap"}
KERNELS = {
    "sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "laplacian": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "two by four": [[1, -2, 3, 4], [0, 0, 5, -1]],
    "dense": [[9, -4, 3, 1, 7]] * 5,
    "empty rows": [[0, 0, 0], [0, 0, 0], [1, 0, -3]],
    "heavy": [[300, -2], [1, 40]],
}


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("numba")
    monkeypatch.setenv("CONVCLI_FAST", "always")


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_sums_are_those_of_the_oracle(name: str, dtype: str) -> None:
    weights = np.array(KERNELS[name], float)
    values = np.random.default_rng(1).integers(0, 100, (9, 13, 3)).astype(dtype)
    for border in BORDERS:
        settings: dict[str, Any] = {"padding": "same", "border": border, "dilation": (2, 1)}
        case = Case(values, weights, settings)
        plan = case.plan()
        assert plan.strategy.name == "whole"
        np.testing.assert_array_equal(case.executed(plan), case.expected())


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("result", [np.uint8, np.int16, np.float32])
def test_results_saturate(name: str, result: type[Any]) -> None:
    """Of several tiles, the last one cut."""
    pixels = np.random.default_rng(2).integers(0, 256, (301, 1100)).astype(np.uint8)
    weights = np.array(KERNELS[name], float)
    for border, mode in SCIPY.items():
        origin = [-(n % 2 == 0) for n in weights.shape]
        sums = ndimage.correlate(pixels.astype(float), weights, mode=mode, origin=origin)
        if np.dtype(result).kind in "iu":
            sums = sums.clip(np.iinfo(result).min, np.iinfo(result).max)
        for jobs in (1, 2):
            got = convcli.correlate(
                pixels, weights, padding="same", border=border, dtype=result, jobs=jobs
            )
            np.testing.assert_array_equal(got, sums.astype(result))


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
    assert [kind.name for kind in COMPILED] == ["whole"]

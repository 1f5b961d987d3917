"""Parts of a result, computed from parts of an image: bit for bit as in the whole."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import convcli
from convcli.choices import Range
from convcli.engine.planner import Block, Plan, rule_for
from convcli.engine.problem import problem_for
from convcli.engine.store import ValueStats
from convcli.engine.strategies import STRATEGIES
from convcli.engine.worker import run_plan
from convcli.kernels.kernel import Kernel
from support import cases

BLOCK = (83, 611)
"""Outputs of a block: no multiple of any tile."""

WHOLE = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], float)
REAL = np.random.default_rng(2).normal(size=(5, 4))
WIDE = np.random.default_rng(3).normal(size=(3, 2, 3, 3))

SCENES: dict[str, tuple[tuple[int, int, int], NDArray[Any], dict[str, Any]]] = {
    "passes": ((330, 7_001, 1), WHOLE, {}),
    "passes, divided": ((330, 7_001, 1), np.ones((3, 3)) / 9, {}),
    "im2col, several parts": ((290, 1_300, 3), np.ones((16, 3, 3, 3)) * REAL[0, 0], {}),
    "separable": ((300, 4_500, 1), np.outer(REAL[:, 0], np.arange(1.0, 18.0)), {}),
    "band": ((130, 2_400, 3), REAL, {"dilation": (1, 2)}),
    "fft": ((700, 1_300, 1), REAL, {}),
    "row-winograd": ((90, 1_500, 24), np.random.default_rng(4).normal(size=(40, 24, 3, 3)), {}),
    "im2col": ((190, 2_100, 4), WIDE, {"stride": (2, 3), "groups": 1}),
    "depthwise": ((90, 1_500, 24), np.random.default_rng(6).normal(size=(24, 1, 3, 3)), {}),
    "taps": ((210, 5_001, 1), REAL, {"stride": (3, 2), "dilation": (2, 1)}),
}
"""An image of several tiles, weights and settings for each strategy."""

MUCH = 1e9
"""Nanoseconds a value: so much work is shared by threads."""

GROUPS = {"im2col": 1, "depthwise": 24}


def plan_of(name: str, dtype: str, border: str) -> Plan:
    shape, weights, settings = SCENES[name]
    if name == "im2col":
        weights = np.repeat(weights, 2, axis=1)
    sliding = {"padding": "same"} | {k: v for k, v in settings.items() if k != "groups"}
    kernel = Kernel(weights)
    window = convcli.window(kernel.size, **sliding)
    groups = GROUPS.get(name, 1)
    kind = next(kind for kind in STRATEGIES if kind.name == name.partition(",")[0])
    problem = problem_for(shape, np.dtype(dtype), kernel, window, groups=groups, border=border)
    assert not isinstance(kind.cost(problem), str)
    return Plan(problem, kind.method, kind(problem), "tested", MUCH)


def image_for(plan: Plan) -> NDArray[Any]:
    values = np.random.default_rng(8).normal(110, 60, plan.problem.shape).clip(0, 255)
    return values.astype(plan.problem.dtype)


def blocks_of(plan: Plan) -> list[Block]:
    rows, columns, _ = plan.problem.result_shape
    return [
        plan.block_of(slice(y, min(y + BLOCK[0], rows)), slice(x, min(x + BLOCK[1], columns)))
        for y in range(0, rows, BLOCK[0])
        for x in range(0, columns, BLOCK[1])
    ]


def in_blocks(
    plan: Plan, image: NDArray[Any], dtype: np.dtype[Any], how: Range | None
) -> tuple[NDArray[Any], ValueStats]:
    """Compute block by block, each from a copy of nothing but what it holds."""
    result, seen = np.empty(plan.problem.result_shape, dtype), ValueStats()
    for block in blocks_of(plan):
        held = image[np.ix_(block.held_rows, block.held_columns)]
        part = np.empty_like(result[block.rows, block.columns])
        seen += run_plan(plan, held, part, 1, block, rule=rule_for(plan, part.dtype, how))
        result[block.rows, block.columns] = part
    return result, seen


MET = [
    (name, cases.BORDERS[(number + more) % len(cases.BORDERS)])
    for number, name in enumerate(SCENES)
    for more in (0, 2)
]
"""Each scene meets two borders, and each border four scenes."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "border"), MET)
def test_blocks_are_equal_to_the_whole_to_the_last_bit(name: str, border: str) -> None:
    """A border says what a block holds, a strategy how that is summed: pairs are enough.

    All scenes meet `wrap` and `reflect` below, too.
    """
    plan = plan_of(name, "float32", border)
    image = image_for(plan)
    whole = np.empty(plan.problem.result_shape, plan.problem.result)
    run_plan(plan, image, whole, 1)
    parts, _ = in_blocks(plan, image, plan.problem.result, None)
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_pixels_and_what_is_seen_of_them_are_equal(name: str) -> None:
    """No value is counted twice, though tiles are computed for more than one block."""
    plan = plan_of(name, "uint8", "reflect")
    image = image_for(plan)
    whole = np.empty(plan.problem.result_shape, np.uint8)
    seen = run_plan(plan, image, whole, 1, rule=rule_for(plan, whole.dtype, Range.ABS))
    parts, seen_in_parts = in_blocks(plan, image, np.dtype(np.uint8), Range.ABS)
    np.testing.assert_array_equal(parts, whole)
    assert seen_in_parts == seen


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_pixels_of_signs_that_are_clipped_are_equal(name: str) -> None:
    plan = plan_of(name, "uint8", "wrap")
    image = image_for(plan)
    whole = np.empty(plan.problem.result_shape, np.uint8)
    run_plan(plan, image, whole, 1)
    parts, _ = in_blocks(plan, image, np.dtype(np.uint8), None)
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENES)
def test_a_nan_spreads_no_further_in_blocks(name: str) -> None:
    plan = plan_of(name, "float32", "wrap")
    image = image_for(plan)
    image[40:42, 600:602] = np.nan
    whole = np.empty(plan.problem.result_shape, np.float32)
    run_plan(plan, image, whole, 1)
    parts, _ = in_blocks(plan, image, np.dtype(np.float32), None)
    np.testing.assert_array_equal(parts, whole)


def test_a_block_holds_no_more_than_its_tiles_read() -> None:
    """Of a wrapped picture the first rows read the last ones too."""
    plan = plan_of("passes", "uint8", "wrap")
    block = plan.block_of(slice(0, 5), slice(0, 9))
    rows, columns = plan.strategy.rows, plan.strategy.columns
    assert block.held_rows.tolist() == [*range(rows + 1), 329]
    assert block.held_columns.tolist() == [*range(columns + 1), 7_000]

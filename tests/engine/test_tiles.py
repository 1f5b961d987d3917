"""Images that need more than one tile, tiles of every size, and threads."""

import functools
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.engine.strategies import FALLBACK
from convcli.values import replace
from support import cases
from support.cases import Case

CV2_BORDERS = {
    "zero": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
}
"""Those that `cv2.filter2D` can do: it refuses to wrap."""

SCIPY_MODES = {
    "zero": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "wrap": "wrap",
}

LARGE = (700, 1_301)
WEIGHTS = np.array([[1, -2, 3], [0, 5, -1], [2, 2, -7]], float)

borders = pytest.mark.parametrize("border", cases.BORDERS)


def scene(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    values = np.random.default_rng(7).integers(0, 256, shape)
    return values.astype(dtype)


@functools.cache
def scipy_result(border: str) -> NDArray[Any]:
    image = scene(LARGE, "float32")
    result: NDArray[Any] = ndimage.correlate(image, WEIGHTS, mode=SCIPY_MODES[border])
    return result


@pytest.mark.slow
@borders
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_a_large_image_equals_scipy(border: str, dtype: str, stride: tuple[int, int]) -> None:
    """With a stride s, every s-th of SciPy's values."""
    settings = {"stride": stride, "padding": 1, "border": border}
    case = Case(scene(LARGE, dtype), WEIGHTS, settings)
    assert case.plan().tile_count > 1
    expected = scipy_result(border)[:: stride[0], :: stride[1]]
    for way, result in case.results():
        np.testing.assert_allclose(result, expected, 0, case.slack(way), err_msg=way)


@pytest.mark.slow
@pytest.mark.parametrize("border", CV2_BORDERS)
@pytest.mark.parametrize("size", [(3, 3), (5, 2), (1, 7), (7, 7)])
def test_a_large_image_equals_opencv(border: str, size: tuple[int, int]) -> None:
    """OpenCV's anchor is k // 2: its odd pixel of an even kernel stands at the start."""
    image = scene((500, 2_003), "uint8")
    weights = np.random.default_rng(3).integers(-9, 10, size).astype(np.float32)
    padding = tuple((k // 2, k - 1 - k // 2) for k in size)
    case = Case(image, weights, {"padding": padding, "border": border})
    assert case.plan().tile_count > 1
    peer = cv2.filter2D(image, cv2.CV_32F, weights, borderType=CV2_BORDERS[border])
    for way, result in case.results():
        np.testing.assert_allclose(result, peer, 0, case.slack(way), err_msg=way)


@pytest.mark.parametrize(
    ("shape", "stride", "padding", "dilation"),
    [
        ((3, 20_001), (1, 1), ((0, 1), (4, 3)), (1, 3)),
        ((2, 60_000), (2, 3), (1, 0), (1, 1)),
        ((4, 40_000), (3, 2), (5, 9), (2, 1)),
    ],
)
def test_a_wide_image_equals_the_oracle(
    shape: tuple[int, int], stride: Any, padding: Any, dilation: Any
) -> None:
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    weights = np.array([[1, 0, -2], [3, -1, 0]], float)
    case = Case(scene(shape, "float32"), weights, {**settings, "border": "reflect"})
    assert case.plan().tile_count > 1
    expected = case.expected
    for way, result in case.results():
        np.testing.assert_allclose(result, expected, 0, case.slack(way), err_msg=way)


def test_a_large_bank_equals_scipy() -> None:
    """Each filter of a group is the sum of SciPy's results on its channels."""
    image, rng = scene((90, 700, 8), "float32"), np.random.default_rng(11)
    weights = rng.integers(-4, 5, (6, 4, 3, 3)).astype(float)
    case = Case(image, weights, {"groups": 2, "padding": 1, "bias": [1, 2, 3, 4, 5, 6]})
    assert case.plan().tile_count > 1
    expected = np.stack([filtered(image, weights, output) for output in range(6)], axis=-1)
    for way, result in case.results():
        np.testing.assert_allclose(result, expected, 0, case.slack(way), err_msg=way)


def filtered(image: NDArray[Any], weights: NDArray[Any], output: int) -> NDArray[Any]:
    """Return one map of two groups of three filters on four channels, and its bias."""
    first = 0 if output < 3 else 4
    total = np.full(image.shape[:2], output + 1.0)
    for channel, kernel in enumerate(weights[output], first):
        total += ndimage.correlate(image[..., channel], kernel, mode="constant")
    return total


@pytest.mark.slow
@given(
    case=cases.cases(cases.INTEGERS, cases.whole_weights),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_the_size_of_a_tile_changes_nothing(case: Case, size: tuple[int, int]) -> None:
    chosen = case.plan()
    strategy = FALLBACK(chosen.problem)
    strategy.rows, strategy.columns = size
    result = case.executed(replace(chosen, strategy=strategy))
    expected = case.expected.reshape(result.shape)
    np.testing.assert_array_equal(result, expected.astype(result.dtype))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_threads_change_no_bit(dtype: str) -> None:
    image = np.random.default_rng(1).normal(100, 40, (900, 1_100)).astype(dtype)
    weights = np.random.default_rng(2).normal(size=(5, 5))
    case = Case(image, weights, {"padding": "same", "border": "wrap"})
    alone = dict(case.results(jobs=1))
    for jobs in (2, 3):
        for way, result in case.results(jobs=jobs):
            np.testing.assert_array_equal(result, alone[way], way, strict=True)


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_thread_at_all_is_refused(jobs: int) -> None:
    said = f"jobs: expected a whole number of at least 1, got {jobs}"
    with pytest.raises(convcli.ConvcliError, match=said):
        convcli.correlate([[1]], [[1]], jobs=jobs)


def test_equal_problems_are_planned_once() -> None:
    image = scene((9, 9), "uint8")
    whole, real = np.array([[1, 2, 1]]), np.array([[1.0, 2.0, 1.0]])
    plans = [Case(image, weights, {}).plan() for weights in (whole, real)]
    assert plans[0].strategy is plans[1].strategy

"""What strategies are made for: kernels and banks of every kind, each strategy alone."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.engine.strategies import STRATEGIES
from support.cases import Case

RNG = np.random.default_rng(17)


def bank(filters: int, channels: int, rows: int, columns: int) -> NDArray[np.float64]:
    return RNG.normal(size=(filters, channels, rows, columns))


KERNELS: dict[str, NDArray[np.float64]] = {
    "sobel": convcli.kernel_from("sobel-x").weights,
    "laplacian": convcli.kernel_from("laplacian8").weights,
    "box": convcli.kernel_from("box:6").weights,
    "long box": np.full((1, 33), 1 / 33),
    "binomial": convcli.kernel_from("binomial:2").weights,
    "gaussian": convcli.kernel_from("gaussian:1.3").weights,
    "wide gaussian": convcli.kernel_from("gaussian:2").weights,
    "rank 2": np.outer([1.5, 2, 3.1], [1, 0.3, 4]) + np.outer([0.7, -1, 1], [2, 1, -1.9]),
    "dense": RNG.normal(size=(7, 5)),
    "large": RNG.normal(size=(17, 15)),
    "column": RNG.normal(size=(9, 1)),
    "one": np.array([[-1.7]]),
    "nothing": np.zeros((3, 3)),
}

BANKS: dict[str, tuple[NDArray[np.float64], dict[str, Any]]] = {
    "to grey": (bank(1, 3, 3, 3), {"padding": 1}),
    "first layer": (bank(16, 3, 7, 7), {"stride": 2, "padding": 3}),
    "3×3": (bank(16, 16, 3, 3), {"padding": 1}),
    "3×3 valid": (bank(40, 24, 3, 3), {}),
    "1×1": (bank(9, 20, 1, 1), {}),
    "1×1 stride": (bank(9, 20, 1, 1), {"stride": (2, 3)}),
    "depthwise": (bank(12, 1, 3, 3), {"groups": 12, "padding": 1}),
    "depthwise stride": (bank(5, 1, 5, 3), {"groups": 5, "stride": 2, "padding": "same"}),
    "depthwise twice": (bank(8, 1, 3, 3), {"groups": 4}),
    "groups": (bank(6, 2, 3, 2), {"groups": 3, "dilation": (2, 1), "padding": (2, 0)}),
}


def pictured(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.random.default_rng(23).integers(0, 200, shape).astype(dtype)


def kernel_case(name: str, dtype: str, border: str) -> Case:
    weights = KERNELS[name]
    image = pictured(dtype, (11, 13, 2))
    return Case(image, weights, {"padding": "same", "border": border, "bias": 3.5})


def bank_case(name: str, dtype: str) -> Case:
    weights, settings = BANKS[name]
    channels = weights.shape[1] * settings.get("groups", 1)
    image = pictured(dtype, (9, 10, channels))
    bias = np.arange(len(weights)).astype(float).tolist()
    return Case(image, weights, {**settings, "bias": bias, "border": "reflect"})


def assert_close(way: str, result: NDArray[Any], expected: NDArray[Any], atol: float) -> None:
    assert result.shape == expected.shape, way
    np.testing.assert_allclose(result, expected, rtol=0, atol=atol, err_msg=way)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("dtype", "border"), [("uint8", "reflect"), ("float64", "wrap")])
def test_kernels(name: str, dtype: str, border: str) -> None:
    case = kernel_case(name, dtype, border)
    expected = case.expected
    for way, result in case.results():
        assert_close(way, result, expected, case.tolerance(result.dtype))


@pytest.mark.slow
@pytest.mark.parametrize("name", BANKS)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_banks(name: str, dtype: str) -> None:
    case = bank_case(name, dtype)
    expected = case.expected
    for way, result in case.results():
        assert_close(way, result, expected, case.tolerance(result.dtype))


@pytest.mark.parametrize("name", KERNELS)
def test_bytes_are_off_at_ties_only(name: str) -> None:
    """Within 1e-3 of a tie either neighbour is right."""
    case = kernel_case(name, "uint8", "replicate")
    expected = case.expected
    for way, result in case.results(dtype=np.int16):
        assert np.abs(result - expected).max() <= 0.5 + 1e-3, way


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (7, 12), (10, 5)])
def test_a_nan_stays_where_the_kernel_looks(
    name: str, place: tuple[int, int], value: float
) -> None:
    case = kernel_case(name, "float32", "zero")
    spoilt = case.image.copy()
    spoilt[place] = value
    clean = dict(case.results())
    for way, result in Case(spoilt, case.weights, case.settings).results():
        touched = looking_at(place, case.weights, result.shape)
        np.testing.assert_array_equal(~np.isfinite(result), touched, way)
        atol = case.tolerance(result.dtype)
        assert_close(way, result[~touched], clean[way][~touched], atol)


def looking_at(
    place: tuple[int, int], weights: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return which outputs look at a pixel, where the padding is "same"."""
    touched = np.zeros(shape, bool)
    start = ((weights.shape[0] - 1) // 2, (weights.shape[1] - 1) // 2)
    for tap in np.argwhere(weights):
        y, x = (p - t + s for p, t, s in zip(place, tap.tolist(), start, strict=True))
        if 0 <= y < shape[0] and 0 <= x < shape[1]:
            touched[y, x] = True
    return touched


WHOLE: dict[str, NDArray[np.float64]] = {
    "dense 5": RNG.integers(-9, 10, (5, 5)).astype(float),
    "dense 9": RNG.integers(-9, 10, (9, 9)).astype(float),
    "dense 17": RNG.integers(-9, 10, (17, 17)).astype(float),
    "dense 31": RNG.integers(-9, 10, (31, 31)).astype(float),
    "ones 31": np.ones((31, 31)),
    "binomial 5": convcli.kernel_from("binomial:5").weights * 16**5,
    "rank 2": np.outer([1, -2, 3, 4, 5], [7, 1, 2]) + np.outer([0, 1, 1, 2, -9], [1, 4, -3]),
    "bank 3×3": RNG.integers(-9, 10, (16, 16, 3, 3)).astype(float),
}


@pytest.mark.parametrize("name", WHOLE)
def test_the_planner_keeps_whole_numbers_whole(name: str) -> None:
    weights = WHOLE[name]
    image = pictured("uint8", (40, 50, weights.shape[1] if weights.ndim == 4 else 1))
    result = convcli.correlate(image, weights, padding="same", border="reflect")
    stacked = weights if weights.ndim == 4 else weights[np.newaxis, np.newaxis]
    for output, filters in enumerate(stacked):
        expected = sum(
            ndimage.correlate(image[..., c].astype(np.float64), w, mode="mirror")
            for c, w in enumerate(filters)
        )
        np.testing.assert_array_equal(result[..., output], np.float32(expected))


def test_every_strategy_serves_some_of_these() -> None:
    """So that none is tested by its refusals alone."""
    tried = [kernel_case(name, "float32", "zero") for name in KERNELS]
    tried += [bank_case(name, "float32") for name in BANKS]
    problems = [case.plan().problem for case in tried]
    idle = [
        kind.name
        for kind in STRATEGIES
        if all(isinstance(kind.cost(each), str) for each in problems)
    ]
    assert not idle


@pytest.mark.parametrize("method", ["separable", "fft"])
def test_a_method_that_cannot_serve_says_why_and_what_to_do(method: str) -> None:
    """A bank at stride 2 is nothing for either."""
    with pytest.raises(convcli.ConvcliError) as raised:
        convcli.correlate(np.ones((9, 9, 1)), np.ones((2, 1, 3, 3)), stride=2, method=method)
    said = str(raised.value)
    assert said.startswith(f"method {method} cannot serve here (")
    assert said.endswith(": use auto")
    assert "bank" in said

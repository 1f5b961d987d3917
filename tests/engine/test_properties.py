"""What holds for every image and every kernel, by every method."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import convcli
from support import cases
from support.cases import Case

methods = pytest.mark.parametrize("method", cases.METHODS)

grids = hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
small = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    elements=st.integers(-9, 9).map(float),
)


def answers(
    image: NDArray[Any], weights: NDArray[Any], **settings: Any
) -> dict[str, NDArray[Any]]:
    """Return the result of each method that can serve, in float64."""
    case = Case(image, weights, {"padding": "same", "dtype": np.float64, **settings})
    return dict(case.results(cases.METHODS))


def assert_same(
    method: str, result: NDArray[Any], expected: NDArray[Any], scale: float = 0.0
) -> None:
    """Compare whole numbers; `scale` is Σ|w|·max|x|."""
    atol = cases.slack(method, scale)
    np.testing.assert_allclose(result, expected, rtol=0, atol=atol, err_msg=method)


def scale_of(image: NDArray[Any], weights: NDArray[Any]) -> float:
    return float(np.abs(weights).sum() * np.abs(image.astype(np.float64)).max())


@given(one=grids, factors=st.tuples(st.integers(-9, 9), st.integers(-9, 9)), weights=small)
def test_linear_in_the_image(
    one: NDArray[Any], factors: tuple[int, int], weights: NDArray[Any]
) -> None:
    a, b = factors
    one = one.astype(np.int64)
    other = one[::-1, ::-1]
    firsts, seconds = answers(one, weights), answers(other, weights)
    for method, mixed in answers(a * one + b * other, weights).items():
        expected = a * firsts[method] + b * seconds[method]
        assert_same(method, mixed, expected, 19 * scale_of(one, weights))


@given(image=grids, weights=small, factor=st.integers(-9, 9))
def test_linear_in_the_weights(image: NDArray[Any], weights: NDArray[Any], factor: int) -> None:
    firsts, seconds = answers(image, weights), answers(image, weights[::-1])
    for method, both in answers(image, factor * weights + weights[::-1]).items():
        if method in firsts and method in seconds:
            expected = factor * firsts[method] + seconds[method]
            assert_same(method, both, expected, 10 * scale_of(image, weights))


@given(weights=small)
def test_an_impulse_answers_with_the_flipped_kernel(weights: NDArray[Any]) -> None:
    rows, columns = weights.shape
    impulse = np.zeros((2 * rows - 1, 2 * columns - 1), np.uint8)
    impulse[rows - 1, columns - 1] = 1
    for method, result in answers(impulse, weights, padding=0).items():
        assert_same(method, result, weights[::-1, ::-1], scale_of(impulse, weights))
    np.testing.assert_array_equal(convcli.convolve(impulse, weights), weights)


@methods
@pytest.mark.parametrize(
    "spec", ["identity", "box:5", "gaussian:1.4", "binomial:2", "sharpen", "emboss"]
)
@pytest.mark.parametrize(
    ("dtype", "value"), [("uint8", 255), ("uint16", 40_000), ("float32", 0.5)]
)
def test_kernels_that_sum_to_1_keep_a_constant_image(
    method: str, spec: str, dtype: str, value: float
) -> None:
    image = np.full((7, 9, 3), value, dtype)
    weights = convcli.kernel_from(spec).weights
    for border in ("replicate", "reflect", "symmetric", "wrap"):
        case = Case(image, weights, {"padding": "same", "border": border})
        result, stored = case.result(method), case.result(method, dtype=dtype)
        if result is not None and stored is not None:
            np.testing.assert_allclose(result, image, rtol=2e-6)
            np.testing.assert_allclose(stored, image, rtol=2e-6 if dtype == "float32" else 0)


@methods
@pytest.mark.parametrize(
    "spec", ["sobel-x", "sobel-y", "prewitt-x", "scharr-y", "laplacian4", "laplacian8", "edge"]
)
def test_kernels_that_sum_to_0_answer_0_on_a_constant_image(method: str, spec: str) -> None:
    image, weights = np.full((6, 8), 201, np.uint8), convcli.kernel_from(spec).weights
    result = answers(image, weights, border="replicate").get(method)
    if result is not None:
        assert_same(method, result, np.zeros((6, 8)), scale_of(image, weights))


@given(image=grids, weights=small, shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_a_shifted_image_gives_the_shifted_result(
    image: NDArray[Any], weights: NDArray[Any], shift: tuple[int, int]
) -> None:
    """Exactly so where the image wraps around."""
    shifted = answers(np.roll(image, shift, (0, 1)), weights, border="wrap")
    for method, result in answers(image, weights, border="wrap").items():
        expected = np.roll(result, shift, (0, 1))
        assert_same(method, shifted[method], expected, scale_of(image, weights))


@given(case=cases.cases())
def test_the_shape_is_what_geometry_says_and_the_image_stays(case: Case) -> None:
    before = case.image.copy()
    sliding = {name: case.settings[name] for name in ("stride", "padding", "dilation")}
    window = convcli.window(case.weights.shape[-2:], **sliding)
    for way, result in case.results((*cases.WAYS, *cases.METHODS)):
        assert result.shape[:2] == window.output_shape(case.image.shape[:2]), way
        np.testing.assert_array_equal(case.image, before, way, strict=True)


@given(case=cases.cases(cases.INTEGERS, cases.whole_weights))
def test_a_stride_takes_every_so_manieth_output(case: Case) -> None:
    stride = case.settings["stride"]
    rows, columns = (stride, stride) if isinstance(stride, int) else stride
    dense = Case(case.image, case.weights, {**case.settings, "stride": 1})
    for method, result in case.results(cases.METHODS):
        every = dense.result(method)
        assert every is not None
        assert_same(method, result, every[::rows, ::columns], case.scale())


@given(case=cases.cases(cases.INTEGERS, cases.whole_weights))
def test_convolve_is_correlate_with_the_kernel_flipped_on_both_axes(case: Case) -> None:
    flipped = case.with_weights(case.weights[..., ::-1, ::-1])
    result = convcli.convolve(case.image, case.weights, **case.settings)
    np.testing.assert_array_equal(result, flipped.expected.astype(result.dtype))


@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_gives_the_ceiling(side: int, stride: int) -> None:
    for width in range(1, 14):
        for result in answers(
            np.ones((width, 1)), np.ones((side, 1)), stride=(stride, 1)
        ).values():
            assert result.shape == (-(-width // stride), 1)

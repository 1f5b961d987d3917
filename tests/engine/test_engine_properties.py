"""What holds for every image and every kernel."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import cases
import convcli
from cases import Case

ways = pytest.mark.parametrize("way", cases.METHODS)

grids = hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
small = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    elements=st.integers(-9, 9).map(float),
)


def assert_same(
    way: str, result: NDArray[Any], expected: NDArray[Any], weights: NDArray[Any]
) -> None:
    scale = float(np.abs(weights).sum()) * float(np.abs(expected).max())
    atol = cases.slack(way, max(scale, 1.0))
    np.testing.assert_allclose(result, expected, rtol=0, atol=atol)


def correlated(
    way: str, image: NDArray[Any], weights: NDArray[Any], **settings: Any
) -> NDArray[Any] | None:
    return Case(image, weights, settings).result(way)


@ways
@given(images=st.tuples(grids, st.integers(-9, 9), st.integers(-9, 9)), weights=small)
def test_linear_in_the_image(
    way: str, images: tuple[NDArray[Any], int, int], weights: NDArray[Any]
) -> None:
    one, a, b = images
    other = np.flip(one).astype(np.int64)
    mixed = correlated(way, a * one.astype(np.int64) + b * other, weights, padding="same")
    parts = [correlated(way, each, weights, padding="same") for each in (one, other)]
    if mixed is not None and parts[0] is not None and parts[1] is not None:
        assert_same(way, mixed, a * parts[0].astype(float) + b * parts[1], weights)


@ways
@given(image=grids, weights=small, factor=st.integers(-9, 9))
def test_linear_in_the_weights(
    way: str, image: NDArray[Any], weights: NDArray[Any], factor: int
) -> None:
    settings = {"padding": 3, "dtype": np.float64}
    both = correlated(way, image, factor * weights + weights[::-1], **settings)
    one, other = (correlated(way, image, w, **settings) for w in (weights, weights[::-1]))
    if both is not None and one is not None and other is not None:
        assert_same(way, both, factor * one + other, weights)


@ways
@given(weights=small)
def test_an_impulse_answers_with_the_flipped_kernel(way: str, weights: NDArray[Any]) -> None:
    rows, columns = weights.shape
    impulse = np.zeros((2 * rows - 1, 2 * columns - 1), np.uint8)
    impulse[rows - 1, columns - 1] = 1
    result = correlated(way, impulse, weights)
    if result is not None:
        assert_same(way, result, weights[::-1, ::-1], weights)
    np.testing.assert_array_equal(convcli.convolve(impulse, weights), weights)


@ways
@pytest.mark.parametrize(
    "spec", ["identity", "box:5", "gaussian:1.4", "binomial:2", "sharpen", "emboss"]
)
@pytest.mark.parametrize("border", ["replicate", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize(
    ("dtype", "value"), [("uint8", 255), ("uint16", 40_000), ("float32", 0.5)]
)
def test_kernels_that_sum_to_1_keep_a_constant_image(
    way: str, spec: str, border: str, dtype: str, value: float
) -> None:
    image = np.full((7, 9, 3), value, dtype)
    weights = convcli.kernel_from(spec).weights
    result = correlated(way, image, weights, padding="same", border=border)
    if result is not None:
        np.testing.assert_allclose(result, image, rtol=1e-6)
        stored = correlated(way, image, weights, padding="same", border=border, dtype=dtype)
        assert stored is not None
        np.testing.assert_allclose(stored, image, rtol=1e-6 if dtype == "float32" else 0)


@ways
@pytest.mark.parametrize(
    "spec", ["sobel-x", "sobel-y", "prewitt-x", "scharr-y", "laplacian4", "laplacian8", "edge"]
)
def test_kernels_that_sum_to_0_answer_0_on_a_constant_image(way: str, spec: str) -> None:
    image, weights = np.full((6, 8), 201, np.uint8), convcli.kernel_from(spec).weights
    result = correlated(way, image, weights, padding="same", border="replicate")
    if result is not None:
        assert_same(way, result, np.zeros((6, 8)), weights)


@ways
@given(image=grids, weights=small, shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_a_shifted_image_gives_the_shifted_result(
    way: str, image: NDArray[Any], weights: NDArray[Any], shift: tuple[int, int]
) -> None:
    """Exactly so where the image wraps around."""
    settings = {"padding": "same", "border": "wrap"}
    result = correlated(way, image, weights, **settings)
    shifted = correlated(way, np.roll(image, shift, (0, 1)), weights, **settings)
    if result is not None and shifted is not None:
        assert_same(way, shifted, np.roll(result, shift, (0, 1)), weights)


@ways
@given(case=cases.cases())
def test_the_shape_is_what_geometry_says(way: str, case: Case) -> None:
    sliding = {name: case.settings[name] for name in ("stride", "padding", "dilation")}
    window = convcli.window(case.weights.shape[-2:], **sliding)
    result = case.result(way)
    if result is not None:
        assert result.shape[:2] == window.output_shape(case.image.shape[:2])


@ways
@given(case=cases.cases(cases.INTEGERS, cases.whole_weights))
def test_a_stride_takes_every_so_manieth_output(way: str, case: Case) -> None:
    dense = Case(case.image, case.weights, {**case.settings, "stride": 1}).result(way)
    result, stride = case.result(way), case.settings["stride"]
    rows, columns = (stride, stride) if isinstance(stride, int) else stride
    if dense is not None and result is not None:
        assert_same(way, result, dense[::rows, ::columns], case.weights)


@given(case=cases.cases(cases.INTEGERS, cases.whole_weights))
def test_convolve_is_correlate_with_the_kernel_flipped_on_both_axes(case: Case) -> None:
    flipped = case.with_weights(case.weights[..., ::-1, ::-1])
    result = convcli.convolve(case.image, case.weights, **case.settings)
    np.testing.assert_array_equal(result, flipped.expected())


@ways
@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_gives_the_ceiling(way: str, side: int, stride: int) -> None:
    for width in range(1, 14):
        result = correlated(
            way,
            np.ones((width, 1)),
            np.ones((side, 1)),
            padding="same",
            stride=(stride, 1),
        )
        assert result is None or result.shape == (-(-width // stride), 1)

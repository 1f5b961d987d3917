"""The named kernels, against the literature's coefficients, OpenCV and SciPy."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE
from convcli.kernels.kernel import Effect, Kernel
from convcli.kernels.spec import kernel_from

COEFFICIENTS: dict[str, list[list[float]]] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "sobel-x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel-y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "prewitt-x": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "prewitt-y": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "scharr-x": [[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]],
    "scharr-y": [[-3, -10, -3], [0, 0, 0], [3, 10, 3]],
    "laplacian4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplacian8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
}
"""As the field's textbooks print them, in correlation orientation."""

IMAGE: NDArray[np.float64] = np.random.default_rng(9).integers(0, 256, (12, 15)).astype(float)


def impulse(size: int) -> NDArray[np.float64]:
    spot = np.zeros((size, size))
    spot[size // 2, size // 2] = 1
    return spot


@pytest.mark.parametrize(("name", "weights"), COEFFICIENTS.items())
def test_coefficients(name: str, weights: list[list[float]]) -> None:
    assert kernel_from(name).weights.tolist() == weights


def test_all_that_the_first_release_promises_is_there() -> None:
    parametric = {"box", "gaussian", "binomial"}
    assert set(COEFFICIENTS) | parametric <= set(CATALOGUE)


@pytest.mark.parametrize(
    ("name", "effect", "rank"),
    [
        ("identity", Effect.KEEPS, 1),
        ("box", Effect.KEEPS, 1),
        ("gaussian", Effect.KEEPS, 1),
        ("binomial", Effect.KEEPS, 1),
        ("sobel-x", Effect.CHANGE, 1),
        ("prewitt-y", Effect.CHANGE, 1),
        ("scharr-x", Effect.CHANGE, 1),
        ("laplacian4", Effect.CHANGE, 2),
        ("laplacian8", Effect.CHANGE, 2),
        ("edge", Effect.CHANGE, 2),
        ("sharpen", Effect.SHARPENS, 2),
        ("emboss", Effect.SHARPENS, 3),
    ],
)
def test_what_the_sum_says_and_the_rank(name: str, effect: Effect, rank: int) -> None:
    """The determinant of emboss is -2·(1·2 - 1·1) + 1·(-1·2 - 1·0) = -4: rank 3."""
    kernel = kernel_from(name)
    assert kernel.effect is effect
    assert kernel.rank == rank


@pytest.mark.parametrize("name", ["sobel", "scharr"])
def test_derivatives_equal_opencv(name: str) -> None:
    size = cv2.FILTER_SCHARR if name == "scharr" else 3
    for axis, order in (("x", (1, 0)), ("y", (0, 1))):
        row, column = cv2.getDerivKernels(*order, size)
        expected = column @ row.T
        np.testing.assert_array_equal(kernel_from(f"{name}-{axis}").weights, expected)


@pytest.mark.parametrize("name", ["sobel", "prewitt"])
@pytest.mark.parametrize(("axis", "letter"), [(0, "y"), (1, "x")])
def test_derivatives_equal_scipy(name: str, axis: int, letter: str) -> None:
    expected = getattr(ndimage, name)(IMAGE, axis=axis, mode="mirror")
    weights = kernel_from(f"{name}-{letter}").weights
    result = convcli.correlate(IMAGE, weights, padding=1, border="reflect")
    np.testing.assert_array_equal(result, expected)


def test_the_laplacian_equals_scipy_and_opencv() -> None:
    weights = kernel_from("laplacian4").weights
    result = convcli.correlate(IMAGE, weights, padding=1, border="reflect")
    np.testing.assert_array_equal(result, ndimage.laplace(IMAGE, mode="mirror"))
    peer = cv2.Laplacian(IMAGE, cv2.CV_64F, ksize=1, borderType=cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(result, peer)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1, 1.4, 2, 3.7])
def test_the_gaussian_is_scipys_impulse_response(sigma: float) -> None:
    kernel = kernel_from(f"gaussian:{sigma}")
    side = 2 * int(4 * sigma + 0.5) + 1
    assert kernel.size == (side, side)
    expected = ndimage.gaussian_filter(impulse(side), sigma, mode="constant")
    np.testing.assert_allclose(kernel.weights, expected, rtol=1e-12, atol=1e-15)
    assert kernel.weights.sum() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("radius", [0, 1, 3, 6])
def test_the_gaussian_of_a_given_radius(radius: int) -> None:
    kernel = kernel_from(f"gaussian:sigma=2,radius={radius}")
    expected = ndimage.gaussian_filter(
        impulse(2 * radius + 1), 2, radius=radius, mode="constant"
    )
    np.testing.assert_allclose(kernel.weights, expected, rtol=1e-12)


def test_the_gaussian_equals_opencvs_of_the_same_size() -> None:
    column = cv2.getGaussianKernel(17, 2, cv2.CV_64F)
    np.testing.assert_allclose(kernel_from("gaussian:2").weights, column @ column.T, rtol=1e-6)


def test_a_very_narrow_gaussian_is_the_identity() -> None:
    kernel = kernel_from("gaussian:sigma=1e-200,radius=1")
    assert kernel.weights.tolist() == COEFFICIENTS["identity"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_the_box_is_scipys_uniform_filter(size: int) -> None:
    kernel = kernel_from(f"box:{size}")
    assert kernel.size == (size, size)
    assert np.unique(kernel.weights).tolist() == [1 / size**2]
    result = convcli.correlate(
        IMAGE,
        kernel.weights,
        padding=((size // 2, size - 1 - size // 2),) * 2,
        border="symmetric",
    )
    np.testing.assert_allclose(result, ndimage.uniform_filter(IMAGE, size), rtol=1e-12)


@pytest.mark.parametrize(
    ("spec", "row", "divisor"),
    [
        ("binomial:0", [1], 1),
        ("binomial", [1, 2, 1], 16),
        ("binomial:1", [1, 2, 1], 16),
        ("binomial:2", [1, 4, 6, 4, 1], 256),
        ("binomial:3", [1, 6, 15, 20, 15, 6, 1], 4096),
    ],
)
def test_binomials_are_rows_of_pascals_triangle(
    spec: str, row: list[int], divisor: int
) -> None:
    np.testing.assert_array_equal(kernel_from(spec).weights, np.outer(row, row) / divisor)


def test_binomial_2_is_the_smoothing_of_opencvs_pyramids() -> None:
    """cv2.pyrDown smooths by [1 4 6 4 1] ⊗ [1 4 6 4 1] / 256, then takes every other pixel."""
    weights = kernel_from("binomial:2").weights
    peer = cv2.pyrDown(IMAGE, borderType=cv2.BORDER_REFLECT_101)
    result = convcli.correlate(IMAGE, weights, stride=2, padding=2, border="reflect")
    np.testing.assert_allclose(result, peer, rtol=1e-12)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_is_described_and_builds(name: str) -> None:
    entry = CATALOGUE[name]
    kernel = entry.kernel()
    assert isinstance(kernel, Kernel)
    assert (entry.name, kernel.name, kernel.description) == (name, name, entry.description)
    assert entry.description
    assert entry.source
    assert "\n" not in entry.description + entry.source
    for parameter in entry.parameters:
        assert parameter.about


def test_the_name_shows_the_parameters_that_were_given() -> None:
    assert kernel_from("gaussian:2").name == "gaussian:sigma=2"
    assert kernel_from("gaussian:sigma=2,radius=6").name == "gaussian:sigma=2,radius=6"
    assert kernel_from("gaussian").name == "gaussian"


@pytest.mark.parametrize(
    ("spec", "size"),
    [("box:2047", 2047), ("binomial:15", 31), ("gaussian:255", 2041)],
)
def test_the_largest_parameters_are_served(spec: str, size: int) -> None:
    kernel = kernel_from(spec)
    assert kernel.size == (size, size)
    assert kernel.sum == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "range_"),
    [
        ("box:0", "at least 1, at most 2047"),
        ("box:2048", "at least 1, at most 2047"),
        ("gaussian:0", "above 0, at most 255"),
        ("gaussian:-1", "above 0, at most 255"),
        ("gaussian:256", "above 0, at most 255"),
        ("gaussian:1,-1", "at least 0, at most 1023"),
        ("gaussian:1,1024", "at least 0, at most 1023"),
        ("binomial:16", "at least 0, at most 15"),
    ],
)
def test_parameters_out_of_range(spec: str, range_: str) -> None:
    with pytest.raises(SpecError) as raised:
        kernel_from(spec)
    said = str(raised.value)
    assert range_ in said
    assert said.startswith(spec.partition(":")[0])
    assert f", got {spec.rpartition(':')[2].rpartition(',')[2]}" in said

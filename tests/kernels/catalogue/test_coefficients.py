"""Every named kernel has the coefficients that it has elsewhere."""

import math

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import filters

from convcli.kernels.catalogue.entry import CATALOGUE
from convcli.kernels.spec import kernel_from
from support.references import (
    BIASES,
    KERNELS,
    Grid,
    answer_to_impulse,
    disk_by_slices,
    gabor_loops,
    impulse,
    laplacian_of_gaussian,
    motion_loops,
    ring_turned,
    smooth,
    without_empty_rim,
)


def test_every_kernel_of_the_catalogue_has_a_reference_and_the_reverse() -> None:
    assert set(CATALOGUE) == set(KERNELS)


@pytest.mark.parametrize("name", CATALOGUE)
def test_coefficients(name: str) -> None:
    kernel = kernel_from(name)
    assert kernel.size == KERNELS[name].shape
    # The sliced disk is the only reference that is not exact.
    tolerance = 1e-6 if name == "disk" else 1e-12
    np.testing.assert_allclose(kernel.weights, KERNELS[name], rtol=0, atol=tolerance)
    assert kernel.bias == ((BIASES[name],) if name in BIASES else ())


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_entry_says_what_it_is_for_and_where_it_comes_from(name: str) -> None:
    entry = CATALOGUE[name]
    assert len(entry.description) > 8
    assert len(entry.source) > 8
    assert entry.kernel().name == name


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        ("box:7", np.full((7, 7), 1 / 49)),
        ("gaussian:2", answer_to_impulse(smooth(2), 17)),
        ("gaussian:0.7", answer_to_impulse(smooth(0.7), 7)),
        ("binomial:2", np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256),
        ("binomial:3", np.outer([1, 6, 15, 20, 15, 6, 1], [1, 6, 15, 20, 15, 6, 1]) / 4096),
        ("binomial:0", impulse(1)),
        ("log:2", laplacian_of_gaussian(2)),
        (
            "dog:1,2",
            answer_to_impulse(lambda p: filters.difference_of_gaussians(p, 1, 2), 17),
        ),
        ("unsharp:2,0.8", 1.8 * impulse(17) - 0.8 * answer_to_impulse(smooth(2), 17)),
        ("high-pass:5", impulse(5) - 1 / 25),
        ("laplacian:alpha=0", KERNELS["laplacian4"]),
        ("laplacian:1", np.array([[0.5, 0, 0.5], [0, -2, 0], [0.5, 0, 0.5]])),
        ("motion:9,90", np.full((9, 1), 1 / 9)),
        ("motion:1", impulse(1)),
        ("gabor:lambda=8,theta=45,sigma=3,gamma=0.5,radius=9", gabor_loops(8, 45, 3, 0.5, 9)),
        ("gabor:6,30,2,1", gabor_loops(6, 30, 2, 1, 6)),
    ],
)
def test_coefficients_with_parameters(spec: str, reference: Grid) -> None:
    np.testing.assert_allclose(kernel_from(spec).weights, reference, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("length", "angle"), [(15, 30), (20, 45), (7.5, 100), (4, 0)])
def test_motion_is_matlabs(length: float, angle: float) -> None:
    weights = kernel_from(f"motion:{length},{angle}").weights
    theirs = motion_loops(length, angle)
    np.testing.assert_allclose(without_empty_rim(weights), theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("radius", [0.3, 0.5, 1, 2.5, 4.5, 10])
def test_the_disk_is_the_part_of_each_pixel_inside(radius: float) -> None:
    weights = kernel_from(f"disk:{radius}").weights
    np.testing.assert_allclose(weights, disk_by_slices(radius), rtol=0, atol=1e-6)


def test_the_disk_that_matlab_prints() -> None:
    # fspecial('disk', 3), MATLAB documentation of imfilter and fspecial, four digits.
    row = [0, 0.0003, 0.0110, 0.0172, 0.0110, 0.0003, 0]
    weights = kernel_from("disk:3").weights
    np.testing.assert_allclose(weights[0], row, rtol=0, atol=5e-5)
    assert weights[3, 3] == pytest.approx(1 / (9 * math.pi), abs=1e-12)


def test_the_phase_of_a_gabor_is_opencvs() -> None:
    theirs = cv2.getGaborKernel((19, 19), 3, 0, 8, 0.5, math.pi / 2, cv2.CV_64F)[::-1, ::-1]
    ours = kernel_from("gabor:8,0,3,0.5,90,9").weights
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_gabor_is_scikit_images_real_part_but_for_its_scale() -> None:
    theirs = filters.gabor_kernel(
        1 / 8, theta=-math.pi / 6, sigma_x=3, sigma_y=6, n_stds=3
    ).real
    reach = theirs.shape[0] // 2
    ours = kernel_from(f"gabor:8,30,3,0.5,radius={reach}").weights
    columns = theirs.shape[1] // 2
    middle = ours[:, reach - columns : reach + columns + 1]
    np.testing.assert_allclose(middle, theirs * 2 * math.pi * 18, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "spec", "divisor"),
    [
        (filters.sobel_v, "sobel-x", 4),
        (filters.sobel_h, "sobel-y", 4),
        (filters.prewitt_v, "prewitt-x", 3),
        (filters.prewitt_h, "prewitt-y", 3),
        (filters.scharr_v, "scharr-x", 16),
        (filters.scharr_h, "scharr-y", 16),
    ],
)
def test_scikit_image_divides_as_the_source_says(
    function: object, spec: str, divisor: int
) -> None:
    assert callable(function)
    theirs = answer_to_impulse(function, 3)
    np.testing.assert_allclose(kernel_from(spec).weights / divisor, theirs, atol=1e-15)
    assert str(divisor) in CATALOGUE[spec].source


@pytest.mark.parametrize(
    ("axis", "name"),
    [(0, "sobel-y"), (1, "sobel-x"), (0, "prewitt-y"), (1, "prewitt-x")],
)
def test_scipy_has_the_same_orientation(axis: int, name: str) -> None:
    function = ndimage.sobel if name.startswith("sobel") else ndimage.prewitt
    theirs = answer_to_impulse(lambda p: function(p, axis=axis, mode="constant"), 3)
    np.testing.assert_array_equal(kernel_from(name).weights, theirs)


def test_opencvs_laplacian() -> None:
    theirs = answer_to_impulse(lambda p: cv2.Laplacian(p, cv2.CV_64F, ksize=1), 3)
    np.testing.assert_array_equal(kernel_from("laplacian4").weights, theirs)


@pytest.mark.parametrize(
    "name",
    [
        "blur",
        "smooth",
        "smooth-more",
        "detail",
        "edge-enhance",
        "edge-enhance-more",
        "pillow-sharpen",
        "contour",
        "pillow-emboss",
    ],
)
def test_pillows_filters_give_pillows_pictures(name: str) -> None:
    filter_name = name.removeprefix("pillow-").upper().replace("-", "_")
    pixels = np.random.default_rng(3).integers(0, 256, (20, 24), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).filter(getattr(ImageFilter, filter_name)))
    kernel = kernel_from(name)
    raw = ndimage.correlate(pixels.astype(float), kernel.weights, mode="constant")
    ours = np.clip(np.floor(raw + sum(kernel.bias) + 0.5), 0, 255)
    inside = (slice(2, -2), slice(2, -2))
    # Pillow adds up float32: thirteenths and sixths may fall to the other side of a tie.
    tolerance = 1 if name in ("smooth", "detail") else 0
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=tolerance)


def test_frei_chen_is_an_orthonormal_basis() -> None:
    basis = np.stack([kernel_from(f"frei-chen-{n}").weights.ravel() for n in range(1, 10)])
    np.testing.assert_allclose(basis @ basis.T, np.eye(9), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["kirsch", "robinson", "prewitt-compass"])
def test_compass_sets_are_closed_under_rotation(name: str) -> None:
    points = ["n", "nw", "w", "sw", "s", "se", "e", "ne"]
    for here, onward in zip(points, [*points[1:], "n"], strict=True):
        turned = kernel_from(f"{name}-{here}@45")
        assert turned == kernel_from(f"{name}-{onward}")
        assert (
            turned.weights.tolist()
            == ring_turned(kernel_from(f"{name}-{here}").weights, 1).tolist()
        )


def test_robinson_east_is_sobel() -> None:
    assert kernel_from("robinson-e") == kernel_from("sobel-x")


@pytest.mark.parametrize(
    "name", ["gaussian:3", "disk:7", "motion:31,17", "box:31", "binomial:9"]
)
def test_blurs_sum_to_1(name: str) -> None:
    assert kernel_from(name).sum == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["log:3", "dog:2,5", "high-pass:9", "laplacian:0.3", "farid-y"]
)
def test_derivatives_sum_to_0(name: str) -> None:
    assert kernel_from(name).is_zero_sum

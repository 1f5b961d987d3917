"""SciPy, OpenCV and torch, where they compute the same thing."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from support import cases

SCIPY_MODES = {
    "zero": "constant",
    "replicate": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "wrap": "wrap",
}
SIZES = [(1, 1), (1, 3), (3, 1), (3, 3), (5, 3), (2, 2), (4, 3), (2, 5)]

borders = pytest.mark.parametrize("border", cases.BORDERS)
sizes = pytest.mark.parametrize("size", SIZES)


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 5) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


def weighted(size: tuple[int, int]) -> NDArray[np.float64]:
    return np.random.default_rng(2).integers(-9, 10, size).astype(np.float64)


def centred(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return the padding that puts the origin where SciPy and OpenCV have it: at k // 2."""
    return tuple((k // 2, k - 1 - k // 2) for k in size)


@borders
@sizes
def test_correlate_equals_scipy(border: str, size: tuple[int, int]) -> None:
    weights = weighted(size)
    for dtype in cases.INTEGERS:
        image = drawn((9, 11), dtype)
        peer = ndimage.correlate(image.astype(np.float64), weights, mode=SCIPY_MODES[border])
        result = convcli.correlate(image, weights, padding=centred(size), border=border)
        np.testing.assert_array_equal(result, peer, err_msg=dtype)


@borders
@sizes
def test_convolve_equals_scipy(border: str, size: tuple[int, int]) -> None:
    """SciPy's convolution turns the origin too, to (k - 1) // 2 of the turned kernel."""
    image, weights = drawn((9, 11), "uint8"), weighted(size)
    peer = ndimage.convolve(image.astype(np.float64), weights, mode=SCIPY_MODES[border])
    padding = tuple((k - 1 - k // 2, k // 2) for k in size)
    result = convcli.convolve(image, weights, padding=padding, border=border)
    np.testing.assert_array_equal(result, peer)


@borders
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_equal_scipy(border: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    image, weights = rng.normal(size=(8, 9)).astype(dtype), rng.normal(size=(5, 3))
    peer = ndimage.correlate(image.astype(np.float64), weights, mode=SCIPY_MODES[border])
    result = convcli.correlate(image, weights, padding="same", border=border)
    scale = np.abs(weights).sum() * np.abs(image).max()
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(result, peer, rtol=0, atol=tolerance * float(scale))


def test_the_constant_of_the_border_equals_scipy() -> None:
    image, weights = drawn((6, 7), "int16"), weighted((3, 3))
    peer = ndimage.correlate(image.astype(np.float64), weights, mode="constant", cval=7.0)
    result = convcli.correlate(image, weights, padding=1, fill=7)
    np.testing.assert_array_equal(result, peer)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_filter2d_filters_each_channel_alike(dtype: str, channels: int) -> None:
    image, weights = drawn((10, 12, channels), dtype), weighted((3, 5))
    peer = cv2.filter2D(image, cv2.CV_32F, weights, borderType=cv2.BORDER_REFLECT_101)
    result = convcli.correlate(image, weights, padding="same", border="reflect")
    np.testing.assert_array_equal(result, peer.reshape(result.shape))


def test_filter2d_saturates_alike() -> None:
    image, weights = drawn((10, 12), "uint8"), weighted((3, 3))
    for depth, dtype in ((cv2.CV_8U, "uint8"), (cv2.CV_16S, "int16")):
        peer = cv2.filter2D(image, depth, weights * 50, borderType=cv2.BORDER_REPLICATE)
        result = convcli.correlate(
            image, weights * 50, padding=1, border="replicate", dtype=dtype
        )
        np.testing.assert_array_equal(result, peer, strict=True)


# Facts of torch 2.13.0 (CPU, float64), from torch.nn.functional.conv2d and torch.nn.Conv2d,
# on x = 1 … 25 as 5×5.
X = np.arange(1.0, 26).reshape(5, 5)
W = np.array([[1.0, 2, -1], [0, 3, 1], [-2, 1, 2]])
EVEN = np.arange(-3.0, 5).reshape(2, 4)


def test_torch_stride_and_padding() -> None:
    """conv2d(x, w, stride=2, padding=1)."""
    result = convcli.correlate(X, W, stride=2, padding=1)
    assert result.tolist() == [[25, 25, 7], [100, 89, 56], [100, 127, 134]]


def test_torch_dilation() -> None:
    """conv2d(x, w, dilation=2, padding=2)."""
    result = convcli.correlate(X, W, dilation=2, padding="same")
    assert result.tolist() == [
        [43, 50, 35, 2, 4],
        [78, 85, 60, 12, 14],
        [112, 120, 87, 32, 37],
        [70, 75, 86, 82, 88],
        [95, 100, 116, 112, 118],
    ]


def test_torch_same_of_an_even_kernel() -> None:
    """conv2d(x, w of 2×4, padding="same"): the odd pixel is at the end."""
    result = convcli.correlate(X, EVEN, padding="same")
    assert result.tolist() == [
        [61, 70, 74, 34, 7],
        [91, 90, 94, 34, -3],
        [121, 110, 114, 34, -13],
        [151, 130, 134, 34, -23],
        [-64, -130, -136, -142, -122],
    ]


def test_torch_same_of_an_even_dilated_kernel() -> None:
    """conv2d(x, w of 2×2, padding="same", dilation=2)."""
    result = convcli.correlate(X, EVEN[:, :2], padding="same", dilation=2)
    assert result.tolist() == [
        [14, 22, 25, 28, 9],
        [20, 28, 26, 24, 2],
        [20, 18, 16, 14, -8],
        [20, 8, 6, 4, -18],
        [-34, -84, -89, -94, -57],
    ]


def test_torch_groups() -> None:
    """conv2d(x of 4×3×4, w of 4×2×2×2, bias, groups=2, stride=(1, 2), padding=(0, 1))."""
    image = np.arange(48.0).reshape(4, 3, 4).transpose(1, 2, 0)
    bank = np.arange(32.0).reshape(4, 2, 2, 2) - 15
    result = convcli.correlate(
        image, bank, bias=[1, -2, 3, 0.5], groups=2, stride=(1, 2), padding=(0, 1)
    )
    assert result.transpose(2, 0, 1).tolist() == [
        [[-295, -759, -471], [-471, -1127, -663]],
        [[-42, -154, -122], [-90, -266, -186]],
        [[699, 1323, 619], [779, 1467, 683]],
        [[1720.5, 3464.5, 1736.5], [1928.5, 3864.5, 1928.5]],
    ]


@pytest.mark.parametrize(
    ("border", "first", "last"),
    [
        ("zero", [2, 5, 6, 7, 8, -3, -10], [-21, 20, 42, 44, 46, 74, 25]),
        ("replicate", [7, 9, 17, 24, 31, 36, 35], [147, 149, 157, 164, 171, 176, 175]),
        ("reflect", [51, 48, 57, 64, 71, 74, 65], [121, 118, 127, 134, 141, 144, 135]),
        ("wrap", [138, 115, 127, 134, 141, 138, 115], [73, 50, 62, 69, 76, 73, 50]),
    ],
)
def test_torch_borders(border: str, first: list[float], last: list[float]) -> None:
    """Conv2d(1, 1, 3, padding=2, padding_mode=…): its first and its last row."""
    result = convcli.correlate(X, W, padding=2, border=border)
    assert result.shape == (7, 7)
    assert result[0].tolist() == first
    assert result[-1].tolist() == last


@pytest.mark.parametrize(
    ("size", "sliding", "output"),
    [
        (7, convcli.window(3), 5),
        (7, convcli.window(3, stride=3), 2),
        (224, convcli.window(3, stride=2, padding=1), 112),
        (224, convcli.window(7, stride=2, padding=3), 112),
        (227, convcli.window(11, stride=4), 55),
        (32, convcli.window(5, padding=2), 32),
        (10, convcli.window(3, stride=2, padding=1, dilation=2), 4),
        (9, convcli.window(4, stride=3, padding=1, dilation=3), 1),
    ],
)
def test_torch_sizes(size: int, sliding: convcli.Window, output: int) -> None:
    """The last dimension of conv2d on zeros."""
    assert sliding.output_shape((size, size)) == (output, output)
    result = convcli.correlate(
        np.zeros((size, size), np.uint8),
        np.ones(sliding.kernel),
        stride=sliding.stride,
        padding=sliding.padding,
        dilation=sliding.dilation,
    )
    assert result.shape == (output, output)

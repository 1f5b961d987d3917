"""The cases of the comparison: each with its peers, on the same input, dtype and border."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

import convcli

Values = NDArray[Any]
Work = Callable[[int], Values]
"""Computes the result on so many threads."""

HEIGHT, WIDTH = 3000, 4000
_BORDER = cv2.BORDER_REFLECT_101
_CV_DEPTH = {np.uint8: cv2.CV_8U, np.int16: cv2.CV_16S, np.float32: cv2.CV_32F}


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes
    ----------
    name, result : str
        What is computed, and the type of the result.
    ours : callable
        The work, by convcli.
    peers : mapping
        The same work, by other libraries.
    tolerance : float
        The largest difference of two results: 1 for 8 bits that one side rounds otherwise.
    group : str
        The group of the README's table that the case belongs to.
    """

    name: str
    result: str
    ours: Work
    peers: dict[str, Work]
    tolerance: float
    group: str


def picture(channels: int = 1, dtype: type = np.uint8) -> Values:
    """Return a random picture of 12 megapixels: the worst case for branch and cache."""
    random = np.random.default_rng(0)
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    return random.integers(0, 256, shape, np.uint8).astype(dtype, copy=False)


def _ours(image: Values, weights: Values, dtype: Any) -> Work:
    def work(threads: int) -> Values:
        return convcli.correlate(
            image, weights, padding="same", border="reflect", dtype=dtype, jobs=threads
        )

    return work


def _filter2d(image: Values, weights: Values, dtype: Any) -> Work:
    kernel = weights.astype(np.float32)

    def work(threads: int) -> Values:
        cv2.setNumThreads(threads)
        return cv2.filter2D(image, _CV_DEPTH[dtype], kernel, borderType=_BORDER)

    return work


def _dense_case(name: str, image: Values, weights: Values, dtype: Any, group: str) -> Case:
    tolerance = 1.0 if dtype == np.uint8 else 1e-3 * np.abs(weights).sum()
    return Case(
        name,
        np.dtype(dtype).name,
        _ours(image, weights, dtype),
        {"OpenCV filter2D": _filter2d(image, weights, dtype)},
        tolerance if group != "integer 3×3" else 0.0,
        group,
    )


def integer_cases() -> Iterator[Case]:
    """Yield the 3×3 kernels of whole numbers."""
    gray = picture()
    for name in ("sobel-x", "laplacian8", "sharpen", "emboss", "scharr-x"):
        weights = convcli.kernel_from(name).weights
        for dtype in (np.int16, np.uint8):
            yield _dense_case(name, gray, weights, dtype, "integer 3×3")
    sobel = convcli.kernel_from("sobel-x").weights
    yield _dense_case("sobel-x RGB", picture(3), sobel, np.uint8, "integer 3×3")


def blur_cases() -> Iterator[Case]:
    """Yield boxes, binomials and Gaussians."""
    gray, color = picture(), picture(3)
    for size in (5, 31):
        weights = np.full((size, size), 1 / size**2)
        ours = _ours(gray, weights, np.uint8)
        yield Case(f"box {size}", "uint8", ours, {"OpenCV blur": _blur(gray, size)}, 1, "blur")
    yield _gaussian_case("binomial 5", gray, np.array([1, 4, 6, 4, 1]) / 16, 0)
    for sigma in (1, 5, 10):
        radius = int(4 * sigma + 0.5)
        taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        for image, suffix in ((gray, ""), (color, " RGB")):
            name = f"gaussian σ={sigma}{suffix}"
            yield _gaussian_case(name, image, taps / taps.sum(), sigma)


def _blur(image: Values, size: int) -> Work:
    def work(threads: int) -> Values:
        cv2.setNumThreads(threads)
        return cv2.blur(image, (size, size), borderType=_BORDER)

    return work


def _gaussian_case(name: str, image: Values, taps: Values, sigma: float) -> Case:
    row, size = taps.astype(np.float32), (len(taps), len(taps))

    def separable(threads: int) -> Values:
        cv2.setNumThreads(threads)
        return cv2.sepFilter2D(image, cv2.CV_8U, row, row, borderType=_BORDER)

    def gaussian(threads: int) -> Values:
        cv2.setNumThreads(threads)
        return cv2.GaussianBlur(image, size, sigma, borderType=_BORDER)

    peers: dict[str, Work] = {"OpenCV sepFilter2D": separable, "OpenCV GaussianBlur": gaussian}
    ours = _ours(image, np.outer(taps, taps), np.uint8)
    # OpenCV blurs 8 bits in fixed point: it may be 2 levels off.
    return Case(name, "uint8", ours, peers, 2, "blur")


def dense_cases() -> Iterator[Case]:
    """Yield kernels without structure, and sobel-x on floats."""
    gray, random = picture(), np.random.default_rng(1)
    for size in (3, 5, 7, 11, 15, 31, 63):
        weights = random.normal(size=(size, size)) / size
        group = "dense ≥ 7×7" if size >= 7 else "dense"
        yield _dense_case(f"dense {size}×{size}", gray, weights, np.float32, group)
    seven = random.normal(size=(7, 7)) / 7
    yield _dense_case("dense 7×7 RGB", picture(3), seven, np.uint8, "dense ≥ 7×7")
    floats, sobel = picture(dtype=np.float32), convcli.kernel_from("sobel-x").weights
    case = _dense_case("sobel-x on floats", floats, sobel, np.float32, "dense")
    case.peers["SciPy correlate"] = _scipy(floats, sobel)
    case.peers["torch conv2d"] = _torch_reflect(floats, sobel)
    yield case


def _scipy(image: Values, weights: Values) -> Work:
    def work(threads: int) -> Values:  # noqa: ARG001 - it has one thread
        result: Values = ndimage.correlate(image, weights.astype(image.dtype), mode="mirror")
        return result

    return work


def _torch_reflect(image: Values, weights: Values) -> Work:
    source = torch.from_numpy(image)[None, None]
    bank = torch.from_numpy(weights.astype(np.float32))[None, None]

    def work(threads: int) -> Values:
        torch.set_num_threads(threads)
        padded = torch.nn.functional.pad(source, (1, 1, 1, 1), mode="reflect")
        result: Values = torch.nn.functional.conv2d(padded, bank)[0, 0].numpy()
        return result

    return work


_BANKS = (
    ("bank 64×3×3×3, 1024²", (64, 3, 3, 3), 1024, 1, 1, 1),
    ("bank 64×3×7×7 s2, 224²", (64, 3, 7, 7), 224, 2, 3, 1),
    ("bank 64×64×3×3, 224²", (64, 64, 3, 3), 224, 1, 1, 1),
    ("bank 256×64×1×1, 56²", (256, 64, 1, 1), 56, 1, 0, 1),
    ("depthwise 3×3, 112²×64", (64, 1, 3, 3), 112, 1, 1, 64),
)
"""Name, weights O×I×kh×kw, side of the image, stride, padding, groups."""


def bank_cases() -> Iterator[Case]:
    """Yield layers of networks; each side gets the memory layout that it likes best."""
    random = np.random.default_rng(2)
    for name, shape, side, stride, padding, groups in _BANKS:
        weights = random.normal(size=shape).astype(np.float32)
        image = random.random((side, side, shape[1] * groups), dtype=np.float32)

        def ours(
            threads: int,
            image: Values = image,
            weights: Values = weights,
            stride: int = stride,
            padding: int = padding,
            groups: int = groups,
        ) -> Values:
            return convcli.correlate(
                image, weights, stride=stride, padding=padding, groups=groups, jobs=threads
            )

        peers = {
            f"torch conv2d {layout}": _torch_bank(
                image, weights, (stride, padding, groups), memory_format
            )
            for layout, memory_format in (
                ("NCHW", torch.contiguous_format),
                ("NHWC", torch.channels_last),
            )
        }
        tolerance = 1e-4 * float(np.abs(weights[0]).sum())
        yield Case(name, "float32", ours, peers, tolerance, "bank")


def _torch_bank(
    image: Values, weights: Values, window: tuple[int, int, int], layout: Any
) -> Work:
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
    source = planes.contiguous(memory_format=layout)
    bank = torch.from_numpy(weights).contiguous(memory_format=layout)
    stride, padding, groups = window

    def work(threads: int) -> Values:
        torch.set_num_threads(threads)
        with torch.no_grad():
            result = torch.nn.functional.conv2d(source, bank, None, stride, padding, 1, groups)
        maps: Values = result[0].permute(1, 2, 0).numpy()
        return maps

    return work


def slow_peer_cases() -> Iterator[Case]:
    """Yield sobel-x against the peers that most people have: SciPy and Pillow."""
    gray, sobel = picture(), convcli.kernel_from("sobel-x").weights
    ours = _ours(gray, sobel, np.float32)
    floats = gray.astype(np.float32)
    yield Case(
        "sobel-x", "float32", ours, {"SciPy correlate": _scipy(floats, sobel)}, 1e-3, "SciPy"
    )
    yield _pillow_case("sobel-x", gray, sobel, 1, 0)
    binomial = convcli.kernel_from("binomial:1").weights
    # Pillow rounds half up, we to even.
    yield _pillow_case("binomial 3", gray, binomial, 16, 1)


def _pillow_case(
    name: str, gray: Values, weights: Values, scale: int, tolerance: float
) -> Case:
    opened = Image.fromarray(gray)
    kernel = ImageFilter.Kernel((3, 3), (weights * scale).ravel().tolist(), scale)

    def pillow(threads: int) -> Values:  # noqa: ARG001 - it has one thread
        return np.asarray(opened.filter(kernel))

    ours = _ours(gray, weights, np.uint8)
    return Case(name, "uint8", ours, {"Pillow Kernel": pillow}, tolerance, "Pillow")


def all_cases() -> Iterator[Case]:
    """Yield all in-process cases."""
    yield from integer_cases()
    yield from blur_cases()
    yield from dense_cases()
    yield from bank_cases()
    yield from slow_peer_cases()

"""The cases of the comparison: each with its peers, on the same input, dtype and border."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import kornia
import numpy as np
import pyvips
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import filters

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
        The group of the table that the case belongs to.
    source : array
        The picture: a copy of it is timed beside.
    returned : int
        Bytes of the result.
    multiply_adds : float
        Of a result, by the definition (by the factors, where the kernel has some): for the
        share of what sgemm reaches. 0 for strategies that use no products.
    """

    name: str
    result: str
    ours: Work
    peers: dict[str, Work]
    tolerance: float
    group: str
    source: Values
    returned: int
    multiply_adds: float = 0.0


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


def _opencv(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Work:
    """Return the work of a function of OpenCV."""

    def work(threads: int) -> Values:
        cv2.setNumThreads(threads)
        result: Values = function(*arguments, borderType=_BORDER, **settings)
        return result

    return work


def _vips(image: Values, weights: Values, precision: str) -> Work:
    """Return vips' convolution. It repeats the pixels of the edge: that is not compared."""
    opened = pyvips.Image.new_from_array(image)
    mask = pyvips.Image.new_from_array(weights.tolist())

    def work(threads: int) -> Values:
        pyvips.concurrency_set(threads)
        result: Values = opened.conv(mask, precision=precision).numpy()
        return result

    return work


def _returned(image: Values, dtype: Any) -> int:
    return int(image.size * np.dtype(dtype).itemsize)


def _dense_case(name: str, image: Values, weights: Values, dtype: Any, group: str) -> Case:
    whole = group == "integer 3×3"
    peers = {"OpenCV filter2D": _filter2d(image, weights, dtype)}
    if dtype != np.int16 and weights.size <= _MOST_TAPS:
        # On int16 vips computes the same, but returns 8 bits.
        peers["pyvips conv"] = _vips(image, weights, "integer" if whole else "float")
    if dtype == np.float32 and weights.size <= _MOST_TAPS:
        peers |= _torch_peers(image, weights)
    return Case(
        name,
        np.dtype(dtype).name,
        _ours(image, weights, dtype),
        peers,
        0.0 if whole else 1.0 if dtype == np.uint8 else 1e-3 * np.abs(weights).sum(),
        group,
        image,
        _returned(image, dtype),
        0.0 if whole else weights.size * image.size,
    )


_MOST_TAPS = 49
"""Taps up to which torch and vips are asked: above they take seconds."""


def _derivatives(image: Values, dtype: Any) -> dict[str, dict[str, Work]]:
    """Return OpenCV's own functions for kernels of whole numbers: what people call."""
    depth = _CV_DEPTH[dtype]
    return {
        "sobel-x": {"OpenCV Sobel": _opencv(cv2.Sobel, image, depth, 1, 0, ksize=3)},
        "scharr-x": {"OpenCV Scharr": _opencv(cv2.Scharr, image, depth, 1, 0)},
        "laplacian4": {"OpenCV Laplacian": _opencv(cv2.Laplacian, image, depth, ksize=1)},
    }


def _factors(image: Values, weights: Values, dtype: Any) -> dict[str, Work]:
    """Return OpenCV's two passes, for a kernel of rank 1."""
    y, x = np.unravel_index(np.abs(weights).argmax(), weights.shape)
    column, row = weights[:, x] / weights[y, x], weights[y]
    if not np.array_equal(np.outer(column, row), weights):
        return {}
    work = _opencv(cv2.sepFilter2D, image, _CV_DEPTH[dtype], row, column)
    return {"OpenCV sepFilter2D": work}


def _with_peers(case: Case, image: Values, weights: Values, dtype: Any) -> Case:
    """Add the functions of OpenCV that are made for a kernel."""
    name = case.name.split()[0]
    case.peers.update(_derivatives(image, dtype).get(name, {}))
    case.peers.update(_factors(image, weights, dtype))
    return case


def integer_cases() -> Iterator[Case]:
    """Yield the 3×3 kernels of whole numbers."""
    gray = picture()
    for name in ("sobel-x", "laplacian4", "laplacian8", "sharpen", "emboss", "scharr-x"):
        weights = convcli.kernel_from(name).weights
        for dtype in (np.int16, np.uint8):
            case = _dense_case(name, gray, weights, dtype, "integer 3×3")
            yield _with_peers(case, gray, weights, dtype)
    color, sobel = picture(3), convcli.kernel_from("sobel-x").weights
    case = _dense_case("sobel-x RGB", color, sobel, np.uint8, "integer 3×3")
    yield _with_peers(case, color, sobel, np.uint8)


def blur_cases() -> Iterator[Case]:
    """Yield boxes, binomials and Gaussians."""
    gray, color = picture(), picture(3)
    for size in (5, 15, 31):
        weights = np.full((size, size), 1 / size**2)
        ours = _ours(gray, weights, np.uint8)
        boxes: dict[str, Work] = {
            "OpenCV blur": _opencv(cv2.blur, gray, (size, size)),
            "OpenCV boxFilter": _opencv(cv2.boxFilter, gray, -1, (size, size)),
        }
        yield Case(f"box {size}", "uint8", ours, boxes, 1, "blur", gray, gray.nbytes)
    yield _gaussian_case("binomial 5", gray, np.array([1, 4, 6, 4, 1]) / 16, 0)
    for sigma in (0.5, 1, 1.5, 5, 10):
        radius = int(4 * sigma + 0.5)
        taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        for image, suffix in ((gray, ""), (color, " RGB")):
            name = f"gaussian σ={sigma}{suffix}"
            yield _gaussian_case(name, image, taps / taps.sum(), sigma)


def _gaussian_case(name: str, image: Values, taps: Values, sigma: float) -> Case:
    row, size = taps.astype(np.float32), (len(taps), len(taps))
    peers: dict[str, Work] = {
        "OpenCV sepFilter2D": _opencv(cv2.sepFilter2D, image, cv2.CV_8U, row, row),
        "OpenCV GaussianBlur": _opencv(cv2.GaussianBlur, image, size, sigma),
    }
    ours = _ours(image, np.outer(taps, taps), np.uint8)
    # OpenCV blurs 8 bits in fixed point: it is a level off on some pixels.
    sums = 2.0 * len(taps) * image.size
    return Case(name, "uint8", ours, peers, 1, "blur", image, image.nbytes, sums)


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
    yield _with_peers(case, floats, sobel, np.float32)


def _scipy(image: Values, weights: Values) -> Work:
    def work(threads: int) -> Values:  # noqa: ARG001 - it has one thread
        result: Values = ndimage.correlate(image, weights.astype(image.dtype), mode="mirror")
        return result

    return work


def _torch_peers(image: Values, weights: Values) -> dict[str, Work]:
    """Return torch's convolution, and kornia's, which wraps it, on floats."""
    source = torch.from_numpy(image.astype(np.float32))[None, None]
    kernel = torch.from_numpy(weights.astype(np.float32))[None]
    margin = weights.shape[0] // 2

    def plain(threads: int) -> Values:
        torch.set_num_threads(threads)
        padded = torch.nn.functional.pad(source, (margin,) * 4, mode="reflect")
        result: Values = torch.nn.functional.conv2d(padded, kernel[None])[0, 0].numpy()
        return result

    def wrapped(threads: int) -> Values:
        torch.set_num_threads(threads)
        result: Values = kornia.filters.filter2d(source, kernel, "reflect")[0, 0].numpy()
        return result

    return {"torch conv2d": plain, "kornia filter2d": wrapped}


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
        sums = ours(1).size
        inner = float(np.prod(shape[1:]))
        yield Case(
            name, "float32", ours, peers, tolerance, "bank", image, 4 * sums, inner * sums
        )


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
    peers = {"SciPy correlate": _scipy(floats, sobel)}
    yield Case("sobel-x", "float32", ours, peers, 1e-3, "SciPy", gray, 4 * gray.size)

    def scikit(threads: int) -> Values:  # noqa: ARG001 - it has one thread
        return np.asarray(filters.sobel_v(floats))

    quarter = _ours(floats, sobel / 4, np.float32)
    yield Case(
        "sobel-x / 4 on floats",
        "float32",
        quarter,
        {"scikit-image sobel_v": scikit},
        1e-3,
        "scikit-image",
        floats,
        floats.nbytes,
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
    peers: dict[str, Work] = {"Pillow Kernel": pillow}
    return Case(name, "uint8", ours, peers, tolerance, "Pillow", gray, gray.nbytes)


def all_cases() -> Iterator[Case]:
    """Yield all in-process cases."""
    yield from integer_cases()
    yield from blur_cases()
    yield from dense_cases()
    yield from bank_cases()
    yield from slow_peer_cases()

"""What a correlation is, in plain loops and float64: all that is fast has to equal it.

Nothing here uses convcli: borders are `numpy.pad`'s, and a weight of 0 does not look at
its pixel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pair = tuple[int, int]

NUMPY_MODES: dict[str, Any] = {
    "zero": "constant",
    "replicate": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "wrap": "wrap",
}
"""What `numpy.pad` calls the borders."""


def correlate(
    image: NDArray[Any],
    weights: NDArray[Any],
    *,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    border: str = "zero",
    fill: float = 0.0,
) -> Floats:
    """Return (H', W', O): the sum of weight × pixel, window by window."""
    bank, groups = _bank(image, weights, groups)
    (step_y, step_x), (apart_y, apart_x) = _pair(stride), _pair(dilation)
    padded = pad(image, sides(padding, bank.shape[2:], _pair(dilation)), border, fill)
    rows = len(range(0, padded.shape[0] - apart_y * (bank.shape[2] - 1), step_y))
    columns = len(range(0, padded.shape[1] - apart_x * (bank.shape[3] - 1), step_x))
    taps = [(*place, float(weight)) for place, weight in np.ndenumerate(bank) if weight != 0]
    result = np.zeros((rows, columns, len(bank)))
    pixels = padded.tolist()  # numbers of Python take a third of the time of NumPy's
    for y, x in np.ndindex(rows, columns):
        sums = [0.0] * len(bank)
        for output, inner, row, column, weight in taps:
            channel = output // (len(bank) // groups) * bank.shape[1] + inner
            line = pixels[y * step_y + row * apart_y]
            sums[output] += weight * line[x * step_x + column * apart_x][channel]
        result[y, x] = sums
    return result if bias is None else result + np.asarray(bias, np.float64)


def pad(image: NDArray[Any], around: tuple[Pair, Pair], border: str, fill: float) -> Floats:
    """Return the image (H, W, C) in float64 with its border around it."""
    pixels = image.astype(np.float64).reshape(*image.shape[:2], -1)
    constant = {"constant_values": fill} if border == "zero" else {}
    return np.pad(pixels, (*around, (0, 0)), NUMPY_MODES[border], **constant)


def sides(padding: Any, kernel: tuple[int, ...], dilation: Pair) -> tuple[Pair, Pair]:
    """Return ((top, bottom), (left, right)) of each form that a padding may have."""
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding == "same":
        height, width = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        return ((height // 2, height - height // 2), (width // 2, width - width // 2))
    vertical, horizontal = (padding, padding) if isinstance(padding, int) else padding
    return (_pair(vertical), _pair(horizontal))


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _bank(image: NDArray[Any], weights: NDArray[Any], groups: int) -> tuple[NDArray[Any], int]:
    """Return a 2-D kernel as the bank that gives each channel a filter of its own."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if weights.ndim == 4:
        return weights, groups
    return np.repeat(weights[np.newaxis, np.newaxis], channels, axis=0), channels

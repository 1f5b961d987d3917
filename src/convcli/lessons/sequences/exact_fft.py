"""Exact convolution of whole numbers of any size by the floating-point FFT."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ConvcliError

_PRECISION = 53
_MARGIN = 8
"""Bits kept free: rounding errors of an FFT grow with log2 of its length, times a few."""


def convolve_integers(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Convolve two sequences of whole numbers exactly.

    Each number is cut into limbs so narrow that every sum of products of limbs is
    known to less than a half: rounding then gives the exact sum. The limbs stand in
    blocks, wide enough for the limbs of a product, so that one FFT does all.

    Parameters
    ----------
    a, b : sequence of int
        At least one number each, of any size and sign.

    Returns
    -------
    list of int, of length m + n - 1

    Raises
    ------
    ConvcliError
        If the sequences are longer than float64 can tell apart.

    Examples
    --------
    >>> convolve_integers([10**30, -1], [10**30, 1])
    [1000000000000000000000000000000000000000000000000000000000000, 0, -1]
    """
    bits_a, bits_b = (max(abs(x).bit_length() for x in s) or 1 for s in (a, b))
    width = _limb_bits(min(len(a), len(b)), bits_a, bits_b)
    limbs_a, limbs_b = -(-bits_a // width), -(-bits_b // width)
    block = limbs_a + limbs_b - 1
    product = _rounded(_limbs(a, width, limbs_a, block), _limbs(b, width, limbs_b, block))
    count = len(a) + len(b) - 1
    blocks = np.resize(product, count * block).reshape(count, block)
    blocks.reshape(-1)[product.size :] = 0
    return [_weighed(row, width) for row in blocks.tolist()]


def _limb_bits(shorter: int, bits_a: int, bits_b: int) -> int:
    """Return the widest limbs whose sums of products float64's FFT keeps exact."""
    for width in range(20, 0, -1):
        limbs = min(-(-bits_a // width), -(-bits_b // width))
        largest = 2 * width + math.ceil(math.log2(shorter * limbs + 1))
        if largest + _MARGIN + 4 <= _PRECISION:
            return width
    raise ConvcliError("the sequences are too long to be convolved exactly: use shorter ones")


def _limbs(values: Sequence[int], width: int, limbs: int, block: int) -> NDArray[np.float64]:
    """Return each value's limbs, the lowest first, at the start of a block of its own."""
    mask = (1 << width) - 1
    grid = np.zeros((len(values), block))
    if limbs == 1:
        grid[:, 0] = values
        return grid.reshape(-1)
    for row, value in zip(grid, values, strict=True):
        rest, sign = abs(value), -1 if value < 0 else 1
        row[:limbs] = [sign * (rest >> (width * i) & mask) for i in range(limbs)]
    return grid.reshape(-1)


def _rounded(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    length = a.size + b.size - 1
    size = 1 << (length - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(b, size), size)[:length]
    return np.rint(product)


def _weighed(limbs: Sequence[float], width: int) -> int:
    total = 0
    for limb in reversed(limbs):
        total = (total << width) + int(limb)
    return total

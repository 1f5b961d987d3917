"""The convolution of two sequences, exactly, and what it costs."""

import enum
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ConvcliError
from convcli.lessons.sequences.numbers import Number, SequenceError
from convcli.values import Record


class Operations(Record):
    """What convolving sequences of lengths m and n takes, in real operations.

    Attributes
    ----------
    direct : int
        m·n products and m·n - (m+n-1) additions.
    fft : int
        Three transforms of N = 2^⌈log2(m+n-1)⌉ values at 5·N·log2(N) (the radix-2
        Cooley-Tukey count), and N complex products at 6.
    transform : int
        N.
    """

    direct: int
    fft: int
    transform: int


def operations(m: int, n: int) -> Operations:
    """Count the operations of both ways."""
    length = m + n - 1
    log = max((length - 1).bit_length(), 0)
    size = 2**log
    return Operations(2 * m * n - length, 15 * size * log + 6 * size, size)


def cheaper_by_fft() -> tuple[tuple[int, int | None], ...]:
    """Return the lengths n for which the FFT of two sequences of n is cheaper.

    By the counts of `operations`. A transform's length is a power of two: just above one it
    doubles, and the direct way is cheaper once more. Beyond 4096 the FFT always is.

    Returns
    -------
    tuple of (int, int or None)
        The first and the last n of each run; None where it does not end.

    Examples
    --------
    >>> cheaper_by_fft()
    ((128, 128), (191, 256), (284, None))
    """
    cheaper = [n for n in range(1, 4097) if (c := operations(n, n)).fft < c.direct]
    firsts = [n for n in cheaper if n - 1 not in cheaper]
    lasts = [n for n in cheaper if n + 1 not in cheaper]
    return tuple(zip(firsts, [*lasts[:-1], None], strict=True))


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


_DIRECT_LIMIT = 4 * 10**8
"""Products that the direct way is asked for at most: about a minute."""


class Mode(enum.Enum):
    """Which part of the result is wanted, as in `numpy.convolve`."""

    FULL = "full"
    SAME = "same"
    VALID = "valid"


def convolve_direct(a: Sequence[Number], b: Sequence[Number]) -> list[Number]:
    """Convolve two sequences by summing the diagonals: m·n products.

    Examples
    --------
    >>> convolve_direct([1, 2, 3], [4, 5])
    [4, 13, 22, 15]
    """
    if len(a) * len(b) > _DIRECT_LIMIT:
        raise SequenceError(
            f"expected at most {_DIRECT_LIMIT:,} products for the direct way, got "
            f"{len(a) * len(b):,}: use --method fft"
        )
    result: list[Number] = [0] * (len(a) + len(b) - 1)
    for i, left in enumerate(a):
        for j, right in enumerate(b, start=i):
            result[j] += left * right
    return [_reduced(value) for value in result]


def convolve_exactly(
    a: Sequence[Number], b: Sequence[Number], *, fft: bool | None = None
) -> list[Number]:
    """Convolve two sequences exactly.

    Parameters
    ----------
    a, b : sequence of int or Fraction
        At least one number each.
    fft : bool, optional
        Use the FFT, or not; None takes what needs fewer operations.

    Returns
    -------
    list of int or Fraction, of length m + n - 1

    Raises
    ------
    SequenceError
        If a sequence is empty, or too long for the direct way.
    """
    if not a or not b:
        raise SequenceError("expected numbers, got an empty sequence: write it as 1,2,3")
    if fft is None:
        count = operations(len(a), len(b))
        fft = count.fft < count.direct
    if not fft:
        return convolve_direct(a, b)

    below_a, below_b = (math.lcm(*(Fraction(x).denominator for x in s)) for s in (a, b))
    whole = convolve_integers([int(x * below_a) for x in a], [int(x * below_b) for x in b])
    return [_reduced(Fraction(value, below_a * below_b)) for value in whole]


def _reduced(value: Number) -> Number:
    """Return a whole number as such."""
    return value.numerator if value.denominator == 1 else value


def kept(lengths: tuple[int, int], mode: Mode) -> range:
    """Return the places of a full result that a mode keeps, as `numpy.convolve` does.

    Examples
    --------
    >>> kept((3, 2), Mode.FULL), kept((3, 2), Mode.SAME), kept((3, 2), Mode.VALID)
    (range(0, 4), range(0, 3), range(1, 3))
    """
    longer, shorter = max(lengths), min(lengths)
    if mode is Mode.FULL:
        return range(longer + shorter - 1)
    if mode is Mode.VALID:
        return range(shorter - 1, longer)
    start = (shorter - 1) // 2
    return range(start, start + longer)

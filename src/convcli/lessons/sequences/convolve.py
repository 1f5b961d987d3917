"""Two sequences, convolved exactly: directly, or by the FFT.

Each entry of the result is the sum along one diagonal of the multiplication table:
c[n] = Σ a[i]·b[n - i].
"""

import enum
import math
from collections.abc import Sequence
from fractions import Fraction

from convcli.lessons.sequences.numbers import Number, SequenceError
from convcli.lessons.sequences.operations import operations

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
    from convcli.lessons.sequences.exact_fft import (  # noqa: PLC0415 - NumPy
        convolve_integers,
    )

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

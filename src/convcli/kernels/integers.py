"""A kernel as whole numbers over one divisor."""

import numpy as np
from numpy.typing import NDArray

from convcli.records import Record

_TOLERANCE = 1e-9
"""Below this part of a divisor its distance to a whole number is float noise."""

_LARGEST_INTEGER = 2**31
_LARGEST_DENOMINATOR = 64
_SMALLEST = 1e-300
"""Below it a divisor that makes whole numbers would be infinite."""


class IntegerForm(Record):
    """A kernel as integers over one divisor: weights = integers / divisor.

    Attributes
    ----------
    integers : ndarray of int64
        Same shape as the weights.
    divisor : float
        What the integers are divided by.
    """

    integers: NDArray[np.int64]
    divisor: float


def integers_of(weights: NDArray[np.float64]) -> IntegerForm | None:
    """Return weights as integers over one divisor, or None where there is no such form."""
    magnitudes = np.abs(weights[weights != 0])
    if magnitudes.size == 0 or not (magnitudes % 1).any():
        return _integers_over(weights, 1.0)
    smallest = float(magnitudes.min())
    if smallest < _SMALLEST or float(magnitudes.max()) >= _LARGEST_INTEGER * smallest:
        return None
    for denominator in range(1, _LARGEST_DENOMINATOR + 1):
        divisor = denominator / smallest
        whole = round(min(divisor, _LARGEST_INTEGER))
        form = _integers_over(weights, whole) if _near(divisor, whole) else None
        if form is not None:
            return form
    return None


def _near(value: float, whole: float) -> bool:
    return abs(value - whole) <= _TOLERANCE * abs(whole)


def _integers_over(weights: NDArray[np.float64], divisor: float) -> IntegerForm | None:
    integers = np.rint(weights * divisor)
    if np.abs(integers).max() >= _LARGEST_INTEGER:
        return None
    if not np.array_equal(integers / divisor, weights):
        return None
    exact = integers.astype(np.int64)
    exact.flags.writeable = False
    return IntegerForm(exact, float(divisor))

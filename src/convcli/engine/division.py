"""Division of accumulators in place: of integers, rounded half to even, and of floats."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.engine.buffers import Scratch, Values


def whole_division(
    values: Values, spare: Values | None, divisor: int, scratch: Scratch
) -> Callable[[], object]:
    """Return the division of integers in place, rounded half to even.

    With an odd divisor no quotient is half-way between two whole numbers, and no value is
    negative: NumPy divides unsigned integers by a scalar as fast as it adds them. `spare` is
    another buffer like that of the values, if there is one.
    """
    if divisor % 2:
        unsigned = values.view(f"u{values.itemsize}")
        number = unsigned.dtype.type
        return functools.partial(
            _divide_by_odd, unsigned, number(divisor // 2), number(divisor)
        )
    odd = scratch.take("odd", values.shape, values.dtype) if spare is None else spare
    return functools.partial(_shift_down, values, odd, divisor)


def _divide_by_odd(values: Values, half: Any, divisor: Any) -> None:
    np.add(values, half, out=values)
    np.floor_divide(values, divisor, out=values)


def _shift_down(values: Values, odd: Values, divisor: int) -> None:
    """Divide by 2^k with a shift, which rounds down.

    Half of 2^k, less 1 where the quotient is even, is added before: that rounds half to even.
    """
    number = values.dtype.type
    bits = number(divisor.bit_length() - 1)
    np.right_shift(values, bits, out=odd)
    np.bitwise_and(odd, number(1), out=odd)
    np.add(values, odd, out=values)
    np.add(values, number(divisor // 2 - 1), out=values)
    np.right_shift(values, bits, out=values)


def is_power_of_two(number: float) -> bool:
    """Tell whether a number is 2^k for a whole k, which may be negative."""
    return math.frexp(number)[0] == 0.5  # noqa: PLR2004 - the mantissa of a power of two


def float_division(values: Values, divisor: float) -> Callable[[], object]:
    """Return the division of floats in place.

    A power of two becomes a multiplication: as exact, and twice as fast.
    """
    number = values.dtype.type
    if is_power_of_two(divisor):
        return functools.partial(np.multiply, values, number(1 / divisor), out=values)
    return functools.partial(np.divide, values, number(divisor), out=values)

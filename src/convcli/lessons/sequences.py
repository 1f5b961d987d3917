"""Convolution outside images: two sequences, exactly.

Each entry of the result is the sum along one diagonal of the multiplication table:
c[n] = Σ a[i]·b[n - i]. Polynomials, long multiplication and dice are three readings of it.
"""

import contextlib
import enum
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from convcli.errors import ConvcliError

Number: TypeAlias = int | Fraction

_MOST = 10**7
"""The longest sequence: what fits into memory with room for the result."""

_DIRECT_LIMIT = 4 * 10**8
"""Products that the direct way is asked for at most: about a minute."""


class SequenceError(ConvcliError):
    """Sequences that cannot be convolved."""


class Mode(enum.Enum):
    """Which part of the result is wanted, as in `numpy.convolve`."""

    FULL = "full"
    SAME = "same"
    VALID = "valid"


@dataclass(frozen=True, slots=True)
class Operations:
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


def parse_sequence(text: str) -> list[Number]:
    """Parse numbers that stand between commas or spaces, exactly.

    Parameters
    ----------
    text : str
        Whole numbers of any size, fractions (``1/3``), decimals (``0.25``, ``1e-3``).

    Returns
    -------
    list of int or Fraction
        Decimals become fractions: nothing is rounded.

    Raises
    ------
    SequenceError
        If there is no number, or something else.

    Examples
    --------
    >>> parse_sequence("1, 1/3, 0.25")
    [1, Fraction(1, 3), Fraction(1, 4)]
    """
    words = text.replace(",", " ").split()
    if words and not all(part.strip() for part in text.split(",")):
        raise SequenceError("expected a number between two commas, got none: write 0 there")
    if not words:
        raise SequenceError("expected numbers, got an empty sequence: write it as 1,2,3")
    if len(words) > _MOST:
        raise SequenceError(f"expected at most {_MOST:,} numbers, got {len(words):,}")
    with digits_unlimited():
        return [_number(word) for word in words]


_SHOWN = 40
_LARGEST_EXPONENT = 10_000


def _number(word: str) -> Number:
    shown = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"
    exponent = word.lower().partition("e")[2].lstrip("+-")
    if len(exponent) > len(str(_LARGEST_EXPONENT)):
        raise SequenceError(f"expected an exponent of at most 10,000, got '{shown}'")
    try:
        value = Fraction(word)
    except ZeroDivisionError:
        raise SequenceError(f"expected a denominator other than 0, got '{shown}'") from None
    except ValueError:
        raise SequenceError(
            f"expected numbers like 3, 1/3 or 0.25, got '{shown}': put commas between them"
        ) from None
    return value.numerator if value.denominator == 1 else value


@contextlib.contextmanager
def digits_unlimited() -> Iterator[None]:
    """Let whole numbers of any length become text and come from it.

    Python refuses more than 4300 digits, lest a server be kept busy by strangers. The
    sequences here are the user's own.
    """
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


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
            f"{len(a) * len(b):,}: use the FFT"
        )
    result: list[Number] = [0] * (len(a) + len(b) - 1)
    for i, left in enumerate(a):
        for j, right in enumerate(b, start=i):
            result[j] += left * right
    return result


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
    from convcli.lessons.exact_fft import convolve_integers  # noqa: PLC0415 - NumPy

    below_a, below_b = (math.lcm(*(Fraction(x).denominator for x in s)) for s in (a, b))
    whole = convolve_integers([int(x * below_a) for x in a], [int(x * below_b) for x in b])
    return [_reduced(value, below_a * below_b) for value in whole]


def _reduced(value: int, below: int) -> Number:
    fraction = Fraction(value, below)
    return fraction.numerator if fraction.denominator == 1 else fraction


def cut(result: Sequence[Number], lengths: tuple[int, int], mode: Mode) -> list[Number]:
    """Return the part of a full result that a mode keeps, as `numpy.convolve` does.

    Examples
    --------
    >>> cut([4, 13, 22, 15], (3, 2), Mode.SAME)
    [4, 13, 22]
    """
    longer, shorter = max(lengths), min(lengths)
    if mode is Mode.FULL:
        return list(result)
    if mode is Mode.VALID:
        return list(result[shorter - 1 : longer])
    start = (shorter - 1) // 2
    return list(result[start : start + longer])


def operations(m: int, n: int) -> Operations:
    """Count the operations of both ways."""
    length = m + n - 1
    log = max((length - 1).bit_length(), 0)
    size = 2**log
    return Operations(2 * m * n - length, 15 * size * log + 6 * size, size)


def break_even() -> int:
    """Return the length n from which on the FFT of two sequences of n is always cheaper.

    By the counts of `operations`; beyond 4096 the FFT always is.
    """
    dearer = [n for n in range(1, 4097) if (c := operations(n, n)).fft >= c.direct]
    return max(dearer) + 1


# -------------------------------------------------------------------- three readings


def polynomial(coefficients: Sequence[Number]) -> str:
    """Write a polynomial, the constant first.

    Examples
    --------
    >>> polynomial([1, -2, 0, 3])
    '1 - 2x + 3x³'
    """
    terms: list[tuple[int, Number]] = [
        (n, value) for n, value in enumerate(coefficients) if value
    ]
    if not terms:
        return "0"
    text = " ".join(
        f"{'-' if value < 0 else '+'} {_term(value if value > 0 else -value, n)}"
        for n, value in terms
    )
    return text.removeprefix("+ ") if text.startswith("+") else f"-{text[2:]}"


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _term(value: Number, n: int) -> str:
    power = "" if n == 0 else "x" if n == 1 else f"x{str(n).translate(_SUPERSCRIPTS)}"
    if not power:
        return f"{value}"
    shown = f"({value})" if isinstance(value, Fraction) else f"{value}"
    return power if value == 1 else f"{shown}{power}"


def parse_digits(text: str) -> list[int]:
    """Return the digits of a whole number, the lowest first.

    Raises
    ------
    SequenceError
        If the text is no whole number without a sign.

    Examples
    --------
    >>> parse_digits("123")
    [3, 2, 1]
    """
    word = text.strip().replace("_", "")
    if not (word.isascii() and word.isdigit()):
        shown = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"
        raise SequenceError(f"digits: expected a whole number like 123, got '{shown}'")
    if len(word) > _MOST:
        raise SequenceError(f"digits: expected at most {_MOST:,} digits, got {len(word):,}")
    return [int(digit) for digit in reversed(word)]


def carried(sums: Sequence[Number]) -> tuple[list[int], list[int]]:
    """Carry the tens of each place to the next.

    Parameters
    ----------
    sums : sequence of int
        Sums of products of digits, the lowest place first, none negative.

    Returns
    -------
    (digits, carries)
        The digits of the product, the lowest first, without leading zeros; and what
        each place was handed from the one below.

    Examples
    --------
    123 × 45: the sums are 15, 22, 13, 4.

    >>> carried([15, 22, 13, 4])
    ([5, 3, 5, 5], [0, 1, 2, 1])
    """
    digits: list[int] = []
    carries: list[int] = []
    carry = 0
    for value in sums:
        carries.append(carry)
        carry, digit = divmod(int(value) + carry, 10)
        digits.append(digit)
    while carry:
        carries.append(carry)
        carry, digit = divmod(carry, 10)
        digits.append(digit)
    while len(digits) > 1 and not digits[-1]:
        digits.pop()
    return digits, carries[: len(digits)]


def parse_die(text: str) -> list[Number]:
    """Return the probabilities of the faces 1, 2, … of a die.

    Parameters
    ----------
    text : str
        One whole number: a fair die with so many faces. Several numbers: the
        probabilities of the faces, which must sum to 1.

    Raises
    ------
    SequenceError
        If the text is no distribution.

    Examples
    --------
    >>> parse_die("2")
    [Fraction(1, 2), Fraction(1, 2)]
    """
    values = parse_sequence(text)
    if len(values) == 1 and values[0] != 1:
        faces = values[0]
        if not isinstance(faces, int) or not 1 < faces <= _MOST:
            raise SequenceError(f"dice: expected a die of 1 or more faces, got '{text}'")
        return [Fraction(1, faces)] * faces
    if any(value < 0 for value in values):
        raise SequenceError("dice: expected no negative probability: check the signs")
    total = sum(values, Fraction(0))
    if total != 1:
        raise SequenceError(
            f"dice: expected probabilities that sum to 1, got {total}: divide each by it"
        )
    return values

"""Sequences of numbers: how they are written, and what they stand for."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

from convcli.errors import ConvcliError

Number: TypeAlias = int | Fraction

MOST = 10**7
"""The longest sequence: what fits into memory with room for the result."""


class SequenceError(ConvcliError):
    """Sequences that cannot be convolved."""


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
    if len(words) > MOST:
        raise SequenceError(f"expected at most {MOST:,} numbers, got {len(words):,}")
    with digits_unlimited():
        return [_number(word) for word in words]


_SHOWN = 40
_LARGEST_EXPONENT = 10_000


def beginning(word: str) -> str:
    """Return a word as messages show it: its first characters where it is long."""
    return word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"


def _number(word: str) -> Number:
    shown = beginning(word)
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
        raise SequenceError(
            f"digits: expected a whole number like 123, got '{beginning(word)}'"
        )
    if len(word) > MOST:
        raise SequenceError(f"digits: expected at most {MOST:,} digits, got {len(word):,}")
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
        if not isinstance(faces, int) or not 1 < faces <= MOST:
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

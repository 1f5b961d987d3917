"""Exact numbers as a person writes them, and as text again."""

import contextlib
import sys
from collections.abc import Iterator
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

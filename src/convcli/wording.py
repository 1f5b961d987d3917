"""How numbers and sizes are written for people."""

from collections.abc import Sequence

_LONGEST_WHOLE = 1e6


def short(value: float) -> str:
    """Return a number with at most 4 digits that matter, whole numbers whole.

    Examples
    --------
    >>> short(-1020.0), short(1 / 3)
    ('-1020', '0.3333')
    """
    whole = abs(value) < _LONGEST_WHOLE and value == round(value)
    return f"{value:.0f}" if whole else f"{value:.4g}"


def tidy(value: float) -> str:
    """Return a weight with 3 digits that matter and no leading zero.

    Examples
    --------
    >>> tidy(0.0625), tidy(-2.0)
    ('.0625', '-2')
    """
    return f"{value:.3g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else short(value)


def times(lengths: Sequence[int]) -> str:
    """Return a size: ``3×5``."""
    return "×".join(str(length) for length in lengths)


def counted(number: int, noun: str) -> str:
    """Return how many there are of something: ``1 column``, ``3 columns``.

    Examples
    --------
    >>> counted(1, "row"), counted(0, "row")
    ('1 row', '0 rows')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"

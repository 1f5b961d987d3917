"""How numbers and sizes are written for people, and how people write rows of numbers."""

import math
import re
from collections.abc import Sequence

from convcli.errors import ConvcliError, fail

_LONGEST_WHOLE = 1e6
_NARROW = 1e3
_MOST_DIGITS = 8
_HALF = 0.5
_LINE = 60
_TINY = 0.0005
_LEAST_PERCENT = 0.01
_ROUNDING = 1e-14
"""A smaller weight is 0 but for a rounding error."""
_BETWEEN = " \t,;"  # what may stand before and after the numbers of a line


def short(value: float) -> str:
    """Return a number with 4 significant digits, and all digits before the point.

    More where it would look like a half, as 103.496 would: it must round as the number does.

    >>> short(-1020.0), short(1 / 3), short(38055.4), short(103.496), short(103.5)
    ('-1020', '0.3333', '38055.4', '103.496', '103.5')
    """
    size = abs(value)
    if size < _LONGEST_WHOLE and value == round(value):
        return f"{value:.0f}"
    fewest = len(str(int(size))) + 1 if 1 <= size < _LONGEST_WHOLE else 0
    texts = [f"{value:.{digits}g}" for digits in range(max(4, fewest), _MOST_DIGITS + 1)]
    return next((t for t in texts if float(t) == value or float(t) % 1 != _HALF), texts[0])


def tidy(value: float) -> str:
    """Return a weight with 3 significant digits and no leading zero.

    >>> tidy(0.0625), tidy(-2.0)
    ('.0625', '-2')
    """
    return f"{value:.3g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else short(value)


def tight(value: float) -> str:
    """Return a number for a narrow cell: 3 decimals below 1, else 3 digits or the whole part.

    >>> tight(0.0625), tight(-0.5), tight(5239.2), tight(-0.0), tight(1e-5), tight(5e-17)
    ('.062', '-.5', '5239', '0', '~0', '0')
    """
    value += 0.0  # -0 becomes 0
    if not math.isfinite(value):
        return f"{value:g}"
    if value == round(value):
        return short(value)
    if abs(value) >= 1:
        return f"{value:.0f}" if _NARROW <= abs(value) < _LONGEST_WHOLE else f"{value:.3g}"
    if abs(value) < _TINY:
        return "~0" if abs(value) > _ROUNDING else "0"
    return f"{value:.3f}".rstrip("0").replace("0.", ".", 1)


def times(lengths: Sequence[int]) -> str:
    """Return lengths as a size: ``3×5``."""
    return "×".join(str(length) for length in lengths)


def side_lengths(lengths: Sequence[int]) -> str:
    """Return lengths as a size, ``3×5``; one number where all are equal, ``3``."""
    return times(lengths[:1] if len(set(lengths)) == 1 else lengths)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, singular or plural: ``1 column``, ``3 columns``.

    >>> counted(1, "row"), counted(0, "row")
    ('1 row', '0 rows')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def brief(value: object) -> str:
    """Return a value as a message shows it: what is no text, in at most 60 characters.

    >>> brief("7"), brief([7] * 99)
    ("'7'", '[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7…')
    """
    if isinstance(value, str):
        return repr(value)
    text = " ".join(repr(value).split())
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"


def percent(share: float) -> str:
    """Return a share in per cent; one that is not 0 is never shown as 0.

    >>> percent(0.5), percent(1e-9), percent(0)
    ('50.00 %', '0.01 %', 'none')
    """
    return f"{max(100 * share, _LEAST_PERCENT):.2f} %" if share else "none"


_MATRIX = re.compile(r"""\s*\[\s*\[[-+\w.,"'\s\[\]]*\]\s*\]\s*""")


def is_matrix(text: str) -> bool:
    """Tell whether a text is meant as a matrix, be its numbers right or not, not as a file.

    >>> is_matrix("[[1, 2], [3, nan]]"), is_matrix("page[0-9].png")
    (True, False)
    """
    return _MATRIX.fullmatch(text) is not None


def words_of_rows(text: str, place: str, error: type[ConvcliError]) -> dict[int, list[str]]:
    """Return the words of each line, by its number, or of one line's parts between semicolons.

    >>> words_of_rows("1,2;3,4  # mine", "", ConvcliError)
    {1: ['1', '2'], 2: ['3', '4']}
    """
    uncommented = [line.partition("#")[0] for line in re.split(r"\r?\n|\r", text)]
    lines = [line.strip(_BETWEEN) for line in uncommented]
    held = [line for line in lines if line]
    if len(held) == 1 and ";" in held[0]:
        lines = held[0].split(";")
    elif any("," in line and ";" in line for line in held):
        # A spreadsheet writes 1,5;2 for 1.5 and 2 where decimals have a comma.
        fault = "expected commas or semicolons between numbers, got both"
        remedy = "write 1.5 for 1,5, and one of the two between numbers"
        fail(place, fault, remedy, error)
    rows = {number: split_numbers(line) for number, line in enumerate(lines, 1)}
    return {number: words for number, words in rows.items() if words}


def split_numbers(text: str) -> list[str]:
    """Return the words of a text between blanks, commas and semicolons."""
    return [word for word in re.split(r"[\s,;]+", text) if word]


def finite_number(text: str, kind: type[float] = float) -> float | None:
    """Return the finite number of a kind that a text is; None for other texts.

    >>> finite_number("2.5"), finite_number("2.5", int), finite_number("inf")
    (2.5, None, None)
    """
    try:
        value = kind(text)
    except ValueError:
        return None
    # A whole number may have more digits than a float: math.isfinite refuses it.
    return value if isinstance(value, int) or math.isfinite(value) else None

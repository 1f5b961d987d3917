"""Sequences as people read them: the multiplication table, carries, dice, costs."""

from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import Any

from rich.table import Table
from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.tables import GOOD, show, show_table, width_of_output
from convcli.lessons import sequences
from convcli.lessons.sequences import Convolved, Number, polynomial
from convcli.text import short

_CELLS = 16  # rows and columns of a table that are shown, and products of a diagonal
_LINES = 2 * _CELLS  # lines of a table that are shown: all diagonals, and all carries
_WIDEST = 12  # characters of a number in a table; longer ones are shown by their ends
_BAR = 30  # characters of the longest bar, where there is room
_TRANSFORMED = 16  # the longest result whose transforms are printed
_DIAGONALS = ("#b2182b", "#2166ac", "#1b7837", "#762a83", "#8c510a", "#01665e", "#4d4d4d")
"""One colour a diagonal, in turn: dark enough for white digits."""

_READINGS = {
    "sequence": ("", "place", "[{}]"),
    "digits": (", units first", "place", "10^{}"),
    "dice": (": faces; each cell is the probability of the pair", "roll", "{}"),
    "polynomial": ("", "power", "x^{}"),
}
"""How the two are read: what the table adds to its title, and how a place is called."""


def show_convolution(found: Convolved, total: int | None, *, by_fft: bool) -> None:
    """Print the products, their sums by place, what they are as read, and the costs."""
    left, right, result = found.left, found.right, found.result
    _show_products(found, None if total is None else total - 2)
    _show_diagonals(found)
    if found.reading == "digits":
        _show_carries(result)
    elif found.reading == "polynomial":
        say(f"({polynomial(left)}) · ({polynomial(right)}) = {found.text}")
    elif found.reading == "dice":
        _show_dice(result)
        if total is not None:
            say(f"total {total}: probability {result[total - 2]}", "")
    else:
        say(f"result: {_shortened([str(value) for value in result])}")
        if len(left) == len(right) == 1:
            say("Both are read as sequences of one number: --as dice or digits changes it.")
    if by_fft and len(left) + len(right) - 1 <= _TRANSFORMED:
        _show_transforms(left, right)
    _show_costs(len(left), len(right))


def _show_products(found: Convolved, place: int | None) -> None:
    """Print the multiplication table; each diagonal has a colour, or only that of a place."""
    sides = (found.left, found.right)
    rows, columns = (list(values[:_CELLS]) for values in sides)
    products = [[a * b for b in columns] for a in rows]
    width = max(len(_cut(value)) for line in (rows, columns, *products) for value in line)
    columns = columns[: max(width_of_output() // (width + 1) - 1, 1)]
    table = Table.grid(padding=(0, 1))
    table.add_row(" " * width, *_heads(columns, found.reading, width))
    for i, head in enumerate(_heads(rows, found.reading, width)):
        cells = [head]
        for n, value in enumerate(products[i][: len(columns)], i):
            colour = f"white on {_DIAGONALS[n % len(_DIAGONALS)]}"
            cells.append(Text(f"{_cut(value):>{width}}", colour if place in (None, n) else ""))
        table.add_row(*cells)
    shown, lengths = (len(rows), len(columns)), tuple(map(len, sides))
    title = f"All products, A downwards, B across{_READINGS[found.reading][0]}"
    if shown != lengths:
        title += ", the first {} × {} of {:,} × {:,}".format(*shown, *lengths)
    show(Text(title, style="bold"), table, "")


def _heads(values: Sequence[Any], reading: str, width: int) -> list[Text]:
    """Return the names of rows or columns: numbers, or the faces of a die."""
    faces = range(1, len(values) + 1)
    names = map(str, faces) if reading == "dice" else map(_cut, values)
    return [Text(f"{name:>{width}}", style="bold") for name in names]


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _WIDEST else f"{text[:4]}…{text[-4:]}"


def _show_diagonals(found: Convolved) -> None:
    """Print the sum along each diagonal, for the places that are kept."""
    sums, (_, first, place) = found.sums, _READINGS[found.reading]
    least = 2 if found.reading == "dice" else 0
    rows = [
        (place.format(n + least), _written_out(found, n), f"= {_cut(sums[n])}")
        for n in islice(sums, _LINES)
    ]
    all_of_them = len(found.left) + len(found.right) - 1
    part = f": {len(sums):,} of {all_of_them:,}" if len(sums) < all_of_them else ""
    show_table(f"Diagonals, summed{part}", f"{first} | products | sum", rows)
    _show_left_out(len(sums), "diagonals")


def _written_out(found: Convolved, n: int) -> str:
    left, right = found.left, found.right
    first, last = max(n - len(right) + 1, 0), min(n, len(left) - 1)
    shown = range(first, min(last + 1, first + _CELLS))
    factors = [_cut(right[n - i]) for i in shown]
    factors = [f"({text})" if text[0] == "-" else text for text in factors]
    terms = [f"{_cut(left[i])}·{text}" for i, text in zip(shown, factors, strict=True)]
    more = last + 1 - first - len(shown)
    return " + ".join([*terms, f"… ({more:,} more)"] if more else terms)


def _show_left_out(count: int, noun: str) -> None:
    if count > _LINES:
        say(
            f"These are the first {_LINES} of {count:,} {noun}; {count - _LINES:,} are left "
            "out here (--json has them all).",
            "",
        )


def _show_carries(sums: Sequence[Number]) -> None:
    digits, carries = sequences.carried(sums)
    lines = zip_longest(sums[: len(digits)], digits, carries, fillvalue=0)
    rows = [
        f"10^{place} | {v} + {carry} = {v + carry} | {digit} | {(v + carry) // 10}"
        for place, (v, digit, carry) in enumerate(islice(lines, _LINES))
    ]
    show_table("Carries", "place | sum + carry | >digit | >carry on", rows)
    _show_left_out(len(digits), "carries")
    text = "".join(str(digit) for digit in reversed(digits))
    if len(text) > 70:  # noqa: PLR2004 - a line of a terminal
        text = f"{text[:24]}…{text[-24:]} ({len(text):,} digits; --quiet prints them all)"
    say(f"product: {text}")


def _show_dice(result: Sequence[Number]) -> None:
    shown = list(enumerate(result, start=2))[:_LINES]
    most = max(value for _, value in shown) or 1
    texts = [(f"{total}", str(value), f"{float(value):.4f}") for total, value in shown]
    heads = ("sum", "probability", "")
    beside = sum(max(map(len, column)) for column in zip(heads, *texts, strict=True))
    wide = min(max(width_of_output() - beside - 2 * (len(heads) + 1), 1), _BAR)
    rows = [
        (*text, "█" * round(wide * value / most))
        for text, (_, value) in zip(texts, shown, strict=True)
    ]
    show_table("Sum of the two", ">sum | >probability | > | ", rows)
    _show_left_out(len(result), "sums")


def _shortened(words: Sequence[str]) -> str:
    """Return values on one line, the middle left out where they are many."""
    if len(words) <= _LINES:
        return ", ".join(_cut(word) for word in words)
    ends = (", ".join(_cut(word) for word in part) for part in (words[:8], words[-3:]))
    return ", …, ".join(ends) + f" ({len(words):,} values; --quiet prints them all)"


def _show_costs(m: int, n: int) -> None:
    """Print how many operations both ways take, and from which length the FFT pays."""
    count = sequences.operations(m, n)
    size, log = count.transform, count.transform.bit_length() - 1
    by_fft = count.fft < count.direct
    fft = f"three transforms of N = {size:,}: 15·{size}·{log} + 6·{size}"
    direct = f"2·{m}·{n} - {m + n - 1}"
    rows = [
        (Text("direct", "" if by_fft else GOOD), count.direct, direct),
        (Text("FFT", GOOD if by_fft else ""), count.fft, fft),
    ]
    say("")
    title = f"Costs: the {'FFT' if by_fft else 'direct way'} is cheaper here"
    show_table(title, "way | >operations | arithmetic", rows)
    *runs, (last, _) = sequences.CHEAPER_BY_FFT
    bounded = [f"{a}" if a == b else f"{a} to {b}" for a, b in runs]
    say(
        f"For two of n numbers each the FFT is cheaper for n = {', '.join(bounded)}, and for "
        f"all from {last} on:",
        "its transforms have length 2n-1, rounded up to a power of two: they grow in leaps.",
        "A transform of N numbers takes 5·N·log2(N) operations, the products of two take 6·N.",
    )


def _show_transforms(left: Sequence[Any], right: Sequence[Any]) -> None:
    """Print the way of the FFT in numbers: both transforms, their product, the inverse."""
    try:
        *spectra, inverse = sequences.transforms(left, right)
    except OverflowError:
        say("The transforms are not shown: floats have no numbers from 2^1024 on.", "")
        return
    lines = zip(*spectra, strict=True)
    rows = [(str(k), *map(_complex, values)) for k, values in enumerate(lines)]
    title = f"By the FFT: both padded with zeros to N = {len(inverse)}"
    show_table(title, ">k | transform of A | of B | product", rows)
    say(f"inverse transform: {', '.join(map(short, inverse))}", "")


def _complex(value: complex) -> str:
    """Return a complex number with 4 digits, without what rounding has left."""
    real, imaginary = (round(part, 9) + 0.0 for part in (value.real, value.imag))
    if not imaginary:
        return short(real)
    sign = "-" if imaginary < 0 else "+"
    return f"{short(real)} {sign} {short(abs(imaginary))}i"

"""Sequences as people read them: the multiplication table, carries, dice."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from convcli.cli.render import show, show_table
from convcli.lessons.sequences import Number

_CELLS = 8
"""Rows and columns of a table that are shown, and diagonals written out."""

_WIDEST = 12
"""Characters of a number in a table; longer ones are shown by their ends."""

_DIAGONALS = ("#b2182b", "#2166ac", "#1b7837", "#762a83", "#8c510a", "#01665e", "#4d4d4d")
"""One colour a diagonal, in turn: dark enough for white digits."""


def show_products(left: Sequence[Any], right: Sequence[Any], reading: str) -> None:
    """Print the multiplication table; each diagonal has a colour of its own."""
    rows, columns = (list(values[:_CELLS]) for values in (left, right))
    width = max(
        len(_cut(value)) for value in [*rows, *columns, *(a * b for a in rows for b in columns)]
    )
    table = Table.grid(padding=(0, 1))
    table.add_row(" " * width, *(Text(f"{_cut(b):>{width}}", style="bold") for b in columns))
    for i, a in enumerate(rows):
        products = (_product(a * b, i + j, width) for j, b in enumerate(columns))
        table.add_row(Text(f"{_cut(a):>{width}}", style="bold"), *products)
    show(Text(_title(left, right, reading), style="bold cyan"), table, "")


def _title(left: Sequence[Any], right: Sequence[Any], reading: str) -> str:
    order = ", units first" if reading == "digits" else ""
    shown = f"{min(len(left), _CELLS)} × {min(len(right), _CELLS)}"
    cropped = max(len(left), len(right)) > _CELLS
    part = f", the first {shown} of {len(left):,} × {len(right):,}" if cropped else ""
    return f"All products, A downwards, B across{order}{part}"


def _product(value: Any, diagonal: int, width: int) -> Text:
    return Text(
        f"{_cut(value):>{width}}", style=f"white on {_DIAGONALS[diagonal % len(_DIAGONALS)]}"
    )


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= _WIDEST else f"{text[:4]}…{text[-4:]}"


def show_diagonals(
    left: Sequence[Any], right: Sequence[Any], result: Sequence[Number], reading: str
) -> None:
    """Print the sum along each diagonal."""
    lines = []
    for n in range(min(len(result), _CELLS + 1)):
        pairs = [(left[i], right[n - i]) for i in range(len(left)) if 0 <= n - i < len(right)]
        terms = [f"{_cut(a)}·{_cut(b)}" for a, b in pairs[:_CELLS]]
        terms += ["…"] * (len(pairs) > _CELLS)
        lines.append((_place(n, reading), " + ".join(terms), f"= {_cut(result[n])}"))
    lines += [("…", "", "")] * (len(result) > _CELLS + 1)
    show_table("Diagonals, summed", ("", "products", "sum"), lines)


def _place(n: int, reading: str) -> str:
    names = {"digits": f"10^{n}", "polynomial": f"x^{n}", "dice": f"sum {n + 2}"}
    return names.get(reading, f"[{n}]")


def show_carries(sums: Sequence[Number], digits: Sequence[int], carries: Sequence[int]) -> None:
    """Print how sums become digits, and the product."""
    rows = []
    for place, (digit, carry) in enumerate(zip(digits, carries, strict=True)):
        value = int(sums[place]) if place < len(sums) else 0
        total = value + carry
        rows.append(
            (f"10^{place}", f"{value} + {carry} = {total}", f"{digit}", f"{total // 10}")
        )
    more = len(rows) > _CELLS + 1
    rows = rows[: _CELLS + 1] + [("…", "", "", "")] * more
    show_table("Carries", ("place", "sum + carry", "digit", "carry on"), rows, numbers=(2, 3))
    text = "".join(str(digit) for digit in reversed(digits))
    show(f"product: {_ends(text)}")


def _ends(text: str) -> str:
    if len(text) <= 70:  # noqa: PLR2004 - a line of a terminal
        return text
    return f"{text[:24]}…{text[-24:]} ({len(text):,} digits; --quiet prints them all)"


def show_dice(result: Sequence[Number]) -> None:
    """Print a distribution with bars."""
    shown = list(enumerate(result, start=2))[: 3 * _CELLS]
    most = max(value for _, value in shown) or 1
    rows = [
        (f"{total}", str(value), f"{float(value):.4f}", "█" * round(30 * value / most))
        for total, value in shown
    ]
    rows += [("…", "", "", "")] * (len(result) > len(shown))
    show_table("Sum of the two", ("sum", "probability", "", ""), rows, numbers=(0, 1, 2))


def shortened(words: Sequence[str]) -> str:
    """Return values on one line, the middle left out where they are many."""
    if len(words) <= 4 * _CELLS:
        return ", ".join(_cut(word) for word in words)
    ends = (", ".join(_cut(word) for word in part) for part in (words[:_CELLS], words[-3:]))
    return ", …, ".join(ends) + f" ({len(words):,} values; --quiet prints them all)"

"""Rows of numbers or fractions: CSV, what `numpy.savetxt` writes, a block from a table."""

import re

from convcli.kernels.formats import base
from convcli.kernels.kernel import Kernel

_COMMENT = re.compile(r"#.*")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PART = rf"{_NUMBER}(?:/{_NUMBER})?"
_BLOCK = re.compile(rf"\s*{_PART}(?:[\s,;]+{_PART})+[\s,;]*")


def _write(kernel: Kernel) -> str:
    base.single_bias(kernel, "csv", has_bias=False)
    return "\n".join(base.lines(kernel.weights, ",")) + "\n"


def _value(word: str, place: str) -> float:
    """Return a number or a fraction, as 1/9."""
    above, slash, below = word.partition("/")
    divisor = base.number(below, place) if slash else 1.0
    if divisor == 0:
        base.fail(place, f"expected a fraction, got {word}", "divide by another number")
    return base.number(above, place) / divisor


def _parse(text: str) -> Kernel:
    """Return the grid; each line, or part of a line between semicolons, is a row."""
    lines = [_COMMENT.sub("", line) for line in re.split(r"[\n;]", text.replace("\r", "\n"))]
    found = [
        [_value(word, f"line {count}") for word in base.split_numbers(line)]
        for count, line in enumerate(lines, 1)
        if line.strip()
    ]
    rows = [row for row in found if row]
    if not rows or len({len(row) for row in rows}) != 1:
        lengths = ", ".join(map(str, sorted({len(row) for row in rows}))) or "none"
        base.fail(
            "rows", f"expected rows of as many numbers each, got {lengths}", "mend the rows"
        )
    values = [value for row in rows for value in row]
    return Kernel(base.grid_of(values, len(rows), len(rows[0])))


CSV = base.TextFormat(
    "csv",
    "rows of numbers or fractions: a table, numpy.savetxt",
    (".csv",),
    lambda text: _BLOCK.fullmatch(_COMMENT.sub("", text)) is not None,
    _parse,
    _write,
)

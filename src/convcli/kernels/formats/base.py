"""What a format of kernels is, and the helpers that several formats use."""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from convcli.errors import fail
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel, Weights
from convcli.text import finite_number, split_numbers
from convcli.values import Record


class TextFormat(Record):
    """A kernel as text; where no suffix tells it, a text that begins as `looks` does is one."""

    name: str
    suffixes: tuple[str, ...]  # in lower case
    looks: re.Pattern[str] | None
    parse: Callable[[str], Kernel]
    write: Callable[[Kernel], str]


def number(text: str, place: str) -> float:
    """Return the finite number that a text is."""
    value = finite_number(text)
    if value is None:
        fail(place, f"expected a finite number, got {text[:40]!r}", "replace it by a number")
    return value


def numbers(text: str, place: str) -> list[float]:
    """Return the numbers of a text."""
    return [number(word, place) for word in split_numbers(text)]


def grid_of(values: list[float], rows: int, columns: int) -> Weights:
    """Return rows × columns numbers as a grid."""
    if not 0 < rows * columns <= MAX_WEIGHTS:
        fail("size", f"expected 1 to {MAX_WEIGHTS:,} weights, got {columns}×{rows}", "mend it")
    if len(values) != rows * columns:
        fault = f"expected {columns}×{rows} = {rows * columns} numbers, got {len(values)}"
        fail("weights", fault, "mend the size or the numbers")
    return np.array(values, dtype=np.float64).reshape(rows, columns)


def centred(grid: Weights, row: int, column: int) -> Weights:
    """Pad with zeros until the weight at (row, column) is the middle, the earlier of two."""
    missing = [size - 1 - 2 * at for at, size in zip((row, column), grid.shape, strict=True)]
    return np.pad(grid, [(each * (each > 1), max(-each, 0)) for each in missing])


def odd_sized(grid: Weights) -> Weights:
    """Put zeros before even sizes: programs disagree on which of two middles they mean."""
    rows, columns = grid.shape
    return np.pad(grid, [(1 - rows % 2, 0), (1 - columns % 2, 0)])


def single_bias(kernel: Kernel, name: str, *, has_bias: bool = True) -> float:
    """Return the bias of a 2-D kernel; a bank is refused, and a bias without a place."""
    if kernel.is_bank:
        fault = f"expected a 2-D kernel, got a bank of shape {kernel.weights.shape}"
        fail(f"{kernel.name} as {name}", fault, "export it as json, npy, numpy or torch")
    value = kernel.bias[0] if kernel.bias else 0.0
    if value and not has_bias:
        fault = f"{name} has no place for the bias {value:g}"
        fail(kernel.name, fault, "add it there by hand, or export as json")
    return value


def over_divisor(kernel: Kernel) -> tuple[Weights, float]:
    """Return whole numbers and their divisor if the kernel has them, else weights and 1."""
    form = kernel.integer_form
    if form is None:
        return kernel.weights, 1.0
    return form.integers.astype(np.float64), form.divisor


def plain(value: float) -> str:
    """Return the shortest text that reads back as the same number: ``2``, ``0.1``."""
    whole = float(value).is_integer() and abs(value) < 2**53
    return str(int(value)) if whole else repr(float(value))


def nested(grid: Weights, indent: str = "", step: str = "  ", last: str = "") -> str:
    """Return a grid as nested lists with a row on each line, indented by `step` a level."""
    if grid.ndim == 1:
        return f"[{', '.join(plain(value) for value in grid.tolist())}]"
    deeper = indent + step
    inner = f",\n{deeper}".join(nested(part, deeper, step, last) for part in grid)
    return f"[\n{deeper}{inner}{last}\n{indent}]"


def lines(grid: ArrayLike, between: str = " ") -> list[str]:
    """Return the rows of a grid as text."""
    return [between.join(plain(v) for v in row) for row in np.asarray(grid).tolist()]

"""How a table fits into a terminal: narrower gaps first, then wrapped cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

ROOMY = 3
"""Columns between two cells where there is room."""

_NARROWEST = 16
"""Columns that a table's last cell needs at the least: it may be running text."""

_LINES = (2, 3)
"""Lines that any other cell may take: as few as will do."""

_BREAK = re.compile(r"(?<=[^=+·-] )(?=\S)|(?<=,)(?=[a-z])|(?<=[a-z]-)(?=[a-z]{3})")
"""Where a cell may be broken: at a space, but "+ 5" stays whole; between the settings of a
layer, ``conv:64,k3``; behind a hyphen that joins words."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Widths that fit.

    Attributes
    ----------
    gap : int
        Columns between two cells.
    widths : tuple of int
        Columns of each cell.
    """

    gap: int
    widths: tuple[int, ...]


def layout_for(
    headings: Sequence[str], rows: Sequence[Sequence[str]], room: int
) -> Layout | None:
    """Return the first layout that fits into so many columns; None where there is none.

    Examples
    --------
    >>> layout_for(("layer", "parameters"), [("conv", "9·9 = 81")], 16)
    Layout(gap=1, widths=(5, 10))
    """
    columns = list(zip(headings, *rows, strict=True))
    full = [max(map(cell_len, column)) for column in columns]
    spread = len(full) - 1
    kept = [*full[:-1], min(full[-1], _NARROWEST)]
    edges = {ROOMY: ROOMY + 1}
    for gap in (ROOMY, 2, 1):
        inner = room - gap * spread - edges.get(gap, 0)
        if sum(kept) <= inner:
            return Layout(gap, (*full[:-1], min(full[-1], inner - sum(full[:-1]))))
    for most in _LINES:
        least = [_narrowest(column, most) for column in columns[:-1]] + kept[-1:]
        for gap in (2, 1):
            if sum(least) + gap * spread <= room:
                return Layout(gap, _shrunk(full, least, room - gap * spread))
    return None


def _narrowest(column: Sequence[str], most: int) -> int:
    """Return the width at which no cell takes more lines than it may."""
    return max(
        next(w for w in range(cell_len(cell) + 1) if _fits(cell, w, most)) for cell in column
    )


def _fits(cell: str, width: int, most: int) -> bool:
    lines = wrapped(cell, width)
    return len(lines) <= most and all(cell_len(line) <= width for line in lines)


def _shrunk(full: Sequence[int], least: Sequence[int], room: int) -> tuple[int, ...]:
    """Narrow the column that can spare the most, then the next: few cells are wrapped."""
    widths = list(full)
    spare = [width - low for width, low in zip(full, least, strict=True)]
    for index in sorted(range(len(full)), key=spare.__getitem__, reverse=True):
        widths[index] -= min(spare[index], max(sum(widths) - room, 0))
    return tuple(widths)


def wrapped(cell: str, width: int) -> list[str]:
    """Return a cell's lines; what cannot be broken stays whole, and all are indented alike.

    Examples
    --------
    >>> wrapped("  conv:512,k3,s2,p1", 14)
    ['  conv:512,k3,', '  s2,p1']
    >>> wrapped("(3·3·64+1)·64 = 36,928", 20)
    ['(3·3·64+1)·64', '= 36,928']
    """
    indent = cell[: len(cell) - len(cell.lstrip())]
    lines = [indent]
    for piece in _BREAK.split(cell.lstrip()):
        if lines[-1] != indent and cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append(indent)
        lines[-1] += piece
    return [line.rstrip() for line in lines]

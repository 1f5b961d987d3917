"""The tables that people read: as wide as the terminal, whole in a pipe."""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import TypeAlias

from rich import box
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.ending import cell_length, wrapped

Row: TypeAlias = Sequence[object] | str
"""The cells of a row: texts, of which a `Text` has a style, and whole numbers; or one text,
``weights | 27``, which is parted where heads are."""

GOOD, ODD, BAD = "color(28)", "color(136)", "color(160)"
"""Green for what is clean, yellow for what is left over, red for what is lost or failed: with
a contrast of at least 3 on black and on white."""

ROOMY = 3  # columns between two cells where there is room
_NARROWEST = 16  # the fewest columns of a table's last cell, which may be running text
_MOST_LINES = 3  # lines that any other cell may have: more than 1 only where it must be


def layout_for(
    headings: Sequence[str], rows: Sequence[Sequence[str]], room: int
) -> tuple[int, tuple[int, ...]] | None:
    """Return the gap between cells, and their widths, that fit into `room` columns, if any."""
    columns = list(zip(headings, *rows, strict=True))
    full = [max(map(cell_length, column)) for column in columns]
    least = full[:-1]
    for most in range(1, _MOST_LINES + 1):
        if most > 1:
            least = [_narrowest(column, most) for column in columns[:-1]]
        least.append(min(full[-1], _NARROWEST))
        for gap in (ROOMY, 2, 1) if most == 1 else (2, 1):
            inner = room - gap * (len(full) - 1) - (ROOMY + 1) * (gap == ROOMY)
            if sum(least) <= inner:
                return gap, _shrunk(full, least, inner)
    return None


def _narrowest(column: Sequence[str], most: int) -> int:
    """Return the least width at which each cell has at most `most` lines."""

    def fits(cell: str, width: int) -> bool:
        lines = wrapped(cell, width)
        return len(lines) <= most and max(map(cell_length, lines)) <= width

    return next(width for width in count() if all(fits(cell, width) for cell in column))


def _shrunk(full: Sequence[int], least: Sequence[int], room: int) -> tuple[int, ...]:
    """Narrow the column that can spare the most, then the next, so that few cells wrap."""
    widths = list(full)
    spare = [width - low for width, low in zip(full, least, strict=True)]
    for index in sorted(range(len(full)), key=spare.__getitem__, reverse=True):
        widths[index] -= min(spare[index], max(sum(widths) - room, 0))
    return tuple(widths)


_ENDLESS = 10_000  # columns of a pipe: wide enough that no table is ever cut


def show(*parts: RenderableType, to_stderr: bool = False) -> None:
    """Print to standard output, or to standard error."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream.isatty():
        Console(file=stream, highlight=False).print(*parts, sep="\n")
        return
    page = io.StringIO()
    plain = Console(file=page, width=_ENDLESS, highlight=False, force_terminal=False)
    plain.print(*parts, sep="\n")
    stream.write("".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines()))
    stream.flush()


def width_of_output(*, to_stderr: bool = False) -> int:
    """Return the columns of a terminal; a pipe has no end."""
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(file=stream).width if stream.isatty() else _ENDLESS


def show_table(
    title: str, heads: str, rows: Iterable[Row], *, note: str = "", to_stderr: bool = False
) -> None:
    """Print a table below its title; its heads are as ``what | >count``: > aligns to the right.

    Where a terminal is too narrow even for wrapped cells, each row becomes a block of lines
    below its first cell, or its number (#) and its name. Cells that a row lacks are empty. A
    `note` stands below the table.
    """
    columns = [head.strip() for head in heads.split("|")]
    headings = [column.removeprefix(">") for column in columns]
    parted = (row.split(" | ") if isinstance(row, str) else row for row in rows)
    short = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in parted]
    body = [[*row, *[""] * (len(columns) - len(row))] for row in short]
    texts = [tuple(map(str, row)) for row in body]
    layout = layout_for(headings, texts, width_of_output(to_stderr=to_stderr))
    heading, below = Text(title, style="bold"), [note] * bool(note)
    if layout is None:
        show(heading, *_blocks(headings, texts), "", *below, to_stderr=to_stderr)
        return
    gap, widths = layout
    table = Table(box=box.SIMPLE_HEAD)
    if gap < ROOMY:
        table.padding = (0, gap - 1, 0, 0)
        table.pad_edge = table.show_edge = False
    for column, name, width in zip(columns, headings, widths, strict=True):
        side: JustifyMethod = "left" if column == name else "right"
        table.add_column(_cell(name, width), justify=side, width=width, overflow="fold")
    for row in body:
        table.add_row(*map(_cell, row, widths))
    # As a part of the table the title would be broken where the table ends.
    show(heading, table, *[""] * (gap < ROOMY), *below, to_stderr=to_stderr)


def _cell(cell: object, width: int) -> Text:
    return Text("\n".join(wrapped(str(cell), width)), style=getattr(cell, "style", ""))


def _blocks(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Text | Table]:
    names = 2 if headings[0] == "#" else 1
    for row in rows:
        facts = Table.grid(padding=(0, 2))
        facts.add_column(no_wrap=True)
        facts.add_column(overflow="fold")
        for heading, cell in zip(headings[names:], row[names:], strict=True):
            if cell:
                facts.add_row(f"  {heading}", Text(cell))
        yield Text("")
        yield Text(" ".join(row[:names]).strip(), style="bold")
        yield facts

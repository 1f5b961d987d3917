"""The corners that border modes give, side by side."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from convcli.cli.render.kernels import color_cell
from convcli.cli.render.tables import show
from convcli.lessons.borders import Strip
from convcli.lessons.pictures import grey_colors
from convcli.text import short


def show_strips(strips: Sequence[Strip], count: int, white: int) -> None:
    """Print each mode's corner as grey cells, as many side by side as there is room for."""
    grids = [_grid(strip, count, white) for strip in strips]
    room = Console().width if sys.stdout.isatty() else sys.maxsize
    width = max(count * (len(str(white)) + 2), len("symmetric")) + 3
    across = max(min(room // width, len(grids)), 1)
    for start in range(0, len(grids), across):
        line = Table.grid(padding=(0, 3, 0, 0))
        line.add_row(*grids[start : start + across])
        show(line, "")
    channel = " (first channel)" if strips[0].pixels.shape[2] > 1 else ""
    rows, columns = (min(count, length) for length in strips[0].pixels.shape[:2])
    pixels = "pixel" if rows * columns == 1 else f"{columns} × {rows} pixels"
    show(f"The top left {pixels} with each border mode{channel}.")


def _grid(strip: Strip, count: int, white: int) -> Table:
    name = strip.border.value
    table = Table(title=name, box=None, show_header=False, padding=0, title_style="bold")
    table.min_width = len(name)
    width = len(str(white)) + 2
    values = strip.pixels[:count, :count, 0]
    for paints, line in zip(grey_colors(values / white), values.tolist(), strict=True):
        table.add_row(
            *(color_cell(p, short(v), width) for p, v in zip(paints, line, strict=True))
        )
    return table

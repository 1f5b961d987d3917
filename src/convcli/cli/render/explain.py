"""An explanation as coloured grids in the terminal."""

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.render.kernels import color_cell
from convcli.cli.render.tables import show, show_facts, width_of_output
from convcli.lessons.explain.drawing import facts_about, grid_title, title_of
from convcli.lessons.explain.explanation import Explanation, Plane
from convcli.lessons.pictures import grey_colors, middle
from convcli.pipeline.colormaps import cell_colors
from convcli.text import tight


def show_explanation(one: Explanation, name: str) -> None:
    """Print the grids of one output channel, and the arithmetic below them."""
    show(Text(f"{name}: {title_of(one)}", style="bold cyan"))
    several = one.combine is not None
    for part in one.parts:
        if several:
            show(Text(part.kernel, style="bold"))
        planes = [*part.planes, *([part.opacity] if part.opacity else [])]
        for plane in planes:
            if len(planes) > 1:
                show(plane.name)
            show(*_grids(one, plane))
    for title, facts in facts_about(one):
        show_facts(title, facts)
    show("")


def _grids(one: Explanation, plane: Plane) -> list[RenderableType]:
    part = (middle(one.padded.shape[0]), middle(one.padded.shape[1]))
    white = 1 if plane.channel is None else one.white
    levels = grey_colors(plane.patch[part] / white)
    grids = [
        _grid(grid_title(one, plane), plane.patch[part], levels, one.padded[part]),
        _grid("kernel", plane.weights[part], cell_colors(plane.weights)[part]),
        _grid("products", plane.products[part], cell_colors(plane.products)[part]),
    ]
    shown = plane.patch[part].shape
    notes: list[RenderableType] = []
    if shown != one.padded.shape:
        size = f"{one.padded.shape[0]}×{one.padded.shape[1]}"
        notes = [f"The middle {shown[0]}×{shown[1]} of {size}."]
    return [*_beside(grids, shown[0]), *notes]


_SIGNS = ("×", "=", "")


def _beside(grids: list[tuple[Table, int]], rows: int) -> list[RenderableType]:
    """Return the grids with the signs between them: below each other where it is narrow."""
    if sum(width for _, width in grids) + len(_SIGNS) * 3 > width_of_output():
        pairs = [(grid, sign) for (grid, _), sign in zip(grids, _SIGNS, strict=True)]
        return [part for pair in pairs for part in pair if part]
    table = Table.grid(padding=(0, 1))
    lines = "\n" * (rows // 2 + 1)
    table.add_row(
        *(
            part
            for (grid, _), sign in zip(grids, _SIGNS, strict=True)
            for part in (grid, lines + sign)
        )
    )
    return [table]


def _grid(
    title: str,
    values: NDArray[np.float64],
    colors: NDArray[np.uint8],
    padded: NDArray[np.bool_] | None = None,
) -> tuple[Table, int]:
    """Return a grid and its width; padding stands in brackets."""
    outside = np.zeros(values.shape, bool) if padded is None else padded
    texts = [
        [f"({tight(v)})" if out else tight(v) for v, out in zip(line, marks, strict=True)]
        for line, marks in zip(values.tolist(), outside.tolist(), strict=True)
    ]
    width = max(len(text) for line in texts for text in line) + 2
    table = Table(title=title, box=None, show_header=False, padding=0, title_style="bold")
    table.min_width = len(title)
    for line, level in zip(texts, colors, strict=True):
        table.add_row(
            *(color_cell(v, text, width) for v, text in zip(level, line, strict=True))
        )
    return table, max(width * values.shape[1], len(title))

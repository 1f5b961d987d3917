"""Small grids of coloured cells: one output taken apart, corners with each border mode."""

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.kernels import coloured
from convcli.cli.render.tables import show, show_table, width_of_output
from convcli.lessons.borders import Strip
from convcli.lessons.explain import Explanation, Plane
from convcli.lessons.explain.drawing import facts_about, grid_title, title_of
from convcli.lessons.kernels import cell_colors
from convcli.lessons.matrix import TIED, ConvolutionMatrix, counts_of, matrix_size
from convcli.lessons.pictures import grey_colors, middle
from convcli.text import short, tight, times


def show_explanations(answers: Sequence[Explanation], name: str) -> None:
    """Print how output pixels are made, one after the other."""
    for answer in answers:
        _show_explanation(answer, name)


def _show_explanation(answer: Explanation, name: str) -> None:
    """Print the grids of one output channel, and the arithmetic below them."""
    show(Text(f"{name}: {title_of(answer)}", style="bold"))
    for part in answer.parts:
        if answer.combine is not None:
            show(Text(part.kernel, style="bold"))
        planes = [*part.planes, *([part.opacity] if part.opacity else [])]
        for plane in planes:
            if len(planes) > 1:
                show(plane.name)
            show(*_grids(answer, plane))
    for title, facts in facts_about(answer):
        show_table(title or "The arithmetic", "quantity | arithmetic", facts)


def _grids(answer: Explanation, plane: Plane) -> list[RenderableType]:
    """Return the grids with signs between them; one below the other in a narrow terminal."""
    part = (middle(answer.padded.shape[0]), middle(answer.padded.shape[1]))
    white = 1 if plane.channel is None else answer.white
    levels = grey_colors(plane.patch[part] / white)
    grids = (
        _grid(grid_title(answer, plane), plane.patch[part], levels, answer.padded[part]),
        _grid("kernel", plane.weights[part], cell_colors(plane.weights)[part]),
        _grid("products", plane.products[part], cell_colors(plane.products)[part]),
    )
    patch, kernel, products = (grid for grid, _ in grids)
    shown, whole = plane.patch[part].shape, answer.padded.shape
    notes = [f"The middle {times(shown)} of {times(whole)}."] * (shown != whole)
    if sum(width for _, width in grids) + 3 * len(grids) > width_of_output():
        return [patch, "×", kernel, "=", products, *notes]
    lines = "\n" * (shown[0] // 2 + 1)
    table = Table.grid(padding=(0, 1))
    table.add_row(patch, f"{lines}×", kernel, f"{lines}=", products, lines)
    return [table, *notes]


def _grid(
    title: str,
    values: NDArray[np.float64],
    colors: NDArray[np.uint8],
    padded: NDArray[np.bool_] | None = None,
) -> tuple[Table, int]:
    """Return a grid and its width; values of the padding are in brackets."""
    texts = [[tight(value) for value in line] for line in values.tolist()]
    for row, column in [] if padded is None else np.argwhere(padded).tolist():
        texts[row][column] = f"({texts[row][column]})"
    width = _widest(texts) + 2
    return coloured(colors, texts, width, title), max(width * values.shape[1], len(title))


def _widest(texts: Sequence[Sequence[str]]) -> int:
    return max(len(text) for line in texts for text in line)


def show_strips(strips: Sequence[Strip], count: int, white: int) -> None:
    """Print the corner of each border mode as grey cells, as many side by side as fit."""
    grids, cell = [], len(str(white)) + 2
    for strip in strips:
        near = strip.near(count)[..., 0]
        texts = [[short(value) for value in line] for line in near.tolist()]
        grids.append(coloured(grey_colors(near / white), texts, cell, strip.border.value))
    width = max(count * cell, len("symmetric")) + 3
    across = max(min(width_of_output() // width, len(grids)), 1)
    for start in range(0, len(grids), across):
        line = Table.grid(padding=(0, 3, 0, 0))
        line.add_row(*grids[start : start + across])
        show(line, "")
    channel = " (first channel)" if strips[0].pixels.shape[2] > 1 else ""
    rows, columns = (min(count, length) for length in strips[0].pixels.shape[:2])
    pixels = "pixel" if rows * columns == 1 else f"{columns} × {rows} pixels"
    show(f"The {strips[0].corner.replace('-', ' ')} {pixels} with each border mode{channel}.")


def show_grids(grids: Sequence[tuple[str, NDArray[np.float64]]]) -> None:
    """Print grids below each other with all digits; rounded, or as rows, if they are wide."""
    for name, grid in grids:
        planes = np.moveaxis(np.atleast_3d(grid), -1, 0)
        for number, plane in enumerate(planes.reshape(-1, *planes.shape[-2:])):
            _show_plane(f"{name}, {number}" if len(planes) > 1 else name, plane)


def _show_plane(title: str, plane: NDArray[np.float64]) -> None:
    from convcli.images.codecs.numbers import exact

    for write, suffix in ((exact, ""), (tight, ", rounded")):
        texts = [[write(value) for value in line] for line in plane]
        width = _widest(texts) + 2
        if width * plane.shape[1] <= width_of_output():
            show(coloured(cell_colors(plane), texts, width, title + suffix), "")
            return
    rows = (Text(",".join(map(exact, line))) for line in plane)
    show(Text(title, style="bold"), *rows, "")


def show_matrix(matrix: ConvolutionMatrix, name: str) -> None:
    """Print the matrix of a convolution, a colour for each weight, dots for zeros."""
    show(Text(f"{name}: {matrix_size(matrix)}", style="bold"))
    weights = np.unique(matrix.weights[matrix.taps >= 0]).tolist()
    width = 1 + max((len(tight(value)) for value in weights), default=1)
    if width * matrix.taps.shape[1] > width_of_output():
        show(f"It is too wide for {width_of_output()} columns: --png draws it.")
    elif not sys.stdout.isatty():  # rich takes a minute for a million cells
        say(*("".join(f"{text:>{width}}" for text in line) for line in matrix.labels("·")))
    else:
        for texts, taps in zip(matrix.labels("·"), matrix.taps.tolist(), strict=True):
            styles = ["dim" if tap < 0 else _TIED[tap % len(_TIED)] for tap in taps]
            cells = [f"{text:>{width}}" for text in texts]
            show(Text.assemble(*zip(cells, styles, strict=True)))
    show(counts_of(matrix))


_TIED = ["white on #{:02x}{:02x}{:02x}".format(*color) for color in TIED]

"""The catalogue, and one kernel read from its weights, for people."""

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.cells import cell_lines, without_colours
from convcli.cli.render.tables import Row, show, show_table, width_of_output
from convcli.kernels.catalogue import THEMES
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.lessons import kernels as lesson
from convcli.lessons.pictures import middle
from convcli.text import short, tidy, times

_SHOWN = 9  # the most rows and columns of a kernel that are shown as a grid
_BESIDE = 4  # how many kernels of an operator are printed side by side
_LIGHT = 140  # from this brightness on, black text is more legible than white


def show_catalogue() -> None:
    """Print all named kernels, theme by theme, and all operators."""
    tables: dict[str, list[Row]] = {theme: [] for theme in THEMES}
    for entry in CATALOGUE.values():
        kernel = entry.kernel()
        facts = (times(kernel.size), short(kernel.sum), kernel.effect.value)
        tables[entry.theme].append((entry.form, *facts, entry.description))
    for theme, rows in tables.items():
        show_table(theme, "name | size | >sum | what the sum says | use", rows)
    operators = [
        f"{entry.name} | {entry.combine.value} of {len(entry.kernels)} | {entry.description}"
        for entry in OPERATORS.values()
    ]
    show_table("Operators", "name | combines | use", operators)


def show_names() -> None:
    """Print the names of all kernels and operators, a line a theme."""
    for theme in THEMES:
        names = [entry.form for entry in CATALOGUE.values() if entry.theme == theme]
        say(f"{theme}: {', '.join(names)}")
    say(f"Operators: {', '.join(OPERATORS)}", "")
    say("--long says what each is for; a NAME shows its weights: kernels sobel-x")


def show_kernel(kernel: Kernel) -> None:
    """Print one kernel: its grid in colour, what can be read from it, its frequencies."""
    show_table(kernel.name, "property | value", lesson.kernel_facts(kernel))
    grid, shown = cell_grid(kernel)
    show(grid)
    if kernel.is_bank:
        show(f"The first of {kernel.filters * kernel.channels} slices.")
    if shown != kernel.size:
        show(f"The middle {times(shown)} of {times(kernel.size)}.")
    if not kernel.is_bank:
        note = Text("Frequency response: 0 in the middle, ½ cycle a pixel at the rim.")
        show(Text(), note, *_response(kernel))


def show_operator(operator: Operator) -> None:
    """Print the kernels of an operator, and how their results become one."""
    show_table(operator.name, "property | value", lesson.operator_facts(operator))
    for start in range(0, len(operator.kernels), _BESIDE):
        table = Table.grid(padding=(0, 3))
        some = operator.kernels[start : start + _BESIDE]
        table.add_row(*(Text(kernel.name, style="bold") for kernel in some))
        table.add_row(*(cell_grid(kernel)[0] for kernel in some))
        show(*[Text()] * bool(start), table)


def _cell_width(cells: Sequence[Sequence[str]]) -> int:
    """Return the width of a cell: with a space on each side where there is room."""
    longest = max(len(cell) for line in cells for cell in line)
    roomy = (longest + 2) * len(cells[0]) <= width_of_output()
    return longest + 2 if roomy else longest + 1


def cell_grid(kernel: Kernel) -> tuple[Table, tuple[int, int]]:
    """Return the middle of the first slice as coloured cells, and their rows and columns."""
    grid = lesson.without_dust(kernel.weights.reshape(-1, *kernel.size)[0])
    rows, columns = (middle(length, _SHOWN) for length in kernel.size)

    def cells() -> list[list[str]]:
        return [[tidy(value) for value in line] for line in grid[rows, columns].tolist()]

    room = max(width_of_output() // _cell_width(cells()), 1)
    while columns.stop - columns.start > room:
        columns = middle(kernel.size[1], columns.stop - columns.start - 2)
    colors, texts = lesson.cell_colors(grid)[rows, columns], cells()
    return coloured(colors, texts, _cell_width(texts)), (len(texts), len(texts[0]))


def coloured(
    colors: NDArray[np.uint8], texts: Sequence[Sequence[str]], width: int, title: str = ""
) -> Table:
    """Return texts as cells of a width with these backgrounds (red, green, blue)."""
    table = Table(title=title or None, box=None, show_header=False, padding=0)
    table.title_style, table.min_width = "bold", len(title)
    inks = np.where(colors.mean(axis=2) > _LIGHT, "black", "white").tolist()
    for paints, names, line in zip(colors.tolist(), inks, texts, strict=True):
        grounds = ["on #{:02x}{:02x}{:02x}".format(*paint) for paint in paints]
        styles = map(" ".join, zip(names, grounds, strict=True))
        table.add_row(
            *(Text(f"{t:>{width - 1}} ", s) for t, s in zip(line, styles, strict=True))
        )
    return table


def _response(kernel: Kernel) -> list[RenderableType]:
    """Return the frequency response: shades of grey, two rows of pixels a line."""
    pixels = np.repeat(lesson.response_pixels(kernel)[..., np.newaxis], 3, axis=2)
    is_plain = without_colours() or not sys.stdout.isatty()
    if is_plain:
        # Of an odd number of rows, every second: upper and lower half stay alike.
        pixels = pixels[::2].repeat(2, axis=0)
    return [Text.from_ansi(line) for line in cell_lines(pixels, plain=is_plain)]

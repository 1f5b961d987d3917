"""The catalogue, and one kernel read from its weights, for people."""

import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.output import say
from convcli.cli.render.cells import cell_lines
from convcli.cli.render.tables import show, show_table, width_of_output
from convcli.kernels.catalogue import THEMES
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS, Entry
from convcli.kernels.formats.read import Archive
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.lessons import kernels as lesson
from convcli.lessons.pictures import middle
from convcli.text import short, tidy, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.lessons.equivariance import Difference
    from convcli.lessons.find import Match

_SHOWN = 9  # the most rows and columns of a kernel that are shown as a grid
_BESIDE = 4  # how many kernels of an operator are printed side by side
_LIGHT = 140  # from this brightness on, black text is more legible than white


def show_catalogue() -> None:
    """Print all named kernels, theme by theme, and all operators."""
    for theme in THEMES:
        rows = [_row(entry) for entry in CATALOGUE.values() if entry.theme == theme]
        show_table(theme, "name | size | >sum | what the sum says | use", rows)
    operators = [
        (entry.name, f"{entry.combine.value} of {len(entry.kernels)}", entry.description)
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


def _row(entry: Entry) -> tuple[str, ...]:
    kernel = entry.kernel()
    facts = (times(kernel.size), short(kernel.sum), kernel.effect.value)
    return (entry.form, *facts, entry.description)


def show_kernel(kernel: Kernel) -> None:
    """Print one kernel: its grid in colour, what can be read from it, its frequencies."""
    show_table(kernel.name, "property | value", lesson.kernel_facts(kernel))
    show(cell_grid(kernel), *_what_is_shown(kernel))
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
        table.add_row(*(cell_grid(kernel) for kernel in some))
        show(*[Text()] * bool(start), table)


def show_tensors(archive: Archive) -> None:
    """Print what a file of arrays holds."""
    rows = [(t.name, times(t.shape), t.dtype, t.bias or "none") for t in archive.tensors]
    show_table(archive.path, "tensor | shape | type | bias", rows)


def show_matches(title: str, matches: "Sequence[Match]") -> None:
    """Print the places where a kernel answers most strongly."""
    rows = [
        (
            number,
            *(f"{value:g}" for value in match.centre),
            f"{match.left}, {match.top}",
            f"{match.width} × {match.height}",
            f"{match.score:.4g}",
        )
        for number, match in enumerate(matches, start=1)
    ]
    show_table(title, "> | >x | >y | upper left | size (px) | >score", rows)


def show_orders(name: str, found: "Sequence[Difference]", verdict: str) -> None:
    """Print how far shifting then filtering is from filtering then shifting."""
    title = f"{name}: shift then filter, against filter then shift"
    heads = "shift x,y | of the output | >largest difference | >at the border | "
    verdicts = ("differs", "commutes")
    rows = [
        (
            f"{one.shift[1]},{one.shift[0]}",
            "{1},{0}".format(*one.output_shift) if one.output_shift else "no whole number",
            *(
                "none" if value is None else f"{value:.4g}"
                for value in (one.inside, one.border)
            ),
            "nothing inside" if one.inside is None else verdicts[one.commutes],
        )
        for one in found
    ]
    show_table(title, heads, rows)
    show(verdict)


def cell_grid(kernel: Kernel) -> Table:
    """Return the middle of the first slice as coloured cells."""
    cells, colors = _shown(kernel)
    return coloured(colors, cells, _cell_width(cells))


def _cell_width(cells: "Sequence[Sequence[str]]") -> int:
    """Return the width of a cell: with a space on each side where there is room."""
    longest = max(len(cell) for line in cells for cell in line)
    roomy = (longest + 2) * len(cells[0]) <= width_of_output()
    return longest + 2 if roomy else longest + 1


def _what_is_shown(kernel: Kernel) -> list[Text]:
    shown = _shown(kernel)[1].shape[:2]
    slices = Text(f"The first of {kernel.filters * kernel.channels} slices.")
    part = Text(f"The middle {times(shown)} of {times(kernel.size)}.")
    return [slices] * kernel.is_bank + [part] * (shown != kernel.size)


def _shown(kernel: Kernel) -> "tuple[list[list[str]], NDArray[np.uint8]]":
    """Return the middle rows, and as many middle columns as there is room for; the colours."""
    grid = lesson.without_dust(kernel.weights.reshape(-1, *kernel.size)[0])
    rows, columns = (middle(length, _SHOWN) for length in kernel.size)

    def cells() -> list[list[str]]:
        return [[tidy(value) for value in line] for line in grid[rows, columns].tolist()]

    room = max(width_of_output() // _cell_width(cells()), 1)
    while columns.stop - columns.start > room:
        columns = middle(kernel.size[1], columns.stop - columns.start - 2)
    return cells(), lesson.cell_colors(grid)[rows, columns]


def coloured(
    colors: NDArray[np.uint8], texts: "Sequence[Sequence[str]]", width: int, title: str = ""
) -> Table:
    """Return texts as cells of a width with these backgrounds (red, green, blue)."""
    table = Table(title=title or None, box=None, show_header=False, padding=0)
    table.title_style, table.min_width = "bold", len(title)
    inks = np.where(colors.mean(axis=2) > _LIGHT, "black", "white").tolist()
    for paints, names, line in zip(colors.tolist(), inks, texts, strict=True):
        styles = [
            "{} on #{:02x}{:02x}{:02x}".format(ink, *color)
            for ink, color in zip(names, paints, strict=True)
        ]
        cells = zip(line, styles, strict=True)
        table.add_row(*(Text(f"{text:>{width - 1}} ", style=style) for text, style in cells))
    return table


def _response(kernel: Kernel) -> list[RenderableType]:
    """Return the frequency response: shades of grey, two rows of pixels a line."""
    pixels = np.repeat(lesson.response_pixels(kernel)[..., np.newaxis], 3, axis=2)
    is_plain = not sys.stdout.isatty()
    if is_plain:
        # Of an odd number of rows, every second: upper and lower half stay alike.
        pixels = pixels[::2].repeat(2, axis=0)
    return [Text.from_ansi(line) for line in cell_lines(pixels, plain=is_plain)]

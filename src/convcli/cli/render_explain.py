"""An explanation as coloured grids in the terminal."""

import sys

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from convcli.cli.render import show, show_facts
from convcli.cli.render_kernels import color_cell
from convcli.filtering.cells import cell_colors
from convcli.kernels import Kernel
from convcli.lessons.explain import Explanation, Plane, meaning_of
from convcli.lessons.explain_drawing import middle
from convcli.lessons.pictures import grey_colors, tight
from convcli.wording import short

_COLOURS = ("red", "green", "blue")


def show_explanation(one: Explanation, kernel: Kernel, *, colours: int) -> None:
    """Print the grids of one output channel, and the arithmetic below them."""
    name = ""
    if colours == len(_COLOURS):
        name = f", {_COLOURS[one.channel]}"
    elif kernel.is_bank:
        name = f", output map {one.channel}"
    place = f"output x = {one.at[1]}, y = {one.at[0]}{name}"
    show(Text(f"{kernel.name}: {place}", style="bold cyan"))
    for plane in one.planes:
        if len(one.planes) > 1:
            show(f"input channel {plane.channel}")
        show(*_grids(one, plane))
    show_facts("", _facts(one, kernel))
    show("")


def _grids(one: Explanation, plane: Plane) -> list[RenderableType]:
    rows, columns = (middle(length) for length in one.padded.shape)
    part = (rows, columns)
    grids = [
        _grid(
            "patch",
            plane.patch[part],
            grey_colors(plane.patch[part] / one.white),
            one.padded[part],
        ),
        _grid("kernel", plane.weights[part], cell_colors(plane.weights)[part]),
        _grid("products", plane.products[part], cell_colors(plane.products)[part]),
    ]
    shown = (rows.stop - rows.start, columns.stop - columns.start)
    notes: list[RenderableType] = []
    if shown != one.padded.shape:
        size = f"{one.padded.shape[0]}×{one.padded.shape[1]}"
        notes = [f"The middle {shown[0]}×{shown[1]} of {size}."]
    signs = ("×", "=", "")
    if sum(width for _, width in grids) + len(signs) * 3 > _room():
        stacked = [
            part
            for (grid, _), sign in zip(grids, signs, strict=True)
            for part in (grid, sign)
            if part
        ]
        return [*stacked, *notes]
    table = Table.grid(padding=(0, 1))
    lines = "\n" * (shown[0] // 2 + 1)
    table.add_row(
        *(
            part
            for (grid, _), sign in zip(grids, signs, strict=True)
            for part in (grid, lines + sign)
        )
    )
    return [table, *notes]


def _room() -> int:
    return Console().width if sys.stdout.isatty() else sys.maxsize


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
    for line, level in zip(texts, colors, strict=True):
        table.add_row(
            *(color_cell(v, text, width) for v, text in zip(level, line, strict=True))
        )
    return table, max(width * values.shape[1], len(title))


def _facts(one: Explanation, kernel: Kernel) -> list[tuple[str, str]]:
    facts = [("looks at", _looks_at(one)), ("sum", short(one.total))]
    if one.bias:
        facts.append(("bias", f"{short(one.total)} + {short(one.bias)} = {short(one.raw)}"))
    facts += [(f"range {one.range}", f"{name} → {short(value)}") for name, value in one.steps]
    facts.append(("value", f"{short(one.value)}, as apply writes it"))
    cosine = "" if one.cosine is None else f"cosine {_cosine(one.cosine)}, "
    facts.append(("means", f"{cosine}{one.meaning}"))
    centred = one.centred_cosine
    if kernel.is_zero_sum and centred is not None:
        text = meaning_of(centred).partition(":")[0]
        facts.append(
            ("pattern", f"cosine {_cosine(centred)} without the mean brightness: {text}")
        )
    if one.padded.any():
        count = int(one.padded.sum())
        facts.append(
            (
                "padding",
                f"{count} of {one.padded.size} taps see it, in brackets (border {one.border})",
            )
        )
    return facts


def _cosine(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # -0.00 becomes 0.00


def _looks_at(one: Explanation) -> str:
    return f"columns {_span(one.columns)}, rows {_span(one.rows)} of the picture"


def _span(positions: tuple[int, ...]) -> str:
    step = positions[1] - positions[0] if len(positions) > 1 else 1
    every = f" (every {step} px)" if step > 1 else ""
    return f"{positions[0]} to {positions[-1]}{every}"

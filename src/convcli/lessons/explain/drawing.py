"""An explanation as words and as a picture."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Alpha, Combine
from convcli.drawing.canvas import QUIET, Canvas, Cell
from convcli.drawing.figures import page_of, text_block
from convcli.lessons.explain import Explanation, KernelAnswer, Plane
from convcli.lessons.pictures import diverging_colors, finite, grey_colors, middle
from convcli.pipeline.steps import INVISIBLE
from convcli.text import short, tight, times
from convcli.values import Record

Facts = list[tuple[str, str]]


def title_of(answer: Explanation) -> str:
    """Return the place and the channel of the output value."""
    name = f", {answer.name}" if answer.name else ""
    return f"output x = {answer.at[1]}, y = {answer.at[0]}{name}"


def grid_title(answer: Explanation, plane: Plane) -> str:
    """Return the title of the first grid of a plane."""
    if plane.channel is None:
        return "opacity"
    if answer.spread is not None:
        return "pixels and zeros"
    return "patch × opacity" if answer.alpha == Alpha.PREMULTIPLY.value else "patch"


def facts_about(answer: Explanation) -> list[tuple[str, Facts]]:
    """Return the facts about each kernel and about the value, each list with its title."""
    place, value, padding = ("looks at", _looks_at(answer)), _value(answer), _padding(answer)
    parts = [(part, _arithmetic(part), _similarity(answer, part)) for part in answer.parts]
    if answer.combine is None:
        ((_, arithmetic, words),) = parts
        return [("", [place, *arithmetic, *value, *words, *padding])]
    combined = (answer.combine.value, _combination(answer))
    kernels = [(part.kernel, [*arithmetic, *words]) for part, arithmetic, words in parts]
    return [*kernels, ("together", [place, combined, *value, *padding])]


def _arithmetic(part: KernelAnswer) -> Facts:
    """Return the sum, the division by the opacity and the bias, with their numbers."""
    facts, total = [("sum", short(part.total))], short(part.total)
    if part.opacity is not None and part.seen is not None:
        opacity = short(part.seen)
        quotient = f"{short(part.opacity.products.sum())} / {short(part.weights_sum)}"
        facts.append(("opacity", f"{quotient} = {opacity}: its sum over the kernel's sum"))
        shown = f"{total} / {opacity} = {short(part.colour)}"
        nothing = "0: there is nothing to see here"
        facts.append(("colour", nothing if part.seen <= INVISIBLE else shown))
    if part.bias:
        facts.append(("bias", f"{short(part.colour)} + {short(part.bias)} = {short(part.raw)}"))
    return facts


def _combination(answer: Explanation) -> str:
    """Return the formula that combines the answers of several kernels, with its numbers."""
    answers = [short(part.raw) for part in answer.parts]
    bracketed = [f"({each})" if each.startswith("-") else each for each in answers]
    added, listed = " + ".join(bracketed), ", ".join(answers)
    formula = {
        Combine.MAGNITUDE: f"√({' + '.join(f'{each}²' for each in bracketed)})",
        Combine.MAX: f"the largest of {listed}",
        Combine.MIN: f"the smallest of {listed}",
        Combine.MEAN: f"({added}) / {len(answers)}",
    }
    return f"{formula.get(answer.combine or Combine.SUM, added)} = {short(answer.raw)}"


def _value(answer: Explanation) -> Facts:
    title = f"range {answer.range}"
    facts = [(title, f"{name} → {short(value)}") for name, value in answer.steps]
    facts.append(("value", f"{short(answer.value)}, as apply writes it"))
    if answer.alpha is not None and answer.opacity is not None:
        facts.append(("alpha", f"{answer.alpha}: the opacity becomes {short(answer.opacity)}"))
    return facts


def _similarity(answer: Explanation, part: KernelAnswer) -> Facts:
    """Return the verdict on patch and kernel: none of a kernel that averages, or of zeros."""
    if answer.spread is not None or part.meaning is None:
        return []
    cosine = part.centred_cosine if part.is_centred else part.cosine
    if cosine is None:
        return [("means", part.meaning)]
    without = " without the mean brightness" * part.is_centred
    # 0.0 is added so that no -0.00 is shown.
    return [("means", f"cosine {round(cosine, 2) + 0.0:.2f}{without}, {part.meaning}")]


def _padding(answer: Explanation) -> Facts:
    if not answer.padded.any():
        return []
    taps = f"{int(answer.padded.sum())} of {answer.padded.size} taps see"
    if answer.spread is None:
        return [("padding", f"{taps} it, in brackets (border {answer.border})")]
    stamp = "each pixel adds the kernel, as it is written, to the output: here it is flipped"
    return [("zeros", f"{taps} them, in brackets: they are no pixels"), ("stamp", stamp)]


def _looks_at(answer: Explanation) -> str:
    place = f"{_span('column', answer.columns)}, {_span('row', answer.rows)} of the picture"
    if answer.spread is None:
        return place
    down, across = answer.spread
    every = f"{down}" if down == across else f"{across} across and {down} down"
    return f"{place} with zeros between its pixels, which are {every} apart"


def _span(name: str, positions: tuple[int, ...]) -> str:
    if len(positions) == 1:
        return f"{name} {positions[0]}"
    step = positions[1] - positions[0]
    every = f" (every {step} px)" if step > 1 else ""
    return f"{name}s {positions[0]} to {positions[-1]}{every}"


GAP, MARGIN, HEAD = 56, 24, 26
_SIDE, _NARROWEST = 52, 720  # of a cell, and the width of a page, in pixels
_MOST = 12  # the most channels that are drawn: 200 of them would be 40,000 pixels tall

Cells = Sequence[Sequence[Cell]]


class Row(Record):
    """Grids beside each other, each below its title; the last may be added to that above."""

    titles: tuple[str, ...]
    grids: tuple[Cells, ...]
    is_added: bool = False

    def size(self, side: int) -> tuple[int, int]:
        """Return the width and the height in pixels, with the gap behind each grid."""
        wide = sum(len(grid[0]) * side + GAP for grid in self.grids)
        return wide, HEAD + max(map(len, self.grids)) * side + MARGIN


def draw_rows(
    canvas: Canvas, corner: tuple[int, int], rows: Sequence[Row], side: int, joined: int
) -> tuple[int, int]:
    """Draw rows of one size, and what joins some; return the result's place, half way up."""
    (left, top), (wide, high) = corner, rows[0].size(side)
    x, last = left + wide, len(rows[0].grids[-1][0]) * side
    for number, row in enumerate(rows):
        place = top + number * high
        _draw_row(canvas, (left, place), row, side)
        if row.is_added:
            canvas.sign((x - GAP - last // 2, place - MARGIN // 2), "+")
    first, bottom = top + HEAD, top + joined * high - MARGIN
    if joined > 1:
        canvas.bracket((x - GAP + 8, first), bottom, 10)
    canvas.sign((x - GAP // 2 + 6, (first + bottom) // 2), "→")
    return x, (first + bottom) // 2


def _draw_row(canvas: Canvas, corner: tuple[int, int], row: Row, side: int) -> None:
    """Draw grids with the signs between them: × and =, or an arrow between two."""
    (x, top), high = corner, max(map(len, row.grids)) * side
    signs = "×=" if len(row.grids) > 2 else "→"  # noqa: PLR2004 - a patch, a kernel, products
    for number, (title, grid) in enumerate(zip(row.titles, row.grids, strict=True)):
        wide, above = len(grid[0]) * side, (high - len(grid) * side) // 2
        place = (x, top + above + HEAD // 2)
        canvas.text(place, title, 16, colour=QUIET, width=wide + GAP - 6)
        canvas.grid((x, top + HEAD + above), grid, side)
        x += wide + GAP
        if number < len(row.grids) - 1:
            canvas.sign((x - GAP // 2, top + HEAD + high // 2), signs[number])


def cells_of(
    values: NDArray[np.float64],
    scale: float,
    text: Callable[[float], str] = tight,
    *,
    signed: bool = False,
    padded: NDArray[np.bool_] | None = None,
    framed: NDArray[np.bool_] | None = None,
) -> Cells:
    """Return cells from black to white for 0 to `scale`; signed ones from blue to red."""
    levels, none = finite(values) / (scale or 1.0), np.zeros(values.shape, bool)
    colours = diverging_colors(levels) if signed else grey_colors(levels)
    marks = [none if each is None else each for each in (padded, framed)]
    lines = zip(*(each.tolist() for each in (colours, values, *marks)), strict=True)
    rows = [zip(*line, strict=True) for line in lines]
    return [[Cell(tuple(colour), text(n), *of) for colour, n, *of in row] for row in rows]


def draw_explanations(explanations: Sequence[Explanation]) -> Canvas:
    """Draw explanations of the first 12 channels, a row of grids for each input channel."""
    count, blocks = len(explanations), []
    for answer in explanations[:_MOST]:
        rows = _rows(answer)
        wide, row = rows[0].size(_SIDE)
        width = max(wide + 2 * _SIDE, _NARROWEST)
        block = Canvas(width, len(rows) * row)
        colours = len(rows) - (answer.parts[-1].opacity is not None)
        x, half = draw_rows(block, (0, 0), rows, _SIDE, colours)
        if answer.combine is not None:
            block.text((x, half - _SIDE - 16), answer.combine.value, 16, colour=QUIET)
        level = np.clip(answer.value / answer.white, 0, 1)  # of infinity too
        cell = Cell(tuple(grey_colors(level).tolist()), short(answer.value), framed=True)
        block.grid((x, half - _SIDE), [[cell]], 2 * _SIDE)
        blocks += [block, _caption(answer, width)]
    if count > _MOST:
        rest = f"the first {_MOST} of {count} channels; --channel draws any other"
        blocks.append(text_block([("", rest)], width, 16))
    return page_of(blocks)


def _rows(answer: Explanation) -> list[Row]:
    """Return the rows of an answer: one for each input channel, and for the opacity."""
    summed = answer.combine in (Combine.SUM, Combine.MEAN) and answer.alpha is None
    rows: list[Row] = []
    for part in answer.parts:
        kernel = part.kernel if answer.combine is not None else ""
        for number, plane in enumerate(part.planes[:_MOST]):
            is_added = number > 0 or (summed and bool(rows))
            rows.append(_row(answer, plane, kernel, is_added=is_added))
        if part.opacity is not None:
            rows.append(_row(answer, part.opacity, kernel))
    return rows


def _row(answer: Explanation, plane: Plane, kernel: str, *, is_added: bool = False) -> Row:
    part = (middle(answer.padded.shape[0]), middle(answer.padded.shape[1]))
    padded, name, white = answer.padded[part], plane.name, answer.white
    largest = _largest(answer, "products")
    if plane.channel is None:
        name, white, largest = "", 1, float(np.abs(plane.products).max())
    names = ", ".join(filter(None, (kernel, name)))
    title = f"{names}: " * bool(names) + grid_title(answer, plane)
    if padded.shape != answer.padded.shape:
        title += f": the middle {times(padded.shape)} of {times(answer.padded.shape)} is drawn"
    grids = (
        cells_of(plane.patch[part], white, padded=padded),
        cells_of(plane.weights[part], _largest(answer, "weights"), signed=True),
        cells_of(plane.products[part], largest, signed=True),
    )
    return Row((title, "kernel", "products"), grids, is_added)


def _largest(answer: Explanation, name: str) -> float:
    """Return the largest size of a weight or a product in all rows: their one scale."""
    grids = [getattr(plane, name) for part in answer.parts for plane in part.planes]
    return max(float(np.abs(finite(grid)).max()) for grid in grids)


def _caption(answer: Explanation, width: int) -> Canvas:
    facts = [("output", title_of(answer).removeprefix("output "))]
    for title, named in facts_about(answer):
        start = f"{title}: " if title else ""
        for name, text in named:
            facts.append((start + name, text.replace("in brackets", "with green frames")))
    planes = len(answer.parts[0].planes)
    if planes > _MOST:
        facts.append(("drawn", f"the first {_MOST} of {planes} input channels"))
    return text_block(facts, width, 16)

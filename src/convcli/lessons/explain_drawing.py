"""An explanation as a picture: patch × kernel = products → value."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.images.canvas import QUIET, Canvas, Cell, diverging, grey
from convcli.lessons.explain_words import (
    arithmetic,
    combination,
    grid_title,
    title_of,
    two_places,
)
from convcli.lessons.explanation import Explanation
from convcli.lessons.explanation_parts import Part, Plane
from convcli.lessons.pictures import finite, middle
from convcli.wording import short, tight

_SIDE = 52
_GAP, _MARGIN, _HEAD, _LINE = 56, 24, 26, 28
_MOST = 12
"""Channels that are drawn, each on a row: a drawing of 200 is 40,000 pixels tall."""

_NARROWEST = 720


def draw(explanations: Sequence[Explanation]) -> Canvas:
    """Draw explanations below each other, a row of grids for each channel that takes part.

    Of more than 12 output channels, or input channels, the first 12 are drawn.
    """
    count, explanations = len(explanations), explanations[:_MOST]
    part = explanations[0].padded[_shown(explanations[0])]
    width = 2 * _MARGIN + 3 * part.shape[1] * _SIDE + 3 * _GAP + 2 * _SIDE
    row = _HEAD + part.shape[0] * _SIDE + _MARGIN
    rows = sum(len(_rows(one)) for one in explanations)
    lines = sum(len(_lines(one)) + 1 for one in explanations)
    height = _MARGIN + rows * row + (lines + (count > _MOST)) * _LINE
    canvas = Canvas(max(width, _NARROWEST), height)
    top = _MARGIN
    for one in explanations:
        for number, (name, plane) in enumerate(_rows(one)):
            _draw_plane(canvas, top + _HEAD, one, plane)
            _heads(canvas, top, (name, grid_title(one, plane)), part.shape[1])
            if number == _value_row(one):
                _draw_value(canvas, top + _HEAD, one)
            top += row
        top = _caption(canvas, top, one) + _LINE
    if count > _MOST:
        rest = f"the first {_MOST} of {count} channels; --channel draws any other"
        canvas.text((_MARGIN, top - _LINE // 2), rest, 16, colour=QUIET)
    return canvas


def _shown(one: Explanation) -> tuple[slice, slice]:
    return (middle(one.padded.shape[0]), middle(one.padded.shape[1]))


def _rows(one: Explanation) -> list[tuple[str, Plane]]:
    """Return the planes in the order in which they are drawn, and what each is called."""
    found: list[tuple[str, Plane]] = []
    for part in one.parts:
        prefix = [part.kernel] if one.combine is not None else []
        drawn = part.planes[:_MOST]
        planes = [*drawn, *([part.opacity] if part.opacity else [])]
        found += [(", ".join([*prefix, *([p.name] if p.name else [])]), p) for p in planes]
    return found


def _value_row(one: Explanation) -> int:
    """Return the row that the value stands beside: the last of the colours."""
    return len(_rows(one)) - 1 - (one.parts[-1].opacity is not None)


def _heads(canvas: Canvas, top: int, names: tuple[str, str], columns: int) -> None:
    """Say above the grids what they are; the name of the row comes first."""
    name, patch = names
    first = patch if name in ("", patch) else f"{name}: {patch}"
    wide = columns * _SIDE
    for index, text in enumerate((first, "kernel", "products")):
        x = _MARGIN + index * (wide + _GAP)
        canvas.text((x, top + _HEAD // 2), text, 16, colour=QUIET, width=wide + _GAP - 6)


def _draw_plane(canvas: Canvas, top: int, one: Explanation, plane: Plane) -> None:
    part = _shown(one)
    patch, weights, products = (g[part] for g in (plane.patch, plane.weights, plane.products))
    wide, half = patch.shape[1] * _SIDE, top + patch.shape[0] * _SIDE // 2
    white = 1 if plane.channel is None else one.white
    x = _MARGIN
    canvas.grid((x, top), _grey_cells(patch / white, patch, one.padded[part]), _SIDE)
    x += wide + _GAP
    canvas.times((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _cells(weights), _SIDE)
    x += wide + _GAP
    canvas.equals((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _cells(products), _SIDE)


def _draw_value(canvas: Canvas, top: int, one: Explanation) -> None:
    rows, columns = one.padded[_shown(one)].shape
    x = _MARGIN + 3 * (columns * _SIDE + _GAP)
    half = top + rows * _SIDE // 2
    canvas.arrow((x - _GAP // 2, half), 22)
    cell = Cell(grey(one.value / one.white), short(one.value), framed=True)
    canvas.grid((x, half - _SIDE), [[cell]], 2 * _SIDE)


def _grey_cells(
    levels: NDArray[np.float64], values: NDArray[np.float64], padded: NDArray[np.bool_]
) -> list[list[Cell]]:
    return [
        [
            Cell(grey(levels[y, x]), tight(values[y, x]), padded=bool(padded[y, x]))
            for x in range(values.shape[1])
        ]
        for y in range(values.shape[0])
    ]


def _cells(values: NDArray[np.float64]) -> list[list[Cell]]:
    known = finite(values)
    levels = known / (float(np.abs(known).max()) or 1.0)
    return [
        [Cell(diverging(level), tight(value)) for level, value in zip(*pair, strict=True)]
        for pair in zip(levels.tolist(), values.tolist(), strict=True)
    ]


def _caption(canvas: Canvas, top: int, one: Explanation) -> int:
    """Write what the grids give; return where that ends."""
    width = canvas.image.width - 2 * _MARGIN
    lines = _lines(one)
    for index, line in enumerate(lines):
        last = index == len(lines) - 1
        size, colour = (16, QUIET) if last else (20, (0, 0, 0))
        canvas.text((_MARGIN, top + 8), line, size, colour=colour, width=width)
        top += _LINE
    return top


def _lines(one: Explanation) -> list[str]:
    steps = "".join(f", {name} → {short(value)}" for name, value in one.steps)
    if one.combine is None:
        (part,) = one.parts
        *first, last = _sums(part)
        return [*first, f"{last}{steps}", _meaning(part), _notes(one)]
    answers = [
        f"{part.kernel}: {'; '.join(_sums(part))}; {_meaning(part)}" for part in one.parts
    ]
    return [*answers, f"{one.combine.value} {combination(one)}{steps}", _notes(one)]


def _sums(part: Part) -> list[str]:
    """Return the arithmetic on one line, or on two where there is an opacity."""
    words = [f"{name} {text.partition(':')[0]}" for name, text in arithmetic(part)]
    words[0] = words[0].replace("sum", "sum of the products")
    if part.opacity is None:
        return ["; ".join(words)]
    return ["; ".join(words[:2]), "; ".join(words[2:])]


def _meaning(part: Part) -> str:
    return (
        f"{'' if part.cosine is None else f'cosine {two_places(part.cosine)}, '}{part.meaning}"
    )


def _notes(one: Explanation) -> str:
    notes = title_of(one)
    if one.padded.any():
        count = int(one.padded.sum())
        notes += f"; {count} of {one.padded.size} taps see padding ({one.border}): green frames"
    planes = len(one.parts[0].planes)
    if planes > _MOST:
        notes += f"; the first {_MOST} of {planes} input channels are drawn"
    if one.is_weighted:
        notes += "; colours count by their opacity"
    return notes

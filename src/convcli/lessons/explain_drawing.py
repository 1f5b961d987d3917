"""An explanation as a picture: patch × kernel = products → value."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.images.canvas import QUIET, Canvas, Cell, diverging, grey
from convcli.lessons.explain import Explanation, Plane
from convcli.lessons.pictures import tight
from convcli.wording import short

_SIDE = 52
_SHOWN = 7
"""The most rows and columns of a kernel that are drawn."""
_GAP, _MARGIN, _CAPTION = 56, 24, 92


def middle(length: int) -> slice:
    """Return the middle of an axis that is too long to be shown."""
    start = max(length - _SHOWN, 0) // 2
    return slice(start, min(start + _SHOWN, length))


def draw(explanations: Sequence[Explanation]) -> Canvas:
    """Draw explanations below each other, a row of grids for each channel that takes part."""
    rows, columns = (middle(length) for length in explanations[0].padded.shape)
    wide, high = columns.stop - columns.start, rows.stop - rows.start
    planes = sum(len(one.planes) for one in explanations)
    width = 2 * _MARGIN + 3 * wide * _SIDE + 3 * _GAP + 2 * _SIDE
    height = _MARGIN + planes * (high * _SIDE + _MARGIN) + len(explanations) * _CAPTION
    canvas = Canvas(max(width, 720), height)
    top = _MARGIN
    for one in explanations:
        for plane in one.planes:
            _draw_plane(canvas, top, one, plane, (rows, columns))
            top += high * _SIDE + _MARGIN
        _caption(canvas, top, one)
        top += _CAPTION
    return canvas


def _draw_plane(
    canvas: Canvas, top: int, one: Explanation, plane: Plane, part: tuple[slice, slice]
) -> None:
    padded = one.padded[part]
    patch, weights, products = (g[part] for g in (plane.patch, plane.weights, plane.products))
    wide, half = patch.shape[1] * _SIDE, top + patch.shape[0] * _SIDE // 2
    x = _MARGIN
    canvas.grid((x, top), _grey_cells(patch / one.white, patch, padded), _SIDE)
    x += wide + _GAP
    canvas.times((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _cells(weights), _SIDE)
    x += wide + _GAP
    canvas.equals((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _cells(products), _SIDE)
    x += wide + _GAP
    if plane is one.planes[-1]:
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
    scale = float(np.abs(values).max()) or 1.0
    return [[Cell(diverging(v / scale), tight(v)) for v in line] for line in values.tolist()]


def _caption(canvas: Canvas, top: int, one: Explanation) -> None:
    steps = "".join(f", {name} -> {short(value)}" for name, value in one.steps)
    bias = f" + bias {short(one.bias)} = {short(one.raw)}" if one.bias else ""
    width = canvas.image.width - 2 * _MARGIN
    canvas.text(
        (_MARGIN, top + 8),
        f"sum of the products {short(one.total)}{bias}{steps}",
        20,
        width=width,
    )
    cosine = "" if one.cosine is None else f"cosine {round(one.cosine, 2) + 0.0:.2f}, "
    canvas.text((_MARGIN, top + 34), f"{cosine}{one.meaning}", 20, width=width)
    notes = f"output pixel x = {one.at[1]}, y = {one.at[0]}"
    if one.padded.any():
        count = int(one.padded.sum())
        notes += f"; {count} of {one.padded.size} taps see padding ({one.border}): green frames"
    canvas.text((_MARGIN, top + 60), notes, 16, colour=QUIET, width=width)

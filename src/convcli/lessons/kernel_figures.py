"""A kernel as a picture: its cells, its frequencies, its properties."""

import numpy as np
from numpy.typing import NDArray

from convcli.drawing import figures
from convcli.drawing.canvas import Canvas
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.lessons import kernels as lesson
from convcli.text import tight

_WIDTH = 640
_CELLS = 360
_NUMBERED = 9
_LARGEST_CELL, _SMALLEST_CELL = 52, 4
_RESPONSE_SCALE = 6
_SLICES, _LABEL = 64, 120  # the most slices of a bank in a figure; the pixels of their names


def kernel_figure(operand: Kernel | Operator) -> Frame:
    """Draw a kernel, a bank's first slices, or an operator's kernels; and the properties."""
    if isinstance(operand, Operator):
        side = _CELLS // 2
        grids = [_named(each.name, side, _grid(each.weights, side)) for each in operand.kernels]
        drawn, facts = figures.in_rows(grids, 4), lesson.operator_facts(operand)
    else:
        drawn = _slices(operand) if operand.is_bank else _grid_and_response(operand)
        facts = lesson.kernel_facts(operand)
    properties = figures.text_block(facts, max(_WIDTH, drawn.width))
    return figures.page_of([figures.title_block(operand.name), drawn, properties]).frame()


def _grid(weights: NDArray[np.float64], room: int, largest: int = _LARGEST_CELL) -> Canvas:
    side = max(min(room // max(weights.shape), largest), _SMALLEST_CELL)
    text = tight if max(weights.shape) <= _NUMBERED else lambda _: ""
    labels = [[text(value) for value in row] for row in lesson.without_dust(weights).tolist()]
    return figures.cell_block(lesson.cell_colors(weights), labels, side)


def _named(name: str, width: int, grid: Canvas) -> Canvas:
    return figures.below([figures.text_block([("", name)], width), grid])


def _grid_and_response(kernel: Kernel) -> Canvas:
    caption = "frequencies: 0 in the middle, ½ cycle a pixel at the rim"
    response = figures.picture_block(lesson.response_pixels(kernel), _RESPONSE_SCALE, caption)
    return figures.beside([_grid(kernel.weights, _CELLS), response])


def _slices(kernel: Kernel) -> Canvas:
    """Draw slices of a bank in rows: a filter a row, or as many as fit."""
    slices = kernel.weights.reshape(-1, *kernel.size)[:_SLICES]
    most = kernel.channels if 1 < kernel.channels <= 8 else 8  # noqa: PLR2004 - a row's width
    across = min(most, len(slices))
    blocks = []
    for number, grid in enumerate(slices):
        filters, channel = divmod(number, kernel.channels)
        label = f"filter {filters}" + f", channel {channel}" * (kernel.channels > 1)
        blocks.append(_named(label, _LABEL, _grid(grid, _CELLS // (2 * across), _CELLS)))
    return figures.in_rows(blocks, across)

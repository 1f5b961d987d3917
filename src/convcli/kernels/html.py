"""A kernel in a notebook: its weights as a coloured table of HTML."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from convcli.text import tidy, times

if TYPE_CHECKING:
    from convcli.kernels.kernel import Kernel

_RED, _BLUE = (214, 96, 77), (67, 147, 195)  # of the largest weights: dark text is legible
_SHOWN_SIDE, _SHOWN_SLICES = 15, 4  # rows and columns, and slices of a bank, that a table shows


def kernel_html(kernel: "Kernel") -> str:
    """Return HTML with the name of a kernel, and its weights: blue below 0, red above."""
    description = f": {escape(kernel.description)}" if kernel.description else ""
    biases = [tidy(value) for value in kernel.bias[:_SHOWN_SLICES]]
    biases += ["…"] * (len(kernel.bias) > _SHOWN_SLICES)
    bias = f"<br>bias {', '.join(biases)}" if biases else ""
    slices = list(np.ndindex(*kernel.weights.shape[:-2]))
    tables = "".join(_table(kernel, place) for place in slices[:_SHOWN_SLICES])
    more = f"… of {len(slices)} slices" if len(slices) > _SHOWN_SLICES else ""
    name, shape = escape(kernel.name), times(kernel.weights.shape)
    return f"<div><b>{name}</b> ({shape}){description}{bias}{tables}{more}</div>"


def _table(kernel: "Kernel", place: tuple[int, ...]) -> str:
    """Return the table of a slice: of the filter and channel at a place in a bank."""
    grid = kernel.weights[place]
    label = "filter {}, channel {}".format(*place) if place else ""
    first = [max(length - _SHOWN_SIDE, 0) // 2 for length in grid.shape]
    middle = grid[first[0] :, first[1] :][:_SHOWN_SIDE, :_SHOWN_SIDE]
    if middle.shape != grid.shape:
        label += f"{', ' if label else ''}the middle {middle.shape[0]}×{middle.shape[1]}"
    caption = f"<caption>{label}</caption>" if label else ""
    scale = float(np.abs(kernel.weights).max()) or 1.0
    rows = ("".join(_cell(weight, scale) for weight in row) for row in middle.tolist())
    return f"<table>{caption}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cell(weight: float, scale: float) -> str:
    share, end = abs(weight) / scale, _RED if weight > 0 else _BLUE
    colour = ",".join(str(round(255 + (part - 255) * share)) for part in end)
    style = f"background:rgb({colour});color:#000;text-align:right"
    return f'<td style="{style}">{tidy(weight)}</td>'

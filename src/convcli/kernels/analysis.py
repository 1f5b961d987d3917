"""What the weights of a kernel show: factors, output range, frequencies, a coloured table."""

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from convcli.kernels.kernel import Kernel

Weights: TypeAlias = NDArray[np.float64]

_WHITE = 255
_NEGLIGIBLE = 1e-9  # parts of a factor below this share of its largest are rounding errors

_RED, _BLUE = (214, 96, 77), (67, 147, 195)  # of the largest weights: dark text is legible
_SHOWN_SIDE, _SHOWN_SLICES = 15, 4  # rows and columns, and slices of a bank, that a table shows


def factors_of(kernel: "Kernel") -> tuple[Weights, Weights, float] | None:
    """Return column, row and divisor of column ⊗ row / divisor, whole if possible; or None."""
    if kernel.rank != 1:
        return None
    form = kernel.integer_form
    if form is None:
        # Column and row of equal length, by singular values.
        left, values, right = np.linalg.svd(kernel.weights)
        length = math.sqrt(values[0]) * _sign(right[0])
        column, row = left[:, 0] * length, right[0] * length
        for part in (column, row):
            part[np.abs(part) < _NEGLIGIBLE * np.abs(part).max()] = 0
        return column, row, 1.0
    grid = form.integers
    row = grid[np.flatnonzero(grid.any(axis=1))[0]]
    row = row // math.gcd(*row.tolist())
    row = row * int(_sign(row))
    column = grid @ row // (row @ row)
    return column.astype(np.float64), row.astype(np.float64), form.divisor


def output_range(kernel: "Kernel") -> tuple[float, float]:
    """Return the smallest and the largest result of a 2-D kernel for pixels of 0 to 255."""
    offset, weights = kernel.bias[0] if kernel.bias else 0.0, kernel.weights
    low, high = float(np.minimum(weights, 0).sum()), float(np.maximum(weights, 0).sum())
    return _WHITE * low + offset, _WHITE * high + offset


def _sign(row: NDArray[Any]) -> float:
    """Return the sign of the last of the largest magnitudes: [-1 0 1] keeps its sign."""
    backwards = row[::-1]
    return float(np.sign(backwards[np.abs(backwards).argmax()]))


def frequency_response(kernel: "Kernel", samples: int = 33) -> NDArray[np.float64]:
    """Return |Σ w·exp(-2πi(fx·x + fy·y))|, the factor of stripes of each frequency (fy, fx).

    They go from -½ to ½ cycles per pixel along each axis: shape (samples, samples).
    """
    frequencies = np.linspace(-0.5, 0.5, samples)
    rows, columns = (np.arange(length) for length in kernel.size)
    down = np.exp(-2j * np.pi * np.outer(frequencies, rows))
    across = np.exp(-2j * np.pi * np.outer(columns, frequencies))
    return np.asarray(np.abs(down @ kernel.weights @ across))


def kernel_html(kernel: "Kernel") -> str:
    """Return HTML with the name of a kernel, and its weights: blue below 0, red above."""
    from html import escape

    from convcli.text import tidy, times

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
    from convcli.text import tidy

    share, end = abs(weight) / scale, _RED if weight > 0 else _BLUE
    colour = ",".join(str(round(255 + (part - 255) * share)) for part in end)
    style = f"background:rgb({colour});color:#000;text-align:right"
    return f'<td style="{style}">{tidy(weight)}</td>'

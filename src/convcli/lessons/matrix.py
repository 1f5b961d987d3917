"""A convolution as the matrix it is: a fully connected layer with most weights 0 or shared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import source_indices
from convcli.choices import Border
from convcli.errors import GeometryError
from convcli.geometry.window import Axis, Pair, window
from convcli.images.drawing import WHITE, Canvas, Colour
from convcli.images.figures import cell_block, page_of, picture_block, text_block, title_block
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from convcli.text import short, tight
from convcli.values import Record, fields_of

_MOST = 4_000_000  # entries of the largest matrix: 32 MB

TIED: tuple[Colour, ...] = (
    (178, 24, 43), (33, 102, 172), (27, 120, 55), (118, 42, 131), (140, 81, 10), (1, 102, 94),
    (77, 77, 77), (197, 27, 125), (84, 100, 20),
)  # fmt: skip
"""A colour for each weight of a kernel, in turn."""


class ConvolutionMatrix(Record):
    """The matrix of a convolution; output = matrix @ input, both flattened row by row.

    `taps` says which weight of the kernel, counted from 0, an entry is (-1: none, the entry is
    0). `source` and `output` are the sizes (rows, columns); `free` counts the kernel's weights.
    """

    weights: NDArray[np.float64]
    taps: NDArray[np.int64]
    source: Pair
    output: Pair
    free: int

    @property
    def transposed(self) -> "ConvolutionMatrix":
        """The matrix of the transposed convolution, from outputs to inputs."""
        return ConvolutionMatrix(
            self.weights.T, self.taps.T, self.output, self.source, self.free
        )

    @property
    def connected(self) -> int:
        """How many entries come from a weight; the others are the zeros of locality."""
        return int((self.taps >= 0).sum())

    def labels(self, none: str) -> list[list[str]]:
        """Return each entry as it is written; `none` where no weight connects."""
        lines = zip(self.weights.tolist(), self.taps.tolist(), strict=True)
        return [
            [tight(value) if tap >= 0 else none for value, tap in zip(*line, strict=True)]
            for line in lines
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the matrix and what is counted of it as plain JSON values."""
        return {
            "input": list(self.source),
            "output": list(self.output),
            "matrix": self.weights.tolist(),
            "taps": self.taps.tolist(),
            "entries": self.weights.size,
            **fields_of(self, "connected", "free"),
        }


def convolution_matrix(
    kernel: Kernel, shape: Pair, options: Options | None = None
) -> ConvolutionMatrix:
    """Return the matrix by which a 2-D kernel maps a picture of that size (rows, columns).

    The stride, padding, dilation, border and flip are those of the options. A bias is no part
    of a matrix. A bank, a kernel that does not fit, and a matrix of more than 4 million entries
    are a `GeometryError`.

    >>> convolution_matrix(Kernel([[1, 2]]), (1, 3), Options(padding="valid")).weights.tolist()
    [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]
    """
    options = options or Options()
    if kernel.is_bank:
        raise GeometryError("matrix: expected a 2-D kernel, got a bank: use one of its slices")
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    output = slide.output_shape(shape)
    if (size := np.prod([*shape, *output], dtype=object)) > _MOST:
        raise GeometryError(
            f"matrix: expected at most {_MOST:,} entries, got {size:,}: use a smaller picture"
        )
    sides = zip(slide.axes, shape, output, strict=True)
    rows, columns = (_seen(axis, length, out, options) for axis, length, out in sides)
    grid = (kernel.flipped() if options.flip else kernel).weights
    weights = np.zeros((output[0] * output[1], shape[0] * shape[1]))
    taps = np.full(weights.shape, -1)
    for y, x in np.ndindex(output):
        for i, j in np.ndindex(kernel.size):
            if rows[y, i] >= 0 and columns[x, j] >= 0:
                place = (y * output[1] + x, rows[y, i] * shape[1] + columns[x, j])
                weights[place] += grid[i, j]
                taps[place] = i * kernel.size[1] + j
    return ConvolutionMatrix(weights, taps, shape, output, grid.size)


def _seen(axis: Axis, length: int, outputs: int, options: Options) -> NDArray[np.intp]:
    """Return the pixel that each tap of each output sees, -1 for zeros of the padding."""
    border = options.border
    if not isinstance(border, Border) or border is Border.ODD:
        raise GeometryError(
            f"matrix: expected a border that copies pixels, got {border.value}: use "
            "zero, replicate, reflect, symmetric or wrap"
        )
    sources = source_indices(border, length, axis.before, axis.after)
    starts = np.arange(outputs)[:, np.newaxis] * axis.stride
    seen: NDArray[np.intp] = sources[starts + np.arange(0, axis.extent, axis.dilation)]
    return seen


_WIDEST, _LARGEST_CELL, _NARROWEST = 1600, 40, 512


def draw_matrix(matrix: ConvolutionMatrix, name: str) -> Canvas:
    """Draw the matrix: a colour for each weight of the kernel, white where nothing connects."""
    side = min(max(_WIDEST // max(matrix.weights.shape), 1), _LARGEST_CELL)
    palette = np.array([*TIED, WHITE], np.uint8)
    taps = matrix.taps
    colours = palette[np.where(taps < 0, len(TIED), taps % len(TIED))]
    if side < 16:  # noqa: PLR2004 - digits need 16 pixels
        drawn = picture_block(colours, side, "")
    else:
        drawn = cell_block(colours, matrix.labels(""), side)
    facts = text_block([("", counts_of(matrix))], max(drawn.width, _NARROWEST), 16)
    return page_of([title_block(f"{name}: {matrix_size(matrix)}"), facts, drawn])


def matrix_size(matrix: ConvolutionMatrix) -> str:
    """Return the size of the matrix, and of what it maps."""
    rows, columns = matrix.weights.shape
    sizes = "{}×{} from {}×{}".format(*matrix.output, *matrix.source)
    return f"{rows} outputs × {columns} inputs ({sizes})"


def counts_of(matrix: ConvolutionMatrix) -> str:
    """Return how many of the entries are free, shared and 0."""
    size = matrix.weights.size
    zeros, part = size - matrix.connected, matrix.free / size * 100
    return (
        f"{size:,} entries: {zeros:,} are 0 (too far away), {matrix.connected:,} repeat the "
        f"{matrix.free} weights: {short(part)} % are free to learn"
    )

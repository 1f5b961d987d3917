"""A convolution as the matrix it is: a fully connected layer with most weights 0 or shared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Border
from convcli.drawing import figures
from convcli.drawing.canvas import WHITE, Canvas, Colour
from convcli.errors import GeometryError, KernelError, OptionError, fail
from convcli.geometry.window import Pair, window
from convcli.kernels.kernel import Kernel
from convcli.lessons.pictures import beyond
from convcli.pipeline.options import Options
from convcli.text import short, tight
from convcli.values import Record, fields_of, replace

_MOST = 4_000_000  # entries of the largest matrix: 32 MB

TIED: tuple[Colour, ...] = (
    (178, 24, 43), (33, 102, 172), (27, 120, 55), (118, 42, 131), (140, 81, 10), (1, 102, 94),
    (77, 77, 77), (197, 27, 125), (84, 100, 20),
)  # fmt: skip
"""A colour for each weight of a kernel, in turn."""


class ConvolutionMatrix(Record):
    """The matrix of a convolution; output = matrix @ input, both flattened row by row.

    `taps` says which weight of the kernel, counted from 0, an entry is (-1: none, the entry is
    0). `source` and `output` are the sizes (rows, columns); `free` counts the weights of the
    kernel that meet a pixel at any place.
    """

    weights: NDArray[np.float64]
    taps: NDArray[np.int64]
    source: Pair
    output: Pair
    free: int

    @property
    def transposed(self) -> "ConvolutionMatrix":
        """The matrix of the transposed convolution, from outputs to inputs."""
        sizes = {"source": self.output, "output": self.source}
        return replace(self, weights=self.weights.T, taps=self.taps.T, **sizes)

    @property
    def connected(self) -> int:
        """How many entries come from a weight; the others are the zeros of locality."""
        return int((self.taps >= 0).sum())

    def labels(self, none: str) -> list[list[str]]:
        """Return each entry as it is written; `none` where no weight connects."""
        both = zip(self.weights.tolist(), self.taps.tolist(), strict=True)
        lines = [zip(*each, strict=True) for each in both]
        return [[tight(value) if tap >= 0 else none for value, tap in line] for line in lines]

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
    of a matrix. A kernel that does not fit, and a matrix of more than 4 million entries are a
    `GeometryError`; a bank is a `KernelError`.

    >>> convolution_matrix(Kernel([[1, 2]]), (1, 3), Options(padding="valid")).weights.tolist()
    [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]
    """
    options = options or Options()
    if kernel.is_bank:
        raise KernelError("matrix: expected a 2-D kernel, got a bank: use one of its slices")
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    output = slide.output_shape(shape)
    if (size := np.prod([*shape, *output], dtype=object)) > _MOST:
        fault = f"expected at most {_MOST:,} entries, got {size:,}"
        fail("matrix", fault, "use a smaller picture", GeometryError)
    if not isinstance(options.border, Border) or options.border is Border.ODD:
        fault = f"expected a border that copies pixels, got {options.border.value}"
        fail("matrix", fault, "use zero, replicate, reflect, symmetric or wrap", OptionError)
    grid = (kernel.flipped() if options.flip else kernel).weights
    pixels = np.arange(shape[0] * shape[1]).reshape(shape)
    weights = np.zeros((output[0] * output[1], pixels.size))
    taps = np.full(weights.shape, -1)
    used = 0
    for number, tap in enumerate(np.ndindex(kernel.size)):
        rows, columns = (
            np.arange(count) * axis.stride + place * axis.dilation - axis.before
            for axis, count, place in zip(slide.axes, output, tap, strict=True)
        )
        seen = beyond(pixels, options.border, rows, columns, (-1,)).ravel()
        entries = np.flatnonzero(seen >= 0), seen[seen >= 0]
        weights[entries] += grid[tap]
        taps[entries] = number
        used += bool((seen >= 0).any())
    # Of a picture smaller than the kernel, a border shows some pixels several times.
    free = min(used, int((taps >= 0).sum()))
    return ConvolutionMatrix(weights, taps, shape, output, free)


_WIDEST, _LARGEST_CELL, _NARROWEST = 1600, 40, 512


def draw_matrix(matrix: ConvolutionMatrix, name: str) -> Canvas:
    """Draw the matrix: a colour for each weight of the kernel, white where nothing connects."""
    side = min(max(_WIDEST // max(matrix.weights.shape), 1), _LARGEST_CELL)
    palette = np.array([*TIED, WHITE], np.uint8)
    taps = matrix.taps
    colours = palette[np.where(taps < 0, len(TIED), taps % len(TIED))]
    if side < 16:  # noqa: PLR2004 - digits need 16 pixels
        drawn = figures.picture_block(colours, side, "")
    else:
        drawn = figures.cell_block(colours, matrix.labels(""), side)
    facts = figures.text_block([("", counts_of(matrix))], max(drawn.width, _NARROWEST), 16)
    title = figures.title_block(f"{name}: {matrix_size(matrix)}")
    return figures.page_of([title, facts, drawn])


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

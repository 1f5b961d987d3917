"""Dense kernels by short Fourier transforms down the columns, written as matrix products."""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine import costs
from convcli.engine.buffers import Scratch, Values, frozen, pitch, round_up, strided
from convcli.engine.problem import Problem
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

Matrix = NDArray[np.float64]

_COLUMNS = 4096
"""Columns of a tile at the most."""

_BLOCK = 2000
"""Columns that are transformed together: their planes stay in a common L2 cache."""

_ROWS = 48
"""Rows of a tile at the least, in a tall image."""

_MOST_BYTES = 2**23
"""All Toeplitz matrices at the most."""


class RowDft(Strategy):
    """DFT down, Toeplitz products along the rows, inverse DFT: all of them matrix products.

    About 2k + 1 input rows make k + 2 output rows. Karatsuba's method replaces a complex
    product by three real ones: every plane is real, and its sums are part of the transforms.
    Along a row, windows of N + k - 1 values make N outputs. Every second window is taken at
    a time: these do not overlap, so nothing is copied. A pixel takes about 210 multiply-adds
    at 15×15, 450 at 31×31. On 8.6 megapixels 15×15 took 54 ms, Fourier transforms of tiles 63.
    """

    name = "row-dft"
    method = Method.FFT
    exact = False
    planar = True

    @classmethod
    def refusal(cls, problem: Problem) -> str:
        """Serve 2-D kernels at stride 1 whose Toeplitz matrices stay small."""
        reason = problem.dense_refusal or problem.rounding_refusal
        if reason:
            return reason
        down, across = problem.window.axes
        length, outputs = _sizes(problem.result_shape[0], down.extent, across.extent)
        values = _planes(length) * (outputs + across.extent - 1) * outputs
        wide = values * problem.rounded_working.itemsize > _MOST_BYTES
        return "a kernel too large for Toeplitz matrices" if wide else ""

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate three products a plane, each of which writes it or reads it."""
        working = problem.rounded_working
        height, width, channels = problem.result_shape
        down, across = problem.window.axes
        length, outputs = _sizes(height, down.extent, across.extent)
        rows = length - down.extent + 1
        taps = outputs + across.extent - 1
        products = _planes(length) * ((length + taps) / rows + 1) * costs.BAND_PRODUCT[working]
        planes = 3 * _planes(length) / rows * costs.COPY[working]
        blocks = channels * -(-height // rows) * -(-width // _BLOCK)
        moved = costs.transfer(problem, working, 1 + (down.extent - 1) / max(rows, _ROWS))
        return products + planes + moved + costs.calls(problem, 4 * blocks)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        weights = problem.dense_weights
        height, width, _ = problem.result_shape
        self._length, self._outputs = _sizes(height, *weights.shape)
        self._together = self._length - len(weights) + 1
        self.rows = even_tile(height, max(_ROWS, self._together), self._together)
        self.columns = even_tile(width, _COLUMNS)
        forward, kernel, inverse = _algorithm(self._length, len(weights))
        self._forward = frozen(forward, self.working)
        self._inverse = frozen(inverse, self.working)
        self._toeplitz = frozen(_toeplitz(kernel @ weights, self._outputs), self.working)
        self._block = even_tile(self.columns, _BLOCK, 2 * self._outputs)
        self._width = round_up(self.columns, self._block)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Whole blocks, and the columns that the kernel reads behind the last."""
        down, across = self.problem.window.axes
        width = self._width + across.extent - 1
        return (self.rows + down.extent - 1, pitch(width, self.working))

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the views of each block of columns, for each group of rows."""
        needed = self._block + self.problem.window.columns.extent - 1
        shape = (self._together, pitch(self._width, self.working))
        total = scratch.take("dft.total", shape, self.working)
        transform, kept = self._transform(needed, scratch), total[:, : self.columns]

        return [
            OutputRows.directly(
                first,
                kept,
                functools.partial(transform, tile[first : first + self._length]),
                total.reshape(-1),
            )
            for first in range(0, self.rows, self._together)
        ]

    def _transform(self, needed: int, scratch: Scratch) -> Callable[[Values, Values], None]:
        """Return a function that computes output rows: from input rows, into a target."""
        planes, product = (
            scratch.take(f"dft.{name}", (rows, pitch(columns, self.working)), self.working)
            for name, rows, columns in (
                ("planes", len(self._forward), needed),
                ("product", len(self._forward), self._block),
            )
        )
        pairs = [self._windows(planes, product, first) for first in (0, self._outputs)]
        read, made = planes[:, :needed], product[:, : self._block]

        def transform(rows: Values, target: Values) -> None:
            for x in range(0, self._width, self._block):
                np.matmul(self._forward, rows[:, x : x + needed], out=read)
                for windows, out in pairs:
                    np.matmul(windows, self._toeplitz, out=out)
                part = target[:, x : x + self._block]
                np.matmul(self._inverse, made[:, : part.shape[1]], out=part)
            self.round_whole(target)

        return transform

    def _windows(self, planes: Values, product: Values, first: int) -> tuple[Values, Values]:
        """Return every second window of all planes, and where its outputs go."""
        count, apart = planes.shape
        length, outputs = self._toeplitz.shape[1:]
        pairs = self._block // (2 * outputs)
        windows = strided(planes, first, (count, pairs, length), (apart, 2 * outputs, 1))
        strides = (product.shape[1], 2 * outputs, 1)
        return windows, strided(product, first, (count, pairs, outputs), strides)


@functools.lru_cache
def _sizes(height: int, down: int, across: int) -> tuple[int, int]:
    """Return the rows that are transformed together, and the outputs of a window.

    For a kernel that extends over `down` rows they are about 2·down + 1. The outputs are at
    least `across` - 1, so that every second window overlaps no other.
    """
    length = round_up(min(2 * down + 1, height + down - 1), 4)
    return length, round_up(max(across - 1, 8), 8)


def _planes(length: int) -> int:
    return 3 * (length // 2 - 1) + 2


def _algorithm(length: int, taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return B, G, A such that A @ ((B @ x)·(G @ w)) correlates x with w, ends left out.

    The real DFT with Karatsuba's three products: Blahut, *Fast Algorithms for Signal
    Processing* (2010), chapters 1 and 3. Shapes (P, n), (P, k) and (n - k + 1, P).
    """
    turns = 2 * np.pi * np.arange(length) / length
    first, last = np.ones(length), np.cos(length // 2 * turns)
    forward, kernel, inverse = [first, last], [first, last], [first / length, last / length]
    for frequency in range(1, length // 2):
        # The angle is reduced in whole numbers: sin(2·pi·f·t) of large f·t loses digits.
        at = frequency * np.arange(length) % length
        cos, sin = np.cos(turns)[at], np.sin(turns)[at]
        forward += [cos - sin, cos, -sin]
        kernel += [cos, sin - cos, cos + sin]
        inverse += [2 / length * part for part in (cos - sin, -sin, -cos)]
    rows = length - taps + 1
    return np.array(forward), np.array(kernel)[:, :taps], np.array(inverse).T[:rows]


def _toeplitz(taps: Matrix, outputs: int) -> Matrix:
    """Return for each row of taps the matrix that correlates a window with it."""
    count, size = taps.shape
    matrices = np.zeros((count, outputs + size - 1, outputs))
    for output in range(outputs):
        matrices[:, output : output + size, output] = taps
    return matrices

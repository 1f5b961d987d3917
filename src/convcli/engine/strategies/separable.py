"""Separable: kernels of low rank, as columns times rows, by banded matrices and BLAS."""

import math

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine.buffers import UNPACKED, Scratch, Values, round_up, strided
from convcli.engine.problem import Problem
from convcli.engine.store import Accumulators
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile
from convcli.kernels.kernel import outer_factors

_MOST_RANK = 3  # a kernel of higher rank is as fast dense
_ROWS, _CHUNK = 128, 32  # rows of a tile; rows that go through both factors in the cache
_COLUMNS, _NARROW = 4096, 512
"""Values a row of a tile at the most, and pixels at the least: with 12,000 values a row, of
4000 pixels in colour, a blur of 1 pixel takes 5 % longer."""

_TILE_BYTES = 2**23  # padded input of a tile at the most, unless the kernel itself needs more
_LONG = 16
"""Rows of more taps than this take channels one by one: side by side, two thirds of the band
would be zeros (41 taps, RGB: 3.9 ns an output for 1.8)."""


class Separable(Strategy):
    """Kernels of low rank, as columns times rows: two banded products for each rank."""

    name = "separable"
    method = Method.SEPARABLE
    exact = False

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate two banded products for each rank, zeros included, and the transfer."""
        kernel = problem.kernel
        if kernel.is_bank:
            return "a filter bank"
        if any(axis.stride > 1 or axis.dilation > 1 for axis in problem.window.axes):
            return "a stride or dilation above 1"
        if not 1 <= kernel.rank <= _MOST_RANK:
            return f"rank {kernel.rank}"
        if problem.rounding_refusal:
            return problem.rounding_refusal
        working = problem.rounded_working
        kh, kw = problem.kernel.size
        gap = 1 if _is_planar(problem) else problem.shape[2]
        depth = (_block_rows(kh) + kh - 1) + (_block_columns(kw) + gap * (kw - 1))
        products = depth * costs.BAND_PRODUCT[working] + 2 * costs.FLAT_PASS[working]
        return kernel.rank * products + costs.LOAD[working] + costs.STORE[working]

    def __init__(self, problem: Problem) -> None:
        self.planar = _is_planar(problem)
        super().__init__(problem)
        weights = problem.exact_weights[0]
        height, width, _ = problem.result_shape
        self.rows = min(height, _ROWS)
        tall = (self.rows + problem.window.rows.extent) * self.working.itemsize * self.channels
        room = _TILE_BYTES // tall - problem.window.columns.extent
        most = max(_COLUMNS // self.channels, 1)
        self.columns = even_tile(width, min(max(room, _NARROW), most))
        self._chunk = min(self.rows, _CHUNK)
        kh, kw = problem.kernel.size
        self._factors = [
            (
                np.ascontiguousarray(_band(column, _block_rows(kh)).T.astype(self.working)),
                _band(row, _block_columns(kw), self.channels).astype(self.working),
            )
            for column, row in _factors(weights.astype(np.float64), problem.kernel.rank)
        ]

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the products of each chunk of rows."""
        row = self._factors[0][1]
        unit, batches, each = _windows(row, self._chunk * tile.shape[1])
        room = batches * each * unit + len(row)
        buffers = [
            scratch.take(f"separable.{name}", (room,), self.working)
            for name in ("middle", "result", "sum")
        ]
        starts = range(0, self.rows, self._chunk)
        return [self._part(tile, first, buffers) for first in starts]

    def _part(self, tile: Values, first: int, buffers: list[Values]) -> OutputRows:
        rows, pitch = min(self._chunk, self.rows - first), tile.shape[1]
        middle, result, total = buffers
        size = rows * pitch
        source = tile.reshape(-1)[first * pitch :]
        steps = [
            _down(column, source, middle, rows, pitch)
            + _across(row, middle, result if number else total, size)
            for number, (column, row) in enumerate(self._factors)
        ]
        crop = strided(total, 0, (rows, self.columns * self.channels), (pitch, 1))

        def compute() -> None:
            for number, products in enumerate(steps):
                for left, right, out in products:
                    np.matmul(left, right, out=out)
                if number:
                    np.add(total[:size], result[:size], out=total[:size])
            self.round_whole(crop)

        return OutputRows(first, Accumulators(crop, total[:size]), compute)


_Product = tuple[Values, Values, Values]


def _down(
    matrix: Values, source: Values, target: Values, rows: int, pitch: int
) -> list[_Product]:
    """Return the products by a column of taps: R rows are (R × K) by K rows of the source."""
    most, taps = len(matrix), matrix.shape[1] - len(matrix) + 1
    whole, left = divmod(rows, most)
    blocks = [(0, whole, matrix)] if whole else []
    if left:
        part = np.ascontiguousarray(matrix[:left, : left + taps - 1])
        blocks.append((whole * most, 1, part))
    products = []
    for y, count, part in blocks:
        height, depth = part.shape
        columns = min(max(64, UNPACKED // part.size // 64 * 64), 1024)
        for x, batches, width in _spans(pitch, columns):
            at, strides = y * pitch + x, (height * pitch, width, pitch, 1)
            read = strided(source, at, (count, batches, depth, width), strides)
            write = strided(target, at, (count, batches, height, width), strides)
            products.append((part, read, write))
    return products


def _across(matrix: Values, source: Values, target: Values, size: int) -> list[_Product]:
    """Return the products by a row of taps: K values by (K × N), in phases.

    The windows of a phase do not overlap.
    """
    (depth, outputs), (unit, batches, each) = matrix.shape, _windows(matrix, size)
    strides = (each * unit, unit, 1)
    return [
        (
            strided(source, first, (batches, each, depth), strides),
            matrix,
            strided(target, first, (batches, each, outputs), strides),
        )
        for first in range(0, unit, outputs)
    ]


def _windows(matrix: Values, size: int) -> tuple[int, int, int]:
    """Return the outputs of all phases of a row, and batches and windows of `size` values."""
    depth, outputs = matrix.shape
    unit = round_up(depth, outputs)
    most = min(512, max(16, 2 ** int(math.log2(max(UNPACKED // matrix.size, 1)))))
    windows = -(-size // unit)
    batches = -(-windows // most)
    return unit, batches, -(-windows // batches)


def _band(taps: Values, count: int, gap: int = 1) -> NDArray[np.float64]:
    """Return a matrix with `count` columns: the j-th has taps, a gap apart, from row j."""
    extent = (len(taps) - 1) * gap + 1
    matrix = np.zeros((count + extent - 1, count))
    for j in range(count):
        matrix[j : j + extent : gap, j] = taps
    return matrix


def _spans(size: int, most: int) -> list[tuple[int, int, int]]:
    """Cut a length into equal batches and a remainder: (start, batches, width)."""
    batches = -(-size // most)
    width = size // batches
    rest = size - batches * width
    return [(0, batches, width)] + ([(batches * width, 1, rest)] if rest else [])


def _block_rows(taps: int) -> int:
    """Return R: 4 is fastest for 9 taps, 8 to 16 for 41, 16 for 81; 6 and 12 are slow."""
    return 4 if taps < 16 else 8 if taps < 32 else 16  # noqa: PLR2004 - measured bounds


def _block_columns(taps: int) -> int:
    """Return N: 16 is fastest for 9 taps, 32 for 41 and 81; 24, 48 and 96 are slow."""
    return 16 if taps < 16 else 32  # noqa: PLR2004 - measured bound


def _is_planar(problem: Problem) -> bool:
    return problem.shape[2] > 1 and problem.kernel.size[1] > _LONG


def _factors(weights: NDArray[np.float64], rank: int) -> list[tuple[Values, Values]]:
    """Return columns and rows whose outer products add up to the weights."""
    if rank == 1:
        return [outer_factors(weights)]
    left, values, right = np.linalg.svd(weights)
    scales = np.sqrt(values[:rank])
    return [(left[:, i] * scales[i], right[i] * scales[i]) for i in range(rank)]

"""Dense kernels: by a band matrix and shifted rows, or by columns of taps, compiled."""

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import (
    BLOCK_PITCH,
    BLOCK_ROWS,
    UNPACKED,
    Scratch,
    Values,
    flat_rows,
    frozen,
    pitch,
    round_up,
    strided,
)
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule, integer_limits
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_TOGETHER = 4  # output rows of one product: the fewest with which it runs at full speed
_ROWS = 32
_VALUES = 4096  # values of a row of a tile
_SHIFTED_BYTES = 700_000  # shifted rows of a block: with input and output in an L2 cache
_MOST_BYTES = 2**22  # shifted rows of the narrowest block at the most
_UNIT = 32  # the columns of a block are a multiple of it
_WIDEST = 832  # columns of a block at the most


class Band(Strategy):
    """Dense kernels: products of a band matrix of the weights and shifted rows of the tile.

    Each input row is copied once for each kernel column, shifted to where that reads. R output
    rows are a product of the band (R × K) by the copies of R + kh - 1 neighbouring input rows,
    K = (R + kh - 1)·kw contiguous rows, which BLAS reads without another copy.
    """

    name = "band"
    method = Method.GEMM

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate a copy for each kernel column, and R + kh - 1 rows of products."""
        if problem.dense_refusal:
            return problem.dense_refusal
        working = problem.natural_working
        if _shifted_rows(problem, _ROWS) * 2 * _UNIT * working.itemsize > _MOST_BYTES:
            return "a kernel too large for a band"
        height, width, channels = problem.result_shape
        rows = even_tile(height, _ROWS, _TOGETHER)
        read, across = _TOGETHER + problem.window.rows.extent - 1, problem.window.columns.kernel
        products = read * across * costs.PRODUCT[working]
        copies = _shifted_rows(problem, rows) / rows * costs.COPY[working]
        blocks = -(-height // rows) * -(-width * channels // _block(problem, rows))
        overlap = (rows + problem.window.rows.extent - 1) / rows
        moved = costs.transfer(problem, working, overlap)
        return products + copies + moved + costs.calls(problem, 2 * blocks)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        height, width, channels = problem.result_shape
        self.rows = even_tile(height, _ROWS, _TOGETHER)
        self.columns = even_tile(width, max(_VALUES // channels, 1))
        self._block = even_tile(self.columns * channels, _block(problem, self.rows), _UNIT)
        # Whole blocks, and the columns that the kernel reads behind the last.
        self._width = round_up(self.columns * channels, self._block)
        width = self._width + (problem.window.columns.extent - 1) * channels
        rows = self.rows + problem.window.rows.extent - 1
        self.tile_shape = (rows, pitch(width, self.working))
        taps = problem.dense_weights[:, :: problem.window.columns.dilation]
        band = np.zeros((_TOGETHER, rows - self.rows + _TOGETHER, taps.shape[1]))
        for row in range(_TOGETHER):
            band[row, row : row + len(taps)] = taps
        self._band = frozen(band.reshape(_TOGETHER, -1), self.working)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the views of each block of columns."""
        rows, across = len(tile), self.problem.window.columns
        apart, width = pitch(self._block, self.working), pitch(self._width, self.working)
        shifted = scratch.take("band.shifted", (rows, across.kernel, apart), self.working)
        total = scratch.take("band.total", (self.rows, width), self.working)
        # The rows that each product needs; those of two products overlap.
        shape = (self.rows // _TOGETHER, self._band.shape[1], self._block)
        steps = (_TOGETHER * across.kernel * apart, apart, 1)
        moved, windows = shifted[..., : self._block], strided(shifted, 0, shape, steps)
        # A block of the tile, once for each kernel column.
        shape = (rows, across.kernel, self._block)
        steps = (tile.shape[1], across.dilation * self.channels, 1)
        starts = range(0, self._width, self._block)
        blocks = [(x, strided(tile, x, shape, steps)) for x in starts]
        kept = total[:, : self.columns * self.channels]

        def direct(target: Values) -> None:
            products = target.reshape(-1, _TOGETHER, target.shape[1], copy=False)
            for x, source in blocks:
                np.copyto(moved, source)
                out = products[..., x : x + self._block]
                np.matmul(self._band, windows[..., : out.shape[2]], out=out)

        return [OutputRows.directly(0, kept, direct, total.reshape(-1))]


def _shifted_rows(problem: Problem, rows: int) -> int:
    window = problem.window
    return (rows + window.rows.extent - 1) * window.columns.kernel


def _block(problem: Problem, rows: int) -> int:
    """Return the most columns of a product that is not packed and stays in the cache."""
    window = problem.window
    inner = (_TOGETHER + window.rows.extent - 1) * window.columns.kernel
    fitting = _SHIFTED_BYTES // problem.natural_working.itemsize // _shifted_rows(problem, rows)
    most = min(UNPACKED // (_TOGETHER * inner), fitting, _WIDEST)
    return max(most // _UNIT * _UNIT, 2 * _UNIT)


_HEIGHTS = (5, 7)  # taps of a column: shorter ones are filled up with weights of 0
_TILE_VALUES, _ROW_VALUES = 2**18, 2**13  # values of a tile, and of its rows
_TAP, _COLUMN, _REST = 0.025, 0.05, 0.2  # nanoseconds of a tap, a column of taps, and all else


class Dense(Strategy):
    """A column of taps is added to four rows of outputs at once: each row is read once."""

    name = "dense"
    method = Method.DIRECT
    takes_parts = True

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the taps of few rows and columns, and the transfer of bytes."""
        if problem.dense_refusal:
            return problem.dense_refusal
        if problem.natural_working != np.float32:
            return "sums in float64"
        if max(problem.kernel.size) > _HEIGHTS[-1]:
            return f"more than {_HEIGHTS[-1]} rows or columns"
        down, across = problem.window.axes
        if down.dilation > 1 or (across.extent - 1) * problem.shape[2] > BLOCK_PITCH // 4:
            return "taps too far apart"
        column = _height(problem) * _TAP + _COLUMN
        return problem.kernel.size[1] * column + _REST + problem.result.itemsize * costs.BYTE

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if problem.dtype == np.uint8 and problem.holds_fill:
            self.working = problem.dtype
        height, width, channels = problem.result_shape
        self.columns = even_tile(width, max(_ROW_VALUES // channels, 1))
        most = max(_TILE_VALUES // (self.columns * channels) // BLOCK_ROWS, 1) * BLOCK_ROWS
        self.rows = even_tile(height, min(height, most))
        rows, columns = problem.kernel.size
        places = np.arange(columns) * problem.window.columns.dilation * channels
        weights = np.zeros((columns, _height(problem)), np.float32)
        weights[:, :rows] = problem.exact_weights[0].T
        self._taps = (places, weights)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the buffers of a block and of its sums."""
        floats = np.dtype(np.float32)
        rows = BLOCK_ROWS + _height(self.problem)
        block = scratch.take("dense.block", (rows * BLOCK_PITCH,), floats)
        lines = scratch.take("dense.lines", (4 * BLOCK_PITCH,), floats)
        shape = (self.rows, self.columns * self.channels)
        values = scratch.take("dense.values", shape, floats)

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_tiles import filter_dense

            flat, pitch = flat_rows(target)
            limits = integer_limits(flat.dtype) if flat.dtype.kind != "f" else ()
            store = (flat, (pitch, *target.shape), block, lines)
            filter_dense(tile, *store, self._taps, np.array(limits, np.float32))

        return [OutputRows.directly(0, values, direct)]

    def stores_directly(self, rule: StoreRule, _: object) -> bool:
        """Store floats of 32 bits, and round to 8 or 16."""
        if any(rule.bias) or rule.pixels is not None or self.divisor != 1.0:
            return False
        small = rule.dtype.kind in "iu" and rule.dtype.itemsize <= 2  # noqa: PLR2004
        return small or rule.dtype == np.float32


def _height(problem: Problem) -> int:
    return next(height for height in _HEIGHTS if height >= problem.kernel.size[0])

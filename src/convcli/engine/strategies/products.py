"""Filter banks as matrix products: of gathered windows, or by Winograd's minimal filtering."""

import functools
from collections.abc import Callable

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import UNPACKED, Scratch, Values, frozen, pitch, round_up, strided
from convcli.engine.problem import Problem
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile
from convcli.values import replace

_COLUMNS, _ROWS = 4096, 32  # columns and rows of a tile at the most
_GATHERED_BYTES = 2**20  # runs that output rows share: with input and output in an L2 cache
_WINDOW_BYTES = 2**22  # windows copied for one product: BLAS packs the weights for each
_PART_BYTES = 2**19  # outputs stored at once: with half of it a bank takes 1.79 ms, not 1.76
_FEWEST, _MOST = 16, 256  # pixels of a product that is not packed, at the least and at the most


class Im2col(Strategy):
    """Filter banks of any kind: windows gathered as runs of values, then matrix products.

    A run is the kw·I values that an output reads from one input row, copied as one item. The
    runs of a column of outputs lie one below the other: the window of an output is kh of them,
    so that a value is copied kw times, not kh·kw times. Where output rows share no runs, or
    even a product of few pixels would be packed, windows are copied whole; those of 1×1 are not
    copied.
    """

    name = "im2col"
    method = Method.GEMM

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the copies into runs, the products, and the transfer."""
        if not problem.kernel.is_bank:
            return "not a filter bank"
        working = problem.natural_working
        if _inner(problem) * problem.groups * working.itemsize > _WINDOW_BYTES:
            return "windows too large for a cache"
        is_shared, rows, columns, pixels = _shape(problem)
        height, width, outputs = problem.result_shape
        down, across = problem.window.axes
        overlap = down.input_size(rows) / rows
        read = overlap if is_shared else down.kernel
        copies = read * across.kernel * problem.shape[2] / outputs * costs.COPY[working]
        copies *= not _is_point(problem)
        # Few filters waste a part of each vector.
        lanes = 64 // working.itemsize / (outputs // problem.groups)
        products = _inner(problem) * max(lanes, 1.0) * costs.PRODUCT[working]
        tiles = -(-height // rows) * -(-width // columns)
        batches = tiles * problem.groups * rows * columns / pixels
        moved = costs.transfer(problem, working, overlap / down.stride)
        return copies + products + moved + costs.calls(problem, 2 * tiles + batches)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._is_shared, self.rows, self.columns, self._pixels = _shape(problem)
        rows, values = self.tile_shape
        self.tile_shape = (rows, pitch(values, self.working))
        weights = problem.exact_weights[0]
        # A product with a weight of 0 spreads what the output does not read.
        self.local = bool(weights.all())
        groups, (down, across) = problem.groups, problem.kernel.size
        runs = weights.reshape(groups, -1, weights.shape[1], down, across)
        matrices = runs.transpose(0, 3, 4, 2, 1).reshape(groups, _inner(problem), -1)
        self._weights = frozen(matrices, self.working)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the views of the runs, and of the windows of each part; the first gathers."""
        is_point = _is_point(self.problem)
        lay_out = self._shared if self._is_shared else self._whole
        gather, windows = (None, self._in_place(tile)) if is_point else lay_out(tile, scratch)
        products = windows.shape[1]
        height, width = self.rows // products, self.columns * self.outputs
        most = max(1, _PART_BYTES // (height * width * self.working.itemsize))
        together = even_tile(products, most)
        total = scratch.take("im2col.total", (together * height, width), self.working)
        # A product of many rows needs them to follow each other in the result.
        is_apart = height > 1 and self.columns < self.problem.result_shape[1]
        parts = []
        for first in range(0, products, together):
            some = windows[:, first : first + together]
            direct = functools.partial(self._multiply, some, None if first else gather)
            part = OutputRows.directly(first * height, total[: some.shape[1] * height], direct)
            parts.append(replace(part, direct=None) if is_apart else part)
        return parts

    def _multiply(
        self, windows: Values, gather: Callable[[], None] | None, target: Values
    ) -> None:
        if gather is not None:
            gather()
        groups, *places, _ = windows.shape
        results = target.reshape(*places, groups, -1, copy=False).transpose(3, 0, 1, 2, 4)
        np.matmul(windows, self._weights[:, np.newaxis, np.newaxis], out=results)

    def _in_place(self, tile: Values) -> Values:
        """Take the pixels of the tile as windows of one value a channel."""
        (down, across), pixels = self.problem.window.stride, self._pixels
        row, step, each = down * tile.shape[1], across * self.channels, _inner(self.problem)
        shape = (self.problem.groups, self.rows, self.columns // pixels, pixels, each)
        return strided(tile, 0, shape, (each, row, pixels * step, step, 1))

    def _shared(self, tile: Values, scratch: Scratch) -> tuple[Callable[[], None], Values]:
        """Lay out runs by (column, group, row): the windows of output rows overlap."""
        (down, across), inner = self.problem.window.axes, _inner(self.problem)
        slots, groups, pixels = down.input_size(self.rows), self.problem.groups, self._pixels
        run = inner // down.kernel
        column = groups * slots * run
        runs = scratch.take("im2col.runs", (self.columns * column,), self.working)
        shape = (groups, self.rows, self.columns // pixels, pixels, inner)
        steps = (slots * run, down.stride * run, pixels * column, column, 1)
        axes = [
            (self.columns, across.stride * self.channels),
            (groups, self.problem.kernel.channels),
            (slots, tile.shape[1]),
        ]
        return self._gather(tile, runs, axes), strided(runs, 0, shape, steps)

    def _whole(self, tile: Values, scratch: Scratch) -> tuple[Callable[[], None], Values]:
        """Lay out runs by (row, column, group, kernel row): each window has its own."""
        (down, across), inner = self.problem.window.axes, _inner(self.problem)
        groups, pixels, row = self.problem.groups, self._pixels, tile.shape[1]
        pixel, outputs = groups * inner, self.rows * self.columns
        runs = scratch.take("im2col.runs", (outputs * pixel,), self.working)
        shape = (groups, outputs // pixels, 1, pixels, inner)
        axes = [
            (self.rows, down.stride * row),
            (self.columns, across.stride * self.channels),
            (groups, self.problem.kernel.channels),
            (down.kernel, down.dilation * row),
        ]
        windows = strided(runs, 0, shape, (inner, pixels * pixel, 0, pixel, 1))
        return self._gather(tile, runs, axes), windows

    def _gather(
        self, tile: Values, gathered: Values, axes: list[tuple[int, int]]
    ) -> Callable[[], None]:
        """Bind the copy of runs, one item each; `axes` are lengths and steps in the tile."""
        across, each = self.problem.window.columns, self.problem.kernel.channels
        if self.problem.groups == 1 and across.dilation == 1:
            each *= across.kernel
        else:
            axes = [*axes, (across.kernel, across.dilation * self.channels)]
        shape, steps = [size for size, _ in axes], [step * tile.itemsize for _, step in axes]
        run = np.dtype(f"V{each * tile.itemsize}")
        source = np.ndarray(shape, run, tile, 0, steps)
        return functools.partial(np.copyto, np.ndarray(shape, run, gathered), source)


def _is_point(problem: Problem) -> bool:
    return problem.kernel.size == (1, 1)


def _inner(problem: Problem) -> int:
    """Return how many values a filter reads."""
    down, across = problem.kernel.size
    return down * across * problem.kernel.channels


@functools.lru_cache
def _shape(problem: Problem) -> tuple[bool, int, int, int]:
    """Return whether output rows share runs, the size of a tile, and pixels of a product."""
    down = problem.window.rows
    filters = problem.outputs // problem.groups
    most = min(UNPACKED // (_inner(problem) * filters), _MOST)
    point = _is_point(problem)
    most = max(most, _FEWEST) if point else most
    shared = point or (down.dilation == 1 and down.stride < down.kernel and most >= _FEWEST)
    rows, columns = _fitting(problem, shared=shared)
    if shared:
        pixels = -(-columns // -(-columns // most))
        return shared, rows, -(-columns // pixels) * pixels, pixels
    return shared, rows, columns, rows * columns if most < _FEWEST else columns


def _fitting(problem: Problem, *, shared: bool) -> tuple[int, int]:
    """Halve a tile until it and its runs fit: rows first, while there are many."""
    height, width, _ = problem.result_shape
    down, across = problem.window.axes
    rows, columns = min(height, _ROWS), even_tile(width, _COLUMNS)
    limit = (_GATHERED_BYTES if shared else _WINDOW_BYTES) // problem.natural_working.itemsize

    def is_large() -> bool:
        tile = down.input_size(rows) * across.input_size(columns)
        slots = down.input_size(rows) if shared else rows * down.kernel
        return (tile + slots * columns * across.kernel) * problem.shape[2] > limit

    for fewest_rows, fewest_columns in ((8, width), (8, 64), (1, 64), (1, 1)):
        while rows > fewest_rows and is_large():
            rows = even_tile(height, rows - 1)
        while columns > fewest_columns and is_large():
            columns = even_tile(width, columns - 1)
    return rows, columns


# ------------------------------------------------------------------ minimal filtering

# F(4, 3): Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
# section 4.3: the points 0, ±1, ±2 and infinity.
_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_FILTER = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OUTPUT = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
)
_TOGETHER, _PLANES, _TAPS = 4, 6, 3
"""Output rows that are computed together, input rows that they need, taps of a column."""

_FEWEST_CHANNELS = 8  # channels and filters at the least: fewer do not pay for the transforms
_LEAST_COLUMNS, _WINOGRAD_ROWS = 24, 8  # columns of a tile at the least, and its rows


class RowWinograd(Strategy):
    """3×3 filter banks of many channels, by Winograd's minimal filtering down the columns.

    Six input rows make four output rows, with half the multiply-adds: one product transforms
    the rows; each of six planes is then correlated with three taps along the row, every third
    window at a time, so that nothing is copied. 64×64×3×3 on 224² took 19 to 33 ms, im2col 25
    to 61.
    """

    name = "row-winograd"
    method = Method.GEMM
    exact = False

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the products of the planes, and the transforms there and back."""
        kernel, window = problem.kernel, problem.window
        if not kernel.is_bank or kernel.size != (_TAPS, _TAPS):
            return "not a bank of 3×3"
        if window.stride != (1, 1) or window.dilation != (1, 1) or problem.groups > 1:
            return "a stride, a dilation, or groups"
        if min(kernel.channels, kernel.filters) < _FEWEST_CHANNELS:
            return f"fewer than {_FEWEST_CHANNELS} channels"
        if kernel.channels * kernel.filters > UNPACKED // _LEAST_COLUMNS:
            return "too many channels for products that are not packed"
        if problem.rounding_refusal:
            return problem.rounding_refusal
        working = problem.rounded_working
        height, width, outputs = problem.result_shape
        share = problem.shape[2] / outputs
        inner = _PLANES * _TAPS * problem.shape[2] / _TOGETHER
        copies = _PLANES / _TOGETHER * (share + 1) * 2 * costs.COPY[working]
        groups = -(-height // _TOGETHER) * -(-width // _unpacked_columns(problem))
        moved = costs.transfer(problem, working, 1 + 2 / _WINOGRAD_ROWS)
        products = inner * costs.PRODUCT[working]
        return products + copies + moved + costs.calls(problem, 5 * groups)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        height, width, _ = problem.result_shape
        self.rows = even_tile(height, _WINOGRAD_ROWS, _TOGETHER)
        self.columns = even_tile(width, _unpacked_columns(problem))
        # Whole windows of three pixels, and the halo.
        self._wide = round_up(self.columns + _TAPS - 1, _TAPS)
        width = pitch(self._wide * self.channels, self.working)
        self.tile_shape = (self.rows + _TAPS - 1, width)
        weights = problem.exact_weights[0]
        planes = np.einsum("ta,oiab->tbio", _FILTER, weights)
        filters = planes.reshape(_PLANES, _TAPS * weights.shape[1], weights.shape[0])
        self._filters = frozen(filters, self.working)
        self._input, self._output = (frozen(m, self.working) for m in (_INPUT, _OUTPUT))

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the windows, in three phases, and the planes of their outputs."""
        wide, inputs, outputs = self._wide, self.channels, self.outputs
        apart = pitch(wide * inputs, self.working)
        # The last windows of the last plane read beyond it; their outputs are dropped.
        size = _PLANES * apart + _TAPS * inputs
        flat = scratch.take("winograd.planes", (size,), self.working)
        product = scratch.take("winograd.product", (_PLANES, wide, outputs), self.working)
        total = scratch.take(
            "winograd.total", (_TOGETHER, self.columns * outputs), self.working
        )
        planes = strided(flat, 0, (_PLANES, wide * inputs), (apart, 1))
        # Every third window of all planes, and where its outputs go.
        shape, steps = (_PLANES, wide // _TAPS, _TAPS * inputs), (apart, _TAPS * inputs, 1)
        phases = [
            (strided(flat, phase * inputs, shape, steps), product[:, phase::_TAPS])
            for phase in range(_TAPS)
        ]
        products = product.reshape(_PLANES, -1)[:, : total.shape[1]]

        def direct(rows: Values, target: Values) -> None:
            np.matmul(self._input, rows, out=planes)
            for windows, out in phases:
                np.matmul(windows, self._filters, out=out)
            np.matmul(self._output, products, out=target)
            self.round_whole(target)

        parts = []
        for first in range(0, self.rows, _TOGETHER):
            rows = tile[first : first + _PLANES, : wide * inputs]
            parts.append(OutputRows.directly(first, total, functools.partial(direct, rows)))
        return parts


def _unpacked_columns(problem: Problem) -> int:
    """Return the most columns of a tile: none of the three products is packed."""
    inputs, outputs = problem.kernel.channels, problem.kernel.filters
    planes = UNPACKED // (_PLANES * _PLANES * max(inputs, outputs))
    return max(min(planes, UNPACKED // (inputs * outputs)) - _TAPS, _LEAST_COLUMNS)

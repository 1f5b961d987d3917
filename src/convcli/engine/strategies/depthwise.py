"""Filter banks of one kernel a channel, by NumPy or compiled (the extra ``fast``)."""

import functools

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import Scratch, Values, flat_rows, frozen, strided
from convcli.engine.problem import Problem
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_WEIGHT_BYTES = 2**15  # weights of a run, repeated for its pixels: in the nearest cache
_ROW_VALUES, _TILE_VALUES = 2**14, 2**17  # values of a row of a tile, and of its input
_COMPILED_TAP = 0.1  # nanoseconds of a tap of a value, compiled


class Depthwise(Strategy):
    """Filter banks of one kernel a channel: one call of einsum multiplies and adds all taps.

    The weights are repeated for a run of pixels. On 112²×64, 3×3, an output takes 1.5 ns with
    runs of 14 pixels, 1.9 with rows; two ufuncs a tap take 3.4.
    """

    name = "depthwise"
    method = Method.DIRECT

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate one pass a tap."""
        if not _is_depthwise(problem):
            return "not one filter a channel"
        working = problem.natural_working
        height, width, channels = problem.result_shape
        down, across = problem.window.axes
        taps, (rows, columns, _) = down.kernel * across.kernel, _layout(problem)
        tiles = -(-height // rows) * -(-width // columns)
        moved = costs.transfer(problem, working, down.input_size(rows) / (rows * down.stride))
        runs = 0 if across.stride == 1 else taps * costs.RUN / channels
        return taps * costs.SUMMED_PASS[working] + runs + moved + costs.calls(problem, tiles)

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.rows, self.columns, self._pixels = _layout(problem)
        weights = problem.exact_weights[0]
        # A product with a weight of 0 spreads what the output does not read.
        self.local = bool(weights.all())
        taps = weights[:, 0].transpose(1, 2, 0)[:, :, np.newaxis]
        shape = (*problem.kernel.size, self._pixels, problem.shape[2])
        repeated = np.broadcast_to(taps, shape).reshape(*problem.kernel.size, -1)
        self._weights = frozen(repeated, self.working)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make one view of all windows: (rows, kh, kw, runs, values of a run)."""
        (down, across), row = self.problem.window.axes, tile.shape[1]
        run = self._pixels * self.channels
        shape = (self.rows, down.kernel, across.kernel, self.columns // self._pixels, run)
        tap = (down.dilation * row, across.dilation * self.channels)
        windows = strided(tile, 0, shape, (down.stride * row, *tap, across.stride * run, 1))
        size = (self.rows, self.columns * self.channels)
        total = scratch.take("depthwise.total", size, self.working)

        def direct(target: Values) -> None:
            runs = target.reshape(self.rows, -1, run, copy=False)
            np.einsum("yabxc,abc->yxc", windows, self._weights, out=runs)

        return [OutputRows.directly(0, total, direct)]


def _is_depthwise(problem: Problem) -> bool:
    """Tell whether there are as many groups as channels, and as many filters."""
    kernel = problem.kernel
    return kernel.is_bank and kernel.channels == 1 and kernel.filters == problem.groups


@functools.lru_cache
def _layout(problem: Problem) -> tuple[int, int, int]:
    """Return rows and columns of a tile that fits into the cache, and pixels of a run."""
    height, width, channels = problem.result_shape
    down, across = problem.window.axes
    columns = even_tile(width, max(1, _ROW_VALUES // channels))
    row = across.input_size(columns) * channels * down.stride
    rows = even_tile(height, max(1, min(height, _TILE_VALUES // row)))
    if across.stride > 1:  # einsum does not join pixels itself
        return rows, columns, 1
    pixel = down.kernel * across.kernel * channels * problem.natural_working.itemsize
    pixels = even_tile(columns, max(1, _WEIGHT_BYTES // pixel))
    return rows, -(-columns // pixels) * pixels, pixels


class CompiledDepthwise(Depthwise):
    """The same runs, compiled by numba: three taps are added in one pass."""

    name = "compiled-depthwise"

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the taps, and what each run of them takes more."""
        if problem.natural_working != np.float32:
            return "sums in float64"
        if not _is_depthwise(problem):
            return "not one filter a channel"
        (down, across), (*_, pixels) = problem.window.axes, _layout(problem)
        tap = _COMPILED_TAP + costs.RUN / (pixels * problem.shape[2])
        moved = costs.transfer(problem, problem.natural_working)
        return down.kernel * across.kernel * tap + moved

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.local = False

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Reckon where the taps of an output lie; weights of 0 fill up the last three."""
        (down, across), row = self.problem.window.axes, tile.shape[1]
        places = np.add.outer(
            np.arange(down.kernel) * down.dilation * row,
            np.arange(across.kernel) * across.dilation * self.channels,
        ).reshape(-1)
        size, runs = self._pixels * self.channels, self.columns // self._pixels
        count = places.size
        places = np.pad(places, (0, -count % 3), "edge")
        weights = scratch.take("depthwise.weights", (places.size, size), self.working)
        weights[:count] = self._weights.reshape(count, size)
        total = scratch.take("depthwise.total", (self.rows, runs * size), self.working)
        steps = (down.stride * row, across.stride * size)

        def direct(target: Values) -> None:
            # It needs numba: only runs that use it load it.
            from convcli.engine.compiled_tiles import filter_channels

            flat, pitch = flat_rows(target)
            shape = (pitch, self.rows, runs)
            filter_channels(tile.reshape(-1), steps, flat, shape, places, weights)

        return [OutputRows.directly(0, total, direct)]

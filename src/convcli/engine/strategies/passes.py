"""Shift and add: in whole passes over a tile for kernels of few numbers, or tap by tap."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import Scratch, Values, strided
from convcli.engine.problem import Problem
from convcli.engine.program import Read, TypedProgram, cancels, typed_program
from convcli.engine.store import Accumulators
from convcli.engine.strategies import base as costs
from convcli.engine.strategies.base import OutputRows, Strategy, even_tile

_CACHED_BYTES = 2**20
"""All buffers of a tile on one thread. Sobel-x takes two: 12 megapixels take 5.3 ms if they are
380 KB each, 7.3 at 1 MB; laplacian8 four: 8.7 and 15.5 ms."""

_SHARED_BYTES = 2**19
"""Each buffer of a tile on several threads, of which one runs Python at a time: on two a
binomial of 5×5 takes 9.6 ms in tiles of 260 KB a buffer, 7.1 at 380, 6.4 at 512, 6.3 at 640."""

_LEAST_VALUES = 2**17  # values of a tile, with any buffers: smaller ones are mostly halo
_ROW = 6144  # values of a row of a tile at the most: longer rows mean few rows, mostly halo
_SHORT_ROW = 512  # and at the least: to copy shorter rows takes longer than to add
_MOST_VALUES = 2**20  # the most values of a tile, halo included
_MOST_TAPS = 64  # taps of a kernel without factors at the most


class Passes(Strategy):
    """Kernels of few small numbers, or of rank 1: whole passes of additions over a tile.

    Buffers are flat: a tap is an offset, a pass is one call of NumPy, which takes half the time
    of rows. Values beyond the end of a row are computed too, and dropped.
    """

    name = "passes"
    method = Method.DIRECT

    @classmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate one pass for each operation of a kernel of few taps, or of rank 1."""
        if problem.dense_refusal:
            return problem.dense_refusal
        kernel = problem.kernel
        taps = np.count_nonzero(kernel.weights)
        if taps == 0:
            return "no weight but 0"
        if taps > _MOST_TAPS and kernel.rank != 1:
            return f"{taps} taps without factors"
        typed, *tile = _layout(problem, shared=False)
        padded = [
            n + axis.extent - 1 for n, axis in zip(tile, problem.window.axes, strict=True)
        ]
        if math.prod(padded) * problem.shape[2] > _MOST_VALUES:
            return "a kernel whose halo alone fills the cache"
        parts = zip(padded, tile, problem.result_shape, strict=False)
        halo = math.prod(read / part if part < whole else 1.0 for read, part, whole in parts)
        passes = sum(costs.FLAT_PASS[dtype] for dtype in typed.types[1:])
        return halo * (passes + costs.LOAD[typed.types[0]]) + costs.STORE[typed.types[-1]]

    def __init__(self, problem: Problem, *, shared: bool = False) -> None:
        super().__init__(problem)
        self._program, self.rows, self.columns = _layout(problem, shared=shared)
        self.working = self._program.types[0]
        floats = problem.dtype.kind == "f"
        self.local = not (floats and cancels(self._program.operations, problem.kernel.size))
        self._shared = shared

    def threaded(self) -> Strategy:
        """Return the strategy in larger tiles, if no value depends on the tile's size."""
        return self if self._shared or not self.local else Passes(self.problem, shared=True)

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Turn each operation into a call of NumPy on views."""
        *passes, (last, left, right, around) = self._calls(tile, scratch)
        # As few steps of Python as possible: another thread waits for each of them.
        before = [functools.partial(function, *operands) for function, *operands in passes]
        whole = functools.partial(last, left, right, around)
        shape, steps = (self.rows, self.columns * self.channels), (tile.shape[1], 1)
        values, left = strided(around, 0, shape, steps), strided(left, 0, shape, steps)
        right = strided(right, 0, shape, steps) if isinstance(right, np.ndarray) else right
        cropped = functools.partial(last, left, right)

        def compute(last: Callable[..., object], *target: Values) -> None:
            for call in before:
                call()
            last(*target)

        sums, direct = Accumulators(values, around), functools.partial(compute, cropped)
        return [OutputRows(0, sums, functools.partial(compute, whole), direct)]

    def _calls(self, tile: Values, scratch: Scratch) -> list[tuple[Any, ...]]:
        """Return the calls of the operations."""
        program, (down, across) = self._program, self.problem.window.axes
        row, column = down.dilation * tile.shape[1], across.dilation * self.channels
        calls: list[tuple[Any, ...]] = []
        flat = tile.reshape(-1)
        values = [flat]
        made = zip(program.operations, program.buffers[1:], program.types[1:], strict=True)

        def view(read: Read) -> Values:
            return values[read.value][read.dy * row + read.dx * column :]

        for (function, first, second), place, dtype in made:
            left = view(first)
            right = view(second) if isinstance(second, Read) else left.dtype.type(second)
            if isinstance(second, Read):
                size = min(left.size, right.size)
                left, right = left[:size], right[:size]
            # A value is shorter than its buffer: the rest was left there by another value.
            buffer = scratch.take(f"passes.{place}", (tile.size,), dtype) if place else flat
            values.append(buffer[: left.size])
            calls.append((function, left, right, values[-1]))
        return calls


def _layout(problem: Problem, *, shared: bool) -> tuple[TypedProgram, int, int]:
    """Return the program, rows and columns of a tile: alone, or beside other threads."""
    height, width, channels = problem.result_shape
    halo = problem.window.rows.extent - 1
    typed = typed_program(
        problem.kernel,
        problem.pixel_limits if problem.is_integer else None,
        problem.natural_working,
        whole=problem.dtype.kind != "f",
    )
    fitting = _CACHED_BYTES // typed.value_bytes
    if shared:
        fitting = _SHARED_BYTES // typed.types[0].itemsize
    values = max(fitting, _LEAST_VALUES)
    # Tall kernels take narrow tiles, so that at most a third of the rows is halo.
    most = min(_ROW, max(values // (3 * halo + 1), _SHORT_ROW))
    columns = even_tile(width, max(most // channels, 1))
    row = (columns + problem.window.columns.extent - 1) * channels
    rows = max(1, min(height, values // row - halo))
    pieces = -(-height // rows)
    # An even number of tiles of one size gives two threads equal work.
    return typed, -(-height // (pieces + pieces % 2 if shared else pieces)), columns


_TILE_BYTES = 2**19
"""Padded input of one tile, and its accumulators: they leave room in a common L2 cache."""

_COLUMNS = 4096  # columns of a tile at the most


class Taps(Strategy):
    """Every problem: one multiplication and one addition a tap, on shifted views of the tile.

    A weight of 0 is left out, so that a NaN below it does not spread (as in OpenCV and SciPy).
    """

    name = "taps"
    method = Method.DIRECT
    local = True

    @classmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate two passes a tap, or a product whose operands einsum gathers."""
        kernel = problem.kernel
        taps = max(int(np.count_nonzero(kernel.weights)), 1) / kernel.filters
        if kernel.is_bank:
            working, places = problem.natural_working, kernel.size[0] * kernel.size[1]
            sums = places * costs.SCATTERED_SUM[working]
            return float(sums + taps * costs.SCATTERED_PRODUCT[working])
        jump = problem.window.columns.stride
        passes = costs.STRIDED_PASS if jump > 1 else costs.LINE_PASS
        return float(2 * taps * passes[problem.natural_working])

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._weights = problem.exact_weights[0].astype(self.working)
        height, width, outputs = problem.result_shape
        self.columns = even_tile(width, _COLUMNS)
        row = self.columns * max(problem.shape[2], outputs) * self.working.itemsize
        self.rows = max(1, min(height, _TILE_BYTES // row))

    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make a view of the tile for each tap."""
        (down, across), channels = self.problem.window.axes, self.channels
        shape = (self.rows, self.columns, self.problem.outputs)
        total = scratch.take("taps.total", shape, self.working)
        product = scratch.take("taps.product", shape, self.working)
        row, column = down.dilation * tile.shape[1], across.dilation * channels
        inputs = (self.rows, self.columns, channels)
        steps = (down.stride * tile.shape[1], across.stride * channels, 1)
        taps = self._weights.reshape(-1, down.kernel, across.kernel).any(axis=0)
        views = [
            (strided(tile, y * row + x * column, inputs, steps), self._weights[..., y, x])
            for y, x in np.argwhere(taps).tolist()
        ]

        def compute() -> None:
            total.fill(0)
            for view, tap in views:
                np.add(total, self._weighted(view, tap, product), out=total)

        sums = total.reshape(self.rows, -1)
        return [OutputRows(0, Accumulators(sums, sums), compute)]

    def _weighted(self, view: Values, tap: Values, out: Values) -> Values:
        if not self.problem.kernel.is_bank:
            return np.multiply(view, tap, out=out)
        groups = self.problem.groups
        rows, columns, channels = view.shape
        grouped = view.reshape(rows, columns, groups, channels // groups)
        weights = tap.reshape(groups, -1, channels // groups)
        summed = out.reshape(rows, columns, groups, -1)
        if self.problem.dtype.kind == "f" and not tap.all():
            # 0 times a NaN is NaN: pixels below a weight of 0 are left out.
            summed.fill(0)
            for group, output, inner in np.argwhere(weights):
                weight = weights[group, output, inner]
                summed[..., group, output] += grouped[..., group, inner] * weight
            return out
        np.einsum("hwgi,goi->hwgo", grouped, weights, out=summed, optimize=True)
        return out

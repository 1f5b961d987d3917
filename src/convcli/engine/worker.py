"""Running a plan: each thread loads tiles, lets the strategy compute, and stores."""

import contextlib
import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Run, padded_sources, runs, sides_of
from convcli.engine.buffers import Scratch, Values, round_up
from convcli.engine.planner import Block, Plan, Tile, rule_for, split_tile
from convcli.engine.problem import Problem, checked_count
from convcli.engine.store import Finish, StoreRule, ValueStats
from convcli.engine.strategies import FALLBACK
from convcli.engine.strategies.base import OutputRows
from convcli.geometry.window import Axis
from convcli.threads import available_cores, blas_threads, thread_pool
from convcli.values import replace

if TYPE_CHECKING:
    from concurrent.futures import Future

_KEPT_BYTES = 2**23  # buffers of a worker above which it is not kept
_ON_A_LINE = 16  # values: as floats of 32 bits they fill a cache line
_SMALL = 2**15  # outputs of a tile below which all of its input is loaded at once
Load: TypeAlias = Callable[[Values, int], None]
"""Fills a buffer from an image of shape (H, W, C), for tiles that start at an output row."""

_Step: TypeAlias = Callable[[Values, int], ValueStats | None]
"""Computes some rows of a tile that starts at an output row, and stores them in a result."""


class Loader:
    """Fills one buffer, of shape (rows, pitch), with the padded input of tiles.

    It casts the input, fills the border and adds the halo: a strategy computes only "valid"
    outputs. The values of a pixel's `channels` are neighbours in a row; those that a tile does
    not need are 0. With a block, only its rows and columns of the image are held.
    """

    _fills_up = True  # with 0, what a tile does not need

    def __init__(
        self, problem: Problem, buffer: Values, channels: int, block: Block | None = None
    ) -> None:
        self._window, self._channels = problem.window, channels
        self._fill, self._buffer, border = problem.fill, buffer, problem.border
        self._rows, self._columns = padded_sources(border, problem.shape, self._window)
        if block is not None:
            self._rows = _places(self._rows, block.held_rows)
            self._columns = _places(self._columns, block.held_columns)
        self._runs: dict[tuple[int, int], list[Run]] = {}
        self._loads: dict[tuple[int, int, int], Load] = {}
        self._size, self._is_wide = problem.shape[:2], problem.result.itemsize > 2  # noqa: PLR2004
        # Padded rows from `top` on are rows of the image, if all of it is held.
        self._height = problem.shape[0] if block is None else 0

    def bind(self, rows: slice, columns: slice) -> Load:
        """Return the function that fills the buffer for so many rows and these columns."""
        key = (_size(rows), columns.start, columns.stop)
        if key not in self._loads:
            down, across = self._window.inputs(rows, columns)
            self._loads[key] = self._bound(_size(down), across)
        return self._loads[key]

    def _bound(self, count: int, inputs: slice) -> Load:
        # To make the views for each tile took as long as sobel-x itself.
        step, top = self._window.rows.stride, self._window.rows.before
        most = self._height - count
        sources, inside, column = self._across(inputs)
        width = len(sources) * self._channels
        buffer = self._buffer
        padded = buffer[:count, :width].reshape(count, -1, self._channels, copy=False)
        middle, columns = padded[:, inside], slice(column, column + inside.stop - inside.start)
        within, beyond = sides_of(padded, sources, inside, self._fill)
        unused = (buffer[count:], buffer[:count, width:]) if self._fills_up else ()
        within = [*((each, 0) for each in unused if each.size), *within]

        def load(image: Values, start: int) -> None:
            first = start * step
            if 0 <= first - top <= most:
                middle[...] = image[first - top : first - top + count, columns]
            elif middle.size:
                held, key = image[:, columns], (first, count)
                if key not in self._runs:
                    self._runs[key] = runs(self._rows[first : first + count])
                for some, source in self._runs[key]:
                    middle[some] = self._fill if source is None else held[source]
            for side, values in within:
                side[...] = values
            for side, others in beyond:
                side[...] = image[np.ix_(self._rows[first : first + count], others)]

        return load

    def _across(self, inputs: slice) -> tuple[NDArray[np.intp], slice, int]:
        """Return the sources of columns, the columns in the image, and their first source."""
        sources = self._columns[inputs]
        first = inputs.start - self._window.columns.before
        start = min(max(-first, 0), len(sources))
        inside = slice(start, max(min(len(sources), self._size[1] - first), start))
        return sources, inside, int(sources[start]) if start < inside.stop else 0


class ImageRows(Loader):
    """Shows the input of a tile where it is in the image, and loads what is beyond its edges.

    `parts` yields input, (rows, values), and the outputs that it is for, as rows and columns
    of the tile. Each is valid until the next. `beside` has the input of outputs at the left and
    the right edge, side by side; their rows; and their columns, each with where its input is.
    """

    parts: Iterator[tuple[Values, slice, slice]]
    beside: list[tuple[Values, slice, list[tuple[slice, int]]]]
    _fills_up = False

    def bind(self, rows: slice, columns: slice) -> Load:
        """Return the function that finds the parts of tiles of that height and columns."""
        count, axis = _size(rows), self._window.columns
        middle = _within(axis, self._size[1], columns)
        if middle.start > columns.start and self._is_wide:
            # Rows of floats are stored faster from a cache line on.
            middle = slice(min(round_up(middle.start, _ON_A_LINE), middle.stop), middle.stop)
        sides = (slice(columns.start, middle.start), slice(middle.stop, columns.stop))
        edges = [side for side in sides if _size(side)]
        sources = [self._columns[axis.inputs(edge)] for edge in edges]
        starts = itertools.accumulate(map(len, sources), initial=0)
        beside = np.concatenate([*sources, self._columns[:0]])
        places = [(_moved(edge, columns.start), next(starts)) for edge in edges]

        def load(image: Values, start: int) -> None:
            rows = slice(start, start + count)
            inner = _within(self._window.rows, self._size[0], rows)
            if count * _size(middle) < _SMALL or not _is_plain(image):
                inner = slice(start, start)
            self.parts, self.beside = self._parts(image, rows, inner, columns, middle), []
            if places and _size(inner):
                taken = self._taken(image, inner, beside)
                self.beside = [(taken, _moved(inner, start), places)]

        return load

    def _parts(
        self, image: Values, rows: slice, inner: slice, columns: slice, middle: slice
    ) -> Iterator[tuple[Values, slice, slice]]:
        find = self._window.inputs
        if _size(inner):
            down, across = find(inner, middle)
            row, column = self._rows[down.start], self._columns[across.start]
            part = image[row : row + _size(down), column : column + _size(across)]
            place = _moved(inner, rows.start), _moved(middle, columns.start)
            yield part.reshape(len(part), -1, copy=False), *place
        for some in (slice(rows.start, inner.start), slice(inner.stop, rows.stop)):
            if _size(some):
                super().bind(some, columns)(image, some.start)
                down, across = find(some, columns)
                place = _moved(some, rows.start), _moved(columns, columns.start)
                yield self._buffer[: _size(down), : _size(across) * self._channels], *place

    def _taken(self, image: Values, rows: slice, sources: NDArray[np.intp]) -> Values:
        down = self._window.rows.inputs(rows)
        row = self._rows[down.start]
        taken = image[row : row + _size(down)].take(sources, 1, mode="clip")
        if sources.min() < 0:
            taken[:, sources < 0] = self._fill
        return taken.reshape(len(taken), -1)


def _size(part: slice) -> int:
    size: int = part.stop - part.start
    return size


def _within(axis: Axis, size: int, outputs: slice) -> slice:
    """Return those of some outputs whose windows are within the image."""
    first = min(max(-(-axis.before // axis.stride), outputs.start), outputs.stop)
    last = (axis.before + size - axis.extent) // axis.stride + 1
    return slice(first, max(min(last, outputs.stop), first))


def _is_plain(image: Values) -> bool:
    """Tell whether the values of a row follow each other, and rows go down, in native order."""
    apart = image.strides[0]
    is_plain = image.dtype.isnative and apart >= 0 and apart % image.itemsize == 0
    return is_plain and bool(image[0].flags.c_contiguous)


def _places(sources: NDArray[np.intp], held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the position of each source among those that are held; -1 stays -1."""
    return np.where(sources < 0, -1, np.searchsorted(held, sources))


class TileWorker:
    """The buffers of one thread: takes tiles from an image through them into a store.

    All views and functions for tiles of one shape are made once: while one thread runs
    Python, others wait. Five microseconds more of it for each tile made sobel-x on two
    threads slower by a fifth. A worker serves any image that its plan describes.
    """

    def __init__(self, plan: Plan, rule: StoreRule, block: Block | None = None) -> None:
        self.plan, self.rule, self.block = plan, rule, block
        problem, strategy = plan.problem, plan.strategy
        shape = strategy.tile_shape
        self.scratch = Scratch()
        self._tile: Any = self.scratch.take("tile", shape, strategy.working)
        loader = ImageRows if strategy.reads_image else Loader
        self._loader = loader(problem, self._tile, strategy.channels, block)
        source = self._loader if strategy.reads_image else self._tile
        self._parts = strategy.bind(source, self.scratch)
        self._recomputes_nonfinite = problem.dtype.kind == "f" and not strategy.local
        rows, columns, _ = problem.result_shape
        whole = (slice(0, rows), slice(0, columns))
        self._stored = whole if block is None else (block.rows, block.columns)
        # How to load tiles of one shape, and the steps on their rows, from the top down.
        self._programs: dict[tuple[int | None, ...], tuple[Load, list[_Step]]] = {}

    def compute(self, tile: Tile, image: Values, out: Values) -> list[ValueStats | None]:
        """Load a tile from an image, compute it and store it in the result."""
        start, channel = tile.rows.start, tile.channel
        key = (tile.rows.stop - start, tile.columns.start, channel, self._edge(tile.rows))
        program = self._programs.get(key)
        if program is None:
            program = self._loader.bind(tile.rows, tile.columns), self._steps(tile)
            if self.block is None:
                self._programs[key] = program
        load, steps = program
        load(image if channel is None else image[..., channel : channel + 1], start)
        if self._recomputes_nonfinite and not _is_finite(self._tile):
            pieces = split_tile(tile.rows, tile.columns, channel, self._fallback.plan.strategy)
            recompute = self._fallback.compute
            return [stats for piece in pieces for stats in recompute(piece, image, out)]
        target = out if channel is None else out[..., channel]
        return [step(target, start) for step in steps]

    def _edge(self, rows: slice) -> int | None:
        """Return the first of some rows where some of them are at the rim of the result."""
        if self.rule.inner is None:
            return None
        (first, last), _ = self.rule.inner
        return rows.start if rows.start < first or rows.stop > last else None

    def _steps(self, tile: Tile) -> list[_Step]:
        last = min(tile.rows.stop, self._stored[0].stop)
        steps = []
        for part in self._parts:
            first = tile.rows.start + part.first
            if first < last:
                rows = slice(first, min(first + len(part.accumulators.values), tile.rows.stop))
                steps.append(self._step(part, rows, tile))
        return steps

    def _step(self, part: OutputRows, outputs: slice, tile: Tile) -> _Step:
        """Bind rows of outputs of a tile to their place in the result."""
        strategy, rule = self.plan.strategy, self.rule
        down, across = _common(outputs, self._stored[0]), _common(tile.columns, self._stored[1])
        # Rows of the result are counted from the start of a tile: others below have them too.
        rows = _moved(down, tile.rows.start + self._stored[0].start)
        columns = _moved(across, self._stored[1].start)
        size = (rows.stop - rows.start, columns.stop - columns.start)
        if min(size) <= 0:
            # The rows below may need what this part computes.
            return _storing(part.compute, lambda _: None, rows, columns)
        sums, maps = part.accumulators, strategy.outputs
        is_full = size == (len(sums.values), strategy.columns)
        is_whole = strategy.takes_parts and (down, across) == (outputs, tile.columns)
        alone = tile.channel is None or self.plan.problem.outputs == 1
        seen = rule.pixels is not None and rule.collect_stats
        can_store = (is_full or is_whole) and alone and not seen
        if can_store and part.direct and strategy.stores_directly(rule, sums.values.dtype):
            direct = functools.partial(_direct, part.direct)
            return _storing(lambda: None, direct, rows, columns)
        if not is_full:
            top, left = down.start - outputs.start, (across.start - tile.columns.start) * maps
            sums = sums.cut(slice(top, top + size[0]), slice(left, left + size[1] * maps))
        shape = (*size, maps) if tile.channel is None else size
        place = (outputs.start, tile.columns.start) if self.block is None else None
        finish = rule.finish(sums, shape, tile.channel, self.scratch, place)
        return _storing(part.compute, finish, rows, columns)

    @functools.cached_property
    def _fallback(self) -> "TileWorker":
        """The worker that computes tiles of which some values are not finite."""
        problem = self.plan.problem
        if self.plan.strategy.planar:
            problem = replace(problem, shape=(*problem.shape[:2], 1))
        plan = replace(self.plan, problem=problem, strategy=FALLBACK(problem))
        return TileWorker(plan, self.rule, self.block)


def _storing(
    compute: Callable[[], object], finish: Finish, rows: slice, columns: slice
) -> _Step:
    """Return the step that computes, and stores in a part of the result."""

    def step(out: Values, start: int) -> ValueStats | None:
        compute()
        return finish(out[start + rows.start : start + rows.stop, columns])

    return step


def _direct(compute: Callable[[Values], None], target: Values) -> None:
    compute(target.reshape(len(target), -1, copy=False))


def _common(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _moved(part: slice, origin: int) -> slice:
    """Return a slice as counted from an origin."""
    return slice(part.start - origin, part.stop - origin)


def _is_finite(tile: Values) -> bool:
    """Tell whether all values are finite, by a product: huge values count as infinite, too."""
    flat = tile.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))


# To make a worker takes a tenth of the time of a small bank (256×64×1×1 on 56²).
_PARKED: deque[TileWorker] = deque(maxlen=available_cores())


def _worker_for(plan: Plan, rule: StoreRule, block: Block | None) -> TileWorker:
    """Return a parked worker of the plan, with its views and warm buffers, or a new one."""
    with contextlib.suppress(IndexError):
        worker = _PARKED.pop()
        if block is None and worker.plan.strategy is plan.strategy and worker.rule is rule:
            return worker
        _PARKED.clear()
    return TileWorker(plan, rule, block)


def run_plan(
    plan: Plan,
    image: Values,
    out: Values,
    jobs: int | None = None,
    block: Block | None = None,
    *,
    rule: StoreRule | None = None,
) -> ValueStats:
    """Compute all tiles of a plan; return the statistics of raw values that became pixels.

    `image` (H, W, C) is never modified; results (H', W', O) go to `out`, the same on any number
    of threads. With a block only that part is computed, bit for bit equal to the whole: `image`
    holds the rows and columns that it names. By default the raw sums are stored.
    """
    jobs = available_cores() if jobs is None else jobs
    workers = plan.threads(checked_count("jobs", jobs, "leave it out for one a core"))
    # A block holds the input of the tiles of the plan as it is for one thread.
    plan = plan.on(workers) if block is None and workers > 1 else plan
    tiles = plan.tiles if block is None else plan.tiles_in(block)
    others = min(workers, len(tiles)) - 1
    rule = rule or rule_for(plan, out.dtype)

    def work(some: Iterable[Tile]) -> ValueStats:
        worker = _worker_for(plan, rule, block)
        # A float image may hold infinities and NaNs: they are no fault of the arithmetic.
        with np.errstate(over="ignore", invalid="ignore"):
            stats = [each for tile in some for each in worker.compute(tile, image, out)]
        if block is None and worker.scratch.nbytes <= _KEPT_BYTES:
            _PARKED.append(worker)
        return sum(filter(None, stats), ValueStats())

    with blas_threads(1):
        return _share(work, tiles, others) if others > 0 else work(tiles)


def _share(
    work: Callable[[Iterable[Tile]], ValueStats], tiles: list[Tile], others: int
) -> ValueStats:
    """Compute tiles on this and other threads; each takes the next tile when it is done."""
    # A thread stops at None. popleft is one step of the interpreter, so it needs no lock.
    waiting: deque[Tile | None] = deque((*tiles, *[None] * (others + 1)))
    futures: list[Future[ValueStats]] = []
    try:
        # The calling thread works too: another takes a while to wake.
        futures.extend(
            thread_pool(others).submit(work, iter(waiting.popleft, None)) for _ in range(others)
        )
        stats = work(iter(waiting.popleft, None))
    finally:
        # After an interrupt the others stop after their present tile.
        waiting.extendleft([None] * others)
        # The image is in use until all threads that have begun end.
        begun = [future for future in futures if not future.cancel()]
        for future in begun:
            future.exception()
    return sum((future.result() for future in begun), stats)

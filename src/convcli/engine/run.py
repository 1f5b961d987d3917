"""Executes a plan: load, compute and store, a tile at a time, on several threads."""

import contextlib
import functools
import os
import queue
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.blas import single_threaded_blas
from convcli.engine.plan import Plan
from convcli.engine.scratch import Scratch
from convcli.engine.store import Seen, Store
from convcli.engine.strategies import FALLBACK, Part, Strategy
from convcli.engine.tiles import Block, Loader, Tile, pieces
from convcli.errors import ConvcliError

Values = NDArray[Any]

_WORTH_A_THREAD = 2e6
"""Nanoseconds of estimated work below which a second thread starts too late to help."""


def available_cores() -> int:
    """Return how many cores this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    plan: Plan,
    image: Values,
    store: Store,
    jobs: int | None = None,
    block: Block | None = None,
) -> Seen:
    """Compute all tiles of a plan; the result does not depend on the number of threads.

    Parameters
    ----------
    plan : Plan
        What to do.
    image : ndarray, shape (H, W, C)
        The image that the plan's problem describes; never modified.
    store : Store
        Where the results go.
    jobs : int, optional
        Threads; `available_cores` where none is given.
    block : Block, optional
        Compute only this part, bit for bit as it is in the whole: `image` then holds what
        the block says, and the store has the shape of its outputs.

    Returns
    -------
    Seen
        What the store saw.

    Raises
    ------
    ConvcliError
        If `jobs` is below 1.
    """
    tiles = plan.tiles if block is None else plan.tiles_in(block)
    workers = _workers(plan, len(tiles), jobs)
    waiting: queue.SimpleQueue[Tile] = queue.SimpleQueue()
    for tile in tiles:
        waiting.put(tile)
    with single_threaded_blas():
        if workers == 1:
            return _work(plan, image, store, waiting, block)
        # The calling thread works too: a new thread takes a while to start.
        with ThreadPoolExecutor(workers - 1) as pool:
            others = [
                pool.submit(_work, plan, image, store, waiting, block)
                for _ in range(workers - 1)
            ]
            try:
                seen = _work(plan, image, store, waiting, block)
            finally:
                # After an interrupt the others stop with the tile that they are at.
                _empty(waiting)
            return sum((other.result() for other in others), seen)


def _workers(plan: Plan, tiles: int, jobs: int | None) -> int:
    if jobs is not None and jobs < 1:
        raise ConvcliError(f"jobs: expected a whole number of at least 1, got {jobs}")
    values = float(np.prod(plan.problem.result_shape))
    work = values * plan.strategy.cost(plan.problem)
    if work < _WORTH_A_THREAD:
        return 1
    return min(available_cores() if jobs is None else jobs, tiles)


def _empty(waiting: "queue.SimpleQueue[Tile]") -> None:
    while not waiting.empty():
        with contextlib.suppress(queue.Empty):
            waiting.get_nowait()


def _work(
    plan: Plan,
    image: Values,
    store: Store,
    waiting: "queue.SimpleQueue[Tile]",
    block: Block | None,
) -> Seen:
    worker = _Worker(plan, image, store, block)
    seen = Seen()
    # Infinities and NaNs of a float image are its own affair, not the arithmetic's.
    with np.errstate(over="ignore", invalid="ignore"):
        while True:
            try:
                tile = waiting.get_nowait()
            except queue.Empty:
                return seen
            seen += worker.compute(tile)


class _Worker:
    """One thread's buffers, and the way from the image through them to the store."""

    def __init__(
        self, plan: Plan, image: Values, store: Store, block: Block | None = None
    ) -> None:
        self._plan, self._image, self._store, self._block = plan, image, store, block
        height, width, _ = plan.problem.result_shape
        self._rows = slice(0, height) if block is None else block.rows
        self._columns = slice(0, width) if block is None else block.columns
        self._scratch = Scratch()
        self._strategy = plan.strategy
        self._tile, self._loader = self._feed(plan.strategy, "tile")
        self._parts = plan.strategy.bind(self._tile, self._scratch)

    def _feed(self, strategy: Strategy, name: str) -> tuple[Values, Loader]:
        buffer = self._scratch.take(name, strategy.tile_shape, strategy.working)
        return buffer, Loader(self._image, self._plan.problem, buffer, self._block)

    def compute(self, tile: Tile) -> Seen:
        self._loader.load(tile)
        if self._plan.mends and not _is_finite(self._tile):
            return self._mend(tile)
        return self._store_parts(self._strategy, self._parts, tile)

    def _store_parts(self, strategy: Strategy, parts: list[Part], tile: Tile) -> Seen:
        seen = Seen()
        for part in parts:
            start = tile.rows.start + part.first
            if start >= tile.rows.stop:
                break
            values = part.compute()
            rows = slice(start, min(start + len(values), tile.rows.stop))
            whole = Tile(rows, tile.columns, tile.channel)
            seen += self._store_rows(values, whole, strategy.outputs)
        return seen

    def _store_rows(self, values: Values, tile: Tile, outputs: int) -> Seen:
        """Store what is wanted of some rows of a tile."""
        rows, columns = _common(tile.rows, self._rows), _common(tile.columns, self._columns)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return Seen()
        lines, pixels = _from(rows, tile.rows), _from(columns, tile.columns)
        kept = values[lines, pixels.start * outputs : pixels.stop * outputs]
        place = Tile(_from(rows, self._rows), _from(columns, self._columns), tile.channel)
        return self._store.write(kept, place, self._scratch)

    def _mend(self, tile: Tile) -> Seen:
        """Compute a tile tap by tap, in pieces of the size that this takes."""
        strategy, loader, parts = self._mender
        seen = Seen()
        for piece in pieces(tile, strategy.rows, strategy.columns):
            loader.load(piece)
            seen += self._store_parts(strategy, parts, piece)
        return seen

    @functools.cached_property
    def _mender(self) -> tuple[Strategy, Loader, list[Part]]:
        problem = self._plan.problem
        if self._plan.strategy.planar:
            problem = replace(problem, shape=(*problem.shape[:2], 1))
        strategy = FALLBACK(problem)
        buffer, loader = self._feed(strategy, "mended")
        return strategy, loader, strategy.bind(buffer, self._scratch)


def _common(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _from(part: slice, whole: slice) -> slice:
    """Return a part as counted from the start of a whole."""
    return slice(part.start - whole.start, part.stop - whole.start)


def _is_finite(tile: Values) -> bool:
    """Tell whether all values are finite, by one product that any NaN or infinity spoils.

    It may be spoilt by huge values too: they are then computed tap by tap without need.
    """
    flat = tile.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))

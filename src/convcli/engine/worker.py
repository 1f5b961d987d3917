"""A worker: one thread's buffers, bound to a plan, that load, compute and store tiles."""

import functools
import os
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.plan import Plan
from convcli.engine.scratch import Scratch
from convcli.engine.store import NOTHING, Seen, Store
from convcli.engine.strategies import FALLBACK, Part, Strategy
from convcli.engine.tiles import Block, Loader, Tile, pieces

Values = NDArray[Any]

_KEPT_BYTES = 2**23
"""Buffers of a worker above which it is not kept."""


def available_cores() -> int:
    """Return how many cores this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Worker:
    """One thread's buffers, and the way from an image through them to a store.

    Parameters
    ----------
    plan : Plan
        What is computed: of any image that its problem describes.
    block : Block, optional
        The part of it that is wanted, and what there is of the image.
    """

    def __init__(self, plan: Plan, block: Block | None = None) -> None:
        self._plan, self.block = plan, block
        self._scratch = Scratch()
        self.strategy = plan.strategy
        self._tile, self._loader = self._feed(plan.strategy, "tile")
        self._parts = plan.strategy.bind(self._tile, self._scratch)

    def _feed(self, strategy: Strategy, name: str) -> tuple[Values, Loader]:
        buffer = self._scratch.take(name, strategy.tile_shape, strategy.working)
        return buffer, Loader(self._plan.problem, buffer, self.block)

    @property
    def nbytes(self) -> int:
        """Memory of the buffers."""
        return self._scratch.nbytes

    def compute(self, tile: Tile, image: Values, store: Store) -> Seen:
        """Load a tile from an image, compute it and store it."""
        self._loader.load(image, tile)
        if self._plan.mends and not _is_finite(self._tile):
            return self._mend(tile, image, store)
        return self._store_parts(self.strategy, self._parts, tile, store)

    def _store_parts(
        self, strategy: Strategy, parts: list[Part], tile: Tile, store: Store
    ) -> Seen:
        seen = NOTHING
        last = (
            tile.rows.stop if self.block is None else min(tile.rows.stop, self.block.rows.stop)
        )
        for part in parts:
            first = tile.rows.start + part.first
            if first >= last:
                break
            rows = slice(first, min(first + part.rows, tile.rows.stop))
            made = Tile(rows, tile.columns, tile.channel)
            found = self._store_part(strategy, part, made, store)
            seen = found if seen is NOTHING else seen + found
        return seen

    def _store_part(self, strategy: Strategy, part: Part, made: Tile, store: Store) -> Seen:
        """Store what is wanted of some rows of a tile."""
        wanted, place = made, made
        if self.block is not None:
            found = _wanted(made, self.block)
            if found is None:
                # The parts below may build on this one.
                part.compute()
                return NOTHING
            wanted, place = found, _within(found, self.block)
        rows, columns = _sizes(wanted)
        whole = (rows, columns) == (part.rows, strategy.columns)
        if whole and part.direct is not None:
            target = store.direct(place, strategy.working)
            if target is not None:
                part.direct(target)
                return NOTHING
        values = part.compute()
        if whole:
            return store.write(values, place, self._scratch, part.around, part.spare)
        top, outputs = wanted.rows.start - made.rows.start, strategy.outputs
        left = wanted.columns.start - made.columns.start
        values = values[top : top + rows, left * outputs : (left + columns) * outputs]
        around = None if top or left else part.around
        return store.write(values, place, self._scratch, around)

    def _mend(self, tile: Tile, image: Values, store: Store) -> Seen:
        """Compute a tile tap by tap, in pieces of the size that this takes."""
        strategy, loader, parts = self._mender
        seen = Seen()
        for piece in pieces(tile, strategy.rows, strategy.columns):
            loader.load(image, piece)
            seen += self._store_parts(strategy, parts, piece, store)
        return seen

    @functools.cached_property
    def _mender(self) -> tuple[Strategy, Loader, list[Part]]:
        problem = self._plan.problem
        if self._plan.strategy.planar:
            problem = replace(problem, shape=(*problem.shape[:2], 1))
        strategy = FALLBACK(problem)
        buffer, loader = self._feed(strategy, "mended")
        return strategy, loader, strategy.bind(buffer, self._scratch)


_RESTING: deque[Worker] = deque(maxlen=available_cores())


def worker_for(plan: Plan, block: Block | None = None) -> Worker:
    """Return a worker: one that rests from the same plan, or a new one.

    Its buffers are in the cache, its views made: of a small bank (256×64×1×1 on 56²)
    that is a tenth of the time, of sobel-x on 12 megapixels too.
    """
    try:
        worker = _RESTING.pop()
    except IndexError:
        return Worker(plan, block)
    if worker.strategy is plan.strategy and block is None:
        return worker
    _RESTING.clear()
    return Worker(plan, block)


def rest(worker: Worker) -> None:
    """Keep a worker for the next run of its plan, if it is small."""
    if worker.block is None and worker.nbytes <= _KEPT_BYTES:
        _RESTING.append(worker)


def _wanted(made: Tile, block: Block) -> Tile | None:
    """Return the part of a tile that a block wants, if any."""
    rows, columns = _common(made.rows, block.rows), _common(made.columns, block.columns)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    return Tile(rows, columns, made.channel)


def _within(tile: Tile, block: Block) -> Tile:
    """Return a tile as counted from the start of a block."""
    rows, columns = _from(tile.rows, block.rows), _from(tile.columns, block.columns)
    return Tile(rows, columns, tile.channel)


def _common(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _from(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _sizes(tile: Tile) -> tuple[int, int]:
    rows, columns, _ = tile
    return (rows.stop - rows.start, columns.stop - columns.start)


def _is_finite(tile: Values) -> bool:
    """Tell whether all values are finite, by one product that any NaN or infinity spoils.

    It may be spoilt by huge values too: they are then computed tap by tap without need.
    """
    flat = tile.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))

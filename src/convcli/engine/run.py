"""Executes a plan: load, compute and store, a tile at a time, on several threads."""

import math
import queue
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.blas import single_threaded_blas
from convcli.engine.plan import Plan
from convcli.engine.store import Seen, Store
from convcli.engine.tiles import Block, Tile
from convcli.engine.worker import available_cores, rest, worker_for
from convcli.errors import ConvcliError

Values = NDArray[Any]

_WORTH_A_THREAD = 2e6
"""Nanoseconds of estimated work below which a second thread starts too late to help."""


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
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a small one is done

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
    threads = available_cores() if jobs is None else _checked(jobs)
    work = math.prod(plan.problem.result_shape) * plan.cost
    return 1 if work < _WORTH_A_THREAD else min(threads, tiles)


def _checked(jobs: object) -> int:
    if isinstance(jobs, bool) or not isinstance(jobs, Integral) or jobs < 1:
        raise ConvcliError(
            f"jobs: expected a whole number of at least 1, got {jobs!r}: leave it out for one "
            "a core"
        )
    return int(jobs)


def _empty(waiting: "queue.SimpleQueue[Tile]") -> None:
    for _ in _taken(waiting):
        pass


def _work(
    plan: Plan,
    image: Values,
    store: Store,
    waiting: "queue.SimpleQueue[Tile]",
    block: Block | None,
) -> Seen:
    worker = worker_for(plan, block)
    seen = Seen()
    # Infinities and NaNs of a float image are its own affair, not the arithmetic's.
    with np.errstate(over="ignore", invalid="ignore"):
        for tile in _taken(waiting):
            seen += worker.compute(tile, image, store)
    rest(worker)
    return seen


def _taken(waiting: "queue.SimpleQueue[Tile]") -> Iterator[Tile]:
    """Yield tiles until there are none left."""
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return

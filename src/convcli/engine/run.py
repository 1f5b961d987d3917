"""Executes a plan: load, compute and store, a tile at a time, on several threads."""

import functools
from collections import deque
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.blas import single_threaded_blas
from convcli.engine.pixels import Seen
from convcli.engine.plan import Plan
from convcli.engine.store import Store
from convcli.engine.tiles import Block, Tile
from convcli.engine.worker import rest, worker_for
from convcli.errors import ConvcliError
from convcli.threads import available_cores, pool

if TYPE_CHECKING:
    from concurrent.futures import Future

Values = NDArray[Any]


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
    asked = available_cores() if jobs is None else _checked(jobs)
    workers = plan.threads(asked)
    # A block comes with the input of the tiles that it was cut for.
    plan = plan.on(workers) if block is None else plan
    tiles = plan.tiles if block is None else plan.tiles_in(block)
    others = min(workers, len(tiles)) - 1
    work = functools.partial(_work, plan, image, store, block)
    with single_threaded_blas():
        return _shared(work, tiles, others) if others > 0 else work(tiles)


def _shared(work: Callable[[Iterable[Tile]], Seen], tiles: list[Tile], others: int) -> Seen:
    """Work on tiles on other threads too, each taking one when it is done with the last."""
    # Each thread stops at an end. To take a tile is one step, of the interpreter itself.
    waiting: deque[Tile | None] = deque((*tiles, *[None] * (others + 1)))
    promised: list[Future[Seen]] = []
    try:
        # The calling thread works too: another takes a while to wake.
        promised.extend(
            pool(others).submit(work, iter(waiting.popleft, None)) for _ in range(others)
        )
        seen = work(iter(waiting.popleft, None))
    finally:
        # After an interrupt the others stop with the tile that they are at.
        waiting.extendleft([None] * others)
        # One that has not begun has nothing to do; the image is in use until all end.
        begun = [one for one in promised if not one.cancel()]
        for one in begun:
            one.exception()
    return sum((one.result() for one in begun), seen)


def _checked(jobs: object) -> int:
    if isinstance(jobs, bool) or not isinstance(jobs, Integral) or jobs < 1:
        raise ConvcliError(
            f"jobs: expected a whole number of at least 1, got {jobs!r}: leave it out for one "
            "a core"
        )
    return int(jobs)


def _work(
    plan: Plan, image: Values, store: Store, block: Block | None, tiles: Iterable[Tile]
) -> Seen:
    worker = worker_for(plan, block)
    worker.serve(store.rule)
    seen = Seen()
    # Infinities and NaNs of a float image are its own affair, not the arithmetic's.
    with np.errstate(over="ignore", invalid="ignore"):
        for tile in tiles:
            found = worker.compute(tile, image, store.out)
            if found is not None:
                seen += found
    rest(worker)
    return seen

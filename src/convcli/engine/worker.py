"""The threads of a run: each loads tiles, lets the strategy compute, and stores."""

import functools
from collections import deque
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.buffers import Scratch
from convcli.engine.planner import Plan
from convcli.engine.store import Accumulators, Finish, Store, StoreRule, ValueStats
from convcli.engine.strategies import FALLBACK
from convcli.engine.strategies.base import OutputRows, Strategy
from convcli.engine.tiles import Block, Load, Loader, Tile, split
from convcli.errors import ConvcliError
from convcli.threads import available_cores, pool, single_threaded_blas
from convcli.values import Record, replace

if TYPE_CHECKING:
    from concurrent.futures import Future


Values = NDArray[Any]

_KEPT_BYTES = 2**23
"""Buffers of a worker above which it is not kept."""


class _Step(Record):
    """What is done with some output rows of tiles of one shape.

    Attributes
    ----------
    rows : (int, int)
        The first and the last but one, counted from where the tile starts.
    columns : slice
        Of the result.
    compute : callable
        Makes the accumulators.
    direct : callable or None
        Makes them in the result instead, where they need no finish.
    finish : callable or None
        Stores them; None where nobody wants them.
    """

    rows: tuple[int, int]
    columns: slice
    compute: Callable[[], object]
    direct: Callable[[Values], object] | None
    finish: Finish | None


class _TileProgram(Record):
    """What is done with tiles of one shape.

    Attributes
    ----------
    load : callable
        Fills the buffer of the tile.
    steps : list of _Step
        From the top down.
    """

    load: Load
    steps: list[_Step]


class Worker:
    """One thread's buffers, and the way from an image through them to a store.

    All that tiles of one shape have in common is bound once: while one thread is at
    Python's steps, others wait. Five microseconds of them more a tile made sobel-x on two
    threads slower by a fifth.

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
        self._recomputes_nonfinite = plan.recomputes_nonfinite
        self._tile, self._loader = self._feed(plan.strategy, "tile")
        self._parts = plan.strategy.bind(self._tile, self._scratch)
        self._rule: StoreRule | None = None
        self._routes: dict[tuple[int, int, int | None], _TileProgram] = {}

    def _feed(self, strategy: Strategy, name: str) -> tuple[Values, Loader]:
        buffer = self._scratch.take(name, strategy.tile_shape, strategy.working)
        return buffer, Loader(self._plan.problem, buffer, strategy.channels, self.block)

    @property
    def nbytes(self) -> int:
        """Memory of the buffers."""
        return self._scratch.nbytes

    def use_rule(self, rule: StoreRule) -> None:
        """Use `rule` to turn sums into results from now on."""
        if rule is not self._rule and rule != self._rule:
            self._routes.clear()
        self._rule = rule

    def compute(self, tile: Tile, image: Values, out: Values) -> ValueStats | None:
        """Load a tile from an image, compute it and store it in the result."""
        start, channel = tile.rows.start, tile.channel
        route = self._routes.get((tile.rows.stop - start, tile.columns.start, channel))
        if route is None:
            route = self._route(tile)
        if channel is not None:
            image = image[..., channel : channel + 1]
        route.load(image, start)
        if self._recomputes_nonfinite and not _is_finite(self._tile):
            return self._mend(tile, image, out)
        return _done(route.steps, tile, out)

    def _route(self, tile: Tile) -> _TileProgram:
        """Bind all that tiles of that shape, and those columns, have in common."""
        steps = self._bound(self.strategy, self._parts, tile)
        route = _TileProgram(self._loader.bind(tile), steps)
        if self.block is None:
            key = (tile.rows.stop - tile.rows.start, tile.columns.start, tile.channel)
            self._routes[key] = route
        return route

    def _bound(self, strategy: Strategy, parts: list[OutputRows], tile: Tile) -> list[_Step]:
        last = tile.rows.stop
        if self.block is not None:
            last = min(last, self.block.rows.stop)
        steps = []
        for part in parts:
            first = tile.rows.start + part.first
            if first >= last:
                break
            rows = slice(first, min(first + part.rows, tile.rows.stop))
            made = Tile(rows, tile.columns, tile.channel)
            steps.append(self._step(strategy, part, made, tile.rows.start))
        return steps

    def _step(self, strategy: Strategy, part: OutputRows, made: Tile, start: int) -> _Step:
        """Bind a part to what is wanted of some rows of a tile."""
        rule, wanted, place = self._rule, made, made
        assert rule is not None  # noqa: S101 - see use_rule
        if self.block is not None:
            found = _wanted(made, self.block)
            if found is None:
                # The parts below may build on this one.
                return _Step((0, 0), slice(0), part.compute, None, None)
            wanted, place = found, _within(found, self.block)
        rows, columns = _sizes(wanted)
        whole = (rows, columns) == (part.rows, strategy.columns)
        at = (place.rows.start - start, place.rows.stop - start)
        alone = made.channel is None or self._plan.problem.outputs == 1
        if whole and alone and part.direct is not None and rule.is_raw(strategy.working):
            return _Step(at, place.columns, part.compute, part.direct, None)
        top, left = (
            wanted.rows.start - made.rows.start,
            wanted.columns.start - made.columns.start,
        )
        outputs = strategy.outputs
        values = part.values[top : top + rows, left * outputs : (left + columns) * outputs]
        held = Accumulators(values, values)
        if part.around is not None and not top and not left:
            held = Accumulators(values, part.around, part.spare)
        shape = (rows, columns) if made.channel is not None else (rows, columns, outputs)
        finish = rule.finish(held, shape, made.channel, self._scratch)
        return _Step(at, place.columns, part.compute, None, finish)

    def _mend(self, tile: Tile, image: Values, out: Values) -> ValueStats:
        """Compute a tile tap by tap, in pieces of the size that this takes."""
        strategy, loader, parts = self._fallback
        seen = ValueStats()
        for piece in split(tile, strategy.rows, strategy.columns):
            loader.bind(piece)(image, piece.rows.start)
            seen += _done(self._bound(strategy, parts, piece), piece, out) or ValueStats()
        return seen

    @functools.cached_property
    def _fallback(self) -> tuple[Strategy, Loader, list[OutputRows]]:
        problem = self._plan.problem
        if self._plan.strategy.planar:
            problem = replace(problem, shape=(*problem.shape[:2], 1))
        strategy = FALLBACK(problem)
        buffer, loader = self._feed(strategy, "mended")
        return strategy, loader, strategy.bind(buffer, self._scratch)


def _done(steps: list[_Step], tile: Tile, out: Values) -> ValueStats | None:
    """Do what is bound for a tile that is loaded."""
    start = tile.rows.start
    if tile.channel is not None:
        out = out[..., tile.channel]
    seen = None
    for step in steps:
        first, last = step.rows
        if step.direct is not None:
            part = out[start + first : start + last, step.columns]
            step.direct(part.reshape(last - first, -1, copy=False))
            continue
        step.compute()
        if step.finish is not None:
            found = step.finish(out[start + first : start + last, step.columns])
            if found is not None:
                seen = found if seen is None else seen + found
    return seen


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


def park_worker(worker: Worker) -> None:
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
    rows, columns = tile.rows, tile.columns
    return (rows.stop - rows.start, columns.stop - columns.start)


def _is_finite(tile: Values) -> bool:
    """Tell whether all values are finite, by one product that any NaN or infinity spoils.

    It may be spoilt by huge values too: they are then computed tap by tap without need.
    """
    flat = tile.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(flat, flat)))


def run(
    plan: Plan,
    image: Values,
    store: Store,
    jobs: int | None = None,
    block: Block | None = None,
) -> ValueStats:
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
    ValueStats
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


def _shared(
    work: Callable[[Iterable[Tile]], ValueStats], tiles: list[Tile], others: int
) -> ValueStats:
    """Work on tiles on other threads too, each taking one when it is done with the last."""
    # Each thread stops at an end. To take a tile is one step, of the interpreter itself.
    waiting: deque[Tile | None] = deque((*tiles, *[None] * (others + 1)))
    promised: list[Future[ValueStats]] = []
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
) -> ValueStats:
    worker = worker_for(plan, block)
    worker.use_rule(store.rule)
    seen = ValueStats()
    # Infinities and NaNs of a float image are its own affair, not the arithmetic's.
    with np.errstate(over="ignore", invalid="ignore"):
        for tile in tiles:
            found = worker.compute(tile, image, store.out)
            if found is not None:
                seen += found
    park_worker(worker)
    return seen

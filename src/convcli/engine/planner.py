"""The planner: chooses how a problem is computed, from the problem alone."""

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import padded_sources
from convcli.choices import Method, Range
from convcli.engine.buffers import Scratch, round_up
from convcli.engine.compiled import least_saving, may_compile, worth_compiling
from convcli.engine.problem import Problem
from convcli.engine.store import Inner, StoreRule
from convcli.engine.strategies import COMPILED, STRATEGIES
from convcli.engine.strategies.base import Strategy
from convcli.errors import ConvcliError
from convcli.values import Record, asdict, replace


class Tile(Record):
    """Outputs that are computed together: of one channel, or of all (None)."""

    rows: slice
    columns: slice
    channel: int | None = None


def split_tile(
    down: slice, across: slice, channel: int | None, strategy: Strategy
) -> list[Tile]:
    """Cut some rows and columns of outputs into the tiles of a strategy."""
    rows, columns = _pieces(down, strategy.rows), _pieces(across, strategy.columns)
    return [Tile(y, x, channel) for y in rows for x in columns]


def _pieces(part: slice, step: int) -> list[slice]:
    starts = range(part.start, part.stop, step)
    return [slice(start, min(start + step, part.stop)) for start in starts]


class Block(Record):
    """A part of a result, and the part of the image that the same tiles compute it from.

    `rows` and `columns` are the outputs; `held_rows` and `held_columns` the rows and columns of
    the image that are held, in order: at least those that the tiles of the outputs read.
    """

    rows: slice
    columns: slice
    held_rows: NDArray[np.intp]
    held_columns: NDArray[np.intp]


_MARGIN = 0.1  # raw values so far beyond their limits, by rounding errors, round to a limit
_WORTH_A_THREAD = 1e6  # nanoseconds of work below which a second thread wakes too late


class Candidate(Record):
    """A strategy that was considered: the time of an output value, or why it cannot serve."""

    strategy: str
    method: str
    ns_per_value: float | None
    refusal: str | None


class Plan(Record):
    """How a problem is computed, why, and the estimated nanoseconds of an output value."""

    problem: Problem
    method: Method
    strategy: Strategy
    why: str
    cost: float

    # A problem has one plan; caches use it as their key.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def considered(self) -> tuple[Candidate, ...]:
        """All strategies of the method that was asked for."""
        costs = _costs(STRATEGIES, self.problem, self.method)
        if may_compile():
            for each, cost in _costs(COMPILED, self.problem, self.method).items():
                is_chosen = isinstance(self.strategy, COMPILED)
                pays = is_chosen or isinstance(cost, str) or cost >= self.cost
                costs[each] = cost if pays else "numba starts longer than it would save"
        return tuple(
            Candidate(each.name, each.method.value, None, cost)
            if isinstance(cost, str)
            else Candidate(each.name, each.method.value, cost, None)
            for each, cost in costs.items()
        )

    def on(self, jobs: int) -> "Plan":
        """Return the plan for a number of threads: the same result, in other tiles."""
        return self._threaded if self.threads(jobs) > 1 else self

    def threads(self, jobs: int) -> int:
        """Return how many of `jobs` threads there is enough work for."""
        work = math.prod(self.problem.result_shape) * self.cost
        return 1 if work < _WORTH_A_THREAD else min(jobs, self.tile_count)

    @functools.cached_property
    def _threaded(self) -> "Plan":
        strategy = self.strategy.threaded()
        return self if strategy is self.strategy else replace(self, strategy=strategy)

    @functools.cached_property
    def tiles(self) -> list[Tile]:
        """The tiles of the whole result, made once: to make 48 takes 1 % of sobel-x."""
        return self.tiles_in(None)

    @property
    def tile_count(self) -> int:
        """How many tiles there are."""
        rows, columns, channels = self.problem.result_shape
        strategy = self.strategy
        tiles = -(-rows // strategy.rows) * -(-columns // strategy.columns)
        return tiles * channels if strategy.planar else tiles

    def tiles_in(self, block: Block | None) -> list[Tile]:
        """Return the tiles of a block, or all: by channels, from the top, from the left."""
        height, width, channels = self.problem.result_shape
        rows, columns = (slice(0, height), slice(0, width))
        if block is not None:
            rows, columns = self._covered(block.rows, block.columns)
        return [
            tile
            for channel in (range(channels) if self.strategy.planar else (None,))
            for tile in split_tile(rows, columns, channel, self.strategy)
        ]

    def _covered(self, *outputs: slice) -> list[slice]:
        """Return the rows and the columns of all tiles that hold some outputs."""
        steps, sizes = (self.strategy.rows, self.strategy.columns), self.problem.result_shape
        return [
            slice(part.start // step * step, min(round_up(part.stop, step), size))
            for part, step, size in zip(outputs, steps, sizes, strict=False)
        ]

    def block_of(self, rows: slice, columns: slice) -> Block:
        """Return some outputs as a block, with the rows and columns of the image it needs."""
        problem, parts = self.problem, self._covered(rows, columns)
        sources = padded_sources(problem.border, problem.shape, problem.window)
        axes = zip(sources, problem.window.axes, parts, strict=True)
        held = [np.unique(padded[axis.inputs(part)]) for padded, axis, part in axes]
        return Block(rows, columns, *(positions[positions >= 0] for positions in held))

    def memory_bytes(self, jobs: int) -> int:
        """Estimate the memory beside image and result: the buffers of a number of threads."""
        plan, scratch = self.on(jobs), Scratch()
        tile = scratch.take("tile", plan.strategy.tile_shape, plan.strategy.working)
        plan.strategy.bind(tile, scratch)
        return scratch.nbytes * plan.threads(jobs)

    def as_dict(self, jobs: int) -> dict[str, Any]:
        """Return the plan as plain JSON values, for a number of threads."""
        plan = self.on(jobs)
        strategy = plan.strategy
        return {
            "kernel": self.problem.kernel.name,
            "strategy": strategy.name,
            "method": strategy.method.value,
            "why": self.why,
            "considered": [asdict(candidate) for candidate in self.considered],
            "tile": {"rows": strategy.rows, "columns": strategy.columns},
            "tiles": plan.tile_count,
            "working_dtype": self.strategy.working.name,
            "jobs": jobs,
            "memory_bytes": self.memory_bytes(jobs),
        }


@functools.lru_cache(maxsize=64)
def rule_for(
    chosen: Plan,
    dtype: np.dtype[Any],
    pixels: Range | None = None,
    *,
    collect_stats: bool = True,
    inner: Inner | None = None,
) -> StoreRule:
    """Return the rule by which accumulators of a plan become results of a dtype."""
    problem = chosen.problem
    limits = (problem.limits[0] + _MARGIN, problem.limits[1] - _MARGIN)
    divisor, bias = chosen.strategy.divisor, problem.kernel.bias
    return StoreRule(dtype, divisor, bias, pixels, limits, collect_stats, inner)


def choose_plan(problem: Problem, method: str | Method = Method.AUTO) -> Plan:
    """Return the plan of the cheapest strategy of a method, or raise a `ConvcliError`."""
    try:
        named = Method(method)
    except ValueError:
        known = ", ".join(method.value for method in Method)
        raise ConvcliError(f"method: expected one of {known}; got {method!r}") from None
    shared = _plan(problem, named, least_saving())
    # Equal problems share a plan, but kernels of equal weights may have other names.
    planned, kernel = shared.problem.kernel, problem.kernel
    if (planned.name, planned.description) == (kernel.name, kernel.description):
        return shared
    return replace(shared, problem=problem)


@functools.lru_cache(maxsize=64)
def _plan(problem: Problem, method: Method, threshold: float) -> Plan:
    found = _costs(STRATEGIES, problem, method)
    costs = _serving(found)
    if not costs:
        reasons = "; ".join(f"{each.name}: {reason}" for each, reason in found.items())
        raise ConvcliError(f"method {method.value} cannot serve here ({reasons}): use auto")
    plain = min(costs, key=costs.__getitem__)
    cost, values = costs[plain], math.prod(problem.result_shape)
    if cost * values >= threshold:
        faster = _serving(_costs(COMPILED, problem, method))
        best, least = min(faster.items(), key=lambda item: item[1], default=(plain, cost))
        if least < cost and worth_compiling((cost - least) * values):
            factor = f"{cost / least:.1f} times faster than {plain.name}"
            why = f"compiled by numba: {factor}, estimated"
            return Plan(problem, method, best(problem), why, least)
    return Plan(problem, method, plain(problem), _why(costs, method), cost)


def _costs(
    strategies: Iterable[type[Strategy]], problem: Problem, method: Method
) -> dict[type[Strategy], float | str]:
    """Return the cost of each strategy of a method, or why it cannot serve."""
    return {
        each: each.cost(problem) for each in strategies if method in (Method.AUTO, each.method)
    }


def _serving(found: dict[type[Strategy], float | str]) -> dict[type[Strategy], float]:
    return {each: cost for each, cost in found.items() if not isinstance(cost, str)}


def _why(costs: dict[type[Strategy], float], method: Method) -> str:
    """Say why the strategy of the least cost was chosen."""
    least, *others = sorted(costs, key=costs.__getitem__)
    if not others:
        forced = "" if method is Method.AUTO else f" of method {method.value}"
        return f"the only strategy{forced} that can serve"
    if not costs[least]:
        return "there is nothing to compute"
    factor = costs[others[0]] / costs[least]
    return f"the cheapest: {factor:.1f} times faster than {others[0].name}, estimated"

"""The planner: chooses how a problem is computed, from the problem alone."""

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine.buffers import Scratch
from convcli.engine.compiled import may_compile, preference, worth_compiling
from convcli.engine.problem import Problem
from convcli.engine.store import StoreRule, ValueRange
from convcli.engine.strategies import COMPILED, STRATEGIES
from convcli.engine.strategies.base import Strategy
from convcli.engine.tiles import Block, Tile, covered, padded_sources, sources_of, tiles_of
from convcli.errors import ConvcliError
from convcli.geometry.window import Axis
from convcli.values import Record, replace

_MARGIN = 0.1
"""Raw values this far beyond their limits still round to a limit. Weights that should sum to 1
sum to a little more or less."""

_WORTH_A_THREAD = 1e6
"""Nanoseconds of estimated work below which a second thread wakes too late to help."""


class Candidate(Record):
    """A strategy that was considered: the time of an output value, or why it cannot serve."""

    name: str
    method: Method
    nanoseconds: float | None
    refusal: str


class Plan(Record):
    """How a problem is computed. To run a plan takes no further decision.

    Attributes
    ----------
    problem : Problem
        The problem.
    method : Method
        The method that was asked for.
    strategy : Strategy
        The chosen strategy.
    why : str
        The reason of the choice.
    cost : float
        The estimated nanoseconds of an output value, on one thread.
    """

    problem: Problem
    method: Method
    strategy: Strategy
    why: str
    cost: float

    # A problem has one plan; caches use it as their key.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def working(self) -> np.dtype[Any]:
        """The dtype that tiles and accumulators have."""
        return self.strategy.working

    @property
    def considered(self) -> tuple[Candidate, ...]:
        """All strategies of the method that was asked for."""
        compiled = _compiled_candidates(self) if may_compile() else []
        plain = [_candidate(each, self.problem) for each in _strategies(self.method)]
        return (*plain, *compiled)

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
        """The tiles of the whole result."""
        return self.tiles_in(None)

    @property
    def tile_count(self) -> int:
        """How many tiles there are."""
        rows, columns, channels = self.problem.result_shape
        strategy = self.strategy
        tiles = -(-rows // strategy.rows) * -(-columns // strategy.columns)
        return tiles * channels if strategy.planar else tiles

    def tiles_in(self, block: Block | None) -> list[Tile]:
        """Return the tiles that hold the outputs of a block, or all tiles."""
        strategy = self.strategy
        return tiles_of(
            self.problem,
            strategy.rows,
            strategy.columns,
            planar=strategy.planar,
            block=block,
        )

    def block_of(self, rows: slice, columns: slice) -> Block:
        """Return some outputs as a block, with the rows and columns of the image that it needs.

        Examples
        --------
        >>> from convcli.engine.problem import problem_for
        >>> from convcli.geometry.window import window
        >>> from convcli.kernels.kernel import Kernel
        >>> problem = problem_for(
        ...     (100_000, 8, 1), np.dtype(np.uint8), Kernel([[1], [1], [1]]), window((3, 1))
        ... )
        >>> len(choose_plan(problem).block_of(slice(0, 5), slice(0, 8)).held_rows) < 100_000
        True
        """
        down, across = self.problem.window.axes
        height, width, _ = self.problem.result_shape
        padded_rows, padded_columns = padded_sources(self.problem)
        return Block(
            rows,
            columns,
            _held(down, covered(rows, self.strategy.rows, height), padded_rows),
            _held(across, covered(columns, self.strategy.columns, width), padded_columns),
        )

    @property
    def scratch_bytes(self) -> int:
        """Memory of the buffers of one thread."""
        scratch = Scratch()
        tile = scratch.take("tile", self.strategy.tile_shape, self.working)
        self.strategy.bind(tile, scratch)
        return scratch.nbytes

    def memory_bytes(self, jobs: int) -> int:
        """Estimate the memory beside image and result, on a number of threads."""
        choose_plan = self.on(jobs)
        return choose_plan.scratch_bytes * choose_plan.threads(jobs)

    def as_dict(self, jobs: int) -> dict[str, Any]:
        """Return the plan as plain JSON values, for a number of threads."""
        choose_plan = self.on(jobs)
        strategy = choose_plan.strategy
        return {
            "kernel": self.problem.kernel.name,
            "strategy": strategy.name,
            "method": strategy.method.value,
            "why": self.why,
            "considered": [
                {
                    "strategy": candidate.name,
                    "method": candidate.method.value,
                    "ns_per_value": candidate.nanoseconds,
                    "refusal": candidate.refusal or None,
                }
                for candidate in self.considered
            ],
            "tile": {"rows": strategy.rows, "columns": strategy.columns},
            "tiles": choose_plan.tile_count,
            "working_dtype": self.working.name,
            "jobs": jobs,
            "memory_bytes": self.memory_bytes(jobs),
        }


@functools.lru_cache(maxsize=64)
def rule_for(
    chosen: Plan,
    dtype: np.dtype[Any],
    pixels: ValueRange | None = None,
    *,
    collect_stats: bool = True,
) -> StoreRule:
    """Return the rule by which accumulators of a plan become results of a dtype."""
    problem = chosen.problem
    limits = (problem.limits[0] + _MARGIN, problem.limits[1] - _MARGIN)
    divisor, bias = chosen.strategy.divisor, problem.kernel.bias
    return StoreRule(dtype, divisor, bias, pixels, limits, collect_stats)


def _held(axis: Axis, outputs: slice, padded: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the positions of an axis of the image that some outputs read, in order."""
    positions = np.unique(sources_of(axis, outputs, padded))
    return positions[positions >= 0]


def method_named(name: str | Method) -> Method:
    """Return the method of a name, or raise a `ConvcliError`."""
    try:
        return Method(name)
    except ValueError:
        known = ", ".join(method.value for method in Method)
        raise ConvcliError(f"method: expected one of {known}; got {name!r}") from None


def choose_plan(problem: Problem, method: Method = Method.AUTO) -> Plan:
    """Choose how to compute a problem: the cheapest strategy that can serve.

    Parameters
    ----------
    problem : Problem
        The problem.
    method : Method
        The method of the strategy; `Method.AUTO` leaves it to the planner.

    Raises
    ------
    ConvcliError
        If no strategy of that method can serve the problem.
    """
    shared = _plan(problem, method)
    shared = _compiled_plan(shared) or shared
    # Equal problems share a plan, but kernels of equal weights may have other names.
    planned, kernel = shared.problem.kernel, problem.kernel
    if (planned.name, planned.description) == (kernel.name, kernel.description):
        return shared
    return replace(shared, problem=problem)


@functools.lru_cache(maxsize=64)
def _plan(problem: Problem, method: Method) -> Plan:
    costs, refusals = {}, []
    for each in _strategies(method):
        reason = each.refusal(problem)
        if reason:
            refusals.append(f"{each.name}: {reason}")
        else:
            costs[each] = each.cost(problem)
    if not costs:
        reasons = "; ".join(refusals)
        raise ConvcliError(f"method {method.value} cannot serve here ({reasons}): use auto")
    chosen = min(costs, key=costs.__getitem__)
    return Plan(problem, method, chosen(problem), _why(costs, method), costs[chosen])


def _compiled_plan(plain: Plan) -> Plan | None:
    """Return a plan with a compiled strategy, where that takes less time with its start."""
    problem, method = plain.problem, plain.method
    preference()  # a wrong one is an error everywhere
    costs = {
        each: each.cost(problem)
        for each in COMPILED
        if method in (Method.AUTO, each.method) and not each.refusal(problem)
    }
    chosen = min(costs, key=costs.__getitem__, default=None)
    if chosen is None:
        return None
    saved = (plain.cost - costs[chosen]) * math.prod(problem.result_shape)
    if saved <= 0 or not worth_compiling(saved):
        return None
    return _planned_with(plain, chosen, costs[chosen])


@functools.lru_cache(maxsize=64)
def _planned_with(plain: Plan, chosen: type[Strategy], cost: float) -> Plan:
    why = f"compiled by numba: {plain.cost / cost:.1f} times faster than {plain.strategy.name}"
    strategy = chosen(plain.problem)
    return Plan(plain.problem, plain.method, strategy, f"{why}, estimated", cost)


def _strategies(method: Method) -> list[type[Strategy]]:
    return [each for each in STRATEGIES if method in (Method.AUTO, each.method)]


def _compiled_candidates(plan: Plan) -> list[Candidate]:
    """Return the compiled strategies; one that is cheaper, but was not chosen, does not pay."""
    found = [
        _candidate(each, plan.problem)
        for each in COMPILED
        if plan.method in (Method.AUTO, each.method)
    ]
    if isinstance(plan.strategy, COMPILED):
        return found
    return [
        each
        if each.nanoseconds is None or each.nanoseconds >= plan.cost
        else replace(each, nanoseconds=None, refusal="numba starts longer than it would save")
        for each in found
    ]


def _candidate(strategy: type[Strategy], problem: Problem) -> Candidate:
    refusal = strategy.refusal(problem)
    cost = None if refusal else strategy.cost(problem)
    return Candidate(strategy.name, strategy.method, cost, refusal)


def _why(costs: dict[type[Strategy], float], method: Method) -> str:
    """Say why the strategy of the least cost was chosen."""
    (_, least), *others = sorted(costs.items(), key=lambda item: item[1])
    if not others:
        forced = "" if method is Method.AUTO else f" of method {method.value}"
        return f"the only strategy{forced} that can serve"
    if not least:
        return "there is nothing to compute"
    following, cost = others[0]
    return f"the cheapest: {cost / least:.1f} times faster than {following.name}, estimated"

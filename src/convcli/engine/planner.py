"""From a problem to how it is computed: decided once, from the problem alone."""

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine.buffers import Scratch
from convcli.engine.problem import Problem
from convcli.engine.store import Store, StoreRule, ValueRange
from convcli.engine.strategies import STRATEGIES
from convcli.engine.strategies.base import Strategy
from convcli.engine.tiles import Block, Tile, covered, padded_sources, sources_of, tiles_of
from convcli.errors import ConvcliError
from convcli.geometry.window import Axis
from convcli.values import Record, replace

_HAIR = 0.1

_WORTH_A_THREAD = 1e6
"""Nanoseconds of estimated work below which a second thread wakes too late to help."""


class Candidate(Record):
    """A strategy that was considered.

    Attributes
    ----------
    name : str
        The strategy.
    method : Method
        Its kind.
    nanoseconds : float or None
        Estimated time an output value, on one thread; None where it cannot serve.
    refusal : str
        Why it cannot serve; empty where it can.
    """

    name: str
    method: Method
    nanoseconds: float | None
    refusal: str


class Plan(Record, cached=True):
    """How a problem is computed. Executing it takes no further decision.

    Attributes
    ----------
    problem : Problem
        What is computed.
    strategy : Strategy
        How.
    considered : tuple of Candidate
        All strategies of the asked-for method, in the order of the registry.
    why : str
        The reason of the choice.
    cost : float
        The estimated nanoseconds of an output value, on one thread.
    """

    problem: Problem
    strategy: Strategy
    considered: tuple[Candidate, ...]
    why: str
    cost: float

    # Of a problem there is one plan, and it is the key of much.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def working(self) -> np.dtype[Any]:
        """The dtype that tiles and accumulators have."""
        return self.strategy.working

    def on(self, jobs: int) -> "Plan":
        """Return the plan as so many threads execute it: the same result, in other tiles."""
        return self._threaded if self.threads(jobs) > 1 else self

    def threads(self, jobs: int) -> int:
        """Return how many of so many threads there is work for."""
        work = math.prod(self.problem.result_shape) * self.cost
        return 1 if work < _WORTH_A_THREAD else min(jobs, self.tile_count)

    @functools.cached_property
    def _threaded(self) -> "Plan":
        strategy = self.strategy.threaded()
        return self if strategy is self.strategy else replace(self, strategy=strategy)

    @functools.cached_property
    def tiles(self) -> list[Tile]:
        """The tiles, which no number of threads changes."""
        strategy = self.strategy
        return tiles_of(self.problem, strategy.rows, strategy.columns, planar=strategy.planar)

    @property
    def tile_count(self) -> int:
        """How many tiles there are."""
        rows, columns, channels = self.problem.result_shape
        one = self.strategy
        return (
            -(-rows // one.rows) * -(-columns // one.columns) * (channels if one.planar else 1)
        )

    def tiles_in(self, block: Block) -> list[Tile]:
        """Return the tiles that the outputs of a block lie in."""
        one = self.strategy
        return tiles_of(self.problem, one.rows, one.columns, planar=one.planar, block=block)

    def block_of(self, rows: slice, columns: slice) -> Block:
        """Return some outputs as a block, with what of the image they are computed from.

        Examples
        --------
        >>> from convcli.kernels.kernel import Kernel
        >>> from convcli.geometry.window import window
        >>> from convcli.engine.problem import problem_for
        >>> kernel = Kernel([[1], [1], [1]])
        >>> slide = window(kernel.size, padding="same")
        >>> tall = plan(problem_for((100_000, 8, 1), np.dtype(np.uint8), kernel, slide))
        >>> block = tall.block_of(slice(0, 5), slice(0, 8))
        >>> int(block.held_rows[0]), len(block.held_rows) < 100_000
        (0, True)
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

    def store(
        self, out: NDArray[Any], pixels: ValueRange | None = None, *, collect_stats: bool = True
    ) -> Store:
        """Return the store that finishes this plan's accumulators into `out`."""
        return Store(out, _rule(self, out.dtype, pixels, collect_stats=collect_stats))

    @functools.cached_property
    def recomputes_nonfinite(self) -> bool:
        """Whether tiles with a NaN or an infinity are computed tap by tap instead."""
        return self.problem.dtype.kind == "f" and not self.strategy.local

    @property
    def scratch_bytes(self) -> int:
        """Memory that one thread works in."""
        scratch = Scratch()
        tile = scratch.take("tile", self.strategy.tile_shape, self.working)
        self.strategy.bind(tile, scratch)
        return scratch.nbytes

    def memory_bytes(self, jobs: int) -> int:
        """Estimate the memory beside image and result, on so many threads."""
        used = self.on(jobs)
        return used.scratch_bytes * used.threads(jobs)

    def as_dict(self, jobs: int) -> dict[str, Any]:
        """Return the plan as plain JSON values, for so many threads."""
        used = self.on(jobs)
        strategy = used.strategy
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
            "tiles": used.tile_count,
            "working_dtype": self.working.name,
            "jobs": jobs,
            "memory_bytes": self.memory_bytes(jobs),
        }


@functools.lru_cache(maxsize=64)
def _rule(
    chosen: Plan, dtype: np.dtype[Any], pixels: ValueRange | None, *, collect_stats: bool
) -> StoreRule:
    problem = chosen.problem
    # Weights that sum to 1 do so only nearly: a hair beyond white rounds to white.
    limits = (problem.limits[0] + _HAIR, problem.limits[1] - _HAIR)
    divisor, bias = chosen.strategy.divisor, problem.kernel.bias
    return StoreRule(dtype, divisor, bias, pixels, limits, collect_stats)


def _held(axis: Axis, outputs: slice, padded: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return which places of an image some outputs read, in order."""
    read = np.unique(sources_of(axis, outputs, padded))
    return read[read >= 0]


def method_named(name: str | Method) -> Method:
    """Return the method of that name.

    Raises
    ------
    ConvcliError
        If there is none.
    """
    try:
        return Method(name)
    except ValueError:
        known = ", ".join(method.value for method in Method)
        raise ConvcliError(f"method: expected one of {known}; got {name!r}") from None


def plan(problem: Problem, method: Method = Method.AUTO) -> Plan:
    """Choose how to compute a problem: the cheapest strategy that can serve.

    Parameters
    ----------
    problem : Problem
        What is to be computed.
    method : Method
        The kind of strategy to take; `Method.AUTO` leaves it to the planner.

    Returns
    -------
    Plan

    Raises
    ------
    ConvcliError
        If no strategy of that method can serve the problem.
    """
    found = _plan(problem, method)
    # Equal problems share a plan; kernels of equal weights keep their own names in it.
    known, asked = found.problem.kernel, problem.kernel
    if (known.name, known.description) == (asked.name, asked.description):
        return found
    return replace(found, problem=problem)


@functools.lru_cache(maxsize=64)
def _plan(problem: Problem, method: Method) -> Plan:
    kinds = [kind for kind in STRATEGIES if method in (Method.AUTO, kind.method)]
    considered = tuple(_candidate(kind, problem) for kind in kinds)
    costs = {c.name: c.nanoseconds for c in considered if c.nanoseconds is not None}
    if not costs:
        reasons = "; ".join(f"{c.name}: {c.refusal}" for c in considered)
        raise ConvcliError(f"method {method.value} cannot serve here ({reasons}): use auto")
    name = min(costs, key=costs.__getitem__)
    chosen = next(kind for kind in kinds if kind.name == name)
    return Plan(problem, chosen(problem), considered, _why(name, costs, method), costs[name])


def _candidate(kind: type[Strategy], problem: Problem) -> Candidate:
    refusal = kind.refusal(problem)
    return Candidate(kind.name, kind.method, None if refusal else kind.cost(problem), refusal)


def _why(name: str, costs: dict[str, float], method: Method) -> str:
    others = sorted(cost for other, cost in costs.items() if other != name)
    if not others:
        forced = "" if method is Method.AUTO else f" of method {method.value}"
        return f"the only strategy{forced} that can serve"
    if not costs[name]:
        return "there is nothing to compute"
    return f"the cheapest: {others[0] / costs[name]:.1f} times faster than the next, estimated"

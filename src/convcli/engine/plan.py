"""From a problem to how it is computed: decided once, from the problem alone."""

import enum
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.problem import Problem, natural_result
from convcli.engine.tiles import input_rows
from convcli.errors import ConvcliError

_TILE_BYTES = 2**20
"""Padded input of one tile: about half of a common L2 cache."""

_FLOAT32_DIGITS = 2**24
"""Up to here every whole number is a float32."""


class Method(enum.Enum):
    """The strategies, by the names that a person chooses them with."""

    AUTO = "auto"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a problem is computed. Executing it takes no further decision.

    Attributes
    ----------
    problem : Problem
        What is computed.
    method : Method
        The strategy.
    weights : ndarray
        The weights, or their integer form, in the working dtype.
    divisor : float
        What the accumulators are divided by at the end.
    rows : int
        Output rows a tile.
    """

    problem: Problem
    method: Method
    weights: NDArray[Any]
    divisor: float
    rows: int

    @property
    def working(self) -> np.dtype[Any]:
        """The dtype that tiles and accumulators have."""
        return self.weights.dtype


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


@functools.lru_cache(maxsize=64)
def plan(problem: Problem, method: Method = Method.AUTO) -> Plan:
    """Choose how to compute a problem.

    Parameters
    ----------
    problem : Problem
        What is to be computed.
    method : Method
        A strategy to force; `Method.AUTO` leaves the choice to the planner.

    Returns
    -------
    Plan
    """
    working = _working_dtype(problem)
    weights, divisor = _weights(problem)
    return Plan(
        problem=problem,
        method=Method.DIRECT if method is Method.AUTO else method,
        weights=weights.astype(working),
        divisor=divisor,
        rows=_tile_rows(problem, working),
    )


def _weights(problem: Problem) -> tuple[NDArray[Any], float]:
    """Return integers and their divisor for integer images: their sums are exact."""
    form = problem.kernel.integer_form
    if form is None or problem.dtype.kind == "f":
        return problem.kernel.weights, 1.0
    return form.integers, form.divisor


def _working_dtype(problem: Problem) -> np.dtype[Any]:
    """Return float32 where it loses no digit that the result could show, else float64."""
    wide = natural_result(problem.dtype) == np.float64 or problem.result == np.float64
    wide_integers = problem.result.kind in "iu" and natural_result(problem.result) == np.float64
    if wide or wide_integers or _largest_sum(problem) >= _FLOAT32_DIGITS:
        return np.dtype(np.float64)
    return np.dtype(np.float32)


def _largest_sum(problem: Problem) -> float:
    """Return the largest accumulator of an exact integer problem; 0 for all others."""
    form = problem.kernel.integer_form
    if form is None or problem.dtype.kind == "f":
        return 0.0
    largest = 1 if problem.dtype.kind == "b" else -int(np.iinfo(problem.dtype).min)
    if problem.dtype.kind == "u":
        largest = int(np.iinfo(problem.dtype).max)
    weights = np.abs(form.integers).reshape(problem.kernel.filters, -1)
    return float(weights.sum(axis=1).max()) * max(largest, abs(problem.fill))


def _tile_rows(problem: Problem, working: np.dtype[Any]) -> int:
    (left, right), channels = problem.window.padding[1], problem.shape[2]
    row = (problem.shape[1] + left + right) * max(channels, problem.outputs) * working.itemsize
    halo = input_rows(problem, 1)
    fitting = max(_TILE_BYTES // row, 2 * halo) - halo
    return int(min(max(fitting // problem.window.rows.stride, 1), problem.result_shape[0]))

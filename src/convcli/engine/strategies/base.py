"""A strategy: one way to compute a problem, prepared from that alone; and what work costs."""

import abc
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from convcli.choices import Method
from convcli.engine.buffers import Scratch, Values
from convcli.engine.problem import Problem
from convcli.engine.store import Accumulators, StoreRule
from convcli.values import Record


class OutputRows(Record):
    """Some output rows of a tile, computed together; the `first` counts from that of the tile.

    `compute` computes their sums, `accumulators`, which are valid until other rows are
    computed. `direct`, if any, computes them into an array of that shape and dtype whose rows
    are contiguous.
    """

    first: int
    accumulators: Accumulators
    compute: Callable[[], object]
    direct: Callable[[Values], None] | None = None

    @classmethod
    def directly(
        cls,
        first: int,
        values: Values,
        direct: Callable[[Values], None],
        around: Values | None = None,
    ) -> "OutputRows":
        """Return output rows that `direct` computes: into `values`, or into the result."""
        accumulators = Accumulators(values, values if around is None else around)
        return cls(first, accumulators, functools.partial(direct, values), direct)


class Strategy(abc.ABC):
    """One way to compute a problem: an instance never changes, and all threads share it.

    A tile is always computed in full; outputs beyond the end of the result are dropped.
    """

    name: ClassVar[str]
    method: ClassVar[Method]

    exact: ClassVar[bool] = True
    """Whether sums of whole numbers stay whole; a strategy rounds them where they do not."""

    local: bool = False  # a NaN or an infinity reaches only outputs whose window holds it
    planar: bool = False  # a tile holds one channel, not all of them side by side
    reads_image: bool = False  # it reads the image itself, through `ImageRows`
    takes_parts: bool = False  # `OutputRows.direct` may compute a part of its rows and columns

    problem: Problem
    rows: int  # outputs of a tile
    columns: int
    working: np.dtype[Any]  # of tiles and accumulators
    divisor: float = 1.0  # accumulators divided by it are the sums
    channels: int  # of a tile, side by side
    outputs: int  # channels of the accumulators

    @classmethod
    @abc.abstractmethod
    def cost(cls, problem: Problem) -> float | str:
        """Estimate the nanoseconds of an output on one thread, or say why it cannot serve."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.working = problem.natural_working if self.exact else problem.rounded_working
        self.divisor = problem.exact_weights[1]
        self.channels = 1 if self.planar else problem.shape[2]
        self.outputs = 1 if self.planar else problem.outputs

    @abc.abstractmethod
    def bind(self, tile: Any, scratch: Scratch) -> list[OutputRows]:
        """Make what a worker needs to compute output rows from a tile, or an `ImageRows`."""

    def round_whole(self, sums: Values) -> None:
        """Round sums in place where they are known to be whole numbers; leave all others."""
        if self.problem.is_integer:
            np.rint(sums, out=sums)

    def stores_directly(self, rule: StoreRule, sums: np.dtype[Any]) -> bool:
        """Tell whether `OutputRows.direct` computes what a rule stores of sums of a dtype."""
        return rule.is_raw(sums)

    def threaded(self) -> "Strategy":
        """Return the strategy for several threads: the same values, in other tiles."""
        return self

    @functools.cached_property
    def tile_shape(self) -> tuple[int, int]:
        """Rows of a tile, and values a row, with padding and halo; or what a strategy sets."""
        down, across = self.problem.window.axes
        return (down.input_size(self.rows), across.input_size(self.columns) * self.channels)


def even_tile(size: int, most: int, unit: int = 1) -> int:
    """Return the length of equal pieces of `size`: at most `most`, a multiple of `unit`."""
    pieces = -(-size // most)
    return -(-size // (pieces * unit)) * unit


# ------------------------------------------------------------------ what work costs
#
# All are nanoseconds on one thread, from runs of the strategies on 12 megapixels; tables give
# them by the dtype that is computed in. ``python benchmarks/calibrate.py`` measures each kind
# of work on its own, and prints such constants for another machine. Only their ratios decide
# between strategies.


def _rate(**values: float) -> Mapping[np.dtype[Any], float]:
    return {np.dtype(name): value for name, value in values.items()}


# One ufunc over a value: of a flat buffer in the cache; of a view with long rows; with gaps.
FLAT_PASS = _rate(int16=0.08, uint16=0.08, int32=0.13, float32=0.13, float64=0.3)
LINE_PASS = _rate(float32=0.2, float64=0.4)
STRIDED_PASS = _rate(float32=0.8, float64=0.9)
# Casting a value from the image, in memory, into a tile; and into the result.
LOAD = _rate(int16=0.15, uint16=0.15, int32=0.3, float32=0.35, float64=0.7)
STORE = _rate(int16=0.2, uint16=0.2, int32=0.3, float32=0.45, float64=0.9)
# One multiply-add of a product small enough not to be packed; of a banded one, zeros included.
PRODUCT = _rate(float32=0.012, float64=0.024)
BAND_PRODUCT = _rate(float32=0.03, float64=0.06)
# One multiply-add of a product whose operands are gathered first; and one of its sums.
SCATTERED_PRODUCT = _rate(float32=0.2, float64=0.4)
SCATTERED_SUM = _rate(float32=4.0, float64=4.5)
SUMMED_PASS = _rate(float32=0.27, float64=0.5)  # one tap of einsum, added to the sum
COPY = _rate(float32=0.3, float64=0.6)  # moving a value into another order
TRANSFORM = _rate(float32=8.0, float64=25.0)  # a point of a Fourier transform, there and back
BYTE = 0.06  # one byte of the result, where it is stored as it is computed
CALL = 1000.0  # one call of NumPy from Python
RUN = 25.0  # one more run of values in a call that works on many runs


def transfer(problem: Problem, working: np.dtype[Any], overlap: float = 1.0) -> float:
    """Estimate loading and storing an output value; inputs are loaded `overlap` times."""
    down, across = problem.window.axes
    inputs = overlap * down.stride * across.stride * problem.shape[2] / problem.outputs
    return inputs * LOAD[working] + STORE[working]


def calls(problem: Problem, count: float) -> float:
    """Estimate the part of an output value in `count` calls for the whole result."""
    rows, columns, outputs = problem.result_shape
    return count * CALL / (rows * columns * outputs)

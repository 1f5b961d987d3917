"""What a strategy is: one way of computing a problem, prepared from the problem alone."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Method
from convcli.engine.buffers import Scratch
from convcli.engine.problem import Problem
from convcli.engine.tiles import input_extent
from convcli.values import Record

Values = NDArray[Any]


class OutputRows(Record):
    """Some output rows of a tile.

    Attributes
    ----------
    first : int
        The first of them, counted from the tile's first.
    rows : int
        How many there are.
    compute : callable
        Computes them from the tile as it is loaded.
    values : ndarray
        The accumulators that this makes, shape (rows, columns·O), or (rows, columns) where
        the strategy is planar. They may be overwritten, and are valid until another part
        of the worker is computed.
    around : ndarray or None
        The contiguous buffer whose rows begin with the accumulators, if they are not
        all of it: what lies between may be overwritten too.
    spare : ndarray or None
        A buffer of the shape and dtype of `around` that holds nothing of use then.
    direct : callable or None
        Computes the accumulators into an array of their shape and dtype, of which only
        rows need be contiguous.
    """

    first: int
    rows: int
    compute: Callable[[], object]
    values: Values
    around: Values | None = None
    direct: Callable[[Values], None] | None = None
    spare: Values | None = None


class Strategy(abc.ABC):
    """One way of computing a problem.

    An instance is read-only after it was made: all threads share it. A tile is always
    computed in full; where the result ends before the tile does, the rest is dropped.

    Attributes
    ----------
    name : str
        What it is called, in plans and reports.
    method : Method
        Its kind.
    exact : bool
        Whether sums of whole numbers are whole: no factors, no transforms.
    rounds : bool
        Whether, where pixels and weights are known to be whole, sums are rounded to be so.
    local : bool
        Whether a NaN or an infinity reaches only outputs whose window holds it.
    planar : bool
        Whether a tile holds one channel, or all of them side by side.
    problem : Problem
        What is computed.
    rows, columns : int
        Outputs a tile.
    working : dtype
        Of tiles and accumulators.
    divisor : float
        What the accumulators are still to be divided by.
    """

    name: ClassVar[str]
    method: ClassVar[Method]
    exact: ClassVar[bool] = True
    rounds: ClassVar[bool] = False

    problem: Problem
    rows: int
    columns: int
    working: np.dtype[Any]
    divisor: float = 1.0
    planar: bool = False
    local: bool = False

    @classmethod
    @abc.abstractmethod
    def refusal(cls, problem: Problem) -> str:
        """Say why the strategy cannot serve a problem; empty where it can."""

    @classmethod
    @abc.abstractmethod
    def cost(cls, problem: Problem) -> float:
        """Estimate the time on one thread, in nanoseconds an output value."""

    @abc.abstractmethod
    def __init__(self, problem: Problem) -> None:
        """Prepare all that does not depend on pixels."""

    @abc.abstractmethod
    def bind(self, tile: Values, scratch: Scratch) -> list[OutputRows]:
        """Make the views and buffers of one worker.

        Parameters
        ----------
        tile : ndarray, shape `tile_shape`
            What the loader fills.
        scratch : Scratch
            The worker's buffers.

        Returns
        -------
        list of OutputRows
            From the top down.
        """

    def threaded(self) -> "Strategy":
        """Return the strategy as several threads share it: the same values, in other tiles."""
        return self

    @property
    def channels(self) -> int:
        """Channels that a tile holds side by side."""
        return 1 if self.planar else self.problem.shape[2]

    @property
    def outputs(self) -> int:
        """Channels of the accumulators."""
        return 1 if self.planar else self.problem.outputs

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows of a tile, and values a row: the padding and the halo included."""
        window = self.problem.window
        return (
            input_extent(window.rows, self.rows),
            input_extent(window.columns, self.columns) * self.channels,
        )


def even_tile(size: int, most: int, unit: int = 1) -> int:
    """Return the length of equal pieces of `size`, of at most `most` and a multiple of `unit`.

    Examples
    --------
    >>> even_tile(10_000, 4096)
    3334
    """
    pieces = -(-size // most)
    return -(-size // (pieces * unit)) * unit


def looks_at_all(weights: Values) -> bool:
    """Tell whether no weight is 0: a product then meets no NaN that an output may not see.

    Examples
    --------
    >>> looks_at_all(np.array([1.0, -2.0])), looks_at_all(np.array([1.0, 0.0]))
    (True, False)
    """
    return bool(np.all(weights))

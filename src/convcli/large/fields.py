"""Values that are computed where they are wanted: from the file up, step by step.

A field stands for an array (H, W, C) that is never there as a whole. It is asked for some
rows and columns, and asks the field below it for what these are computed from.
"""

import abc
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import Block, Plan, Seen, ValueRange, result_array, run
from convcli.filtering.stages import Stage
from convcli.large.source import Source, Values
from convcli.records import replace

Places = NDArray[np.intp]


class Field(abc.ABC):
    """An array, a part at a time."""

    @abc.abstractmethod
    def part(self, rows: slice, columns: slice) -> Values:
        """Return a rectangle, shape (rows, columns, C)."""

    def at(self, rows: Places, columns: Places) -> Values:
        """Return some rows and columns, in rising order; a wrapped border needs two ends."""
        across = list(_runs(columns))
        lines = [
            np.concatenate([self.part(down, beside) for beside in across], axis=1)
            if len(across) > 1
            else self.part(down, across[0])
            for down in _runs(rows)
        ]
        return lines[0] if len(lines) == 1 else np.concatenate(lines, axis=0)


class Stored(Field):
    """The samples of a file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def part(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle."""
        return self._source.read(rows, columns)


class Changed(Field):
    """Another field, of which each pixel is changed on its own."""

    def __init__(self, field: Field, change: Callable[[Values], Values]) -> None:
        self._field, self._change = field, change

    def part(self, rows: slice, columns: slice) -> Values:
        """Change a rectangle."""
        return self._change(self._field.part(rows, columns))


class Answer(Field):
    """What a step of a chain answers to another field."""

    def __init__(
        self, field: Field, stage: Stage, after: Callable[[Values], Values] | None = None
    ) -> None:
        self._field, self._stage, self._after = field, stage, after

    def part(self, rows: slice, columns: slice) -> Values:
        """Compute a rectangle of raw values."""
        values = self._stage.joined(self.answers(rows, columns))
        return values if self._after is None else self._after(values)

    def answers(self, rows: slice, columns: slice) -> Iterator[Values]:
        """Yield a rectangle of each kernel's raw answer, one at a time."""
        return (self._raw(*fed) for fed in self._fed(rows, columns))

    def pixels(
        self, rows: slice, columns: slice, dtype: np.dtype[Any], how: ValueRange | None
    ) -> tuple[Values, Seen]:
        """Compute a rectangle of pixels, and what was seen of the raw values."""
        ((plan, block, values),) = self._fed(rows, columns)
        result = result_array(_shape(plan, block), dtype)
        return result, run(plan, values, plan.store(result, how), self._stage.jobs, block)

    def _raw(self, plan: Plan, block: Block, values: Values) -> Values:
        result = result_array(_shape(plan, block), plan.problem.result)
        run(plan, values, plan.store(result), self._stage.jobs, block)
        return result

    def _fed(self, rows: slice, columns: slice) -> Iterator[tuple[Plan, Block, Values]]:
        """Yield each kernel's plan with its block and the input, which is fetched once."""
        plans = self._stage.plans
        blocks = [plan.block_of(rows, columns) for plan in plans]
        down = _together([block.held_rows for block in blocks])
        across = _together([block.held_columns for block in blocks])
        values = self._field.at(down, across)
        for plan, block in zip(plans, blocks, strict=True):
            yield plan, replace(block, held_rows=down, held_columns=across), values


def _shape(plan: Plan, block: Block) -> tuple[int, int, int]:
    rows, columns = block.rows, block.columns
    return (rows.stop - rows.start, columns.stop - columns.start, plan.problem.outputs)


def _together(places: list[Places]) -> Places:
    """Return all places, of which there is at least one: a border alone reads none."""
    found = places[0] if len(places) == 1 else np.unique(np.concatenate(places))
    return found if found.size else np.zeros(1, np.intp)


def _runs(places: Places) -> Iterator[slice]:
    """Yield places in rising order as slices without gaps.

    Examples
    --------
    >>> list(_runs(np.array([0, 1, 2, 8, 9])))
    [slice(0, 3, None), slice(8, 10, None)]
    """
    breaks = (np.flatnonzero(np.diff(places) != 1) + 1).tolist()
    for start, stop in itertools.pairwise([0, *breaks, len(places)]):
        yield slice(int(places[start]), int(places[stop - 1]) + 1)

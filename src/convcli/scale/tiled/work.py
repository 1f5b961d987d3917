"""What is done to each block of a tiled picture; sent to a worker once."""

import abc
import itertools
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Alpha
from convcli.engine.buffers import result_array
from convcli.engine.planner import Plan
from convcli.engine.store import ValueRange, ValueStats
from convcli.engine.tiles import Block
from convcli.engine.worker import run_plan
from convcli.images.codecs.tiff import EncodedTile
from convcli.images.picture import Picture
from convcli.pipeline.alpha import (
    filters_opacity,
    fitted,
    middles,
    parted,
    weighed,
    weighed_stages,
)
from convcli.pipeline.colormaps import colored
from convcli.pipeline.direction import directed
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline, pipeline_for, prepared, working_pixels
from convcli.pipeline.range import extent, mapped, rescaled
from convcli.pipeline.steps import Operand, PlannedStep
from convcli.scale.tiled.source import Source, Values
from convcli.values import Record, replace

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


class FileField(Field):
    """The samples of a file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def part(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle."""
        return self._source.read(rows, columns)


class PixelwiseField(Field):
    """Another field, of which each pixel is changed on its own."""

    def __init__(self, field: Field, change: Callable[[Values], Values]) -> None:
        self._field, self._change = field, change

    def part(self, rows: slice, columns: slice) -> Values:
        """Change a rectangle."""
        return self._change(self._field.part(rows, columns))


class StepField(Field):
    """What a step of a chain answers to another field."""

    def __init__(
        self, field: Field, stage: PlannedStep, after: Callable[[Values], Values] | None = None
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
    ) -> tuple[Values, ValueStats]:
        """Compute a rectangle of pixels, and what was seen of the raw values."""
        ((plan, block, values),) = self._fed(rows, columns)
        result = result_array(_shape(plan, block), dtype)
        return result, run_plan(plan, values, plan.store(result, how), self._stage.jobs, block)

    def _raw(self, plan: Plan, block: Block, values: Values) -> Values:
        result = result_array(_shape(plan, block), plan.problem.result)
        run_plan(plan, values, plan.store(result), self._stage.jobs, block)
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


_COLOURS = 3


class ComputedBlock(Record):
    """A block of the result.

    Attributes
    ----------
    values : ndarray, shape (rows, columns, C)
        Pixels, or raw floats.
    alpha : ndarray, shape (rows, columns), or None
        Their opacity.
    seen : ValueStats
        Of the raw values.
    """

    values: Values
    alpha: Values | None
    seen: ValueStats


class TiledWork(Record, cached=True):
    """A picture, and what is to be done to it. It can be pickled.

    Attributes
    ----------
    source : Source
        The picture.
    kernels : tuple of Kernel or Operator
        The chain.
    options : Options
        How; of one thread a block.
    translucent : bool
        Whether any pixel is not fully opaque.
    known : ValueStats or None
        The extent of all raw values, where pixels depend on it.
    """

    source: Source
    kernels: tuple[Operand, ...]
    options: Options
    translucent: bool = False
    known: ValueStats | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is planned: another process plans the same."""
        names = ("source", "kernels", "options", "translucent", "known")
        return {name: self.__dict__[name] for name in names}

    @cached_property
    def pipeline(self) -> Pipeline:
        """What filtering does: decided for the whole picture."""
        sample = self._sample
        pixels = self._virtual(working_pixels(sample, self.options))
        return pipeline_for(sample, pixels, self.kernels, self.options)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the result (H', W', C), alpha and the colours of a map not counted."""
        rows, columns, channels = self.pipeline.stages[-1].problem.result_shape
        return (rows, columns, _COLOURS if self.options.direction else channels)

    @property
    def channels(self) -> int:
        """Of what is written, alpha not counted."""
        return self.shape[2] if self.options.colormap is None else _COLOURS

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the result."""
        if self.pipeline.mapping is None:
            return self.pipeline.stages[-1].problem.result
        return self.pipeline.depth.dtype

    def part(self, rows: slice, columns: slice) -> ComputedBlock:
        """Compute a block of the result, bit for bit as it is in the whole."""
        part = self._uncoloured(rows, columns)
        if self.options.colormap is None:
            return part
        return replace(part, values=colored(part.values[..., 0], self.options.colormap))

    def _uncoloured(self, rows: slice, columns: slice) -> ComputedBlock:
        pipeline = self.pipeline
        if self.options.direction:
            answers = self._answer(pipeline.stages).answers(rows, columns)
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            values, seen = directed(answers, shape, pipeline, self.known)
            return ComputedBlock(values, self._opacity(rows, columns), seen)
        if pipeline.is_streamed:
            answer = self._answer(pipeline.stages)
            values, seen = answer.pixels(
                rows, columns, pipeline.depth.dtype, pipeline.stored_as
            )
            return ComputedBlock(values, self._opacity(rows, columns), seen)
        raw, alpha = self._raw(rows, columns)
        values, seen = mapped(
            pipeline.to_display(raw), pipeline.mapping, pipeline.depth, self.known
        )
        return ComputedBlock(values, pipeline.alpha_at_depth(alpha), seen)

    def extent(self, rows: slice, columns: slice) -> ValueStats:
        """Return the extent of a block's raw values."""
        pipeline = self.pipeline
        if self.options.direction:
            raw = self._answer(pipeline.stages).part(rows, columns)
            return extent(rescaled(raw, pipeline.source_depth, pipeline.depth))
        return extent(pipeline.to_display(self._raw(rows, columns)[0]))

    def is_translucent(self, rows: slice, columns: slice) -> bool:
        """Tell whether any pixel of a rectangle of the picture is not fully opaque."""
        return self._picture(self.source.read(rows, columns)).is_translucent

    def _raw(self, rows: slice, columns: slice) -> tuple[Values, Values | None]:
        """Return raw colours and their opacity, on the scale of the picture."""
        pipeline = self.pipeline
        if pipeline.way.is_apart or not self.source.alpha:
            values = self._answer(pipeline.stages).part(rows, columns)
            return values, self._unscaled_opacity(rows, columns)
        seen = self._weighed(self._sample)
        field: Field = PixelwiseField(FileField(self.source), self._weigh)
        for step in weighed_stages(pipeline.stages, self._virtual(seen), self.options):
            field = StepField(field, step.stage, step.evened)
        values = field.part(rows, columns)
        if filters_opacity(pipeline.stages):
            return parted(values, self._sample.white)
        return values, self._under_the_middle(rows, columns)

    def _answer(self, stages: tuple[PlannedStep, ...]) -> StepField:
        field: Field = PixelwiseField(FileField(self.source), self._working)
        for stage in stages[:-1]:
            field = StepField(field, stage)
        return StepField(field, stages[-1])

    def _opacity(self, rows: slice, columns: slice) -> Values | None:
        return self.pipeline.alpha_at_depth(self._unscaled_opacity(rows, columns))

    def _unscaled_opacity(self, rows: slice, columns: slice) -> Values | None:
        """Return the opacity where it does not depend on the colours."""
        if not self.source.alpha:
            return None
        if self.pipeline.way.kind is not Alpha.FILTER:
            return self._under_the_middle(rows, columns)
        field: Field = PixelwiseField(FileField(self.source), self._alpha)
        one = self._virtual(
            self._alpha(np.zeros((1, 1, self.source.shape[2]), self.source.dtype))
        )
        for stage in fitted(self.pipeline.stages, one, self.options):
            field = StepField(field, stage)
        return field.part(rows, columns)[..., 0]

    def _under_the_middle(self, rows: slice, columns: slice) -> Values:
        down, across = middles(
            self.pipeline.stages,
            range(rows.start, rows.stop),
            range(columns.start, columns.stop),
        )
        top, left = int(down[0]), int(across[0])
        held = self.source.read(slice(top, int(down[-1]) + 1), slice(left, int(across[-1]) + 1))
        return self._alpha(held)[..., 0][np.ix_(down - top, across - left)]

    @property
    def _sample(self) -> Picture:
        """One pixel of the picture's kind."""
        zeros = np.zeros((1, 1, self.source.shape[2]), self.source.dtype)
        sample = self._picture(zeros)
        if sample.alpha is None or self.translucent:
            return sample
        return replace(sample, alpha=np.full_like(sample.alpha, sample.white))

    def _virtual(self, pixel: Values) -> Values:
        """Return one pixel as if it were the whole picture."""
        shape = (*self.source.shape[:2], pixel.shape[2])
        return np.broadcast_to(pixel.dtype.type(0), shape)

    def _picture(self, samples: Values) -> Picture:
        if not self.source.alpha:
            return prepared(Picture(samples), self.options)
        return prepared(Picture(samples[..., :-1], samples[..., -1]), self.options)

    def _working(self, samples: Values) -> Values:
        return working_pixels(self._picture(samples), self.options)

    def _alpha(self, samples: Values) -> Values:
        alpha = self._picture(samples).alpha
        return np.empty((0, 0, 1)) if alpha is None else alpha[..., np.newaxis]

    def _weigh(self, samples: Values) -> Values:
        return self._weighed(self._picture(samples))

    def _weighed(self, picture: Picture) -> Values:
        return weighed(working_pixels(picture, self.options), picture, self.pipeline.stages)


class Written(Record):
    """What came of a block.

    Attributes
    ----------
    seen : ValueStats
        Of its raw values.
    tiles : list of EncodedTile
        What is still to be written, by the process that has the file open.
    """

    seen: ValueStats
    tiles: list[EncodedTile]


class Target(Record):
    """An output that is being written.

    Attributes
    ----------
    task : callable
        Computes a block, where the worker is.
    add : callable
        Writes a tile that came of it, here.
    """

    task: Callable[[TiledWork, slice, slice], Written]
    add: Callable[[EncodedTile], None]

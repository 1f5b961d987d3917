"""One step of a chain: a kernel, or an operator of several, planned for its input."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Field, Fill, Padder, gathered
from convcli.choices import Combine, Depth, Edges
from convcli.engine.buffers import result_array
from convcli.engine.planner import Block, Plan, choose_plan
from convcli.engine.pooling import Pooling, pooled
from convcli.engine.store import StoreRule, ValueStats, saturate
from convcli.engine.worker import run_plan
from convcli.errors import ImageError, fail
from convcli.geometry.window import Window
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.pipeline.report import Step
from convcli.values import Record, asdict, replace

if TYPE_CHECKING:
    from convcli.engine.transposed import Stamping

Values: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, int, int]
Region: TypeAlias = tuple[slice, slice]  # rows and columns
Operand: TypeAlias = Kernel | Operator
Link: TypeAlias = Operand | Plain  # one step of a chain
INVISIBLE = 1e-6  # below this opacity (0 to 1) a pixel has no colour to be computed back


class PlannedStep(Record):
    """A step of a chain, planned for one input: a kernel, or an operator of several."""

    summary: Step  # what the report says about it
    shape: Shape  # of its input, (H, W, C)
    result_shape: Shape  # of its answer, (H', W', O)
    border: str  # as the report names it
    plans: tuple[Plan, ...] = ()  # of each kernel, for one input; none where `part` needs none
    combine: Combine | None = None  # how the answers of several kernels become one
    jobs: int | None = None
    working: np.dtype[Any] = np.dtype(np.float32)  # of weighing by opacity, and of rounding
    raw_dtype: np.dtype[Any] | None = None  # of raw results at the end, where it is another
    padder: Padder | None = None  # lays the border around its input, where the engine does not
    stamping: "Stamping | None" = None  # lays zeros between its pixels: it is transposed
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.summary.kernel

    @property
    def window(self) -> Window:
        """The window that slides over its input, with the zeros between its pixels."""
        return self.summary.window if self.stamping is None else self.stamping.problem.window

    @property
    def result_dtype(self) -> np.dtype[Any]:
        """The dtype of its raw answer, as the next step gets it."""
        computed = self.plans[0].problem.result if self.plans else self.working
        return self.raw_dtype or computed

    @functools.cached_property
    def is_bank(self) -> bool:
        """Whether it mixes the channels of its input."""
        return any(planned.problem.kernel.is_bank for planned in self.plans)

    @functools.cached_property
    def is_zero_sum(self) -> bool:
        """Whether flat areas answer 0."""
        sums = [planned.problem.kernel.is_zero_sum for planned in self.plans]
        return bool(sums) and all(sums)

    @property
    def slid_shape(self) -> tuple[int, int]:
        """Rows and columns that its window slides over."""
        return (self.shape if self.stamping is None else self.stamping.problem.shape)[:2]

    @property
    def tile(self) -> tuple[int, int]:
        """Rows and columns of its result that are computed together, at most."""
        strategies = [planned.strategy for planned in self.plans]
        rows = max((each.rows for each in strategies), default=1)
        return (rows, max((each.columns for each in strategies), default=1))

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Compute a rectangle of the raw answer to a field, shape (rows, columns, O)."""
        return self.joined(self.answers(field, rows, columns))

    def joined(self, answers: Iterator[Values]) -> Values:
        """Combine the answers of all kernels into one answer."""
        return next(answers) if self.combine is None else combined_answer(answers, self.combine)

    def answers(self, field: Field, rows: slice, columns: slice) -> Iterator[Values]:
        """Yield a rectangle of the raw answer of each kernel, one at a time."""
        values, blocks = self._inputs(field, rows, columns)
        for number, block in enumerate(blocks):
            yield self._answer(number, values, block)

    def pixels(
        self, field: Field, rows: slice, columns: slice, rule: StoreRule
    ) -> tuple[Values, ValueStats]:
        """Compute a rectangle of pixels of the one kernel, without its raw values."""
        values, (block,) = self._inputs(field, rows, columns)
        return self._run(self.plans[0], values, block, rule)

    def _answer(self, number: int, values: Values, block: Block | None) -> Values:
        """Return the raw answer of one kernel."""
        return self._run(self.plans[number], values, block)[0]

    def _run(
        self, planned: Plan, values: Values, block: Block | None, rule: StoreRule | None = None
    ) -> tuple[Values, ValueStats]:
        """Compute a block of a plan, or all of it: its raw values, or pixels by a rule."""
        shape = planned.problem.result_shape
        if block is not None:
            rows, columns = block.rows, block.columns
            shape = (rows.stop - rows.start, columns.stop - columns.start, shape[2])
        result = result_array(shape, planned.problem.result if rule is None else rule.dtype)
        return result, run_plan(planned, values, result, self.jobs, block, rule=rule)

    def _inputs(
        self, field: Field, rows: slice, columns: slice
    ) -> tuple[Values, Sequence[Block | None]]:
        """Return the input of all kernels, and the block of each plan; None stands for all."""
        if self.padder is not None:
            field = self.padder.over(field)
        if self.stamping is not None:
            spread = self.stamping.spread(field(*_whole(self.shape)))
            field = functools.partial(_cut, spread)
        if (rows, columns) == _whole(self.result_shape):
            return field(*_whole(self.plans[0].problem.shape)), [None] * len(self.plans)
        blocks = [planned.block_of(rows, columns) for planned in self.plans]
        down = _union([block.held_rows for block in blocks])
        across = _union([block.held_columns for block in blocks])
        held = [replace(block, held_rows=down, held_columns=across) for block in blocks]
        return gathered(field, down, across), held

    def fitted(self, channels: int, dtype: np.dtype[Any], opaque: Fill) -> "PlannedStep":
        """Return the step for other channels; a constant border is `opaque` in the last."""
        if self.stamping is not None:  # no pixel of its result lies under a window's middle
            fault = "expected an opaque picture, got one with transparency"
            remedy = "lay it on a colour with --background white"
            fail("--transposed", fault, remedy, ImageError)
        if (padder := self.padder) is not None:
            is_constant = isinstance(padder.border, Edges)
            fill = (*padder.fill, *opaque)[-channels:] if is_constant else (0.0,)
            padder, dtype = replace(padder, fill=fill), padder.dtype(dtype)
        changes = {"dtype": dtype, "result": np.dtype(np.float32)}
        plans = (
            _replanned(each, shape=(*each.problem.shape[:2], channels), **changes)
            for each in self.plans
        )
        shape, result_shape = (*self.shape[:2], channels), (*self.result_shape[:2], channels)
        made = {"plans": tuple(plans), "shape": shape, "result_shape": result_shape}
        return replace(self, padder=padder, **made)


def _replanned(planned: Plan, **changes: Any) -> Plan:
    """Return the plan for a problem that is changed, by the same method."""
    return choose_plan(replace(planned.problem, **changes), planned.method)


class MapStep(PlannedStep):
    """A step that changes each value by itself: relu or abs."""

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Change a rectangle of a field."""
        values = field(rows, columns)
        return np.maximum(values, 0) if self.name == "relu" else np.abs(values)


class PoolStep(PlannedStep, kw_only=True):
    """A pooling as a step, of which `pooling` has no padding, and the answer this dtype."""

    pooling: Pooling
    dtype: np.dtype[Any] | None = None

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Pool the part of a field that a rectangle of the result sees."""
        padded = field if self.padder is None else self.padder.over(field)
        values = pooled(padded(*self.pooling.window.inputs(rows, columns)), self.pooling)
        return values if self.dtype is None else values.astype(self.dtype, copy=False)


class WeighedStep(PlannedStep, kw_only=True):
    """A step over colours times opacity, and the opacity; its `kernel` keeps the bias."""

    kernel: Kernel

    @classmethod
    def of(cls, step: PlannedStep) -> "WeighedStep":
        """Return the weighed form of a step of one kernel."""
        (planned,) = step.plans
        kernel = planned.problem.kernel
        plans = (_replanned(planned, kernel=kernel.with_bias(None)),)
        return cls(**{**asdict(step), "plans": plans, "kernel": kernel})

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Compute a rectangle; the bias is added in proportion to the opacity."""
        values = super().part(field, rows, columns)
        # A kernel that makes pixels brighter does not make them more opaque.
        values[..., -1] /= self.kernel.sum
        if any(self.kernel.bias):
            values[..., :-1] += values[..., -1:] * np.array(self.kernel.bias, values.dtype)
        return values


class MissingStep(PlannedStep, kw_only=True):
    """A step over values of which some are NaN: they weigh nothing, the others more.

    The answer is the kernel's sum · (w ⋆ known values) / (w ⋆ known), plus the bias: the plans
    have none. It is NaN where `least`, a share of the weights, is not known. Where the sum is
    0, all that the kernel sees must be known. All is computed in float64: float32 would lose
    the digits of a small share.
    """

    biases: tuple[tuple[float, ...], ...]
    least: float

    @classmethod
    def of(cls, step: PlannedStep, least: float) -> "MissingStep":
        """Return the form of a step that leaves out what is missing."""
        kernels, wide = [each.problem.kernel for each in step.plans], np.dtype(np.float64)
        plans = (
            _replanned(each, kernel=kernel.with_bias(None), dtype=wide, result=wide)
            for each, kernel in zip(step.plans, kernels, strict=True)
        )
        made = {"plans": tuple(plans), "biases": tuple(kernel.bias for kernel in kernels)}
        changes = {**made, "least": least, "raw_dtype": step.result_dtype}
        return cls(**{**asdict(step), **changes})

    def _answer(self, number: int, values: Values, block: Block | None) -> Values:
        values = values.astype(np.float64, copy=False)
        compute = self._scaled_up if np.isnan(values).any() else super()._answer
        answer, bias = compute(number, values, block), self.biases[number]
        answer = answer + np.array(bias, answer.dtype) if bias else answer
        return answer.astype(self.result_dtype, copy=False)

    def _scaled_up(self, number: int, values: Values, block: Block | None) -> Values:
        """Return the answer of a kernel to values of which some are NaN."""
        planned, is_missing = self.plans[number], np.isnan(values)
        kernel, missing = planned.problem.kernel, is_missing.astype(values.dtype)
        answer, _ = self._run(planned, np.where(is_missing, 0, values), block)
        lost, _ = self._run(planned, missing, block)
        known, least = kernel.sums - lost, max(self.least - INVISIBLE, INVISIBLE)
        enough = known * np.sign(kernel.sums) >= abs(kernel.sums) * least
        if not kernel.sums.all():
            sizes = kernel.with_weights(np.abs(kernel.weights))
            touched, _ = self._run(_replanned(planned, kernel=sizes), missing, block)
            enough = np.where(kernel.sums == 0, touched <= INVISIBLE * sizes.sums, enough)
        scaled = (lost != 0) & (kernel.sums != 0)
        np.multiply(answer, kernel.sums, out=answer, where=scaled)
        np.divide(answer, known, out=answer, where=enough & scaled)
        answer[~enough] = np.nan
        return answer


def _cut(values: Values, rows: slice, columns: slice) -> Values:
    return values[rows, columns]


def _whole(shape: tuple[int, ...]) -> Region:
    return slice(0, shape[0]), slice(0, shape[1])


def _union(places: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Return all places in rising order; at least one, though a border alone reads none."""
    union = places[0] if len(places) == 1 else np.unique(np.concatenate(places))
    return union if union.size else np.zeros(1, np.intp)


def chained(field: Field, steps: Sequence[PlannedStep]) -> Field:
    """Return the field of what a chain of steps answers to a field, as raw values."""
    for step in steps:
        field = functools.partial(step.part, field)
    return field


_JOIN = {Combine.MAX: np.maximum, Combine.MIN: np.minimum}


def combined_answer(answers: Iterable[Values], combine: Combine) -> Values:
    """Combine answers of one shape, at least one, into one. They may be overwritten."""
    total, count = np.empty(0), 0
    for answer in answers:
        with np.errstate(over="ignore", invalid="ignore"):  # of infinities
            if combine is Combine.MAGNITUDE:
                np.square(answer, out=answer)
            total = _JOIN.get(combine, np.add)(total, answer, out=total) if count else answer
        count += 1
    if combine is Combine.MAGNITUDE:
        np.sqrt(total, out=total)
    if combine is Combine.MEAN:
        total /= total.dtype.type(count)
    return total


def rescaled(values: Values, source: Depth, depth: Depth) -> Values:
    """Return values on the scale of a depth: 16 bits come down to 8, others do not change."""
    # From 8 bits up to 16 the picture is scaled before it is filtered.
    if source is Depth.SIXTEEN and depth is Depth.EIGHT:
        return np.asarray(values, np.float32) / np.float32(source.white // depth.white)
    return values


def as_depth(values: Values, depth: Depth, working: np.dtype[Any]) -> Values:
    """Return values rounded and saturated to a depth; floats are returned unchanged."""
    if depth is Depth.FLOAT or values.dtype == depth.dtype:
        return values
    pixels = np.empty(values.shape, depth.dtype)
    saturate(np.array(values, working), pixels)
    return pixels


def number_at(missing: Any, source: Depth, depth: Depth) -> float:
    """Return the number of a missing pixel in the depth of a result."""
    scaled = rescaled(np.array([missing]), source, depth)
    return float(as_depth(scaled, depth, np.dtype(np.float64))[0])

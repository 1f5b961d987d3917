"""One step of a chain: a kernel, or an operator of several, planned for its input."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Field, Fill, Padder, gathered
from convcli.choices import Combine, Method
from convcli.engine.buffers import result_array
from convcli.engine.planner import Block, Plan, choose_plan
from convcli.engine.pooling import Pooling, Reduction, pooled
from convcli.engine.store import StoreRule, ValueStats
from convcli.engine.worker import run_plan
from convcli.errors import ImageError
from convcli.geometry.window import Window
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.pipeline.report import Step
from convcli.values import Record, asdict, replace

if TYPE_CHECKING:
    from convcli.engine.transposed import Stamping

Values: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, int, int]
Operand: TypeAlias = Kernel | Operator
Link: TypeAlias = Operand | Plain  # one step of a chain
INVISIBLE = 1e-6  # below this opacity (0 to 1) a pixel has no colour to be computed back


class PlannedStep(Record, kw_only=True):
    """A step of a chain, planned for one input: a kernel, or an operator of several."""

    plans: tuple[Plan, ...] = ()  # of each kernel, for one input; none where `part` needs none
    summary: Step  # what the report says about it
    shape: Shape  # of its input, (H, W, C)
    result_shape: Shape  # of its answer, (H', W', O)
    border: str  # as the report names it
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
    def has_one_opacity(self) -> bool:
        """Whether an answer to colours and one to their opacity belong together."""
        return self.combine is None

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
        for inputs in self._inputs(field, rows, columns):
            yield self._answer(*inputs)

    def pixels(
        self, field: Field, rows: slice, columns: slice, rule: StoreRule
    ) -> tuple[Values, ValueStats]:
        """Compute a rectangle of pixels of the one kernel, without its raw values."""
        (inputs,) = self._inputs(field, rows, columns)
        return self._run(*inputs, rule)

    def _answer(self, planned: Plan, block: Block | None, values: Values) -> Values:
        return self._run(planned, block, values)[0]

    def _run(
        self, planned: Plan, block: Block | None, values: Values, rule: StoreRule | None = None
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
    ) -> Iterator[tuple[Plan, Block | None, Values]]:
        """Yield the plan of each kernel, its block (None for all), and the input, read once."""
        if self.padder is not None:
            field = self.padder.over(field)
        if self.stamping is not None:
            spread = self.stamping.spread(field(*_whole(self.shape)))
            field = functools.partial(_cut, spread)
        if (rows, columns) == _whole(self.result_shape):
            values = field(*_whole(self.plans[0].problem.shape))
            yield from ((planned, None, values) for planned in self.plans)
            return
        blocks = [planned.block_of(rows, columns) for planned in self.plans]
        down = _union([block.held_rows for block in blocks])
        across = _union([block.held_columns for block in blocks])
        values = gathered(field, down, across)
        for planned, block in zip(self.plans, blocks, strict=True):
            yield planned, replace(block, held_rows=down, held_columns=across), values

    def fitted(
        self, channels: int, dtype: np.dtype[Any], method: Method, fill: Fill
    ) -> "PlannedStep":
        """Return the step for other channels, of another dtype and beyond another border."""
        if self.stamping is not None:  # no pixel of its result lies under a window's middle
            raise ImageError(
                "--transposed: expected an opaque picture, got one with transparency: lay it "
                "on a colour with --background white"
            )
        padder = None if self.padder is None else replace(self.padder, fill=fill)
        changes = {
            "dtype": dtype if padder is None else padder.dtype(dtype),
            "result": np.dtype(np.float32),
        }
        problems = [
            replace(each.problem, shape=(*each.problem.shape[:2], channels), **changes)
            for each in self.plans
        ]
        return replace(
            self,
            plans=tuple(choose_plan(problem, method) for problem in problems),
            shape=(*self.shape[:2], channels),
            result_shape=(*self.result_shape[:2], channels),
            padder=padder,
        )


class MapStep(PlannedStep, kw_only=True):
    """A step that changes each value by itself: relu or abs."""

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Change a rectangle of a field."""
        values = field(rows, columns)
        return np.maximum(values, 0) if self.name == "relu" else np.abs(values)


class PoolStep(PlannedStep, kw_only=True):
    """A pooling as a step, of which `pooling` has no padding, and the answer this dtype."""

    pooling: Pooling
    dtype: np.dtype[Any] | None = None

    @property
    def has_one_opacity(self) -> bool:
        """Whether it is a mean: each colour of a maximum may come from another pixel."""
        return self.pooling.reduction is Reduction.AVERAGE

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
        if any(kernel.bias):
            planned = choose_plan(replace(planned.problem, kernel=kernel.with_bias(None)))
        return cls(**{**asdict(step), "plans": (planned,), "kernel": kernel})

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
    0, all that the kernel sees must be known: `reaches` are plans for |w|. All is computed in
    float64: float32 would lose the digits of a small share.
    """

    biases: tuple[tuple[float, ...], ...]
    least: float
    reaches: tuple[Plan | None, ...]

    @classmethod
    def of(cls, step: PlannedStep, least: float) -> "MissingStep":
        """Return the form of a step that leaves out what is missing."""
        wide, plans, reaches = np.dtype(np.float64), [], []
        for each in step.plans:
            kernel = each.problem.kernel.with_bias(None)
            problem = replace(each.problem, kernel=kernel, dtype=wide, result=wide)
            plans.append(choose_plan(problem, each.method))
            reach = replace(problem, kernel=kernel.with_weights(np.abs(kernel.weights)))
            reaches.append(None if kernel.sums.all() else choose_plan(reach, each.method))
        biases = tuple(each.problem.kernel.bias for each in step.plans)
        made = {"plans": tuple(plans), "reaches": tuple(reaches), "biases": biases}
        changes = {**made, "least": least, "raw_dtype": step.result_dtype}
        return cls(**{**asdict(step), **changes})

    def answers(self, field: Field, rows: slice, columns: slice) -> Iterator[Values]:
        """Yield a rectangle of the raw answer of each kernel."""
        inputs = self._inputs(field, rows, columns)
        each = zip(inputs, self.biases, self.reaches, strict=True)
        for (planned, block, narrow), bias, reach in each:
            values = narrow.astype(np.float64, copy=False)
            if np.isnan(values).any():
                answer = self._scaled_up(planned, block, values, reach)
            else:
                answer = self._answer(planned, block, values)
            answer = answer + np.array(bias, answer.dtype) if bias else answer
            yield answer.astype(self.result_dtype, copy=False)

    def _scaled_up(
        self, planned: Plan, block: Block | None, values: Values, reach: Plan | None
    ) -> Values:
        """Return the answer of a kernel to values of which some are NaN."""
        is_missing = np.isnan(values)
        missing = is_missing.astype(values.dtype)
        answer = self._answer(planned, block, np.where(is_missing, 0, values))
        sums = planned.problem.kernel.sums.astype(answer.dtype)
        known = sums - (lost := self._answer(planned, block, missing))
        least = max(self.least - INVISIBLE, INVISIBLE)
        enough = known * np.sign(sums) >= abs(sums) * least
        if reach is not None:
            touched = self._answer(reach, block, missing)
            sees_all = touched <= INVISIBLE * reach.problem.kernel.sums
            enough = np.where(sums == 0, sees_all, enough)
        scaled = (lost != 0) & (sums != 0)
        np.multiply(answer, sums, out=answer, where=scaled)
        np.divide(answer, known, out=answer, where=enough & scaled)
        answer[~enough] = np.nan
        return answer


def _cut(values: Values, rows: slice, columns: slice) -> Values:
    return values[rows, columns]


def _whole(shape: tuple[int, ...]) -> tuple[slice, slice]:
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


def rim_of_chain(steps: Sequence[PlannedStep]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how many outputs at both ends of each axis see what lies beyond the edge."""
    seen = [(0, 0), (0, 0)]
    for step in steps:
        seen = [
            (-(-(axis.before + first) // axis.stride), -(-(axis.after + last) // axis.stride))
            for (first, last), axis in zip(seen, step.window.axes, strict=True)
        ]
    return seen[0], seen[1]


_JOIN = {Combine.MAX: np.maximum, Combine.MIN: np.minimum}


def combined_answer(answers: Iterable[Values], combine: Combine) -> Values:
    """Combine answers of one shape, at least one, into one. They may be overwritten."""
    total, count = np.empty(0), 0
    for answer in answers:
        if combine is Combine.MAGNITUDE:
            with np.errstate(over="ignore"):  # an infinity is clipped as other values are
                np.square(answer, out=answer)
        total = _JOIN.get(combine, np.add)(total, answer, out=total) if count else answer
        count += 1
    if combine is Combine.MAGNITUDE:
        np.sqrt(total, out=total)
    if combine is Combine.MEAN:
        total /= total.dtype.type(count)
    return total

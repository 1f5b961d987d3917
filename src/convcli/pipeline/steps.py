"""One step of a chain: a kernel, or an operator of several, planned for its input."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Field, Fill, Padder, fill_of, gathered, padder_for
from convcli.choices import Border, Combine, Depth, Method
from convcli.engine.buffers import result_array
from convcli.engine.planner import Block, Plan, choose_plan
from convcli.engine.pooling import Pooling, Reduction, pool_padder, pooled
from convcli.engine.problem import natural_result, problem_for
from convcli.engine.store import StoreRule, ValueStats
from convcli.engine.worker import run_plan
from convcli.errors import GeometryError, KernelError, SpecError
from convcli.geometry.window import Axis, Window, window
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.pipeline.options import Options
from convcli.pipeline.report import Step
from convcli.text import counted
from convcli.values import Record, replace

Values: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, int, int]
Operand: TypeAlias = Kernel | Operator
Link: TypeAlias = Operand | Plain
"""One step of a chain."""


PlanStep: TypeAlias = Callable[[Operand, Shape, np.dtype[Any], Options], "PlannedStep"]


class PlannedStep(Record, kw_only=True):
    """A step of a chain, planned for one input: a kernel, or an operator of several.

    `plans` has one for each kernel, all with the same input; a subclass that computes something
    else in `part` has none. `summary` and `border` are what the report says about it. `shape`
    and `result_shape` are those of its input (H, W, C) and of its answer (H', W', O). `combine`
    says how the answers of several kernels become one. `is_bank`: it mixes the channels of its
    input; `is_zero_sum`: flat areas answer 0. In `working` floats opacity weighs colours and
    pixels are rounded; `raw_dtype`, if any, is that of raw results at the end. `padder` lays
    the border around its input, where the engine does not.
    """

    plans: tuple[Plan, ...] = ()
    summary: Step
    shape: Shape
    result_shape: Shape
    border: str
    combine: Combine | None = None
    is_bank: bool = False
    is_zero_sum: bool = False
    jobs: int | None = None
    working: np.dtype[Any] = np.dtype(np.float32)
    raw_dtype: np.dtype[Any] | None = None
    padder: Padder | None = None
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.summary.kernel

    @property
    def window(self) -> Window:
        """The window that slides over its input."""
        return self.summary.window

    @property
    def result_dtype(self) -> np.dtype[Any]:
        """The dtype of its raw answer, as the next step gets it."""
        return self.plans[0].problem.result if self.plans else self.raw_dtype or self.working

    @property
    def has_one_opacity(self) -> bool:
        """Whether an answer to colours and one to their opacity belong together."""
        return self.combine is None

    @property
    def slid_shape(self) -> tuple[int, int]:
        """Rows and columns that its window slides over."""
        return self.shape[:2]

    @property
    def is_signed(self) -> bool:
        """Whether the sign of an answer is a direction only, and may be dropped.

        The largest answer of a compass is below 0 only where there is no edge.
        """
        return self.is_zero_sum and self.combine is not Combine.MAX

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

    def _answer(self, planned: Plan, block: Block | None, values: Values) -> Values:
        result = result_array(_shape(planned, block), planned.problem.result)
        run_plan(planned, values, result, self.jobs, block)
        return result

    def pixels(
        self, field: Field, rows: slice, columns: slice, rule: StoreRule
    ) -> tuple[Values, ValueStats]:
        """Compute a rectangle of pixels of the one kernel, without its raw values."""
        ((planned, block, values),) = self._inputs(field, rows, columns)
        result = result_array(_shape(planned, block), rule.dtype)
        return result, run_plan(planned, values, result, self.jobs, block, rule=rule)

    def _inputs(
        self, field: Field, rows: slice, columns: slice
    ) -> Iterator[tuple[Plan, Block | None, Values]]:
        """Yield the plan of each kernel, its block (None for all), and the input, read once."""
        if self.padder is not None:
            field = self.padder.over(field)
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
        """Return the step planned for an input with other channels and another dtype.

        `fill` is the constant of its border.
        """
        padder = None if self.padder is None else replace(self.padder, fill=fill)
        plans = tuple(
            choose_plan(
                replace(
                    planned.problem,
                    shape=(*planned.problem.shape[:2], channels),
                    dtype=dtype if padder is None else padder.dtype(dtype),
                    result=np.dtype(np.float32),
                ),
                method,
            )
            for planned in self.plans
        )
        summary, border = self.summary.window, self.border
        return step_of(plans, self.combine, self.name, self.jobs, padder, summary, border)


class MapStep(PlannedStep, kw_only=True):
    """A step that changes each value by itself: relu or abs."""

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Change a rectangle of a field."""
        values = field(rows, columns)
        return np.maximum(values, 0) if self.name == "relu" else np.abs(values)

    def fitted(self, channels: int, *_: Any) -> "MapStep":
        """Return the step for an input with other channels."""
        shape = (*self.shape[:2], channels)
        return replace(self, shape=shape, result_shape=shape)


class PoolStep(PlannedStep, kw_only=True):
    """A pooling as a step. `bare` is its window without padding, and `dtype` its answer's."""

    pooling: Pooling
    bare: Window
    dtype: np.dtype[Any] | None = None

    @property
    def has_one_opacity(self) -> bool:
        """Whether it is a mean: each colour of a maximum may come from another pixel."""
        return self.pooling.reduction is Reduction.AVERAGE

    def part(self, field: Field, rows: slice, columns: slice) -> Values:
        """Pool the part of a field that a rectangle of the result sees."""
        down, across = (
            slice(part.start * axis.stride, (part.stop - 1) * axis.stride + axis.extent)
            for part, axis in zip((rows, columns), self.bare.axes, strict=True)
        )
        padded = field if self.padder is None else self.padder.over(field)
        values = pooled(padded(down, across), replace(self.pooling, window=self.bare))
        return values if self.dtype is None else values.astype(self.dtype, copy=False)

    def fitted(self, channels: int, *settings: Any) -> "PoolStep":
        """Return the step for an input with other channels."""
        padder = None if self.padder is None else replace(self.padder, fill=settings[-1])
        shape, result = (*self.shape[:2], channels), (*self.result_shape[:2], channels)
        return replace(self, shape=shape, result_shape=result, padder=padder)


def pool_step(shape: Shape, dtype: np.dtype[Any], pooling: Pooling) -> PoolStep:
    """Plan a pooling for pixels of a shape (H, W, C)."""
    slide, name = pooling.window, f"{pooling.reduction.value} pooling"
    padder, bare = pool_padder(pooling, shape[:2], dtype, shape[2])
    return PoolStep(
        pooling=pooling,
        bare=bare,
        summary=Step(name, slide.kernel, slide, "direct", "by doubling"),
        shape=shape,
        result_shape=(*slide.output_shape(shape[:2]), shape[2]),
        border="none",
        padder=padder,
    )


REDUCTIONS = {"pool": Reduction.AVERAGE, "max": Reduction.MAX}


def _plan_plain(plain: Plain, shape: Shape, dtype: np.dtype[Any]) -> PlannedStep:
    """Plan a step without weights; its input are floats."""
    if plain.kind in REDUCTIONS:
        pooling = Pooling(REDUCTIONS[plain.kind], window(plain.size, plain.size))
        try:
            step = pool_step(shape, dtype, pooling)
        except GeometryError as error:
            raise GeometryError(f"{plain.name}: {error}") from None
        floats = natural_result(dtype)
        return replace(step, working=floats, raw_dtype=floats, dtype=floats)
    return MapStep(
        summary=Step(plain.name, (1, 1), window(1), "direct", "value by value"),
        shape=shape,
        result_shape=shape,
        border="none",
        working=dtype,
        raw_dtype=dtype,
    )


def _whole(shape: tuple[int, ...]) -> tuple[slice, slice]:
    return slice(0, shape[0]), slice(0, shape[1])


def _shape(planned: Plan, block: Block | None) -> Shape:
    """Return the shape of what is computed: of a block, or of the whole result."""
    if block is None:
        return planned.problem.result_shape
    rows, columns = block.rows, block.columns
    return (rows.stop - rows.start, columns.stop - columns.start, planned.problem.outputs)


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
        for number, ((before, after), axis) in enumerate(
            zip(seen, step.window.axes, strict=True)
        ):
            seen[number] = (
                -(-(axis.before + before) // axis.stride),
                -(-(axis.after + after) // axis.stride),
            )
    return seen[0], seen[1]


_JOIN = {Combine.MAX: np.maximum, Combine.MIN: np.minimum}


def combined_answer(answers: Iterable[Values], combine: Combine) -> Values:
    """Combine answers of one shape, at least one, into one. They may be overwritten.

    >>> combined_answer([np.array([3.0]), np.array([-4.0])], Combine.MAGNITUDE).tolist()
    [5.0]
    """
    total, count = np.empty(0), 0
    for answer in answers:
        if combine is Combine.MAGNITUDE:
            np.square(answer, out=answer)
        total = _JOIN.get(combine, np.add)(total, answer, out=total) if count else answer
        count += 1
    if combine is Combine.MAGNITUDE:
        np.sqrt(total, out=total)
    if combine is Combine.MEAN:
        total /= total.dtype.type(count)
    return total


def plan_chain(
    shape: Shape,
    dtype: np.dtype[Any],
    operands: Sequence[Link],
    options: Options,
    plan_step: PlanStep | None = None,
) -> tuple[PlannedStep, ...]:
    """Plan each step of a chain for pixels of a shape (H, W, C); nothing is computed.

    `plan_step` plans one step: a correlation unless it is given.

    A `ConvcliError` is raised where a kernel does not fit its input.
    """
    if options.combine and not any(isinstance(operand, Operator) for operand in operands):
        raise SpecError(
            f"--combine {options.combine.value}: expected several kernels, got one: join "
            "them as sobel-x+sobel-y"
        )
    steps: list[PlannedStep] = []
    kernels = [i for i, each in enumerate(operands) if not isinstance(each, Plain)]
    if not kernels:
        raise SpecError(f"{operands[0].name}: expected a kernel in the chain: add one")
    for number, operand in enumerate(operands):
        if isinstance(operand, Plain):
            step = _plan_plain(operand, shape, dtype)
        else:
            if options.axis is not None:
                operand = along_axis(operand, options.axis)  # noqa: PLW2901 - the same kernel
            picked = _picked(operand, options.map) if number == kernels[-1] else operand
            step = (plan_step or _planned)(picked, shape, dtype, options)
        shape, dtype = step.result_shape, step.result_dtype
        steps.append(step)
    return tuple(steps)


def _planned(
    operand: Operand, shape: Shape, dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    kernels: tuple[Kernel, ...]
    if isinstance(operand, Operator):
        kernels, combine = operand.kernels, options.combine or operand.combine
    else:
        kernels, combine = (operand,), None
    slide = window(operand.size, options.stride, options.padding, options.dilation)
    fill = fill_of(options.border, shape[2], Depth.EIGHT.white)
    padder, bare = padder_for(options.border, slide, shape[:2], fill)
    padded = (shape, dtype)
    if padder is not None:
        padded = ((*padder.padded, shape[2]), padder.dtype(dtype))
    plans = tuple(_plan(kernel, padded, bare, options, channels=shape[2]) for kernel in kernels)
    border = options.border.value
    return step_of(plans, combine, operand.name, options.jobs, padder, slide, border)


def step_of(  # noqa: PLR0917 - a step of a chain, or of stamps
    plans: tuple[Plan, ...],
    combine: Combine | None,
    name: str,
    jobs: int | None,
    padder: Padder | None = None,
    slide: Window | None = None,
    border: str = "",
) -> PlannedStep:
    """Return the step of the plans of one kernel, or of the kernels of an operator."""
    problem, kernels = plans[0].problem, [planned.problem.kernel for planned in plans]
    strategies = [planned.strategy for planned in plans]
    is_zero_sum = all(kernel.is_zero_sum for kernel in kernels)
    summary = Step(
        kernel=name,
        weights=kernels[0].weights.shape,
        window=slide or problem.window,
        method="+".join(dict.fromkeys(strategy.method.value for strategy in strategies)),
        strategy="+".join(dict.fromkeys(strategy.name for strategy in strategies)),
        combined=None if combine is None else combine.value,
    )
    return PlannedStep(
        plans=plans,
        summary=summary,
        shape=(*(problem.shape[:2] if padder is None else padder.size), problem.shape[2]),
        result_shape=problem.result_shape,
        border=border or problem.border.value,
        padder=padder,
        combine=combine,
        is_bank=kernels[0].is_bank,
        is_zero_sum=is_zero_sum,
        jobs=jobs,
    )


def _plan(
    kernel: Kernel,
    given: tuple[Shape, np.dtype[Any]],
    slide: Window,
    options: Options,
    *,
    channels: int,
) -> Plan:
    """Plan one kernel for an input of a shape and a dtype, which may be padded already."""
    flipped = kernel.flipped() if options.flip else kernel
    biased = flipped if options.bias is None else flipped.plus_bias(options.bias)
    border = options.border if isinstance(options.border, Border) else Border.ZERO
    if border is Border.ODD:  # an input that is padded, or a window that needs no padding
        border = Border.ZERO
    try:
        problem = problem_for(*given, biased, slide, border=border)
    except GeometryError as error:
        remedy = _remedy(channels, kernel)
        # Advice for the command line replaces the advice for Python, after the last colon.
        message = f"{str(error).rpartition(': ')[0]}: {remedy}" if remedy else str(error)
        raise GeometryError(f"{kernel.name}: {message}") from None
    except KernelError as error:
        raise KernelError(f"{kernel.name}: {error}") from None
    return choose_plan(problem, options.method)


def along_axis(operand: Operand, axis: str | None) -> Operand:
    """Return the kernels of one row or one column along an axis, x or y."""
    if isinstance(operand, Operator):
        return operand.changed(lambda kernel: kernel.along(axis))
    return operand.along(axis)


def _picked(operand: Operand, number: int | None) -> Operand:
    """Keep one filter of the last bank: the others are not computed."""
    if number is None:
        return operand
    if isinstance(operand, Operator):
        return operand.changed(lambda kernel: _filter(kernel, number))
    return _filter(operand, number)


def _filter(kernel: Kernel, number: int) -> Kernel:
    if not kernel.is_bank:
        raise KernelError(
            f"{kernel.name}: expected a filter bank to take map {number} of, got a 2-D "
            "kernel: drop --map"
        )
    if number >= kernel.filters:
        raise KernelError(
            f"{kernel.name}: expected a map from 0 to {kernel.filters - 1}, got {number}: "
            "maps are numbered from 0"
        )
    bias = kernel.bias[number : number + 1] if len(kernel.bias) > 1 else kernel.bias
    weights = kernel.weights[number : number + 1]
    return Kernel(weights, bias or None, f"{kernel.name}[{number}]", kernel.description)


def _remedy(channels: int, kernel: Kernel) -> str:
    """Say what to do about a bank whose channels are not the picture's."""
    if not kernel.is_bank or kernel.channels == channels:
        return ""
    if kernel.channels == 1:
        return "use --gray, or a 2-D kernel"
    if channels == 1:
        return "give it a colour picture (and no --gray), or a bank with 1 input channel"
    return f"give it a bank with {channels} input channels"


def all_remainders(steps: Sequence[PlannedStep], *, strict: bool) -> tuple[str, ...]:
    """Say which rows and columns of its input no window of a step looks at.

    With `strict` such rows and columns, also in the padding, are a `GeometryError`.
    """
    warnings = [warning for step in steps for warning in step.warnings]
    for number, step in enumerate(steps, start=1):
        whose = "the picture" if number == 1 else f"step {number}'s input"
        for line, axis, size in zip(
            ("row", "column"), step.window.axes, step.slid_shape, strict=True
        ):
            left = axis.unseen(size)
            if strict and left.total:
                raise GeometryError(_not_clean(step.name, line, axis, size))
            if left.picture:
                warnings.append(_unseen(line, axis.stride, size, left.picture, whose))
    return tuple(warnings)


def _not_clean(kernel: str, name: str, axis: Axis, size: int) -> str:
    left = axis.unseen(size)
    parts = [f"{counted(left.picture, name)} of picture"] * (left.picture > 0)
    parts += [f"{counted(left.padding, name)} of padding"] * (left.padding > 0)
    return (
        f"{kernel}: expected windows that tile {counted(size, name)}, got "
        f"{axis.exact_output_size(size)} outputs ({' and '.join(parts)} left over): change the "
        "stride or the padding, or drop --strict"
    )


def _unseen(name: str, stride: int, size: int, count: int, whose: str) -> str:
    coordinate = "y" if name == "row" else "x"
    which = f"{size - 1}" if count == 1 else f"{size - count} to {size - 1}"
    lines = name if count == 1 else f"{count} {name}s"
    return f"stride {stride} leaves the last {lines} of {whose} ({coordinate} = {which}) unseen"

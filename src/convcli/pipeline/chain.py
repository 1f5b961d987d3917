"""How a chain is planned: each of its steps for its input, and what no window looks at."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convcli.borders import Padder, fill_of, padder_for
from convcli.choices import Border, Depth
from convcli.engine.planner import choose_plan
from convcli.engine.pooling import Pooling, Reduction, pool_padder
from convcli.engine.problem import Problem, natural_result, problem_for
from convcli.errors import GeometryError, KernelError, SpecError
from convcli.geometry.window import Axis, Window, window
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.pipeline.options import Options
from convcli.pipeline.report import Step
from convcli.pipeline.steps import Link, MapStep, Operand, PlannedStep, PoolStep, Shape
from convcli.text import counted
from convcli.values import replace


def plan_chain(
    shape: Shape, dtype: np.dtype[Any], links: Sequence[Link | Pooling], options: Options
) -> tuple[PlannedStep, ...]:
    """Plan each step of a chain for pixels of a shape (H, W, C); nothing is computed."""
    if options.combine and not any(isinstance(link, Operator) for link in links):
        raise SpecError(
            f"--combine {options.combine.value}: expected several kernels, got one: join "
            "them as sobel-x+sobel-y"
        )
    last = max((i for i, link in enumerate(links) if not isinstance(link, Plain)), default=-1)
    if last < 0:
        raise SpecError(f"{links[0].name}: expected a kernel in the chain: add one")
    steps: list[PlannedStep] = []
    for number, link in enumerate(links):
        if isinstance(link, Plain):
            step = _plain_step(link, shape, dtype)
        elif isinstance(link, Pooling):
            step = _pool_step(link, shape, dtype)
        else:
            chosen = options.map if number == last else None
            step = _weighing_step(link, chosen, shape, dtype, options)
        shape, dtype = step.result_shape, step.result_dtype
        steps.append(step)
    return tuple(steps)


def _pool_step(pooling: Pooling, shape: Shape, dtype: np.dtype[Any]) -> PoolStep:
    slide, is_mean = pooling.window, pooling.reduction is Reduction.AVERAGE
    padder, bare = pool_padder(pooling, shape[:2], dtype, shape[2])
    plain = "zero" if is_mean else "none"  # the largest value never is one of the padding
    return PoolStep(
        pooling=replace(pooling, window=bare),
        summary=Step(pooling.name, slide.kernel, slide, "direct", "by doubling"),
        shape=shape,
        result_shape=(*slide.output_shape(shape[:2]), shape[2]),
        border=plain if pooling.border is None else pooling.border.value,
        padder=padder,
        working=np.dtype(np.float64),
        raw_dtype=natural_result(dtype),
    )


REDUCTIONS = {"pool": Reduction.AVERAGE, "max": Reduction.MAX}


def _plain_step(plain: Plain, shape: Shape, dtype: np.dtype[Any]) -> PlannedStep:
    """Plan a step of a chain that has no weights; it answers floats."""
    if plain.kind in REDUCTIONS:
        pooling = Pooling(REDUCTIONS[plain.kind], window(plain.size, plain.size))
        with _naming(plain.name):
            step = _pool_step(pooling, shape, dtype)
        floats = natural_result(dtype)
        return replace(step, border="none", working=floats, dtype=floats)
    return MapStep(
        summary=Step(plain.name, (1, 1), window(1), "direct", "value by value"),
        shape=shape,
        result_shape=shape,
        border="none",
        working=dtype,
        raw_dtype=dtype,
    )


def _weighing_step(
    operand: Operand, chosen: int | None, shape: Shape, dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    """Plan a step with weights; of a bank the `chosen` filter alone, if any, is computed."""
    plan_step = _planned
    if options.transposed:
        from convcli.engine.transposed import exchanged

        plan_step, operand = _plan_transposed, operand.changed(exchanged)
    if options.axis is not None:
        operand = operand.changed(lambda kernel: kernel.along(options.axis))
    if chosen is not None:
        operand = operand.changed(lambda kernel: _filter(kernel, chosen))
    return plan_step(operand, shape, dtype, options)


def _planned(
    operand: Operand, shape: Shape, dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    slide = window(operand.size, options.stride, options.padding, options.dilation)
    fill = fill_of(options.border, shape[2], Depth.EIGHT.white)
    padder, bare = padder_for(options.border, slide, shape[:2], fill)
    padded, border = (shape, dtype), options.border
    if padder is not None:
        padded = ((*padder.padded, shape[2]), padder.dtype(dtype))
    if not isinstance(border, Border) or border is Border.ODD:
        border = Border.ZERO  # the input is padded, or the window needs no padding
    problems = []
    for kernel in operand.kernels:
        with _naming(kernel.name, _remedy(shape[2], kernel)):
            moved = _biased(kernel, options)
            problems.append(problem_for(*padded, moved, bare, border=border))
    name = options.border.value
    return _step_of(problems, operand, options, padder=padder, slide=slide, border=name)


def _plan_transposed(
    operand: Operand, shape: Shape, dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    """Plan one transposed step; of a bank the outputs come first: see `exchanged`."""
    from convcli.engine.transposed import checkerboard_of, stamp_window, stamping_for

    if options.border is not Border.ZERO:
        raise GeometryError(
            f"--transposed: expected no border, got {options.border.value}: stamps end where "
            "the picture ends: leave --border out"
        )
    sides = (operand.size, options.stride, options.padding, options.dilation)
    slide, more = stamp_window(*sides, options.output_padding)
    stampings = []
    for kernel in operand.kernels:
        with _naming(kernel.name):
            stampings.append(stamping_for(shape, dtype, _biased(kernel, options), slide, more))
    problems = [each.problem for each in stampings]
    planned = _step_of(problems, operand, options, slide=slide, border="none")
    uneven = filter(None, (checkerboard_of(slide, k.weights) for k in operand.kernels))
    return replace(
        planned,
        shape=shape,
        summary=replace(planned.summary, kernel=f"{operand.name} transposed"),
        stamping=stampings[0],
        warnings=(*uneven,)[:1],
    )


def _step_of(
    problems: Sequence[Problem],
    operand: Operand,
    options: Options,
    *,
    padder: Padder | None = None,
    slide: Window,
    border: str,
) -> PlannedStep:
    """Return the step of the problems of one kernel, or of the kernels of an operator."""
    plans = tuple(choose_plan(each, options.method) for each in problems)
    problem, strategies = problems[0], [planned.strategy for planned in plans]
    combine = operand.combine and (options.combine or operand.combine)
    summary = Step(
        kernel=operand.name,
        weights=problem.kernel.weights.shape,
        window=slide,
        method="+".join(dict.fromkeys(strategy.method.value for strategy in strategies)),
        strategy="+".join(dict.fromkeys(strategy.name for strategy in strategies)),
        combined=combine and combine.value,
    )
    return PlannedStep(
        plans=plans,
        summary=summary,
        shape=(*(problem.shape[:2] if padder is None else padder.size), problem.shape[2]),
        result_shape=problem.result_shape,
        border=border,
        padder=padder,
        combine=combine,
        jobs=options.jobs,
    )


def _biased(kernel: Kernel, options: Options) -> Kernel:
    """Return a kernel flipped, and with the bias of the options, if they ask for that."""
    turned = kernel.flipped() if options.flip else kernel
    return turned if options.bias is None else turned.plus_bias(options.bias)


@contextlib.contextmanager
def _naming(name: str, remedy: str = "") -> Iterator[None]:
    """Name the kernel that an error is about."""
    try:
        yield
    except (GeometryError, KernelError) as error:
        # Advice for the command line replaces the advice for Python, after the last colon.
        message = f"{str(error).rpartition(': ')[0]}: {remedy}" if remedy else str(error)
        raise type(error)(f"{name}: {message}") from None


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
    """Say which rows and columns of a step's input no window sees; `strict` refuses them."""
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

"""How a chain is planned: each of its steps for its input, and what no window looks at."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convcli.borders import fill_of, padder_for
from convcli.choices import Border, Combine, Depth
from convcli.engine.planner import choose_plan
from convcli.engine.pooling import Pooling, Reduction, pool_padder
from convcli.engine.problem import Problem, natural_result, problem_for
from convcli.errors import GeometryError, KernelError, SpecError, fail
from convcli.geometry.window import Axis, Window, window
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, Plain
from convcli.pipeline.options import Options
from convcli.pipeline.report import Step
from convcli.pipeline.steps import Link, MapStep, Operand, PlannedStep, PoolStep, Shape
from convcli.text import counted
from convcli.values import fields_of, replace


def plan_chain(
    shape: Shape, dtype: np.dtype[Any], links: Sequence[Link | Pooling], options: Options
) -> tuple[PlannedStep, ...]:
    """Plan each step of a chain for pixels of a shape (H, W, C); nothing is computed."""
    if options.combine and not any(isinstance(link, Operator) for link in links):
        fault = "expected several kernels, got one"
        remedy = "join them as sobel-x+sobel-y"
        fail(f"--combine {options.combine.value}", fault, remedy, SpecError)
    last = max((i for i, link in enumerate(links) if not isinstance(link, Plain)), default=-1)
    if last < 0:
        raise SpecError(f"{links[0].name}: expected a kernel in the chain: add one")
    steps: list[PlannedStep] = []
    for number, link in enumerate(links):
        if isinstance(link, Plain):
            step = _plain_step(link, shape, dtype)
        elif isinstance(link, Pooling):
            border = link.border and options.border  # the same, in the numbers of the pixels
            step = _pool_step(replace(link, border=border), shape, dtype)
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
        combine=None if is_mean else Combine.MAX,
        padder=padder,
        working=np.dtype(np.float64),
        raw_dtype=natural_result(dtype),
    )


_COLOURS = 3
REDUCTIONS = {"pool": Reduction.AVERAGE, "max": Reduction.MAX}


def _plain_step(plain: Plain, shape: Shape, dtype: np.dtype[Any]) -> PlannedStep:
    """Plan a step of a chain that has no weights; it answers floats."""
    if plain.kind in REDUCTIONS:
        pooling = Pooling(REDUCTIONS[plain.kind], window(plain.size, plain.size))
        with _naming(plain.name):
            step = _pool_step(pooling, shape, dtype)
        floats = natural_result(dtype)
        return replace(step, border="none", working=floats, dtype=floats)
    summary = Step(plain.name, (1, 1), window(1), "direct", "value by value")
    return MapStep(summary, shape, shape, "none", working=dtype, raw_dtype=dtype)


def _weighing_step(
    operand: Operand, chosen: int | None, shape: Shape, dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    """Plan a step with weights; of a bank the `chosen` filter alone, if any, is computed."""
    kernels = [_prepared(kernel, chosen, options) for kernel in operand.kernels]
    plan_step = _plan_transposed if options.transposed else _plan_correlated
    problems, slide, facts = plan_step(kernels, shape, dtype, options)
    plans = tuple(choose_plan(each, options.method) for each in problems)
    method = "+".join(dict.fromkeys(each.strategy.method.value for each in plans))
    strategy = "+".join(dict.fromkeys(each.strategy.name for each in plans))
    combine = operand.combine and (options.combine or operand.combine)
    name = operand.name if combine else kernels[0].name
    name += " transposed" * options.transposed
    combined = combine and combine.value
    summary = Step(name, kernels[0].weights.shape, slide, method, strategy, combined)
    shapes = (shape, problems[0].result_shape)
    facts |= {"plans": plans, "combine": combine, "jobs": options.jobs}
    return PlannedStep(summary, *shapes, **facts)


def _plan_correlated(
    kernels: Sequence[Kernel], shape: Shape, dtype: np.dtype[Any], options: Options
) -> tuple[list[Problem], Window, dict[str, Any]]:
    """Return the problem of each kernel, the window as it is shown, more fields of the step."""
    border = options.border
    slide = window(kernels[0].size, options.stride, options.padding, options.dilation)
    fill = fill_of(border, shape[2], Depth.EIGHT.white)
    filled = border if isinstance(border, Border) and border is not Border.ODD else None
    padder, bare = (None, slide) if filled else padder_for(border, slide, shape[:2], fill)
    padded = (shape, dtype)
    if padder is not None:
        padded = ((*padder.padded, shape[2]), padder.dtype(dtype))
    problems = []
    for kernel in kernels:
        with _naming(kernel.name, _remedy(shape[2], kernel)):
            problems.append(problem_for(*padded, kernel, bare, border=filled or Border.ZERO))
    return problems, slide, {"border": border.value, "padder": padder}


def _plan_transposed(
    kernels: Sequence[Kernel], shape: Shape, dtype: np.dtype[Any], options: Options
) -> tuple[list[Problem], Window, dict[str, Any]]:
    from convcli.engine.transposed import checkerboard_of, stamp_window, stamping_for

    if options.border is not Border.ZERO:
        got = f"got {options.border.value}: stamps end where the picture ends"
        fault = f"expected no border, {got}"
        fail("--transposed", fault, "leave --border out", GeometryError)
    sides = (kernels[0].size, options.stride, options.padding, options.dilation)
    slide, more = stamp_window(*sides, options.output_padding)
    stampings = []
    for kernel in kernels:
        with _naming(kernel.name):
            stampings.append(stamping_for(shape, dtype, kernel, slide, more))
    uneven = [text for each in kernels if (text := checkerboard_of(slide, each.weights))]
    facts = {"border": "none", "stamping": stampings[0], "warnings": tuple(uneven[:1])}
    return [each.problem for each in stampings], slide, facts


def _prepared(kernel: Kernel, chosen: int | None, options: Options) -> Kernel:
    """Return a kernel as the options change it: a bank's axes, one of its filters, its bias."""
    if options.transposed:
        from convcli.engine.transposed import exchanged

        kernel = exchanged(kernel)  # the outputs come first
    if options.axis is not None:
        kernel = kernel.along(options.axis)
    if chosen is not None:
        kernel = _filter(kernel, chosen)
    if options.flip:
        kernel = kernel.flipped()
    if options.bias is not None:
        with _naming(kernel.name):
            kernel = kernel.plus_bias(options.bias)
    return kernel


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
        fault = f"expected a filter bank to take map {number} of, got a 2-D kernel"
        fail(kernel.name, fault, "drop --map")
    if number >= kernel.filters:
        fault = f"expected a map from 0 to {kernel.filters - 1}, got {number}"
        fail(kernel.name, fault, "maps are numbered from 0")
    bias = kernel.bias[number : number + 1] if len(kernel.bias) > 1 else kernel.bias
    weights = kernel.weights[number : number + 1]
    return Kernel(weights, bias or None, f"{kernel.name}[{number}]", kernel.description)


def _remedy(channels: int, kernel: Kernel) -> str:
    """Say what to do about a bank whose channels are not the picture's."""
    if not kernel.is_bank or kernel.channels == channels:
        return ""
    if kernel.channels == 1:
        return "use --gray, or a 2-D kernel" if channels == _COLOURS else "use a 2-D kernel"
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
                _refuse_remainder(step.name, line, axis, size)
            if left.picture:
                warnings.append(_unseen(line, axis.stride, size, left.picture, whose))
    return tuple(warnings)


def _refuse_remainder(kernel: str, name: str, axis: Axis, size: int) -> None:
    left = fields_of(axis.unseen(size), "picture", "padding")
    parts = [f"{counted(count, name)} of {where}" for where, count in left.items() if count > 0]
    got = f"got {axis.exact_output_size(size)} outputs ({' and '.join(parts)} left over)"
    fault = f"expected windows that tile {counted(size, name)}, {got}"
    fail(kernel, fault, "change the stride or the padding, or drop --strict", GeometryError)


def _unseen(name: str, stride: int, size: int, count: int, whose: str) -> str:
    coordinate = "y" if name == "row" else "x"
    which = f"{size - 1}" if count == 1 else f"{size - count} to {size - 1}"
    lines = name if count == 1 else f"{count} {name}s"
    return f"stride {stride} leaves the last {lines} of {whose} ({coordinate} = {which}) unseen"

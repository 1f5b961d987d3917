"""One step of a chain: a kernel, or an operator of several, planned for its input."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Combine
from convcli.engine.buffers import result_array
from convcli.engine.planner import Plan, plan
from convcli.engine.problem import Problem, problem_for
from convcli.engine.worker import run_plan
from convcli.errors import GeometryError, KernelError, SpecError
from convcli.geometry.window import Axis, Pair, Window, window
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator
from convcli.pipeline.options import Options
from convcli.text import counted
from convcli.values import Record

Values = NDArray[Any]


def combined(answers: Iterable[Values], how: Combine) -> Values:
    """Return the combination of some answers.

    Parameters
    ----------
    answers : iterable of ndarray of floats, all of one shape
        At least one; they may be overwritten.
    how : Combine
        How.

    Returns
    -------
    ndarray, of the answers' shape and dtype

    Examples
    --------
    >>> combined([np.array([3.0]), np.array([-4.0])], Combine.MAGNITUDE).tolist()
    [5.0]
    """
    total: Values | None = None
    count = 0
    for answer in answers:
        count += 1
        total = _joined(total, answer, how)
    if total is None:
        raise ValueError("expected at least one answer, got none")
    if how is Combine.MAGNITUDE:
        np.sqrt(total, out=total)
    if how is Combine.MEAN:
        total /= total.dtype.type(count)
    return total


def _joined(total: Values | None, answer: Values, how: Combine) -> Values:
    if how is Combine.MAGNITUDE:
        np.square(answer, out=answer)
    if total is None:
        return answer
    if how is Combine.MAX:
        return np.maximum(total, answer, out=total)
    if how is Combine.MIN:
        return np.minimum(total, answer, out=total)
    return np.add(total, answer, out=total)


Operand: TypeAlias = Kernel | Operator


class PlannedStep(Record):
    """A planned step.

    Attributes
    ----------
    plans : tuple of Plan
        One for each kernel, all with the same input.
    combine : Combine or None
        How several answers become one; None where there is one kernel.
    name : str
        Of the kernel, or of the operator.
    jobs : int or None
        Threads.
    """

    plans: tuple[Plan, ...]
    combine: Combine | None
    name: str
    jobs: int | None

    @property
    def problem(self) -> Problem:
        """What the first plan computes: shapes and types are those of all."""
        return self.plans[0].problem

    @property
    def is_zero_sum(self) -> bool:
        """Whether flat areas answer 0."""
        return all(one.problem.kernel.is_zero_sum for one in self.plans)

    @property
    def is_signed(self) -> bool:
        """Whether the sign of an answer is a direction only: it may be dropped.

        A compass's best answer is below 0 where there is no edge at all.
        """
        return self.is_zero_sum and self.combine is not Combine.MAX

    def raw(self, values: Values) -> Values:
        """Return the answer to an input (H, W, C), unrounded, shape (H', W', O)."""
        return self.joined(self.answers(values))

    def joined(self, answers: Iterator[Values]) -> Values:
        """Return what the answers of all kernels come to."""
        return next(answers) if self.combine is None else combined(answers, self.combine)

    def answers(self, values: Values) -> Iterator[Values]:
        """Yield the raw answer of each kernel, one at a time."""
        return (_answer(one, values, self.jobs) for one in self.plans)


def plan_chain(
    pixels: Values, operands: Sequence[Operand], options: Options
) -> tuple[PlannedStep, ...]:
    """Plan each step of a chain; nothing is computed.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, C)
        Only the shape and the dtype are looked at.
    operands : sequence of Kernel or Operator
        The steps.
    options : Options
        How.

    Returns
    -------
    tuple of PlannedStep, one for each step

    Raises
    ------
    ConvcliError
        If a kernel does not fit what comes to it.
    """
    if options.combine and not any(isinstance(one, Operator) for one in operands):
        raise SpecError(
            f"--combine {options.combine.value}: expected several kernels, got one: join "
            "them as sobel-x+sobel-y"
        )
    steps = [*operands[:-1], _picked(operands[-1], options.map)]
    stages: list[PlannedStep] = []
    shape, dtype = pixels.shape, pixels.dtype
    for step in steps:
        stage = _stage(step, shape, dtype, options)
        shape, dtype = stage.problem.result_shape, stage.problem.result
        stages.append(stage)
    return tuple(stages)


def _stage(
    step: Operand, shape: tuple[int, ...], dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    kernels = step.kernels if isinstance(step, Operator) else (step,)
    how = (options.combine or step.combine) if isinstance(step, Operator) else None
    plans = tuple(_plan(kernel, shape, dtype, options) for kernel in kernels)
    return PlannedStep(plans, how, step.name, options.jobs)


def _plan(
    kernel: Kernel, shape: tuple[int, ...], dtype: np.dtype[Any], options: Options
) -> Plan:
    turned = kernel.flipped() if options.flip else kernel
    ready = turned if options.bias is None else turned.plus_bias(options.bias)
    return plan(_problem(shape, dtype, ready, options), options.method)


def _picked(step: Operand, number: int | None) -> Operand:
    """Return the step with one of its filters only: the others are not computed."""
    if number is None:
        return step
    if isinstance(step, Operator):
        return step.changed(lambda kernel: _filter(kernel, number))
    return _filter(step, number)


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


def _problem(
    shape: tuple[int, ...], dtype: np.dtype[Any], kernel: Kernel, options: Options
) -> Problem:
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    try:
        return problem_for(shape, dtype, kernel, slide, border=options.border)
    except GeometryError as error:
        remedy = _remedy(shape[2], kernel)
        # What a person at the command line can do takes the place of the library's advice.
        message = f"{str(error).rpartition(': ')[0]}: {remedy}" if remedy else str(error)
        raise GeometryError(f"{kernel.name}: {message}") from None
    except KernelError as error:
        raise KernelError(f"{kernel.name}: {error}") from None


def _remedy(channels: int, kernel: Kernel) -> str:
    """Say what to do about a bank whose channels are not the picture's."""
    if not kernel.is_bank or kernel.channels == channels:
        return ""
    if kernel.channels == 1:
        return "use --gray, or a 2-D kernel"
    if channels == 1:
        return "give it a colour picture (and no --gray), or a bank with 1 input channel"
    return f"give it a bank with {channels} input channels"


def _answer(step: Plan, values: Values, jobs: int | None) -> Values:
    result = result_array(step.problem.result_shape, step.problem.result)
    run_plan(step, values, step.store(result), jobs)
    return result


def remainders(
    name: str, slide: Window, shape: Pair, *, strict: bool, whose: str = "the picture"
) -> list[str]:
    """Say which rows and columns no window looks at.

    Parameters
    ----------
    name : str
        What messages call the kernel.
    slide : Window
        How it slides.
    shape : (int, int)
        Rows and columns of what it slides over.
    strict : bool
        Whether any remainder, of the padding too, is an error.
    whose : str
        What messages call what it slides over.

    Raises
    ------
    GeometryError
        If there is a remainder that is not wanted.
    """
    found: list[str] = []
    for line, axis, size in zip(("row", "column"), slide.axes, shape, strict=True):
        left = axis.unseen(size)
        if strict and left.total:
            raise GeometryError(_not_clean(name, line, axis, size))
        if left.picture:
            found.append(_unseen(line, axis.stride, size, left.picture, whose))
    return found


def all_remainders(stages: Sequence[PlannedStep], options: Options) -> tuple[str, ...]:
    """Say which rows and columns of its input each step of a chain does not look at.

    Raises
    ------
    GeometryError
        If there is a remainder that is not wanted.
    """
    found: list[str] = []
    for number, step in enumerate(stages, start=1):
        whose = "the picture" if number == 1 else f"step {number}'s input"
        slide, shape = step.problem.window, step.problem.shape[:2]
        found += remainders(step.name, slide, shape, strict=options.strict, whose=whose)
    return tuple(found)


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

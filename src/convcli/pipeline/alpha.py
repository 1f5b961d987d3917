"""Colour and transparency: how the two are filtered together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Alpha
from convcli.engine.planner import plan
from convcli.errors import ImageError
from convcli.images.picture import Picture
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from convcli.pipeline.steps import PlannedStep
from convcli.values import Record, replace

Values = NDArray[Any]

_UNSEEN = 1e-6
"""Below this part of white an opacity is none: there is no colour to recover."""


class AlphaPolicy(Record):
    """How one picture's transparency is treated: `Alpha.AUTO` resolved.

    Attributes
    ----------
    kind : Alpha
        Not `Alpha.AUTO`.
    options : Options
        The engine's method and the number of threads.
    """

    kind: Alpha
    options: Options

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.kind.value

    @property
    def is_apart(self) -> bool:
        """Whether the colours do not depend on the opacity."""
        return self.kind is not Alpha.PREMULTIPLY

    def alpha(self, stages: Sequence[PlannedStep], source: Picture) -> Values | None:
        """Return the opacity where it does not depend on the colours."""
        if source.alpha is None:
            return None
        if self.kind is Alpha.FILTER:
            values: Values = source.alpha[..., np.newaxis]
            for stage in fitted(stages, values, self.options):
                values = stage.raw(values)
            return values[..., 0]
        return under_the_middle(stages, source.alpha)

    def colour_and_alpha(
        self, stages: Sequence[PlannedStep], pixels: Values, source: Picture
    ) -> tuple[Values, Values | None]:
        """Return raw colours and opacity, on the scale of the source."""
        if self.is_apart or source.alpha is None:
            values = pixels
            for stage in stages:
                values = stage.raw(values)
            return values, self.alpha(stages, source)
        values = weighed(pixels, source, stages)
        for step in weighed_stages(stages, values, self.options):
            values = step.answer(values)
        if filters_opacity(stages):
            return parted(values, source.white)
        return values, under_the_middle(stages, source.alpha)


def alpha_policy(
    picture: Picture, stages: Sequence[PlannedStep], options: Options
) -> AlphaPolicy:
    """Decide how a picture's transparency is treated.

    Raises
    ------
    ImageError
        If a way is asked for that a filter bank or an operator does not have.
    """
    bank = any(stage.problem.kernel.is_bank for stage in stages)
    zero = any(stage.is_zero_sum for stage in stages)
    operator = next((stage.name for stage in stages if stage.combine is not None), "")
    wanted = options.alpha
    if wanted is Alpha.AUTO:
        apart = bank or zero or bool(operator)
        wanted = Alpha.KEEP if apart or not picture.is_translucent else Alpha.PREMULTIPLY
    if bank and wanted is not Alpha.KEEP and picture.alpha is not None:
        raise ImageError(
            f"alpha {wanted.value}: expected 2-D kernels, got a filter bank, which mixes the "
            "colours: use --alpha keep"
        )
    if operator and wanted is Alpha.PREMULTIPLY and not zero and picture.alpha is not None:
        raise ImageError(
            f"alpha premultiply: expected kernels one by one, got {operator}, whose answers "
            "have no one opacity: use --alpha keep"
        )
    return AlphaPolicy(wanted, options)


def under_the_middle(stages: Sequence[PlannedStep], alpha: Values) -> Values:
    """Return the opacity under the middle of each window, step by step."""
    rows, columns, _ = stages[-1].problem.result_shape
    return alpha[np.ix_(*middles(stages, range(rows), range(columns)))]


def middles(
    stages: Sequence[PlannedStep], rows: range, columns: range
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which rows and columns of the picture stand under the middle of windows.

    Parameters
    ----------
    stages : sequence of PlannedStep
        The chain.
    rows, columns : range
        Outputs of its last step.
    """
    down, across = np.asarray(rows, np.intp), np.asarray(columns, np.intp)
    for stage in reversed(stages):
        problem = stage.problem
        (vertical, horizontal), (height, width) = problem.window.axes, problem.shape[:2]
        down = np.clip([vertical.centre(int(at)) for at in down], 0, height - 1)
        across = np.clip([horizontal.centre(int(at)) for at in across], 0, width - 1)
    return down, across


def filters_opacity(stages: Sequence[PlannedStep]) -> bool:
    """Tell whether opacity that weighs the colours is filtered with them.

    Where all flat areas answer 0 it would be 0 everywhere.
    """
    return not any(stage.is_zero_sum for stage in stages)


def weighed(pixels: Values, source: Picture, stages: Sequence[PlannedStep]) -> Values:
    """Return colour times opacity, and opacity (0 to 1) as the last channel if filtered.

    Parameters
    ----------
    pixels : ndarray, shape (H, W, C)
        What the first kernel would slide over.
    source : Picture
        Where they come from; with an opacity.
    stages : sequence of PlannedStep
        The chain.
    """
    if source.alpha is None:
        raise ValueError("expected a picture with an opacity, got none")
    part = source.alpha[..., np.newaxis].astype(np.float32) / np.float32(source.white)
    seen = pixels.astype(np.float32) * part
    return np.dstack([seen, part]) if filters_opacity(stages) else seen


class WeighedStage(Record):
    """A step for colours that are weighed by their opacity.

    Attributes
    ----------
    stage : PlannedStep
        What is computed; without the kernel's bias where the opacity is filtered too.
    kernel : Kernel or None
        The kernel with its bias, where the opacity is filtered too.
    """

    stage: PlannedStep
    kernel: Kernel | None

    def answer(self, values: Values) -> Values:
        """Return the answer to an input."""
        return self.evened(self.stage.raw(values))

    def evened(self, values: Values) -> Values:
        """Divide the opacity by the kernel's sum, and add the bias where colour is seen.

        So a kernel that makes brighter makes nothing more opaque.
        """
        if self.kernel is None:
            return values
        values[..., -1] /= self.kernel.sum
        if any(self.kernel.bias):
            values[..., :-1] += values[..., -1:] * np.array(self.kernel.bias, values.dtype)
        return values


def weighed_stages(
    stages: Sequence[PlannedStep], values: Values, options: Options
) -> list[WeighedStage]:
    """Return the steps for values as `weighed` returns them."""
    steps = fitted(stages, values, options)
    if not filters_opacity(stages):
        return [WeighedStage(stage, None) for stage in steps]
    return [WeighedStage(_without_bias(stage), stage.problem.kernel) for stage in steps]


def parted(values: Values, white: int) -> tuple[Values, Values]:
    """Return the colours without their weight, and the opacity on the scale of pixels."""
    part = values[..., -1:]
    seen = part > _UNSEEN
    colours = np.divide(values[..., :-1], part, out=np.zeros_like(values[..., :-1]), where=seen)
    return colours, part[..., 0] * white


def fitted(
    stages: Sequence[PlannedStep], values: Values, options: Options
) -> list[PlannedStep]:
    """Return the stages for values of another dtype or number of channels."""
    found = []
    channels, dtype = values.shape[2], values.dtype
    for stage in stages:
        problems = [
            replace(
                step.problem,
                shape=(*step.problem.shape[:2], channels),
                dtype=dtype,
                result=np.dtype(np.float32),
            )
            for step in stage.plans
        ]
        plans = tuple(plan(problem, options.method) for problem in problems)
        found.append(replace(stage, plans=plans))
        dtype = np.dtype(np.float32)
    return found


def _without_bias(stage: PlannedStep) -> PlannedStep:
    (step,) = stage.plans
    kernel = step.problem.kernel
    if not any(kernel.bias):
        return stage
    unbiased = replace(step.problem, kernel=kernel.with_bias(None))
    return replace(stage, plans=(plan(unbiased),))

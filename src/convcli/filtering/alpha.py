"""Colour and transparency: how the two are filtered together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import plan
from convcli.errors import ImageError
from convcli.filtering.options import Alpha, Options
from convcli.filtering.stages import Stage
from convcli.images import Picture

Values = NDArray[Any]

_UNSEEN = 1e-6
"""Below this part of white an opacity is none: there is no colour to recover."""


@dataclass(frozen=True, slots=True)
class Way:
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

    def alpha(self, stages: Sequence[Stage], source: Picture) -> Values | None:
        """Return the opacity where it does not depend on the colours."""
        if source.alpha is None:
            return None
        if self.kind is Alpha.FILTER:
            values: Values = source.alpha[..., np.newaxis]
            for stage in _fitted(stages, values, self.options):
                values = stage.raw(values)
            return values[..., 0]
        return under_the_middle(stages, source.alpha)

    def colour_and_alpha(
        self, stages: Sequence[Stage], pixels: Values, source: Picture
    ) -> tuple[Values, Values | None]:
        """Return raw colours and opacity, on the scale of the source."""
        if self.is_apart or source.alpha is None:
            values = pixels
            for stage in stages:
                values = stage.raw(values)
            return values, self.alpha(stages, source)
        part = source.alpha[..., np.newaxis].astype(np.float32) / np.float32(source.white)
        seen = pixels.astype(np.float32) * part
        if any(stage.is_zero_sum for stage in stages):
            for stage in _fitted(stages, seen, self.options):
                seen = stage.raw(seen)
            return seen, under_the_middle(stages, source.alpha)
        stacked = np.dstack([seen, part])
        steps = _fitted(stages, stacked, self.options)
        return _premultiplied(steps, stacked, source.white)


def alpha_way(picture: Picture, stages: Sequence[Stage], options: Options) -> Way:
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
    return Way(wanted, options)


def under_the_middle(stages: Sequence[Stage], alpha: Values) -> Values:
    """Return the opacity under the middle of each window, step by step."""
    for stage in stages:
        rows, columns = (
            np.clip([axis.centre(output) for output in range(count)], 0, size - 1)
            for axis, count, size in zip(
                stage.problem.window.axes,
                stage.problem.result_shape,
                alpha.shape,
                strict=False,
            )
        )
        alpha = alpha[np.ix_(rows, columns)]
    return alpha


def _premultiplied(
    stages: Sequence[Stage], values: Values, white: int
) -> tuple[Values, Values]:
    """Filter colour times opacity, and opacity (0 to 1) as the last channel; divide.

    The opacity is filtered by the kernel over its sum, so that a kernel that makes
    brighter makes nothing more opaque.
    """
    for stage in stages:
        kernel = stage.problem.kernel
        values = _without_bias(stage).raw(values)
        values[..., -1] /= kernel.sum
        if any(kernel.bias):
            values[..., :-1] += values[..., -1:] * np.array(kernel.bias, values.dtype)
    part = values[..., -1:]
    seen = part > _UNSEEN
    colours = np.divide(values[..., :-1], part, out=np.zeros_like(values[..., :-1]), where=seen)
    return colours, part[..., 0] * white


def _fitted(stages: Sequence[Stage], values: Values, options: Options) -> list[Stage]:
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


def _without_bias(stage: Stage) -> Stage:
    (step,) = stage.plans
    kernel = step.problem.kernel
    if not any(kernel.bias):
        return stage
    return replace(stage, plans=(plan(replace(step.problem, kernel=kernel.with_bias(None))),))

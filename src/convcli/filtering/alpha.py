"""Colour and transparency: how the two are filtered together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine import Plan, plan, run
from convcli.errors import ImageError
from convcli.filtering.options import Alpha, Options
from convcli.images import Picture
from convcli.kernels import Kernel

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

    def alpha(self, plans: Sequence[Plan], source: Picture) -> Values | None:
        """Return the opacity where it does not depend on the colours."""
        if source.alpha is None:
            return None
        if self.kind is Alpha.FILTER:
            values: Values = source.alpha[..., np.newaxis]
            for step in _fitted(plans, values, self.options):
                values = raw_values(step, values, self.options.jobs)
            return values[..., 0]
        return under_the_middle(plans, source.alpha)

    def colour_and_alpha(
        self, plans: Sequence[Plan], pixels: Values, source: Picture
    ) -> tuple[Values, Values | None]:
        """Return raw colours and opacity, on the scale of the source."""
        if self.is_apart or source.alpha is None:
            values = pixels
            for step in plans:
                values = raw_values(step, values, self.options.jobs)
            return values, self.alpha(plans, source)
        part = source.alpha[..., np.newaxis].astype(np.float32) / np.float32(source.white)
        seen = pixels.astype(np.float32) * part
        if any(step.problem.kernel.is_zero_sum for step in plans):
            for step in _fitted(plans, seen, self.options):
                seen = raw_values(step, seen, self.options.jobs)
            return seen, under_the_middle(plans, source.alpha)
        stacked = np.dstack([seen, part])
        steps = _fitted(plans, stacked, self.options)
        return _premultiplied(steps, stacked, source.white, self.options.jobs)


def alpha_way(picture: Picture, kernels: Sequence[Kernel], options: Options) -> Way:
    """Decide how a picture's transparency is treated.

    Raises
    ------
    ImageError
        If a way is asked for that a filter bank does not have.
    """
    bank = any(kernel.is_bank for kernel in kernels)
    wanted = options.alpha
    if wanted is Alpha.AUTO:
        apart = bank or any(kernel.is_zero_sum for kernel in kernels)
        wanted = Alpha.KEEP if apart or not picture.is_translucent else Alpha.PREMULTIPLY
    if bank and wanted is not Alpha.KEEP and picture.alpha is not None:
        raise ImageError(
            f"alpha {wanted.value}: expected 2-D kernels, got a filter bank, which mixes the "
            "colours: use --alpha keep"
        )
    return Way(wanted, options)


def raw_values(step: Plan, values: Values, jobs: int | None) -> Values:
    """Return the raw floats of one step of a chain."""
    result = np.empty(step.problem.result_shape, step.problem.result)
    run(step, values, step.store(result), jobs)
    return result


def under_the_middle(plans: Sequence[Plan], alpha: Values) -> Values:
    """Return the opacity under the middle of each window, step by step."""
    for step in plans:
        rows, columns = (
            np.clip([axis.centre(output) for output in range(count)], 0, size - 1)
            for axis, count, size in zip(
                step.problem.window.axes, step.problem.result_shape, alpha.shape, strict=False
            )
        )
        alpha = alpha[np.ix_(rows, columns)]
    return alpha


def _premultiplied(
    plans: Sequence[Plan], values: Values, white: int, jobs: int | None
) -> tuple[Values, Values]:
    """Filter colour times opacity, and opacity (0 to 1) as the last channel; divide.

    The opacity is filtered by the kernel over its sum, so that a kernel that makes
    brighter makes nothing more opaque.
    """
    for step in plans:
        kernel = step.problem.kernel
        values = raw_values(_without_bias(step), values, jobs)
        values[..., -1] /= kernel.sum
        if any(kernel.bias):
            values[..., :-1] += values[..., -1:] * np.array(kernel.bias, values.dtype)
    part = values[..., -1:]
    seen = part > _UNSEEN
    colours = np.divide(values[..., :-1], part, out=np.zeros_like(values[..., :-1]), where=seen)
    return colours, part[..., 0] * white


def _fitted(plans: Sequence[Plan], values: Values, options: Options) -> list[Plan]:
    """Return the plans for values of another dtype or number of channels."""
    found = []
    shape, dtype = values.shape, values.dtype
    for step in plans:
        problem = replace(
            step.problem,
            shape=(*step.problem.shape[:2], shape[2]),
            dtype=dtype,
            result=np.dtype(np.float32),
        )
        found.append(plan(problem, options.method))
        dtype = problem.result
    return found


def _without_bias(step: Plan) -> Plan:
    kernel = step.problem.kernel
    if not any(kernel.bias):
        return step
    return plan(replace(step.problem, kernel=kernel.with_bias(None)))

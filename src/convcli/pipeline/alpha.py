"""Colour and transparency: how the two are filtered together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Alpha
from convcli.engine.planner import choose_plan
from convcli.errors import ImageError
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from convcli.pipeline.steps import Field, PlannedStep, Values
from convcli.values import Record, asdict, replace

_INVISIBLE = 1e-6
"""Below this opacity (0 to 1) a pixel has no colour that could be computed back."""


class AlphaPolicy(Record):
    """How one picture's transparency is treated: `Alpha.AUTO` resolved.

    Attributes
    ----------
    name : Alpha
        Not `Alpha.AUTO`.
    steps : tuple of PlannedStep
        What the opacity is filtered by (`Alpha.FILTER`), or the colours that it weighs
        (`Alpha.PREMULTIPLY`). Empty where neither is needed.
    filters_opacity : bool
        Whether opacity that weighs the colours is filtered with them. Where flat areas
        answer 0 it would be 0 everywhere.
    is_open : bool
        Whether it is another policy if any pixel is translucent: see `premultiplied`.
    """

    name: Alpha
    steps: tuple[PlannedStep, ...] = ()
    filters_opacity: bool = False
    is_open: bool = False

    @property
    def is_separate(self) -> bool:
        """Whether the colours do not depend on the opacity."""
        return self.name is not Alpha.PREMULTIPLY


def plan_alpha(steps: Sequence[PlannedStep], sample: Frame, options: Options) -> AlphaPolicy:
    """Decide how transparency is treated; no pixel is looked at.

    Parameters
    ----------
    steps : sequence of PlannedStep
        The chain.
    sample : Frame
        One pixel like those that the steps get.
    options : Options
        How the picture is filtered.

    Raises
    ------
    ImageError
        If a filter bank or an operator cannot do what is asked for.
    """
    bank = any(step.is_bank for step in steps)
    zero = any(step.is_zero_sum for step in steps)
    operator = next((step.name for step in steps if step.combine is not None), "")
    has_alpha, asked = sample.alpha is not None, options.alpha
    if asked is Alpha.AUTO:
        fixed = bank or zero or bool(operator) or not has_alpha
        return AlphaPolicy(Alpha.KEEP, is_open=not fixed)
    if bank and asked is not Alpha.KEEP and has_alpha:
        raise ImageError(
            f"alpha {asked.value}: expected 2-D kernels, got a filter bank, which mixes the "
            "colours: use --alpha keep"
        )
    if operator and asked is Alpha.PREMULTIPLY and not zero and has_alpha:
        raise ImageError(
            f"alpha premultiply: expected kernels one by one, got {operator}, whose answers "
            "have no one opacity: use --alpha keep"
        )
    if asked is Alpha.PREMULTIPLY:
        return premultiplied(steps, options) if has_alpha else AlphaPolicy(asked)
    if sample.alpha is None or asked is Alpha.KEEP:
        return AlphaPolicy(asked)
    return AlphaPolicy(asked, _fitted(steps, 1, sample.alpha.dtype, options))


def premultiplied(steps: Sequence[PlannedStep], options: Options) -> AlphaPolicy:
    """Plan that colours are weighed by their opacity before they are filtered."""
    filters_opacity = not any(step.is_zero_sum for step in steps)
    channels = steps[0].shape[2] + filters_opacity
    weighed = _fitted(steps, channels, steps[0].working, options)
    if filters_opacity:
        weighed = tuple(WeighedStep.of(step) if step.plans else step for step in weighed)
    return AlphaPolicy(Alpha.PREMULTIPLY, weighed, filters_opacity)


def _fitted(
    steps: Sequence[PlannedStep], channels: int, dtype: np.dtype[Any], options: Options
) -> tuple[PlannedStep, ...]:
    """Return the steps for an input with other channels and another dtype."""
    fitted = []
    for step in steps:
        fitted.append(step.fitted(channels, dtype, options.method))
        dtype = step.working
    return tuple(fitted)


class WeighedStep(PlannedStep, kw_only=True):
    """A kernel that slides over weighed colours, with their opacity as the last channel.

    Attributes
    ----------
    kernel : Kernel
        The kernel with its bias: the plan has none.
    """

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
        """Compute a rectangle, and divide its opacity by the kernel's sum.

        So a kernel that makes brighter makes nothing more opaque. The bias is added in
        proportion to the opacity.
        """
        values = super().part(field, rows, columns)
        values[..., -1] /= self.kernel.sum
        if any(self.kernel.bias):
            values[..., :-1] += values[..., -1:] * np.array(self.kernel.bias, values.dtype)
        return values


def weigh(
    pixels: Values, alpha: Values, white: int, dtype: np.dtype[Any], *, with_opacity: bool
) -> Values:
    """Return colour times opacity, with the opacity (0 to 1) as the last channel if asked.

    Parameters
    ----------
    pixels, alpha : ndarray, shapes (H, W, C) and (H, W)
        The colours and their opacity, from 0 to `white`.
    dtype : dtype
        Of the result: floats.
    """
    opacity = alpha[..., np.newaxis].astype(dtype) / dtype.type(white)
    colours = pixels.astype(dtype) * opacity
    return np.dstack([colours, opacity]) if with_opacity else colours


def unweigh(values: Values, white: int) -> tuple[Values, Values]:
    """Return the colours without their weight, and the opacity from 0 to `white`.

    Examples
    --------
    >>> colours, alpha = unweigh(np.array([[[50.0, 0.5]]]), 255)
    >>> colours.tolist(), alpha.tolist()
    ([[[100.0]]], [[127.5]])
    """
    colours, opacity = values[..., :-1], values[..., -1:]
    visible = opacity > _INVISIBLE
    bare = np.divide(colours, opacity, out=np.zeros_like(colours), where=visible)
    return bare, opacity[..., 0] * white


def alpha_under_centres(
    steps: Sequence[PlannedStep], alpha: Field, rows: slice, columns: slice
) -> Values:
    """Return the opacity under the middle of each window, followed through all steps.

    `alpha` is the field of the opacity, with one channel; `rows` and `columns` are outputs
    of the last step.
    """
    down, across = (
        _centres(steps, axis, outputs) for axis, outputs in enumerate((rows, columns))
    )
    top, left = int(down[0]), int(across[0])
    values = alpha(slice(top, int(down[-1]) + 1), slice(left, int(across[-1]) + 1))
    return np.asarray(values[..., 0][np.ix_(down - top, across - left)])


def _centres(steps: Sequence[PlannedStep], axis: int, outputs: slice) -> NDArray[np.intp]:
    """Return which rows (axis 0) or columns (1) of the picture outputs have their middle on."""
    places = np.arange(outputs.start, outputs.stop)
    for step in reversed(steps):
        window = step.window.axes[axis]
        centres = [window.centre(int(place)) for place in places]
        places = np.clip(centres, 0, step.shape[axis] - 1)
    return places

"""A step of a chain that adds up stamps: a transposed convolution."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from convcli.borders import Field
from convcli.choices import Border
from convcli.engine.planner import Block, Plan, choose_plan
from convcli.engine.transposed import (
    Stamping,
    checkerboard_of,
    exchanged,
    stamp_window,
    stamping_for,
)
from convcli.errors import GeometryError, ImageError, KernelError
from convcli.geometry.window import Window
from convcli.kernels.operator import Operator, Plain
from convcli.pipeline.options import Options
from convcli.pipeline.steps import Link, Operand, PlannedStep, Shape, Values, step_of
from convcli.values import asdict, replace


class TransposedStep(PlannedStep, kw_only=True):
    """A transposed convolution: its plans are for the picture with zeros between its pixels."""

    stamping: Stamping

    @property
    def window(self) -> Window:
        """The window that slides over the picture with the zeros."""
        return self.stamping.problem.window

    @property
    def slid_shape(self) -> tuple[int, int]:
        """Rows and columns of the picture with the zeros."""
        return self.stamping.problem.shape[:2]

    def _inputs(
        self, field: Field, rows: slice, columns: slice
    ) -> Iterator[tuple[Plan, Block | None, Values]]:
        height, width, _ = self.shape
        spread = self.stamping.spread(field(slice(0, height), slice(0, width)))
        is_whole = (rows, columns) == tuple(slice(0, n) for n in self.result_shape[:2])
        for planned in self.plans:
            block = None if is_whole else planned.block_of(rows, columns)
            part = spread if block is None else spread[block.held_rows][:, block.held_columns]
            yield planned, block, part

    def fitted(self, *_: Any) -> PlannedStep:
        """Refuse transparency: no pixel of the result lies under the middle of a window."""
        raise ImageError(
            "--transposed: expected an opaque picture, got one with transparency: lay it on a "
            "colour with --background white"
        )


def plan_transposed(
    operand: Operand, shape: Shape, dtype: np.dtype[Any], options: Options
) -> PlannedStep:
    """Plan one transposed step for pixels of a shape (H, W, C); nothing is computed.

    A bank has its inputs first, as torch's ``ConvTranspose2d``.
    """
    if options.border is not Border.ZERO:
        raise GeometryError(
            f"--transposed: expected no border, got {options.border.value}: stamps end where "
            "the picture ends: leave --border out"
        )
    kernels = operand.kernels if isinstance(operand, Operator) else (operand,)
    slide, more = stamp_window(
        kernels[0].size,
        options.stride,
        options.padding,
        options.dilation,
        options.output_padding,
    )
    stampings = []
    for kernel in kernels:
        turned = kernel.flipped() if options.flip else kernel
        biased = turned if options.bias is None else turned.plus_bias(options.bias)
        try:
            stampings.append(stamping_for(shape, dtype, biased, slide, more))
        except (GeometryError, KernelError) as error:
            raise type(error)(f"{kernel.name}: {error}") from None
    plans = tuple(choose_plan(each.problem, options.method) for each in stampings)
    combine = options.combine or operand.combine if isinstance(operand, Operator) else None
    planned = step_of(plans, combine, operand.name, options.jobs)
    summary = replace(planned.summary, kernel=f"{operand.name} transposed", window=slide)
    changes = {
        "shape": shape,
        "border": "none",
        "summary": summary,
        "stamping": stampings[0],
    }
    step = TransposedStep(**{**asdict(planned), **changes})
    warning = next(filter(None, (checkerboard_of(slide, k.weights) for k in kernels)), "")
    return replace(step, warnings=(warning,)) if warning else step


def with_inputs_second(operand: Link) -> Link:
    """Return the kernels of a transposed step as `plan_transposed` takes them."""
    if isinstance(operand, Plain):
        return operand
    return operand.changed(exchanged) if isinstance(operand, Operator) else exchanged(operand)

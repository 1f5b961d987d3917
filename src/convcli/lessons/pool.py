"""Pooling of pictures: the other way to make a picture smaller."""

import functools
from typing import Unpack

import numpy as np

from convcli.choices import Range
from convcli.engine.pooling import Pooling, Reduction
from convcli.engine.problem import natural_result
from convcli.pipeline.files import FileSettings, run_on_file
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import (
    Pipeline,
    SourceInfo,
    pipeline_of,
    scaled_border,
    working_pixels,
)
from convcli.pipeline.report import Report
from convcli.pipeline.steps import pool_step
from convcli.values import replace


def plan_pooling(
    info: SourceInfo, pooling: Pooling, options: Options, *, raw: bool = False
) -> Pipeline:
    """Decide how a frame is pooled, without reading any pixel: see `plan_pipeline`."""
    sample, info = info.sample(options), info.flattened(options)
    pixels = working_pixels(sample, options)
    dtype = natural_result(pixels.dtype) if options.missing is not None else pixels.dtype
    border = pooling.border
    if border is not None:
        border = scaled_border(border, sample, pixels.shape[2], linear=options.linear)
    scaled = replace(pooling, border=border)
    step = replace(
        pool_step((*info.shape[:2], pixels.shape[2]), dtype, scaled),
        border=_border(pooling),
        working=np.dtype(np.float64),
        raw_dtype=natural_result(pixels.dtype),
    )
    return pipeline_of(info, sample, [step], Range.CLIP, options, raw=raw)


def _border(pooling: Pooling) -> str:
    """Return the name of the border in the report: none, where padding never wins."""
    if pooling.border is not None:
        return pooling.border.value
    return "none" if pooling.reduction is Reduction.MAX else "zero"


def pool_file(
    pooling: Pooling,
    source: str,
    target: str,
    options: Options,
    **settings: Unpack[FileSettings],
) -> Report:
    """Pool the picture in a file, with all that `convcli.pipeline.files.filter_file` keeps.

    Of the options, those for the kernel and for the range are not used.
    """
    make_plan = functools.partial(plan_pooling, pooling=pooling, options=options)
    return run_on_file(make_plan, source, target, options, **settings)

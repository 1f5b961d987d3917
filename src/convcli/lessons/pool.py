"""Pooling of pictures: the other way to make a picture smaller."""

import numpy as np

from convcli.choices import Range
from convcli.engine.pooling import Pooling, Reduction
from convcli.engine.problem import natural_result
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import (
    Pipeline,
    SourceInfo,
    pipeline_of,
    scaled_border,
    working_pixels,
)
from convcli.pipeline.steps import pool_step
from convcli.values import replace


def plan_pooling(
    info: SourceInfo, pooling: Pooling, options: Options, *, raw: bool = False
) -> Pipeline:
    """Decide how a frame is pooled, without reading any pixel: see `plan_pipeline`."""
    sample, info = info.sample(options), info.flattened(options)
    pixels = working_pixels(sample, options)
    dtype = natural_result(pixels.dtype) if options.missing is not None else pixels.dtype
    border, name = pooling.border, "none" if pooling.reduction is Reduction.MAX else "zero"
    if border is not None:
        border = scaled_border(border, sample, pixels.shape[2], linear=options.linear)
    scaled = replace(pooling, border=border)
    step = replace(
        pool_step((*info.shape[:2], pixels.shape[2]), dtype, scaled),
        # Of the largest values padding never is one.
        border=pooling.border.value if pooling.border is not None else name,
        working=np.dtype(np.float64),
        raw_dtype=natural_result(pixels.dtype),
    )
    return pipeline_of(info, sample, [step], Range.CLIP, options, raw=raw)

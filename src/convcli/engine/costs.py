"""What work costs: the constants and the shared parts of the planner's estimates.

All in nanoseconds, on one thread, from runs of the strategies on 12 megapixels.
``python benchmarks/calibrate.py`` measures each kind of work on its own, and prints such a
table for another machine. Only the ratios decide between strategies.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convcli.engine.problem import Problem
from convcli.values import Record

Rate = Mapping[np.dtype[Any], float]


def _rate(**values: float) -> Rate:
    return {np.dtype(name): value for name, value in values.items()}


class Rates(Record, kw_only=True):
    """Nanoseconds for one value, by the dtype that is computed in.

    Attributes
    ----------
    flat_pass : mapping
        One ufunc over a flat buffer in the cache.
    line_pass : mapping
        The same over a view with long rows.
    strided_pass : mapping
        The same over a view with gaps.
    load, store : mapping
        Casting a value from the image, and into the result, both from memory.
    product : mapping
        One multiply-add of a matrix product small enough not to be packed.
    band_product : mapping
        One multiply-add of a banded product, zeros included.
    scattered_product : mapping
        One multiply-add of a product whose operands are gathered first.
    scattered_sum : mapping
        One sum of such a product: an output value of one tap.
    summed_pass : mapping
        One tap of einsum: multiply and add to the sum in one pass.
    copy : mapping
        Moving a value into another order.
    transform : mapping
        One point of a Fourier transform, there and back.
    call : float
        One call from Python.
    run : float
        One run of values more, in a call that works on many.
    """

    flat_pass: Rate
    line_pass: Rate
    strided_pass: Rate
    load: Rate
    store: Rate
    product: Rate
    band_product: Rate
    scattered_product: Rate
    scattered_sum: Rate
    summed_pass: Rate
    copy: Rate
    transform: Rate
    call: float
    run: float


RATES = Rates(
    flat_pass=_rate(int16=0.08, uint16=0.08, int32=0.13, float32=0.13, float64=0.3),
    line_pass=_rate(float32=0.2, float64=0.4),
    strided_pass=_rate(float32=0.8, float64=0.9),
    load=_rate(int16=0.15, uint16=0.15, int32=0.3, float32=0.35, float64=0.7),
    store=_rate(int16=0.2, uint16=0.2, int32=0.3, float32=0.45, float64=0.9),
    product=_rate(float32=0.012, float64=0.024),
    band_product=_rate(float32=0.03, float64=0.06),
    scattered_product=_rate(float32=0.2, float64=0.4),
    scattered_sum=_rate(float32=4.0, float64=4.5),
    summed_pass=_rate(float32=0.27, float64=0.5),
    copy=_rate(float32=0.3, float64=0.6),
    transform=_rate(float32=18.0, float64=25.0),
    call=1000.0,
    run=25.0,
)


def transfer_cost(problem: Problem, working: np.dtype[Any], overlap: float = 1.0) -> float:
    """Estimate loading and storing, in nanoseconds an output value.

    `working` is the dtype of tiles and accumulators, `overlap` how often an input is loaded
    on average.
    """
    down, across = problem.window.stride
    inputs = overlap * down * across * problem.shape[2] / problem.outputs
    return inputs * RATES.load[working] + RATES.store[working]


def call_cost(problem: Problem, calls: float) -> float:
    """Estimate the time of all `calls` from Python, in nanoseconds an output value."""
    rows, columns, outputs = problem.result_shape
    return calls * RATES.call / (rows * columns * outputs)

"""What work costs: the constants and the shared parts of the planner's estimates.

All are nanoseconds on one thread, from runs of the strategies on 12 megapixels; tables give
them by the dtype that is computed in. ``python benchmarks/calibrate.py`` measures each kind of
work on its own, and prints such constants for another machine. Only their ratios decide
between strategies.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from convcli.engine.problem import Problem


def _rate(**values: float) -> Mapping[np.dtype[Any], float]:
    return {np.dtype(name): value for name, value in values.items()}


FLAT_PASS = _rate(int16=0.08, uint16=0.08, int32=0.13, float32=0.13, float64=0.3)
"""One ufunc over a flat buffer in the cache, a value."""
LINE_PASS = _rate(float32=0.2, float64=0.4)
"""The same over a view with long rows."""
STRIDED_PASS = _rate(float32=0.8, float64=0.9)
"""The same over a view with gaps."""
LOAD = _rate(int16=0.15, uint16=0.15, int32=0.3, float32=0.35, float64=0.7)
"""Casting a value from the image, in memory, into a tile."""
STORE = _rate(int16=0.2, uint16=0.2, int32=0.3, float32=0.45, float64=0.9)
"""Casting a value into the result, in memory."""
PRODUCT = _rate(float32=0.012, float64=0.024)
"""One multiply-add of a matrix product small enough not to be packed."""
BAND_PRODUCT = _rate(float32=0.03, float64=0.06)
"""One multiply-add of a banded product, zeros included."""
SCATTERED_PRODUCT = _rate(float32=0.2, float64=0.4)
"""One multiply-add of a product whose operands are gathered first."""
SCATTERED_SUM = _rate(float32=4.0, float64=4.5)
"""One sum of such a product: an output value of one tap."""
SUMMED_PASS = _rate(float32=0.27, float64=0.5)
"""One tap of einsum: multiply and add to the sum in one pass, a value."""
COPY = _rate(float32=0.3, float64=0.6)
"""Moving a value into another order."""
TRANSFORM = _rate(float32=8.0, float64=25.0)
"""One point of a Fourier transform, there and back."""
BYTE = 0.06
"""One byte of the result, where it is stored as it is computed."""
CALL = 1000.0
"""One call of NumPy from Python."""
RUN = 25.0
"""One more run of values in a call that works on many runs."""


def transfer(problem: Problem, working: np.dtype[Any], overlap: float = 1.0) -> float:
    """Estimate loading and storing an output value.

    `working` is the dtype of tiles and accumulators, `overlap` how often an input is loaded
    on average.
    """
    down, across = problem.window.axes
    inputs = overlap * down.stride * across.stride * problem.shape[2] / problem.outputs
    return inputs * LOAD[working] + STORE[working]


def bank_products(problem: Problem, working: np.dtype[Any]) -> float:
    """Estimate the products of a filter bank: few filters waste a part of each vector."""
    lanes = 64 // working.itemsize / (problem.outputs // problem.groups)
    inner: int = problem.kernel.weights[0].size
    return inner * max(lanes, 1.0) * PRODUCT[working]


def calls(problem: Problem, count: float) -> float:
    """Estimate the part of an output value in `count` calls for the whole result."""
    rows, columns, outputs = problem.result_shape
    return count * CALL / (rows * columns * outputs)

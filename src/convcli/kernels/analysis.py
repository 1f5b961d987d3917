"""What a 2-D kernel says about itself: factors, range, gain, frequencies."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.kernels.kernel import Kernel, Weights
from convcli.values import Record

_WHITE = 255
_NEGLIGIBLE = 1e-9


class KernelAnalysis(Record):
    """What can be read from the weights of a 2-D kernel.

    Attributes
    ----------
    factors : (ndarray, ndarray, float) or None
        Column, row and divisor whose product, column ⊗ row / divisor, is the kernel;
        None where its rank is not 1.
    low, high : float
        The smallest and the largest answer to pixels of 0 to 255.
    gain : float
        What a flat area is multiplied by: the sum of the weights, the gain at DC.
    offset : float
        The bias: what a black area becomes.
    """

    factors: tuple[Weights, Weights, float] | None
    low: float
    high: float
    gain: float
    offset: float

    def as_dict(self) -> dict[str, Any]:
        """Return the reading as plain JSON values."""
        factors = None
        if self.factors is not None:
            column, row, divisor = self.factors
            factors = {"column": column.tolist(), "row": row.tolist(), "divisor": divisor}
        return {
            "factors": factors,
            "output_range": {"min": self.low, "max": self.high},
            "dc_gain": self.gain,
        }


def read(kernel: Kernel) -> KernelAnalysis:
    """Read a 2-D kernel.

    Raises
    ------
    KernelError
        If it is a filter bank.

    Examples
    --------
    >>> reading = read(Kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]))
    >>> [part.tolist() for part in reading.factors[:2]], reading.low, reading.high
    ([[1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]], -1020.0, 1020.0)
    """
    offset = kernel.bias[0] if kernel.bias else 0.0
    return KernelAnalysis(
        factors=_factors(kernel) if kernel.rank == 1 else None,
        low=_WHITE * float(np.minimum(kernel.weights, 0).sum()) + offset,
        high=_WHITE * float(np.maximum(kernel.weights, 0).sum()) + offset,
        gain=kernel.sum,
        offset=offset,
    )


def _factors(kernel: Kernel) -> tuple[Weights, Weights, float]:
    """Return column, row and divisor: the smallest whole numbers, where there are any."""
    form = kernel.integer_form
    if form is None:
        return (*_balanced(kernel.weights), 1.0)
    grid = form.integers
    row = grid[np.flatnonzero(grid.any(axis=1))[0]]
    row = row // math.gcd(*row.tolist())
    row = row * int(_sign(row))
    column = grid @ row // (row @ row)
    return column.astype(np.float64), row.astype(np.float64), form.divisor


def _balanced(grid: Weights) -> tuple[Weights, Weights]:
    left, values, right = np.linalg.svd(grid)
    length = math.sqrt(values[0]) * _sign(right[0])
    column, row = left[:, 0] * length, right[0] * length
    column[np.abs(column) < _NEGLIGIBLE * np.abs(column).max()] = 0
    row[np.abs(row) < _NEGLIGIBLE * np.abs(row).max()] = 0
    return column, row


def _sign(row: NDArray[Any]) -> float:
    """Return the sign of the last of the strongest numbers: [-1 0 1] stays as it is."""
    backwards = row[::-1]
    return float(np.sign(backwards[np.abs(backwards).argmax()]))


def frequency_response(kernel: Kernel, samples: int = 33) -> NDArray[np.float64]:
    """Return how strongly stripes of each frequency and direction come through.

    The magnitude of the discrete-time Fourier transform, Σ w·exp(-2πi(fx·x + fy·y)).

    Parameters
    ----------
    kernel : Kernel
        2-D.
    samples : int
        Frequencies along each axis, from -½ to ½ cycles a pixel; odd, so that the
        middle one is 0.

    Returns
    -------
    ndarray of float64, shape (samples, samples)
        Not scaled: the middle is the magnitude of the sum of the weights.

    Examples
    --------
    >>> frequency_response(Kernel([[0.25, 0.5, 0.25]]), 3).round(6)[1].tolist()
    [0.0, 1.0, 0.0]
    """
    frequencies = np.linspace(-0.5, 0.5, samples)
    rows, columns = (np.arange(length) for length in kernel.size)
    down = np.exp(-2j * np.pi * np.outer(frequencies, rows))
    across = np.exp(-2j * np.pi * np.outer(columns, frequencies))
    return np.asarray(np.abs(down @ kernel.weights @ across))

"""What is accepted as weights and as a bias."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.errors import KernelError

MAX_WEIGHTS = 4 * 2**20
"""The most weights a kernel may have: 4 Mi, a bank of 1024×1024 filters of 2×2."""


def checked_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Return weights as a new array of float64, shape (kh, kw) or (O, I, kh, kw).

    Raises
    ------
    KernelError
        If they are no kernel.
    """
    try:
        given = np.asarray(weights)
    except ValueError:
        raise KernelError(
            "weights: expected rows of equal length, got ragged lists: make all rows "
            "equally long"
        ) from None
    if given.dtype.kind not in "biuf":
        raise KernelError(
            f"weights: expected real numbers, got dtype {given.dtype}: take the real part of "
            "complex ones, and turn text into numbers"
        )
    if given.ndim not in (2, 4):
        raise KernelError(
            "weights: expected a 2-D kernel (kh, kw) or a 4-D filter bank (O, I, kh, kw), "
            f"got {given.ndim} dimensions of shape {given.shape}: write [[1, 2, 1]] for one row"
        )
    if given.size == 0:
        raise KernelError(
            f"weights: expected at least one, got the shape {given.shape}: add some"
        )
    if given.size > MAX_WEIGHTS:
        raise KernelError(
            f"weights: expected at most {MAX_WEIGHTS:,}, got {given.size:,}: split the bank"
        )
    grid = np.array(given, dtype=np.float64, order="C")
    if not np.isfinite(grid).all():
        place = np.argwhere(~np.isfinite(grid))[0].tolist()
        raise KernelError(
            f"weights{''.join(f'[{i}]' for i in place)}: expected a finite number, got "
            f"{grid[tuple(place)]}: replace it by a number"
        )
    return grid


def checked_bias(
    bias: float | Sequence[float] | NDArray[np.generic] | None, outputs: int | None
) -> tuple[float, ...]:
    """Return a bias as numbers: none, one, or one for each of `outputs`.

    Raises
    ------
    KernelError
        If it is none of these.
    """
    if bias is None or (isinstance(bias, tuple) and not bias):
        return ()
    try:
        values = np.asarray(bias, dtype=np.float64)
    except (TypeError, ValueError):
        raise KernelError(
            f"bias: expected numbers, got {bias!r}: give one, or one per output channel"
        ) from None
    if not np.isfinite(values).all():
        raise KernelError(
            f"bias: expected finite numbers, got {bias}: replace NaN and infinity"
        )
    if values.ndim == 0:
        return (float(values),)
    if (
        values.ndim > 1
        or values.size == 0
        or (outputs is not None and values.size not in (1, outputs))
    ):
        raise KernelError(
            "bias: expected one number"
            + (f" or {outputs}, one per filter" if outputs else " or one per output channel")
            + f"; got the shape {values.shape}: give as many as there are maps"
        )
    return tuple(float(value) for value in values)

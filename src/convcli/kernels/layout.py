"""The order of the axes of a filter bank in files of arrays."""

import enum

import numpy as np
from numpy.typing import NDArray


class Layout(enum.Enum):
    """What the four axes of a bank mean."""

    OIHW = "oihw"
    """Outputs, inputs, rows, columns: torch, and ours."""
    HWIO = "hwio"
    """Rows, columns, inputs, outputs: TensorFlow, JAX."""

    def to_oihw(self, bank: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a bank in our order; kernels of 2 dimensions as they are.

        Examples
        --------
        >>> Layout.HWIO.to_oihw(np.zeros((3, 5, 2, 8))).shape
        (8, 2, 3, 5)
        """
        if self is Layout.OIHW or bank.ndim != 4:  # noqa: PLR2004 - a bank's axes
            return bank
        return bank.transpose(3, 2, 0, 1)

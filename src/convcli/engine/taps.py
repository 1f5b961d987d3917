"""What each value of a program weighs pixels with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.program import Operation, Read


def cancels(operations: Sequence[Operation], size: tuple[int, int]) -> bool:
    """Tell whether a pixel is added and taken away again: of an infinity that makes NaN.

    Parameters
    ----------
    operations : sequence of Operation
        The program.
    size : (int, int)
        The kernel's.

    Examples
    --------
    >>> from convcli.engine.program import program_for
    >>> from convcli.kernels import Kernel
    >>> [cancels(program_for(Kernel([[1] * n]), np.ones((1, n))), (1, n)) for n in (15, 16)]
    [True, False]
    """
    taps = taps_of(operations, size)
    largest = taps_of([_adding(operation) for operation in operations], size)
    return any(np.any(np.abs(one) != most) for one, most in zip(taps, largest, strict=True))


def _adding(operation: Operation) -> Operation:
    """Return an operation that loses no weight to a sign."""
    if operation.function is np.subtract:
        return operation._replace(function=np.add)
    if isinstance(operation.right, Read):
        return operation
    return operation._replace(right=abs(operation.right))


def taps_of(operations: Sequence[Operation], size: tuple[int, int]) -> list[NDArray[Any]]:
    """Return what each value of a program, the tile first, weighs the pixels with."""
    # A value may look to the left of where it stands: its own column is the middle one.
    tile = np.zeros((size[0], 2 * size[1] - 1))
    tile[0, size[1] - 1] = 1
    taps = [tile]
    for operation in operations:
        right = operation.right
        other = _shifted(taps, right) if isinstance(right, Read) else right
        taps.append(operation.function(_shifted(taps, operation.left), other))
    return taps


def _shifted(taps: Sequence[NDArray[Any]], read: Read) -> NDArray[Any]:
    weights, (_, dy, dx) = taps[read.value], read
    moved = np.zeros_like(weights)
    height, width = weights.shape
    from_, to = slice(max(-dx, 0), width - max(dx, 0)), slice(max(dx, 0), width + min(dx, 0))
    moved[dy:, to] = weights[: height - dy, from_]
    return moved

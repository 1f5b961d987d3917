"""Widths: which integers hold each value of a program, the smallest that do.

A pass over 16 bits takes half the time of one over 32: a box of 31×31 needs 32 bits for
its last four passes only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convcli.engine.program import Operation, Read
from convcli.engine.taps import taps_of

Limits = tuple[float, float]

_NARROW = (np.dtype(np.int16), np.dtype(np.uint16))
_WIDE = np.dtype(np.int32)


class Typed(NamedTuple):
    """A program whose values have dtypes.

    Attributes
    ----------
    operations : tuple of Operation
        The program, with the casts that it takes.
    types : tuple of dtype
        Of the tile, and of the value of each operation.
    """

    operations: tuple[Operation, ...]
    types: tuple[np.dtype[Any], ...]


def of_one_type(operations: Sequence[Operation], dtype: np.dtype[Any]) -> Typed:
    """Return a program that computes in one dtype."""
    return Typed(tuple(operations), (dtype,) * (len(operations) + 1))


def in_integers(
    operations: Sequence[Operation], size: tuple[int, int], limits: Limits
) -> Typed | None:
    """Return a program that computes in integers, each value in the smallest that hold it.

    Parameters
    ----------
    operations : sequence of Operation
        Of whole weights.
    size : (int, int)
        The kernel's.
    limits : (float, float)
        The smallest and the largest pixel, what fills the border included.

    Returns
    -------
    Typed or None
        None where a value needs more than 32 bits.

    Examples
    --------
    >>> from convcli.kernels import Kernel
    >>> from convcli.engine.program import program_for
    >>> box = Kernel([[1] * 31] * 31)
    >>> typed = in_integers(program_for(box, box.weights), (31, 31), (0, 255))
    >>> [kind.name for kind in typed.types].count("uint16")
    10
    """
    ranges = _ranges(operations, size, limits)
    if not all(_holds(_WIDE, each) for each in ranges):
        return None
    kinds = [_narrowed(operations, ranges, narrow) for narrow in _NARROW]
    types = max(kinds, key=lambda kind: sum(one != _WIDE for one in kind))
    return _with_casts(operations, types)


def _ranges(
    operations: Sequence[Operation], size: tuple[int, int], limits: Limits
) -> list[Limits]:
    """Return the range of each value, from what it weighs each pixel with."""
    return [_range(weights, limits) for weights in taps_of(operations, size)]


def _range(weights: NDArray[Any], limits: Limits) -> Limits:
    above, below = weights[weights > 0].sum(), weights[weights < 0].sum()
    least, most = limits
    return (float(above * least + below * most), float(above * most + below * least))


def _holds(kind: np.dtype[Any], limits: Limits) -> bool:
    info = np.iinfo(kind)
    return bool(info.min <= limits[0] and limits[1] <= info.max)


def _narrowed(
    operations: Sequence[Operation], ranges: Sequence[Limits], narrow: np.dtype[Any]
) -> tuple[np.dtype[Any], ...]:
    """Return what is narrow: what it holds, and is made of what is narrow."""
    types = [narrow if _holds(narrow, ranges[0]) else _WIDE]
    for operation, limits in zip(operations, ranges[1:], strict=True):
        from_narrow = all(types[read.value] == narrow for read in operation.reads)
        types.append(narrow if from_narrow and _holds(narrow, limits) else _WIDE)
    return tuple(types)


def _with_casts(operations: Sequence[Operation], types: tuple[np.dtype[Any], ...]) -> Typed:
    """Cast a value once, before the first operation that needs it wider."""
    made: list[Operation] = []
    kinds = [types[0]]
    places: dict[tuple[int, np.dtype[Any]], int] = {(0, types[0]): 0}

    def emit(operation: Operation, value: int, kind: np.dtype[Any]) -> None:
        made.append(operation._replace(target=len(made) + 1))
        kinds.append(kind)
        places[value, kind] = len(made)

    for operation in operations:
        kind = types[operation.target]
        for read in operation.reads:
            if (read.value, kind) not in places:
                held = places[read.value, types[read.value]]
                emit(Operation(_cast, Read(held), 0.0, 0), read.value, kind)
        left, right = operation.left, operation.right
        left = left._replace(value=places[left.value, kind])
        if isinstance(right, Read):
            right = right._replace(value=places[right.value, kind])
        emit(operation._replace(left=left, right=right), operation.target, kind)
    return Typed(tuple(made), tuple(kinds))


def _cast(values: NDArray[Any], _: float, out: NDArray[Any]) -> None:
    np.copyto(out, values)

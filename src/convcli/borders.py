"""Borders: where pixels beyond the edge of a picture come from, and how they are filled."""

import itertools
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from convcli.choices import Border


def source_indices(border: Border, size: int, before: int, after: int) -> NDArray[np.intp]:
    """Return the source of each position of a padded axis: the index of a pixel.

    Padding that is wider than the axis repeats the pattern, as in `numpy.pad`: mirrors are
    mirrored again, wraps wrap again.

    Parameters
    ----------
    border : Border
        The border mode.
    size : int
        Length of the axis without padding, in pixels, at least 1.
    before, after : int
        Width of the padding at the start and at the end, in pixels.

    Returns
    -------
    ndarray of intp, shape (before + size + after,)
        Indices into the axis; -1 for the constant of `Border.ZERO`.

    Examples
    --------
    >>> source_indices(Border.REFLECT, 4, 3, 3).tolist()
    [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    >>> source_indices(Border.ZERO, 2, 1, 1).tolist()
    [-1, 0, 1, -1]
    """
    positions = np.arange(-before, size + after, dtype=np.intp)
    if border is Border.ZERO:
        return np.where((positions >= 0) & (positions < size), positions, -1)
    if border is Border.REPLICATE:
        return np.clip(positions, 0, size - 1)
    if border is Border.WRAP:
        return positions % size
    if border is Border.SYMMETRIC:
        folded = positions % (2 * size)
        return np.minimum(folded, 2 * size - 1 - folded)
    if size == 1:
        return np.zeros_like(positions)
    folded = positions % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


Stretch: TypeAlias = tuple[slice, slice | None]
"""Rows of a tile, and the rows of the picture that they copy; None for the constant."""


def stretches(sources: NDArray[np.intp]) -> list[Stretch]:
    """Cut the rows of a tile into stretches whose sources are neighbours, in order.

    `sources` is a part of what `source_indices` returns.

    Examples
    --------
    >>> stretches(np.array([-1, 0, 1]))
    [(slice(0, 1, None), None), (slice(1, 3, None), slice(0, 2, None))]
    """
    breaks = (np.diff(sources) != 1) | (sources[:-1] < 0)
    starts = [0, *(np.flatnonzero(breaks) + 1).tolist()]
    found: list[Stretch] = []
    for start, stop in itertools.pairwise([*starts, len(sources)]):
        first = int(sources[start])
        rows = None if first < 0 else slice(first, first + stop - start)
        found.append((slice(start, stop), rows))
    return found


def fill_rows(
    tile: NDArray[Any], image: NDArray[Any], rows: list[Stretch], fill: float
) -> None:
    """Copy rows of an image (H, columns, C) into a tile (rows, columns, C), with border rows.

    `rows` is from `stretches`; the values are cast to the dtype of the tile.
    """
    for target, source in rows:
        if source is None:
            tile[target] = fill
        else:
            np.copyto(tile[target], image[source], casting="unsafe")


FromTile: TypeAlias = list[tuple[NDArray[Any], NDArray[Any] | float]]
"""Border columns of a tile, and other columns of it, or the constant, that they copy."""

FromImage: TypeAlias = list[tuple[NDArray[Any], NDArray[np.intp]]]
"""Border columns of a tile, and the indices of columns of the image that they copy because the
tile does not hold these."""


def sides_of(
    padded: NDArray[Any], sources: NDArray[np.intp], inside: slice, fill: float
) -> tuple[FromTile, FromImage]:
    """Return the border columns of a padded tile, shape (rows, columns, C).

    `sources` are the sources of its columns, -1 for the constant; `inside` are the columns
    that `fill_rows` fills.
    """
    held = sources[inside]
    within: FromTile = []
    beyond: FromImage = []
    for side in (slice(0, inside.start), slice(inside.stop, len(sources))):
        needed, target = sources[side], padded[:, side]
        if needed.size == 0:
            continue
        if needed[0] < 0:
            within.append((target, fill))
        elif held.size and held[0] <= needed.min() and needed.max() <= held[-1]:
            columns = needed - held[0] + inside.start
            within.extend(_column_runs(padded, side.start, columns))
        else:
            beyond.append((target, needed))
    return _paired(within), beyond


def _paired(copies: FromTile) -> FromTile:
    """Join two copies into one if they can be: each takes 0.5 µs, however little it copies."""
    if len(copies) != 2:  # noqa: PLR2004 - left and right
        return copies
    (left, start), (right, end) = copies
    target = _side_by_side(left, right)
    if not isinstance(start, np.ndarray) or not isinstance(end, np.ndarray):
        alike = target is not None and start is end
        return [(target, start)] if target is not None and alike else copies
    source = _side_by_side(start, end)
    return copies if target is None or source is None else [(target, source)]


def _side_by_side(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any] | None:
    """Return two views of a buffer as one with one more axis, or None if they differ."""
    if (one.shape, one.strides) != (other.shape, other.strides):
        return None
    apart = other.ctypes.data - one.ctypes.data
    return as_strided(one, (2, *one.shape), (apart, *one.strides))


def _column_runs(
    padded: NDArray[Any], start: int, columns: NDArray[np.intp]
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return pairs of views, target and source, for each run of columns in one direction.

    Slices take a third of the time of an index array.
    """
    steps = np.diff(columns)
    turns = (np.flatnonzero(steps[1:] != steps[:-1]) + 2).tolist()
    pairs = []
    for first, stop in itertools.pairwise([0, *turns, len(columns)]):
        step = int(columns[first + 1] - columns[first]) if stop - first > 1 else 1
        last = int(columns[stop - 1]) + step
        source = slice(int(columns[first]), last if last >= 0 else None, step)
        if step == 0:
            source = slice(int(columns[first]), int(columns[first]) + 1)
        pairs.append((padded[:, start + first : start + stop], padded[:, source]))
    return pairs

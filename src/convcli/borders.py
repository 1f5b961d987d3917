"""Borders: where pixels beyond the edge of a picture come from, and how they are filled."""

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Border, Edges
from convcli.errors import GeometryError
from convcli.geometry.window import Pair, Window
from convcli.values import Record, replace

AnyBorder: TypeAlias = Border | Edges


def source_indices(border: Border, size: int, before: int, after: int) -> NDArray[np.intp]:
    """Return the source of each position of a padded axis, as `numpy.pad`: a pixel, or -1."""
    return _sources_at(border, size, np.arange(-before, size + after, dtype=np.intp))


def padded_sources(
    border: Border, shape: tuple[int, ...], window: Window
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the sources of the rows and of the columns of a picture that a window pads."""
    down, across = window.axes
    return (
        source_indices(border, shape[0], down.before, down.after),
        source_indices(border, shape[1], across.before, across.after),
    )


def _sources_at(border: Border, size: int, positions: NDArray[np.intp]) -> NDArray[np.intp]:
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


Run: TypeAlias = tuple[slice, slice | None]  # lines of a tile; those they copy (None: constant)


def runs(sources: NDArray[np.intp]) -> list[Run]:
    """Cut rows or columns into runs whose sources are equally far apart."""
    steps, outside = np.diff(sources), sources < 0
    turns = np.flatnonzero(steps[1:] != steps[:-1]) + 2
    edges = np.flatnonzero(outside[1:] != outside[:-1]) + 1
    # np.union1d, which does the same, imports numpy.ma.
    bounds = sorted({0, *turns.tolist(), *edges.tolist(), len(sources)})
    found: list[Run] = []
    for start, stop in itertools.pairwise(bounds):
        first, last = int(sources[start]), int(sources[stop - 1])
        step = (last - first) // max(stop - start - 1, 1)
        end = last + (step or 1) if last + step >= 0 else None
        found.append((slice(start, stop), None if first < 0 else slice(first, end, step or 1)))
    return found


def sides_of(
    padded: NDArray[Any], sources: NDArray[np.intp], inside: slice, fill: float
) -> tuple[list[tuple[NDArray[Any], Any]], list[tuple[NDArray[Any], NDArray[np.intp]]]]:
    """Return the border columns of a padded tile, beside those that are `inside`.

    The first copy other columns of the tile, or the constant; the others columns of the image.
    """
    held = sources[inside]
    within: list[tuple[NDArray[Any], Any]] = []
    beyond: list[tuple[NDArray[Any], NDArray[np.intp]]] = []
    for side in (slice(0, inside.start), slice(inside.stop, len(sources))):
        needed, target = sources[side], padded[:, side]
        if needed.size == 0:
            continue
        if needed[0] < 0:
            within.append((target, fill))
        elif held.size and held[0] <= needed.min() and needed.max() <= held[-1]:
            # To copy runs is faster than to copy by an array of indices.
            copies = runs(needed - held[0] + inside.start)
            within += [(target[:, part], padded[:, source]) for part, source in copies]
        else:
            beyond.append((target, needed))
    return within, beyond


# ------------------------------------------------------------------ all borders, at any place

# An array that is computed in rectangles of rows and columns, shape (rows, columns, C).
Field: TypeAlias = Callable[[slice, slice], NDArray[Any]]
Fill: TypeAlias = tuple[float, ...]


def fill_of(border: AnyBorder, channels: int, white: int) -> Fill:
    """Return the constant of a border for each channel of a picture."""
    fill = border.fill if isinstance(border, Edges) else (0.0,)
    if len(fill) == 1:
        return fill * channels
    if channels == 1 and len(set(fill)) == 1:
        fill = fill[:1]
    if len(fill) != channels:
        raise GeometryError(
            f"border {border.value}: expected a number or a grey for {channels} "
            f"channel{'s' * (channels > 1)}, got a colour: write constant:NUMBER"
        )
    return tuple(part * (white // 255) for part in fill)


def beyond(
    values: NDArray[Any],
    border: AnyBorder,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    fill: Fill = (0.0,),
) -> NDArray[Any]:
    """Return the values at some rows and columns, also beyond the edge, of (H, W) or (H, W, C).

    `Border.ODD` makes float64 of whole numbers.
    """
    for axis, positions in enumerate((rows, columns)):
        held = np.arange(values.shape[axis])
        values = _extended(values, axis, border.axes[axis], len(held), positions, held, fill)
    return values


def _extended(  # noqa: PLR0917 - two callers
    values: NDArray[Any],
    axis: int,
    mode: Border,
    size: int,
    positions: NDArray[np.intp],
    held: NDArray[np.intp],
    fill: Fill,
) -> NDArray[Any]:
    """Return the values at positions of one axis, which is `size` long; `held` are there."""
    sources = _sources_at(mode, size, positions)
    taken: NDArray[Any] = np.take(values, np.searchsorted(held, np.maximum(sources, 0)), axis)
    if mode is Border.ZERO:
        taken[(slice(None),) * axis + (sources < 0,)] = fill if len(fill) > 1 else fill[0]
    if mode is not Border.ODD:
        return taken
    if size == 1 or (sources == positions).all():
        return taken.astype(odd_dtype(taken.dtype))
    first, last = (
        np.take(values, [np.searchsorted(held, place)], axis).astype(odd_dtype(values.dtype))
        for place in (0, size - 1)
    )
    shape = [-1 if number == axis else 1 for number in range(values.ndim)]
    signed = positions.reshape(shape)
    turns, place = np.divmod(np.abs(signed), 2 * (size - 1))
    taken = np.where(place >= size, 2 * last - taken, taken)
    with np.errstate(invalid="ignore"):
        taken = np.where(turns > 0, taken + 2 * turns * (last - first), taken)
    return np.asarray(np.where(signed < 0, 2 * first - taken, taken), first.dtype)


def odd_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a picture with the border `Border.ODD`."""
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def gathered(field: Field, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[Any]:
    """Return some rows and columns of a field, in rising order; they may have gaps."""
    down, across = map(_stretches, (rows, columns))
    return _joined([_joined([field(part, beside) for beside in across], 1) for part in down], 0)


def _stretches(places: NDArray[np.intp]) -> list[slice]:
    gaps = np.flatnonzero(np.diff(places) > 1) + 1
    return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(places, gaps)]


def _joined(parts: list[NDArray[Any]], axis: int) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


class Padder(Record):
    """Lays a border around a field that is not one of the five that the engine fills."""

    size: Pair  # rows and columns of the field
    padding: tuple[Pair, Pair]  # pixels above and below, at the left and the right
    border: AnyBorder
    fill: Fill  # the constant for each channel

    @property
    def padded(self) -> Pair:
        """Rows and columns with the padding."""
        rows, columns = (size + sum(p) for size, p in zip(self.size, self.padding, strict=True))
        return (rows, columns)

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype of what is padded."""
        return odd_dtype(dtype) if Border.ODD in self.border.axes else dtype

    def over(self, field: Field) -> Field:
        """Return the padded field; rows and columns count from the corner of the padding."""

        def read(rows: slice, columns: slice) -> NDArray[Any]:
            places = [
                np.arange(part.start - before, part.stop - before)
                for part, (before, _) in zip((rows, columns), self.padding, strict=True)
            ]
            held = [self._needed(axis, each) for axis, each in enumerate(places)]
            values = gathered(field, *held)
            for axis, each in enumerate(places):
                mode, size = self.border.axes[axis], self.size[axis]
                values = _extended(values, axis, mode, size, each, held[axis], self.fill)
            return values.astype(self.dtype(values.dtype), copy=False)

        return read

    def whole(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return an array with the border around it."""
        rows, columns = self.padded
        return self.over(lambda *part: values[part])(slice(0, rows), slice(0, columns))

    def _needed(self, axis: int, places: NDArray[np.intp]) -> NDArray[np.intp]:
        mode, size = self.border.axes[axis], self.size[axis]
        needed = _sources_at(mode, size, places)
        edges = [0, size - 1] if mode is Border.ODD else []
        needed = np.unique([*needed[needed >= 0], *edges]).astype(np.intp)
        return needed if needed.size else np.zeros(1, np.intp)


def padder_for(
    border: AnyBorder, slide: Window, size: Pair, fill: Fill
) -> tuple[Padder | None, Window]:
    """Return what pads a field where the engine cannot; and the window that slides over it."""
    plain = isinstance(border, Border) and border is not Border.ODD
    if plain or not any(map(any, slide.padding)):
        return None, slide
    bare = [replace(axis, before=0, after=0) for axis in slide.axes]
    return Padder(size, slide.padding, border, fill), Window(*bare)

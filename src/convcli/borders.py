"""Borders: where pixels beyond the edge of a picture come from, and how they are filled."""

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Border, Edges
from convcli.errors import GeometryError, fail
from convcli.geometry.window import Pair, Window
from convcli.text import counted
from convcli.values import Record, replace

AnyBorder: TypeAlias = Border | Edges
Values: TypeAlias = NDArray[Any]
Places: TypeAlias = NDArray[np.intp]  # rows or columns, or their sources


def padded_sources(
    border: Border, shape: tuple[int, ...], window: Window
) -> tuple[Places, Places]:
    """Return the sources of the rows and of the columns of a picture that a window pads."""
    rows, columns = (
        source_indices(border, size, np.arange(-before, size + after))
        for size, (before, after) in zip(shape[:2], window.padding, strict=True)
    )
    return rows, columns


def source_indices(border: Border, size: int, positions: Places) -> Places:
    """Return the source of positions, also beyond the edge, as `numpy.pad`: a pixel, or -1."""
    if border is Border.ZERO:
        return np.where((positions >= 0) & (positions < size), positions, -1)
    if border is Border.REPLICATE:
        return np.clip(positions, 0, size - 1)
    if border is Border.WRAP:
        return positions % size
    twice = border is Border.SYMMETRIC  # the pixel at the edge is read twice
    period = 2 * size - 2 * (not twice)
    folded = positions % max(period, 1)
    return np.minimum(folded, period - twice - folded)


Run: TypeAlias = tuple[slice, slice | None]  # lines of a tile; those they copy (None: constant)


def runs(sources: Places) -> list[Run]:
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
    padded: Values, sources: Places, inside: slice, fill: float
) -> tuple[list[tuple[Values, Any]], list[tuple[Values, Places]]]:
    """Return the border columns of a padded tile, beside those that are `inside`.

    The first copy other columns of the tile, or the constant; the others columns of the image.
    """
    held = sources[inside]
    within: list[tuple[Values, Any]] = []
    beyond: list[tuple[Values, Places]] = []
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
Field: TypeAlias = Callable[[slice, slice], Values]
Fill: TypeAlias = tuple[float, ...]


def fill_of(border: AnyBorder, channels: int, white: int) -> Fill:
    """Return the constant of a border for each channel of a picture."""
    fill = border.fill if isinstance(border, Edges) else (0.0,)
    if len(fill) == 1:
        return fill * channels
    if channels == 1 and len(set(fill)) == 1:
        fill = fill[:1]
    if len(fill) != channels:
        fault = f"expected a number or a grey for {counted(channels, 'channel')}, got a colour"
        fail(f"border {border.value}", fault, "write constant:NUMBER", GeometryError)
    return tuple(part * (white // 255) for part in fill)


def gathered(field: Field, rows: Places, columns: Places) -> Values:
    """Return some rows and columns of a field, in rising order; they may have gaps."""
    down, across = map(_stretches, (rows, columns))
    return _joined([_joined([field(part, beside) for beside in across], 1) for part in down], 0)


def _stretches(places: Places) -> list[slice]:
    gaps = np.flatnonzero(np.diff(places) > 1) + 1
    return [slice(int(part[0]), int(part[-1]) + 1) for part in np.split(places, gaps)]


def _joined(parts: list[Values], axis: int) -> Values:
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
        """Return the dtype of what is padded: `Border.ODD` makes floats of whole numbers."""
        becomes_float = Border.ODD in self.border.axes and dtype.kind != "f"
        return np.dtype(np.float64) if becomes_float else dtype

    def over(self, field: Field) -> Field:
        """Return the padded field; rows and columns count from the corner of the padding."""
        above, left = (before for before, _ in self.padding)

        def read(rows: slice, columns: slice) -> Values:
            down = np.arange(rows.start - above, rows.stop - above)
            across = np.arange(columns.start - left, columns.stop - left)
            return self.at(field, down, across)

        return read

    def whole(self, values: Values) -> Values:
        """Return an array with the border around it."""
        rows, columns = self.padded
        return self.over(lambda *part: values[part])(slice(0, rows), slice(0, columns))

    def at(self, field: Field, *places: Places) -> Values:
        """Return the values at some rows and columns of a field, also beyond its edge."""
        held = [self._needed(axis, each) for axis, each in enumerate(places)]
        values = gathered(field, *held)
        for axis, each in enumerate(places):
            values = self._along(axis, values, held[axis], each)
        return values

    def _needed(self, axis: int, places: Places) -> Places:
        mode, size = self.border.axes[axis], self.size[axis]
        needed = source_indices(mode, size, places)
        edges = [0, size - 1] if mode is Border.ODD else []
        needed = np.unique([*needed[needed >= 0], *edges]).astype(np.intp)
        return needed if needed.size else np.zeros(1, np.intp)

    def _along(self, axis: int, values: Values, held: Places, places: Places) -> Values:
        """Return the values at places of one axis; `values` has those that are `held`."""
        mode, size = self.border.axes[axis], self.size[axis]

        def value_at(sources: Any) -> Values:
            return np.asarray(np.take(values, np.searchsorted(held, sources), axis))

        sources = source_indices(mode, size, places)
        taken = value_at(np.maximum(sources, 0))
        if mode is Border.ZERO:
            beyond = (slice(None),) * axis + (sources < 0,)
            taken[beyond] = self.fill if len(self.fill) > 1 else self.fill[0]
        if mode is not Border.ODD:
            return taken
        taken = taken.astype(self.dtype(taken.dtype), copy=False)
        if size == 1 or (sources == places).all():
            return taken
        first, last = (value_at([edge]).astype(taken.dtype) for edge in (0, size - 1))
        signed = places.reshape([-1 if number == axis else 1 for number in range(values.ndim)])
        turns, place = np.divmod(np.abs(signed), 2 * (size - 1))
        taken = np.where(place >= size, 2 * last - taken, taken)
        with np.errstate(invalid="ignore"):
            taken = np.where(turns > 0, taken + 2 * turns * (last - first), taken)
        return np.asarray(np.where(signed < 0, 2 * first - taken, taken), first.dtype)


def padder_for(
    border: AnyBorder, slide: Window, size: Pair, fill: Fill
) -> tuple[Padder | None, Window]:
    """Return what pads a field, if anything; and the window that slides over what it gives."""
    if not any(map(any, slide.padding)):
        return None, slide
    bare = [replace(axis, before=0, after=0) for axis in slide.axes]
    return Padder(size, slide.padding, border, fill), Window(*bare)

"""Receptive fields on a picture: what a unit can see, and what it does look at."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError
from convcli.geometry.window import Pair
from convcli.images.drawing import ACCENT, Canvas, Colour, enlarged
from convcli.images.figures import below, beside, figure, text_block
from convcli.images.picture import Frame
from convcli.lessons.stacks.gradients import RandomWeights, input_gradient
from convcli.lessons.stacks.run import Maps, Running
from convcli.lessons.stacks.spec import LayerSpec
from convcli.lessons.stacks.stack import Stack, stack
from convcli.lessons.stacks.weights import WeightFiles
from convcli.text import counted as count_of
from convcli.text import times
from convcli.values import Record

_Span = tuple[float, float]
"""The first and the last place along an axis; none where the first is the larger one."""

_NONE: _Span = (np.inf, -np.inf)


class Unit(Record):
    """One value of a layer: the layer's number from 1, the map, the column x and the row y.

    Without a map, a mix of all maps at that place is meant.
    """

    layer: int
    map: int | None
    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.layer}:{'*' if self.map is None else self.map}@{self.x},{self.y}"


class Field(Record):
    """The receptive field of a unit: the places of the input that it can see.

    `rows` and `columns` are the first and the last ones, counted from 0 and cut to the input;
    `cut` are the pixels of padding beyond the top, bottom, left and right. Where the unit sees
    padding alone, a last place comes before the first.
    """

    unit: Unit
    rows: Pair
    columns: Pair
    cut: tuple[int, int, int, int]

    @property
    def size(self) -> Pair:
        """Rows and columns of the input."""
        return (self.rows[1] - self.rows[0] + 1, self.columns[1] - self.columns[0] + 1)

    @property
    def parts(self) -> tuple[slice, slice]:
        """The field as a part of the input."""
        return slice(self.rows[0], self.rows[1] + 1), slice(
            self.columns[0], self.columns[1] + 1
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the field as plain JSON values."""
        sides = zip(("top", "bottom", "left", "right"), self.cut, strict=True)
        return {
            "unit": str(self.unit),
            "rows": list(self.rows),
            "columns": list(self.columns),
            "size": list(self.size),
            "padding": dict(sides),
        }


def unit_from(text: str, counted: Stack) -> Unit:
    """Parse ``layer:map@x,y``; a unit that the stack does not have is a `GeometryError`."""
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9}|\*)@(\d{1,9}),(\d{1,9})", text.strip())
    if found is None:
        raise GeometryError(f"unit: expected layer:map@x,y, as 3:0@10,12; got '{text}'")
    layer, chosen, x, y = (0 if part == "*" else int(part) for part in found.groups())
    if not 1 <= layer <= len(counted.rows):
        raise GeometryError(f"unit: expected layer 1 to {len(counted.rows)}, got {layer}")
    volume = counted.rows[layer - 1].reached.volume
    limits = (("map", volume.channels, chosen), ("x", volume.width, x), ("y", volume.height, y))
    for name, count, value in limits:
        if value >= count:
            raise GeometryError(
                f"unit: layer {layer} is {volume.height} × {volume.width} × "
                f"{volume.channels}: expected {name} of at most {count - 1}, got {value}"
            )
    return Unit(layer, None if found[2] == "*" else chosen, x, y)


def receptive_field(
    layers: str | Sequence[str], unit: str, size: str | Sequence[int] | None = None
) -> Field:
    """Return which places of the input a unit of a network can see.

    Parameters
    ----------
    layers, size
        As for `stack`.
    unit : str
        ``layer:map@x,y``: the layer counted from 1, the others from 0; ``*`` is any map.

    Returns
    -------
    Field
        Cut to the input; it says how much padding was cut off.

    Raises
    ------
    GeometryError
        If the layers do not fit, or have no such unit.

    Examples
    --------
    >>> field = receptive_field("conv:1,k3,p1 pool:2", "2:0@0,1", "8x8")
    >>> field.rows, field.columns, field.cut
    ((1, 4), (0, 2), (0, 0, 1, 0))
    """
    counted = stack(layers, size)
    return field_of(counted, unit_from(unit, counted))


def field_of(counted: Stack, unit: Unit) -> Field:
    """Go back from a unit, layer by layer, to the places of the input that it sees."""
    volumes = [counted.source, *(row.reached.volume for row in counted.rows)]
    spans: list[_Span] = [(unit.y, unit.y), (unit.x, unit.x)]
    pending: list[list[_Span]] = []
    channel = unit.map
    for number in range(unit.layer - 1, -1, -1):
        spec, entry = counted.rows[number].spec, volumes[number]
        sides = (entry.height, entry.width)
        if spec.layer_type == "add":
            pending.append(spans)
        elif spec.layer_type == "shortcut":
            main = pending.pop() if pending else [_NONE, _NONE]
            pending.append(spans)
            spans = main
        elif spec.layer_type == "residual" and pending:
            spans = [_joined(*each) for each in zip(spans, pending.pop(), strict=True)]
        elif spans[0] != _NONE:
            if spec.layer_type == "flatten" and channel is not None:
                channel, place = divmod(channel, sides[0] * sides[1])
                spans = [(at, at) for at in divmod(place, sides[1])]
            else:
                spans = _through(spec, sides, spans)
            channel = None if spec.layer_type in _MIXING else channel
    ends = [tuple(map(int, span)) if span != _NONE else (0, -1) for span in spans]
    sizes = (counted.source.height, counted.source.width)
    rows, columns = (
        (max(first, 0), max(min(last, size - 1), max(first, 0) - 1))
        for (first, last), size in zip(ends, sizes, strict=True)
    )
    (top, bottom), (left, right) = (
        (max(-first, 0), max(last - size + 1, 0))
        for (first, last), size in zip(ends, sizes, strict=True)
    )
    return Field(unit, rows, columns, (top, bottom, left, right))


def _joined(one: _Span, other: _Span) -> _Span:
    return min(one[0], other[0]), max(one[1], other[1])


_MIXING = ("conv", "fc", "softmax")
"""Layers whose answers see all channels of their input."""


def _through(spec: LayerSpec, sides: Pair, spans: list[_Span]) -> list[_Span]:
    """Return what a layer sees of its input of a size for some places of its answer."""
    if spec.layer_type in ("conv", "pool", "avgpool"):
        return [
            (
                first * axis.stride - axis.before,
                last * axis.stride - axis.before + axis.extent - 1,
            )
            for (first, last), axis in zip(spans, spec.window.axes, strict=True)
        ]
    if spec.layer_type in ("adaptive", "gap"):
        return [
            (max(first, 0) * size // count, -(-min(last + 1, count) * size // count) - 1)
            for (first, last), size, count in zip(spans, sides, spec.kernel, strict=True)
        ]
    sees_all = spec.layer_type in ("fc", "flatten")
    return [(0, size - 1) for size in sides] if sees_all else spans


# ------------------------------------------------------------------ the effective field

_PARTS = (0.25, 0.5, 0.75, 1.0)
_MOST_OF_IT = 0.95


class EffectiveField(Record):
    """How much each place of the input moves a unit: see `effective_field`.

    `energy` has shape (H, W) and sums to 1: the mean square of the gradient, all channels
    together. `field` is what the unit can see. `seeds` counts the inputs.
    """

    energy: NDArray[np.float64]
    field: Field
    seeds: int

    def share(self, part: float = 1.0) -> float:
        """Return the share of the energy in the middle of the field: a part of its sides."""
        return float(self.energy[_middle(self.field, part)].sum())

    def reach_part(self) -> float:
        """Return the part of the sides whose middle has 95 % of the energy."""
        steps = max(self.field.size)
        parts = (number / steps for number in range(1, steps))
        return next((part for part in parts if self.share(part) >= _MOST_OF_IT), 1.0)

    def reach(self) -> Pair:
        """Return the rows and columns of the middle with 95 % of the energy."""
        rows, columns = _middle(self.field, self.reach_part())
        return rows.stop - rows.start, columns.stop - columns.start

    def as_dict(self) -> dict[str, Any]:
        """Return the two fields as plain JSON values."""
        return {
            "field": self.field.as_dict(),
            "seeds": self.seeds,
            "energy_inside": self.share(),
            "energy_in_middle": {f"{part:g}": self.share(part) for part in _PARTS},
            "reach_95": list(self.reach()),
        }


def _middle(field: Field, part: float) -> tuple[slice, slice]:
    """Return the middle of a field, a part of its rows and columns, as a part of the input."""
    top, bottom, left, right = field.cut
    ends = []
    for side, before, after in zip(field.parts, (top, left), (bottom, right), strict=True):
        first, last = side.start - before, side.stop + after
        off = round((last - first) * (1 - part) / 2)
        ends.append(slice(max(first + off, side.start), min(last - off, side.stop)))
    return ends[0], ends[1]


def effective_field(
    layers: str | Sequence[str],
    size: str | Sequence[int] | None = None,
    *,
    unit: str | int | None = None,
    weights: str | None = None,
    image: Any = None,
    seeds: int = 8,
    jobs: int | None = None,
) -> EffectiveField:
    """Return how much each place of the input moves a unit: its effective receptive field.

    That is the gradient of the unit with respect to the input, squared, and averaged over
    seeds (Luo et al., 2016, "Understanding the effective receptive field").

    Parameters
    ----------
    layers, size
        As for `stack`.
    unit : str or int, optional
        ``layer:map@x,y``, or a layer for its middle, ``*`` for a random mix of all maps. It is
        the middle of the last layer that has more than one place unless given.
    weights : str, optional
        As for `run_stack`. Without them they are random, new for each seed.
    image : array_like, shape (H, W, C), optional
        As for `run_stack`. Without it the input is normal noise, new for each seed.
    seeds : int
        How many gradients are averaged, from 1.
    jobs : int, optional
        Threads.

    Returns
    -------
    EffectiveField

    Raises
    ------
    ConvcliError
        As `run_stack`, and for a unit that nothing moves.

    Examples
    --------
    Two layers of 3×3 can see 5×5 pixels, and look at the middle more than at the edge:

    >>> found = effective_field("conv:8,k3 conv:8,k3", "15x15x1")
    >>> found.field.size, round(found.share(), 6), found.share(0.6) > 9 / 25
    ((5, 5), 1.0, True)
    """
    if seeds < 1:
        raise GeometryError(f"seeds: expected at least 1, got {seeds}: use 1 or more")
    counted = stack(layers, size if image is None else np.shape(image))
    chosen = unit_from(unit, counted) if isinstance(unit, str) else _middle_unit(counted, unit)
    maps = counted.rows[chosen.layer - 1].reached.volume.channels
    source = counted.source
    shape = (source.height, source.width, source.channels)
    energy = np.zeros(shape[:2])
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        noise = chance.standard_normal(shape, np.float32)
        mix = chance.standard_normal(maps, np.float32)
        if chosen.map is not None:
            mix = np.asarray(np.arange(maps) == chosen.map, np.float32)
        values = noise if image is None else np.ascontiguousarray(image, np.float32)
        gradient = _gradient(counted, chosen, weights, seed, values, mix, jobs)
        energy += np.square(gradient, dtype=np.float64).sum(axis=2)
    total = energy.sum()
    if not 0 < total < np.inf:
        raise GeometryError(
            f"unit {chosen}: its gradient is {total:g} for each of the {seeds} seeds: choose "
            "another map, or use more seeds"
        )
    return EffectiveField(energy / total, field_of(counted, chosen), seeds)


def _middle_unit(counted: Stack, layer: int | None) -> Unit:
    """Return the middle of a layer, by default of the last one with more than one place."""
    sizes = [row.reached.volume for row in counted.rows]
    if layer is not None and not 1 <= layer <= len(sizes):
        raise GeometryError(f"layer: expected 1 to {len(sizes)}, got {layer}")
    maps = [number for number, size in enumerate(sizes, 1) if size.height * size.width > 1]
    number = layer or (maps or [len(sizes)])[-1]
    volume = sizes[number - 1]
    return Unit(number, None, (volume.width - 1) // 2, (volume.height - 1) // 2)


def _gradient(  # noqa: PLR0917 - what one seed has
    counted: Stack,
    unit: Unit,
    weights: str | None,
    seed: int,
    values: Maps,
    mix: Maps,
    jobs: int | None,
) -> Maps:
    rows, place = counted.rows[: unit.layer], (unit.y, unit.x)
    if weights is None:
        return input_gradient(rows, Running(RandomWeights(seed), jobs), values, place, mix)
    with WeightFiles(weights, [row.spec for row in counted.rows]) as files:
        return input_gradient(rows, Running(files, jobs), values, place, mix)


# ------------------------------------------------------------------ drawings

_SIDE, _SHADE = 420, 0.4
_REACH: Colour = (60, 170, 255)
_Parts = tuple[slice, slice]


def field_facts(field: Field, source: Pair) -> list[str]:
    """Say what a unit can see of an input of a size, and what is padding."""
    if min(field.size) < 1:
        return [f"Unit {field.unit} sees padding alone."]
    (top, bottom), (left, right) = field.rows, field.columns
    sides = zip(field.cut, ("above", "below", "at the left", "at the right"), strict=True)
    cut = ", ".join(f"{count} px {side}" for count, side in sides if count)
    beyond = f"It goes on beyond the input, over padding: {cut}." if cut else "None is padding."
    place = f"columns {left} to {right} and rows {top} to {bottom}"
    sizes = f"{times(field.size[::-1])} of {times(source[::-1])} px"
    return [f"Unit {field.unit} can see {place}, {sizes}. {beyond}"]


def effective_facts(found: EffectiveField) -> list[str]:
    """Say how much of the energy is where."""
    field, (rows, columns) = found.field, found.reach()
    area = rows * columns / (field.size[0] * field.size[1])
    energy = (
        f"Energy, the squared gradient, mean of {count_of(found.seeds, 'seed')}: "
        f"{_percent(found.share())} inside, {_percent(found.share(0.5))} in the middle half of "
        "the rows and columns."
    )
    reach = (
        f"{_percent(_MOST_OF_IT)} is in the middle {times((columns, rows))} px, "
        f"{_percent(area)} of the area: the effective receptive field."
    )
    return [*field_facts(field, found.energy.shape), energy, reach]


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def draw_field(field: Field, pixels: NDArray[np.uint8]) -> Frame:
    """Draw a picture, uint8 (H, W, 3), with the field of a unit framed and the rest darker."""
    shown = (pixels * _SHADE).astype(np.uint8)
    shown[field.parts] = pixels[field.parts]
    picture = _enlarged(shown)
    _frame(picture, field.parts, picture.width // shown.shape[1], ACCENT)
    return _page([picture], field_facts(field, (shown.shape[0], shown.shape[1])))


def draw_effective(found: EffectiveField) -> Frame:
    """Draw what a unit can see, and beside it what moves it: brighter where it moves it more.

    An orange frame is around what it can see, a blue one around 95 % of the energy.
    """
    field, energy = found.field, found.energy
    view = tuple(
        slice(max(side.start - length // 4 - 1, 0), side.stop + length // 4 + 1)
        for side, length in zip(field.parts, field.size, strict=True)
    )
    seen = np.zeros(energy.shape)
    seen[field.parts] = 1
    panels = []
    for title, levels, frames in (
        ("what it can see", seen, ((field.parts, ACCENT),)),
        (
            "what moves it",
            np.sqrt(energy / energy.max()),
            ((field.parts, ACCENT), (_middle(field, found.reach_part()), _REACH)),
        ),
    ):
        picture = _enlarged(np.rint(255 * levels[view]).astype(np.uint8))
        scale = picture.width // levels[view].shape[1]
        for (rows, columns), colour in frames:
            _frame(picture, (_moved(rows, view[0]), _moved(columns, view[1])), scale, colour)
        panels.append(below([picture, text_block([("", title)], picture.width)]))
    return _page([beside(panels)], effective_facts(found))


def _moved(part: slice, view: slice) -> slice:
    return slice(part.start - view.start, part.stop - view.start)


def _enlarged(pixels: NDArray[np.uint8]) -> Canvas:
    large = enlarged(pixels, max(-(-_SIDE // max(pixels.shape[:2])), 1))
    picture = Canvas(large.width, large.height)
    picture.image.paste(large, (0, 0))
    return picture


def _frame(picture: Canvas, parts: _Parts, scale: int, colour: Colour) -> None:
    """Draw a frame around a part of an enlarged picture."""
    rows, columns = parts
    if rows.start < rows.stop and columns.start < columns.stop:
        box = (columns.start * scale, rows.start * scale)
        end = (columns.stop * scale - 1, rows.stop * scale - 1)
        picture.pen.rectangle((*box, *end), outline=colour, width=3)


def _page(pictures: list[Canvas], facts: Sequence[str]) -> Frame:
    width = max(_SIDE, pictures[0].width)
    return figure([*pictures, text_block([("", fact) for fact in facts], width)])

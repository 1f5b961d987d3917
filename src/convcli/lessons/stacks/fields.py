"""Receptive fields on a picture: what a unit can see, and what it does look at."""

import math
import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError, fail
from convcli.geometry.window import Pair
from convcli.lessons.stacks import Stack, stack
from convcli.lessons.stacks.run import input_gradient
from convcli.lessons.stacks.weights import RandomWeights, WeightFiles
from convcli.text import times
from convcli.values import Record


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

    `spans` are the first and last row, and column; they may go beyond the `source`'s size.
    """

    unit: Unit
    spans: tuple[Pair, Pair]
    source: Pair

    def middle(self, part: float = 1.0) -> tuple[slice, slice]:
        """Return the field, or a part of its sides in its middle, cut to the input."""
        ends = []
        for (first, last), size in zip(self.spans, self.source, strict=True):
            off = round((last + 1 - first) * (1 - part) / 2)
            start = max(first + off, 0)
            ends.append(slice(start, max(min(last + 1 - off, size), start)))
        return ends[0], ends[1]

    @property
    def size(self) -> Pair:
        """Rows and columns of the input."""
        return _lengths(self.middle())

    @property
    def padding(self) -> dict[str, int]:
        """Pixels of the field beyond the ``top``, ``bottom``, ``left`` and ``right``."""
        ends = zip(self.spans, self.source, strict=True)
        beyond = [n for (first, last), size in ends for n in (-first, last - size + 1)]
        sides = ("top", "bottom", "left", "right")
        return {side: max(n, 0) for side, n in zip(sides, beyond, strict=True)}

    def as_dict(self) -> dict[str, Any]:
        """Return the field as plain JSON values."""
        rows, columns = self.middle()
        return {
            "unit": str(self.unit),
            "rows": [rows.start, rows.stop - 1],
            "columns": [columns.start, columns.stop - 1],
            "size": list(self.size),
            "padding": self.padding,
        }

    def facts(self) -> str:
        """Say what the unit can see."""
        (rows, columns), cut = self.middle(), self.padding
        if 0 in self.size:
            return f"Unit {self.unit} sees padding alone."
        beyond = ", ".join(f"{count} px at the {side}" for side, count in cut.items() if count)
        lost = f"Cut off is what lies over padding: {beyond}."
        padding = lost if beyond else "None is padding."
        return (
            f"Unit {self.unit} can see columns {columns.start} to {columns.stop - 1} and rows "
            f"{rows.start} to {rows.stop - 1}, {times(self.size[::-1])} of "
            f"{times(self.source[::-1])} px. {padding}"
        )


def _lengths(parts: tuple[slice, slice]) -> Pair:
    return parts[0].stop - parts[0].start, parts[1].stop - parts[1].start


def unit_from(text: str, counted: Stack) -> Unit:
    """Parse ``layer:map@x,y``; a unit that the stack does not have is a `GeometryError`."""
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9}|\*)@(\d{1,9}),(\d{1,9})", text.strip())
    if found is None:
        raise GeometryError(f"unit: expected layer:map@x,y, as 3:0@10,12; got '{text}'")
    layer, chosen, x, y = (0 if part == "*" else int(part) for part in found.groups())
    if not 1 <= layer <= len(counted.rows):
        raise GeometryError(f"unit: expected layer 1 to {len(counted.rows)}, got {layer}")
    volume = counted.rows[layer - 1].volume
    limits = (("map", volume.channels, chosen), ("x", volume.width, x), ("y", volume.height, y))
    for name, count, value in limits:
        if value >= count:
            fault = f"expected {name} of at most {count - 1}, got {value}"
            raise GeometryError(f"unit: layer {layer} is {volume}: {fault}")
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

    Raises
    ------
    GeometryError
        If the layers do not fit, or have no such unit.

    Examples
    --------
    >>> field = receptive_field("conv:1,k3,p1 pool:2", "2:0@0,1", "8x8")
    >>> field.spans, field.padding["left"]
    (((1, 4), (-1, 2)), 1)
    """
    counted = stack(layers, size)
    return field_of(counted, unit_from(str(unit), counted))


def field_of(counted: Stack, unit: Unit) -> Field:
    """Go back from a unit, layer by layer, to the places of the input that it sees."""
    volumes = [counted.source, *(row.volume for row in counted.rows)]
    seen: dict[int, list[Pair]] = {unit.layer: [(unit.y, unit.y), (unit.x, unit.x)]}
    channel = unit.map
    for number in range(unit.layer, 0, -1):
        if number not in seen:  # a layer of a block, from which no way leads to the unit
            continue
        row, volume, spans = counted.rows[number - 1], volumes[number - 1], seen.pop(number)
        if row.spec.layer_type == "flatten" and channel is not None:
            channel, place = divmod(channel, volume.height * volume.width)
            spans = [(at, at) for at in divmod(place, volume.width)]
        else:
            sides = enumerate(zip((volume.height, volume.width), spans, strict=True))
            spans = [
                (row.spec.seen(axis, size, first)[0], row.spec.seen(axis, size, last)[1])
                for axis, (size, (first, last)) in sides
            ]
            channel = None if row.spec.layer_type in _MIXING else channel
        for source in row.sources:
            pairs = zip(spans, seen.get(source, spans), strict=True)
            seen[source] = [(min(a[0], b[0]), max(a[1], b[1])) for a, b in pairs]
    rows, columns = seen[0]
    return Field(unit, (rows, columns), (counted.source.height, counted.source.width))


_MIXING = ("conv", "fc", "softmax")  # layers whose answers see all channels of their input


_MOST_OF_IT = 0.95


class EffectiveField(Record):
    """How much each place of the input moves a unit: see `effective_field`.

    `energy`, shape (H, W), sums to 1: the squared gradient, all channels together, and the mean
    over the `seeds`, which are counted. `field` is what the unit can see.
    """

    energy: NDArray[np.float64]
    field: Field
    seeds: int

    def share(self, part: float = 1.0) -> float:
        """Return the share of the energy in the middle of the field: a part of its sides."""
        return float(self.energy[self.field.middle(part)].sum())

    def reach(self) -> tuple[slice, slice]:
        """Return the smallest middle of the field that has 95 % of the energy."""
        steps = max(last + 1 - first for first, last in self.field.spans)
        parts = (number / steps for number in range(1, steps))
        part = next((part for part in parts if self.share(part) >= _MOST_OF_IT), 1.0)
        return self.field.middle(part)

    def as_dict(self) -> dict[str, Any]:
        """Return the two fields as plain JSON values."""
        return {
            "field": self.field.as_dict(),
            "seeds": self.seeds,
            "energy_inside": self.share(),
            "energy_in_middle_half": self.share(0.5),
            "reach_95": list(_lengths(self.reach())),
        }

    def facts(self) -> str:
        """Say how much of the energy is where."""
        reach = _lengths(self.reach())
        area = math.prod(reach) / math.prod(self.field.size)
        return (
            f"{self.field.facts()}\n"
            f"Energy (the squared gradient, mean of the seeds): {100 * self.share():.3g} % is "
            f"inside, {100 * self.share(0.5):.3g} % in the middle half of its sides, padding "
            "included.\n"
            f"95 % is in the middle {times(reach[::-1])} px, {100 * area:.3g} % of the area: "
            "the effective receptive field."
        )


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
    weights, jobs
        As for `run_stack`. Without weights they are random, new for each seed.
    image : array_like, shape (H, W, C), optional
        As for `run_stack`. Without it the input is normal noise, new for each seed.
    seeds : int
        How many gradients are averaged, from 1.

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
    rows, place = counted.rows[: chosen.layer], (chosen.y, chosen.x)
    maps, volume = rows[-1].volume.channels, counted.source
    shape = (volume.height, volume.width, volume.channels)
    energy, specs = np.zeros(shape[:2]), [row.spec for row in counted.rows]
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        values = chance.standard_normal(shape, np.float32)
        mix = chance.standard_normal(maps, np.float32)
        if chosen.map is not None:
            mix = np.asarray(np.arange(maps) == chosen.map, np.float32)
        if image is not None:
            values = np.ascontiguousarray(image, np.float32)
        random = nullcontext(RandomWeights(seed))
        with random if weights is None else WeightFiles(weights, specs) as source:
            gradient = input_gradient(rows, source, values, place, mix, jobs=jobs)
        energy += np.square(gradient, dtype=np.float64).sum(axis=2)
    total = energy.sum()
    if not 0 < total < np.inf:
        fault = f"its gradient is {total:g} for each of the {seeds} seeds"
        fail(f"unit {chosen}", fault, "choose another map, or use more seeds", GeometryError)
    return EffectiveField(energy / total, field_of(counted, chosen), seeds)


def _middle_unit(counted: Stack, layer: int | None) -> Unit:
    """Return the middle of a layer, by default of the last one with more than one place."""
    sizes = [row.volume for row in counted.rows]
    if layer is not None and not 1 <= layer <= len(sizes):
        raise GeometryError(f"layer: expected 1 to {len(sizes)}, got {layer}")
    maps = [number for number, size in enumerate(sizes, 1) if size.height * size.width > 1]
    number = layer or (maps or [len(sizes)])[-1]
    volume = sizes[number - 1]
    return Unit(number, None, (volume.width - 1) // 2, (volume.height - 1) // 2)

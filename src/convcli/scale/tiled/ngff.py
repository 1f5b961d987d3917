"""What OME-Zarr (NGFF 0.4 and 0.5) says of an image, and of the result of one.

An image is a group of arrays, its levels, each smaller than the one before. The group names the
axes, and for each level a scale and a translation that take its indices to physical units.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from convcli.errors import ImageError, fail
from convcli.values import Record, replace

_KINDS = ("scale", "translation")
_VERSIONS = ("0.4", "0.5")
_COLORS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}


class NgffImage(Record):
    """An image: the group at `place`, its `attributes`, and its levels from `first` on.

    `paths` lead from the group to the levels.
    """

    place: str
    attributes: dict[str, Any]
    paths: tuple[str, ...]
    first: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What the group says as OME-Zarr; from 0.5 on it has a name of its own."""
        return ngff_facts(self.attributes)

    @property
    def multiscale(self) -> dict[str, Any]:
        """What the group says of the levels."""
        found: dict[str, Any] = self.facts["multiscales"][0]
        return found

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes."""
        return tuple(str(axis["name"]) for axis in self.multiscale["axes"])

    def scaling(self, level: int) -> tuple[list[float], list[float]]:
        """Return the scale and the translation of a level: 1 and 0 where it has none."""
        found = {"scale": [1.0] * len(self.axes), "translation": [0.0] * len(self.axes)}
        told = self.multiscale["datasets"][self.first + level]
        for each in told.get("coordinateTransformations") or []:
            try:
                kind = each["type"]
                found[kind] = [float(value) for value in each[kind]]
                fits = kind in _KINDS and len(found[kind]) == len(self.axes)
            except (KeyError, TypeError, ValueError):
                fits = False
            if not fits or min(found["scale"]) <= 0:
                form = f"a scale and a translation of {len(self.axes)} numbers"
                fault = f"expected {form} for the level {self.paths[level]}, got {each}"
                fail(self.place, fault, "correct it", ImageError)
        return found["scale"], found["translation"]

    def factors(self, shapes: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
        """Return how many pixels of the level before become one on each axis of each level."""
        scales = [self.scaling(level)[0] for level in range(len(shapes))]
        found = [(1,) * len(self.axes)]
        for level in range(1, len(shapes)):
            ratios = zip(scales[level - 1], scales[level], strict=True)
            found.append(tuple(max(1, round(after / before)) for before, after in ratios))
            sizes = zip(shapes[level - 1], shapes[level], found[-1], strict=True)
            if any(new not in {max(1, old // by), -(-old // by)} for old, new, by in sizes):
                raise ImageError(
                    f"{self.place}: the level {self.paths[level]} of {tuple(shapes[level])} is "
                    f"no whole part of {tuple(shapes[level - 1])} before: use --pyramid none"
                )
        return found

    def attributes_after(
        self, levels: int, moves: Sequence[tuple[float, float, bool]], **shown: Any
    ) -> dict[str, Any]:
        """Return what the group of a result says, of which so many levels are written.

        `moves` has for each axis the step between two pixels, in pixels of the first level, the
        place of the first, and whether there are no more. How it is `shown`: see `_omero`.
        """
        multiscale = {
            **self.multiscale,
            "datasets": [self._moved(level, moves) for level in range(levels)],
        }
        if levels > 1:
            multiscale |= {"type": "mean", "metadata": {"method": "convcli apply"}}
        facts = {**self.facts, "multiscales": [multiscale]}
        omero = facts.get("omero")
        if isinstance(omero, dict) or shown["maps"]:
            firsts = dict(zip(self.axes, (int(first) for _, first, _ in moves), strict=True))
            facts["omero"] = _omero(omero or {}, firsts, **shown)
        return with_facts(self.attributes, facts)

    def with_channels(self, place: int) -> "NgffImage":
        """Return the image with one more axis, that of channels, at a place among the axes."""
        facts = json.loads(json.dumps(self.facts))
        multiscale = facts["multiscales"][0]
        multiscale["axes"].insert(place, {"name": "c", "type": "channel"})
        for each in (multiscale, *multiscale["datasets"]):
            for move in each.get("coordinateTransformations") or []:
                for kind, neutral in zip(_KINDS, (1.0, 0.0), strict=True):
                    if kind in move:
                        move[kind].insert(place, neutral)
        return replace(self, attributes=with_facts(self.attributes, facts))

    def _moved(self, level: int, moves: Sequence[tuple[float, float, bool]]) -> dict[str, Any]:
        """Return the entry of a level with the scale and the translation of the result."""
        unit, origin = map(np.array, self.scaling(0))
        steps, firsts, alone = map(np.array, zip(*moves, strict=True))
        # What is one pixel in the first level is not made smaller.
        scale, start = (
            np.where(alone, first, value)
            for first, value in zip((unit, origin), self.scaling(level), strict=True)
        )
        places = start + unit * firsts + (steps - 1) * (start - origin)
        made = [{"type": "scale", "scale": (scale * steps).tolist()}]
        told = self.multiscale["datasets"][self.first + level]
        if places.any() or len(told.get("coordinateTransformations", [])) > 1:
            made.append({"type": "translation", "translation": places.tolist()})
        return {**told, "coordinateTransformations": made}


def _omero(
    omero: dict[str, Any],
    firsts: dict[str, int],
    *,
    channels: slice,
    brighter: float,
    white: float,
    maps: Sequence[str],
) -> dict[str, Any]:
    """Return how viewers show `channels` that begin at `firsts`, each for each of `maps`."""
    made = [dict(each) for each in omero.get("channels", [])[channels]]
    for channel in made if brighter != 1 else ():
        window = channel.get("window", {})
        channel["window"] = {key: value * brighter for key, value in window.items()}
    if maps:
        window = {"min": 0, "start": 0, "end": white, "max": white}
        plain = {"active": True, "color": "FFFFFF", "window": window}
        made = [
            {**channel, "label": f"{channel.get('label', '')} {name}".strip()}
            | ({"color": _COLORS[name], "window": window} if name in _COLORS else {})
            for channel in made or [plain]
            for name in maps
        ]
    begun = {**(omero.get("rdefs") or {})}
    for key, value in begun.items():
        if key.startswith("default"):
            begun[key] = max(0, value - firsts.get(key[-1].lower(), 0))
    return {**omero, "channels": made, **({"rdefs": begun} if begun else {})}


def ngff_facts(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the attributes of a group that OME-Zarr defines."""
    facts = attributes.get("ome", attributes)
    return facts if isinstance(facts, dict) else {}


def with_facts(attributes: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a group with another part of OME-Zarr."""
    return {**attributes, "ome": facts} if "ome" in attributes else facts


def image_in(place: str, attributes: dict[str, Any]) -> NgffImage | None:
    """Return the image of a group; None if its attributes are not those of OME-Zarr."""
    facts = ngff_facts(attributes)
    if instead := _instead(place, facts):
        raise ImageError(f"{place}: expected an image, got {instead}")
    if not facts.get("multiscales"):
        return None
    try:
        first = facts["multiscales"][0]
        version = facts.get("version") or first.get("version") or "0.4"
        axes = [axis["name"] for axis in first["axes"] if version in _VERSIONS]
        paths = tuple(str(each["path"]) for each in first["datasets"])
    except (KeyError, TypeError, AttributeError):
        fault = "expected axes and datasets in its multiscales, found none"
        fail(place, fault, "write it anew as OME-Zarr", ImageError)
    if not axes or not paths:
        fault = f"expected OME-Zarr {' or '.join(_VERSIONS)}, got {version}"
        fail(place, fault, "write it anew as that", ImageError)
    return NgffImage(place, attributes, paths)


def _instead(place: str, facts: dict[str, Any]) -> str:
    """Return an error for a group without an image: what it is, and what to open."""
    wells = (facts.get("plate") or {}).get("wells")
    fields = (facts.get("well") or {}).get("images")
    if wells:
        return (
            f"a plate of {len(wells)} wells: open one field of one, as "
            f"{place}/{wells[0].get('path')}/0"
        )
    if fields:
        return f"a well of {len(fields)} fields: open one, as {place}/{fields[0].get('path')}"
    if "labels" in facts or "image-label" in facts:
        image = place.rpartition("/labels")[0] or "it"
        return f"labels, which number objects: open {image}, or name one level of them"
    if "bioformats2raw.layout" in facts:
        return f"a collection of images: open one, as {place}/0"
    return ""

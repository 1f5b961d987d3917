"""What Zarr and OME-Zarr (NGFF 0.4 and 0.5) say of arrays and images: JSON, no pixels.

An image is a group of arrays, its levels, each smaller than the one before. The group names the
axes, and for each level a scale and a translation that take its indices to physical units.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from convcli.errors import ImageError
from convcli.storage.urls import is_url, is_zarr, read_if_exists
from convcli.values import Record

HEAD, OLDER_HEAD, OLDER_GROUP, OLDER_ATTRIBUTES = "zarr.json", ".zarray", ".zgroup", ".zattrs"
"""The objects that describe arrays and groups, in two versions of the format."""

GROUP_OBJECTS = frozenset({HEAD, OLDER_GROUP, OLDER_ATTRIBUTES, ".zmetadata"})
CHANNEL_NAMES = ("c", "channel", "channels", "band", "bands")
_ROW_NAMES = ("y", "row", "rows", "lat", "latitude")
_COLUMN_NAMES = ("x", "col", "cols", "column", "columns", "lon", "longitude")
_VERSIONS = ("0.4", "0.5")


class Node(Record):
    """What stands at a path or a URL: `head` describes the array or group.

    `attributes` are what programs say of it.
    """

    place: str
    head: dict[str, Any]
    attributes: dict[str, Any]

    @property
    def is_array(self) -> bool:
        """Whether it is an array, not a group."""
        return "shape" in self.head

    @property
    def is_older(self) -> bool:
        """Whether it is of version 2 of Zarr."""
        return self.head.get("zarr_format") == 2  # noqa: PLR2004 - the number of the version

    @property
    def facts(self) -> dict[str, Any]:
        """What OME-Zarr says of a group."""
        facts = self.attributes.get("ome", self.attributes)
        return facts if isinstance(facts, dict) else {}

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the axes that an array has, in small letters."""
        names = self.head.get("dimension_names") or self.attributes.get("_ARRAY_DIMENSIONS")
        known = isinstance(names, list) and all(isinstance(name, str) for name in names)
        return tuple(name.lower() for name in names) if known else None


def node_at(place: str) -> Node | None:
    """Return what stands at a path or a URL; None where no array or group does."""
    head = _document(f"{place}/{HEAD}")
    if head is not None:
        return Node(place, head, head.get("attributes") or {})
    for name in (OLDER_HEAD, OLDER_GROUP):
        head = _document(f"{place}/{name}")
        if head is not None:
            return Node(place, head, _document(f"{place}/{OLDER_ATTRIBUTES}") or {})
    return None


def _document(name: str) -> dict[str, Any] | None:
    data = read_any(name)
    if data is None:
        return None
    with contextlib.suppress(ValueError):
        found = json.loads(data)
        if isinstance(found, dict):
            return found
    raise ImageError(f"{name}: expected an object of JSON, got something else: get a whole copy")


def read_any(name: str) -> bytes | None:
    """Return the content of a file or an object; None where there is none.

    Folders are not listed: that is not allowed in all of them.
    """
    if is_url(name):
        return read_if_exists(name)
    with contextlib.suppress(OSError):
        return Path(name).read_bytes()
    return None


def folders_above(path: str) -> Iterator[str]:
    """Yield the folders that may be arrays, the nearest first: of a store by their names."""
    if not is_url(path):
        yield from map(str, Path(path).resolve().parents)
        return
    folder = path.rstrip("/")
    while is_zarr(folder := folder.rpartition("/")[0]):
        yield folder


def parts_of_names(names: Sequence[str]) -> tuple[int, int] | None:
    """Return which axes are rows and columns, by their names; None where they do not tell."""
    found = [
        [place for place, name in enumerate(names) if name.lower() in known]
        for known in (_ROW_NAMES, _COLUMN_NAMES)
    ]
    return (found[0][-1], found[1][-1]) if all(found) else None


# ------------------------------------------------------------------ an image


class NgffImage(Record):
    """An image: its group, and its levels from one on. `paths` lead from the group to them."""

    group: Node
    version: str
    axes: tuple[str, ...]
    paths: tuple[str, ...]
    start: int

    @property
    def multiscale(self) -> dict[str, Any]:
        """What the group says of the levels."""
        found: dict[str, Any] = self.group.facts["multiscales"][0]
        return found

    def levels(self) -> list[Node]:
        """Return the arrays of all levels."""
        nodes = [(path, node_at(f"{self.group.place}/{path}")) for path in self.paths]
        for path, node in nodes:
            if node is None or not node.is_array:
                raise ImageError(
                    f"{self.group.place}: expected an array at {path}, which its multiscales "
                    "name, found none: get a whole copy of it"
                )
        return [node for _, node in nodes if node is not None]

    def factors(self, levels: Sequence[Node]) -> list[tuple[int, ...]]:
        """Return how many pixels of the level before become one, on each axis, level by level.

        They are the ratios of the scales; the shapes must agree with them.
        """
        found = [(1,) * len(self.axes)]
        scales = [scaling(each, self.axes)[0] for each in self.datasets]
        for number in range(1, len(levels)):
            before, shape = (level.head["shape"] for level in levels[number - 1 : number + 1])
            ratios = zip(scales[number - 1], scales[number], strict=True)
            factors = tuple(max(1, round(after / last)) for last, after in ratios)
            sizes = zip(before, shape, factors, strict=True)
            if any(new not in (max(1, old // by), -(-old // by)) for old, new, by in sizes):
                raise ImageError(
                    f"{self.group.place}: level {self.paths[number]} of {shape} is no whole part "
                    f"of {before}: use --pyramid none"
                )
            found.append(factors)
        return found

    @property
    def is_nearest(self) -> bool:
        """Whether the smaller levels were made by leaving pixels out."""
        return self.multiscale.get("type") == "nearest"

    @property
    def is_nested(self) -> bool:
        """Whether the group keeps what OME-Zarr says under a name of its own, as from 0.5 on."""
        return "ome" in self.group.attributes

    @property
    def datasets(self) -> list[dict[str, Any]]:
        """What the group says of each level."""
        found: list[dict[str, Any]] = self.multiscale["datasets"]
        return found[self.start : self.start + len(self.paths)]


def scaling(facts: dict[str, Any], axes: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the scale and the translation of a level: 1 and 0 where it has none."""
    found = {"scale": [1.0] * len(axes), "translation": [0.0] * len(axes)}
    for each in facts.get("coordinateTransformations") or []:
        name = str(each.get("type"))
        try:
            values = [float(value) for value in each[name]]
        except (KeyError, TypeError, ValueError):
            values = []
        if name not in found or len(values) != len(axes) or (name == "scale" and min(values) <= 0):
            raise ImageError(
                f"level {facts.get('path')}: expected a scale and a translation of {len(axes)} "
                f"numbers, got {each}: correct the metadata of the image"
            )
        found[name] = values
    return found["scale"], found["translation"]


def image_in(group: Node, path: str) -> NgffImage:
    """Return the image that a group is; say what it is instead, and what to open."""
    facts = group.facts
    scales = facts.get("multiscales")
    if "image-label" in facts or not scales:
        raise ImageError(f"{path}: {instead_of_image(group, path)}")
    version = str(facts.get("version") or scales[0].get("version") or "0.4")
    axes = scales[0].get("axes") or []
    if version not in _VERSIONS or not all(isinstance(axis, dict) for axis in axes):
        raise ImageError(
            f"{path}: expected OME-Zarr {' or '.join(_VERSIONS)}, got {version}: convert it"
        )
    paths = tuple(str(each["path"]) for each in scales[0]["datasets"])
    return NgffImage(group, version, tuple(str(axis["name"]) for axis in axes), paths, 0)


def image_of_level(path: str) -> NgffImage | None:
    """Return the image that an array is a level of, with this level alone."""
    for folder in folders_above(path):
        if not is_zarr(folder):
            break
        group = node_at(folder)
        if group is None or not group.facts.get("multiscales"):
            continue
        name = (path if is_url(path) else str(Path(path).resolve()))[len(folder) :].strip("/")
        datasets = group.facts["multiscales"][0].get("datasets", [])
        paths = [each.get("path") for each in datasets]
        if name not in paths:
            break
        plain = Node(folder, group.head, _without_labels(group))
        whole = image_in(plain, folder)
        return NgffImage(plain, whole.version, whole.axes, (name,), paths.index(name))
    return None


def _without_labels(group: Node) -> dict[str, Any]:
    """Return the attributes of a group of which a level was named: labels are numbers too."""
    facts = {key: each for key, each in group.facts.items() if key != "image-label"}
    return {**group.attributes, "ome": facts} if "ome" in group.attributes else facts


def instead_of_image(group: Node, path: str) -> str:
    """Say what a group is that is no image, and what to open; nothing of any other group."""
    facts = group.facts
    wells, fields = (facts.get("plate") or {}).get("wells"), (facts.get("well") or {}).get("images")
    if wells:
        name = f"{path}/{wells[0].get('path')}/0"
        return f"it is a plate of {len(wells)} wells: open one field of a well, as {name}"
    if fields:
        return f"it is a well of {len(fields)} fields: open one, as {path}/{fields[0].get('path')}"
    if "image-label" in facts or "labels" in facts:
        above = path.rstrip("/").rpartition("/labels")[0]
        return (
            f"it holds labels, which number objects and are no picture: open the image, {above}"
        )
    if "bioformats2raw.layout" in facts or "series" in facts:
        return f"it is a collection of images: open one, as {path}/0"
    return ""


# ------------------------------------------------------------------ the image of a result


class Change(Record, kw_only=True):
    """How a result differs from its image.

    `moves` has for each axis the step between two pixels, in pixels of the image, and the place
    of the first; `added` is the place of a new axis for channels. `channels` says which of the
    channels are there, if all are channels still; `window` takes values of theirs to the
    result.
    """

    moves: tuple[tuple[float, float], ...]
    added: int | None
    channels: slice | None
    firsts: dict[str, int]
    brighter: float


def attributes_after(image: NgffImage, count: int, change: Change) -> dict[str, Any]:
    """Return what the group of a result says, of which `count` levels are written."""
    facts = image.group.facts
    axes, datasets = list(image.multiscale["axes"]), image.datasets[:count]
    first = scaling(datasets[0], image.axes)
    multiscale = {**image.multiscale, "axes": axes}
    multiscale["datasets"] = [_moved(each, first, image.axes, change) for each in datasets]
    if change.added is not None:
        axes.insert(change.added, {"name": "c", "type": "channel"})
        common = multiscale.get("coordinateTransformations") or []
        multiscale |= {"coordinateTransformations": [_with_axis(each, change.added) for each in common]}
    if count > 1:
        multiscale["type"] = "nearest" if image.is_nearest else "mean"
        multiscale["metadata"] = {"method": "convcli", "description": "of the level before"}
    facts = {**facts, "multiscales": [multiscale]}
    omero = facts.pop("omero", None)
    if omero is not None and change.channels is not None:
        facts["omero"] = _omero(omero, change)
    return {**image.group.attributes, "ome": facts} if image.is_nested else facts


def _moved(
    facts: dict[str, Any],
    first: tuple[list[float], list[float]],
    axes: Sequence[str],
    change: Change,
) -> dict[str, Any]:
    """Return a level with the scale and the translation of the result."""
    scale, start = scaling(facts, axes)
    made = [{"type": "scale", "scale": [a * step for a, (step, _) in zip(scale, change.moves, strict=True)]}]
    places = [
        at + unit * offset + (step - 1) * (at - origin)
        for at, unit, origin, (step, offset) in zip(start, *first, change.moves, strict=True)
    ]
    had = any(each["type"] == "translation" for each in facts["coordinateTransformations"])
    if had or any(places):
        made.append({"type": "translation", "translation": places})
    if change.added is not None:
        made = [_with_axis(each, change.added) for each in made]
    return {**facts, "coordinateTransformations": made}


def _with_axis(transformation: dict[str, Any], place: int) -> dict[str, Any]:
    """Return a transformation that leaves a new axis as it is."""
    made = dict(transformation)
    for name, value in (("scale", 1.0), ("translation", 0.0)):
        if name in made:
            made[name] = [*made[name][:place], value, *made[name][place:]]
    return made


def _omero(omero: dict[str, Any], change: Change) -> dict[str, Any]:
    """Return how viewers show the channels of a result."""
    channels = [dict(each) for each in omero.get("channels", [])[change.channels]]
    for channel in channels:
        if isinstance(window := channel.get("window"), dict):
            channel["window"] = {key: value * change.brighter for key, value in window.items()}
    made = {**omero, "channels": channels}
    if isinstance(shown := omero.get("rdefs"), dict):
        starts = {f"default{axis.upper()}": first for axis, first in change.firsts.items()}
        moved = {key: max(0, shown[key] - first) for key, first in starts.items() if key in shown}
        made["rdefs"] = {**shown, **moved}
    return made


# ------------------------------------------------------------------ an array like another

_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_ANY_BYTES = ("blosc", "zstd", "gzip", "crc32c", "zlib", "lz4", "bz2", "lzma")
"""Codecs that take the bytes of any numbers, in both versions of the format."""


def head_like(
    head: dict[str, Any],
    shape: Sequence[int],
    origins: Sequence[int | None],
    names: Sequence[str],
    dtype: str,
) -> tuple[dict[str, Any], list[str]]:
    """Return the description of an array that is kept like another one.

    `origins` has for each axis the one that it was, and `dtype` the name of a new type, as
    each version of the format writes it, or nothing. What cannot be kept is the second value.
    """
    same_axes = list(origins) == list(range(len(head["shape"])))
    lost: list[str] = []
    made = {**head, "shape": list(shape)}
    made.pop("attributes", None)

    def along(chunks: Sequence[int]) -> list[int]:
        return [1 if axis is None else chunks[axis] for axis in origins]

    if "chunks" in head:
        made["chunks"] = along(head["chunks"])
        made["filters"] = head.get("filters") or None
        if dtype:
            made |= {"dtype": dtype, "fill_value": _fill(head.get("fill_value"), dtype)}
            lost += [each["id"] for each in made["filters"] or []]
            made["filters"] = None
        return made, lost
    facts = head["chunk_grid"]["configuration"]
    grid = {**facts, "chunk_shape": along(facts["chunk_shape"])}
    made["chunk_grid"] = {**head["chunk_grid"], "configuration": grid}
    made["codecs"] = _codecs(head["codecs"], along, dtype, lost, same_axes=same_axes)
    if dtype:
        made |= {"data_type": dtype, "fill_value": _fill(head.get("fill_value"), dtype)}
    if head.get("dimension_names"):
        made["dimension_names"] = [
            names[place] if axis is None else head["dimension_names"][axis]
            for place, axis in enumerate(origins)
        ]
    elif len(origins) > 2 or not same_axes:
        made["dimension_names"] = list(names)
    return made, lost


def _codecs(
    codecs: Sequence[Any],
    along: Callable[[Sequence[int]], list[int]],
    dtype: str,
    lost: list[str],
    *,
    same_axes: bool,
) -> list[Any]:
    """Return the codecs for other numbers, or other axes: those that are not made for one."""
    made = []
    for codec in codecs:
        name = codec if isinstance(codec, str) else codec["name"]
        facts = {} if isinstance(codec, str) else dict(codec.get("configuration") or {})
        if name == "sharding_indexed":
            facts["chunk_shape"] = along(facts["chunk_shape"])
            facts["codecs"] = _codecs(facts["codecs"], along, dtype, lost, same_axes=same_axes)
        elif name == "bytes" and dtype:
            facts = {"endian": facts.get("endian", "little")}
        elif name == "blosc" and dtype:
            facts.pop("typesize", None)
        elif not (same_axes and (not dtype or name == "transpose")) and (
            name.removeprefix("numcodecs.") not in (*_ANY_BYTES, "bytes")
        ):
            lost.append(name)
            continue
        made.append({"name": name, "configuration": facts} if facts else codec)
    kinds = [codec if isinstance(codec, str) else codec["name"] for codec in made]
    if not {"bytes", "sharding_indexed"}.intersection(kinds) and lost:
        made.insert(kinds.count("transpose"), _BYTES)
    return made


def _fill(value: Any, dtype: str) -> Any:
    """Return a fill value that numbers of a type can be: 0 where it cannot."""
    if "f" in dtype:
        return value if isinstance(value, int | float) or value == "NaN" else 0.0
    most = 2 ** (8 * int(dtype[-1]) if dtype[-1] in "12" else 8) - 1
    is_there = isinstance(value, int | float) and value == int(value) and 0 <= value <= most
    return int(value) if is_there else 0

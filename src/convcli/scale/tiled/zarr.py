"""Zarr arrays, and images of OME-Zarr, that are read in parts."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convcli.choices import PlaneChoice, Pyramid
from convcli.errors import ImageError, OptionError, fail
from convcli.images.codecs.numbers import check_numbers
from convcli.images.picture import Metadata
from convcli.images.policy import check_exact
from convcli.scale.tiled.ngff import NgffImage, image_in, ngff_facts, with_facts
from convcli.scale.tiled.source import Source, Values, check_chunk, cut, faults, needed, within
from convcli.storage.urls import is_url, is_zarr, read_if_exists
from convcli.threads import uninterrupted
from convcli.values import Record, replace

_FLAT = 2  # axes of an array that is one plane
_MOST_PIXELS = 2**40  # a shape is only a line of text, with or without chunks

_CHANNEL_NAMES = ("c", "channel", "channels", "band", "bands")
_ROW_NAMES = ("y", "row", "rows", "lat", "latitude")
_COLUMN_NAMES = ("x", "column", "columns", "col", "lon", "longitude")

Slices = tuple[slice, ...]


class Axes(Record):
    """The axes of an array; in `order`: those of planes, rows, columns, and any samples."""

    names: tuple[str, ...]
    order: tuple[int, ...]
    has_samples: bool = False

    @classmethod
    def of(cls, names: tuple[str, ...], rows: int, columns: int, samples: int | None) -> "Axes":
        """Make it from the places of a picture's own axes; all others number planes."""
        own = (rows, columns) if samples is None else (rows, columns, samples)
        planes = (axis for axis in range(len(names)) if axis not in own)
        return cls(names, (*planes, *own), samples is not None)

    @property
    def planes(self) -> tuple[int, ...]:
        """The axes that number planes."""
        return self.order[: -2 - self.has_samples]

    def picked(self, values: Any) -> list[Any]:
        """Return what there is of each axis, in their order, those of samples left out."""
        return [values[axis] for axis in self.order[: len(self.order) - self.has_samples]]

    def region(self, *parts: slice) -> Slices:
        """Return a part of an array: all samples, and of other axes what is said in order."""
        region = [slice(None)] * len(self.order)
        for axis, part in zip(self.order, parts, strict=False):
            region[axis] = part
        return tuple(region)

    def ordered(self, values: Values) -> Values:
        """Return a part of an array as (planes …, rows, columns, samples)."""
        turned = values.transpose(self.order)
        return turned if self.has_samples else turned[..., np.newaxis]

    def stored(self, values: Values) -> Values:
        """Return (planes …, rows, columns, samples) as the array has them."""
        kept = values if self.has_samples else values[..., 0]
        return kept.transpose(np.argsort(self.order))


class ZarrSource(Source, kw_only=True):
    """An array, of which the `picked` part is filtered: each plane is a picture.

    `read` reads one plane, `index`, of those that are `held` together for a block.
    """

    array: Any
    axes: Axes
    picked: Slices
    image: NgffImage | None
    pyramid: Pyramid
    index: tuple[int, ...]
    held: dict[tuple[int, ...], Values] | None = None

    @property
    def stack(self) -> tuple[int, ...]:
        """How many planes there are: see `Source.stack`."""
        parts = (self.picked[axis] for axis in self.axes.planes)
        return tuple(part.stop - part.start for part in parts)

    @property
    def unit(self) -> tuple[int, ...]:
        """What is written at once, a shard or a chunk: see `Source.unit`."""
        return tuple(self.axes.picked(units_of(self.array)))

    @property
    def kinds(self) -> list[str | None]:
        """What each axis is, in words of NGFF: "time", "channel" or something else."""
        known = {"t": "time", "time": "time", **dict.fromkeys(_CHANNEL_NAMES, "channel")}
        axes = self.image.multiscale["axes"] if self.image else [{}] * len(self.axes.names)
        named = zip(axes, self.axes.names, strict=True)
        return [axis.get("type") or known.get(name.lower()) for axis, name in named]

    def each_plane(self, planes: Sequence[slice]) -> Iterator[tuple[tuple[int, ...], Source]]:
        """Yield each plane of a block, or the only one: see `Source.each_plane`."""
        picked, held = list(self.picked), dict[tuple[int, ...], Values]()
        for axis, part in zip(self.axes.planes, planes, strict=False):
            first = picked[axis].start
            picked[axis] = slice(first + part.start, first + part.stop)
        together = replace(self, picked=tuple(picked), held=held)
        for index in np.ndindex(together.stack):
            yield index, replace(together, index=index)

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        if self.held is None:
            return np.asarray(self._read_stack(rows, columns)[self.index])
        key = (rows.start, rows.stop, columns.start, columns.stop)
        if key not in self.held:
            self.held.clear()
            self.held[key] = self._read_stack(rows, columns)
        return np.asarray(self.held[key][self.index])

    def _read_stack(self, rows: slice, columns: slice) -> Values:
        size = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
        values = np.empty((*self.stack, *size), self.dtype)
        parts = [self.picked[axis] for axis in self.axes.order]
        place = len(self.stack)
        with faults(self.label):
            # Chunk by chunk: of several at once, some would still be read after an error.
            for down, across in cut((rows, columns), self.chunk):
                parts[place : place + 2] = (down, across)
                part = self.axes.ordered(self.array[self.axes.region(*parts)])
                values[..., within(down, rows), within(across, columns), :] = part
        check_exact(values, self.label)
        return values


def units_of(array: Any) -> tuple[int, ...]:
    """Return the shape of what is written at once: a shard, or a chunk."""
    found: tuple[int, ...] = array.shards or array.chunks
    return found


def open_zarr(path: str, choice: PlaneChoice) -> ZarrSource:
    """Open the array, or the image of OME-Zarr, at a path or a URL; no chunk is read."""
    path = path.rstrip("/")
    array, image = _found(path)
    dtype = np.dtype(array.dtype).newbyteorder("=")
    _check(array, dtype, path)
    axes = _axes(array, image, choice.axes, path)
    picked = _picked(array.shape, axes, choice, path)
    rows, columns = axes.picked(array.shape)[-2:]
    if rows * columns > _MOST_PIXELS:
        fault = f"expected at most {_MOST_PIXELS:,} pixels, got the shape {array.shape}"
        fail(path, fault, "save a part of it", ImageError)
    high, wide = axes.picked(array.chunks)[-2:]
    check_chunk((high, wide), math.prod(array.chunks) // (high * wide) * dtype.itemsize, path)
    samples = picked[axes.order[-1]] if axes.has_samples else slice(0, 1)
    return ZarrSource(
        label=path,
        shape=(rows, columns, samples.stop - samples.start),
        dtype=dtype,
        alpha=False,
        chunk=(high, wide),
        metadata=Metadata(),
        mode=dtype.name,
        version=_version(path),
        array=array,
        axes=axes,
        picked=picked,
        image=image,
        pyramid=choice.pyramid,
        index=(0,) * len(axes.planes),
    )


def _version(path: str) -> str:
    """Return sizes and times of what describes an array, or itself in a store."""
    names = [f"{path}/{name}" for name in ("zarr.json", ".zarray", ".zattrs")]
    if is_url(path):
        return repr(list(map(read_if_exists, names)))
    facts = [Path(name).stat() for name in names if Path(name).exists()]
    return repr([(each.st_size, each.st_mtime_ns) for each in facts])


def _found(path: str) -> tuple[Any, NgffImage | None]:
    """Return the array to read, and the image that it is a level of."""
    with faults(path):
        try:
            with uninterrupted():
                node = needed("zarr", path).open(path, mode="r")
        except FileNotFoundError:
            fail(path, "expected a Zarr array, found none", "check the path", ImageError)
        if not hasattr(node, "array_keys"):
            return node, image_of_level(path)
        if (image := image_in(path, node.attrs.asdict())) is not None:
            return levels_of(image, 1)[0], image
        names = sorted(node.keys())
    place = f", as {path}/{names[0]}" if names else ""
    raise ImageError(
        f"{path}: expected an array, or an image of OME-Zarr with multiscales, got a group "
        f"({', '.join(names[:5]) or 'empty'}): name an array in it{place}"
    )


def levels_of(image: NgffImage, most: int | None = None) -> list[Any]:
    """Return the arrays of the levels of an image."""
    found = []
    for path in image.paths[:most]:
        with faults(image.place), contextlib.suppress(FileNotFoundError):
            found.append(needed("zarr", path).open_array(f"{image.place}/{path}", mode="r"))
            continue
        fault = f"expected an array at {path}, which its multiscales name, found none"
        fail(image.place, fault, "get a whole copy of it", ImageError)
    return found


def folders_above(path: str) -> Iterator[str]:
    """Yield the folders above a path, the nearest first; those of a URL that Zarr has made."""
    folder = path.rstrip("/") if is_url(path) else str(Path(path).resolve())
    while (folder := folder.rpartition("/")[0]) and (is_zarr(folder) or not is_url(path)):
        yield folder


def image_of_level(path: str) -> NgffImage | None:
    """Return the image that an array is a level of, with this level alone."""
    name = path.rstrip("/") if is_url(path) else str(Path(path).resolve())
    for folder in filter(is_zarr, folders_above(path)):
        with contextlib.suppress(ImageError, FileNotFoundError), faults(path):
            attributes = needed("zarr", path).open_group(folder, mode="r").attrs.asdict()
            facts = {**ngff_facts(attributes)}
            facts.pop("image-label", None)
            if (image := image_in(folder, with_facts(attributes, facts))) is not None:
                level = name[len(folder) + 1 :]
                known = level in image.paths
                at = image.paths.index(level) if known else 0
                return replace(image, paths=(level,), first=at) if known else None
    return None


def _check(array: Any, dtype: np.dtype[Any], path: str) -> None:
    if len(array.shape) < _FLAT:
        fault = f"expected an array of rows and columns, got the shape {array.shape}"
        fail(path, fault, "save a picture of it", ImageError)
    check_numbers(dtype, path)
    if 0 in array.shape or 0 in array.chunks:
        got = f"got the shape {array.shape} in chunks of {array.chunks}"
        fault = f"expected at least one pixel, {got}"
        fail(path, fault, "save it again", ImageError)


def names_of(array: Any) -> tuple[str, ...]:
    """Return the names of an array's axes; none where it does not name them all."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def _axes(array: Any, image: NgffImage | None, letters: str | None, path: str) -> Axes:
    """Return the axes by what the image says, by the option, or by their names."""
    names = image.axes if image else tuple(letters or names_of(array))
    if image is not None and letters not in (None, "".join(names)):
        fault = f"{path} says that its axes are {', '.join(names)}"
        fail("--axes", fault, "leave it out", OptionError)
    places = [
        [place for place, name in enumerate(names) if name.lower() in known]
        for known in (_ROW_NAMES, _COLUMN_NAMES)
    ]
    count = array.ndim
    if image is not None and not all(places):
        places = [[count - 2], [count - 1]]  # so NGFF orders them, whatever their names
    if len(names) != count or not all(places):
        if count == _FLAT and letters is None:
            return Axes.of(names or ("y", "x"), 0, 1, None)
        example = "yxc (or cyx)" if count == _FLAT + 1 else "uvwtczyx"[-count:]
        fault = f"expected names of the {count} axes of {array.shape}, y and x among them"
        got = f"got {', '.join(names) or 'none'}"
        fail(path, f"{fault}, {got}", f"say them, as --axes {example}", OptionError)
    is_last = names[-1].lower() in _CHANNEL_NAMES
    return Axes.of(names, places[0][-1], places[1][-1], count - 1 if is_last else None)


def _picked(shape: tuple[int, ...], axes: Axes, choice: PlaneChoice, path: str) -> Slices:
    """Return the part of each axis that is filtered."""
    picked = [slice(0, length) for length in shape]
    sides = axes.picked(range(len(shape)))[-2:]
    known = {axes.names[axis]: axis for axis in axes.order if axis not in sides}
    for name, first, end in choice.select:
        length = shape[known[name]] if name in known else 0
        start, stop, _ = slice(first, end).indices(length)
        if start >= stop or (end or 0) > length or (first or 0) < -length:
            have = (f"{each} (0 to {shape[axis] - 1})" for each, axis in known.items())
            raise OptionError(
                f"--select: {path} has {', '.join(have) or 'one plane'}, got {name}="
                f"{'' if first is None else first}:{'' if end is None else end}"
            )
        picked[known[name]] = slice(start, stop)
    return tuple(picked)

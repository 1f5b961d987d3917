"""Zarr arrays, and images of OME-Zarr, that are read and written in parts."""

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from convcli.choices import PlaneChoice, Pyramid
from convcli.errors import ImageError, OptionError
from convcli.images.picture import Metadata
from convcli.scale.tiled.ngff import (
    CHANNEL_NAMES,
    NgffImage,
    Node,
    image_in,
    image_of_level,
    instead_of_image,
    node_at,
    parts_of_names,
)
from convcli.scale.tiled.source import (
    Source,
    Values,
    check_chunk,
    cut,
    faults,
    needed,
    within,
)
from convcli.storage.urls import is_url
from convcli.values import Record, replace

_PICTURE = 2
"""Axes of an array that is one plane."""

_MOST_PIXELS = 2**40
"""The largest array that is read: a shape is only a line of text, with or without chunks."""

Slices = tuple[slice, ...]


class ZarrArray(Record, cached=True):
    """An array at a path or URL, opened by its description alone; can be pickled.

    `head` is the description as JSON. `label` is the name of the picture in messages. `folder`
    is there already, where the array is to be written into it.
    """

    place: str
    head: str
    label: str
    folder: str = ""

    @cached_property
    def opened(self) -> Any:
        """The array, as the package zarr has it."""
        if self.folder and not is_url(self.folder) and not Path(self.folder).is_dir():
            # Zarr would make a folder of the same name on another disk.
            raise ImageError(
                f"{self.label}: the folder is not seen from all machines: share it with all "
                "workers, or use URLs (s3://…)"
            )
        stores = needed("zarr.storage", self.label)
        kind = stores.FsspecStore.from_url if is_url(self.place) else stores.LocalStore
        path = stores.StorePath(kind(self.place))
        return needed("zarr", self.label).Array.from_dict(path, json.loads(self.head))


class Axes(Record):
    """The axes of an array: rows and columns, samples of a pixel; the others number planes."""

    names: tuple[str, ...]
    rows: int
    columns: int
    samples: int | None

    @property
    def planes(self) -> tuple[int, ...]:
        """The axes that number planes."""
        own = (self.rows, self.columns, self.samples)
        return tuple(axis for axis in range(len(self.names)) if axis not in own)

    @property
    def count(self) -> int:
        """How many axes there are, those of samples not counted."""
        return len(self.names) - (self.samples is not None)

    @property
    def order(self) -> tuple[int, ...]:
        """All axes: planes, rows, columns, and samples if there are any."""
        last = () if self.samples is None else (self.samples,)
        return (*self.planes, self.rows, self.columns, *last)

    def region(self, *parts: slice) -> Slices:
        """Return the part of an array, from those of the axes in their `order`."""
        return tuple(part for _, part in sorted(zip(self.order, parts, strict=True)))

    def ordered(self, values: Values) -> Values:
        """Return a part of an array as (planes …, rows, columns, samples)."""
        values = values.transpose(self.order)
        return values if self.samples is not None else values[..., np.newaxis]

    def stored(self, values: Values) -> Values:
        """Return (planes …, rows, columns, samples) as the array has them."""
        flat = values if self.samples is not None else values[..., 0]
        return flat.transpose(np.argsort(self.order))


class Grid(Record):
    """The chunks of an array, and the `units` that are written at once: shards, or chunks."""

    chunks: tuple[int, ...]
    units: tuple[int, ...]

    @classmethod
    def of(cls, head: dict[str, Any]) -> "Grid":
        """Return what a description says."""
        if "chunks" in head:
            return cls(tuple(head["chunks"]), tuple(head["chunks"]))
        units = tuple(head["chunk_grid"]["configuration"]["chunk_shape"])
        inner = [
            each["configuration"]["chunk_shape"]
            for each in head["codecs"]
            if isinstance(each, dict) and each.get("name") == "sharding_indexed"
        ]
        return cls(tuple(inner[0]) if inner else units, units)


class ZarrSource(Source, kw_only=True):
    """An array, of which some planes are filtered: each is a picture.

    `picked` has the part of each axis. `index` is the plane that is read, in what `read` reads
    at once; planes that share chunks are `held` for each other.
    """

    array: ZarrArray
    axes: Axes
    grid: Grid
    picked: Slices
    node: Node
    image: NgffImage | None
    pyramid: Pyramid
    index: tuple[int, ...]
    held: dict[tuple[int, ...], Values] | None = None

    @property
    def stack(self) -> tuple[int, ...]:
        """How many planes there are along each axis of them: see `Source.stack`."""
        parts = (self.picked[axis] for axis in self.axes.planes)
        return tuple(part.stop - part.start for part in parts)

    @property
    def unit(self) -> tuple[int, ...]:
        """The planes, rows and columns of what is written at once: see `Source.unit`."""
        return tuple(self.grid.units[axis] for axis in self.axes.order[: len(self.stack) + 2])

    @property
    def shares_chunks(self) -> bool:
        """Whether a chunk has several planes: they are read together."""
        return any(self.grid.chunks[axis] > 1 for axis in self.axes.planes)

    def stack_bytes(self, read: tuple[int, int], depth: tuple[int, ...]) -> int:
        """Return the bytes of planes that are read together: see `Source.stack_bytes`."""
        chunk = math.prod(self.grid.chunks) * self.shares_chunks
        planes = math.prod(depth) * self.shares_chunks
        return (planes * math.prod(read) * self.shape[2] + 2 * chunk) * self.dtype.itemsize

    def each_plane(self, planes: Slices) -> Iterator[tuple[tuple[int, ...], Source]]:
        """Yield each plane of a block: see `Source.each_plane`."""
        shape = [part.stop - part.start for part in planes]
        held: dict[tuple[int, ...], Values] = {}
        for index in np.ndindex(*shape):
            if self.shares_chunks:
                yield index, self._with(planes, index, held)
            else:
                starts = [p.start + i for p, i in zip(planes, index, strict=True)]
                alone = tuple(slice(start, start + 1) for start in starts)
                yield index, self._with(alone, (0,) * len(index), None)

    def _with(self, planes: Slices, index: tuple[int, ...], held: Any) -> "ZarrSource":
        picked = list(self.picked)
        for axis, part in zip(self.axes.planes, planes, strict=True):
            first = self.picked[axis].start
            picked[axis] = slice(first + part.start, first + part.stop)
        return replace(self, picked=tuple(picked), index=index, held=held)

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        if self.held is None:
            return self._read_stack(rows, columns)[self.index]
        key = (rows.start, rows.stop, columns.start, columns.stop)
        if key not in self.held:
            self.held.clear()
            self.held[key] = self._read_stack(rows, columns)
        return self.held[key][self.index]

    def _read_stack(self, rows: slice, columns: slice) -> Values:
        axes = self.axes
        planes = [self.picked[axis] for axis in axes.planes]
        samples = () if axes.samples is None else (self.picked[axes.samples],)
        size = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
        values = np.empty((*self.stack, *size), self.dtype)
        with faults(self.label):
            array = self.array.opened
            # Chunk by chunk: of several at once, some would still be read after an error.
            for down, across in cut(rows, columns, self.chunk):
                part = axes.ordered(array[axes.region(*planes, down, across, *samples)])
                values[..., within(down, rows), within(across, columns), :] = part
        return values


def open_zarr(path: str, choice: PlaneChoice | None = None) -> ZarrSource:
    """Open the array, or the image of OME-Zarr, at a path or a URL; no chunk is read.

    An `ImageError` is raised if there is no array, or it is no picture; an `OptionError` if
    its axes are not known, or the choice does not fit it.
    """
    choice = choice or PlaneChoice()
    path = path.rstrip("/")
    node, image = _found(path)
    with faults(path):
        array = ZarrArray(node.place, _text(node), path)
        opened = array.opened
        grid = Grid.of(node.head)
        dtype = np.dtype(opened.dtype).newbyteorder("=")
        shape = opened.shape
    _check(shape, dtype, grid, path)
    axes = _axes(node, image, choice.axes, path)
    picked = _picked(shape, axes, choice, path)
    size = (shape[axes.rows], shape[axes.columns])
    if math.prod(size) > _MOST_PIXELS:
        raise ImageError(
            f"{path}: expected at most {_MOST_PIXELS:,} pixels, got the shape {shape}: "
            "save a part of it"
        )
    samples = 1 if axes.samples is None else picked[axes.samples].stop - picked[axes.samples].start
    chunk = (grid.chunks[axes.rows], grid.chunks[axes.columns])
    check_chunk(chunk, math.prod(grid.chunks) // math.prod(chunk) * dtype.itemsize, path)
    return ZarrSource(
        label=path,
        shape=(*size, samples),
        dtype=dtype,
        alpha=False,
        chunk=chunk,
        metadata=Metadata(),
        mode=dtype.name,
        array=array,
        axes=axes,
        grid=grid,
        picked=picked,
        node=node,
        image=image,
        pyramid=choice.pyramid,
        index=(0,) * len(axes.planes),
    )


def _found(path: str) -> tuple[Node, NgffImage | None]:
    """Return the array to read, and the image whose level it is."""
    with faults(path):
        node = node_at(path)
    if node is None:
        raise ImageError(f"{path}: expected a Zarr array, found none: check the path")
    if node.is_array:
        return node, image_of_level(path)
    if not node.facts.get("multiscales") and not instead_of_image(node, path):
        with faults(path):
            names = sorted(needed("zarr", path).open_group(path, mode="r").array_keys())[:5]
        raise ImageError(
            f"{path}: expected an array, got a group of arrays ({', '.join(names) or 'none'}) "
            f"without multiscales: name one, as {path}/{names[0] if names else '0'}"
        )
    image = image_in(node, path)
    return replace(image, paths=image.paths[:1]).levels()[0], image


def _text(node: Node) -> str:
    return json.dumps({**node.head, "attributes": node.attributes})


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], grid: Grid, path: str) -> None:
    if len(shape) < _PICTURE:
        raise ImageError(
            f"{path}: expected an array of rows and columns, got the shape {shape}: save a "
            "picture of it"
        )
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        raise ImageError(
            f"{path}: expected an array of real numbers of at most 64 bits, got {dtype}: "
            "convert it with astype"
        )
    if 0 in shape or 0 in grid.chunks:
        raise ImageError(
            f"{path}: expected at least one pixel, got the shape {shape} in chunks of "
            f"{grid.chunks}: save it again"
        )


def _axes(node: Node, image: NgffImage | None, letters: str | None, path: str) -> Axes:
    """Return the axes by what the image says, by the option, or by their names."""
    count = len(node.head["shape"])
    names = image.axes if image else node.names
    if image is None and letters is not None:
        names = tuple(letters)
    found = None if names is None else parts_of_names(names)
    if letters is not None and names is not None and tuple(letters) != names[:]:
        raise OptionError(
            f"{path}: --axes: the image says that they are {', '.join(names)}: leave it out"
        )
    if names is not None and len(names) != count:
        raise OptionError(
            f"{path}: expected a name for each axis of the shape {tuple(node.head['shape'])}, "
            f"got {', '.join(names)}: name them with --axes"
        )
    if found is None and count == _PICTURE:
        names, found = names or ("y", "x"), (0, 1)
    if names is None or found is None:
        raise OptionError(
            f"{path}: its metadata do not say which axes of the shape "
            f"{tuple(node.head['shape'])} are rows and columns: say it with --axes, a letter "
            f"for each: {'yxc, or cyx' if count == _PICTURE + 1 else 'tczyx'[-count:]}"
        )
    last = count - 1
    is_last = names[last].lower() in CHANNEL_NAMES and last not in found
    return Axes(names, *found, last if is_last else None)


def _picked(
    shape: Sequence[int], axes: Axes, choice: PlaneChoice, path: str
) -> Slices:
    """Return the part of each axis that is filtered."""
    picked = [slice(0, length) for length in shape]
    own = (axes.rows, axes.columns)
    names = {name: axis for axis, name in enumerate(axes.names) if axis not in own}
    for name, first, end in choice.select:
        axis = names.get(name)
        if axis is None:
            raise OptionError(
                f"--select: {path} has no planes along {name!r}, but along "
                f"{', '.join(names) or 'none'}"
            )
        length = shape[axis]
        start, stop, _ = slice(first, end).indices(length)
        if start >= stop or max(first or 0, (end or 0) - 1) >= length or (first or 0) < -length:
            raise OptionError(
                f"--select: {path} has {name} from 0 to {length - 1}, got "
                f"{'' if first is None else first}:{'' if end is None else end}"
            )
        picked[axis] = slice(start, stop)
    return tuple(picked)

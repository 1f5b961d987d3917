"""Where the blocks of a result go: tiles of a TIFF, or chunks of a Zarr array."""

import contextlib
import functools
import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convcli.choices import Depth, Pyramid
from convcli.engine.store import ValueStats
from convcli.errors import ImageError
from convcli.images.codecs.tiff import EncodedTile, TileLayout
from convcli.images.formats import DEFAULT_LEVEL, format_for
from convcli.images.picture import Frame, Picture
from convcli.images.write import Saving, check_format
from convcli.pipeline.files import check_single
from convcli.scale.tiled.blocks import Blocks
from convcli.scale.tiled.ngff import (
    CHANNEL_NAMES,
    GROUP_OBJECTS,
    HEAD,
    OLDER_ATTRIBUTES,
    OLDER_GROUP,
    OLDER_HEAD,
    Change,
    Node,
    attributes_after,
    folders_above,
    head_like,
    image_of_level,
    node_at,
)
from convcli.scale.tiled.source import Values, cut, needed, within
from convcli.scale.tiled.tiff import tiff_target
from convcli.scale.tiled.work import Target, TiledWork, Written
from convcli.scale.tiled.zarr import Axes, Grid, Slices, ZarrArray, ZarrSource
from convcli.storage.atomic import replacing_folder, replacing_prefix
from convcli.storage.urls import (
    NO_BUCKET,
    check_store,
    first_output,
    is_url,
    is_zarr,
    put,
    store_errors,
)
from convcli.threads import uninterrupted
from convcli.values import Record, replace

_LEVEL_COPIES, _SUM_BYTES = 4, 12
"""Copies of a block of a smaller level, and bytes of the sums for each value that is read."""


def check_target(
    work: TiledWork, target: str, saving: Saving, max_pixels: int, file_format: str | None
) -> None:
    """Refuse a target that cannot be written, before anything is computed."""
    if is_url(target):
        check_store(target)
    pipeline = work.pipeline
    pipeline.check_size(max_pixels, pipeline.steps[-1:])
    if pipeline.options.colormap is not None:
        check_single(pipeline, target)
    if first_output(target) != target:
        raise ImageError(
            f"{target}: expected one file for all maps: a .tif gets a page for each"
        )
    if is_zarr(target):
        if file_format is not None:
            raise ImageError(
                f"{target}: expected a .tif for --format, got a .zarr: leave it out"
            )
        if saving.recipe is not None:
            raise ImageError(f"{target}: Zarr has no place for a recipe: leave --record out")
        if saving.quality is not None or saving.compress_level is not None:
            raise ImageError(
                f"{target}: Zarr has no quality and no level to set: leave --quality and "
                "--compress-level out"
            )
        check_place(target)
        output_for(work, target)
        return
    if math.prod(work.source.stack) > 1:
        planes = " × ".join(map(str, work.source.stack))
        raise ImageError(
            f"{target}: expected one plane for a .tif, got {planes}: choose one with --select, "
            "or name a .zarr"
        )
    if (file_format or format_for(target)) != "TIFF":
        raise ImageError(
            f"{target}: expected a .tif or .zarr for a picture that is filtered in tiles: "
            "name it so"
        )
    promised = Frame(np.zeros((1, 1, pipeline.written_channels), pipeline.depth.dtype))
    check_format(Picture((promised,)), target, "TIFF", saving)


def check_place(path: str) -> None:
    """Refuse a place inside another array, or of a level of an image: it would be lost."""
    for folder in folders_above(path):
        node = node_at(folder) if is_zarr(folder) or not is_url(folder) else None
        if node is not None and node.is_array:
            raise ImageError(
                f"{path}: cannot be written: {folder} is one output with all that is in it: "
                "name a folder elsewhere"
            )
    image = image_of_level(path)
    if image is not None:
        raise ImageError(
            f"{path}: cannot be written: it is a level of the image {image.group.place}: name a "
            "folder elsewhere"
        )


def bytes_after(work: TiledWork, target: str) -> int:
    """Estimate the memory that a block of the smaller levels takes, while it is made."""
    if not is_zarr(target):
        return 0
    output, most = output_for(work, target), 0
    for level in output.levels[1:]:
        block = level.blocks(output.axes)
        channels = 1 if output.axes.samples is None else level.head["shape"][output.axes.samples]
        values = math.prod((*block.depth, *block.shape)) * channels
        rows = min(output.step_of(level), block.shape[0])
        read = values // block.shape[0] * rows * math.prod(level.factors)
        itemsize = work.pipeline.dtype.itemsize
        most = max(most, values * itemsize * _LEVEL_COPIES + read * (2 * itemsize + _SUM_BYTES))
    return most


def target_for(
    target: str, work: TiledWork, chunk: tuple[int, int], saving: Saving
) -> contextlib.AbstractContextManager[Target]:
    """Open the output for blocks, with tiles of `chunk` (rows, columns): complete or absent.

    The target has passed `check_target`.
    """
    if is_zarr(target):
        return zarr_target(target, output_for(work, target))
    channels = work.pipeline.written_channels
    layout = TileLayout(
        size=work.shape,
        tile=chunk,
        channels=channels,
        alpha=work.pipeline.info.alpha,
        depth=work.pipeline.depth,
        paged=channels not in (1, 3),
        level=DEFAULT_LEVEL if saving.compress_level is None else saving.compress_level,
    )
    return tiff_target(target, layout, saving.kept(work.source.metadata))


# ------------------------------------------------------------------ what an array is written as


class ZarrLevel(Record, kw_only=True):
    """An array of the output, at a path below it: the output itself where that is empty.

    `head` and `attributes` describe it, `factors` say of how many values of the level before
    each of its own is made, along each axis.
    """

    path: str
    head: dict[str, Any]
    attributes: dict[str, Any]
    factors: tuple[int, ...]

    @property
    def grid(self) -> Grid:
        """Its chunks."""
        return Grid.of(self.head)

    def blocks(self, axes: Axes) -> Blocks:
        """Return its blocks: what is written at once."""
        *stack, rows, columns = [self.head["shape"][axis] for axis in axes.order[: axes.count]]
        *depth, high, wide = [self.grid.units[axis] for axis in axes.order[: axes.count]]
        depth = map(min, stack, depth)
        size, shape = (rows, columns), (high, wide)
        return Blocks(size=size, shape=shape, stack=tuple(stack), depth=tuple(depth))


class ZarrOutput(Record, kw_only=True):
    """What is written: arrays, and for an image of OME-Zarr what its group says.

    `kept` are the axes of the source's planes that are planes still. `notes` say what is lost.
    """

    axes: Axes
    levels: tuple[ZarrLevel, ...]
    kept: tuple[int, ...]
    group: dict[str, Any] | None = None
    is_nearest: bool = False
    notes: tuple[str, ...] = ()

    def step_of(self, level: ZarrLevel) -> int:
        """Return how many rows of a smaller level are made at once: whole chunks are read."""
        place = self.levels.index(level)
        rows = self.levels[place - 1].grid.chunks[self.axes.rows]
        return max(1, rows // level.factors[self.axes.order.index(self.axes.rows)])

    def target(self, arrays: Sequence[ZarrArray]) -> Target:
        """Return what writes into the arrays of the levels."""
        axes, passes = self.axes, []
        units = [
            (level.grid.units[axes.rows], level.grid.units[axes.columns]) for level in self.levels
        ]
        for number, level in enumerate(self.levels[1:], 1):
            task = SmallerLevel(
                arrays[number - 1],
                arrays[number],
                axes,
                level.factors,
                units[number],
                self.step_of(level),
                self.is_nearest,
            )
            passes.append((task, level.blocks(axes)))
        task = ZarrChunks(arrays[0], axes, units[0], self.kept)
        return Target(task, _no_tile, tuple(passes), self.notes, self.smaller)

    @property
    def smaller(self) -> str:
        """What the smaller levels are made of, for a person."""
        factors = dict.fromkeys(level.factors for level in self.levels[1:])
        sides = " and ".join(" × ".join(str(by) for by in each if by > 1) for each in factors)
        how = "the first of" if self.is_nearest else "the mean of"
        return f"{len(self.levels) - 1}: {how} {sides or 1} of the level before" if sides else ""

    @property
    def documents(self) -> list[tuple[str, dict[str, Any]]]:
        """The name and the content of what describes the output, the most telling last."""
        older = "chunks" in self.levels[0].head
        made: dict[str, dict[str, Any]] = {}
        for level in self.levels:
            made |= _documents(level.path, level.head, level.attributes, older=older)
        if self.group is not None:
            kind = {"zarr_format": 2} if older else {"zarr_format": 3, "node_type": "group"}
            paths = (level.path.split("/") for level in self.levels)
            above = {"/".join(parts[:n]) for parts in paths for n in range(1, len(parts))}
            for path in above:
                made |= _documents(path, kind, {}, older=older)
            made |= _documents("", kind, self.group, older=older)
        return list(made.items())


def _documents(
    path: str, head: dict[str, Any], attributes: dict[str, Any], *, older: bool
) -> dict[str, dict[str, Any]]:
    start = f"{path}/" if path else ""
    if not older:
        return {f"{start}{HEAD}": {**head, "attributes": attributes}}
    name = OLDER_HEAD if "shape" in head else OLDER_GROUP
    told = {f"{start}{OLDER_ATTRIBUTES}": attributes} if attributes else {}
    return {**told, f"{start}{name}": head}


def output_for(work: TiledWork, target: str) -> ZarrOutput:
    """Decide what is written to a path or URL: as the input is, if that is an array."""
    if isinstance(work.source, ZarrSource):
        return _output_like(work, work.source)
    samples = work.pipeline.written_channels + work.pipeline.info.alpha
    flat = samples == 1
    held: dict[str, Any] = {}
    with uninterrupted():
        needed("zarr", target).create_array(
            held,
            shape=work.shape if flat else (*work.shape, samples),
            chunks=work.source.unit if flat else (*work.source.unit, samples),
            dtype=work.pipeline.dtype,
            dimension_names=("y", "x") if flat else ("y", "x", "c"),
        )
    head = json.loads(held[HEAD].to_bytes())
    axes = Axes(tuple(head["dimension_names"]), 0, 1, None if flat else 2)
    attributes = head.pop("attributes", {})
    level = ZarrLevel(path="", head=head, attributes=attributes, factors=())
    return ZarrOutput(axes=axes, levels=(level,), kept=())


def _output_like(work: TiledWork, source: ZarrSource) -> ZarrOutput:
    """Keep axes, chunks, shards, codecs, fill value and names; make the levels of an image."""
    axes, origins = _axes_after(work, source)
    sizes = {source.axes.rows: work.shape[0], source.axes.columns: work.shape[1]}
    sizes |= dict(zip(source.axes.planes, source.stack, strict=True))
    channels = work.pipeline.written_channels
    shape = [
        channels if place == axes.samples else sizes[origin]
        for place, origin in enumerate(origins)
    ]
    image, levels, notes = source.image, list[ZarrLevel](), dict[str, None]()
    nodes, factors = [source.node], [(1,) * len(source.axes.names)]
    if image is not None and source.pyramid is Pyramid.KEEP:
        nodes = image.levels()
        factors = image.factors(nodes)
    for number, node in enumerate(nodes):
        if number:
            before = nodes[number - 1].head["shape"]
            facts = (before, node.head["shape"], factors[number])
            shape = [
                size if origin is None else _smaller(size, *(each[origin] for each in facts))
                for size, origin in zip(shape, origins, strict=True)
            ]
        head, lost = head_like(node.head, shape, origins, axes.names, _new_type(work, source))
        notes |= dict.fromkeys(
            f"{source.label}: the codec {name} is made for {source.dtype} and these axes: it is "
            "left out" for name in lost
        )
        attributes = dict(node.attributes)
        if "_ARRAY_DIMENSIONS" in attributes:
            attributes["_ARRAY_DIMENSIONS"] = list(axes.names)
        levels.append(
            ZarrLevel(
                path="" if image is None else image.paths[number],
                head=head,
                attributes=attributes,
                factors=tuple(
                    1 if origins[axis] is None else factors[number][origins[axis]]
                    for axis in axes.order
                ),
            )
        )
    still = {origins[axis] for axis in axes.planes}
    kept = (at for at, axis in enumerate(source.axes.planes) if axis in still)
    if image is None:
        return ZarrOutput(axes=axes, levels=tuple(levels), kept=tuple(kept), notes=tuple(notes))
    if (labels := node_at(f"{image.group.place}/labels")) is not None and not labels.is_array:
        notes[f"{image.group.place}/labels is not copied: copy it yourself"] = None
    return ZarrOutput(
        axes=axes,
        levels=tuple(levels),
        kept=tuple(kept),
        group=attributes_after(image, len(levels), _change(work, source, axes, origins)),
        is_nearest=image.is_nearest,
        notes=tuple(notes),
    )


def _smaller(size: int, before: int, after: int, by: int) -> int:
    """Return the size of a smaller level: rounded up or down as in the input."""
    rounds_up = before % by and after > before // by
    return -(-size // by) if rounds_up else max(1, size // by)


def _axes_after(work: TiledWork, source: ZarrSource) -> tuple[Axes, list[int | None]]:
    """Return the axes of the output, and from which axis of the input each comes."""
    axes, maps = source.axes, work.pipeline.written_channels
    origins: list[int | None] = list(range(len(axes.names)))
    if axes.samples is not None or maps == 1:
        return axes, origins
    for place, length in zip(axes.planes, source.stack, strict=True):
        if axes.names[place].lower() in CHANNEL_NAMES:
            if length > 1:
                raise ImageError(
                    f"{source.label}: {maps} output maps of each of {length} channels have no "
                    f"place in one array: choose one with --select {axes.names[place]}=0"
                )
            return replace(axes, samples=place), origins
    place = len(axes.names)
    if source.image is not None:
        kinds = [axis.get("type") for axis in source.image.multiscale["axes"]]
        place = kinds.index("space") if "space" in kinds else 0
    origins.insert(place, None)
    rows, columns = (at + (at >= place) for at in (axes.rows, axes.columns))
    names = (*axes.names[:place], "c", *axes.names[place:])
    return Axes(names, rows, columns, place), origins


def _change(
    work: TiledWork, source: ZarrSource, axes: Axes, origins: list[int | None]
) -> Change:
    """Say how the result lies on the image."""
    moves = [(1.0, float(part.start)) for part in source.picked]
    for axis, place in ((0, source.axes.rows), (1, source.axes.columns)):
        step, first = 1.0, 0.0
        for each in work.pipeline.steps:
            window = each.window.axes[axis]
            first += step * ((window.extent - 1) / 2 - window.before)
            step *= window.stride
        moves[place] = (step, first)
    named = [place for place, name in enumerate(source.axes.names) if name.lower() in CHANNEL_NAMES]
    channels = source.picked[named[0]] if named else slice(0, 1)
    depths = (Depth.of(source.dtype), work.pipeline.depth)
    starts = {source.axes.names[axis]: source.picked[axis].start for axis in source.axes.planes}
    return Change(
        moves=tuple(moves),
        added=origins.index(None) if None in origins else None,
        channels=None if axes.samples != source.axes.samples else channels,
        firsts=starts,
        brighter=1.0 if Depth.FLOAT in depths else depths[1].white / depths[0].white,
    )


def _new_type(work: TiledWork, source: ZarrSource) -> str:
    """Return the type of the output as the format writes it; nothing where it is the same."""
    dtype = work.pipeline.dtype
    if dtype == source.dtype:
        return ""
    return dtype.newbyteorder("<").str if source.node.is_older else dtype.name


# ------------------------------------------------------------------ chunks of a Zarr array


class ZarrChunks(Record):
    """Computes blocks and stores them in an array; can be pickled.

    The planes of a block are those of the `kept` axes of the source's.
    """

    array: ZarrArray
    axes: Axes
    units: tuple[int, int]
    kept: tuple[int, ...]

    def __call__(
        self, work: TiledWork, rows: slice, columns: slice, planes: Slices = ()
    ) -> Written:
        """Compute a block and store it."""
        values, stats = np.empty(0), ValueStats()
        shape = [part.stop - part.start for part in planes]
        for place, one in work.each_plane(planes):
            block = one.compute(rows, columns)
            samples = block.values
            if block.alpha is not None:
                samples = np.dstack([samples, block.alpha])
            if math.prod(shape) == 1:
                values = samples.reshape(*shape, *samples.shape)
            else:
                if not values.size:
                    values = np.empty((*shape, *samples.shape), samples.dtype)
                values[place] = samples
            stats += block.stats
        shape = [shape[axis] for axis in self.kept]
        _store(
            self.array,
            self.axes,
            values.reshape(*shape, *values.shape[-3:]),
            (*(planes[axis] for axis in self.kept), rows, columns),
            self.units,
        )
        return Written(stats, [])


def _store(
    array: ZarrArray, axes: Axes, values: Values, region: Slices, units: tuple[int, int]
) -> None:
    """Write a block: each shard, or chunk, in one step."""
    *planes, rows, columns = region
    samples = () if axes.samples is None else (slice(0, values.shape[-1]),)
    with _faults(array.label):
        opened = array.opened
        # One by one: of several at once, some would still be written after an error.
        for down, across in cut(rows, columns, units):
            part = values[..., within(down, rows), within(across, columns), :]
            opened[axes.region(*planes, down, across, *samples)] = axes.stored(part)


class SmallerLevel(Record):
    """Makes blocks of a smaller level from the level before; can be pickled.

    `factors` are of all axes, in their order. `step` rows are made at once.
    """

    before: ZarrArray
    array: ZarrArray
    axes: Axes
    factors: tuple[int, ...]
    units: tuple[int, int]
    step: int
    is_nearest: bool

    def __call__(
        self, _: TiledWork, rows: slice, columns: slice, planes: Slices = ()
    ) -> None:
        """Make a block and store it."""
        axes, parts = self.axes, []
        with _faults(self.array.label):
            source = self.before.opened
            lengths = [source.shape[axis] for axis in axes.order]
            for down, _ in cut(rows, columns, (self.step, columns.stop)):
                region = [*planes, down, columns]
                if axes.samples is not None:
                    region.append(slice(0, lengths[-1]))
                read = [
                    slice(part.start * by, min(part.stop * by, most))
                    for part, by, most in zip(region, self.factors, lengths, strict=True)
                ]
                values = axes.ordered(source[axes.region(*read)])
                parts.append(reduced(values, self.factors, is_nearest=self.is_nearest))
        values = np.concatenate(parts, axis=-3)
        _store(self.array, axes, values, (*planes, rows, columns), self.units)


def reduced(values: Values, factors: Sequence[int], *, is_nearest: bool) -> Values:
    """Return an array of which `factors` values along each axis became one.

    That is their mean, rounded where they are whole numbers, or the first of them. At an end
    it is of the values that are there.

    >>> reduced(np.array([[1, 2, 9], [3, 4, 11]], np.uint8), (2, 2), is_nearest=False).tolist()
    [[2, 10]]
    """
    if is_nearest:
        return values[tuple(slice(None, None, by) for by in factors)]
    whole = values.dtype.kind in "biu"
    sums = values.astype(np.int64 if values.dtype.itemsize > 2 else np.uint32) if whole else values.astype(np.float64)
    counts = np.ones((1,) * values.ndim)
    for axis, by in enumerate(factors):
        starts = np.arange(0, values.shape[axis], by)
        sums = np.add.reduceat(sums, starts, axis) if by > 1 else sums
        seen = np.minimum(by, values.shape[axis] - starts)
        counts = counts * np.expand_dims(seen, [each for each in range(values.ndim) if each != axis])
    means = sums / counts
    return (np.rint(means) if whole else means).astype(values.dtype)


# ------------------------------------------------------------------ complete, or absent


@contextlib.contextmanager
def zarr_target(path: str, output: ZarrOutput) -> Iterator[Target]:
    """Write arrays at a path or URL: complete, or not at all; what describes them comes last."""
    documents = [(name, json.dumps(each, indent=2)) for name, each in output.documents]
    with _replacing(path, output) as place:
        arrays = [
            ZarrArray(
                f"{place}/{level.path}".rstrip("/"),
                json.dumps({**level.head, "attributes": {}}),
                path,
                place,
            )
            for level in output.levels
        ]
        yield output.target(arrays)
        if not is_url(place):
            for left in Path(place).rglob("*.partial"):  # of a worker that was killed
                left.unlink(missing_ok=True)
        for name, text in documents:
            if is_url(place):
                put(f"{place}/{name}", text.encode())
            else:
                file = Path(place) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _replacing(path: str, output: ZarrOutput) -> Iterator[str]:
    """Yield the folder or URL that chunks are written below."""
    if is_url(path):
        last = output.documents[-1][0]
        heads = (last, *({HEAD, OLDER_HEAD, OLDER_GROUP} - {last}))
        may_replace = functools.partial(_is_output_or_left, output)
        with replacing_prefix(path, heads, may_replace) as place:
            yield place
    else:
        with replacing_folder(path, _is_output) as folder:
            yield str(folder)


def _faults(path: str) -> contextlib.AbstractContextManager[None]:
    """Turn an error of a store into one line; errors of a folder come when it is renamed."""
    if not is_url(path):
        return contextlib.nullcontext()
    return store_errors(path, "written", NO_BUCKET, NotImplementedError)


def _is_output(names: Collection[str], read: Callable[[str], bytes]) -> bool:
    """Tell whether names are those of one array, or of one image without labels."""
    if OLDER_HEAD in names:
        return True
    head = _json(read, HEAD) if HEAD in names else {}
    if head.get("node_type") == "array":
        return True
    told = _json(read, OLDER_ATTRIBUTES) if OLDER_ATTRIBUTES in names else head
    facts = Node("", head, told.get("attributes") or told).facts.get("multiscales")
    if not isinstance(facts, list) or not facts:
        return False
    own = {str(each.get("path")).split("/")[0] for each in facts[0].get("datasets", [])}
    return set(names) <= own | GROUP_OBJECTS


def _json(read: Callable[[str], bytes], name: str) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(read(name))
        return found if isinstance(found, dict) else {}
    return {}


def _is_output_or_left(
    output: ZarrOutput, names: Collection[str], read: Callable[[str], bytes]
) -> bool:
    """Tell whether names are those of an output, or only of chunks that a killed run left."""
    own = {level.path.split("/")[0] or "c" for level in output.levels}
    left = all(name in own or (own == {"c"} and name.isdecimal()) for name in names)
    heads = (f"{name}/{head}" for name in names for head in (HEAD, OLDER_HEAD, OLDER_GROUP))
    return _is_output(names, read) or (left and not any(_json(read, head) for head in heads))


def _no_tile(tile: EncodedTile) -> None:
    raise ImageError(f"expected a chunk that was stored, got tile {tile.index}")

"""Where the blocks of a result go: tiles of a TIFF, or chunks of Zarr arrays."""

import contextlib
import functools
import itertools
import json
import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convcli.batch.places import make_parent_folder
from convcli.choices import Depth, Pyramid
from convcli.engine.store import ValueStats
from convcli.errors import ImageError, fail
from convcli.geometry.layers import seen_through
from convcli.images.formats import format_for
from convcli.images.picture import Frame, Picture
from convcli.images.write import Saving, check_format
from convcli.pipeline.files import FileFilter, check_single
from convcli.scale.tiled.blocks import Blocks
from convcli.scale.tiled.copies import mean_of
from convcli.scale.tiled.journal import HEADS, Journal
from convcli.scale.tiled.ngff import NgffImage, ngff_facts
from convcli.scale.tiled.source import (
    Output,
    Target,
    TiledWork,
    Values,
    Written,
    cut,
    needed,
    within,
)
from convcli.scale.tiled.tiff import TiffOutput
from convcli.scale.tiled.zarr import (
    Axes,
    ZarrSource,
    folders_above,
    image_of_level,
    levels_of,
    names_of,
    units_of,
)
from convcli.storage import urls
from convcli.storage.atomic import replacing_folder
from convcli.storage.urls import is_url, is_zarr
from convcli.threads import uninterrupted
from convcli.values import Record, replace


def check_target(work: TiledWork, target: str, how: FileFilter) -> None:
    """Refuse a target that cannot be written, before anything is computed."""
    saving, file_format = how.saving, how.file_format
    if is_url(target):
        urls.check_store(target)
    pipeline, stack = work.pipeline, work.source.stack
    pipeline.check_size(how.reading.max_pixels, pipeline.steps[-1:])
    if pipeline.options.colormap is not None:
        check_single(pipeline, target)
    several = "expected one file for all maps: a .tif gets a page for each"
    refusals = {several: urls.first_output(target) != target}
    if is_zarr(target):
        named = "leave --quality and --compress-level out"
        level = f"Zarr has no quality and no level to set: {named}"
        refusals |= {
            "expected a .tif for --format, got a .zarr: leave it out": file_format is not None,
            "Zarr has no place for a recipe: leave --record out": saving.recipe is not None,
            level: saving.quality is not None or saving.compress_level is not None,
        }
    else:
        name = "expected a .tif or .zarr for a picture that is filtered in tiles: name it so"
        planes = f"expected one plane for a .tif, got {' × '.join(map(str, stack))}"
        refusals |= {
            f"{planes}: choose one with --select, or name a .zarr": math.prod(stack) > 1,
            name: (file_format or format_for(target)) != "TIFF",
        }
    for why, is_refused in refusals.items():
        if is_refused:
            raise ImageError(f"{target}: {why}")
    if is_zarr(target):
        check_place(target)
    else:
        promised = Frame(np.zeros((1, 1, pipeline.written_channels), pipeline.depth.dtype))
        check_format(Picture((promised,)), target, "TIFF", saving)


# ------------------------------------------------------------------ what arrays are written


class ZarrOutput(Output, kw_only=True):
    """The arrays that are written: one, or the levels of an image.

    `documents` describe them; the last makes an output of all that is there.
    """

    levels: tuple["Chunks", ...]
    documents: dict[str, bytes]

    @contextlib.contextmanager
    def opened(self, path: str, journal: Journal) -> Iterator[Target]:
        """Write to a path or a URL, the descriptions last: see `Output.opened`."""
        last = next(reversed(self.documents))
        heads = (last, *(name for name in HEADS if name != last))
        own = {each.path.partition("/")[0] for each in self.levels if each.path} or {"c"}
        # On a disk nothing stands at the place before it is complete.
        may_go = functools.partial(_may_go, path.rstrip("/"), own if is_url(path) else set())
        with replacing_folder(path, heads, may_go, journal) as place:
            journal.start()
            yield self._target(place, path)
            if not is_url(place):
                for left in Path(place).rglob("*.partial"):  # of a worker that was killed
                    left.unlink(missing_ok=True)
            for name, data in self.documents.items():
                make_parent_folder(f"{place}/{name}")
                urls.put(f"{place}/{name}", data)
            if is_url(place):
                journal.remove()  # Nothing is to be resumed where parts are moved away.

    def _target(self, folder: str, label: str) -> Target:
        """Return what writes into a folder, or below a URL."""
        zarr, stores = needed("zarr", label), needed("zarr.storage", label)
        store = (stores.FsspecStore.from_url if is_url(folder) else stores.LocalStore)(folder)
        levels = list[Chunks]()
        for each in self.levels:
            at, facts = stores.StorePath(store, each.path), each.array.metadata.to_dict()
            array = zarr.Array.from_dict(at, facts)
            levels.append(replace(each, array=array, folder=folder, label=label))
        after = [
            (functools.partial(_make_smaller, before, level), level.blocks)
            for before, level in itertools.pairwise(levels)
        ]
        return Target(levels[0].compute, after=tuple(after))


def output_for(work: TiledWork, target: str, saving: Saving) -> Output:
    """Decide how a result is written; arrays are like those of the input, if that has any."""
    if not is_zarr(target):
        return TiffOutput.of(work, saving)
    held = dict[str, Any]()  # the descriptions; that of the whole comes last
    describe = _levels_like if isinstance(work.source, ZarrSource) else _new_levels
    levels = describe(work, held, target)
    names = sorted(held, key=lambda name: (-name.count("/"), name.endswith(HEADS), name))
    sides = (" × ".join(str(by) for by in each.factors if by > 1) for each in levels[1:])
    means = " and ".join(dict.fromkeys(side or "1" for side in sides))
    return ZarrOutput(
        chunk=work.source.unit,
        levels=tuple(levels),
        documents={name: held[name].to_bytes() for name in names},
        smaller=f"{len(levels) - 1} more, of means of {means} pixels" if means else "",
        smaller_bytes=max((level.bytes_to_make for level in levels[1:]), default=0),
    )


def _new_levels(work: TiledWork, held: dict[str, Any], target: str) -> list["Chunks"]:
    """Describe an array for a picture of a TIFF."""
    samples = work.pipeline.written_channels + work.pipeline.info.alpha
    names = ("y", "x") if samples == 1 else ("y", "x", "c")
    with uninterrupted():
        array = needed("zarr", target).create_array(
            held,
            shape=(*work.shape, samples)[: len(names)],
            chunks=(*work.source.unit, samples)[: len(names)],
            dtype=work.pipeline.dtype,
            dimension_names=names,
        )
    return [Chunks(array, Axes.of(names, 0, 1, None if samples == 1 else _SAMPLES))]


def _levels_like(work: TiledWork, held: dict[str, Any], target: str) -> list["Chunks"]:
    """Keep axes, chunks, shards, codecs, fill value and names; make the levels of an image."""
    source: Any = work.source
    image, likes = source.image, [source.array]
    factors = [(1,) * len(source.picked)]
    if image is not None and source.pyramid is Pyramid.KEEP:
        likes = levels_of(image)
        factors = image.factors([array.shape for array in likes])
    paths = ("",) if image is None else image.paths[: len(likes)]
    maps = _Maps.of(work, source)
    axes, shape, dtype = maps.axes, maps.shape, work.pipeline.dtype
    levels = list[Chunks]()
    if image is not None:
        version = source.array.metadata.zarr_format
        attributes = _attributes(work, source, image, maps, len(likes))
        needed("zarr", target).create_group(held, zarr_format=version, attributes=attributes)
    levels_before = (likes[0], *likes)
    for before, like, path, each in zip(levels_before, likes, paths, factors, strict=False):
        by = maps.widened(each)
        shapes = (shape, maps.widened(before.shape), maps.widened(like.shape), by)
        shape = tuple(  # rounded up or down as in the input
            -(-size // step) if after > whole // step else max(1, size // step)
            for size, whole, after, step in zip(*shapes, strict=True)
        )
        array = _array_like(like, held, path, shape, maps=maps, dtype=dtype)
        along = tuple(by[axis] for axis in axes.order)
        levels.append(Chunks(array, axes, path, along, maps.channel))
    return levels


class _Maps(Record):
    """The axes of an output, its shape, and where the maps of a plane are along them.

    `added` is the place of an axis that the input has not, whose chunks have so many `maps`;
    `channel` that of one which has planes of the input too, counted among those.
    """

    axes: Axes
    shape: tuple[int, ...]
    added: int | None = None
    maps: int = 1
    channel: int | None = None

    @classmethod
    def of(cls, work: TiledWork, source: ZarrSource) -> "_Maps":
        """Find a place: among the samples, along the channels, or on an axis that is added."""
        axes, maps = source.axes, work.pipeline.written_channels
        shape = [part.stop - part.start for part in source.picked]
        for axis, side in zip(axes.picked(range(len(shape)))[-2:], work.shape, strict=True):
            shape[axis] = side
        if axes.has_samples:
            shape[axes.order[-1]] = maps
        if axes.has_samples or maps == 1:
            return cls(axes, tuple(shape))
        kinds = source.kinds
        if "channel" in kinds:
            shape[kinds.index("channel")] *= maps
            return cls(axes, tuple(shape), channel=axes.planes.index(kinds.index("channel")))
        # NGFF wants the time first, then channels, then places.
        added = kinds.count("time") if axes.planes or source.image else len(shape)
        order = [axis + (axis >= added) for axis in axes.order]
        names = (*axes.names[:added], "c", *axes.names[added:])
        shape.insert(added, maps)
        chunk = maps if added == len(order) else 1
        return cls(Axes(names, (*order, added), has_samples=True), tuple(shape), added, chunk)

    def widened(self, values: Sequence[int], maps: int = 1) -> tuple[int, ...]:
        """Return what there is of each axis of the input, and `maps` of one that is added."""
        if self.added is None:
            return tuple(values)
        return (*values[: self.added], maps, *values[self.added :])


def _array_like(
    like: Any,
    held: dict[str, Any],
    path: str,
    shape: tuple[int, ...],
    *,
    maps: _Maps,
    dtype: np.dtype[Any],
) -> Any:
    """Describe an array that is kept like another; filters and fill value are of its dtype."""
    facts, is_same = like.metadata, dtype == np.dtype(like.dtype).newbyteorder("=")
    attributes, settings = like.attrs.asdict(), dict[str, Any]()
    is_wider = maps.added is not None
    names = names_of(like)
    if is_wider or (like.ndim > _SAMPLES and not names):
        names = maps.axes.names
    if "_ARRAY_DIMENSIONS" in attributes:
        attributes["_ARRAY_DIMENSIONS"] = list(names)
    if facts.zarr_format == _NEWER:
        settings["chunk_key_encoding"] = facts.chunk_key_encoding
        settings["serializer"] = like.serializer if is_same and not is_wider else "auto"
        settings["dimension_names"] = names or None
    else:
        settings["chunk_key_encoding"] = {"name": "v2", "separator": facts.dimension_separator}
        settings["order"] = like.order
    if like.shards:
        location = facts.codecs[0].index_location.value
        shards = maps.widened(like.shards, maps.maps)
        settings["shards"] = {"shape": shards, "index_location": location}
    return needed("zarr", path).create_array(
        held,
        name=path or None,
        shape=shape,
        chunks=maps.widened(like.chunks, maps.maps),
        dtype=like.dtype if is_same else dtype,
        zarr_format=facts.zarr_format,
        compressors=like.compressors or None,
        filters=(like.filters or None) if is_same and not is_wider else None,
        fill_value=like.fill_value if is_same or np.can_cast(like.dtype, dtype) else 0,
        attributes=attributes,
        **settings,
    )


def _attributes(
    work: TiledWork, source: ZarrSource, image: NgffImage, maps: _Maps, levels: int
) -> dict[str, Any]:
    """Return the attributes of the group of the result."""
    moves = [(1.0, float(part.start), part.stop - part.start == 1) for part in source.picked]
    windows = [step.window for step in work.pipeline.steps]
    for axis, place in enumerate(source.axes.picked(range(len(moves)))[-2:]):
        field = seen_through(window.axes[axis] for window in windows)
        moves[place] = (field.jump, float(field.start), work.shape[axis] == 1)
    kinds = source.kinds
    channels = source.picked[kinds.index("channel")] if "channel" in kinds else slice(None)
    if maps.added is not None:
        image = image.with_channels(maps.added)
        moves.insert(maps.added, (1.0, 0.0, False))
    depths = [Depth.of(source.dtype), work.pipeline.depth]
    brighter = 1.0 if Depth.FLOAT in depths else depths[1].white / depths[0].white
    labels = [f"map {number}" for number in range(work.pipeline.written_channels)]
    if work.pipeline.options.colormap is not None or work.pipeline.options.direction:
        labels = ["red", "green", "blue"]
    return image.attributes_after(
        levels,
        moves,
        channels=channels,
        brighter=brighter,
        white=work.pipeline.depth.white,
        maps=labels if maps.added is not None or maps.channel is not None else (),
    )


# ------------------------------------------------------------------ what workers do


class Chunks(Record):
    """An array that is written; can be pickled. It lies in `folder`, and is called `label`.

    Its `path` is that below the output. Each value is made of `factors` of the level before,
    along the axes in their order. Maps stand side by side along an axis `channel` of planes.
    """

    array: Any
    axes: Axes
    path: str = ""
    factors: tuple[int, ...] = ()
    channel: int | None = None
    folder: str = ""
    label: str = ""

    @property
    def blocks(self) -> Blocks:
        """What is written at once."""
        size, unit = self.axes.picked(self.array.shape), self.axes.picked(units_of(self.array))
        depth = map(min, size[:-2], unit)
        return Blocks(size=tuple(size), shape=(*depth, *unit[-2:]))

    @property
    def bytes_to_make(self) -> int:
        """Estimate of the memory to make a block of the level before, chunk by chunk."""
        unit, chunks, item = units_of(self.array), self.array.chunks, self.array.dtype.itemsize
        at_once = math.prod(unit) * math.prod(self.axes.picked(chunks)[-2:])
        at_once //= math.prod(self.axes.picked(unit)[-2:])
        read = at_once * math.prod(self.factors) * (_COPIES * item + _SUMS)
        return int(math.prod(unit) * _COPIES * item + read)

    def store(self, values: Values, *region: slice) -> None:
        """Write (planes …, rows, columns, samples): each shard, or chunk, in one step."""
        if not is_url(self.folder) and not Path(self.folder).is_dir():
            remedy = "share it with all workers, or use URLs (s3://…)"
            fail(self.label, "the folder is not seen from all machines", remedy, ImageError)
        whole, units = (*region, slice(0, values.shape[-1])), units_of(self.array)
        steps = (*(units[axis] for axis in self.axes.order), 1)[: len(whole)]
        with _faults(self.label):
            # One by one: of several at once, some would still be written after an error.
            for part in cut(whole, steps):
                there = values[tuple(map(within, part, whole))]
                self.array[self.axes.region(*part)] = self.axes.stored(there)

    def compute(self, work: TiledWork, *region: slice) -> Written:
        """Compute a block and store it."""
        *planes, rows, columns = region
        samples = work.pipeline.written_channels + work.pipeline.info.alpha
        lengths = [part.stop - part.start for part in region]
        values, stats = np.empty((*lengths, samples), work.pipeline.dtype), ValueStats()
        for place, one in work.each_plane(planes):
            block = one.compute(rows, columns)
            pixels, alpha = block.values, block.alpha
            values[place] = pixels if alpha is None else np.dstack([pixels, alpha])
            stats += block.stats
        if self.channel is not None:
            part = planes[self.channel]
            planes[self.channel] = slice(part.start * samples, part.stop * samples)
            lengths[self.channel] *= samples
            values = np.moveaxis(values, -1, self.channel + 1).reshape(*lengths, 1)
        self.store(values, *planes, rows, columns)
        return stats, ()


def _make_smaller(before: Chunks, level: Chunks, _: TiledWork, *region: slice) -> None:
    """Make a block of a smaller level of the level before, chunk by chunk, and store it."""
    axes, array, whole = level.axes, before.array, region[-2:]
    lengths, values = axes.picked(array.shape), np.empty(0, array.dtype)
    for part in cut(whole, axes.picked(level.array.chunks)[-2:]):
        places = zip((*region[:-2], *part), level.factors, lengths, strict=False)
        read = [slice(side.start * by, min(side.stop * by, most)) for side, by, most in places]
        with _faults(level.label):
            means = mean_of(axes.ordered(array[axes.region(*read)]), level.factors)
        if not values.size:
            sizes = (side.stop - side.start for side in whole)
            values = np.empty((*means.shape[:-3], *sizes, means.shape[-1]), means.dtype)
        down, across = map(within, part, whole)
        values[..., down, across, :] = means
    level.store(values, *region)


# ------------------------------------------------------------------ complete, or absent

_HEAD, _OLDER_HEAD, _ = HEADS
_OLDER_ATTRIBUTES = ".zattrs"
_COPIES, _SUMS = 4, 12
"""Copies of a block of a smaller level, and bytes of sums for a value that is read."""

_SAMPLES, _NEWER = 2, 3


def check_place(path: str) -> None:
    """Refuse a place inside another array: that array would be replaced with all its files."""
    for folder in folders_above(path):
        if _is_array(folder):
            fault = f"cannot be written: {folder} is one output with all that is in it"
            fail(path, fault, "name a folder elsewhere", ImageError)
    if (image := image_of_level(path)) is not None:
        fault = f"cannot be written: it is a level of the image {image.place}"
        fail(path, fault, "name a folder elsewhere", ImageError)


def _faults(path: str) -> contextlib.AbstractContextManager[None]:
    """Turn an error of a store into one line; errors of a folder come when it is renamed."""
    if not is_url(path):
        return contextlib.nullcontext()
    return urls.store_errors(path, "written", urls.NO_BUCKET, NotImplementedError)


def _is_array(place: str) -> bool:
    is_new = _json(place, _HEAD).get("node_type") == "array"
    return is_new or bool(_json(place, _OLDER_HEAD))


def _may_go(place: str, own: set[str], names: Collection[str]) -> bool:
    """Tell whether names are those of an array or an image, or of chunks that were left."""
    if own.issuperset(names):
        return not any(_json(f"{place}/{name}", head) for name in names for head in HEADS)
    levels = list[str]()
    with contextlib.suppress(AttributeError, LookupError, TypeError):  # It may be anybody's.
        head = _json(place, _HEAD) or _json(place, _OLDER_ATTRIBUTES)
        image = ngff_facts(head.get("attributes", head))["multiscales"][0]
        levels = [each["path"].partition("/")[0] for each in image["datasets"]]
    known = {*HEADS, _OLDER_ATTRIBUTES, ".zmetadata", *levels}
    return _is_array(place) or (bool(levels) and known.issuperset(names))


def _json(place: str, name: str) -> dict[str, Any]:
    found = None
    with contextlib.suppress(ValueError):
        found = json.loads(urls.read_if_exists(f"{place}/{name}") or b"null")
    return found if isinstance(found, dict) else {}

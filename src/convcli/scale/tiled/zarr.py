"""Zarr arrays that are read and written in parts."""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from convcli.errors import ImageError
from convcli.images.codecs.tiff import EncodedTile
from convcli.images.picture import Metadata
from convcli.scale.tiled.journal import Journal
from convcli.scale.tiled.source import (
    Source,
    Values,
    check_chunk,
    cut,
    faults,
    needed,
    within,
)
from convcli.scale.tiled.work import Target, TiledWork, Written
from convcli.storage.atomic import replacing_folder, replacing_prefix
from convcli.storage.urls import NO_BUCKET, is_url, is_zarr, put, read_if_exists, store_errors
from convcli.threads import uninterrupted
from convcli.values import Record

_GRAY_AXES, _COLOUR_AXES = 2, 3
_MOST_PIXELS = 2**40
"""The largest array that is read: a shape is only a line of text, with or without chunks."""


class ZarrSource(Source, kw_only=True, cached=True):
    """An array (H, W) or (H, W, C); it is flat if it has no axis for channels."""

    is_flat: bool

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        with faults(self.label):
            array = needed("zarr", self.label).open_array(self.label, mode="r")
            shape = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
            values = np.empty(shape, self.dtype)
            flat = values[..., 0] if self.is_flat else values
            # Chunk by chunk: of several at once, some would still be read after an error.
            for down, across in cut(rows, columns, self.chunk):
                place = (within(down, rows), within(across, columns))
                flat[place] = array[down, across]
        return values


def open_zarr(path: str) -> ZarrSource:
    """Open the Zarr array at a path or a URL; no chunk is read.

    An `ImageError` is raised if there is no array, or it is no picture.
    """
    zarr = needed("zarr", path)
    with faults(path):
        try:
            with uninterrupted():
                node = zarr.open(path, mode="r")
        except FileNotFoundError:
            raise ImageError(
                f"{path}: expected a Zarr array, found none: check the path"
            ) from None
        _check(node, path)
        chunk = (node.chunks[0], node.chunks[1])
        dtype = np.dtype(node.dtype).newbyteorder("=")
        is_flat = node.ndim == _GRAY_AXES
        samples = 1 if is_flat else node.shape[2]
    check_chunk(chunk, samples * dtype.itemsize, path)
    return ZarrSource(
        label=path,
        shape=(node.shape[0], node.shape[1], samples),
        dtype=dtype,
        alpha=False,
        chunk=chunk,
        metadata=Metadata(),
        mode=dtype.name,
        is_flat=is_flat,
    )


def _check(node: Any, path: str) -> None:
    if hasattr(node, "array_keys"):
        names = ", ".join(sorted(node.array_keys())[:5]) or "none"
        raise ImageError(
            f"{path}: expected an array, got a group of arrays ({names}): name one, as "
            f"{path}/{names.partition(',')[0]}"
        )
    if node.ndim not in (_GRAY_AXES, _COLOUR_AXES):
        raise ImageError(
            f"{path}: expected an array (H, W) or (H, W, C), got the shape {node.shape}: "
            "save one picture of it"
        )
    dtype = np.dtype(node.dtype)
    if dtype.kind not in "biuf" or dtype.itemsize > np.dtype(np.float64).itemsize:
        raise ImageError(
            f"{path}: expected an array of real numbers of at most 64 bits, got {dtype}: "
            "convert it with astype"
        )
    if 0 in node.shape or 0 in node.chunks:
        raise ImageError(
            f"{path}: expected at least one pixel, got the shape {node.shape} in chunks of "
            f"{node.chunks}: save it again"
        )
    if node.shape[0] * node.shape[1] > _MOST_PIXELS:
        raise ImageError(
            f"{path}: expected at most {_MOST_PIXELS:,} pixels, got the shape {node.shape}: "
            "save a part of it"
        )


_HEAD, _OLDER_HEAD = "zarr.json", ".zarray"
"""The objects that describe an array, in two versions of the format."""

_CHUNKS = "c"


class ZarrChunks(Record):
    """Computes blocks and stores them in the array at a path or URL; can be pickled.

    `head` is the description of the array, as JSON: it is written last. `label` is the name of
    the output in messages.
    """

    path: str
    head: str
    label: str

    def __call__(self, work: TiledWork, rows: slice, columns: slice) -> Written:
        """Compute a block and store it."""
        block = work.compute(rows, columns)
        samples = block.values
        if block.alpha is not None:
            samples = np.dstack([samples, block.alpha])
        with _faults(self.label):
            array = self._array()
            values = samples[..., 0] if array.ndim == _GRAY_AXES else samples
            # Chunk by chunk: of several at once, some would still be written after an error.
            for down, across in cut(rows, columns, array.chunks[:_GRAY_AXES]):
                array[down, across] = values[within(down, rows), within(across, columns)]
        return Written(block.stats, [])

    def _array(self) -> Any:
        zarr = needed("zarr", self.label)
        stores = needed("zarr.storage", self.label)
        if is_url(self.path):
            store = stores.FsspecStore.from_url(self.path)
        else:
            self._check_seen()
            store = stores.LocalStore(self.path)
        return zarr.Array.from_dict(stores.StorePath(store), json.loads(self.head))

    def _check_seen(self) -> None:
        """Refuse to make a folder of the same name on another disk."""
        if not Path(self.path).is_dir():
            raise ImageError(
                f"{self.label}: the folder is not seen from all machines: share it with all "
                "workers, or use URLs (s3://…)"
            )


def check_place(path: str) -> None:
    """Refuse a place inside another array: that array would be replaced with all its files."""
    for folder in _folders_above(path):
        objects = {name: _read_any(f"{folder}/{name}") for name in (_HEAD, _OLDER_HEAD)}
        heads = {name: data for name, data in objects.items() if data is not None}
        if _is_array(heads, heads.__getitem__):
            raise ImageError(
                f"{path}: cannot be written: {folder} is one output with all that is in it: "
                "name a folder elsewhere"
            )


def _folders_above(path: str) -> Iterator[str]:
    """Yield the folders that may be arrays, the nearest first: of a store by their names."""
    if not is_url(path):
        yield from map(str, Path(path).resolve().parents)
        return
    folder = path.rstrip("/")
    while is_zarr(folder := folder.rpartition("/")[0]):
        yield folder


def _read_any(name: str) -> bytes | None:
    """Return the content of a file or an object; None where there is none.

    Folders are not listed: that is not allowed in all of them.
    """
    if is_url(name):
        return read_if_exists(name)
    with contextlib.suppress(OSError):
        return Path(name).read_bytes()
    return None


@contextlib.contextmanager
def zarr_target(
    path: str, work: TiledWork, chunk: tuple[int, int], *, flat: bool, journal: Journal
) -> Iterator[Target]:
    """Write a Zarr array at a path or URL, in chunks (rows, columns): complete, or not at all.

    A flat array is (H', W'), without the axis for channels.
    """
    head = _head(path, work, chunk, flat=flat)
    with _replacing(path, journal) as place:
        journal.start()
        yield Target(ZarrChunks(place, head.decode(), path), _no_tile)
        if is_url(place):
            put(f"{place}/{_HEAD}", head)
        else:
            for left in Path(place).rglob("*.partial"):  # of a worker that was killed
                left.unlink(missing_ok=True)
            (Path(place) / _HEAD).write_bytes(head)


def _head(path: str, work: TiledWork, chunk: tuple[int, int], *, flat: bool) -> bytes:
    """Return the description of the array, as Zarr writes it for an array in memory."""
    samples = work.pipeline.written_channels + work.pipeline.info.alpha
    shape: tuple[int, ...] = (*work.shape, samples)
    chunks: tuple[int, ...] = (*chunk, shape[2])
    held: dict[str, Any] = {}
    with uninterrupted():
        needed("zarr", path).create_array(
            held,
            shape=shape[:_GRAY_AXES] if flat else shape,
            chunks=chunks[:_GRAY_AXES] if flat else chunks,
            dtype=work.pipeline.dtype,
        )
    head: bytes = held[_HEAD].to_bytes()
    return head


@contextlib.contextmanager
def _replacing(path: str, journal: Journal) -> Iterator[str]:
    """Yield the folder or URL that chunks are written below."""
    if is_url(path):
        with replacing_prefix(path, (_HEAD, _OLDER_HEAD), _is_array_or_left) as place:
            yield place
    else:
        with replacing_folder(path, _is_array, journal) as folder:
            yield str(folder)


def _faults(path: str) -> contextlib.AbstractContextManager[None]:
    """Turn an error of a store into one line; errors of a folder come when it is renamed."""
    if not is_url(path):
        return contextlib.nullcontext()
    return store_errors(path, "written", NO_BUCKET, NotImplementedError)


def _is_array(names: Collection[str], read: Callable[[str], bytes]) -> bool:
    """Tell whether names are those of one array, of either version of the format."""
    if _OLDER_HEAD in names:
        return True
    try:
        head = json.loads(read(_HEAD)) if _HEAD in names else None
    except (OSError, ValueError):
        return False
    return isinstance(head, dict) and head.get("node_type") == "array"


def _is_array_or_left(names: Collection[str], read: Callable[[str], bytes]) -> bool:
    """Tell whether names are those of an array, or only of chunks that a killed run left."""
    return set(names) == {_CHUNKS} or _is_array(names, read)


def _no_tile(tile: EncodedTile) -> None:
    raise ImageError(f"expected a chunk that was stored, got tile {tile.index}")

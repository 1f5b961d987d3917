"""TIFF files that are read and written in parts."""

import contextlib
import functools
import itertools
import threading
import weakref
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from convcli.errors import ImageError
from convcli.images.codecs import tiff_pages
from convcli.images.codecs.tiff import EncodedTile, PageLayout, TiffWriter, encoded_tiles
from convcli.images.codecs.tiff_extras import tiff_metadata
from convcli.images.codecs.tiff_pages import ASSOCIATED, TiffPage, unread
from convcli.images.codecs.tiff_segments import decoder_of, fast_codecs, read_part
from convcli.images.formats import DEFAULT_LEVEL
from convcli.images.picture import Frame, Metadata
from convcli.images.policy import NOT_READ, ReadPolicy, pillow_set_to
from convcli.images.read import frames_to_read
from convcli.images.write import Saving
from convcli.scale.tiled.journal import Journal, verified
from convcli.scale.tiled.source import (
    USUAL_TILE,
    Output,
    Source,
    Target,
    TiledWork,
    Values,
    Written,
    check_chunk,
    faults,
)
from convcli.storage.atomic import replacing
from convcli.storage.ranges import Ranges, ranges_of, version_of
from convcli.storage.urls import is_url
from convcli.threads import available_cores, new_thread_pool

_ANY_SIZE = ReadPolicy(max_pixels=2**62)


@contextlib.contextmanager
def opening(
    name: str, version: str | None = None
) -> Iterator[tuple[Ranges, Iterator[TiffPage]]]:
    """Open a TIFF, perhaps of one version only; it stays open unless the block fails."""
    if not is_url(name) and Path(name).is_dir():
        raise ImageError(f"{name}: expected a picture, got a folder: name a file in it")
    with contextlib.ExitStack() as on_error, pillow_set_to(_ANY_SIZE):
        ranges = on_error.enter_context(contextlib.closing(ranges_of(name)))
        if version is not None and not ranges.is_version(version):
            raise ImageError(f"{name}: another file has taken its place: run it again")
        pages = tiff_pages.tiff_pages(ranges.opened())
        first = next(pages, None)
        if first is None:
            raise ImageError(
                f"{name}: expected a TIFF or a .zarr to filter block by block, got something "
                "else: convert it to TIFF first, or use neither --tiled nor .zarr"
            )
        yield ranges, itertools.chain([first], pages)
        on_error.pop_all()


class TiffFile:
    """A page of a TIFF, of one version. It can be pickled: each other process opens it once."""

    def __init__(self, name: str, page: int, version: str) -> None:
        self._name, self._number, self._version = name, page, version
        self._lock = threading.Lock()
        self._read: Any = None

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the name: an open file cannot be pickled."""
        return _of_this_process, (self._name, self._number, self._version)

    def read_from(self, ranges: Ranges, page: TiffPage) -> TiffPage:
        """Read a page of an open file from now on; return it as it is read."""
        # The file is closed with the last reference to this.
        self._closed = weakref.finalize(self, ranges.close)
        page.check_places()
        page = page.in_larger_strips()
        decode = decoder_of(page, ranges.opened(), fast_codecs())
        self._read = functools.partial(read_part, page, ranges.read, decode)
        return page

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        with self._lock:
            if self._read is None:
                with opening(self._name, self._version) as (ranges, pages):
                    self.read_from(ranges, next(itertools.islice(pages, self._number, None)))
        values: Values = self._read(rows, columns)
        return values

    def close(self) -> None:
        """Close the file, after the last thread has read from it."""
        if self._read is not None:
            self._closed()
            self._read = None


@functools.lru_cache(maxsize=8)
def _of_this_process(name: str, page: int, version: str) -> TiffFile:
    return TiffFile(name, page, version)


class TiffSource(Source, kw_only=True):
    """A page of a TIFF."""

    file: TiffFile
    factors: tuple[int, ...] = ()  # how much smaller each copy is than the one before it
    nested: bool = False  # whether the copies stand within the page's directory
    is_masked: bool = False  # whether the file has a mask beside the pixels

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        with faults(self.label):
            return self.file.read(rows, columns)

    def check_unchanged(self) -> None:
        """Look at a URL again: see `Source.check_unchanged`."""
        if is_url(self.label) and version_of(self.label) != self.version:
            raise ImageError(
                f"{self.label}: another file has taken its place meanwhile: run it again"
            )

    def close(self) -> None:
        """Close the file: see `Source.close`."""
        self.file.close()


_INSTEAD = "filter it whole, without --tiled, or convert it first"


def open_tiff(name: str, frame: int | None = None) -> TiffSource:
    """Open a page of a TIFF, at a path or a URL; only its directories are read."""
    with faults(name), opening(name) as (ranges, pages), _whole_advised(name):
        return _source(ranges, list(pages), name, frame)


@contextlib.contextmanager
def _whole_advised(name: str) -> Iterator[None]:
    """Say what to do with a whole TIFF whose layout is not read."""
    try:
        yield
    except OSError as error:
        fault = str(error)
        if fault.endswith(NOT_READ):
            fault = fault.removesuffix("here") + "block by block"
        elif "pip install" not in fault:
            raise
        raise ImageError(f"{name}: {fault}: {_INSTEAD}") from None


def _source(ranges: Ranges, every: list[TiffPage], name: str, frame: int | None) -> TiffSource:
    file, full = ranges.opened(), tiff_pages.full_pages(every)
    page = _chosen(full, name, frame)
    if page.orientation != 1:
        raise ImageError(
            f"{name}: expected a picture that is upright, got orientation {page.orientation}: "
            f"{_INSTEAD}"
        )
    is_associated = page.extra == (ASSOCIATED,)
    if (page.is_cmyk or is_associated) and not page.is_ours:  # Pillow rounds in its own way
        raise unread(page, "inks" if page.is_cmyk else "associated alpha")
    (height, width, channels), alpha, dtype = page.header
    check_chunk(page.tile, page.samples * page.stored.itemsize, name)
    opened = TiffFile(name, page.index, ranges.version)
    chunk = opened.read_from(ranges, page).tile
    factors, is_masked = _copies(every, page, file)
    return TiffSource(
        label=name,
        shape=(height, width, channels + alpha),
        dtype=dtype,
        alpha=alpha,
        chunk=chunk,
        metadata=tiff_metadata(file, full, frame or 0)[0],
        mode=tiff_pages.pillow_mode(file, page),
        version=ranges.version,
        file=opened,
        factors=factors,
        nested=page.has_copies,
        is_masked=is_masked,
    )


def _chosen(full: Sequence[TiffPage], name: str, frame: int | None) -> TiffPage:
    """Return the page that is filtered."""
    if frame is None and len(full) > 1:
        raise ImageError(f"{name}: expected one page, got {len(full)}: choose one with --frame")
    return full[frames_to_read(len(full), name, ReadPolicy(frame=frame or 0))[0]]


def _copies(
    every: Sequence[TiffPage], page: TiffPage, file: BinaryIO
) -> tuple[tuple[int, ...], bool]:
    """Return how much smaller each reduced copy of a page is; whether the file has a mask."""
    within = list(tiff_pages.pages_within(file, page))
    following = itertools.takewhile(lambda other: other.is_reduced, every[page.index + 1 :])
    factors, width = [], page.size[1]
    for other in within or following:
        if not other.is_mask and other.size[1] < width:
            factors.append(round(width / other.size[1]))
            width = other.size[1]
    is_masked = any(other.is_mask for other in (*every, *within))
    return tuple(factor for factor in factors if factor > 1), is_masked


def _written_block(
    pages: Sequence[PageLayout], work: TiledWork, rows: slice, columns: slice
) -> Written:
    """Compute a block, and return its tiles."""
    block = work.compute(rows, columns)
    frame, at = Frame(block.values, block.alpha), (rows.start, columns.start)
    return block.stats, encoded_tiles(frame, at, pages)


_LARGEST_TILE = 4096
_UNIT = 16
"""The sides of a TIFF's tiles are multiples of it."""


class TiffOutput(Output, kw_only=True):
    """A TIFF that is written: its pages, of the same layout."""

    pages: list[PageLayout]
    metadata: Metadata

    @classmethod
    def of(cls, work: TiledWork, saving: Saving) -> "TiffOutput":
        """Decide on it: its tiles are those of the input, where they can be."""
        channels, source = work.pipeline.written_channels, work.source
        paged, sides = channels not in (1, 3), source.chunk
        fits = max(sides) <= _LARGEST_TILE and all(side % _UNIT == 0 for side in sides)
        layout = PageLayout(
            size=work.shape,
            tile=sides if fits else (USUAL_TILE, USUAL_TILE),
            channels=1 if paged else channels,
            alpha=work.pipeline.info.alpha,
            depth=work.pipeline.depth,
            level=DEFAULT_LEVEL if saving.compress_level is None else saving.compress_level,
            factors=getattr(source, "factors", ()),
            # GDAL takes all copies that follow each other for those of the first page.
            nested=paged or getattr(source, "nested", False),
        )
        pages = [layout] * channels if paged else [layout]
        return cls(chunk=layout.tile, pages=pages, metadata=source.metadata)

    @contextlib.contextmanager
    def opened(self, path: str, journal: Journal) -> Iterator[Target]:
        """Write it; the journal's blocks stay: see `Output.opened`."""
        with replacing(path, journal) as file:
            tiff = TiffWriter(file, self.pages, self.metadata)
            file.truncate(verified(file, journal))
            for block in journal.blocks:
                for page, index, *place, _ in block["tiles"]:
                    tiff.places[page, 0][index] = place
            journal.start()

            def add(tile: EncodedTile) -> list[int]:
                page, index, data = tile
                start = tiff.add(page, index, data)
                file.flush()  # The journal's line comes after its tiles.
                return [page, index, start, len(data), zlib.crc32(data)]

            yield Target(functools.partial(_written_block, self.pages), add)
            with new_thread_pool(available_cores()) as pool:
                tiff.finish(pool.map)

"""TIFF files that are read and written in parts."""

import contextlib
import functools
import itertools
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from convcli.errors import ImageError, fail
from convcli.images.codecs import tiff_pages
from convcli.images.codecs.tiff import PageLayout
from convcli.images.codecs.tiff_extras import tiff_metadata
from convcli.images.codecs.tiff_pages import ASSOCIATED, UNCOMPRESSED, TiffPage, unread
from convcli.images.codecs.tiff_segments import decoder_of, read_part
from convcli.images.formats import DEFAULT_LEVEL, obstacle
from convcli.images.picture import Frame, Metadata
from convcli.images.policy import NOT_READ, ReadPolicy, pillow_set_to
from convcli.images.read import frames_to_read
from convcli.images.write import Saving
from convcli.scale.tiled.copies import CopyingWriter, tiles_of, with_copies
from convcli.scale.tiled.journal import Journal, verified
from convcli.scale.tiled.source import (
    USUAL_TILE,
    EncodedTile,
    Output,
    Source,
    Target,
    TiledWork,
    Values,
    Written,
    check_chunk,
    fast_codecs,
    faults,
)
from convcli.storage.atomic import replacing
from convcli.storage.ranges import Ranges, ranges_of, version_of
from convcli.storage.urls import is_url
from convcli.threads import available_cores, new_thread_pool

_ROW_BYTES = 2**20  # bytes of uncompressed rows that are read together
_ANY_SIZE = ReadPolicy(max_pixels=2**62)


@contextlib.contextmanager
def opening(
    name: str, version: str | None = None
) -> Iterator[tuple[Ranges, Iterator[TiffPage]]]:
    """Open a TIFF, perhaps of one version only; its pages are read until the block ends."""
    if not is_url(name) and Path(name).is_dir():
        raise ImageError(f"{name}: expected a picture, got a folder: name a file in it")
    with pillow_set_to(_ANY_SIZE):
        ranges = ranges_of(name)
        if version is not None and not ranges.is_version(version):
            raise ImageError(f"{name}: another file has taken its place: run it again")
        pages = tiff_pages.tiff_pages(ranges.opened())
        if (first := next(pages, None)) is None:
            fault = "expected a TIFF or a .zarr to filter block by block, got something else"
            remedy = "convert it to TIFF first, or use neither --tiled nor .zarr"
            fail(name, fault, remedy, ImageError)
        yield ranges, itertools.chain([first], pages)


_Reader = Callable[[slice, slice], Values]


def _reader_of(ranges: Ranges, page: TiffPage) -> tuple[_Reader, TiffPage]:
    """Return what reads parts of a page of an open file, and the page as it is read."""
    page.check_places()
    page = _in_larger_strips(page)
    decode = decoder_of(page, ranges.opened(), fast_codecs())
    return functools.partial(read_part, page, ranges.read, decode), page


def _in_larger_strips(page: TiffPage) -> TiffPage:
    """Return a page in strips of about 1 MiB, where its pixels lie there as they are."""
    offsets, lengths = page.spans.T
    height, width = page.size
    samples, planes = (1, page.samples) if page.planar else (page.samples, 1)
    row = width * samples * page.stored.itemsize
    follow = np.array_equal(offsets[:-1] + lengths[:-1], offsets[1:]) and lengths.all()
    filled = len(lengths) == 1 or lengths.sum() == row * height * planes
    if page.compression != UNCOMPRESSED or page.is_tiled or not follow or not filled:
        return page
    rows = min(max(1, _ROW_BYTES // (row * planes)), height)
    first = np.arange(0, height, rows)
    starts = np.add.outer(np.arange(planes) * height, first).ravel()
    counts = np.tile(np.minimum(rows, height - first), planes)
    larger = TiffPage(page.tags, page.index)
    larger.tile = (rows, width)
    larger.spans = np.stack([int(offsets[0]) + starts * row, counts * row], axis=1)
    return larger


@functools.lru_cache(maxsize=8)
def _opened_again(name: str, number: int, version: str) -> _Reader:
    """Open a page for all blocks that this process reads of it, and another has opened."""
    with opening(name, version) as (ranges, pages):
        return _reader_of(ranges, next(itertools.islice(pages, number, None)))[0]


_OPENING = threading.Lock()
_MASK = "the mask in the file is left out: pixels that it hides are filtered too"


class TiffSource(Source, kw_only=True):
    """A page of a TIFF, by its `number`, of one version."""

    number: int
    reader: _Reader | None  # of the open file; None in other processes
    factors: tuple[int, ...] = ()  # how much smaller each copy is than the one before it
    nested: bool = False  # whether the copies stand within the page's directory
    lost: tuple[str, ...] = ()  # notes on what the file has beside what is read

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: an open file cannot be."""
        return {**super().__getstate__(), "reader": None}

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        reader = self.reader
        with faults(self.label):
            if reader is None:
                with _OPENING:
                    reader = _opened_again(self.label, self.number, self.version)
            return reader(rows, columns)

    def check_unchanged(self) -> None:
        """Look at a URL again: see `Source.check_unchanged`."""
        if is_url(self.label) and version_of(self.label) != self.version:
            fault = "another file has taken its place meanwhile"
            fail(self.label, fault, "run it again", ImageError)


_INSTEAD = "filter it whole, without --tiled, or convert it first"


def open_tiff(name: str, frame: int | None = None) -> TiffSource:
    """Open a page of a TIFF, at a path or a URL; only its directories are read."""
    with faults(name), opening(name) as (ranges, pages):
        try:
            return _source(ranges, list(pages), name, frame)
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
        fault = f"expected a picture that is upright, got orientation {page.orientation}"
        fail(name, fault, f"{_INSTEAD}", ImageError)
    is_associated = page.extra == (ASSOCIATED,)
    if (page.is_cmyk or is_associated) and not page.is_ours:  # Pillow rounds in its own way
        raise unread(page, "inks" if page.is_cmyk else "associated alpha")
    (height, width, channels), alpha, dtype = page.header
    check_chunk(page.tile, page.samples * page.stored.itemsize, name)
    reader, read = _reader_of(ranges, page)
    metadata, notes = tiff_metadata(file, full, frame or 0)
    factors, is_masked = _copies(every, page, file)
    return TiffSource(
        label=name,
        shape=(height, width, channels + alpha),
        dtype=dtype,
        alpha=alpha,
        chunk=read.tile,
        metadata=metadata,
        mode=tiff_pages.pillow_mode(file, page),
        version=ranges.version,
        number=page.index,
        reader=reader,
        factors=factors,
        nested=page.has_copies,
        lost=(*notes, *page.left_out, *[_MASK] * is_masked),
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
    starts = page.tags.numbers(tiff_pages.WITHIN) if tiff_pages.WITHIN in page.tags else ()
    header = page.tags.header
    within = [tiff_pages.page_at(file, header, start, page.index) for start in starts]
    following = itertools.takewhile(lambda other: other.is_reduced, every[page.index + 1 :])
    factors, width = [], page.size[1]
    for other in within or following:
        if not other.is_mask and other.size[1] < width:
            factors.append(round(width / other.size[1]))
            width = other.size[1]
    is_masked = any(other.is_mask for other in (*every, *within))
    return tuple(factor for factor in factors if factor > 1), is_masked


_LARGEST_TILE = 4096
_UNIT = 16  # the sides of a TIFF's tiles are multiples of it


class TiffOutput(Output, kw_only=True):
    """A TIFF that is written: its pages, each before its copies."""

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
        )
        # GDAL takes all copies that follow each other for those of the first page.
        nested = paged or getattr(source, "nested", False)
        factors = getattr(source, "factors", ())
        pages = with_copies([layout] * (channels if paged else 1), factors, nested=nested)
        return cls(chunk=layout.tile, pages=pages, metadata=source.metadata)

    @contextlib.contextmanager
    def opened(self, path: str, journal: Journal) -> Iterator[Target]:
        """Write it; the journal's blocks stay: see `Output.opened`."""
        with replacing(path, journal) as file:
            tiff = CopyingWriter(file, self.pages, self.metadata)
            file.truncate(verified(file, journal))
            for block in journal.blocks:
                for page, index, *place, _ in block["tiles"]:
                    tiff.places[page][index] = place
            journal.start()

            def add(tile: EncodedTile) -> list[int]:
                page, index, data = tile
                start = tiff.add(page, index, data)
                file.flush()  # The journal's line comes after its tiles.
                return [page, index, start, len(data), zlib.crc32(data)]

            yield Target(self.compute, add)
            with new_thread_pool(available_cores()) as pool:
                tiff.finish_by(pool.map)

    def compute(self, work: TiledWork, rows: slice, columns: slice) -> Written:
        """Compute a block, and return its tiles."""
        block = work.compute(rows, columns)
        if obstacle(Frame(block.values), "TIFF"):
            fault = "expected results up to 3.4e+38, as the floats of a TIFF, got larger ones"
            fail(work.source.label, fault, "write a .zarr, which holds them", ImageError)
        at = (rows.start, columns.start)
        full = [number for number, page in enumerate(self.pages) if page.reduction == 1]
        planes = np.split(block.values, len(full), axis=2)
        return block.stats, [
            (number, *tile)
            for number, pixels in zip(full, planes, strict=True)
            for tile in tiles_of(Frame(pixels, block.alpha).samples, at, self.pages[number])
        ]

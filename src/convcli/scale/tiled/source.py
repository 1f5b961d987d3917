"""A picture that is read in parts, the work on each part, and the errors of reading it."""

import contextlib
import functools
import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.engine.store import ValueStats
from convcli.errors import ImageError, fail, install
from convcli.images.picture import Frame, Metadata
from convcli.images.policy import DECODER_ERRORS, one_line
from convcli.pipeline.blend import Mask, weights_of
from convcli.pipeline.colours import palette
from convcli.pipeline.pipeline import Pipeline, prepared
from convcli.pipeline.run import ComputedBlock, compute_block, extent_of_block
from convcli.storage.urls import ABSENT, is_url, store_errors
from convcli.values import Record, replace


def needed(module: str, label: str) -> Any:
    """Import a module of the extra `cluster`; `label` names the file that needs it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        fault = f"pictures in tiles need the package {module.partition('.')[0]}"
        fail(label, fault, install("cluster"), ImageError)


@functools.cache
def fast_codecs() -> Any:
    """Return imagecodecs, which has libdeflate; None where it is not installed.

    With it 256 tiles of 512 × 512 px in colour are unpacked in 0.43 s of one core, by zlib in
    0.71, and packed in 1.9 s, by zlib in 4.8. Its import takes 20 ms.
    """
    try:
        return importlib.import_module("imagecodecs")
    except ImportError:
        return None


Values: TypeAlias = NDArray[Any]

USUAL_TILE = 512  # the side of a tile where the input has none
_LARGEST_CHUNK = 2**30  # bytes; all of a chunk is in memory at once


class Source(Record, kw_only=True):
    """A picture in a file, which is closed with the last reference to this.

    It can be pickled: another process opens the file again.

    `label` is its path. `shape` is (rows, columns, samples), and `alpha` says whether the last
    sample is an opacity. The samples are real numbers of `dtype`. `chunk` has the rows and
    columns that are decoded together. `mode` says how the file keeps its pixels, and `metadata`
    what it says about them. `version` changes when another file takes its place.
    """

    label: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    alpha: bool
    chunk: tuple[int, int]
    metadata: Metadata
    mode: str
    version: str = ""

    @property
    def channels(self) -> int:
        """Colour channels, alpha not counted."""
        return self.shape[2] - self.alpha

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle, shape (rows, columns, samples)."""
        raise NotImplementedError

    @property
    def stack(self) -> tuple[int, ...]:
        """How many planes it has along each of its further axes; none of one picture."""
        return ()

    @property
    def unit(self) -> tuple[int, ...]:
        """Planes along each further axis, rows and columns of a chunk of a result."""
        return self.chunk if self.chunk[1] < self.shape[1] else (USUAL_TILE, USUAL_TILE)

    def each_plane(self, _: Sequence[slice]) -> "Iterator[tuple[tuple[int, ...], Source]]":
        """Yield each plane of a block: its place in the block, and a source of it alone."""
        yield (), self

    def check_unchanged(self) -> None:
        """Refuse a file that has taken the place of the one opened, where that can be told."""


def cut(region: Sequence[slice], units: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Cut a region at the edges of units."""
    axes = (
        [
            slice(max(start, part.start), min(start + step, part.stop))
            for start in range(part.start // step * step, part.stop, step)
        ]
        for part, step in zip(region, units, strict=True)
    )
    return itertools.product(*axes)


def within(part: slice, whole: slice) -> slice:
    """Return a part, counted from the start of the whole."""
    return slice(part.start - whole.start, part.stop - whole.start)


@contextlib.contextmanager
def faults(label: str) -> Iterator[None]:
    """Turn an error of reading into one line that names the file and the fault."""
    store = store_errors(label, "read", ABSENT) if is_url(label) else contextlib.nullcontext()
    try:
        with store:
            yield
    except FileNotFoundError:
        raise ImageError(f"{label}: no such file: check the path") from None
    except PermissionError:
        raise ImageError(f"{label}: no permission to read it: check its mode") from None
    except (ImportError, OSError, *DECODER_ERRORS) as error:
        fault = one_line(error)
        if isinstance(error, ImportError) or "imagecodecs" in fault:
            missing = "it cannot be decoded without the package imagecodecs"
            fail(label, missing, install("cluster"), ImageError)
        is_unknown = type(error).__name__ == "UnknownCodecError"
        remedy = "install the package that has it" if is_unknown else "get a whole copy of it"
        raise ImageError(f"{label}: the picture cannot be read: {fault}: {remedy}") from None


def check_chunk(chunk: tuple[int, int], size: int, label: str) -> None:
    """Refuse chunks (rows, columns) of more than 1 GiB; `size` is the bytes of a pixel."""
    if chunk[0] * chunk[1] * size > _LARGEST_CHUNK:
        fault = f"expected tiles of at most 1 GiB, got {chunk[1]} × {chunk[0]} px"
        fail(label, fault, "rewrite it in smaller ones", ImageError)


# ------------------------------------------------------------------ the work on it


class TiledWork(Record):
    """A picture, and the plan for all of it. Both can be pickled.

    `known` is the extent of all raw values, where pixels depend on it. The `notes` say what
    becomes of metadata.
    """

    source: Source
    pipeline: Pipeline
    known: ValueStats | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        return self.pipeline.output_shape[:2]

    def compute(self, rows: slice, columns: slice) -> ComputedBlock:
        """Compute a block of the result: the same bits as when all of it is computed."""
        block = compute_block(self.pipeline, self._read, (rows, columns), self.known)
        colormap = self.pipeline.options.colormap
        if colormap is None:
            return block
        return replace(block, values=palette(colormap)[block.values[..., 0]])

    def each_plane(
        self, planes: Sequence[slice]
    ) -> "Iterator[tuple[tuple[int, ...], TiledWork]]":
        """Yield the place of each plane of a block, and the work on it."""
        for place, source in self.source.each_plane(planes):
            yield place, replace(self, source=source)

    def check_unchanged(self) -> None:
        """Refuse files that have taken the place of those opened."""
        self.source.check_unchanged()
        mask = self.pipeline.options.mask
        if isinstance(mask, TiledMask):
            mask.source.check_unchanged()

    def extent(self, *region: slice) -> ValueStats:
        """Return the extent of a block's raw values."""
        *planes, rows, columns = region
        parts = (
            extent_of_block(work.pipeline, work._read, (rows, columns))  # noqa: SLF001 - its own
            for _, work in self.each_plane(planes)
        )
        return sum(parts, ValueStats())

    def is_translucent(self, rows: slice, columns: slice) -> bool:
        """Tell whether any pixel of a rectangle of the picture is not fully opaque."""
        return self._read(rows, columns).is_translucent

    def _read(self, rows: slice, columns: slice) -> Frame:
        """Read a rectangle of the picture as the steps get it."""
        return prepared(_frame(self.source, rows, columns), self.pipeline.options)


def _frame(source: Source, rows: slice, columns: slice) -> Frame:
    samples = source.read(rows, columns)
    return Frame(samples[..., :-1], samples[..., -1]) if source.alpha else Frame(samples)


class TiledMask(Mask):
    """A mask that is read in parts, and never held."""

    nbytes = 0

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name)
        self.source = source

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.source.shape[:2]

    def part(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the weights of a rectangle."""
        return weights_of(_frame(self.source, rows, columns), self.name)


EncodedTile: TypeAlias = tuple[int, int, bytes]  # its page, its index, the compressed bytes
Written: TypeAlias = tuple[ValueStats, Sequence[EncodedTile]]
"""What writing a block gives: the statistics of its raw values, and tiles that the process
which has the file open still has to write."""


class Target(Record):
    """An output that is being written.

    `task` computes a block, on a worker; `add` writes one of its tiles, in this process, and
    returns what the journal keeps of it. Each pass of `after` makes a smaller copy of the
    result: a task, and its blocks.
    """

    task: Callable[..., Written]
    add: Any = None
    after: tuple[tuple[Callable[..., None], Any], ...] = ()


class Output(Record):
    """What is to be written: whole chunks, of planes, if there are any, rows and columns.

    How `smaller` copies are made after it is said for a person, and what a block of one takes.
    """

    chunk: tuple[int, ...]
    smaller: str = ""
    smaller_bytes: int = 0

    def opened(self, path: str, journal: Any) -> contextlib.AbstractContextManager[Target]:
        """Write it to a path or a URL: complete, or not at all."""
        raise NotImplementedError

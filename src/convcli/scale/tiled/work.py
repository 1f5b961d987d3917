"""The work on each block of a tiled picture; it is sent to each worker of a cluster once."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.engine.store import ValueStats
from convcli.images.codecs.tiff import EncodedTile
from convcli.images.picture import Frame
from convcli.pipeline.blend import Mask, weights_of
from convcli.pipeline.colormaps import colored
from convcli.pipeline.pipeline import Pipeline, prepared
from convcli.pipeline.run import ComputedBlock, compute_block, extent_of_block
from convcli.scale.tiled.source import Source
from convcli.values import Record, replace


class TiledWork(Record):
    """A picture, and the plan for all of it. Both can be pickled.

    `known` is the extent of all raw values, where pixels depend on it.
    """

    source: Source
    pipeline: Pipeline
    known: ValueStats | None = None

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
        return replace(block, values=colored(block.values[..., 0], colormap))

    def each_plane(
        self, planes: tuple[slice, ...]
    ) -> "Iterator[tuple[tuple[int, ...], TiledWork]]":
        """Yield the place of each plane of a block, and the work on it."""
        for place, source in self.source.each_plane(planes):
            yield place, replace(self, source=source)

    def extent(self, rows: slice, columns: slice, planes: tuple[slice, ...] = ()) -> ValueStats:
        """Return the extent of a block's raw values."""
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


class Written(Record):
    """The result of writing one block: the statistics of its raw values, and its tiles.

    The process that has the file open still has to write the tiles.
    """

    stats: ValueStats
    tiles: list[EncodedTile]


class Target(Record):
    """An output that is being written.

    `task` computes a block, on a worker; `add` writes one of its tiles, in this process, and
    returns what the journal keeps of it. Each pass of `after` makes a smaller copy of the
    result: a task, and its blocks; `smaller` says how. `notes` say what is lost.
    """

    task: Callable[..., Written]
    add: Callable[[EncodedTile], Any]
    after: tuple[tuple[Callable[..., None], Any], ...] = ()
    notes: tuple[str, ...] = ()
    smaller: str = ""

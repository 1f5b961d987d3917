"""The work on each block of a tiled picture; it is sent to each worker of a cluster once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.engine.store import ValueStats
from convcli.images.codecs.tiff import EncodedTile
from convcli.images.picture import Frame
from convcli.pipeline.colormaps import colored
from convcli.pipeline.pipeline import Pipeline, prepared
from convcli.pipeline.run import ComputedBlock, compute_block, extent_of_block
from convcli.scale.tiled.source import Source
from convcli.values import Record, replace


class TiledWork(Record):
    """A picture, and what is done to it. It can be pickled, with the plan.

    Attributes
    ----------
    source : Source
        The picture.
    pipeline : Pipeline
        The plan for the whole picture.
    known : ValueStats or None
        The extent of all raw values, where pixels depend on it.
    """

    source: Source
    pipeline: Pipeline
    known: ValueStats | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        return self.pipeline.output_shape[:2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the result."""
        if self.pipeline.mapping is None:
            return self.pipeline.plans[-1].problem.result
        return self.pipeline.depth.dtype

    def compute(self, rows: slice, columns: slice) -> ComputedBlock:
        """Compute a block of the result, bit for bit as it is in the whole."""
        block = compute_block(self.pipeline, self._read, (rows, columns), self.known)
        colormap = self.pipeline.options.colormap
        if colormap is None:
            return block
        return replace(block, values=colored(block.values[..., 0], colormap))

    def extent(self, rows: slice, columns: slice) -> ValueStats:
        """Return the extent of a block's raw values."""
        return extent_of_block(self.pipeline, self._read, (rows, columns))

    def is_translucent(self, rows: slice, columns: slice) -> bool:
        """Tell whether any pixel of a rectangle of the picture is not fully opaque."""
        return self._read(rows, columns).is_translucent

    def _read(self, rows: slice, columns: slice) -> Frame:
        """Read a rectangle of the picture as the steps get it."""
        samples, options = self.source.read(rows, columns), self.pipeline.options
        if not self.source.alpha:
            return prepared(Frame(samples), options)
        return prepared(Frame(samples[..., :-1], samples[..., -1]), options)


class Written(Record):
    """The result of writing one block.

    Attributes
    ----------
    stats : ValueStats
        Of its raw values.
    tiles : list of EncodedTile
        Tiles that the process that has the file open still has to write.
    """

    stats: ValueStats
    tiles: list[EncodedTile]


class Target(Record):
    """An output that is being written.

    Attributes
    ----------
    task : callable
        Computes a block, on the worker.
    add : callable
        Writes one of its tiles, here.
    """

    task: Callable[[TiledWork, slice, slice], Written]
    add: Callable[[EncodedTile], None]

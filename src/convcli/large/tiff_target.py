"""TIFF in tiles: blocks are encoded where they are computed, and written by one process."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from convcli.images import Metadata, TiledTiff, TileLayout, encoded_tiles
from convcli.large.work import Work
from convcli.large.written import Target, Written
from convcli.storage import replacing


@dataclass(frozen=True, slots=True)
class TiffTiles:
    """Computes blocks and encodes them; can be pickled."""

    layout: TileLayout

    def __call__(self, work: Work, rows: slice, columns: slice) -> Written:
        """Compute a block, and return its tiles."""
        part = work.part(rows, columns)
        tiles = encoded_tiles(part.values, part.alpha, (rows.start, columns.start), self.layout)
        return Written(part.seen, tiles)


@contextlib.contextmanager
def tiff_target(path: str, layout: TileLayout, metadata: Metadata) -> Iterator[Target]:
    """Write a TIFF: complete, or not at all.

    Parameters
    ----------
    path : str
        Its path or URL.
    layout : TileLayout
        Of its pixels.
    metadata : Metadata
        What it says of them.
    """
    with replacing(path, is_large=True) as file:
        tiff = TiledTiff(file, layout, metadata)
        yield Target(TiffTiles(layout), tiff.add)
        tiff.finish()

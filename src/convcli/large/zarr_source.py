"""Zarr arrays, a chunk at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from convcli.errors import ImageError
from convcli.images import Metadata
from convcli.large.extra import needed, uninterrupted
from convcli.large.source import Source, Values, check_chunk, cut, faults, within

_GRAY_AXES, _COLOUR_AXES = 2, 3
_MOST_PIXELS = 2**40
"""An array's shape is a line of text, which chunks need not bear out."""


@dataclass(frozen=True, kw_only=True)
class ZarrSource(Source):
    """An array (H, W) or (H, W, C).

    Attributes
    ----------
    is_flat : bool
        Whether it has no axis for channels.
    """

    is_flat: bool

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle: see `Source.read`."""
        with faults(self.label):
            array = needed("zarr", self.label).open_array(self.label, mode="r")
            shape = (rows.stop - rows.start, columns.stop - columns.start, self.shape[2])
            values = np.empty(shape, self.dtype)
            flat = values[..., 0] if self.is_flat else values
            # Chunk by chunk: of several at once some are still read when one has failed.
            for down, across in cut(rows, columns, self.chunk):
                place = (within(down, rows), within(across, columns))
                flat[place] = array[down, across]
        return values


def open_zarr(path: str) -> ZarrSource:
    """Open a Zarr array; no chunk is read.

    Parameters
    ----------
    path : str
        A folder, or a URL that fsspec knows.

    Raises
    ------
    ImageError
        If there is none, or it is no picture.
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

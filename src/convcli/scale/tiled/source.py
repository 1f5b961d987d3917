"""A picture that is read in parts, and the errors of reading it."""

import contextlib
import importlib
import itertools
import zlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ImageError, install
from convcli.images.picture import Metadata
from convcli.storage.urls import ABSENT, is_url, store_errors
from convcli.values import Record


def needed(module: str, label: str) -> Any:
    """Import a module of the extra `cluster`; `label` names the file that needs it.

    If it is not installed, an `ImageError` says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImageError(
            f"{label}: pictures in tiles need the package {module.partition('.')[0]}: "
            f"{install('cluster')}"
        ) from None


Values: TypeAlias = NDArray[Any]

USUAL_TILE = 512
"""The side of a tile where the input has none."""

_LARGEST_CHUNK = 2**30
"""The largest chunk that is read, in bytes: all of a chunk is in memory at once."""

_FAULTS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    RuntimeError,
    ArithmeticError,
    zlib.error,
)
"""What decoders raise on damaged files."""


class Source(Record, kw_only=True, cached=True):
    """A picture in a file. It can be pickled: another process opens the file again.

    `label` is its path. `shape` is (rows, columns, samples), and `alpha` says whether the last
    sample is an opacity. The samples are real numbers of `dtype`. `chunk` has the rows and
    columns that are decoded together. `mode` says how the file keeps its pixels, and `metadata`
    what it says about them.
    """

    label: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    alpha: bool
    chunk: tuple[int, int]
    metadata: Metadata
    mode: str

    @property
    def channels(self) -> int:
        """Colour channels, alpha not counted."""
        return self.shape[2] - self.alpha

    @property
    def version(self) -> str:
        """A text that changes when another file takes its place; empty where it is no file."""
        return ""

    def read(self, rows: slice, columns: slice) -> Values:
        """Read a rectangle, shape (rows, columns, samples).

        A file that is damaged or gone is an `ImageError`.
        """
        raise NotImplementedError

    @property
    def stack(self) -> tuple[int, ...]:
        """How many planes it has along each of its further axes; none of one picture."""
        return ()

    @property
    def unit(self) -> tuple[int, ...]:
        """Planes along each further axis, rows and columns of a chunk of a result."""
        return self.chunk if self.chunk[1] < self.shape[1] else (USUAL_TILE, USUAL_TILE)

    def each_plane(
        self,
        planes: tuple[slice, ...],  # noqa: ARG002 - one picture has none
    ) -> "Iterator[tuple[tuple[int, ...], Source]]":
        """Yield each plane of a block: its place in the block, and a source of it alone."""
        yield (), self

    def check_unchanged(self) -> None:
        """Refuse a file that has taken the place of the one that was opened.

        Parts of both may have been read. Some sources cannot tell.
        """

    def close(self) -> None:
        """Close the file, after the last thread has read from it."""


def cut(rows: slice, columns: slice, chunk: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Cut a rectangle at the chunks' edges.

    >>> list(cut(slice(2, 5), slice(0, 4), (3, 4)))
    [(slice(2, 3, None), slice(0, 4, None)), (slice(3, 5, None), slice(0, 4, None))]
    """
    down, across = (
        [
            slice(max(start, part.start), min(start + step, part.stop))
            for start in range(part.start // step * step, part.stop, step)
        ]
        for part, step in zip((rows, columns), chunk, strict=True)
    )
    yield from itertools.product(down, across)


def within(part: slice, whole: slice) -> slice:
    """Return a part, counted from the start of the whole.

    >>> within(slice(4, 6), slice(3, 9))
    slice(1, 3, None)
    """
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
    except (ImportError, *_FAULTS) as error:
        fault = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, ImportError) or "imagecodecs" in fault:
            raise ImageError(
                f"{label}: it cannot be decoded without the package imagecodecs: "
                f"{install('cluster')}"
            ) from None
        is_unknown = type(error).__name__ == "UnknownCodecError"
        remedy = "install the package that has it" if is_unknown else "get a whole copy of it"
        raise ImageError(f"{label}: the picture cannot be read: {fault}: {remedy}") from None


def check_chunk(chunk: tuple[int, int], size: int, label: str) -> None:
    """Refuse chunks (rows, columns) of more than 1 GiB; `size` is the bytes of a pixel."""
    if chunk[0] * chunk[1] * size > _LARGEST_CHUNK:
        raise ImageError(
            f"{label}: expected tiles of at most 1 GiB, got {chunk[1]} × {chunk[0]} px: "
            "rewrite it in smaller ones"
        )

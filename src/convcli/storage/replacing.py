"""Outputs that are complete or absent, never half."""

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from convcli.errors import ImageError
from convcli.storage.paths import replacing_path
from convcli.storage.urls import PART, local_path, put, put_file

if TYPE_CHECKING:
    from pathlib import Path


@contextlib.contextmanager
def replacing(target: "str | Path", *, is_large: bool = False) -> Iterator[BinaryIO]:
    """Open what becomes the target in one step, once all of it is written.

    A path is replaced by renaming a temporary file beside it, an object of a store by
    putting it there whole. Where anything fails an existing target is as it was.

    Parameters
    ----------
    target : str or Path
        The path or URL to make or to replace.
    is_large : bool
        Whether it may be larger than memory: then it waits in a temporary file until it is
        sent to a store.

    Yields
    ------
    binary file
        What to write to.

    Raises
    ------
    ImageError
        If the target cannot be written.
    """
    path = local_path(target)
    if path is not None:
        with replacing_path(path) as file:
            yield file
        return
    if is_large:
        with _spooled(str(target)) as file:
            yield file
            put_file(str(target), file)
        return
    buffer = io.BytesIO()
    yield buffer
    put(str(target), buffer.getvalue())


@contextlib.contextmanager
def _spooled(url: str) -> Iterator[BinaryIO]:
    """Open a temporary file, which is on a disk as soon as it is large."""
    import tempfile  # noqa: PLC0415 - with what it imports it takes 5 ms

    try:
        with tempfile.SpooledTemporaryFile(PART) as file:
            yield cast("BinaryIO", file)
    except OSError as error:
        raise ImageError(
            f"{url}: cannot be written: it waits in {tempfile.gettempdir()} until it is sent: "
            f"{error.strerror or type(error).__name__}: name another folder with TMPDIR"
        ) from None

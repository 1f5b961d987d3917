"""Outputs that are complete or absent, never half."""

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from convcli.storage.paths import replacing_path
from convcli.storage.urls import local_path, put

if TYPE_CHECKING:
    from pathlib import Path


@contextlib.contextmanager
def replacing(target: "str | Path") -> Iterator[BinaryIO]:
    """Open what becomes the target in one step, once all of it is written.

    A path is replaced by renaming a temporary file beside it, an object of a store by
    putting it there whole. Where anything fails an existing target is as it was.

    Parameters
    ----------
    target : str or Path
        The path or URL to make or to replace.

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
    buffer = io.BytesIO()
    yield buffer
    put(str(target), buffer.getvalue())

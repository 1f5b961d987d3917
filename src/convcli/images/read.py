"""Pictures from files, pipes and URLs."""

import contextlib
import functools
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from convcli.errors import ImageError
from convcli.images.codecs.npy import array_header, is_array, read_array
from convcli.images.frames import NOT_READ, Frame, deep_rawmode, frame_of, timing_of
from convcli.images.metadata import metadata_of
from convcli.images.modes import MODES
from convcli.images.picture import Document, Metadata, Picture
from convcli.images.policy import (
    FAULTS,
    Counter,
    ReadPolicy,
    blocked_format,
    guarded,
    open_image,
    too_many_pixels,
    without_chatter,
)
from convcli.storage.urls import fetched, local_path
from convcli.values import Record

_FAULTS = (
    *FAULTS,
    EOFError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    ImageError,
)
"""What a header that is damaged raises: reading the whole file will say what is wrong."""

_PREFIX = 64
_BEGINNING = 2**20
"""Bytes of an object that are fetched for its header."""

_DTYPES = {"I": np.float64, "F": np.float32, "I;16": np.uint16}


class Header(Record):
    """The size of what a file holds.

    Attributes
    ----------
    shape : (int, int, int)
        Rows, columns, colour channels.
    alpha : bool
        Whether there is transparency beside them.
    dtype : dtype
        Of a pixel's numbers.
    frames : int
        How many pictures.
    """

    shape: tuple[int, int, int]
    alpha: bool
    dtype: np.dtype[Any]
    frames: int


def header_of(source: str | Path, reading: ReadPolicy) -> Header | None:
    """Return what a file says about its pictures; None where that cannot be read.

    Examples
    --------
    >>> header_of("nowhere.png", ReadPolicy()) is None
    True
    """
    try:
        with _opened(source) as file, guarded(reading):
            prefix = file.read(_PREFIX)
            file.seek(0)
            if is_array(prefix):
                return _of_array(file, str(source))
            with open_image(file, reading) as opened:
                return _of_image(opened, reading)
    except _FAULTS:
        return None


def _opened(source: str | Path) -> BinaryIO:
    path = local_path(source)
    return (
        io.BytesIO(fetched(str(source), _BEGINNING)) if path is None else Path(path).open("rb")
    )


def _of_array(file: BinaryIO, label: str) -> Header:
    shape, _, dtype = array_header(file, label)
    rows, columns, channels = (*shape, 1)[:3]
    return Header((rows, columns, channels), alpha=False, dtype=dtype, frames=1)


def _of_image(opened: ImageFile.ImageFile, reading: ReadPolicy) -> Header:
    target = MODES[opened.mode].target
    deep = deep_rawmode(opened) is not None
    return Header(
        shape=(opened.height, opened.width, 3 if target.startswith("RGB") else 1),
        alpha=target.endswith("A") or opened.has_transparency_data,
        dtype=np.dtype(np.uint16 if deep else _DTYPES.get(target, np.uint8)),
        frames=int(getattr(opened, "n_frames", 1)) if reading.frame is None else 1,
    )


_DECODER_FAULTS = (*FAULTS, AssertionError, EOFError, zlib.error)
"""What Pillow's decoders raise on damaged files: each format has its own habits."""

_MANY = ("AVIF", "DCX", "FLI", "GIF", "IM", "PNG", "TIFF", "WEBP")
"""Formats whose frames are an animation or pages; the others' further pictures are
previews, layers and sizes of the first."""

_NAMES = {"MPO": "JPEG", "DIB": "BMP", "IMT": "IM"}
"""Formats that are others with something added."""

_ANIMATED = ("AVIF", "FLI", "GIF", "PNG", "WEBP")


def _gif_is_complete(data: bytes) -> bool:
    from convcli.images.codecs.gif import is_complete

    return is_complete(data)


_COMPLETE: dict[str, Callable[[bytes], bool]] = {
    "GIF": _gif_is_complete,
    # The mark that every codestream ends with, and that no data in it can look like.
    "JPEG2000": lambda data: b"\xff\xd9" in data,
}
"""Tests for formats whose decoders take what there is for all that there was."""

_DEFAULTS = ReadPolicy()


def read_picture(
    source: "str | Path | BinaryIO", name: str | None = None, reading: ReadPolicy = _DEFAULTS
) -> Picture:
    """Read the first picture of a file.

    Parameters, errors
    ------------------
    As for `read_document`.

    Returns
    -------
    Picture
    """
    return read_document(source, name, reading).frames[0]


def read_document(
    source: "str | Path | BinaryIO", name: str | None = None, reading: ReadPolicy = _DEFAULTS
) -> Document:
    """Read all frames of a file; EXIF orientation is applied to the pixels.

    Parameters
    ----------
    source : str, Path or binary file
        A path, a URL that fsspec knows, or an open stream (read to its end first where it
        cannot seek).
    name : str, optional
        What messages call the stream.
    reading : ReadPolicy
        What is accepted.

    Returns
    -------
    Document
        Pixels as `MODES` says: uint8, uint16 for 16 bits, or floats.

    Raises
    ------
    ImageError
        If there is no such file, it holds no picture, a damaged or a truncated one, more
        pixels than the limit, or a format that is off.
    """
    label = name or str(source)
    if not label:
        raise ImageError("'': expected the name of a picture, got none: name a file")
    with _faults(label, reading), _seekable(source, label, reading) as file:
        prefix = file.read(_PREFIX)
        file.seek(0)
        with guarded(reading), _quietly(prefix):
            if is_array(prefix):
                return read_array(file, label, reading)
            return _decode(file, prefix, label, reading)


def read_metadata(file: BinaryIO, frame: int, name: str) -> tuple[Metadata, str]:
    """Read what a TIFF says about a page, and the name of its mode; no pixel is decoded.

    Parameters
    ----------
    file : binary file
        A TIFF of any size; it can seek.
    frame : int
        The page.
    name : str
        What errors call it.

    Returns
    -------
    Metadata, str
        Nothing, and an empty name, of a page that Pillow does not know.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    unlimited = ReadPolicy(max_pixels=2**62)
    with _faults(name, unlimited), guarded(unlimited), without_chatter():
        try:
            with Image.open(file, formats=("TIFF",)) as opened:
                if frame:
                    opened.seek(frame)
                return metadata_of(opened)[0], opened.mode
        except UnidentifiedImageError:
            return Metadata(), ""


@contextlib.contextmanager
def _faults(label: str, reading: ReadPolicy) -> Iterator[None]:
    """Turn what goes wrong into one line that names the file and the fault."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"{label}: no such file: check the path") from None
    except IsADirectoryError:
        raise ImageError(
            f"{label}: expected a picture, got a folder: name a file in it"
        ) from None
    except PermissionError:
        raise ImageError(f"{label}: no permission to read it: check its mode") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        declared = int("".join(re.findall(r"\d+", str(error))[:1]) or 0)
        raise too_many_pixels(label, reading.max_pixels, declared) from None
    except MemoryError:
        raise ImageError(
            f"{label}: not enough memory for it: use a smaller picture, or --frame"
        ) from None
    except _DECODER_FAULTS as error:
        # The system's own messages repeat the name.
        system = error.strerror if isinstance(error, OSError) else None
        fault = system or " ".join(str(error).split()) or type(error).__name__
        hint = ": check the path" if system else ": get a whole copy of the file"
        if "truncated" in fault:
            hint = ": --allow-truncated reads what there is"
        if fault.endswith(NOT_READ):
            hint = ": 'convcli apply --tiled' reads more, or save it in strips with Deflate"
        raise ImageError(f"{label}: the picture cannot be read: {fault}{hint}") from None


def _quietly(prefix: bytes) -> contextlib.AbstractContextManager[None]:
    """Silence the one decoder that speaks to standard error by itself."""
    tiff = prefix[:2] in (b"II", b"MM")
    return without_chatter() if tiff else contextlib.nullcontext()


@contextlib.contextmanager
def _seekable(
    source: "str | Path | BinaryIO", label: str, reading: ReadPolicy
) -> Iterator[BinaryIO]:
    if not isinstance(source, str | os.PathLike):
        yield source if source.seekable() else _slurped(source.read, label, reading)
        return
    path = local_path(source)
    if path is None:
        yield _slurped(functools.partial(fetched, str(source)), label, reading)
        return
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes 3 ms to import
        yield file if file.seekable() else _slurped(file.read, label, reading)


def _slurped(read: Callable[[int], bytes], label: str, reading: ReadPolicy) -> BinaryIO:
    """Return all that comes from afar; a pipe may never end, memory does."""
    data = read(reading.max_bytes + 1)
    if len(data) > reading.max_bytes:
        raise ImageError(
            f"{label}: expected at most {reading.max_bytes:,} bytes, got more: raise "
            "--max-pixels if you trust the file"
        )
    return io.BytesIO(data)


def _decode(file: BinaryIO, prefix: bytes, label: str, reading: ReadPolicy) -> Document:
    try:
        opened = open_image(file, reading)
    except UnidentifiedImageError:
        from convcli.images.codecs.tiff_deep import open_deep_tiff

        document = open_deep_tiff(file, label, reading)
        if document is not None:
            return document
        raise _unknown(prefix, label, reading) from None
    with opened:
        _check_end(file, opened.format, reading)
        return _document(file, opened, label, reading)


def _check_end(file: BinaryIO, kind: str | None, reading: ReadPolicy) -> None:
    """Refuse files that end early in formats whose decoders do not notice."""
    is_complete = _COMPLETE.get(kind or "")
    if is_complete is None or reading.allow_truncated:
        return
    at = file.tell()
    file.seek(0)
    complete = is_complete(file.read())
    file.seek(at)
    if not complete:
        raise OSError("image file is truncated")


def _unknown(prefix: bytes, label: str, reading: ReadPolicy) -> ImageError:
    if not prefix:
        return ImageError(f"{label}: expected a picture, got an empty file: make it again")
    kind = blocked_format(prefix)
    if kind is not None and kind not in reading.allow_formats:
        return ImageError(
            f"{label}: {kind} files are off, for they may run other programs or hold no "
            f"picture: add --allow-format {kind.lower()} if you trust the file"
        )
    return ImageError(
        f"{label}: expected a picture, got something else: convert it to PNG first"
    )


def _document(
    file: BinaryIO, opened: ImageFile.ImageFile, label: str, reading: ReadPolicy
) -> Document:
    kind = _NAMES.get(opened.format or "", opened.format)
    animated = opened.format in _MANY
    count = int(getattr(opened, "n_frames", 1)) if animated else 1
    wanted = _wanted(count, label, reading)
    counter = Counter(reading.max_pixels, label)
    if kind != "TIFF":
        counter.add(*opened.size, len(wanted))
    mode = opened.mode
    frames: list[Frame] = []
    for index in wanted:
        if count > 1:
            opened.seek(index)
        if kind == "TIFF":
            counter.add(*opened.size)
        frames.append(frame_of(file, opened, kind, label))
        if len(frames) == 1:
            metadata, notes = metadata_of(opened)
    return Document(
        frames=tuple(frame.picture for frame in frames),
        metadata=metadata,
        timing=timing_of(frames, opened) if kind in _ANIMATED else None,
        mode=mode,
        notes=tuple(
            dict.fromkeys((*notes, *(note for frame in frames for note in frame.notes)))
        ),
    )


def _wanted(count: int, label: str, reading: ReadPolicy) -> range:
    if reading.frame is None:
        return range(count)
    if reading.frame >= count:
        raise ImageError(
            f"{label}: expected a frame of 0 to {count - 1}, got {reading.frame}: "
            "they are counted from 0"
        )
    return range(reading.frame, reading.frame + 1)

"""What a file says beside its pixels: how it begins, its size, and a TIFF's metadata."""

import io
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from convcli.errors import ImageError
from convcli.images.codecs.pillow import deep_rawmode
from convcli.images.modes import MODES
from convcli.images.policy import (
    TIFF_HEADERS,
    ReadPolicy,
    decoder_errors,
    load_package,
    open_image,
    pillow_set_to,
)
from convcli.storage.urls import fetched, local_path
from convcli.values import Record, replace

if TYPE_CHECKING:
    from pathlib import Path


PREFIX = 64
STREAMED = (b"P4", b"P5", b"P6", b"Pf", b"PF")
"""How pictures begin that may follow each other in one stream."""

ARRAY = b"\x93NUMPY"
"""How a ``.npy`` begins."""

BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
"""What Pillow raises on files of too many pixels."""

_BEGINNING = 2**20
"""Bytes of an object in a store that are fetched for its header."""

_DTYPES = {"I": np.float64, "F": np.float32, "I;16": np.uint16}


class Header(Record):
    """The size of the pictures in a file: rows, columns, colour channels; number of frames."""

    shape: tuple[int, int, int]
    alpha: bool
    dtype: np.dtype[Any]
    frames: int


def header_of(source: "str | Path", reading: ReadPolicy) -> Header | None:
    """Return the size of the pictures in a file; None where that cannot be read.

    >>> header_of("nowhere.png", ReadPolicy()) is None
    True
    """
    try:
        with _beginning(source) as file, pillow_set_to(reading):
            prefix = file.read(PREFIX)
            file.seek(0)
            if prefix.startswith(ARRAY):
                return _array_header(file, str(source))
            if prefix[:4] in TIFF_HEADERS:
                return _tiff_header(file, reading)
            load_package(prefix, str(source))
            frames = None
            if prefix[:2] in STREAMED and reading.frame is None:
                from convcli.images.codecs.netpbm import netpbm_spans

                frames = len(netpbm_spans(file)) or None
            with open_image(file, reading) as opened:
                header = _image_header(opened, reading)
                return header and replace(header, frames=frames or header.frames)
    except (OSError, ImageError, *BOMBS):
        return None  # reading the whole file will say what is wrong


def _beginning(source: "str | Path") -> BinaryIO:
    """Open a file, or the beginning of an object in a store."""
    path = local_path(source)
    if path is None:
        return io.BytesIO(fetched(str(source), _BEGINNING))
    return open(path, "rb")  # noqa: PTH123 - pathlib takes 3 ms to import


def _array_header(file: BinaryIO, label: str) -> Header | None:
    from convcli.images.codecs.npy import DIMENSIONS, array_header

    shape, _, dtype = array_header(file, label)
    if len(shape) not in DIMENSIONS:
        return None
    rows, columns, channels = (*shape, 1)[:3]
    return Header((rows, columns, channels), alpha=False, dtype=dtype, frames=1)


def _tiff_header(file: BinaryIO, reading: ReadPolicy) -> Header | None:
    from convcli.images.codecs.tiff_pages import full_pages, tiff_pages

    pages = full_pages(list(tiff_pages(file)))
    file.seek(0)
    count = len(pages) if reading.frame is None else 1
    if pages and pages[0].is_ours:
        return Header(*pages[0].header, count)
    with open_image(file, reading) as opened:
        header = _image_header(opened, reading)
        return header and replace(header, frames=count)


def _image_header(opened: ImageFile.ImageFile, reading: ReadPolicy) -> Header | None:
    mode = MODES.get(opened.mode)
    if mode is None:
        return None
    deep = deep_rawmode(opened) is not None
    with decoder_errors():
        transparent = opened.has_transparency_data
    return Header(
        shape=(opened.height, opened.width, 3 if mode.target.startswith("RGB") else 1),
        alpha=mode.target.endswith("A") or transparent,
        dtype=np.dtype(np.uint16 if deep else _DTYPES.get(mode.target, np.uint8)),
        frames=frame_count(opened) if reading.frame is None else 1,
    )


def frame_count(opened: ImageFile.ImageFile) -> int:
    """Return how many frames a file has."""
    with decoder_errors():
        return int(getattr(opened, "n_frames", 1))

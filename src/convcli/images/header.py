"""What a file says about its pictures before any is decoded."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from convcli.errors import ImageError
from convcli.images.arrays import array_header, is_array
from convcli.images.deep import deep_rawmode
from convcli.images.faults import FAULTS
from convcli.images.limits import Reading, guarded, open_image
from convcli.images.modes import MODES
from convcli.records import Record
from convcli.storage import fetched, local_path

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


def header_of(source: str | Path, reading: Reading) -> Header | None:
    """Return what a file says about its pictures; None where that cannot be read.

    Examples
    --------
    >>> header_of("nowhere.png", Reading()) is None
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


def _of_image(opened: ImageFile.ImageFile, reading: Reading) -> Header:
    target = MODES[opened.mode].target
    deep = deep_rawmode(opened) is not None
    return Header(
        shape=(opened.height, opened.width, 3 if target.startswith("RGB") else 1),
        alpha=target.endswith("A") or opened.has_transparency_data,
        dtype=np.dtype(np.uint16 if deep else _DTYPES.get(target, np.uint8)),
        frames=int(getattr(opened, "n_frames", 1)) if reading.frame is None else 1,
    )

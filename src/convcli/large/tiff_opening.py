"""What a TIFF is, from its directories alone: which page, how its pixels lie."""

from typing import Any

import numpy as np

from convcli.errors import ImageError
from convcli.images import read_metadata
from convcli.large.extra import needed
from convcli.large.source import check_chunk, faults
from convcli.large.tiff_file import OpenPage, TiffFile, no_page, opening
from convcli.large.tiff_source import TiffSource
from convcli.storage import Ranges

_DTYPES = ("uint8", "uint16", "float16", "float32", "float64")
_BLACK_IS_ZERO, _RGB = 1, 2
_ANY, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_UPRIGHT = 1
_PLANES = 2
_ORIENTATION = 274
_STRIP_BYTES = 2**20
"""Rows of so many bytes are read together where pixels lie in the file as they are."""


def open_tiff(name: str, frame: int | None = None) -> TiffSource:
    """Open a TIFF, which is to be closed; only its directories are read.

    Parameters
    ----------
    name : str
        The file: a path, or a URL of a store that sends parts.
    frame : int, optional
        The page, where there are several.

    Raises
    ------
    ImageError
        If there is none, it is damaged, or keeps pixels in a way that is not read.
    """
    needed("tifffile", name)
    with faults(name), opening(name) as (ranges, file):
        number = _page_number(file, name, frame)
        return _source(file.pages[number], name, number, ranges)


def _page_number(file: Any, name: str, frame: int | None) -> int:
    """Return which page is meant; smaller copies of a page are not counted."""
    full = [i for i in range(len(file.pages)) if not file.pages[i].is_reduced]
    if not full:
        raise no_page(name)
    if frame is None and len(full) > 1:
        raise ImageError(f"{name}: expected one page, got {len(full)}: choose one with --frame")
    if (frame or 0) >= len(full):
        raise ImageError(
            f"{name}: expected a page of 0 to {len(full) - 1}, got {frame}: they are "
            "counted from 0"
        )
    return full[frame or 0]


def _source(page: Any, name: str, number: int, ranges: Ranges) -> TiffSource:
    dtype, stored = _dtype(page, name), page.samplesperpixel
    width, height = page.imagewidth, page.imagelength
    if min(width, height, stored) < 1:
        raise ValueError("it has no pixels")
    kept, alpha = _samples(page, name)
    start = page.dataoffsets[0] if page.is_contiguous and not page.is_tiled else None
    chunk = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    if start is not None:
        chunk = (max(1, _STRIP_BYTES // (width * stored * dtype.itemsize)), width)
    if not page.is_tiled:
        chunk = (min(chunk[0], height), width)
    planar = int(page.planarconfig) == _PLANES and stored > 1
    _check_places(page, chunk, stored if planar else 1)
    check_chunk(chunk, stored * dtype.itemsize, name)
    metadata, mode = read_metadata(ranges.opened(), number, name)
    return TiffSource(
        label=name,
        shape=(height, width, kept),
        dtype=dtype,
        alpha=alpha,
        chunk=chunk,
        metadata=metadata,
        mode=mode or dtype.name,
        file=TiffFile(name, number, ranges.version, OpenPage(ranges, page)),
        planar=planar,
        stored=stored,
        start=start,
    )


def _check_places(page: Any, chunk: tuple[int, int], planes: int) -> None:
    """Refuse a directory that does not tell where all tiles or strips are.

    Its size is wrong, or its end is missing: a result of that size may fill all memory.
    """
    if min(chunk) < 1:
        raise ValueError("its tiles or strips have no pixels")
    down, across = -(-page.imagelength // chunk[0]), -(-page.imagewidth // chunk[1])
    if not page.is_contiguous and len(page.dataoffsets) < down * across * planes:
        raise ValueError("the file is truncated")


def _named(tag: Any) -> str:
    """Return what a number of a directory stands for; the number itself where it is unknown."""
    return str(getattr(tag, "name", tag))


def _samples(page: Any, name: str) -> tuple[int, bool]:
    """Return how many samples are looked at, and whether the last is an opacity."""
    kind, extra = int(page.photometric), [int(one) for one in page.extrasamples]
    if kind not in (_BLACK_IS_ZERO, _RGB):
        raise ImageError(
            f"{name}: expected grey or RGB pixels, got {_named(page.photometric)}: convert "
            "it first"
        )
    turned = page.tags.valueof(_ORIENTATION, default=_UPRIGHT)
    if turned != _UPRIGHT:
        raise ImageError(
            f"{name}: expected a picture that is upright, got orientation {turned}: turn "
            "it first"
        )
    if _ASSOCIATED in extra:
        raise ImageError(
            f"{name}: expected colours that are not multiplied by their opacity, got "
            "associated alpha: convert it first"
        )
    # A fourth sample beside red, green and blue that is said to be nothing is nothing.
    unused = kind == _RGB and extra == [_ANY]
    return page.samplesperpixel - unused, bool(extra) and extra[-1] == _UNASSOCIATED


def _dtype(page: Any, name: str) -> np.dtype[Any]:
    if page.dtype is None or page.dtype.name not in _DTYPES or page.imagedepth > 1:
        got = f"a volume of {page.imagedepth} layers" if page.imagedepth > 1 else page.dtype
        raise ImageError(
            f"{name}: expected pixels of 8 or 16 bits or floats, got "
            f"{got or f'{page.bitspersample} bits'}: convert it first"
        )
    try:
        needed("tifffile", name).TIFF.DECOMPRESSORS[int(page.compression)]
    except (KeyError, ValueError):
        raise ImageError(
            f"{name}: {_named(page.compression)} compression is not read without the package "
            "imagecodecs: pip install imagecodecs, or rewrite it with Deflate"
        ) from None
    dtype: np.dtype[Any] = np.dtype(page.dtype).newbyteorder("=")
    return dtype

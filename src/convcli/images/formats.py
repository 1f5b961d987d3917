"""What each file format can hold: one table for reading, writing and the docs."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.choices import Depth
from convcli.errors import ImageError, fail
from convcli.images.picture import Frame
from convcli.text import is_matrix
from convcli.values import Record

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_LEVEL = 4
"""zlib's default level for PNG and TIFF. A PNG of 12 megapixels takes 1.0 s and 24.8 MB at
level 1, 1.6 s and 24.0 MB at level 4, and the same at 6 and 9; looking for runs only, which
suits photographs (see `codecs.png`), 0.6 s and 22.4 MB."""

NPY, CSV, JSON = "NPY", "CSV", "JSON"

RAW = frozenset({NPY, CSV, JSON})  # numbers: they get the raw results, before any range
_EIGHT = frozenset({Depth.EIGHT})
_WHOLE = frozenset({Depth.EIGHT, Depth.SIXTEEN})
_ALL = frozenset(Depth)


class Format(Record, kw_only=True):
    """What a format can hold when it is written; `name` is Pillow's, or ``NPY``."""

    name: str
    suffixes: tuple[str, ...]  # of file names, in lower case
    gray: frozenset[Depth] = _EIGHT  # the depths of grey pictures
    colour: frozenset[Depth] = _EIGHT  # the depths of pictures in colour
    alpha: bool = False  # whether it holds transparency
    keeps: tuple[str, ...] = ()  # which parts of `Metadata`
    frames: bool = False  # whether it holds several pictures
    quality: int | None = None  # without --quality; 0 is lossless, None where it has no quality
    levels: bool = False  # whether --compress-level applies
    settings: Mapping[str, Any] = MappingProxyType({})  # Pillow's others


_USUAL = ("icc", "dpi", "exif", "xmp")

_TABLE = (
    Format(name="PNG", suffixes=(".png", ".apng"), gray=_WHOLE, colour=_WHOLE, alpha=True,
           frames=True, levels=True, keeps=_USUAL),
    Format(name="TIFF", suffixes=(".tif", ".tiff"), gray=_ALL, colour=_ALL, alpha=True,
           frames=True, levels=True, keeps=(*_USUAL, "iptc", "geo", "nodata", "ome")),
    Format(name="JPEG", suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"), quality=95,
           keeps=(*_USUAL, "iptc", "comment")),
    Format(name="WEBP", suffixes=(".webp",), alpha=True, keeps=("icc", "exif", "xmp"),
           frames=True, quality=0, settings=MappingProxyType({"exact": True})),
    Format(name="GIF", suffixes=(".gif",), alpha=True, frames=True),
    Format(name="AVIF", suffixes=(".avif", ".avifs"), alpha=True, keeps=("icc", "exif", "xmp"),
           frames=True, quality=90, settings=MappingProxyType({"subsampling": "4:4:4"})),
    Format(name="BMP", suffixes=(".bmp",), keeps=("dpi",)),
    Format(name="PPM", suffixes=(".ppm", ".pgm", ".pnm", ".pbm", ".pfm"), gray=_ALL,
           frames=True),
    Format(name="JPEG2000", suffixes=(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
           gray=_WHOLE, alpha=True),
    Format(name="TGA", suffixes=(".tga", ".icb", ".vda", ".vst"), alpha=True),
    Format(name="DDS", suffixes=(".dds",), alpha=True),
    Format(name="SGI", suffixes=(".bw", ".rgb", ".rgba", ".sgi")),
    Format(name="PCX", suffixes=(".pcx",)),
    Format(name="QOI", suffixes=(".qoi",), alpha=True),
    Format(name=NPY, suffixes=(".npy",), gray=_ALL, colour=_ALL),
    Format(name=CSV, suffixes=(".csv", ".txt"), gray=_ALL, colour=frozenset()),
    Format(name=JSON, suffixes=(".json",), gray=_ALL, colour=_ALL),
)  # fmt: skip

FORMATS: Mapping[str, Format] = MappingProxyType({entry.name: entry for entry in _TABLE})
SUFFIXES = {suffix: entry.name for entry in _TABLE for suffix in entry.suffixes}

_BY_NAME = {f".{name.lower()}": name for name in FORMATS} | SUFFIXES


def is_matrix_name(name: str) -> bool:
    """Tell whether a name is that of a matrix: inline ``[[1,2],[3,4]]``, .csv, .txt, .json."""
    return is_matrix(name) or name.lower().endswith((".csv", ".txt", ".json"))


def format_for(target: "str | Path", option: str = "--format") -> str:
    """Return the format that a suffix stands for; else an `ImageError` that names `option`."""
    suffix = os.path.splitext(target)[1].lower()
    if suffix not in SUFFIXES:
        got = f"the suffix '{suffix}'" if suffix else "no suffix"
        fault = f"expected a picture format that can be written, got {got}"
        remedy = f"name it .png, .jpg, .webp, .tif or .npy, or use {option}"
        fail(str(target) or repr(""), fault, remedy, ImageError)
    return SUFFIXES[suffix]


def format_named(name: str) -> str:
    """Return the format that a person names, by its name or a suffix; else an `ImageError`."""
    known_name = _BY_NAME.get(f".{name.strip().lower().removeprefix('.')}")
    if known_name is None:
        known = ", ".join(entry.lower() for entry in FORMATS)
        raise ImageError(f"expected a format that can be written ({known}), got {name!r}")
    return known_name


def obstacle(frame: Frame, format_name: str) -> str:
    """Say why a format cannot hold a picture, and the remedy; empty where it can."""
    entry, depth = FORMATS[format_name], frame.depth
    depths = entry.gray if frame.channels == 1 else entry.colour
    what, other = f"{depth.value} bits", "write .png or .tif, or use --depth 8"
    if depth is Depth.FLOAT:
        what, other = "floats", "write .tif or .npy, or use --depth 8 or 16"
    if format_name == CSV and frame.channels > 1:
        return f"CSV holds one channel, not {frame.channels}: use --gray, or write .json"
    if depth not in depths and depth in entry.gray:
        return f"{format_name} holds {what} in grey only: use --gray, --depth 8, or write .tif"
    if depth not in depths:
        return f"{format_name} cannot hold {what}: {other}"
    if frame.is_translucent and not entry.alpha and format_name not in RAW:
        other = "write .png, .webp or .tif, or use --background white"
        return f"{format_name} cannot hold transparency: {other}"
    if frame.pixels.dtype == np.float64 and format_name not in RAW:
        sizes, largest = np.abs(frame.pixels), np.finfo(np.float32).max
        if ((sizes > largest) & np.isfinite(sizes)).any():
            return f"{format_name} holds 32-bit floats, up to {largest:.3g}: write .npy"
    return ""

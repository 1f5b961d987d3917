"""Pictures from files and pipes, and back: the only place that imports Pillow."""

from typing import TYPE_CHECKING

from convcli.deferred import deferred
from convcli.images.formats import FORMATS, NPY, Format, format_for, format_named
from convcli.images.light import from_linear, to_linear
from convcli.images.limits import MAX_PIXELS, READ_FORMATS, Reading, readable_named
from convcli.images.modes import MODES, Mode
from convcli.images.picture import Depth, Document, Metadata, Picture, Timing
from convcli.images.reading import read_document, read_metadata, read_picture
from convcli.images.writing import (
    Saving,
    check_format,
    pipe_format,
    write_array,
    write_document,
    write_picture,
)

if TYPE_CHECKING:
    from convcli.images.drawing import contact_sheet, marked
    from convcli.images.header import Header, header_of
    from convcli.images.tiled import EncodedTile, TiledTiff, TileLayout, encoded_tiles

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MODES",
    "NPY",
    "READ_FORMATS",
    "Depth",
    "Document",
    "EncodedTile",
    "Format",
    "Header",
    "Metadata",
    "Mode",
    "Picture",
    "Reading",
    "Saving",
    "TileLayout",
    "TiledTiff",
    "Timing",
    "check_format",
    "contact_sheet",
    "encoded_tiles",
    "format_for",
    "format_named",
    "from_linear",
    "header_of",
    "marked",
    "pipe_format",
    "read_document",
    "read_metadata",
    "read_picture",
    "readable_named",
    "to_linear",
    "write_array",
    "write_document",
    "write_picture",
]

_HEADER, _TILED = "convcli.images.header", "convcli.images.tiled"

# Filtering a picture needs no letters to draw, and most pictures no tiles.
__getattr__ = deferred(
    __name__,
    {
        "contact_sheet": "convcli.images.drawing",
        "marked": "convcli.images.drawing",
        "Header": _HEADER,
        "header_of": _HEADER,
        "EncodedTile": _TILED,
        "TiledTiff": _TILED,
        "TileLayout": _TILED,
        "encoded_tiles": _TILED,
    },
)

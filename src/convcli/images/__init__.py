"""Pictures from files and pipes, and back: the only place that imports Pillow."""

from convcli.images.atomic import replacing
from convcli.images.picture import Picture
from convcli.images.reading import read_picture
from convcli.images.writing import (
    format_for,
    pipe_format,
    write_array,
    write_picture,
)

__all__ = [
    "Picture",
    "format_for",
    "pipe_format",
    "read_picture",
    "replacing",
    "write_array",
    "write_picture",
]

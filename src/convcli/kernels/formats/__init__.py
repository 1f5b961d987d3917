"""The formats of kernels: one file a format, one line each in `registry.py`."""

from convcli.kernels.formats.reading import (
    Archive,
    archive_at,
    file_exists,
    is_file,
    is_inline,
    parse_kernel,
    read_inline,
    read_kernel,
)
from convcli.kernels.formats.registry import FORMATS, export

__all__ = [
    "FORMATS",
    "Archive",
    "archive_at",
    "export",
    "file_exists",
    "is_file",
    "is_inline",
    "parse_kernel",
    "read_inline",
    "read_kernel",
]

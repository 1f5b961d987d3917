"""Kernels: what they are, the named ones, and how they are read from text and files."""

from typing import TYPE_CHECKING

from convcli.deferred import deferred
from convcli.kernels.catalogue import CATALOGUE, OPERATORS, THEMES, Entry, Parameter
from convcli.kernels.checks import MAX_WEIGHTS
from convcli.kernels.integers import IntegerForm
from convcli.kernels.kernel import Effect, Kernel
from convcli.kernels.layout import Layout
from convcli.kernels.named import entry_named
from convcli.kernels.operator import Combine, Operator
from convcli.kernels.spec import kernel_from, operand_from

if TYPE_CHECKING:
    from convcli.kernels.formats import (
        FORMATS,
        Archive,
        archive_at,
        export,
        parse_kernel,
        read_kernel,
    )

__all__ = [
    "CATALOGUE",
    "FORMATS",
    "MAX_WEIGHTS",
    "OPERATORS",
    "THEMES",
    "Archive",
    "Combine",
    "Effect",
    "Entry",
    "IntegerForm",
    "Kernel",
    "Layout",
    "Operator",
    "Parameter",
    "archive_at",
    "entry_named",
    "export",
    "kernel_from",
    "operand_from",
    "parse_kernel",
    "read_kernel",
]

_FORMATS = "convcli.kernels.formats"

# The name of a kernel is known without the formats of files.
__getattr__ = deferred(
    __name__,
    dict.fromkeys(
        ("FORMATS", "Archive", "archive_at", "export", "parse_kernel", "read_kernel"),
        _FORMATS,
    ),
)

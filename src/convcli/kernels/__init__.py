"""Kernels: what they are, the named ones, and how they are read from text and files."""

from convcli.kernels.catalogue import CATALOGUE, Entry, Parameter
from convcli.kernels.files import parse_kernel, read_kernel
from convcli.kernels.kernel import MAX_WEIGHTS, Effect, IntegerForm, Kernel
from convcli.kernels.spec import entry_named, kernel_from

__all__ = [
    "CATALOGUE",
    "MAX_WEIGHTS",
    "Effect",
    "Entry",
    "IntegerForm",
    "Kernel",
    "Parameter",
    "entry_named",
    "kernel_from",
    "parse_kernel",
    "read_kernel",
]

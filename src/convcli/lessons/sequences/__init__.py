"""Convolution outside images: two sequences, exactly."""

from convcli.lessons.sequences.convolve import Mode, convolve_direct, convolve_exactly, kept
from convcli.lessons.sequences.numbers import (
    Number,
    SequenceError,
    digits_unlimited,
    parse_sequence,
)
from convcli.lessons.sequences.operations import Operations, cheaper_by_fft, operations
from convcli.lessons.sequences.readings import carried, parse_die, parse_digits, polynomial

__all__ = [
    "Mode",
    "Number",
    "Operations",
    "SequenceError",
    "carried",
    "cheaper_by_fft",
    "convolve_direct",
    "convolve_exactly",
    "digits_unlimited",
    "kept",
    "operations",
    "parse_die",
    "parse_digits",
    "parse_sequence",
    "polynomial",
]

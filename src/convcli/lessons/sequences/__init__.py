"""Convolution outside images: two sequences, exactly."""

from convcli.lessons.sequences.convolve import Mode, convolve_direct, convolve_exactly, cut
from convcli.lessons.sequences.numbers import (
    Number,
    SequenceError,
    digits_unlimited,
    parse_sequence,
)
from convcli.lessons.sequences.operations import Operations, break_even, operations
from convcli.lessons.sequences.readings import carried, parse_die, parse_digits, polynomial

__all__ = [
    "Mode",
    "Number",
    "Operations",
    "SequenceError",
    "break_even",
    "carried",
    "convolve_direct",
    "convolve_exactly",
    "cut",
    "digits_unlimited",
    "operations",
    "parse_die",
    "parse_digits",
    "parse_sequence",
    "polynomial",
]

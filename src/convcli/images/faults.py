"""What Pillow raises on damaged files and senseless settings: no one exception is its own."""

import struct

FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)
"""Each decoder, each tag has its own habits; ``NotImplementedError`` is a RuntimeError."""

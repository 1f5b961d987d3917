"""A zlib stream (RFC 1950) of parts that are compressed by themselves, on several threads.

A part ends on a byte, and begins with the end of the one before it as its dictionary, so
that they join to what any decoder reads; their checksums join too. The stream does not
depend on the number of threads.
"""

import struct
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from numpy.typing import NDArray

WINDOW = 2**15
"""Bytes that a repetition may lie back: the most that a dictionary can be of use for."""

_HEADER = b"\x78\x9c"
_RAW = -zlib.MAX_WBITS
_MEMORY = 9
"""Of zlib: as much as it can use."""
_MODULUS = 65_521


class Part(NamedTuple):
    """A compressed part.

    Attributes
    ----------
    data : bytes
        Without header and checksum.
    checksum : int
        Adler-32 of what it was made of.
    length : int
        Bytes of what it was made of.
    """

    data: bytes
    checksum: int
    length: int


def part_of(
    blocks: Iterable[NDArray[Any]],
    level: int,
    strategy: int,
    *,
    dictionary: bytes = b"",
    last: bool = True,
) -> Part:
    """Compress one part.

    Parameters
    ----------
    blocks : iterable of ndarray
        Contiguous: what it is made of.
    level, strategy : int
        Of zlib.
    dictionary : bytes
        What stands before it.
    last : bool
        Whether no other part follows.
    """
    encoder = zlib.compressobj(level, zlib.DEFLATED, _RAW, _MEMORY, strategy, dictionary)
    found, checksum, length = [], 1, 0
    for block in blocks:
        found.append(encoder.compress(block.data))
        checksum, length = zlib.adler32(block.data, checksum), length + block.nbytes
    found.append(encoder.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH))
    return Part(b"".join(found), checksum, length)


def stream_of(parts: Iterable[Part]) -> bytes:
    """Join parts to a stream.

    Examples
    --------
    >>> import numpy as np
    >>> words = np.frombuffer(b"one, two and three", np.uint8)
    >>> head = part_of([words[:9]], 6, 0, last=False)
    >>> tail = part_of([words[9:]], 6, 0, dictionary=b"one, two ")
    >>> zlib.decompress(stream_of([head, tail]))
    b'one, two and three'
    """
    pieces, checksum = [_HEADER], 1
    for part in parts:
        pieces.append(part.data)
        checksum = _joined(checksum, part)
    return b"".join((*pieces, struct.pack(">I", checksum)))


def _joined(before: int, part: Part) -> int:
    """Return Adler-32 of what two checksums are of: a sum, and the sum of its steps."""
    low, high = before & 0xFFFF, before >> 16
    more, steps = part.checksum & 0xFFFF, part.checksum >> 16
    both = (low + more - 1) % _MODULUS
    return (high + steps + part.length * (low - 1)) % _MODULUS << 16 | both

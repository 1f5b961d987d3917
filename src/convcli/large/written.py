"""What comes of blocks, and what it is written to."""

from collections.abc import Callable
from dataclasses import dataclass

from convcli.engine import Seen
from convcli.images import EncodedTile
from convcli.large.work import Work


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a block.

    Attributes
    ----------
    seen : Seen
        Of its raw values.
    tiles : list of EncodedTile
        What is still to be written, by the process that has the file open.
    """

    seen: Seen
    tiles: list[EncodedTile]


@dataclass(frozen=True, slots=True)
class Target:
    """An output that is being written.

    Attributes
    ----------
    task : callable
        Computes a block, where the worker is.
    add : callable
        Writes a tile that came of it, here.
    """

    task: Callable[[Work, slice, slice], Written]
    add: Callable[[EncodedTile], None]

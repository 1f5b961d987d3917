"""How a large picture is filtered, decided before a pixel is read."""

from dataclasses import dataclass
from typing import Any

from convcli.engine import Plan
from convcli.filtering import Range
from convcli.large.blocks import Blocks, blocks_for
from convcli.large.source import Source
from convcli.large.work import Work
from convcli.large.zarr_source import ZarrSource
from convcli.storage import is_zarr
from convcli.threads import available_cores

_USUAL_TILE = 512
_LARGEST_TILE = 4096
_UNIT = 16
"""Sides of a TIFF's tiles are multiples of it."""

_WHOLE = (Range.STRETCH, Range.BALANCE)
"""Ranges that depend on all values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How a large picture would be filtered.

    Attributes
    ----------
    plans : tuple of Plan
        One for each kernel.
    blocks : Blocks
        What is computed at once.
    chunk : (int, int)
        Rows and columns of a tile of the output.
    source_chunk : (int, int)
        The same of the input.
    passes : int
        How often the picture is gone through.
    jobs : int
        Blocks at once.
    """

    plans: tuple[Plan, ...]
    blocks: Blocks
    chunk: tuple[int, int]
    source_chunk: tuple[int, int]
    passes: int
    jobs: int

    @property
    def memory_bytes(self) -> int:
        """Estimate of the memory that all blocks at work take together."""
        return self.blocks.nbytes * min(self.jobs, self.blocks.count)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; sizes are width, height."""
        return {
            "blocks": self.blocks.count,
            "block": _size(self.blocks.shape),
            "halo": _size(self.blocks.halo),
            "chunk": _size(self.chunk),
            "input_chunk": _size(self.source_chunk),
            "passes": self.passes,
            "jobs": self.jobs,
            "memory_bytes": self.memory_bytes,
            "plans": [plan.as_dict(1) for plan in self.plans],
        }


def tiling_for(
    work: Work, target: str, jobs: int | None, memory: int | None, client: Any
) -> Tiling:
    """Decide on blocks and tiles.

    Parameters
    ----------
    work : Work
        What is done.
    target : str
        The output's name.
    jobs, memory, client
        As in `filter_large`.
    """
    threads = jobs or available_cores()
    if client is not None:
        threads = max(1, sum(client.nthreads().values()))
    chunk = _chunk(work.source, work, target)
    return Tiling(
        plans=tuple(plan for stage in work.course.stages for plan in stage.plans),
        blocks=blocks_for(work, chunk, threads, memory),
        chunk=chunk,
        source_chunk=work.source.chunk,
        passes=1 + (work.course.mapping in _WHOLE),
        jobs=threads,
    )


def _chunk(source: Source, work: Work, target: str) -> tuple[int, int]:
    """Return the output's tiles: the input's, where they can be."""
    rows, columns = source.chunk
    if is_zarr(target):
        tiled = isinstance(source, ZarrSource) or columns < source.shape[1]
        wanted = (rows, columns) if tiled else (_USUAL_TILE, _USUAL_TILE)
        return (min(wanted[0], work.shape[0]), min(wanted[1], work.shape[1]))
    fits = rows % _UNIT == 0 and columns % _UNIT == 0 and max(rows, columns) <= _LARGEST_TILE
    return (rows, columns) if fits else (_USUAL_TILE, _USUAL_TILE)


def _size(shape: tuple[int, int]) -> dict[str, int]:
    return {"width": shape[1], "height": shape[0]}

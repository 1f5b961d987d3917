"""How a tiled picture is cut into blocks: as large as memory allows, with little waste."""

import itertools
from typing import Any

import numpy as np

from convcli.choices import Range
from convcli.engine.planner import Plan
from convcli.pipeline.steps import PlannedStep
from convcli.scale.tiled.source import Source
from convcli.scale.tiled.work import TiledWork
from convcli.scale.tiled.zarr import ZarrSource
from convcli.storage.urls import is_zarr
from convcli.threads import available_cores
from convcli.values import Record

_MEMORY = 2**28
"""Bytes for all blocks that are computed at once, where nothing else is asked for."""

_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Chunks of the output a side of a block."""

_FLOAT = 4

_DIRECTION_FLOATS = 6
"""For each pixel of a direction: the gradient, its angle, and what hues are made of."""


class Blocks(Record, kw_only=True):
    """The blocks of a result.

    Attributes
    ----------
    size : (int, int)
        Rows and columns of the result.
    shape : (int, int)
        Of a block: whole chunks of the output.
    halo : (int, int)
        Rows and columns of the picture that a block reads beside those under it.
    nbytes : int
        Estimate of the memory that a block takes while it is computed.
    """

    size: tuple[int, int]
    shape: tuple[int, int]
    halo: tuple[int, int] = (0, 0)
    nbytes: int = 0

    @property
    def grid(self) -> tuple[int, int]:
        """Blocks down and across."""
        return (-(-self.size[0] // self.shape[0]), -(-self.size[1] // self.shape[1]))

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return self.grid[0] * self.grid[1]

    def at(self, row: int, column: int) -> tuple[slice, slice]:
        """Return the outputs of a block.

        Examples
        --------
        >>> Blocks(size=(10, 10), shape=(4, 16)).at(2, 0)
        (slice(8, 10, None), slice(0, 10, None))
        """
        (height, width), (rows, columns) = self.size, self.shape
        return (
            slice(row * rows, min((row + 1) * rows, height)),
            slice(column * columns, min((column + 1) * columns, width)),
        )


def blocks_for(
    work: TiledWork, chunk: tuple[int, int], jobs: int, memory: int | None = None
) -> Blocks:
    """Cut the result of some work into blocks.

    Parameters
    ----------
    work : TiledWork
        What is done.
    chunk : (int, int)
        Rows and columns of the output's tiles: a block has whole ones.
    jobs : int
        Blocks that are computed at once.
    memory : int, optional
        Bytes for all of them together; a block of one chunk may need more.

    Returns
    -------
    Blocks
        Those that compute and read least twice, of those that fit.
    """
    most = (memory or _MEMORY) // jobs
    down, across = (_lengths(work.shape[axis], chunk[axis]) for axis in (0, 1))
    candidates = [_blocks(work, shape) for shape in itertools.product(down, across)]
    fitting = [one for one in candidates if one.nbytes <= most]
    if not fitting:
        return min(candidates, key=lambda one: one.nbytes)
    return min(fitting, key=lambda one: (_waste(work, one) + jobs / one.count, one.nbytes))


def chunks_of(work: TiledWork) -> Blocks:
    """Cut the picture itself into blocks of whole chunks, about as large as its tiles."""
    rows, columns, _ = work.source.shape
    down, across = work.source.chunk
    across *= max(1, 2**22 // (down * across))
    return Blocks(size=(rows, columns), shape=(down, min(across, columns)))


def _lengths(size: int, chunk: int) -> list[int]:
    lengths = [chunk * step for step in _STEPS if chunk * step < size]
    return [*lengths, -(-size // chunk) * chunk]


def _blocks(work: TiledWork, shape: tuple[int, int]) -> Blocks:
    size = work.shape[:2]
    wanted = (min(shape[0], size[0]), min(shape[1], size[1]))
    nbytes, read = _walk(work, wanted)
    jump = np.prod([stage.problem.window.stride for stage in work.pipeline.stages], axis=0)
    halo = (read[0] - wanted[0] * int(jump[0]), read[1] - wanted[1] * int(jump[1]))
    return Blocks(
        size=(size[0], size[1]),
        shape=shape,
        halo=(max(halo[0], 0), max(halo[1], 0)),
        nbytes=nbytes,
    )


def _walk(work: TiledWork, wanted: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Return the bytes of a block, and how much of the picture it reads: from the end up."""
    pipeline, source = work.pipeline, work.source
    rows, columns = wanted
    samples = work.channels + source.alpha
    # The block itself, and once more as it is encoded.
    nbytes = 2 * rows * columns * samples * work.dtype.itemsize
    for stage in reversed(pipeline.stages):
        floats = 0 if stage is pipeline.stages[-1] and pipeline.is_streamed else 1
        if pipeline.options.direction and stage is pipeline.stages[-1]:
            floats += _DIRECTION_FLOATS
        floats += (stage.combine is not None) + (
            pipeline.options.linear or not pipeline.is_streamed
        )
        nbytes += rows * columns * stage.problem.outputs * _FLOAT * floats
        rows, columns = _read(stage, rows, columns)
        problem = stage.problem
        nbytes += rows * columns * problem.shape[2] * problem.dtype.itemsize
        nbytes += sum(one.scratch_bytes for one in stage.plans)
    read = rows * columns * source.shape[2] * source.dtype.itemsize
    return nbytes + read, (rows, columns)


def _read(stage: PlannedStep, rows: int, columns: int) -> tuple[int, int]:
    """Return how many rows and columns of its input a step reads for a block."""
    lengths = []
    for axis, count in enumerate((rows, columns)):
        tile = max(_tile(one)[axis] for one in stage.plans)
        whole, given = stage.problem.result_shape[axis], stage.problem.shape[axis]
        window = stage.problem.window.axes[axis]
        covered = min(count + tile, whole)
        lengths.append(min((covered - 1) * window.stride + window.extent, given))
    return (lengths[0], lengths[1])


def _tile(plan: Plan) -> tuple[int, int]:
    return (plan.strategy.rows, plan.strategy.columns)


def _waste(work: TiledWork, blocks: Blocks) -> float:
    """Estimate how much is computed and read, by how much is wanted."""
    last = work.pipeline.stages[-1].plans[0]
    computed = read = 1.0
    for axis in (0, 1):
        whole = blocks.size[axis]
        length = min(blocks.shape[axis], whole)
        tile, chunk = _tile(last)[axis], work.source.chunk[axis]
        if length < whole:
            computed *= 1 + (tile if length % tile else 0) / length
            read *= 1 + (blocks.halo[axis] + chunk) / length
    return computed + read


_USUAL_TILE = 512
_LARGEST_TILE = 4096
_UNIT = 16
"""Sides of a TIFF's tiles are multiples of it."""

_WHOLE = (Range.STRETCH, Range.BALANCE)
"""Ranges that depend on all values."""


class Tiling(Record, kw_only=True):
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
    work: TiledWork, target: str, jobs: int | None, memory: int | None, client: Any
) -> Tiling:
    """Decide on blocks and tiles.

    Parameters
    ----------
    work : TiledWork
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
        plans=tuple(plan for stage in work.pipeline.stages for plan in stage.plans),
        blocks=blocks_for(work, chunk, threads, memory),
        chunk=chunk,
        source_chunk=work.source.chunk,
        passes=1 + (work.pipeline.mapping in _WHOLE),
        jobs=threads,
    )


def _chunk(source: Source, work: TiledWork, target: str) -> tuple[int, int]:
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

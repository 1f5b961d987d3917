"""How a tiled picture is cut into blocks: as large as memory allows, with little waste."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

from convcli.pipeline.memory import block_need
from convcli.scale.tiled.source import Output, TiledWork, cut
from convcli.threads import available_cores
from convcli.values import Record, replace

_MEMORY = 2**28  # bytes for all blocks that are computed at once, where no limit is asked for

_STACKED = 3  # copies of the planes of a block that are written at once, encoded parts too
_CHUNKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""How many chunks of the output a side of a block may have."""

_SCAN_PIXELS = 2**22  # about the pixels of a block that is only looked at
_FLAT = 2  # axes of what has one plane

Sizes = tuple[int, ...]  # planes along each further axis of an array, then rows and columns


class Blocks(Record, kw_only=True):
    """The blocks of a result of some `size`.

    `shape` is that of a block: whole chunks of the output. `halo` is the rows and columns that
    a block reads in addition to those under it, `nbytes` the memory that it takes, estimated.
    """

    size: Sizes
    shape: Sizes
    halo: tuple[int, int] = (0, 0)
    nbytes: int = 0

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return math.prod(-(-n // step) for n, step in zip(self.size, self.shape, strict=True))

    @property
    def megapixels(self) -> float:
        """Of the result, all planes together."""
        return math.prod(self.size) / 1e6

    def all(self) -> Iterator[tuple[slice, ...]]:
        """Yield the region of each block in order: planes, rows and columns."""
        return cut([slice(0, n) for n in self.size], self.shape)


def blocks_for(work: TiledWork, chunk: Sizes, jobs: int, memory: int) -> Blocks:
    """Choose blocks of whole chunks that fit, and compute and read the least twice.

    A block has the planes of one chunk. `jobs` blocks may take `memory` bytes together.
    """
    # No pixel is read here: any may be translucent, which takes more memory.
    work = replace(work, pipeline=work.pipeline.for_translucent())
    most = (memory - work.pipeline.options.mask_bytes) // jobs
    stack = work.source.stack if len(chunk) > _FLAT else ()
    depth = ([planes] for planes in map(min, stack, chunk))
    sides = (
        [*(side * n for n in _CHUNKS if side * n < size), -(-size // side) * side]
        for size, side in zip(work.shape, chunk[-2:], strict=True)
    )
    size, shapes = (*stack, *work.shape), itertools.product(*depth, *sides)
    candidates = [_blocks(work, size, shape) for shape in shapes]
    fitting = [blocks for blocks in candidates if blocks.nbytes <= most]
    if not fitting:
        return min(candidates, key=lambda blocks: blocks.nbytes)
    return min(fitting, key=lambda each: (_waste(work, each) + jobs / each.count, each.nbytes))


def scan_blocks(work: TiledWork) -> Blocks:
    """Cut the picture itself into blocks of whole chunks, about as large as its tiles."""
    rows, columns, _ = work.source.shape
    down, across = work.source.chunk
    across *= max(1, _SCAN_PIXELS // (down * across))
    return Blocks(size=(rows, columns), shape=(down, min(across, columns)))


def _blocks(work: TiledWork, size: Sizes, shape: Sizes) -> Blocks:
    pipeline, source = work.pipeline, work.source
    *depth, rows, columns = map(min, shape, size)
    nbytes, read = block_need(pipeline, (rows, columns))
    halo = [
        read[axis] - side * math.prod(step.window.stride[axis] for step in pipeline.steps)
        for axis, side in enumerate((rows, columns))
    ]
    if depth:
        written = rows * columns * pipeline.written_channels * pipeline.dtype.itemsize
        held = math.prod(read) * source.shape[2] * source.dtype.itemsize
        nbytes += math.prod(depth) * (held + _STACKED * written)
    around = (max(halo[0], 0), max(halo[1], 0))
    return Blocks(size=size, shape=shape, halo=around, nbytes=nbytes)


def _waste(work: TiledWork, blocks: Blocks) -> float:
    """Estimate how much is computed and read, relative to what is needed."""
    last = work.pipeline.steps[-1]
    computed = read = 1.0
    for axis in (0, 1):
        whole = blocks.size[axis - 2]
        length = min(blocks.shape[axis - 2], whole)
        tile, chunk = last.tile[axis], work.source.chunk[axis]
        if length < whole:
            computed *= 1 + (tile if length % tile else 0) / length
            read *= 1 + (blocks.halo[axis] + chunk) / length
    return computed + read


class Tiling(Record, kw_only=True):
    """How some work would be done: the `blocks` of the result, `jobs` of them at once."""

    work: TiledWork
    output: Output
    blocks: Blocks
    jobs: int

    @property
    def passes(self) -> int:
        """How often the result is computed."""
        return 1 + self.work.pipeline.needs_extent

    @property
    def memory_bytes(self) -> int:
        """Estimate of the memory of the mask, and of all blocks that are computed at once."""
        held = self.work.pipeline.options.mask_bytes
        return held + self.blocks.nbytes * min(self.jobs, self.blocks.count)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; sizes are width, height."""
        return {
            "blocks": self.blocks.count,
            "block": _size(self.blocks.shape),
            "halo": _size(self.blocks.halo),
            "chunk": _size(self.output.chunk),
            "input_chunk": _size(self.work.source.chunk),
            "passes": self.passes,
            "jobs": self.jobs,
            "memory_bytes": self.memory_bytes,
            "plans": [plan.as_dict(1) for plan in self.work.pipeline.plans],
        }


def tiling_for(
    work: TiledWork, output: Output, jobs: int | None, memory: int | None, client: Any
) -> Tiling:
    """Decide on the blocks of an output: see `LargeFilter`."""
    threads, memory = jobs or available_cores(), memory or _MEMORY
    if client is not None:
        threads = max(1, sum(client.nthreads().values()))
    blocks = blocks_for(work, output.chunk, threads, memory)
    needed = max(blocks.nbytes, output.smaller_bytes)
    if client is None and len(blocks.size) > _FLAT:
        # A shard is written by one, however large it is.
        threads = max(1, min(threads, memory // needed))
    blocks = replace(blocks, nbytes=needed)
    return Tiling(work=work, output=output, blocks=blocks, jobs=threads)


def _size(shape: Sizes) -> dict[str, int]:
    return {"width": shape[-1], "height": shape[-2]}

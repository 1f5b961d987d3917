"""Filter a tiled picture, block by block, from a file to a file."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from convcli.choices import Alpha, Range
from convcli.engine.store import ValueStats
from convcli.errors import ClusterError, ImageError
from convcli.images.policy import MAX_PIXELS
from convcli.images.write import Saving
from convcli.pipeline.direction import weights_of
from convcli.pipeline.options import Options
from convcli.pipeline.range import finite_extent
from convcli.pipeline.report import Report
from convcli.pipeline.run import legend_for
from convcli.pipeline.steps import Operand
from convcli.scale.tiled.blocks import Blocks, Tiling, chunks_of, tiling_for
from convcli.scale.tiled.source import Source, needed, uninterrupted
from convcli.scale.tiled.target import check_target, target_for
from convcli.scale.tiled.tiff import open_tiff
from convcli.scale.tiled.work import Target, TiledWork
from convcli.scale.tiled.zarr import open_zarr
from convcli.storage.urls import is_zarr, local_path
from convcli.values import replace

Result = TypeVar("Result")
Task = Callable[[TiledWork, slice, slice], Result]

_AHEAD = 2
"""Blocks a thread that are handed out: results wait while the ones before are written."""

_PATIENCE = 60
"""Seconds for workers to end what they are at, where nothing more is done: some may be lost."""


def each(
    task: Task[Result],
    work: TiledWork,
    blocks: Blocks,
    *,
    jobs: int,
    client: Any = None,
    retries: int = 0,
) -> Generator[Result, None, None]:
    """Do something to each block, and yield what comes of it, from the first to the last.

    Parameters
    ----------
    task : callable
        Takes the work and the rows and columns of a block; can be pickled.
    work : TiledWork
        What is computed; sent to each worker of a cluster once.
    blocks : Blocks
        The blocks.
    jobs : int
        Threads, where there is no cluster.
    client : distributed.Client, optional
        The cluster that computes.
    retries : int
        How often a block is tried again there.

    Yields
    ------
    What the task returns

    Raises
    ------
    ConvcliError
        Whatever the task raises, or that a block has killed its workers; no block is begun
        after that.
    """
    if client is None:
        yield from _on_threads(_lazily(task, work, blocks), jobs)
        return
    # As a task, not scattered: it is made again where all workers that have it are lost.
    sent = client.submit(_kept, work, pure=False, retries=retries)
    yield from _on_cluster(_lazily(task, sent, blocks), client, retries)


def _kept(work: TiledWork) -> TiledWork:
    return work


def _lazily(task: Task[Result], work: Any, blocks: Blocks) -> list[Any]:
    """Return a task of Dask's for each block, in reading order."""
    array, down, across = needed("dask.array", "dask"), *blocks.grid
    results = array.map_blocks(
        _call,
        task=task,
        work=needed("dask", "dask").delayed(work, traverse=False, pure=False),
        blocks=blocks,
        chunks=((1,) * down, (1,) * across),
        dtype=object,
        meta=np.empty((0, 0), object),
        name=f"convcli-{id(blocks):x}",
    )
    tasks: list[Any] = results.to_delayed().ravel().tolist()
    return tasks


def _call(
    *, task: Task[Result], work: TiledWork, blocks: Blocks, block_id: tuple[int, int]
) -> Any:
    """Return what a task makes of a block, as the one element of an array of objects."""
    result = np.empty((1, 1), object)
    result[0, 0] = task(work, *blocks.at(*block_id))
    return result


def _on_threads(tasks: list[Any], jobs: int) -> Iterator[Any]:
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from _in_order(
            tasks, lambda task: pool.submit(task.compute, scheduler="synchronous"), jobs
        )
    finally:
        # After an error or an interrupt each thread ends the block that it is at.
        pool.shutdown(cancel_futures=True)


def _on_cluster(tasks: list[Any], client: Any, retries: int) -> Iterator[Any]:
    distributed = needed("distributed", "cluster")
    threads = max(1, sum(client.nthreads().values()))
    running: deque[Any] = deque()
    try:
        yield from _in_order(
            tasks, lambda task: client.compute(task, retries=retries), threads, running
        )
    except distributed.KilledWorker:
        raise ClusterError(
            "a block has killed the workers that computed it: use less --memory, or more "
            "--retries"
        ) from None
    except (needed("distributed.comm", "cluster").CommClosedError, CancelledError):
        raise ClusterError(
            "the cluster has gone away: look at its scheduler, and run it again"
        ) from None
    finally:
        # After an error or an interrupt too, workers write to the end what they are at.
        with contextlib.suppress(TimeoutError, CancelledError), client.as_current():
            distributed.wait(list(running), timeout=_PATIENCE)


def _in_order(
    tasks: list[Any],
    begin: Callable[[Any], Any],
    workers: int,
    running: deque[Any] | None = None,
) -> Iterator[Any]:
    """Yield results in the order of the tasks: so the bytes of a file are always the same.

    What is handed out is in `running`, for those who give it.
    """
    running = deque() if running is None else running
    for task in tasks:
        with uninterrupted():
            running.append(begin(task))
        if len(running) >= _AHEAD * workers:
            yield _first(running)
    while running:
        yield _first(running)


def _first(running: deque[Any]) -> Any:
    """Take out what is at the head, not before it is done."""
    result = running[0].result()[0, 0]
    running.popleft()
    return result


Progress = Callable[[int, int, float], None]
"""Is told how many blocks are done, of how many, and how many megapixels that are."""


def filter_large(
    kernels: Sequence[Operand],
    source: str,
    target: str,
    options: Options,
    *,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    saving: Saving | None = None,
    kind: str | None = None,
    memory: int | None = None,
    client: Any = None,
    retries: int = 3,
    progress: Progress | None = None,
) -> Report:
    """Filter a picture block by block: equal to the last bit to what it is in one piece.

    Parameters
    ----------
    kernels : sequence of Kernel or Operator
        The chain.
    source : str
        A TIFF of any size, in tiles or strips, or a Zarr array (H, W) or (H, W, C): a path, or
        a URL that fsspec knows, of a store that sends parts of files.
    target : str
        A ``.tif``, which gets the input's tiles, or 512 × 512; or a ``.zarr``: a path or a URL.
    options : Options
        How.
    frame : int, optional
        The page of a TIFF that has several.
    max_pixels : int
        Refuse results that have more, where the picture has not.
    saving : Saving, optional
        How the result is written.
    kind : str, optional
        ``TIFF``, whatever the target is called.
    memory : int, optional
        Bytes for the blocks that are computed at once; 256 MiB where none are given.
    client : distributed.Client, optional
        A Dask cluster whose workers see the input, and the output where it is a ``.zarr``;
        threads of this machine otherwise.
    retries : int
        How often a block is tried again there.
    progress : callable, optional
        Is told how many blocks are done, of how many, and how many megapixels that are.

    Returns
    -------
    Report
        Its time includes reading and writing.

    Raises
    ------
    ConvcliError
        If the picture cannot be read, filtered or written.
    """
    started = time.perf_counter()
    source, target, saving = _located(source), _located(target), saving or Saving()
    with _opened(source, frame) as opened:
        work = _work(kernels, opened, options)
        check_target(work, target, saving, max_pixels, kind)
        tiling = tiling_for(work, target, options.jobs, memory, client)
        run = _Run(tiling, progress, client=client, retries=retries)
        work = run.prepared(work)
        with target_for(target, work, tiling.chunk, saving) as into:
            seen = run.write(work, into)
            opened.check_unchanged()
    report = work.pipeline.report(
        (*opened.shape[:2], 1 if options.wants_gray else opened.channels),
        work.shape,
        finite_extent(seen),
        alpha=opened.alpha,
        legend=legend_for(work.pipeline.mapping, finite_extent(seen), options),
        seconds=time.perf_counter() - started,
    )
    return replace(report, mode=opened.mode, warnings=(*_losses(work), *report.warnings))


def plan_large(
    kernels: Sequence[Operand],
    source: str,
    target: str,
    options: Options,
    *,
    frame: int | None = None,
    memory: int | None = None,
    client: Any = None,
) -> Tiling:
    """Plan how a picture would be filtered block by block; no pixel is read.

    Parameters, errors
    ------------------
    As for `filter_large`.

    Returns
    -------
    Tiling
    """
    with _opened(_located(source), frame) as opened:
        work = _work(kernels, opened, options)
        return tiling_for(work, _located(target), options.jobs, memory, client)


class _Run:
    """The passes over a picture, and what is told of them."""

    def __init__(self, tiling: Tiling, progress: Progress | None, **cluster: Any) -> None:
        self._tiling, self._progress, self._cluster = tiling, progress, cluster
        self._done = 0
        self._whole = tiling.blocks.size[0] * tiling.blocks.size[1] / 1e6

    def prepared(self, work: TiledWork) -> TiledWork:
        """Look at all of the picture first, where pixels depend on all of it."""
        if _asks_for_opacity(work):
            with self._each(
                TiledWork.is_translucent, work, chunks_of(work), quiet=True
            ) as looked:
                work = replace(work, translucent=any(looked))
        if self._tiling.passes > 1:
            with self._each(TiledWork.extent, work, self._tiling.blocks) as extents:
                work = replace(work, known=sum(extents, ValueStats()))
        return work

    def write(self, work: TiledWork, into: Target) -> ValueStats:
        """Compute and write all blocks."""
        seen = ValueStats()
        with self._each(into.task, work, self._tiling.blocks) as blocks:
            for written in blocks:
                for tile in written.tiles:
                    into.add(tile)
                seen += written.seen
        return seen

    @contextlib.contextmanager
    def _each(
        self, task: Task[Any], work: TiledWork, blocks: Blocks, *, quiet: bool = False
    ) -> Iterator[Iterator[Any]]:
        """Yield the results of a pass; at the end no thread works on it any more."""
        results = each(task, work, blocks, jobs=self._tiling.jobs, **self._cluster)
        with contextlib.closing(results):
            yield results if quiet else self._told(results)

    def _told(self, results: Iterator[Any]) -> Iterator[Any]:
        for result in results:
            yield result
            self._tell()

    @property
    def _megapixels(self) -> float:
        return self._whole * self._done / self._tiling.blocks.count

    def _tell(self) -> None:
        self._done += 1
        if self._progress is not None:
            count = self._tiling.blocks.count
            self._progress(self._done, count * self._tiling.passes, self._megapixels)


def _located(name: str) -> str:
    """Return the path that ``file://`` stands for; other URLs as they are."""
    return local_path(name) or name


def _opened(source: str, frame: int | None) -> contextlib.closing[Source]:
    """Return the picture for as long as it is read."""
    if is_zarr(source) and frame is not None:
        raise ImageError(f"{source}: expected a TIFF to take a page of: leave --frame out")
    opened: Source = open_zarr(source) if is_zarr(source) else open_tiff(source, frame)
    return contextlib.closing(opened)


def _work(kernels: Sequence[Operand], opened: Source, options: Options) -> TiledWork:
    work = TiledWork(opened, tuple(kernels), replace(options, jobs=1))
    if options.direction:
        # Refused here, not by the first block.
        weights_of(work.pipeline.stages[-1], options)
    return work


def _asks_for_opacity(work: TiledWork) -> bool:
    """Tell whether it matters if any pixel is translucent."""
    if not work.source.alpha or work.options.alpha is not Alpha.AUTO:
        return False
    return replace(work, translucent=True).pipeline.way.kind is Alpha.PREMULTIPLY


def _losses(work: TiledWork) -> tuple[str, ...]:
    """Say what was asked for and could not be."""
    wanted = work.options.range
    if wanted is Range.AUTO or work.pipeline.mapping is not None:
        return ()
    return (f"--range {wanted.value} is not used: the output holds raw floats",)

"""Filter a tiled picture, block by block, from a file to a file."""

import contextlib
import functools
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from convcli.batch.job import FileJob
from convcli.batch.manifest import claimed
from convcli.batch.places import absolute, output_key, place_from
from convcli.choices import PlaneChoice
from convcli.engine.store import ValueStats
from convcli.errors import ClusterError, ImageError, OptionError
from convcli.images.codecs.tiff_extras import metadata_after
from convcli.images.metadata import titles_of
from convcli.images.picture import Header, Metadata
from convcli.images.policy import MAX_PIXELS
from convcli.images.write import Saving
from convcli.pipeline.alpha import with_nodata
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import plan_pipeline
from convcli.pipeline.report import Report
from convcli.pipeline.steps import Link
from convcli.scale.tiled.blocks import Blocks, Tiling, scan_blocks, tiling_for
from convcli.scale.tiled.journal import Journal, facts_of, journal_for
from convcli.scale.tiled.source import Output, Source, Target, TiledMask, TiledWork
from convcli.scale.tiled.target import ZarrOutput, check_target, output_for
from convcli.scale.tiled.tiff import TiffSource, open_tiff
from convcli.scale.tiled.zarr import ZarrSource, open_zarr
from convcli.storage.urls import is_there, is_url, is_zarr
from convcli.threads import new_thread_pool, uninterrupted
from convcli.values import replace

Result = TypeVar("Result")
Task = Callable[..., Result]

FlightFor = Callable[[Callable[..., Any], TiledWork], Any]
"""Opens the `Flight` that takes the blocks of one pass to the workers of a cluster."""

Progress = Callable[[int, int, float], None]
"""Is called with the number of blocks that are done, of all blocks, and of megapixels."""

_AHEAD = 2
"""Blocks a thread that are started before the first of them is asked for its result."""

_PATIENCE = 60
"""Seconds to wait for workers to end their blocks after an error; some may be lost."""


def filter_large(
    kernels: Sequence[Link],
    source: str,
    target: str,
    options: Options,
    *,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    saving: Saving | None = None,
    file_format: str | None = None,
    memory: int | None = None,
    cluster: Any = None,
    retries: int = 3,
    timeout: float | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    planes: PlaneChoice | None = None,
) -> Report:
    """Filter a picture block by block: the result has the same bits as in one piece.

    `convcli.apply_tiled` says what the arguments are. A ``.tif`` gets the input's tiles, or
    512 × 512. `saving` is how the result is written; `file_format` is ``TIFF`` whatever the
    name of the target. The workers of a `cluster` see the input, and the output where it is a
    ``.zarr``. With `overwrite` another run may be writing the same output. `planes` of a Zarr
    array are filtered. The report's time includes reading and writing.
    """
    started, saving = time.perf_counter(), saving or Saving()
    source, target = _located(source, cluster), _located(target, cluster)
    with (
        _connected(cluster, retries, source, target) as client,
        _opened(source, frame, planes) as opened,
        _mask_in_tiles(options) as given,
        claimed([output_key(target)], overwrite=overwrite),
    ):
        work, notes = _work(kernels, opened, given, saving)
        check_target(work, target, saving, max_pixels, file_format)
        output = output_for(work, target, saving)
        tiling = tiling_for(work, output, options.jobs, memory, client)
        facts = facts_of(work, kernels, saving, [tiling.chunk, planes])
        journal = journal_for(target, facts, resume=resume)
        blocks = tiling.blocks  # or as a stopped run has cut it
        shape = tuple(journal.head.get("block", blocks.shape))
        tiling = replace(tiling, blocks=replace(blocks, shape=shape))
        with journal.kept():
            flight_for = _flights(client, source, target, retries, timeout)
            passes = _Passes(tiling, progress, flight_for)
            work = journal.prepared(work, passes.prepared, shape)
            with output.opened(target, journal) as made:
                stats = passes.write(work, made, journal)
                opened.check_unchanged()
                if isinstance(given.mask, TiledMask):
                    given.mask.source.check_unchanged()
    report = work.pipeline.report(stats, time.perf_counter() - started)
    notes = (*filter(None, [journal.note]), *notes, *_losses(work, target, output))
    frames = math.prod(tiling.blocks.size[:-2])
    return replace(
        report,
        mode=opened.mode,
        frames=frames,
        clipped=report.clipped / frames,
        smaller=output.smaller,
        warnings=(*notes, *report.warnings),
    )


def plan_large(
    kernels: Sequence[Link],
    source: str,
    target: str,
    options: Options,
    *,
    frame: int | None = None,
    memory: int | None = None,
    cluster: Any = None,
    retries: int = 3,
    planes: PlaneChoice | None = None,
) -> Tiling:
    """Plan how `filter_large` would filter a picture; no pixel is read."""
    source, target = _located(source, cluster), _located(target, cluster)
    with (
        _connected(cluster, retries, source, target) as client,
        _opened(source, frame, planes) as opened,
        _mask_in_tiles(options) as given,
    ):
        work, _ = _work(kernels, opened, given, Saving())
        output = output_for(work, target, Saving())
        return tiling_for(work, output, options.jobs, memory, client)


# ------------------------------------------------------------------ each block, in order


def each(
    task: Task[Result],
    work: TiledWork,
    blocks: Blocks,
    *,
    jobs: int,
    flight_for: FlightFor | None = None,
    first: int = 0,
) -> Generator[Result, None, None]:
    """Run a task on each block, and yield its results from the first block to the last.

    The task takes the work and the region of a block. `flight_for` opens the `Flight` to a
    cluster; otherwise `jobs` threads compute. Only a few blocks are started ahead of the one
    whose result is next, and none after an error. Those before the `first` are left out.
    """
    rest = itertools.islice(enumerate(blocks.all()), first, None)
    if flight_for is None:
        yield from _on_threads(functools.partial(task, work), rest, jobs)
    else:
        # After an error or an interrupt too, workers end the blocks that they are at.
        with flight_for(functools.partial(_run_block, task), work) as flight:
            yield from _on_cluster(flight, rest, first)


def _on_threads(compute: Task[Any], rest: Iterator[Any], jobs: int) -> Iterator[Any]:
    pool, running = new_thread_pool(jobs), deque[Any]()
    try:
        for _, block in rest:
            with uninterrupted():
                running.append(pool.submit(compute, *block))
            if len(running) >= _AHEAD * jobs:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        # After an error or an interrupt each thread ends the block that it is at.
        pool.shutdown(cancel_futures=True)


def _on_cluster(flight: Any, rest: Iterator[Any], following: int) -> Iterator[Any]:
    done = dict[int, Any]()

    def one() -> list[Any]:
        is_ahead = len(done) >= _AHEAD * max(1, flight.threads)
        return [] if is_ahead else list(itertools.islice(rest, 1))

    for ended in flight.run(one):
        done[ended.item[0]] = _result_of(ended)
        while following in done:
            yield done.pop(following)
            following += 1


def _run_block(task: Task[Any], work: TiledWork, numbered: Any) -> Any:
    return task(work, *numbered[1])


def _result_of(ended: Any) -> Any:
    if ended.error is not None:
        raise ended.error
    if ended.fault:
        rows, columns = ended.item[1][-2:]
        raise ClusterError(
            f"the block of rows {rows.start} to {rows.stop} and columns {columns.start} to "
            f"{columns.stop} failed, though it was alone: {ended.fault}: use less --memory, or "
            "more --retries"
        )
    return ended.result


class _Passes:
    """The passes over a picture, and their progress."""

    def __init__(
        self, tiling: Tiling, progress: Progress | None, flight_for: FlightFor | None
    ) -> None:
        self._tiling, self._progress, self._flight_for = tiling, progress, flight_for
        self._done = 0

    def prepared(self, work: TiledWork) -> TiledWork:
        """Look at all of the picture first, where pixels depend on all of it."""
        if work.pipeline.alpha.is_open:
            with self._each(TiledWork.is_translucent, work, scan_blocks(work)) as answers:
                if any(answers):
                    work = replace(work, pipeline=work.pipeline.for_translucent())
        if work.pipeline.needs_extent:
            with self._each(TiledWork.extent, work, self._tiling.blocks) as extents:
                work = replace(work, known=sum(self._counted(extents), ValueStats()))
        return work

    def write(self, work: TiledWork, output: Target, journal: Journal) -> ValueStats:
        """Compute and write all blocks that a stopped run has not written."""
        stats, blocks, written = journal.stats, self._tiling.blocks, len(journal.blocks)
        self._done = blocks.count * (self._tiling.passes - 1) + written
        with self._each(output.task, work, blocks, written) as results:
            for one, tiles in self._counted(results):
                journal.add(one, [output.add(tile) for tile in tiles] if output.add else [])
                stats += one
        for task, smaller in output.after:
            with self._each(task, work, smaller) as made:
                deque(made, 0)
        return stats

    def _each(
        self, task: Task[Any], work: TiledWork, blocks: Blocks, first: int = 0
    ) -> contextlib.closing[Generator[Any, None, None]]:
        """Return the results of a pass; when they are closed no thread works on it."""
        jobs, flight_for = self._tiling.jobs, self._flight_for
        results = each(task, work, blocks, jobs=jobs, flight_for=flight_for, first=first)
        return contextlib.closing(results)

    def _counted(self, results: Iterator[Any]) -> Iterator[Any]:
        """Yield results, and report the progress after each."""
        blocks, passes = self._tiling.blocks, self._tiling.passes
        for result in results:
            yield result
            self._done += 1
            if self._progress is not None:
                done = blocks.megapixels * self._done / blocks.count
                self._progress(self._done, blocks.count * passes, done)


# ------------------------------------------------------------------ the cluster


def _located(name: str, cluster: Any) -> str:
    """Return a path for a ``file://`` URL; an absolute one for workers in other folders."""
    return place_from(name) if cluster is None else absolute(place_from(name))


def _connected(
    cluster: Any, retries: int, *names: str
) -> contextlib.AbstractContextManager[Any]:
    """Connect to a cluster whose workers see the files of these names, if there is one."""
    if cluster is None:
        return contextlib.nullcontext()
    from convcli.scale.cluster import connected

    return connected(cluster, retries, *names)


def _flights(
    client: Any, source: str, target: str, retries: int, timeout: float | None
) -> FlightFor | None:
    """Return what admits the workers of a cluster to a pass, and takes blocks to them."""
    if client is None:
        return None
    from convcli.scale.flight import flight_of

    # This process writes a TIFF; workers write only chunks of zarr arrays.
    shown = target if is_zarr(target) else source
    if is_zarr(target) and not is_url(target) and not Path(target).parent.is_dir():
        shown = source  # Writing says what is wrong.
    return functools.partial(
        flight_of,
        client,
        FileJob(source, shown),
        address="the cluster",
        retries=retries,
        timeout=timeout,
        noun="blocks",
        remedy="run it again",
        patience=_PATIENCE,
    )


# ------------------------------------------------------------------ the work


def _opened(
    source: str, frame: int | None, planes: PlaneChoice | None
) -> contextlib.closing[Source]:
    """Open a picture; it is closed at the end of the block."""
    planes = planes or PlaneChoice()
    if not is_zarr(source) and (planes.axes or planes.select):
        raise OptionError(
            f"--{'axes' if planes.axes else 'select'}: expected a .zarr, got {source}: of a "
            "TIFF choose a page with --frame"
        )
    if is_zarr(source) and frame is not None:
        raise ImageError(f"{source}: expected a TIFF to take a page of: leave --frame out")
    opened: Source = open_zarr(source, planes) if is_zarr(source) else open_tiff(source, frame)
    return contextlib.closing(opened)


@contextlib.contextmanager
def _mask_in_tiles(options: Options) -> Iterator[Options]:
    """Open a mask that is not read yet, so that each block reads its own part of it."""
    if options.mask is None or options.mask.is_read:
        yield options
        return
    name = options.mask.name
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImageError):  # reading it as a whole says what is wrong
            opened = stack.enter_context(_opened(absolute(place_from(name)), None, None))
            options = replace(options, mask=TiledMask(name, opened))
        yield options


def _work(
    kernels: Sequence[Link], opened: Source, options: Options, saving: Saving
) -> tuple[TiledWork, tuple[str, ...]]:
    """Plan the work on a picture, with metadata that hold for the result, and notes on both."""
    shape = (*opened.shape[:2], opened.channels)
    header = Header(shape, opened.alpha, opened.dtype)
    if options.transposed:
        raise ImageError("--transposed: expected a picture in memory: leave --tiled out")
    options, nodata, note = with_nodata(options, opened.metadata.nodata, header.pixel)
    pipeline = plan_pipeline(header, kernels, replace(options, jobs=1))
    kept = saving.kept(replace(opened.metadata, nodata=nodata))
    metadata, notes = metadata_after(kept, [step.window for step in pipeline.steps])
    notes = (note, *notes) if note else notes
    return TiledWork(replace(opened, metadata=metadata), pipeline), notes


def _losses(work: TiledWork, target: str, output: Output) -> Iterator[str]:
    """Say what was asked for and is not done, and what the input has and the output has not."""
    source = work.source
    if not is_zarr(target) and work.pipeline.dtype == "float64":
        yield "the TIFF holds floats of 32 bits: values lose digits after 7; a .zarr keeps all"
    if isinstance(source, TiffSource) and source.is_masked:
        yield "the mask in the file is left out: pixels that it hides are filtered too"
    if isinstance(source, TiffSource) and is_zarr(target) and source.factors:
        yield "the smaller copies of the picture are left out: write a .tif for them"
    if isinstance(source, ZarrSource) and isinstance(output, ZarrOutput):
        yield from _not_in(output, source)
    metadata = source.metadata
    of_places = Metadata(geo=metadata.geo, nodata=metadata.nodata, ome=metadata.ome)
    if is_zarr(target) and (lost := titles_of(of_places)):
        yield f"dropped, for the Zarr does not hold it: {', '.join(lost)}"


def _not_in(arrays: ZarrOutput, source: ZarrSource) -> Iterator[str]:
    """Say what arrays do not have of those that they are like."""
    filters = [f for f in source.array.filters if f not in arrays.levels[0].array.filters]
    if filters:
        yield f"{source.label}: filters of its numbers are not kept: {filters}"
    if source.image is not None:
        labels = f"{source.image.place}/labels"
        with contextlib.suppress(ImageError):  # one may read an image and not look for more
            if is_there(labels):
                yield f"{labels} is left out: labels may not fit the result"
        if len(source.image.facts["multiscales"]) > 1:
            yield f"{source.image.place}: of several images in it only the first is filtered"

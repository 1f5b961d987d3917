"""Filter a tiled picture, block by block, from a file to a file."""

import contextlib
import functools
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from convcli.batch.job import FileJob
from convcli.batch.manifest import claimed
from convcli.batch.places import absolute, output_key, place_from
from convcli.choices import PlaneChoice
from convcli.engine.store import ValueStats
from convcli.errors import ClusterError, ImageError, OptionError, fail
from convcli.images.codecs.tiff_extras import metadata_after
from convcli.images.metadata import titles_of
from convcli.images.picture import Header, Metadata
from convcli.images.write import Saving
from convcli.pipeline.alpha import with_nodata
from convcli.pipeline.files import FileFilter
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import plan_pipeline
from convcli.pipeline.report import Report
from convcli.scale.tiled.blocks import Blocks, Tiling, scan_blocks, tiling_for
from convcli.scale.tiled.journal import Journal, facts_of, journal_for
from convcli.scale.tiled.source import Output, Source, Target, TiledMask, TiledWork
from convcli.scale.tiled.target import ZarrOutput, check_target, output_for
from convcli.scale.tiled.tiff import TiffSource, open_tiff
from convcli.scale.tiled.zarr import ZarrSource, open_zarr
from convcli.storage.atomic import bring_back
from convcli.storage.urls import is_there, is_url, is_zarr
from convcli.threads import new_thread_pool, uninterrupted
from convcli.values import replace

Task = Callable[..., Any]

FlightFor = Callable[[Callable[..., Any], TiledWork], Any]
"""Opens the `Flight` that takes the blocks of one pass to the workers of a cluster."""

Progress = Callable[[int, int, float], None]
"""Is called with the number of blocks that are done, of all blocks, and of megapixels."""

_AHEAD = 2  # blocks a thread that are started before the first of them is asked for its result
_PATIENCE = 60  # seconds to wait for workers to end their blocks after an error


class LargeFilter(FileFilter, kw_only=True):
    """How pictures are filtered block by block: the result has the same bits as in one piece.

    `convcli.apply_tiled` says what the settings are. A ``.tif`` gets the input's tiles, or
    512 × 512. The workers of a `cluster` see the input, and the output where it is a ``.zarr``.
    With `overwrite` another run may be writing the same output. `planes` of a Zarr array are
    filtered.
    """

    planes: PlaneChoice = PlaneChoice()
    memory: int | None = None
    cluster: Any = None
    retries: int = 3
    timeout: float | None = None
    overwrite: bool = False
    resume: bool = False

    def run(self, source: str, target: str, progress: Progress | None = None) -> Report:
        """Filter a picture; the report's time includes reading and writing."""
        started, target = time.perf_counter(), self._located(target)
        with self._begun(source, target, writes=True) as (tiling, flight_for):
            work, output, blocks = tiling.work, tiling.output, tiling.blocks
            facts = facts_of(work, self.kernels, self.saving, [output.chunk[-2:], self.planes])
            journal = journal_for(target, facts, resume=self.resume)
            shape = tuple(journal.head.get("block", blocks.shape))  # as a stopped run cut it
            blocks = replace(blocks, shape=shape)
            passes = _Passes(replace(tiling, blocks=blocks), progress, flight_for)
            with journal.kept():
                work = journal.prepared(work, passes.prepared, shape)
                with output.opened(target, journal) as made:
                    stats = passes.write(work, made, journal)
                    work.check_unchanged()
        report = work.pipeline.report(stats, time.perf_counter() - started)
        frames = math.prod(blocks.size[:-2])
        told = filter(None, [journal.note, *work.notes, *_losses(work, target, output)])
        return replace(
            report,
            mode=work.source.mode,
            frames=frames,
            clipped=report.clipped / frames,
            smaller=output.smaller,
            warnings=(*told, *report.warnings),
        )

    def plan(self, source: str, target: str) -> Tiling:
        """Plan how a picture would be filtered; no pixel is read."""
        with self._begun(source, self._located(target), writes=False) as (tiling, _):
            return tiling

    def _located(self, name: str) -> str:
        """Return a path for a ``file://`` URL; an absolute one for workers in other folders."""
        return place_from(name) if self.cluster is None else absolute(place_from(name))

    @contextlib.contextmanager
    def _begun(
        self, source: str, target: str, *, writes: bool
    ) -> Iterator[tuple[Tiling, FlightFor | None]]:
        """Open what is read, and decide on what is written."""
        source, client, options = self._located(source), None, self.options
        with contextlib.ExitStack() as stack:
            if self.cluster is not None:
                from convcli.scale.cluster import connected

                at = connected(self.cluster, self.retries, source, target)
                client = stack.enter_context(at)
            opened = _opened(source, self.reading.frame, self.planes)
            if options.mask is not None and not options.mask.is_read:
                name = options.mask.name  # Each block reads its own part of it.
                with contextlib.suppress(ImageError):  # To read it whole says what is wrong.
                    part = _opened(absolute(place_from(name)), None, PlaneChoice())
                    options = replace(options, mask=TiledMask(name, part))
            work = _work(self.kernels, opened, options, self.saving)
            if writes:
                # The memory of another process is no other run's output.
                keys = [] if target.startswith("memory://") else [output_key(target)]
                stack.enter_context(claimed(keys, overwrite=self.overwrite))
                check_target(work, target, self)
            output = output_for(work, target, self.saving)
            tiling = tiling_for(work, output, options.jobs, self.memory, client)
            yield tiling, client and self._flights(client, source, target)

    def _flights(self, client: Any, source: str, target: str) -> FlightFor:
        """Return what admits the workers of a cluster to a pass, and takes blocks to them."""
        from convcli.scale.flight import Flight

        # This process writes a TIFF; workers write only chunks of zarr arrays.
        shown = target if is_zarr(target) else source
        if is_zarr(target) and not is_url(target) and not Path(target).parent.is_dir():
            shown = source  # Writing says what is wrong.
        return functools.partial(
            Flight,
            client,
            FileJob(source, shown),
            address="the cluster",
            retries=self.retries,
            timeout=self.timeout,
            noun="blocks",
            remedy="run it again",
            patience=_PATIENCE,
        )


# ------------------------------------------------------------------ each block, in order


def on_threads(
    compute: Callable[..., Any], rest: Iterator[Any], jobs: int
) -> Generator[Any, None, None]:
    """Compute blocks, which are numbered, and yield the results in their order.

    Only a few blocks are started ahead of the one whose result is next, and none after an
    error.
    """
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
    """Do the same on workers: the number of the first block is the `following`."""
    done = dict[int, Any]()

    def one() -> list[Any]:
        is_ahead = len(done) >= _AHEAD * max(1, flight.threads)
        return [] if is_ahead else list(itertools.islice(rest, 1))

    for ended in flight.run(one):
        done[ended.item[0]] = _result_of(ended)
        while following in done:
            yield done.pop(following)
            following += 1


def _run_block(task: Task, work: TiledWork, numbered: Any) -> Any:
    return task(work, *numbered[1])


def _result_of(ended: Any) -> Any:
    if ended.error is not None:
        raise ended.error
    if ended.fault:
        rows, columns = ended.item[1][-2:]
        at = f"rows {rows.start} to {rows.stop} and columns {columns.start} to {columns.stop}"
        fault = f"the block of {at} failed, though it was alone: {ended.fault}"
        fail("", fault, "use less --memory, or more --retries", ClusterError)
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
                journal.add(one, [output.add(tile) for tile in tiles])
                stats += one
        for task, smaller in output.after:
            with self._each(task, work, smaller) as made:
                deque(made, 0)
        return stats

    @contextlib.contextmanager
    def _each(
        self, task: Task, work: TiledWork, blocks: Blocks, first: int = 0
    ) -> Iterator[Iterator[Any]]:
        """Run a task on the work and each block from the first on; give the results in order.

        At the end of the context no thread is at it, and no worker.
        """
        rest = itertools.islice(enumerate(blocks.all()), first, None)
        if self._flight_for is None:
            compute = functools.partial(task, work)
            with contextlib.closing(on_threads(compute, rest, self._tiling.jobs)) as results:
                yield results
        else:
            with self._flight_for(functools.partial(_run_block, task), work) as flight:
                yield _on_cluster(flight, rest, first)

    def _counted(self, results: Iterator[Any]) -> Iterator[Any]:
        """Yield results, and report the progress after each."""
        blocks, passes = self._tiling.blocks, self._tiling.passes
        for result in results:
            yield result
            self._done += 1
            if self._progress is not None:
                done = blocks.megapixels * self._done / blocks.count
                self._progress(self._done, blocks.count * passes, done)


# ------------------------------------------------------------------ the work


def _opened(source: str, frame: int | None, planes: PlaneChoice) -> Source:
    """Open a picture; none of its pixels is read."""
    bring_back(source)
    if not is_zarr(source) and (planes.axes or planes.select):
        fault = f"expected a .zarr, got {source}"
        remedy = "of a TIFF choose a page with --frame"
        fail(f"--{'axes' if planes.axes else 'select'}", fault, remedy, OptionError)
    if is_zarr(source) and frame is not None:
        raise ImageError(f"{source}: expected a TIFF to take a page of: leave --frame out")
    return open_zarr(source, planes) if is_zarr(source) else open_tiff(source, frame)


def _work(
    kernels: Sequence[Any], opened: Source, options: Options, saving: Saving
) -> TiledWork:
    """Plan the work on a picture, with metadata that hold for the result."""
    shape = (*opened.shape[:2], opened.channels)
    header = Header(shape, opened.alpha, opened.dtype)
    if options.transposed:
        raise ImageError("--transposed: expected a picture in memory: leave --tiled out")
    options, nodata, told = with_nodata(options, opened.metadata.nodata, header.pixel)
    pipeline = plan_pipeline(header, kernels, replace(options, jobs=1))
    kept = saving.kept(replace(opened.metadata, nodata=nodata))
    metadata, notes = metadata_after(kept, [step.window for step in pipeline.steps])
    return TiledWork(replace(opened, metadata=metadata), pipeline, notes=(*told, *notes))


def _losses(work: TiledWork, target: str, output: Output) -> Iterator[str]:
    """Say what was asked for and is not done, and what the input has and the output has not."""
    source = work.source
    if not is_zarr(target) and work.pipeline.dtype == "float64":
        yield "the TIFF holds floats of 32 bits: values lose digits after 7; a .zarr keeps all"
    if isinstance(source, TiffSource):
        yield from source.lost
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

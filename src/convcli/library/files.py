"""Files in, files out: batches, and pictures larger than memory, as functions."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

from convcli.batch import places
from convcli.batch.inputs import DEFAULT_TEMPLATE, Inputs, Template
from convcli.batch.job import BatchJob, Outcome, Summary
from convcli.batch.run import local_executor, prepared_jobs, run_batch
from convcli.choices import PlaneChoice, Pyramid
from convcli.errors import OptionError
from convcli.images.formats import format_named
from convcli.images.policy import MAX_PIXELS, ReadPolicy, readable_named
from convcli.images.write import Saving
from convcli.library.chains import KernelLike, run_of
from convcli.library.pictures import FilterOptions
from convcli.pipeline.report import Report
from convcli.settings import memory_size_from, record_from_words
from convcli.values import replace

_RULES = ("error", "skip", "overwrite")


def apply_files(
    kernel: KernelLike | Sequence[Any],
    sources: str | Path | Iterable[str | Path],
    out_dir: str | Path,
    *,
    then: KernelLike | Sequence[Any] = (),
    times: int | None = None,
    record: bool = False,
    name: str | None = None,
    recursive: bool = False,
    on_exists: str = "error",
    fail_fast: bool = False,
    memory: int | str | None = None,
    cluster: Any = None,
    retries: int = 3,
    timeout: float | None = None,
    format: str | None = None,  # noqa: A002 - as the command spells it
    quality: int | None = None,
    compress_level: int | None = None,
    strip: bool = False,
    fit_depth: bool = False,
    sheet: bool = False,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    allow_truncated: bool = False,
    allow_formats: Iterable[str] = (),
    progress: Callable[[Outcome, Summary], object] | None = None,
    **options: Unpack[FilterOptions],
) -> Summary:
    """Filter many files into a folder on all cores, as ``convcli apply --out-dir`` does.

    A file that fails does not stop the others. The work is done in processes, which need no
    ``if __name__ == "__main__"`` in the script that calls this.

    Parameters
    ----------
    kernel, then, times
        As for `apply`.
    sources : str, Path, or several
        Files, folders and patterns (``photos/*.jpg``): paths, or URLs that fsspec knows.
    out_dir : str or Path
        The folder of the outputs, which is made where there is none.
    name : str, optional
        What the outputs are called, as ``--name``: ``"{stem}-edges.png"``. By default they
        keep the names of the inputs.
    recursive : bool
        Look into the folders of a folder too; the outputs are in the same tree.
    on_exists : {"error", "skip", "overwrite"}
        What an output that is there already means; with "error", nothing is run.
    fail_fast : bool
        Start no more files after the first that fails.
    memory : int or str, optional
        The bytes that the files in work may take together: ``"4G"``; of each on a cluster.
    cluster : str or distributed.Client, optional
        The Dask cluster that computes, instead of the cores of this machine:
        ``"tcp://HOST:8786"`` of its scheduler, ``"local:4"``, or a client that is ready.
    retries, timeout
        How often the cluster tries a file again whose worker was lost, and after how many
        seconds at one file a worker is left aside.
    format, quality, compress_level, strip, sheet, record
        How the results are written: as for `Result.save`.
    fit_depth : bool
        Write fewer bits where the format cannot hold those of the input.
    frame, max_pixels, allow_truncated, allow_formats
        What is read: as for `open`.
    progress : callable, optional
        Called after each file with its outcome and the summary so far.
    **options
        The options of the command: see `FilterOptions`. `jobs` is the number of cores.

    Returns
    -------
    Summary
        `ended` files, of which `failures` lists those that failed, with the reason of each.

    Raises
    ------
    BatchError
        If the inputs and outputs cannot be one batch. Nothing has run then.
    ConvcliError
        If a kernel or an option makes no sense.

    Examples
    --------
    >>> import tempfile
    >>> from convcli import apply, open
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     apply("identity", [[1.0, 2.0]]).save(f"{folder}/a.npy").frames
    ...     apply_files("[[2]]", folder, f"{folder}/out").ended
    ...     open(f"{folder}/out/a.npy").array.tolist()
    1
    1
    [[2.0, 4.0]]
    """
    if on_exists not in _RULES:
        raise OptionError(f"on_exists: expected one of {', '.join(_RULES)}; got {on_exists!r}")
    run = run_of(kernel, then, times, options)
    formats = frozenset(map(readable_named, allow_formats))
    recipe = str(run.recipe) if record else None
    job = BatchJob(
        kernels=run.steps,
        options=replace(run.options, collect_stats=False),
        reading=ReadPolicy(max_pixels, allow_truncated, formats, frame),
        saving=Saving(quality, compress_level, strip, fit_depth, recipe=recipe),
        file_format=None if format is None else format_named(format),
        sheet=sheet,
        skip_existing=on_exists == "skip",
    )
    limit = None if memory is None else memory_size_from(memory)
    folder = places.place_from(os.fspath(out_dir))
    several = [sources] if isinstance(sources, str | os.PathLike) else sources
    names = [os.fspath(each) for each in several]
    inputs = Inputs(names, job.reading.takes, recursive, folder).find()
    template = Template(DEFAULT_TEMPLATE if name is None else name, job.file_format)
    with prepared_jobs(
        job,
        (template.job(source, folder, below) for source, below in inputs),
        folder,
        may_exist=on_exists != "error",
        overwrite=on_exists == "overwrite",
        memory=limit if cluster is None else None,
    ) as jobs:
        executor: Any = local_executor(job, len(jobs), limit)
        if cluster is not None:
            from convcli.scale.cluster import DaskExecutor

            executor = DaskExecutor(cluster, retries, limit, timeout)
        watch = progress or (lambda *_: None)
        return run_batch(executor, job, jobs, watch, fail_fast=fail_fast)


def apply_tiled(
    kernel: KernelLike | Sequence[Any],
    source: str | Path,
    target: str | Path,
    *,
    then: KernelLike | Sequence[Any] = (),
    times: int | None = None,
    record: bool = False,
    memory: int | str | None = None,
    max_pixels: int | None = None,
    cluster: Any = None,
    retries: int = 3,
    timeout: float | None = None,
    frame: int | None = None,
    axes: str | None = None,
    select: str = "",
    pyramid: str | Pyramid = Pyramid.KEEP,
    compress_level: int | None = None,
    strip: bool = False,
    resume: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
    **options: Unpack[FilterOptions],
) -> Report:
    """Filter a picture larger than memory block by block, as ``convcli apply --tiled`` does.

    The result is equal to the last bit to what `apply` gives.

    Parameters
    ----------
    kernel, then, times
        As for `apply`.
    source, target : str or Path
        A TIFF, a Zarr array or an image of OME-Zarr each: paths, or URLs that fsspec knows.
    memory : int or str, optional
        Bytes for the blocks that are computed at once; 256 MiB by default.
    max_pixels : int, optional
        Refuse results that have more pixels than that, and than the picture.
    cluster, retries, timeout
        As for `apply_files`, for blocks instead of files.
    frame : int, optional
        The page of a TIFF, counted from 0.
    axes : str, optional
        The axes of a Zarr array that does not name them, a letter for each: ``"tczyx"``.
    select : str
        The planes of a Zarr array that are filtered, ``"t=0,c=1:3"``; all otherwise.
    pyramid : {"keep", "none"}
        Whether the smaller levels of an OME-Zarr image are made anew, or left out.
    compress_level, strip, record
        How the result is written: as for `Result.save`.
    resume : bool
        Go on with what a stopped run has left of the same output, and leave it when this run
        is stopped too.
    progress : callable, optional
        Called after each block with the number of blocks done, the number of all blocks, and
        the megapixels done.
    **options
        The options of the command: see `FilterOptions`.

    Raises
    ------
    ConvcliError
        If the picture cannot be read, filtered or written.

    Examples
    --------
    >>> import tempfile
    >>> from convcli import apply, open
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     apply("identity", [[1.0, 2.0]]).save(f"{folder}/in.tif").depth
    ...     apply_tiled("[[2]]", f"{folder}/in.tif", f"{folder}/out.tif").output_shape
    ...     open(f"{folder}/out.tif").array.tolist()
    'float'
    (1, 2, 1)
    [[2.0, 4.0]]
    """
    from convcli.scale.tiled.run import LargeFilter

    planes = record_from_words(PlaneChoice, axes=axes, select=select, pyramid=pyramid)
    run = run_of(kernel, then, times, options)
    recipe = str(run.recipe) if record else None
    large = LargeFilter(
        kernels=run.steps,
        options=run.options,
        reading=ReadPolicy(MAX_PIXELS if max_pixels is None else max_pixels, frame=frame),
        saving=Saving(compress_level=compress_level, strip=strip, recipe=recipe),
        planes=planes,
        memory=None if memory is None else memory_size_from(memory),
        cluster=cluster,
        retries=retries,
        timeout=timeout,
        resume=resume,
    )
    return large.run(os.fspath(source), os.fspath(target), progress)

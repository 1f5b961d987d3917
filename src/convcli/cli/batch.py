"""Many pictures: from what was asked for to the exit status."""

import gc
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from convcli.batch import places
from convcli.batch.inputs import (
    DEFAULT_TEMPLATE,
    InputFile,
    JobList,
    Template,
    find_inputs,
    read_list,
)
from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.local import LocalExecutor, worker_counts
from convcli.batch.report import Executor, Summary, run_batch
from convcli.cli.batch_options import Batch
from convcli.cli.ending import stopping_first
from convcli.cli.output import STANDARD, show_json, warn
from convcli.cli.render.batch import progress_for
from convcli.errors import BatchError
from convcli.text import counted
from convcli.threads import available_cores
from convcli.values import replace


def run(work: BatchJob, batch: Batch, *, quiet: bool, as_json: bool) -> None:
    """Filter all pictures that were asked for; end with the status of the whole.

    Raises
    ------
    BatchError
        If the inputs and outputs cannot be one batch: nothing has run then.
    click.ClickException
        If a file failed.
    """
    # A batch goes on for as long as there are files: garbage must not heap up, as it may
    # where a process starts, does one thing and ends.
    gc.set_threshold(1000)
    batch = replace(batch, out_dir=places.place_from(batch.out_dir))
    with JobList(_jobs(work, batch)) as listing:
        listing.check(may_exist=batch.on_exists != "error")
        _make_folder(batch.out_dir)
        summary = _run(work, batch, listing, quiet=quiet, as_json=as_json)
        total = len(listing)
    _warn(summary)
    if as_json:
        show_json({"summary": {"files": total, **summary.as_dict()}})
    elif not quiet:
        from convcli.cli.render.batch import show_summary

        show_summary(summary, total, batch.out_dir)
    _end(summary, total)


def _run(
    work: BatchJob, batch: Batch, listing: JobList, *, quiet: bool, as_json: bool
) -> Summary:
    executor = _executor(work, batch, len(listing))
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        executor.stop()

    silent = quiet or (as_json and sys.stdout.isatty())
    progress = progress_for(batch.progress, len(listing), silent=silent)

    def tell(outcome: Outcome, summary: Summary) -> None:
        progress.show(summary)
        if as_json:
            show_json(outcome.as_dict())

    with closing(progress), stopping_first(stop):
        summary = run_batch(executor, work, listing, tell, fail_fast=batch.fail_fast)
    summary.interrupted = interrupted
    return summary


def _executor(work: BatchJob, batch: Batch, files: int) -> Executor:
    if batch.cluster is not None:
        from convcli.scale.cluster import DaskExecutor

        return DaskExecutor(batch.cluster, batch.retries, batch.memory)
    jobs, cores = work.options.jobs, available_cores()
    if jobs is not None and jobs > cores:
        warn([f"--jobs {jobs}: this process may use {counted(cores, 'core')}, no more"])
    return LocalExecutor(*worker_counts(files, jobs), memory=batch.memory)


# ------------------------------------------------------------------ inputs


def _jobs(work: BatchJob, batch: Batch) -> Iterator[FileJob]:
    name = DEFAULT_TEMPLATE if batch.template is None else batch.template
    template = Template(name, work.kind)
    return (template.job(one, batch.out_dir) for one in _found(work, batch))


def _found(work: BatchJob, batch: Batch) -> Iterator[InputFile]:
    yield from find_inputs(
        batch.names,
        work.reading.takes,
        recursive=batch.recursive,
        excluded=batch.out_dir,
    )
    if batch.files_from is not None:
        with _list(batch.files_from) as stream:
            yield from read_list(stream)


@contextmanager
def _list(name: str) -> Iterator[BinaryIO]:
    if name == STANDARD:
        if sys.stdin.isatty():
            raise click.UsageError(
                "--files-from is - but standard input is a terminal: use a pipe or a file"
            )
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - it is closed below
    except OSError as error:
        raise BatchError(
            f"{name}: the list cannot be read: {error.strerror}: name a file with a name a line"
        ) from None
    with stream:
        yield stream


def _make_folder(out_dir: str) -> None:
    try:
        places.make_folder(out_dir)
    except OSError as error:
        raise BatchError(
            f"{out_dir}: the folder cannot be made: {error.strerror}: name another"
        ) from None


# ------------------------------------------------------------------ the end


def _warn(summary: Summary) -> None:
    warn(
        f"{files:,} file{'s' * (files > 1)}: {text}" for text, files in summary.warnings.items()
    )


def _end(summary: Summary, total: int) -> None:
    failed = summary.counts[Status.FAILED]
    if failed and not summary.interrupted:
        first = summary.failures[0]
        raise click.ClickException(
            f"{failed:,} of {total:,} files failed; the first: {first.job.source}: "
            f"{first.reason}"
        )
    click.get_current_context().exit(summary.return_code)

"""What comes before a batch: its jobs are listed and checked, and its folder is made."""

import contextlib
from collections.abc import Iterable, Iterator

from convcli.batch import places
from convcli.batch.inputs import JobList
from convcli.batch.job import BatchJob, FileJob
from convcli.batch.local import LocalExecutor, worker_counts
from convcli.batch.manifest import claimed
from convcli.errors import BatchError
from convcli.storage.atomic import remove_abandoned
from convcli.storage.urls import is_url


@contextlib.contextmanager
def prepared_jobs(
    batch_job: BatchJob,
    files: Iterable[FileJob],
    out_dir: str,
    *,
    may_exist: bool,
    overwrite: bool = False,
    done: Iterable[FileJob] = (),
    memory: int | None = None,
    dry: bool = False,
) -> Iterator[JobList]:
    """List the jobs of a batch, check them, and make the folder of its outputs.

    Parameters
    ----------
    batch_job : BatchJob
        What is done to each file.
    files : iterable of FileJob
        The files to filter; read once.
    out_dir : str
        The place of the outputs.
    may_exist : bool
        Whether outputs may exist already.
    overwrite : bool
        Whether another run may be writing the same outputs.
    done : iterable of FileJob
        Files that are known to be done: they are not asked for.
    memory : int, optional
        The bytes that pictures may take together.
    dry : bool
        Make no folder.

    Yields
    ------
    JobList

    Raises
    ------
    BatchError
        If the inputs and outputs cannot be one batch, or no file of it could be written:
        nothing is made then.
    """
    with JobList(files) as jobs, contextlib.ExitStack() as stack:
        jobs.settle(done)
        jobs.check(may_exist=may_exist)
        threads = worker_counts(len(jobs), batch_job.options.jobs)[1]
        _refuse_common_fault(batch_job.with_limits(threads, memory), jobs)
        if not dry:
            _make_folder(out_dir)
            stack.enter_context(claimed(jobs.keys(), overwrite=overwrite))
            if batch_job.skip_existing:
                jobs.settle_existing()
        yield jobs


def _refuse_common_fault(batch_job: BatchJob, jobs: JobList) -> None:
    """Refuse a batch of which no file could be written: the options are wrong then.

    The look ends at the first file without a fault, which is nearly always the first file.
    """
    first, more = "", -1
    for job in jobs:
        fault = batch_job.fault(job)
        if not fault:
            return
        first, more = first or fault, more + 1
    if first:
        raise BatchError(f"{first} (the same for {more:,} more)" if more else first)


def _make_folder(out_dir: str) -> None:
    try:
        places.make_folder(out_dir)
        if not is_url(out_dir):
            remove_abandoned(out_dir)
    except OSError as error:
        raise BatchError(
            f"{out_dir}: the folder cannot be made: {error.strerror}: name another"
        ) from None


def local_executor(batch_job: BatchJob, files: int, memory: int | None) -> LocalExecutor:
    """Return what runs a batch of so many files on this machine, in so many bytes."""
    workers, threads = worker_counts(files, batch_job.options.jobs)
    return LocalExecutor(workers, threads, memory, files)

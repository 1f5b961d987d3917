"""What comes before a batch: its jobs are listed and checked, and its folder is made."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator

from convcli.batch import places
from convcli.batch.inputs import InputFile, JobList, Template
from convcli.batch.job import BatchJob
from convcli.batch.local import LocalExecutor, worker_counts
from convcli.errors import BatchError


@contextlib.contextmanager
def prepared_jobs(
    batch_job: BatchJob,
    inputs: Iterable[InputFile],
    template: Template,
    out_dir: str,
    *,
    may_exist: bool,
    memory: int | None = None,
    dry: bool = False,
) -> Iterator[JobList]:
    """List the jobs of a batch, check them, and make the folder of its outputs.

    Parameters
    ----------
    batch_job : BatchJob
        What is done to each file.
    inputs : iterable of InputFile
        The files to filter; read once.
    template : Template
        Names each output.
    out_dir : str
        The place of the outputs.
    may_exist : bool
        Whether outputs may exist already.
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
    with JobList(template.job(each, out_dir) for each in inputs) as jobs:
        jobs.check(may_exist=may_exist)
        threads = worker_counts(len(jobs), batch_job.options.jobs)[1]
        _refuse_common_fault(batch_job.with_limits(threads, memory), jobs)
        if not dry:
            _make_folder(out_dir)
        yield jobs


_LOOKED_AT = 20
"""The files of which one must have no fault: to look at all could take as long as the batch."""


def _refuse_common_fault(batch_job: BatchJob, jobs: JobList) -> None:
    """Refuse a batch whose files could all not be written: the options are wrong then."""
    faults = []
    for job in itertools.islice(jobs, _LOOKED_AT):
        faults.append(batch_job.fault(job))
        if not faults[-1]:
            return
    if faults:
        first = "" if len(faults) == 1 else f" (and so of the next {len(faults) - 1:,})"
        raise BatchError(f"{faults[0]}{first}")


def _make_folder(out_dir: str) -> None:
    try:
        places.make_folder(out_dir)
    except OSError as error:
        raise BatchError(
            f"{out_dir}: the folder cannot be made: {error.strerror}: name another"
        ) from None


def local_executor(batch_job: BatchJob, files: int, memory: int | None) -> LocalExecutor:
    """Return what runs a batch of so many files on this machine, in so many bytes."""
    workers, threads = worker_counts(files, batch_job.options.jobs)
    return LocalExecutor(workers, threads, memory, files)

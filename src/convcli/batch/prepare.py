"""What comes before a batch: its jobs are listed and checked, and its folder is made."""

import contextlib
from collections.abc import Iterable, Iterator

from convcli.batch import places
from convcli.batch.inputs import InputFile, JobList, Template
from convcli.batch.job import BatchJob
from convcli.batch.local import LocalExecutor, worker_counts
from convcli.errors import BatchError


@contextlib.contextmanager
def prepared_jobs(
    inputs: Iterable[InputFile], template: Template, out_dir: str, *, may_exist: bool
) -> Iterator[JobList]:
    """List the jobs of a batch, check them, and make the folder of its outputs.

    Parameters
    ----------
    inputs : iterable of InputFile
        The files to filter; read once.
    template : Template
        Names each output.
    out_dir : str
        The place of the outputs.
    may_exist : bool
        Whether outputs may exist already.

    Yields
    ------
    JobList

    Raises
    ------
    BatchError
        If the inputs and outputs cannot be one batch: nothing is made then.
    """
    with JobList(template.job(each, out_dir) for each in inputs) as jobs:
        jobs.check(may_exist=may_exist)
        _make_folder(out_dir)
        yield jobs


def _make_folder(out_dir: str) -> None:
    try:
        places.make_folder(out_dir)
    except OSError as error:
        raise BatchError(
            f"{out_dir}: the folder cannot be made: {error.strerror}: name another"
        ) from None


def local_executor(batch_job: BatchJob, files: int, memory: int | None) -> LocalExecutor:
    """Return what runs a batch of so many files on this machine, in so many bytes."""
    return LocalExecutor(*worker_counts(files, batch_job.options.jobs), memory=memory)

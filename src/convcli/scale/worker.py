"""What runs on the workers of a cluster."""

import signal
from collections.abc import Sequence
from typing import Any

from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.places import place_exists
from convcli.storage.urls import is_url
from convcli.values import Record


class GroupResult(Record):
    """The answer of a worker to a group of jobs.

    Attributes
    ----------
    worker : str
        Its address.
    outcomes : list of Outcome
        One for each job, in their order.
    unseen : list of int
        The indices of jobs that failed and whose source the worker does not see.
    """

    worker: str
    outcomes: list[Outcome]
    unseen: list[int]


def hold_batch_job(batch_job: BatchJob) -> BatchJob:
    """Return the batch job: as the result of a task, Dask holds it and replaces lost copies."""
    return batch_job


def run_group(batch_job: BatchJob, jobs: Sequence[FileJob]) -> GroupResult:
    """Do several jobs, one after another."""
    from distributed import get_worker

    outcomes = [batch_job.run(job) for job in jobs]
    unseen = [
        index
        for index, outcome in enumerate(outcomes)
        if outcome.status is Status.FAILED and _is_unseen(outcome.job.source)
    ]
    return GroupResult(get_worker().address, outcomes, unseen)


def _is_unseen(source: str) -> bool:
    return not is_url(source) and not place_exists(source)


def dask_setup(_: Any) -> None:
    """Prepare a worker of this machine: it ignores Ctrl-C, on which the client alone acts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

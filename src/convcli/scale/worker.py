"""What runs on the workers of a cluster."""

import os
import signal
from collections.abc import Sequence
from typing import Any

from convcli.batch import places
from convcli.batch.job import BatchJob, Job, Outcome, Status
from convcli.values import Record


class GroupResult(Record):
    """What a worker answers.

    Attributes
    ----------
    worker : str
        Its address.
    outcomes : list of Outcome
        One a job, in their order.
    unseen : list of int
        Which of them failed, and have no source where the worker looks.
    """

    worker: str
    outcomes: list[Outcome]
    unseen: list[int]


def kept(work: BatchJob) -> BatchJob:
    """Return the work: as a task it is sent once, and made again where its worker is lost."""
    return work


def run_group(work: BatchJob, jobs: Sequence[Job]) -> GroupResult:
    """Do several jobs, one after another."""
    from distributed import get_worker

    outcomes = [work.run(job) for job in jobs]
    unseen = [
        index
        for index, outcome in enumerate(outcomes)
        if outcome.status is Status.FAILED and not _sees(outcome.job.source)
    ]
    return GroupResult(get_worker().address, outcomes, unseen)


def _sees(source: str) -> bool:
    return places.is_url(source) or os.path.lexists(source)


def dask_setup(_: Any) -> None:
    """Prepare a worker of this machine: a terminal's Ctrl-C is for the client alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

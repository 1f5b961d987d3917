"""Run a batch on a Dask cluster: what this machine does, and what the workers do."""

import contextlib
import itertools
import math
import operator
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.places import is_pipe, size_or_zero
from convcli.batch.report import Executor
from convcli.scale.admission import admission, connected, name_of
from convcli.scale.flight import GONE, Ended, Flight, error_line
from convcli.storage.urls import first_output, is_there, is_url
from convcli.values import Record, replace


class DaskExecutor(Executor):
    """Runs jobs on a cluster, or on workers of this machine that a scheduler leads.

    Each file is filtered on one thread: a worker takes as many at a time as it has threads. The
    address is ``tcp://HOST:PORT`` of a scheduler, ``local:N`` to start one with N workers, or a
    `distributed.Client` that is ready.
    `retries` is how often a job is tried again whose worker died; a cluster that runs already
    has its own number of tries for each task. A picture that needs more than `memory` bytes is
    refused. A worker that takes longer than `timeout` seconds for a file is left aside: without
    one, `default_timeout`. `on_connected` gets the address of Dask's dashboard. `notices` has a
    line for each worker that is not used.
    """

    def __init__(
        self,
        address: Any,
        retries: int = 3,
        memory: int | None = None,
        timeout: float | None = None,
        on_connected: Callable[[str], object] = lambda _: None,
    ) -> None:
        super().__init__()
        self._name, self._address = name_of(address), address
        self._retries, self._memory, self._timeout = retries, memory, timeout
        self._sees_outputs = False
        self._blind_workers: set[str] = set()
        self.on_connected = on_connected

    def run(
        self, batch_job: BatchJob, jobs: Iterable[FileJob]
    ) -> Generator[Outcome, None, None]:
        """Run jobs, and yield the outcome of each as it ends: see `Executor.run`."""
        total, rest = operator.length_hint(jobs), iter(jobs)
        first = next(rest, None)
        if first is None:
            return
        start = time.perf_counter()
        with (
            connected(self._address, self._retries) as client,
            admission(client, first.absolute()) as admitted,
        ):
            groups = Groups(itertools.chain([first], rest), total)
            flight = Flight(
                client,
                admitted,
                run_file,
                batch_job.with_limits(1, self._memory),
                address=self._name,
                retries=self._retries,
                timeout=self._timeout,
                noun="files",
                remedy="go on with --on-exists skip",
            )
            self.seconds_to_connect = time.perf_counter() - start
            with contextlib.suppress(*GONE, ValueError, KeyError, TypeError):
                self.on_connected(client.dashboard_link)
            self._sees_outputs = admitted.sees_outputs
            try:
                yield from self._outcomes(groups, flight)
            finally:
                flight.cancel()
                self.notices = flight.notices
                self.counts = {"retries": flight.retried, "left_aside": flight.left_aside}

    def _outcomes(self, groups: "Groups", flight: Flight) -> Iterator[Outcome]:
        while True:
            while not self.is_stopped and flight.has_room:
                group = groups.next(max(1, flight.threads))
                if not group:
                    break
                # The second has paths that mean the same on other machines.
                flight.send([(job, job.absolute()) for job in group])
            if flight.is_empty and (self.is_stopped or not flight.send_suspect()):
                return
            for ended in flight.next_ended():
                for outcome in self._outcomes_of(ended):
                    groups.learn(outcome)
                    yield outcome

    def _outcomes_of(self, ended: Ended) -> list[Outcome]:
        """Return the outcomes with the names of files as they were given."""
        if not ended.results:
            error = ended.error
            why = f"the worker could not do it: {error_line(error)}" if error else ended.fault
            return [
                Outcome(job=job, status=Status.FAILED, reason=why) for job, _ in ended.items
            ]
        pairs = zip(ended.results, ended.items, strict=True)
        return [self._outcome_of(result, job) for result, (job, _) in pairs]

    def _outcome_of(self, result: "FileResult", job: FileJob) -> Outcome:
        outcome = replace(result.outcome, job=job, worker=result.worker)
        if result.is_unseen:
            outcome = self._explained(outcome, result.worker)
        return _looked_at(outcome, result.size) if self._sees_outputs else outcome

    def _explained(self, outcome: Outcome, worker: str) -> Outcome:
        """Say that a worker does not see a file which exists here; say once how to help."""
        if not is_there(outcome.job.source):
            return outcome
        reason = f"the worker {worker} does not see it, this machine does"
        if worker not in self._blind_workers:
            self._blind_workers.add(worker)
            reason += ": share its folder with all workers, or use URLs (s3://…)"
        return replace(outcome, reason=reason)


_SHARING_SECONDS = 5.0
"""Seconds until all machines see what one of them wrote into a shared folder."""


def _looked_at(outcome: Outcome, size: int) -> Outcome:
    """Believe that a file is done where this machine sees what the worker wrote."""
    target = first_output(outcome.job.target)
    if outcome.status is not Status.DONE or is_url(target) or not size:
        return outcome
    end = time.monotonic() + _SHARING_SECONDS
    while size_or_zero(target) != size:
        if time.monotonic() > end:
            reason = (
                f"{target}: its worker wrote {size:,} bytes, this machine sees "
                f"{size_or_zero(target):,}: share the folder with all workers"
            )
            return replace(outcome, status=Status.FAILED, reason=reason)
        time.sleep(0.01)
    return outcome


# ------------------------------------------------------------------ how many files a task has

_TASKS_A_SECOND = 100
"""A scheduler manages these with ease. A task takes it some milliseconds, whatever its length,
and all workers share the scheduler (benchmarks/cluster.py, docs/scale.md)."""

_LEAST_SECONDS = 0.2
_LEAST_SECONDS_A_JOB = 1e-6
_MOST_JOBS = 250
_SHARES = 2
"""A thread gets a group of at most this part of its share of the jobs that are left."""


class Groups:
    """Takes jobs in groups: a group is one task, which keeps a worker busy for long enough.

    With one file a task, a few workers would be enough to keep the scheduler busy. The more
    workers there are, the longer are the tasks. But a worker that dies loses a longer task.
    `total` is the number of `jobs`, which are taken as there is room; 0 if it is unknown.
    """

    def __init__(self, jobs: Iterable[FileJob], total: int = 0) -> None:
        self._jobs, self._left = iter(jobs), total or sys.maxsize
        self._seconds = 0.0
        self._ended = 0

    def learn(self, outcome: Outcome) -> None:
        """Take into account how long a job took."""
        self._seconds += outcome.seconds
        self._ended += 1

    def next(self, threads: int) -> list[FileJob]:
        """Return the next group, for one thread of a cluster's; it is empty at the end."""
        group = list(itertools.islice(self._jobs, self.size(threads)))
        self._left -= len(group)
        return group

    def size(self, threads: int) -> int:
        """Return how many jobs make a task that is long enough.

        >>> Groups([]).size(threads=8)  # nothing is known yet
        1
        """
        if not self._ended:
            return 1
        task_seconds = max(_LEAST_SECONDS, threads / _TASKS_A_SECOND)
        job_seconds = max(self._seconds / self._ended, _LEAST_SECONDS_A_JOB)
        # Groups get shorter towards the end, so that all workers end at the same time.
        fair = max(1, self._left // (_SHARES * threads))
        return min(math.ceil(task_seconds / job_seconds), _MOST_JOBS, fair)


# ------------------------------------------------------------------ what runs on the workers


class FileResult(Record):
    """The answer of a worker for a file: its address, and the outcome.

    `is_unseen` says that the worker does not see the source, so the job failed. `size` are the
    bytes of the output, as the worker sees it; 0 where that is not known.
    """

    worker: str
    outcome: Outcome
    is_unseen: bool
    size: int


def run_file(batch_job: BatchJob, jobs: tuple[FileJob, FileJob]) -> FileResult:
    """Do the second job, whose paths hold on other machines."""
    from distributed import get_worker

    outcome = batch_job.run(jobs[1])
    is_unseen = outcome.status is Status.FAILED and _is_unseen(outcome.job.source)
    return FileResult(
        get_worker().address, outcome, is_unseen, _written_size(outcome.job.target)
    )


def _written_size(target: str) -> int:
    target = first_output(target)
    return 0 if is_url(target) or is_pipe(target) else size_or_zero(target)


def _is_unseen(source: str) -> bool:
    return not is_url(source) and not is_there(source)


def dask_setup(_: Any) -> None:
    """Prepare a worker of this machine: it ignores Ctrl-C, on which the client alone acts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

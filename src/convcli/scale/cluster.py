"""Run a batch on a Dask cluster: what this machine does, and what the workers do."""

import concurrent.futures
import contextlib
import itertools
import math
import operator
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.places import is_pipe, place_exists, size_or_zero
from convcli.errors import ClusterError
from convcli.scale.admission import Admission, admission, connected, local_workers
from convcli.storage.urls import first_output, is_url
from convcli.values import Record, replace


class DaskExecutor:
    """Runs jobs on a cluster, or on workers of this machine that a scheduler leads.

    Each file is filtered on one thread: a worker takes as many at a time as it has threads. The
    address is ``tcp://HOST:PORT`` of a scheduler, or ``local:N`` to start one with N workers.
    `retries` is how often a job is tried again whose worker died; a cluster that runs already
    has its own number of tries for each task. A picture that needs more than `memory` bytes is
    refused. A worker that takes longer than `timeout` seconds for a file is left aside: without
    one, `default_timeout`. `notices` has a line for each worker that is not used.
    """

    def __init__(
        self,
        address: str,
        retries: int = 3,
        memory: int | None = None,
        timeout: float | None = None,
    ) -> None:
        local_workers(address)
        self._address, self._retries, self._memory = address, retries, memory
        self._timeout, self._stopped = timeout, False
        self.notices: list[str] = []

    def stop(self) -> None:
        """Take no more jobs; those that were sent still end, and are yielded."""
        self._stopped = True

    def run(
        self, batch_job: BatchJob, jobs: Iterable[FileJob]
    ) -> Generator[Outcome, None, None]:
        """Run jobs, and yield the outcome of each as it ends: see `Executor.run`."""
        total, rest = operator.length_hint(jobs), iter(jobs)
        first = next(rest, None)
        if first is None:
            return
        with (
            connected(self._address, self._retries) as client,
            admission(client, first.absolute()) as admitted,
        ):
            groups = Groups(itertools.chain([first], rest), total)
            limited = batch_job.with_limits(1, self._memory)
            in_flight = _InFlight(client, admitted, limited, self._address, self._retries)
            try:
                yield from self._outcomes(groups, in_flight)
            finally:
                in_flight.cancel()
                self.notices = in_flight.notices

    def _outcomes(self, groups: "Groups", in_flight: "_InFlight") -> Iterator[Outcome]:
        while True:
            while not self._stopped and in_flight.has_room:
                group = groups.next(in_flight.threads)
                if not group:
                    break
                in_flight.send(group)
            if in_flight.is_empty and (self._stopped or not in_flight.send_suspect()):
                return
            in_flight.timeout = self._timeout or default_timeout(groups.slowest)
            for outcome in in_flight.next_outcomes():
                groups.learn(outcome)
                yield outcome


_LEAST_TIMEOUT = 60.0
_TIMES_THE_SLOWEST = 20


def default_timeout(slowest: float) -> float:
    """Return the seconds that a file may take, where the slowest so far took `slowest`.

    >>> default_timeout(0.5)
    70.0
    """
    return _LEAST_TIMEOUT + _TIMES_THE_SLOWEST * slowest


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
        self.slowest = 0.0

    def learn(self, outcome: Outcome) -> None:
        """Take into account how long a job took."""
        self._seconds += outcome.seconds
        self._ended += 1
        self.slowest = max(self.slowest, outcome.seconds)

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


# ------------------------------------------------------------------ what is on the way

_THREADS_A_SPARE_GROUP = 4
"""Threads for each spare group: one that waits at the scheduler, and starts as another ends."""

_LOOK_SECONDS = 2.0
"""Seconds between two looks at the cluster."""

_SHARING_SECONDS = 5.0
"""Seconds until all machines see what one of them wrote into a shared folder."""

_LOST_SECONDS = 60.0
"""Seconds to wait for new workers when all are lost."""


_POLL_SECONDS = 0.01

_GONE = (OSError, concurrent.futures.CancelledError)
"""What Dask raises where the scheduler has gone away."""


class _SentGroup(Record):
    """A group that was sent, how many workers it killed, and whether it was sent alone."""

    future: Any
    jobs: Sequence[FileJob]
    deaths: int
    is_alone: bool


class _InFlight:
    """The groups that were sent and have not come back: a few for each thread of the cluster.

    When workers die of a group, any job that they had may be the cause. So its jobs become
    suspects: at the end each is sent again, with no other beside it. A worker that is at a
    group for too long is left aside, and another gets the group; after a second time its jobs
    are suspects too.
    """

    def __init__(
        self,
        client: Any,
        admitted: Admission,
        batch_job: BatchJob,
        address: str,
        retries: int,
    ) -> None:
        from distributed import as_completed

        self._client, self._address, self._retries = client, address, retries
        self._admitted = admitted
        self._name = f"convcli-{secrets.token_hex(8)}"
        self._numbers = itertools.count()
        self._sent: dict[Any, _SentGroup] = {}
        # Results travel with the completion: to ask for one later may wait for a hung worker.
        self._ended = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        self._suspects: deque[tuple[FileJob, int]] = deque()
        self._blind_workers: set[str] = set()
        self._last_look = self._last_alive = time.monotonic()
        self._at_work_since: dict[Any, tuple[str, float]] = {}
        self._hung: list[str] = []
        self._hung_twice: set[Any] = set()
        self.timeout = _LEAST_TIMEOUT
        self._failed: list[Outcome] = []
        self.threads = sum(threads for threads, _ in admitted.look().values())
        self._batch_job = self._share(batch_job)

    def _share(self, batch_job: BatchJob) -> Any:
        """Send the batch job once; the workers copy it from each other."""
        name = f"{self._name}-job"
        future = self._client.submit(
            hold_batch_job,
            batch_job,
            key=name,
            retries=self._retries,
            resources=self._admitted.resources,
        )
        try:
            error = future.exception(timeout=_LOOK_SECONDS)
        except TimeoutError:
            return future  # The workers are busy with other clients: each asks for it later.
        if error is not None:
            raise ClusterError(f"{self._address}: no worker can do it: {_one_line(error)}")
        return future

    @property
    def notices(self) -> list[str]:
        """A line for each worker that was refused, or left aside."""
        with contextlib.suppress(*_GONE):
            return [*self._admitted.refusals, *self._hung]
        return self._hung

    @property
    def has_room(self) -> bool:
        """Whether one more group may be sent: few wait in the scheduler, never a million."""
        spare = max(self.threads // _THREADS_A_SPARE_GROUP, 2)
        return len(self._sent) < self.threads + spare

    @property
    def is_empty(self) -> bool:
        """Whether all groups that were sent have come back."""
        return not self._sent and not self._failed

    def send(self, jobs: Sequence[FileJob], deaths: int = 0, *, is_alone: bool = False) -> None:
        """Send a group to the scheduler."""
        future = self._client.submit(
            run_group,
            self._batch_job,
            [job.absolute() for job in jobs],
            key=(self._name, next(self._numbers)),
            retries=self._retries,
            resources=self._admitted.resources,
        )
        self._sent[future.key] = _SentGroup(future, jobs, deaths, is_alone)
        self._ended.add(future)

    def send_suspect(self) -> bool:
        """Send a suspect when no other job is in flight; return False if there is none."""
        if not self._suspects:
            return False
        job, deaths = self._suspects.popleft()
        self.send([job], deaths, is_alone=True)
        return True

    def next_outcomes(self) -> list[Outcome]:
        """Wait for groups, and return their outcomes; none if their jobs became suspects."""
        # If the connection to the scheduler breaks, Dask cancels what was sent.
        try:
            ended = self._next_ended()
        except _GONE:
            raise self._scheduler_is_gone() from None
        outcomes, self._failed = self._failed, []
        for future, result in ended:
            group = self._sent.pop(future.key, None)
            if group is None:  # It was cancelled here.
                continue
            if future.status == "error":
                outcomes += self._after_error(group, result[1])
            elif isinstance(result, GroupResult):
                outcomes += self._outcomes(group, result)
            else:
                raise self._scheduler_is_gone()
        return outcomes

    def _scheduler_is_gone(self) -> ClusterError:
        return ClusterError(
            f"{self._address}: the scheduler went away: when it is there again, go on "
            "with --on-exists skip"
        )

    def cancel(self) -> None:
        """Cancel what was sent."""
        self._client.cancel([group.future for group in self._sent.values()])
        self._sent.clear()

    def _next_ended(self) -> list[tuple[Any, Any]]:
        """Wait until a group has ended, or one was given up; return those that ended."""
        while not (self._ended.has_ready() or self._failed) and self._sent:
            if time.monotonic() - self._last_look > _LOOK_SECONDS:
                self._look()
            time.sleep(_POLL_SECONDS)
        ended: list[tuple[Any, Any]] = self._ended.next_batch(block=False)
        return ended

    def _look(self) -> None:
        """Count the workers, which may come and go; stop if all are lost for long."""
        workers = self._admitted.look()
        self._last_look = time.monotonic()
        self.threads = sum(threads for threads, _ in workers.values())
        self._leave_hung_aside(workers)
        if self.threads:
            self._last_alive = self._last_look
        elif self._last_look - self._last_alive > _LOST_SECONDS:
            raise ClusterError(
                f"{self._address}: the cluster has had no workers for {_LOST_SECONDS:.0f} s: "
                "start some, and go on with --on-exists skip"
            )

    def _leave_hung_aside(self, workers: dict[str, tuple[int, list[Any]]]) -> None:
        """Leave aside each worker that has been at one group for too long."""
        at_work = {
            key: address
            for address, (threads, keys) in workers.items()
            for key in keys[:threads]
            if key in self._sent
        }
        # A result that does not come lies on a worker that does not answer.
        at_work |= {
            key: ""
            for key, group in self._sent.items()
            if key not in at_work and group.future.status == "finished"
        }
        before, now = self._at_work_since, self._last_look
        self._at_work_since = {
            key: before[key]
            if before.get(key, ("", 0))[0] == address and key in before
            else (address, now)
            for key, address in at_work.items()
        }
        for key, (address, since) in list(self._at_work_since.items()):
            limit = self.timeout * len(self._sent[key].jobs)
            if now - since > limit:
                self._after_timeout(key, address, limit)

    def _after_timeout(self, key: Any, address: str, limit: float) -> None:
        group = self._sent[key]
        if address and address not in " ".join(self._hung):
            self._hung.append(
                f"the worker {address} was left aside: it did not end {len(group.jobs)} of "
                f"its files within {limit:.0f} s (--timeout): look at it, and start it again"
            )
            self._admitted.leave_aside(address)
        if address and key not in self._hung_twice and not group.is_alone:
            self._hung_twice.add(key)  # Dask gives it to another worker.
            return
        del self._sent[key]
        group.future.cancel(force=True)
        if not address:
            self.send(group.jobs, group.deaths, is_alone=group.is_alone)
        elif group.is_alone:
            self._failed += _failures(
                group.jobs, f"it was not ended within {limit:.0f} s: allow more by --timeout"
            )
        else:
            self._suspects.extend((job, group.deaths) for job in group.jobs)

    def _outcomes(self, group: _SentGroup, result: "GroupResult") -> list[Outcome]:
        """Return the outcomes with the names of files as they were given."""
        outcomes = [
            replace(outcome, job=job)
            for outcome, job in zip(result.outcomes, group.jobs, strict=True)
        ]
        for index in result.unseen:
            outcomes[index] = self._explained(outcomes[index], result.worker)
        if self._admitted.sees_outputs:
            outcomes = list(map(self._looked_at, outcomes, result.sizes))
        return outcomes

    def _looked_at(self, outcome: Outcome, size: int) -> Outcome:
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
            time.sleep(_POLL_SECONDS)
        return outcome

    def _explained(self, outcome: Outcome, worker: str) -> Outcome:
        """Say that a worker does not see a file which exists here; say once how to help."""
        if not place_exists(outcome.job.source):
            return outcome
        reason = f"the worker {worker} does not see it, this machine does"
        if worker not in self._blind_workers:
            self._blind_workers.add(worker)
            reason += ": share its folder with all workers, or use URLs (s3://…)"
        return replace(outcome, reason=reason)

    def _after_error(self, group: _SentGroup, error: BaseException) -> list[Outcome]:
        """Make the jobs suspects if workers died of them; otherwise they failed."""
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            return _failures(group.jobs, f"the worker could not do it: {_one_line(error)}")
        deaths = group.deaths + error.allowed_failures + 1
        if self._retries == 0 or (group.is_alone and deaths > self._retries):
            return _failures(group.jobs, f"{deaths} workers died while they were at it")
        self._suspects.extend((job, deaths) for job in group.jobs)
        return []


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _failures(jobs: Iterable[FileJob], reason: str) -> list[Outcome]:
    return [Outcome(job=job, status=Status.FAILED, reason=reason) for job in jobs]


# ------------------------------------------------------------------ what runs on the workers


class GroupResult(Record):
    """The answer of a worker to a group: its address, and the outcome of each job in order.

    `unseen` are the indices of jobs that failed and whose source the worker does not see.
    `sizes` are the bytes of each output, as the worker sees it; 0 where that is not known.
    """

    worker: str
    outcomes: list[Outcome]
    unseen: list[int]
    sizes: list[int]


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
    sizes = [_written_size(outcome.job.target) for outcome in outcomes]
    return GroupResult(get_worker().address, outcomes, unseen, sizes)


def _written_size(target: str) -> int:
    target = first_output(target)
    return 0 if is_url(target) or is_pipe(target) else size_or_zero(target)


def _is_unseen(source: str) -> bool:
    return not is_url(source) and not place_exists(source)


def dask_setup(_: Any) -> None:
    """Prepare a worker of this machine: it ignores Ctrl-C, on which the client alone acts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

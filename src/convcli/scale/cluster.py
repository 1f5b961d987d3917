"""A batch on a Dask cluster."""

import concurrent.futures
import itertools
import math
import operator
import queue
import secrets
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from convcli.batch import places
from convcli.batch.job import BatchJob, Job, Outcome, Status
from convcli.errors import ClusterError
from convcli.scale.admission import check_sight, connected, local_workers
from convcli.scale.worker import GroupResult, kept, run_group
from convcli.values import Record, replace

_TASKS_A_SECOND = 100
"""What a scheduler does without effort: each task takes it some milliseconds, however long the
task is, and all workers share it (benchmarks/cluster.py, docs/scale.md)."""

_LEAST_SECONDS = 0.2
_INSTANT = 1e-6
_MOST_JOBS = 250
_SHARES = 2
"""A group has at most this part of what is left for its thread."""


class Groups:
    """Takes jobs in groups, each of which keeps a worker busy for long enough.

    With one file a task, a scheduler has enough to do with a few workers. The more
    workers there are, the longer are the tasks; a lost worker loses more work with them.

    Parameters
    ----------
    jobs : iterable of Job
        Taken as there is room for them.
    total : int
        How many there are; 0 where nobody knows.
    """

    def __init__(self, jobs: Iterable[Job], total: int = 0) -> None:
        self._jobs, self._left = iter(jobs), total or sys.maxsize
        self._seconds = 0.0
        self._known = 0

    def learn(self, outcome: Outcome) -> None:
        """Take into account how long a job took."""
        self._seconds += outcome.seconds
        self._known += 1

    def next(self, threads: int) -> list[Job]:
        """Return the next jobs for one of so many threads; empty at the end."""
        group = list(itertools.islice(self._jobs, self.size(threads)))
        self._left -= len(group)
        return group

    def size(self, threads: int) -> int:
        """Return how many jobs make a task long enough.

        Examples
        --------
        >>> Groups([]).size(threads=8)  # nothing is known yet
        1
        """
        if not self._known:
            return 1
        wanted = max(_LEAST_SECONDS, threads / _TASKS_A_SECOND)
        each = max(self._seconds / self._known, _INSTANT)
        # Shorter towards the end, so that all workers come to theirs at the same time.
        fair = max(1, self._left // (_SHARES * threads))
        return min(math.ceil(wanted / each), _MOST_JOBS, fair)


_SPARE = 4
"""For so many threads one more group is sent than run: it begins where one ends."""

_LOOK = 2.0
"""Seconds between two looks at the cluster."""

_PATIENCE = 60.0
"""Seconds to wait for new workers where all are lost."""


class _Sent(Record):
    """A group on its way: its jobs, how many workers died of it, whether no other is out."""

    future: Any
    jobs: Sequence[Job]
    deaths: int
    alone: bool


class DaskExecutor:
    """Runs jobs on a cluster, or on workers of this machine that a scheduler leads.

    Each file is filtered on one thread: a worker takes as many at a time as it has threads.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` of a scheduler that runs, or ``local:N`` to start one with N
        workers.
    retries : int
        How often a job is tried again whose worker died. A cluster that runs already tries
        as often as it is set to by itself.
    memory : int, optional
        The most bytes that a picture may take: others are refused.

    Raises
    ------
    BatchError
        If the address is none.
    """

    def __init__(self, address: str, retries: int = 3, memory: int | None = None) -> None:
        local_workers(address)
        self._address, self._retries, self._memory = address, retries, memory
        self._stopped = False

    def stop(self) -> None:
        """Take no more jobs; those that were sent end, and are yielded."""
        self._stopped = True

    def run(self, work: BatchJob, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Run jobs, and yield what became of each as it ends: see `Executor.run`."""
        total, waiting = operator.length_hint(jobs), iter(jobs)
        first = next(waiting, None)
        if first is None:
            return
        with connected(self._address, self._retries) as client:
            check_sight(client, _absolute(first))
            groups = Groups(itertools.chain([first], waiting), total)
            work = replace(work.with_threads(1), memory=self._memory)
            flights = _InFlight(client, work, self._address, self._retries)
            try:
                yield from self._outcomes(groups, flights)
            finally:
                flights.give_up()

    def _outcomes(self, groups: Groups, flights: "_InFlight") -> Iterator[Outcome]:
        while True:
            while not self._stopped and flights.has_room:
                group = groups.next(flights.threads)
                if not group:
                    break
                flights.send(group)
            if not flights.are_out and (self._stopped or not flights.send_suspect()):
                return
            for outcome in flights.landed():
                groups.learn(outcome)
                yield outcome


class _InFlight:
    """Groups that were sent and have not come back: few for each thread of the cluster."""

    def __init__(self, client: Any, work: BatchJob, address: str, retries: int) -> None:
        self._client, self._address, self._retries = client, address, retries
        self._name = f"convcli-{secrets.token_hex(8)}"
        self._numbers = itertools.count()
        self._out: dict[str, _Sent] = {}
        self._back: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._blind: set[str] = set()
        self._suspects: deque[tuple[Job, int]] = deque()
        self._looked = self._alive = time.monotonic()
        self.threads = self._count_threads()
        self._work = self._keep(work)

    def _keep(self, work: BatchJob) -> Any:
        """Send the work, once, and let all workers have a copy from each other."""
        name = f"{self._name}-work"
        future = self._client.submit(kept, work, key=name, retries=self._retries)
        try:
            error = future.exception(timeout=_LOOK)
        except TimeoutError:
            return future  # They are busy with what others sent: each asks for it in time.
        if error is not None:
            raise ClusterError(f"{self._address}: no worker can do it: {_line(error)}")
        self._client.replicate([future])
        return future

    @property
    def has_room(self) -> bool:
        """Whether one more group may be sent: a million never wait in the scheduler."""
        return len(self._out) < self.threads + max(self.threads // _SPARE, 2)

    @property
    def are_out(self) -> bool:
        """Whether groups are to come back."""
        return bool(self._out)

    def send(self, jobs: Sequence[Job], deaths: int = 0, *, alone: bool = False) -> None:
        """Send a group to the scheduler; the work itself is on the workers already."""
        future = self._client.submit(
            run_group,
            self._work,
            [_absolute(job) for job in jobs],
            key=(self._name, next(self._numbers)),
            retries=self._retries,
        )
        self._out[future.key] = _Sent(future, jobs, deaths, alone)
        future.add_done_callback(self._back.put)

    def send_suspect(self) -> bool:
        """Send a job whose workers died, while no other is out; False where there is none."""
        if not self._suspects:
            return False
        job, deaths = self._suspects.popleft()
        self.send([job], deaths, alone=True)
        return True

    def landed(self) -> list[Outcome]:
        """Wait for a group; return what became of its jobs: of none where it is tried again."""
        # What was sent is cancelled where the connection to the scheduler breaks.
        try:
            future = self._next_back()
            sent = self._out.pop(future.key)
            if future.status == "error":
                return self._again(sent, future.exception())
            return self._told(sent, future.result())
        except (OSError, concurrent.futures.CancelledError):
            raise ClusterError(
                f"{self._address}: the scheduler went away: when it is there again, go on "
                "with --on-exists skip"
            ) from None

    def give_up(self) -> None:
        """Take back what was sent."""
        self._client.cancel([sent.future for sent in self._out.values()])
        self._out.clear()

    def _next_back(self) -> Any:
        while True:
            if time.monotonic() - self._looked > _LOOK:
                self._look()
            try:
                return self._back.get(timeout=_LOOK)
            except queue.Empty:
                continue

    def _look(self) -> None:
        """See how many workers there are; they may come and go, but not stay away."""
        self._looked = time.monotonic()
        self.threads = self._count_threads()
        if self.threads:
            self._alive = self._looked
        elif self._looked - self._alive > _PATIENCE:
            raise ClusterError(
                f"{self._address}: the cluster has had no workers for {_PATIENCE:.0f} s: start "
                "some, and go on with --on-exists skip"
            )

    def _count_threads(self) -> int:
        return sum(self._client.nthreads().values())

    def _told(self, sent: _Sent, landed: GroupResult) -> list[Outcome]:
        outcomes = [
            replace(outcome, job=job)
            for outcome, job in zip(landed.outcomes, sent.jobs, strict=True)
        ]
        for index in landed.unseen:
            outcomes[index] = self._seen_here(outcomes[index], landed.worker)
        return outcomes

    def _seen_here(self, outcome: Outcome, worker: str) -> Outcome:
        """Say of a file that only the worker misses whose fault that is; at length once."""
        if not places.is_there(outcome.job.source):
            return outcome
        remedy = ": share its folder with all workers, or use URLs (s3://…)"
        reason = f"the worker {worker} does not see it, this machine does"
        known, self._blind = worker in self._blind, self._blind | {worker}
        return replace(outcome, reason=reason + ("" if known else remedy))

    def _again(self, sent: _Sent, error: BaseException) -> list[Outcome]:
        """Put jobs aside whose workers died; or say that they failed.

        They died of one of the jobs that they had at the time: only one that does it again
        with no other beside it is known to be the one.
        """
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            return _failed(sent.jobs, f"the worker could not do it: {_line(error)}")
        deaths = sent.deaths + error.allowed_failures + 1
        if self._retries == 0 or (sent.alone and deaths > self._retries):
            return _failed(sent.jobs, f"{deaths} workers died while they were at it")
        self._suspects.extend((job, deaths) for job in sent.jobs)
        return []


def _absolute(job: Job) -> Job:
    return Job(places.absolute(job.source), places.absolute(job.target))


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _failed(jobs: Iterable[Job], reason: str) -> list[Outcome]:
    return [Outcome(job=job, status=Status.FAILED, reason=reason) for job in jobs]

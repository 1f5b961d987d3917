"""Connect to a Dask cluster, or start one here, and run a batch on it."""

import contextlib
import importlib.util
import itertools
import logging
import math
import multiprocessing
import operator
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.local import Executor, Outcomes, signals_blocked
from convcli.batch.places import size_or_zero
from convcli.errors import BatchError, ClusterError, fail, install
from convcli.storage.urls import first_output, is_there, is_url
from convcli.threads import available_cores
from convcli.values import replace

if TYPE_CHECKING:
    from convcli.scale.flight import Ended, Flight

_LOCAL = re.compile(r"local(?::([1-9][0-9]{0,3}))?")
_REMOTE = re.compile(r"[a-z]+://.+:[0-9]+/?|wss?://.+")


def local_workers(address: str) -> int | None:
    """Return how many workers ``local:N`` starts here; None for ``tcp://HOST:PORT``."""
    match = _LOCAL.fullmatch(address)
    if match is not None:
        return int(match[1]) if match[1] else available_cores()
    if _REMOTE.fullmatch(address) is None:
        form = "tcp://HOST:PORT of a Dask scheduler, or local:N"
        raise BatchError(f"expected {form}, got {address!r}")
    return None


_PATIENCE = 10.0  # seconds to wait for the answer of a scheduler, and for the first worker

_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado.application")
"""Dask gives each of its own a level; its other loggers inherit from the first."""


@contextlib.contextmanager
def connected(address: Any, retries: int, *places: str) -> Iterator[Any]:
    """Connect to a cluster, or start one that ends with this context; yield its Dask client.

    The address is ``tcp://HOST:PORT`` of a scheduler, or ``local:N``; a client that is ready
    stays open. A cluster that is started here tries a task again `retries` times when its
    worker died. It is a `ClusterError` if there is none, or it does not see the `places`.
    """
    for place in places:
        if place.startswith("memory://"):
            fault = "memory:// is seen by one process only"
            fail(place, fault, "workers need paths, or URLs of stores", ClusterError)
    if not isinstance(address, str):
        yield address
        return
    workers = local_workers(address)
    try:
        import dask

        if workers is not None and start_forking():
            # `distributed` reads this once, when it is imported.
            dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
        import distributed
    except ImportError:
        remedy = install("cluster")
        raise ClusterError(f"--cluster needs the package distributed: {remedy}") from None
    # Dask's log would be printed into the middle of a table; what matters is raised.
    for logger in _LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    settings = {
        "distributed.comm.timeouts.connect": f"{_PATIENCE}s",
        "distributed.scheduler.allowed-failures": retries,
        # Nobody looks at the profile, and it costs workers 4 % of their time.
        "distributed.worker.profile.enabled": False,
    }
    with dask.config.set(settings), _client(distributed, address, workers) as client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            fault = "the cluster has no workers"
            fail(address, fault, f"start some with `dask worker {address}`", ClusterError)
        yield client


def _client(distributed: Any, address: str, workers: int | None) -> Any:
    """Connect to a scheduler; with a number of workers start it, and them, on this machine."""
    security = distributed.Security().get_connection_args("client")
    if address.startswith("tls:") and security.get("ssl_context") is None:
        remedy = "name them in Dask's configuration (distributed.comm.tls)"
        fail(address, "tls:// needs certificates", remedy, ClusterError)
    started: dict[str, Any] = {"address": address}
    if workers is not None:
        # With one thread each: Pillow's settings hold for a whole process.
        started = {
            "n_workers": workers,
            "threads_per_worker": 1,
            "processes": True,
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
            "worker_dashboard_address": "127.0.0.1:0",
            "silence_logs": logging.CRITICAL,
            "memory_limit": 0,
            "preload": _PRELOADED[1:2],
        }
    try:
        with warnings.catch_warnings():
            # Workers of other versions get no work: each is named in one line.
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            return distributed.Client(timeout=_PATIENCE, set_as_default=False, **started)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        remedy = "check the address, and that `dask scheduler` runs there"
        fail(address, f"no scheduler answers: {reason}", remedy, ClusterError)


# ------------------------------------------------------------------ a cluster of this machine

_PRELOADED = ["distributed", "convcli.scale.cluster", "convcli.scale.flight"]


def start_forking() -> bool:
    """Start the process that workers are forked from, if they can be: tell whether they can.

    It saves a second at the start of a cluster: call this early. A second call does nothing.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    if importlib.util.find_spec(_PRELOADED[0]) is None:
        return False
    from multiprocessing import forkserver, resource_tracker

    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    # This comes first: when it ends it unblocks signals.
    resource_tracker.ensure_running()
    # The process and its forks ignore Ctrl-C of a terminal: the client alone acts on it.
    with signals_blocked(signal.SIGINT):
        forkserver.ensure_running()
    return True


# ------------------------------------------------------------------ a batch


class DaskExecutor(Executor):
    """Runs jobs on a cluster, or on workers of this machine that a scheduler leads.

    Each file is filtered on one thread, in at most `memory` bytes. `address` and `retries` are
    those of `connected`, `timeout` that of `Flight`. `on_connected` gets the address of Dask's
    dashboard.
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
        self._address, self.on_connected = address, on_connected
        self._retries, self._memory, self._timeout = retries, memory, timeout
        self._blind_workers: set[str] = set()

    def run(self, batch_job: BatchJob, jobs: Iterable[FileJob]) -> Outcomes:
        """Run jobs, and yield the outcome of each as it ends: see `Executor.run`."""
        total, rest = operator.length_hint(jobs), iter(jobs)
        first = next(rest, None)
        if first is None:
            return
        start = time.perf_counter()
        is_named = isinstance(self._address, str)
        groups = Groups(itertools.chain([first], rest), total)
        with connected(self._address, self._retries, first.source, first.target) as client:
            # Here it is known how workers are started.
            from convcli.scale.flight import GONE, Flight

            with Flight(
                client,
                first.absolute(),
                run_file,
                batch_job.with_limits(1, self._memory),
                address=self._address if is_named else client.scheduler.address,
                retries=self._retries,
                timeout=self._timeout,
                noun="files",
                remedy="go on with --on-exists skip",
            ) as flight:
                self.seconds_to_connect = time.perf_counter() - start
                with contextlib.suppress(*GONE, ValueError, KeyError, TypeError):
                    self.on_connected(client.dashboard_link)
                try:
                    yield from self._outcomes(groups, flight)
                finally:
                    self.notices, self.counts = flight.notices, flight.counts

    def _outcomes(self, groups: "Groups", flight: "Flight") -> Iterator[Outcome]:
        def following() -> list[tuple[FileJob, FileJob]]:
            jobs = [] if self.is_stopped else groups.next(max(1, flight.threads))
            # The second has paths that mean the same on other machines.
            return [(job, job.absolute()) for job in jobs]

        for ended in flight.run(following):
            outcome = self._outcome_of(ended)
            groups.learn(outcome)
            yield _looked_at(outcome) if flight.sees_outputs else outcome

    def _outcome_of(self, ended: "Ended") -> Outcome:
        """Return the outcome with the names of files as they were given."""
        job: FileJob = ended.item[0]
        result: tuple[Outcome, bool] | None = ended.result
        if result is None:
            why, error = ended.fault, ended.error
            if error is not None:
                why = f"the worker could not do it: {type(error).__name__}: {error}"
            return Outcome(job=job, status=Status.FAILED, reason=" ".join(why.split()))
        outcome, is_seen = replace(result[0], job=job), result[1]
        if outcome.status is Status.FAILED and not is_seen and is_there(job.source):
            why = f"the worker {outcome.worker} does not see it, this machine does"
            if outcome.worker not in self._blind_workers:  # How to help is said once.
                self._blind_workers.add(outcome.worker)
                why += ": share its folder with all workers, or use URLs (s3://…)"
            return replace(outcome, reason=why)
        return outcome


_SHARING_SECONDS = 5.0  # until all machines see what one wrote into a shared folder


def _looked_at(outcome: Outcome) -> Outcome:
    """Believe that a file is done where this machine sees what the worker wrote."""
    target, size = first_output(outcome.job.target), outcome.size
    if outcome.status is not Status.DONE or is_url(target) or not size:
        return outcome
    end = time.monotonic() + _SHARING_SECONDS
    while size_or_zero(target) != size:
        if time.monotonic() > end:
            fault = (
                f"its worker wrote {size:,} bytes, this machine sees {size_or_zero(target):,}"
            )
            reason = f"{target}: {fault}: share the folder with all workers"
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
_SHARES = 2  # a thread gets a group of at most this part of its share of the jobs that are left


class Groups:
    """Takes jobs in groups: a group is one task, which keeps a worker busy for long enough.

    The more workers there are, the longer are the tasks, for all share one scheduler. `total`
    is the number of `jobs`, which are taken as there is room; 0 if it is unknown.
    """

    def __init__(self, jobs: Iterable[FileJob], total: int = 0) -> None:
        self._jobs, self._left = iter(jobs), total or sys.maxsize
        self._seconds, self._ended = 0.0, 0

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
        """Return how many jobs make a task that is long enough; 1 while nothing is known."""
        if not self._ended:
            return 1
        task_seconds = max(_LEAST_SECONDS, threads / _TASKS_A_SECOND)
        job_seconds = max(self._seconds / self._ended, _LEAST_SECONDS_A_JOB)
        # Groups get shorter towards the end, so that all workers end at the same time.
        fair = max(1, self._left // (_SHARES * threads))
        return min(math.ceil(task_seconds / job_seconds), _MOST_JOBS, fair)


# ------------------------------------------------------------------ what runs on the workers


def run_file(batch_job: BatchJob, jobs: tuple[FileJob, FileJob]) -> tuple[Outcome, bool]:
    """Do the second job, whose paths hold anywhere; tell whether its source is seen."""
    from distributed import get_worker

    outcome = batch_job.run(jobs[1])
    source, target = jobs[1].source, first_output(jobs[1].target)
    size = outcome.size or (0 if is_url(target) else size_or_zero(target))
    is_seen = is_url(source) or is_there(source)
    return replace(outcome, worker=get_worker().address, size=size), is_seen


def dask_setup(_: Any) -> None:
    """Prepare a worker of this machine: it ignores Ctrl-C, on which the client alone acts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

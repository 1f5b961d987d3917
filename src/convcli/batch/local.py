"""A batch on the cores of this machine."""

import contextlib
import importlib.util
import multiprocessing
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from convcli.batch import places
from convcli.batch.job import BatchJob, Job, Outcome, Status
from convcli.threads import available_cores
from convcli.values import replace


class MemoryGate:
    """Jobs that wait until there is memory for them.

    Parameters
    ----------
    work : BatchJob
        What is done to each, within `Work.memory`.
    jobs : iterable of Job
        Taken one at a time, when they are asked for.
    """

    def __init__(self, work: BatchJob, jobs: Iterable[Job]) -> None:
        self._work, self._jobs = work, iter(jobs)
        self._first: tuple[Job, int] | None = None

    def take(self, held: int) -> tuple[Job, int] | None:
        """Return the next job and the bytes it takes; None where it waits, or there is none.

        One that takes more than there is in all waits until nothing else is held: where it
        is run it is refused.

        Parameters
        ----------
        held : int
            Bytes that other jobs take at the moment.
        """
        if self._first is None:
            job = next(self._jobs, None)
            if job is None:
                return None
            self._first = (job, self._work.needed_bytes(job))
        most = self._work.memory
        if most is not None and held and held + self._first[1] > most:
            return None
        taken, self._first = self._first, None
        return taken


_PRELOADED = ["distributed", "convcli.scale.worker"]


def start_forking() -> bool:
    """Let one process import what all workers need, while this one goes on.

    That takes a second off the start of a cluster, the more the earlier it is called, and
    lets a worker that died be back in a tenth. A second call does nothing.

    Returns
    -------
    bool
        Whether workers can be forked: nothing is started where they cannot, nor without
        the extra.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    if importlib.util.find_spec(_PRELOADED[0]) is None:
        return False
    from multiprocessing import forkserver, resource_tracker

    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    # First, for it lets signals through at its end.
    resource_tracker.ensure_running()
    # What is begun here is deaf for good: a terminal's Ctrl-C is for the client alone.
    with signals_blocked(signal.SIGINT):
        forkserver.ensure_running()
    return True


@contextlib.contextmanager
def signals_blocked(*signals: signal.Signals) -> Iterator[None]:
    """Hold signals back while a process starts, so that it never acts on its parent's."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows has none of these signals.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_PATIENCE = 5.0
"""Seconds that a process may take to leave before it is killed."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_OURS: "weakref.WeakSet[Connection]" = weakref.WeakSet()
"""This process's ends of the pipes: a fork has them too, and must close them, for a worker
ends when no process holds the other end of its pipe."""


class Worker:
    """A process of this machine.

    Parameters
    ----------
    work : BatchJob
        What it does to each file.

    Attributes
    ----------
    connection : Connection
        Ready to be read from when a job has ended, or the process has.
    job : Job or None
        What it is at.
    needs : int
        The bytes of memory that this takes.
    """

    def __init__(self, work: BatchJob) -> None:
        context: Any = multiprocessing.get_context(_start_method())
        self.connection, theirs = context.Pipe()
        self.job: Job | None = None
        self.needs = 0
        _OURS.add(self.connection)
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with signals_blocked(*_SIGNALS), warnings.catch_warnings():
            # NumPy's BLAS has threads of its own, which it ends before a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether it can take jobs."""
        return not self.connection.closed

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a job."""
        return self.job is None and self.is_alive

    def start(self, job: Job, needs: int) -> None:
        """Give it a job that takes so many bytes of memory."""
        self.job, self.needs = job, needs
        # One that has died meanwhile is found out when its answer is read.
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def outcome(self) -> Outcome:
        """Return what became of its job; that has failed where the process has died."""
        job, self.job = self.job, None
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            assert job is not None  # noqa: S101 - only workers with a job are asked
            self.close()
            reason = self._last_words()
            places.forget(self._process.pid, job.target)
            return Outcome(job=job, status=Status.FAILED, reason=reason)
        return outcome

    def leave(self) -> None:
        """Tell it to end: at once where it is in the middle of a job."""
        if self.job is not None:
            self._process.terminate()
        self.connection.close()

    def join(self) -> None:
        """Wait until it has ended; kill it where that takes long."""
        self._process.join(_PATIENCE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            if self.job is not None:
                places.forget(self._process.pid, self.job.target)

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()

    def _last_words(self) -> str:
        self.join()
        code = self._process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        remedy = "use fewer --jobs, or --memory" if code == -signal.SIGKILL else "try it alone"
        return f"the process that filtered it {how}: {remedy}"


def _start_method() -> str:
    """Choose how a process starts.

    A fork takes 10 ms, for it has all that is imported here; a new process takes 300. But
    a fork is not safe while other threads may hold a lock, nor elsewhere than on Linux.
    """
    alone = threading.active_count() == 1
    return "fork" if alone and sys.platform == "linux" else "spawn"


def _serve(connection: Connection, work: BatchJob) -> None:
    """Do jobs until nobody sends any more."""
    for inherited in _OURS:
        inherited.close()
    # A terminal sends Ctrl-C to all processes: the first of them decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(work.run(connection.recv()))


def _leave(*_: object) -> None:
    """Leave by an exception, so that temporary files are removed."""
    sys.exit(128 + signal.SIGTERM)


def shares(files: int, jobs: int | None = None) -> tuple[int, int]:
    """Return how many workers there are, and threads of the engine in each.

    Together they never exceed the cores that this process may use.

    Parameters
    ----------
    files : int
        How many there are to filter.
    jobs : int, optional
        The most cores to use.
    """
    cores = min(jobs or available_cores(), available_cores())
    workers = max(1, min(cores, files))
    return workers, cores // workers


class LocalExecutor:
    """Runs jobs in processes of this machine.

    Parameters
    ----------
    workers : int
        Processes.
    threads : int
        Of the engine, in each.
    memory : int, optional
        The most bytes that the pictures which are filtered at a time may take: jobs are
        held back until there is room.
    """

    def __init__(self, workers: int, threads: int = 1, memory: int | None = None) -> None:
        self._most, self._threads, self._memory = workers, threads, memory
        self._stopped = False

    def stop(self) -> None:
        """Take no more jobs; those that run end, and are yielded."""
        self._stopped = True

    def run(self, work: BatchJob, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Run jobs, and yield what became of each as it ends: see `Executor.run`."""
        work = replace(work.with_threads(self._threads), memory=self._memory)
        waiting = MemoryGate(work, jobs)
        workers: list[Worker] = []
        try:
            while True:
                self._feed(workers, work, waiting)
                busy = [worker for worker in workers if worker.job is not None]
                if not busy:
                    return
                for worker in _ready(busy):
                    outcome = worker.outcome()
                    # The worker goes on while the outcome is told; after a failure nothing
                    # may be to go on with.
                    if outcome.status is not Status.FAILED:
                        self._feed(workers, work, waiting)
                    yield outcome
                workers = [worker for worker in workers if worker.is_alive]
        finally:
            _end(workers)

    def _feed(self, workers: list[Worker], work: BatchJob, waiting: MemoryGate) -> None:
        """Give a job to each worker that has none; start workers as they are needed."""
        while not self._stopped:
            idle = next((worker for worker in workers if worker.is_idle), None)
            if idle is None and len(workers) == self._most:
                return
            held = sum(worker.needs for worker in workers if worker.job is not None)
            taken = waiting.take(held)
            if taken is None:
                return
            if idle is None:
                idle = Worker(work)
                workers.append(idle)
            idle.start(*taken)


def _ready(busy: list[Worker]) -> list[Worker]:
    """Wait until a job ends; return the workers whose jobs have."""
    ready = set(wait([worker.connection for worker in busy]))
    return [worker for worker in busy if worker.connection in ready]


def _end(workers: list[Worker]) -> None:
    for worker in workers:
        worker.leave()
    for worker in workers:
        with contextlib.closing(worker):
            worker.join()

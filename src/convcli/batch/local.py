"""Run a batch in processes on the cores of this machine."""

import contextlib
import multiprocessing
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.storage.atomic import remove_abandoned
from convcli.storage.urls import is_url
from convcli.threads import available_cores, uninterrupted
from convcli.values import replace

Outcomes: TypeAlias = Generator[Outcome, None, None]


def worker_counts(files: int, jobs: int | None = None) -> tuple[int, int]:
    """Return how many workers filter so many files, and the threads of the engine in each."""
    cores = min(jobs or available_cores(), available_cores())
    workers = max(1, min(cores, files))
    return workers, cores // workers


class Executor:
    """Runs the jobs of a batch, several at a time.

    When it has ended, `notices` are lines about what it ran on, and `counts` are numbers.
    """

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.counts: dict[str, int] = {}
        self.seconds_to_connect = 0.0
        self.is_stopped = False

    def run(self, batch_job: BatchJob, jobs: Iterable[FileJob]) -> Outcomes:
        """Run jobs, and yield the outcome of each as it ends.

        A job is taken from `jobs` only when there is room for it: there may be millions.
        Each job that is taken has one outcome; if its worker died, the job failed. Closing
        the generator stops the running jobs at once, and no half-written file is left.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Take no more jobs; those that are running still end. Handlers of signals call it."""
        self.is_stopped = True


class LocalExecutor(Executor):
    """Runs jobs in processes of this machine, of so many engine threads each.

    The pictures that are filtered at the same time need at most `memory` bytes: a job waits
    until there is room for it. `files` are the jobs that are to be expected.
    """

    def __init__(
        self, workers: int, threads: int = 1, memory: int | None = None, files: int = 1
    ) -> None:
        super().__init__()
        self._most, self._threads, self._memory = workers, threads, memory
        self._runs = -(-files // workers)

    def run(self, batch_job: BatchJob, jobs: Iterable[FileJob]) -> Outcomes:
        """Run jobs, and yield the outcome of each as it ends: see `Executor.run`."""
        batch_job = batch_job.with_limits(self._threads, self._memory)
        gate = MemoryGate(replace(batch_job, runs=self._runs), jobs)
        workers: list[WorkerProcess] = []
        try:
            while True:
                self._feed(workers, gate)
                busy = {worker.connection: worker for worker in workers if worker.job}
                if not busy:
                    return
                for connection in wait(list(busy)):
                    worker = busy[connection]
                    outcome = worker.outcome()
                    if worker.connection.closed:
                        workers.remove(worker)
                    # The worker gets its next job before its outcome is yielded. Not so
                    # after a failure: the caller may stop the batch then.
                    if outcome.status is not Status.FAILED:
                        self._feed(workers, gate)
                    yield outcome
        finally:
            for worker in workers:
                worker.leave()
            for worker in workers:
                worker.join()

    def _feed(self, workers: list["WorkerProcess"], gate: "MemoryGate") -> None:
        """Give a job to each worker that has none; start workers as they are needed."""
        while not self.is_stopped:
            idle = next((worker for worker in workers if worker.job is None), None)
            if idle is None and len(workers) == self._most:
                return
            if not gate.opens(sum(worker.needs for worker in workers if worker.job)):
                return
            if idle is None:
                try:
                    with uninterrupted():
                        idle = WorkerProcess(gate.batch_job)
                        workers.append(idle)
                except OSError:
                    # The system gives no more processes, or no more open files.
                    if not workers:
                        raise
                    self._most = len(workers)
                    return
            idle.start(*gate.passed())


class MemoryGate:
    """Holds jobs back until there is memory for them: `BatchJob.memory` is the limit."""

    def __init__(self, batch_job: BatchJob, jobs: Iterable[FileJob]) -> None:
        self.batch_job = batch_job
        self._waiting = ((job, batch_job.needed_bytes(job)) for job in jobs)
        self._first: tuple[FileJob, int] | None = None

    def opens(self, used: int) -> bool:
        """Tell whether there is a next job, and room beside running jobs of `used` bytes.

        One that needs more than the limit comes alone.
        """
        self._first = self._first or next(self._waiting, None)
        limit = self.batch_job.memory
        if self._first is None:
            return False
        return limit is None or not used or used + self._first[1] <= limit

    def passed(self) -> tuple[FileJob, int]:
        """Return the next job, which is not held back, and the bytes that it needs."""
        assert self._first is not None  # noqa: S101 - the gate is open
        passed, self._first = self._first, None
        return passed


# ------------------------------------------------------------------ processes

_SECONDS_TO_LEAVE = 5.0  # a process that takes longer to end is killed

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_PARENT_ENDS: "weakref.WeakSet[Connection]" = weakref.WeakSet()
"""This process's ends of the pipes to its workers. A forked worker inherits those of the
workers before it, and closes them: a worker ends when no process holds its pipe's other end."""


class WorkerProcess:
    """A process of this machine that does the same job to one file after the other.

    `connection` can be read when it has ended its `job`, or has ended itself.
    """

    def __init__(self, batch_job: BatchJob) -> None:
        # A fork takes 10 ms, a new process 300. A fork is safe only on Linux, and only while
        # no other thread can hold a lock.
        forks = threading.active_count() == 1 and sys.platform == "linux"
        context: Any = multiprocessing.get_context("fork" if forks else "spawn")
        self.connection, child_end = context.Pipe()
        self.job: FileJob | None = None
        self.needs = 0
        _PARENT_ENDS.add(self.connection)
        self._process = context.Process(target=_serve, args=(child_end, batch_job), daemon=True)
        with signals_blocked(*_SIGNALS), _without_main_module(), warnings.catch_warnings():
            # Python warns of a fork where NumPy's BLAS has threads; BLAS ends them before.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        child_end.close()

    def start(self, job: FileJob, needs: int) -> None:
        """Give it a job, which needs some bytes of memory."""
        self.job, self.needs = job, needs
        # If the process has died, `outcome` notices it.
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def outcome(self) -> Outcome:
        """Return the outcome of its job, which failed if the process died."""
        job = self.job
        assert job is not None  # noqa: S101 - only workers with a job are asked
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            self.connection.close()
            code = self.join()
            end = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
            is_killed = code == -signal.SIGKILL
            remedy = "use fewer --jobs, or --memory" if is_killed else "try it alone"
            reason = f"the process that filtered it {end}: {remedy}"
            outcome = Outcome(job=job, status=Status.FAILED, reason=reason)
        self.job = None
        return outcome

    def leave(self) -> None:
        """Tell it to end; if it has a job, it is terminated."""
        if self.job is not None:
            self._process.terminate()
        self.connection.close()

    def join(self) -> int:
        """Wait until it has ended, kill it if that takes long; return its status."""
        self._process.join(_SECONDS_TO_LEAVE)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        if self.job is not None and not is_url(self.job.target):
            remove_abandoned(str(Path(self.job.target).resolve().parent))
        return int(self._process.exitcode or 0)


@contextlib.contextmanager
def _without_main_module() -> Iterator[None]:
    """Hide the program's own file: a process that is not forked would run it a second time."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def signals_blocked(*signals: signal.Signals) -> Iterator[None]:
    """Hold signals back while a process starts: it must not run its parent's handlers."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows has none of these signals.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, batch_job: BatchJob) -> None:
    """Do jobs in the worker process until the parent closes the connection."""
    for inherited in _PARENT_ENDS:
        inherited.close()
    # A terminal sends Ctrl-C to all processes: the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An exception lets temporary files be removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(batch_job.run(connection.recv()))

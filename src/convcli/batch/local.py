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
from typing import Any

from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.batch.report import Executor
from convcli.storage.atomic import remove_abandoned
from convcli.storage.urls import is_url
from convcli.threads import available_cores, uninterrupted
from convcli.values import replace


def worker_counts(files: int, jobs: int | None = None) -> tuple[int, int]:
    """Return how many workers filter so many files, and the threads of the engine in each."""
    cores = min(jobs or available_cores(), available_cores())
    workers = max(1, min(cores, files))
    return workers, cores // workers


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

    def run(
        self, batch_job: BatchJob, jobs: Iterable[FileJob]
    ) -> Generator[Outcome, None, None]:
        """Run jobs, and yield the outcome of each as it ends: see `Executor.run`."""
        batch_job = batch_job.with_limits(self._threads, self._memory)
        batch_job = replace(batch_job, runs=self._runs)
        gate = MemoryGate(batch_job, jobs)
        workers: list[WorkerProcess] = []
        try:
            while True:
                self._feed(workers, batch_job, gate)
                busy = [worker for worker in workers if worker.job is not None]
                if not busy:
                    return
                ended = set(wait([worker.connection for worker in busy]))
                for worker in (worker for worker in busy if worker.connection in ended):
                    outcome = worker.outcome()
                    if worker.connection.closed:
                        workers.remove(worker)
                    # The worker gets its next job before its outcome is yielded. Not so
                    # after a failure: the caller may stop the batch then.
                    if outcome.status is not Status.FAILED:
                        self._feed(workers, batch_job, gate)
                    yield outcome
        finally:
            for worker in workers:
                worker.leave()
            for worker in workers:
                worker.join()

    def _feed(
        self, workers: list["WorkerProcess"], batch_job: BatchJob, gate: "MemoryGate"
    ) -> None:
        """Give a job to each worker that has none; start workers as they are needed."""
        while not self.is_stopped:
            idle = next((worker for worker in workers if worker.job is None), None)
            if idle is None and len(workers) == self._most:
                return
            taken = gate.take(sum(worker.needs for worker in workers if worker.job is not None))
            if taken is None:
                return
            if idle is None:
                try:
                    with uninterrupted():
                        idle = WorkerProcess(batch_job)
                        workers.append(idle)
                except OSError:
                    # The system gives no more processes, or no more open files.
                    if not workers:
                        raise
                    self._most = len(workers)
                    gate.put_back(*taken)
                    return
            idle.start(*taken)


class MemoryGate:
    """Holds jobs back until there is memory for them: `BatchJob.memory` is the limit."""

    def __init__(self, batch_job: BatchJob, jobs: Iterable[FileJob]) -> None:
        self._batch_job, self._jobs = batch_job, iter(jobs)
        self._next: tuple[FileJob, int] | None = None

    def take(self, used: int) -> tuple[FileJob, int] | None:
        """Return the next job and the bytes it needs; None if it must wait, or there is none.

        The running jobs have `used` bytes. One that needs more than the limit comes alone.
        """
        if self._next is None:
            job = next(self._jobs, None)
            if job is None:
                return None
            self._next = (job, self._batch_job.needed_bytes(job))
        limit = self._batch_job.memory
        if limit is not None and used and used + self._next[1] > limit:
            return None
        taken, self._next = self._next, None
        return taken

    def put_back(self, job: FileJob, needs: int) -> None:
        """Return a job that cannot be started now: the next `take` gives it."""
        self._next = (job, needs)


# ------------------------------------------------------------------ processes

_SECONDS_TO_LEAVE = 5.0
"""A process that takes longer to end is killed."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_PARENT_ENDS: "weakref.WeakSet[Connection]" = weakref.WeakSet()
"""This process's ends of the pipes to its workers. A forked worker inherits those of the
workers before it, and closes them: a worker ends when no process holds its pipe's other end."""


class WorkerProcess:
    """A process of this machine that does the same job to one file after the other.

    `connection` can be read when it has ended its `job`, or has ended itself.
    """

    def __init__(self, batch_job: BatchJob) -> None:
        context: Any = multiprocessing.get_context(_start_method())
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
        job, self.job = self.job, None
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            assert job is not None  # noqa: S101 - only workers with a job are asked
            self.connection.close()
            self._await_end()
            _remove_left(job)
            return Outcome(job=job, status=Status.FAILED, reason=self._reason_of_death())
        return outcome

    def leave(self) -> None:
        """Tell it to end; if it has a job, it is terminated."""
        if self.job is not None:
            self._process.terminate()
        self.connection.close()

    def join(self) -> None:
        """Wait until it has ended; kill it if that takes long."""
        if self._await_end() and self.job is not None:
            _remove_left(self.job)

    def _await_end(self) -> bool:
        """Wait until it has ended; return whether it had to be killed."""
        self._process.join(_SECONDS_TO_LEAVE)
        if self._process.exitcode is not None:
            return False
        self._process.kill()
        self._process.join()
        return True

    def _reason_of_death(self) -> str:
        code = self._process.exitcode or 0
        end = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        remedy = "use fewer --jobs, or --memory" if code == -signal.SIGKILL else "try it alone"
        return f"the process that filtered it {end}: {remedy}"


def _start_method() -> str:
    """Choose how a process starts."""
    # A fork takes 10 ms, a new process 300. A fork is safe only on Linux, and only while no
    # other thread can hold a lock.
    has_one_thread = threading.active_count() == 1
    return "fork" if has_one_thread and sys.platform == "linux" else "spawn"


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


def _remove_left(job: FileJob) -> None:
    """Remove the temporary file of a process that was killed."""
    if not is_url(job.target):
        remove_abandoned(str(Path(job.target).resolve().parent))


def _serve(connection: Connection, batch_job: BatchJob) -> None:
    """Do jobs in the worker process until the parent closes the connection."""
    for inherited in _PARENT_ENDS:
        inherited.close()
    # A terminal sends Ctrl-C to all processes: the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(batch_job.run(connection.recv()))


def _leave(*_: object) -> None:
    """Leave by an exception, so that temporary files are removed."""
    sys.exit(128 + signal.SIGTERM)

"""One process that does one job after another."""

import contextlib
import multiprocessing
import signal
import sys
import threading
import warnings
import weakref
from multiprocessing.connection import Connection
from typing import Any

from convcli.batch import places
from convcli.batch.forking import deaf_to
from convcli.batch.job import Job, Outcome, Status, Work

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
    work : Work
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

    def __init__(self, work: Work) -> None:
        context: Any = multiprocessing.get_context(_start_method())
        self.connection, theirs = context.Pipe()
        self.job: Job | None = None
        self.needs = 0
        _OURS.add(self.connection)
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with deaf_to(*_SIGNALS), warnings.catch_warnings():
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


def _serve(connection: Connection, work: Work) -> None:
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

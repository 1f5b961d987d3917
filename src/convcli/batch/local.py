"""The executor of one machine: a process for each of several cores.

Processes, not threads: 30 JPEGs of 2 megapixels took two processes 0.84 s, two threads 1.10
(the least of 17 runs each, in turn, on two cores; `benchmarks/batch.py --only executors`).
Threads wait for each other where they read, a third of the time, for Pillow's switches hold
for a whole process (`images.limits`). And a decoder that crashes takes only its own file along.
"""

import contextlib
from collections.abc import Generator, Iterable
from multiprocessing.connection import wait

from convcli.batch.job import Job, Outcome, Status, Work
from convcli.batch.waiting import Waiting
from convcli.batch.workers import Worker
from convcli.records import replace
from convcli.threads import available_cores


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

    def run(self, work: Work, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Run jobs, and yield what became of each as it ends: see `Executor.run`."""
        work = replace(work.with_threads(self._threads), memory=self._memory)
        waiting = Waiting(work, jobs)
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

    def _feed(self, workers: list[Worker], work: Work, waiting: Waiting) -> None:
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

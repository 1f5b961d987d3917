"""Run many jobs, and sum up how they ended."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any, Protocol

from convcli.batch.job import BatchJob, Job, Outcome, Status

MOST_FAILURES = 1000
MOST_WARNINGS = 20
"""How many are kept: a batch may have millions."""


class Summary:
    """Counts outcomes as they come.

    Attributes
    ----------
    counts : Counter
        How many jobs ended in which `Status`.
    failures : list of Outcome
        The first `MOST_FAILURES` that failed.
    warnings : Counter
        The first `MOST_WARNINGS` different ones, and of how many files each was said.
    megapixels : float
        Of all that was done.
    busy : float
        Seconds of work, of all workers together.
    seconds : float
        From the start to the end of the batch.
    interrupted : bool
        Whether it was stopped before its end.
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.failures: list[Outcome] = []
        self.warnings: Counter[str] = Counter()
        self.megapixels = self.busy = self.seconds = 0.0
        self.interrupted = False

    @classmethod
    def of(cls, done: int, megapixels: float, seconds: float) -> "Summary":
        """Return the summary of so much that is done, and nothing else."""
        made = cls()
        made.counts[Status.DONE], made.megapixels, made.seconds = done, megapixels, seconds
        return made

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.counts[outcome.status] += 1
        self.megapixels += outcome.megapixels
        self.busy += outcome.seconds
        if outcome.status is Status.FAILED and len(self.failures) < MOST_FAILURES:
            self.failures.append(outcome)
        for warning in outcome.report.warnings if outcome.report else ():
            if warning in self.warnings or len(self.warnings) < MOST_WARNINGS:
                self.warnings[warning] += 1

    @property
    def ended(self) -> int:
        """How many jobs ended."""
        return self.counts.total()

    @property
    def rate(self) -> float:
        """Megapixels a second."""
        return self.megapixels / self.seconds if self.seconds else 0.0

    def seconds_left(self, total: int) -> float | None:
        """Estimate how long the rest of `total` files takes; None before the first is done.

        Files that were skipped took no time and do not count.
        """
        worked = self.ended - self.counts[Status.SKIPPED]
        return self.seconds / worked * (total - self.ended) if worked else None

    @property
    def return_code(self) -> int:
        """The status to exit with: 0 only if all went well.

        Examples
        --------
        >>> Summary().return_code
        0
        """
        if self.interrupted:
            return 130
        return 1 if self.counts[Status.FAILED] else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {
            **{status.value: self.counts[status] for status in Status},
            "megapixels": round(self.megapixels, 6),
            "seconds": round(self.seconds, 6),
            "busy_seconds": round(self.busy, 6),
            "megapixels_per_second": round(self.rate, 3),
            "interrupted": self.interrupted,
        }


class Executor(Protocol):
    """Runs jobs, several at a time."""

    def run(self, work: BatchJob, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Run jobs, and yield what became of each as it ends.

        Jobs are taken as there is room for them: a million may come. Every job that was
        taken has one outcome; one whose worker died has failed. Closing the iterator
        stops at once: what runs is given up, without traces.

        Parameters
        ----------
        work : BatchJob
            What is done to each file; sent to each worker once.
        jobs : iterable of Job
            Which files.

        Yields
        ------
        Outcome
        """
        ...

    def stop(self) -> None:
        """Take no more jobs; those that run end, and are yielded.

        May be called at any time, by a signal's handler too.
        """
        ...


def run_batch(
    executor: Executor,
    work: BatchJob,
    jobs: Iterable[Job],
    tell: Callable[[Outcome, Summary], object] = lambda *_: None,
    *,
    fail_fast: bool = False,
) -> Summary:
    """Run all jobs; one that fails stops no other.

    Parameters
    ----------
    executor : Executor
        What runs them.
    work : BatchJob
        What is done to each file.
    jobs : iterable of Job
        Which files.
    tell : callable
        Called with each outcome as it comes, and with the summary up to then.
    fail_fast : bool
        Take no more jobs after the first that failed.

    Returns
    -------
    Summary
    """
    summary = Summary()
    start = time.perf_counter()
    # Whatever ends this early, ends what runs as well.
    with closing(executor.run(work, jobs)) as outcomes:
        for outcome in outcomes:
            summary.add(outcome)
            summary.seconds = time.perf_counter() - start
            tell(outcome, summary)
            if fail_fast and outcome.status is Status.FAILED:
                executor.stop()
    summary.seconds = time.perf_counter() - start
    return summary

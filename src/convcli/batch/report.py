"""Run all jobs of a batch, and report how they ended together."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any, Protocol

from convcli.batch.job import BatchJob, FileJob, Outcome, Status

MOST_FAILURES = 1000
"""How many failures are remembered: a batch may have millions."""

MOST_WARNINGS = 20
"""How many different warnings are remembered."""


class Summary:
    """Counts outcomes as they come.

    Attributes
    ----------
    counts : Counter
        How many jobs ended in each `Status`.
    failures : list of Outcome
        The first `MOST_FAILURES` jobs that failed.
    warnings : Counter
        The first `MOST_WARNINGS` different warnings; how many files had each.
    left_out : Counter
        How many files of each suffix were in the folders and are no pictures.
    megapixels : float
        Size of all inputs that were filtered, in millions of pixels.
    busy : float
        Seconds of work, of all workers together.
    seconds : float
        Seconds since the start of the batch.
    notices : list of str
        A line for each worker of a cluster that was refused, or left aside.
    interrupted : bool
        Whether the batch was stopped before its end.
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.failures: list[Outcome] = []
        self.warnings: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.megapixels = self.busy = self.seconds = 0.0
        self.notices: list[str] = []
        self.interrupted = False

    @classmethod
    def of(cls, done: int, megapixels: float, seconds: float) -> "Summary":
        """Return the summary of `done` jobs that all went well."""
        summary = cls()
        summary.counts[Status.DONE] = done
        summary.megapixels, summary.seconds = megapixels, seconds
        return summary

    def add(self, outcome: Outcome) -> None:
        """Count the outcome of one more job."""
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
        """The exit status: 130 if interrupted, 1 if a job failed, 0 otherwise.

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
            "left_out": dict(self.left_out.most_common()),
            "megapixels": round(self.megapixels, 6),
            "seconds": round(self.seconds, 6),
            "busy_seconds": round(self.busy, 6),
            "megapixels_per_second": round(self.rate, 3),
            "notices": self.notices,
            "interrupted": self.interrupted,
        }


class Executor(Protocol):
    """Runs the jobs of a batch, several at a time.

    `notices` are lines about what it runs on, when it has ended.
    """

    notices: list[str]

    def run(
        self, batch_job: BatchJob, jobs: Iterable[FileJob]
    ) -> Generator[Outcome, None, None]:
        """Run jobs, and yield the outcome of each as it ends.

        A job is taken from `jobs` only when there is room for it: there may be millions.
        Each job that is taken has one outcome; if its worker died, the job failed. Closing
        the generator stops the running jobs at once, and no half-written file is left.
        """
        ...

    def stop(self) -> None:
        """Take no more jobs; those that are running still end, and are yielded.

        It may be called at any time, also by the handler of a signal.
        """
        ...


def run_batch(
    executor: Executor,
    batch_job: BatchJob,
    jobs: Iterable[FileJob],
    on_outcome: Callable[[Outcome, Summary], object] = lambda *_: None,
    *,
    fail_fast: bool = False,
) -> Summary:
    """Run all jobs; one that fails does not stop the others.

    Parameters
    ----------
    executor : Executor
        What runs them.
    batch_job : BatchJob
        What is done to each file.
    jobs : iterable of FileJob
        The files.
    on_outcome : callable
        Called with each outcome as it comes, and with the summary so far.
    fail_fast : bool
        Start no more jobs after the first that failed.

    Returns
    -------
    Summary
    """
    summary = Summary()
    start = time.perf_counter()
    # If anything is raised here, closing the generator stops the running jobs as well.
    with closing(executor.run(batch_job, jobs)) as outcomes:
        for outcome in outcomes:
            summary.add(outcome)
            summary.seconds = time.perf_counter() - start
            on_outcome(outcome, summary)
            if fail_fast and outcome.status is Status.FAILED:
                executor.stop()
    summary.seconds = time.perf_counter() - start
    summary.notices = executor.notices
    return summary

"""Run all jobs of a batch, and report how they ended together."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, Protocol

from convcli.batch import places
from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.errors import ImageError
from convcli.storage.urls import is_url

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
    counts_of_cluster : dict
        On a cluster: ``retries``, the files that were sent again, ``left_aside``, the workers.
    phases : dict
        Seconds of each part of the run: ``list``, ``connect``, ``filter``, ``look``.
    interrupted : bool
        Whether the batch was stopped before its end.
    unconfirmed : str
        Why outputs in a store could not be looked for after the run; empty if they could.
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.failures: list[Outcome] = []
        self.warnings: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.megapixels = self.busy = self.seconds = 0.0
        self.notices: list[str] = []
        self.counts_of_cluster: dict[str, int] = {}
        self.phases: dict[str, float] = {}
        self.interrupted = False
        self.unconfirmed = ""

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

    def retract(self, outcome: Outcome) -> None:
        """Count a job as failed that was counted as done: its output is not there."""
        self.counts[Status.DONE] -= 1
        self.add(outcome)

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
        """The exit status: 130 if interrupted, 1 if a job failed or may have, 0 otherwise.

        >>> Summary().return_code
        0
        """
        if self.interrupted:
            return 130
        return 1 if self.counts[Status.FAILED] or self.unconfirmed else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {
            **{status.value: self.counts[status] for status in Status},
            "left_out": dict(self.left_out.most_common()),
            "megapixels": round(self.megapixels, 6),
            "seconds": round(self.seconds, 6),
            "busy_seconds": round(self.busy, 6),
            "megapixels_per_second": round(self.rate, 3),
            "phases": {name: round(seconds, 6) for name, seconds in self.phases.items()},
            **self.counts_of_cluster,
            "notices": self.notices,
            "interrupted": self.interrupted,
        }


class Executor(Protocol):
    """Runs the jobs of a batch, several at a time.

    When it has ended, `notices` are lines about what it ran on, and `counts` are numbers.
    """

    notices: list[str]
    counts: dict[str, int]
    seconds_to_connect: float

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
    settled: Iterable[FileJob] = (),
    targets: Iterable[FileJob] = (),
) -> Summary:
    """Run all jobs; one that fails does not stop the others.

    `on_outcome` is called with each outcome as it comes, and with the summary so far. With
    `fail_fast` no more jobs are started after the first that failed. Jobs that are `settled`
    are skipped without being asked for. Outputs of `targets` that are in a store are looked
    for after the run, if it came to its end.
    """
    summary = Summary()
    start = time.perf_counter()
    for job in settled:
        summary.add(outcome := Outcome(job=job, status=Status.SKIPPED))
        on_outcome(outcome, summary)
    stopped, failed = False, set[str]()
    # If anything is raised here, closing the generator stops the running jobs as well.
    with closing(executor.run(batch_job, jobs)) as outcomes:
        for outcome in outcomes:
            summary.add(outcome)
            summary.seconds = time.perf_counter() - start
            on_outcome(outcome, summary)
            if outcome.status is Status.FAILED:
                failed.add(outcome.job.target)
                if fail_fast:
                    stopped = True
                    executor.stop()
    summary.seconds = time.perf_counter() - start
    connect = executor.seconds_to_connect
    summary.phases = {"connect": connect, "filter": summary.seconds - connect}
    summary.notices = executor.notices
    if not stopped:
        try:
            for outcome in _absent(targets, failed):
                summary.retract(outcome)
                on_outcome(outcome, summary)
        except ImageError as error:
            summary.unconfirmed = f"the store was not looked at after the run: {error}"
            summary.notices = [*summary.notices, summary.unconfirmed]
        summary.phases["look"] = time.perf_counter() - start - summary.seconds
    summary.counts_of_cluster = executor.counts
    return summary


def _absent(jobs: Iterable[FileJob], failed: set[str]) -> Iterator[Outcome]:
    """Yield a failure for each output in a store that was written, and is not listed there."""
    found = places.ExistingOutputs()
    for job in jobs:
        if is_url(job.target) and job.target not in found and job.target not in failed:
            reason = (
                f"{job.target}: it was written, and the store does not list it: run it again"
            )
            yield Outcome(job=job, status=Status.FAILED, reason=reason)

"""What runs the jobs of a batch, and the report on how they ended together."""

from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

from convcli.batch.job import BatchJob, FileJob, Outcome, Status

MOST_FAILURES = 1000
"""How many failures are remembered: a batch may have millions."""

MOST_WARNINGS = 20
"""How many different warnings are remembered."""


class Summary:
    """Counts outcomes as they come.

    `counts` are the jobs that ended in each `Status`; `failures` the first `MOST_FAILURES` that
    failed; `warnings` how many files had each of the first `MOST_WARNINGS` different ones;
    `left_out` the files of each suffix that were in the folders and are no pictures.
    `megapixels` are those of all inputs that were filtered, `busy` the seconds of work of all
    workers together, `seconds` those since the start, `phases` those of each part of the run:
    ``list``, ``connect``, ``filter``, ``look``. `notices` has a line for each worker of a
    cluster that was refused, or left aside; `counts_of_cluster` its ``retries``, the files that
    were sent again, and the workers ``left_aside``. The batch was `interrupted` where it was
    stopped before its end. `unconfirmed` says why outputs in a store could not be looked for
    after the run.
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
        """Estimate how long the rest of `total` files takes; None before the first is done."""
        worked = self.ended - self.counts[Status.SKIPPED]
        return self.seconds / worked * (total - self.ended) if worked else None

    @property
    def return_code(self) -> int:
        """The exit status: 130 if interrupted, 1 if a job failed or may have, 0 otherwise."""
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


class Executor:
    """Runs the jobs of a batch, several at a time.

    When it has ended, `notices` are lines about what it ran on, and `counts` are numbers.
    """

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.counts: dict[str, int] = {}
        self.seconds_to_connect = 0.0
        self.is_stopped = False

    def run(
        self, batch_job: BatchJob, jobs: Iterable[FileJob]
    ) -> Generator[Outcome, None, None]:
        """Run jobs, and yield the outcome of each as it ends.

        A job is taken from `jobs` only when there is room for it: there may be millions.
        Each job that is taken has one outcome; if its worker died, the job failed. Closing
        the generator stops the running jobs at once, and no half-written file is left.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Take no more jobs; those that are running still end. Handlers of signals call it."""
        self.is_stopped = True

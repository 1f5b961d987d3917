"""What can run a batch: on this machine, or on others."""

from collections.abc import Generator, Iterable
from typing import Protocol

from convcli.batch.job import Job, Outcome, Work


class Executor(Protocol):
    """Runs jobs, several at a time."""

    def run(self, work: Work, jobs: Iterable[Job]) -> Generator[Outcome, None, None]:
        """Run jobs, and yield what became of each as it ends.

        Jobs are taken as there is room for them: a million may come. Every job that was
        taken has one outcome; one whose worker died has failed. Closing the iterator
        stops at once: what runs is given up, without traces.

        Parameters
        ----------
        work : Work
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

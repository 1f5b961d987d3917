"""Jobs that are held back until there is memory for them."""

from collections.abc import Iterable

from convcli.batch.job import Job, Work


class Waiting:
    """Jobs that wait until there is memory for them.

    Parameters
    ----------
    work : Work
        What is done to each, within `Work.memory`.
    jobs : iterable of Job
        Taken one at a time, when they are asked for.
    """

    def __init__(self, work: Work, jobs: Iterable[Job]) -> None:
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

"""How many jobs are sent to a cluster together."""

import itertools
import math
import sys
from collections.abc import Iterable

from convcli.batch.job import Job, Outcome

_TASKS_A_SECOND = 100
"""What a scheduler does without effort: each task takes it some milliseconds, however long the
task is, and all workers share it (benchmarks/cluster.py, docs/scale.md)."""

_LEAST_SECONDS = 0.2
_INSTANT = 1e-6
_MOST_JOBS = 250
_SHARES = 2
"""A group has at most this part of what is left for its thread."""


class Groups:
    """Takes jobs in groups, each of which keeps a worker busy for long enough.

    With one file a task, a scheduler has enough to do with a few workers. The more
    workers there are, the longer are the tasks; a lost worker loses more work with them.

    Parameters
    ----------
    jobs : iterable of Job
        Taken as there is room for them.
    total : int
        How many there are; 0 where nobody knows.
    """

    def __init__(self, jobs: Iterable[Job], total: int = 0) -> None:
        self._jobs, self._left = iter(jobs), total or sys.maxsize
        self._seconds = 0.0
        self._known = 0

    def learn(self, outcome: Outcome) -> None:
        """Take into account how long a job took."""
        self._seconds += outcome.seconds
        self._known += 1

    def next(self, threads: int) -> list[Job]:
        """Return the next jobs for one of so many threads; empty at the end."""
        group = list(itertools.islice(self._jobs, self.size(threads)))
        self._left -= len(group)
        return group

    def size(self, threads: int) -> int:
        """Return how many jobs make a task long enough.

        Examples
        --------
        >>> Groups([]).size(threads=8)  # nothing is known yet
        1
        """
        if not self._known:
            return 1
        wanted = max(_LEAST_SECONDS, threads / _TASKS_A_SECOND)
        each = max(self._seconds / self._known, _INSTANT)
        # Shorter towards the end, so that all workers come to theirs at the same time.
        fair = max(1, self._left // (_SHARES * threads))
        return min(math.ceil(wanted / each), _MOST_JOBS, fair)

"""How many threads there may be, and threads that wait for work."""

import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def available_cores() -> int:
    """Return how many cores this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pool(threads: int) -> "ThreadPoolExecutor":
    """Return so many threads; they stay, for to start one takes as long as a small bank.

    Examples
    --------
    >>> list(pool(2).map(abs, [-1, 2]))
    [1, 2]
    """
    return _pool(os.getpid(), threads)


@functools.cache
def _pool(process: int, threads: int) -> "ThreadPoolExecutor":  # noqa: ARG001 - see below
    """Make the threads: a process that was forked has none of its parent's."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads)

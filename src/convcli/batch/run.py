"""A batch from its first job to its summary."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing

from convcli.batch.executor import Executor
from convcli.batch.job import Job, Outcome, Status, Work
from convcli.batch.report import Summary


def run_batch(
    executor: Executor,
    work: Work,
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
    work : Work
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

"""All blocks of a picture, through `dask.array`: on threads of this machine or a cluster."""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from convcli.errors import ClusterError
from convcli.large.blocks import Blocks
from convcli.large.extra import needed, uninterrupted
from convcli.large.work import Work

Result = TypeVar("Result")
Task = Callable[[Work, slice, slice], Result]

_AHEAD = 2
"""Blocks a thread that are handed out: results wait while the ones before are written."""

_PATIENCE = 60
"""Seconds for workers to end what they are at, where nothing more is done: some may be lost."""


def each(
    task: Task[Result],
    work: Work,
    blocks: Blocks,
    *,
    jobs: int,
    client: Any = None,
    retries: int = 0,
) -> Generator[Result, None, None]:
    """Do something to each block, and yield what comes of it, from the first to the last.

    Parameters
    ----------
    task : callable
        Takes the work and the rows and columns of a block; can be pickled.
    work : Work
        What is computed; sent to each worker of a cluster once.
    blocks : Blocks
        The blocks.
    jobs : int
        Threads, where there is no cluster.
    client : distributed.Client, optional
        The cluster that computes.
    retries : int
        How often a block is tried again there.

    Yields
    ------
    What the task returns

    Raises
    ------
    ConvcliError
        Whatever the task raises, or that a block has killed its workers; no block is begun
        after that.
    """
    if client is None:
        yield from _on_threads(_lazily(task, work, blocks), jobs)
        return
    # As a task, not scattered: it is made again where all workers that have it are lost.
    sent = client.submit(_kept, work, pure=False, retries=retries)
    yield from _on_cluster(_lazily(task, sent, blocks), client, retries)


def _kept(work: Work) -> Work:
    return work


def _lazily(task: Task[Result], work: Any, blocks: Blocks) -> list[Any]:
    """Return a task of Dask's for each block, in reading order."""
    array, down, across = needed("dask.array", "dask"), *blocks.grid
    results = array.map_blocks(
        _call,
        task=task,
        work=needed("dask", "dask").delayed(work, traverse=False, pure=False),
        blocks=blocks,
        chunks=((1,) * down, (1,) * across),
        dtype=object,
        meta=np.empty((0, 0), object),
        name=f"convcli-{id(blocks):x}",
    )
    tasks: list[Any] = results.to_delayed().ravel().tolist()
    return tasks


def _call(*, task: Task[Result], work: Work, blocks: Blocks, block_id: tuple[int, int]) -> Any:
    """Return what a task makes of a block, as the one element of an array of objects."""
    result = np.empty((1, 1), object)
    result[0, 0] = task(work, *blocks.at(*block_id))
    return result


def _on_threads(tasks: list[Any], jobs: int) -> Iterator[Any]:
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from _in_order(
            tasks, lambda task: pool.submit(task.compute, scheduler="synchronous"), jobs
        )
    finally:
        # After an error or an interrupt each thread ends the block that it is at.
        pool.shutdown(cancel_futures=True)


def _on_cluster(tasks: list[Any], client: Any, retries: int) -> Iterator[Any]:
    distributed = needed("distributed", "cluster")
    threads = max(1, sum(client.nthreads().values()))
    running: deque[Any] = deque()
    try:
        yield from _in_order(
            tasks, lambda task: client.compute(task, retries=retries), threads, running
        )
    except distributed.KilledWorker:
        raise ClusterError(
            "a block has killed the workers that computed it: use less --memory, or more "
            "--retries"
        ) from None
    except (needed("distributed.comm", "cluster").CommClosedError, CancelledError):
        raise ClusterError(
            "the cluster has gone away: look at its scheduler, and run it again"
        ) from None
    finally:
        # After an error or an interrupt too, workers write to the end what they are at.
        with contextlib.suppress(TimeoutError, CancelledError), client.as_current():
            distributed.wait(list(running), timeout=_PATIENCE)


def _in_order(
    tasks: list[Any],
    begin: Callable[[Any], Any],
    workers: int,
    running: deque[Any] | None = None,
) -> Iterator[Any]:
    """Yield results in the order of the tasks: so the bytes of a file are always the same.

    What is handed out is in `running`, for those who give it.
    """
    running = deque() if running is None else running
    for task in tasks:
        with uninterrupted():
            running.append(begin(task))
        if len(running) >= _AHEAD * workers:
            yield _first(running)
    while running:
        yield _first(running)


def _first(running: deque[Any]) -> Any:
    """Take out what is at the head, not before it is done."""
    result = running[0].result()[0, 0]
    running.popleft()
    return result

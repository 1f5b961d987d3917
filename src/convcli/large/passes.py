"""All blocks of a picture, through `dask.array`: on threads of this machine or a cluster."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np

from convcli.large.blocks import Blocks
from convcli.large.extra import needed
from convcli.large.work import Work

Result = TypeVar("Result")
Task = Callable[[Work, slice, slice], Result]

_AHEAD = 2
"""Blocks a thread that are handed out: a result waits while the one before is written."""

_RETRIES = 3


def each(
    task: Task[Result], work: Work, blocks: Blocks, *, jobs: int, client: Any = None
) -> Iterator[Result]:
    """Do something to each block, and yield what comes of it as it ends, in any order.

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

    Yields
    ------
    What the task returns

    Raises
    ------
    ConvcliError
        Whatever the task raises; no block is begun after that.
    """
    if client is None:
        yield from _on_threads(_lazily(task, work, blocks), jobs)
        return
    sent = client.scatter(work, broadcast=True, hash=False)
    yield from _on_cluster(_lazily(task, sent, blocks), client)


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
    waiting, running = iter(tasks), set()
    pool = ThreadPoolExecutor(jobs)
    try:
        while True:
            for task in waiting:
                running.add(pool.submit(task.compute, scheduler="synchronous"))
                if len(running) >= _AHEAD * jobs:
                    break
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()[0, 0]
    finally:
        # After an error or an interrupt each thread ends the block that it is at.
        pool.shutdown(cancel_futures=True)


def _on_cluster(tasks: list[Any], client: Any) -> Iterator[Any]:
    distributed = needed("distributed", "cluster")
    threads = max(1, sum(client.nthreads().values()))
    waiting, running = iter(tasks), set()
    try:
        while True:
            for task in waiting:
                running.add(client.compute(task, retries=_RETRIES))
                if len(running) >= _AHEAD * threads:
                    break
            if not running:
                return
            done, running = distributed.wait(running, return_when="FIRST_COMPLETED")
            for future in done:
                yield future.result()[0, 0]
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(running))

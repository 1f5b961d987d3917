"""Memory of results is used again, and never while somebody has the result."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import convcli
from convcli.engine.buffers import recycled_array

_SHAPE = (2100, 4200)
"""Of floats of 32 bits: 35 MB, so that the memory is kept."""
_MIB = 2**20


def _moved(value: float) -> np.ndarray:
    """Return a picture of one value, through the engine.

    On one thread: another may hold a result a while longer than the caller waits for it.
    """
    return convcli.correlate(np.full(_SHAPE, value, np.float32), [[1.0]], jobs=1)


def test_memory_of_a_result_that_nobody_has_is_used_again() -> None:
    picture = np.zeros(_SHAPE, np.float32)
    for _ in range(4):
        convcli.correlate(picture, [[1.0]], jobs=1)
    tracemalloc.start()
    try:
        for _ in range(4):
            convcli.correlate(picture, [[1.0]], jobs=1)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < picture.nbytes // 4


def test_results_that_are_held_stay_what_they_are() -> None:
    results = [_moved(value) for value in range(5)]
    assert [set(np.unique(result).tolist()) for result in results] == [{v} for v in range(5)]


def test_a_view_and_a_buffer_hold_a_result() -> None:
    view = _moved(1.0)[10:20, ::2]
    buffer = _moved(2.0)[:3].data
    for value in (7.0, 8.0, 9.0):
        _moved(value)
    assert (view == 1).all()
    assert (np.asarray(buffer) == 2).all()


def test_a_result_can_be_the_next_picture() -> None:
    picture = _moved(1.0)
    for _ in range(4):
        picture = convcli.correlate(picture, [[2.0]])
    assert set(np.unique(picture).tolist()) == {16}


def test_memory_is_given_back_when_another_size_comes() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2):
            recycled_array(_SHAPE, np.float32)
        kept = tracemalloc.get_traced_memory()[0] - before
        other = recycled_array((_SHAPE[0], _SHAPE[1] + 1), np.float32)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < other.nbytes + _MIB
    assert used < other.nbytes + _MIB


@pytest.mark.slow
def test_threads_do_not_get_each_others_memory() -> None:
    def repeat(value: float) -> bool:
        picture = np.full(_SHAPE, value, np.float32)
        return all(
            bool((convcli.correlate(picture, [[1.0]], jobs=1) == value).all()) for _ in range(6)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(repeat, range(4)))

"""Small parts of the engine, each by an example whose answer can be counted by hand."""

import numpy as np
import pytest

from convcli.choices import Method
from convcli.engine.buffers import (
    flat_rows,
    pitch,
    recycled_array,
    result_array,
    round_up,
    strided,
)
from convcli.engine.planner import Plan
from convcli.engine.pooling import Pooling, Reduction, pooled, running
from convcli.engine.problem import natural_result, problem_for
from convcli.engine.program import cancels, program_for, typed_program
from convcli.engine.store import integer_limits, rim_magnitude, saturate
from convcli.engine.strategies.base import even_tile
from convcli.engine.strategies.passes import Taps
from convcli.geometry.window import window
from convcli.kernels.kernel import Kernel
from convcli.threads import thread_pool

SOBEL = Kernel([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def test_a_view_counts_elements() -> None:
    assert strided(np.arange(6), 1, (2, 2), (2, 1)).tolist() == [[1, 2], [3, 4]]


def test_flat_rows_go_from_the_first_value_to_the_last() -> None:
    flat, apart = flat_rows(np.arange(12).reshape(3, 4)[:, :2])
    assert flat.tolist() == list(range(10))
    assert apart == 4


def test_rows_of_a_matrix_start_an_odd_number_of_cache_lines_apart() -> None:
    assert [pitch(length, np.dtype(np.float32)) for length in (256, 257, 16)] == [272, 272, 16]
    assert [round_up(length, 4) for length in (9, 8)] == [12, 8]


def test_results_start_on_a_cache_line() -> None:
    assert result_array((3, 5), "float32").ctypes.data % 64 == 0


def test_the_memory_of_a_large_result_is_used_again() -> None:
    array = recycled_array((2048, 4096), "float32")
    address = array.ctypes.data
    del array
    assert recycled_array((4096, 2048), "float32").ctypes.data == address


def test_the_rim_of_some_rows() -> None:
    """The last of rows 4 and 5 is at the rim of a result whose inner rows are 1 to 4."""
    values, inner = np.array([[-9, 1, 2], [-5, 4, np.nan]]), ((1, 5), (0, 3))
    assert rim_magnitude(values, inner, top=4) == 5
    assert rim_magnitude(values, ((1, 9), (0, 3)), top=4) == 0


def test_saturated_numbers_are_rounded_half_to_even() -> None:
    out = np.empty(4, np.uint8)
    saturate(np.array([-3.0, 0.5, 1.5, 300.0]), out)
    assert out.tolist() == [0, 0, 2, 255]


def test_tiles() -> None:
    assert even_tile(10_000, 4096) == 3334
    shape = (300, 5000, 1)
    problem = problem_for(shape, np.dtype(np.float32), SOBEL, window(3, padding=1))
    plan = Plan(problem, Method.DIRECT, Taps(problem), "a test", 1.0)
    rows = [tile.rows for tile in plan.tiles if tile.columns == slice(0, 2500)]
    assert rows == [slice(y, min(y + 52, 300)) for y in range(0, 300, 52)]
    assert plan.tiles is plan.tiles, "they are made for each run"
    # Outputs 60 to 69 are in the tile of rows 52 to 103, which reads one row more on each side.
    held = plan.block_of(slice(60, 70), slice(0, 9)).held_rows
    assert held.tolist() == list(range(51, 105))


def test_limits_and_types() -> None:
    assert integer_limits(np.dtype(np.int16)) == (-32768, 32767)
    assert integer_limits(np.dtype(bool)) == (0, 1)
    assert natural_result(np.dtype(np.uint8)) == np.float32
    assert natural_result(np.dtype(np.int32)) == np.float64


def test_sobel_takes_three_passes_and_two_buffers() -> None:
    """Two additions down and one subtraction across; the second writes over the tile."""
    assert len(program_for(SOBEL, SOBEL.weights)) == 3
    typed = typed_program(SOBEL, (0, 255), np.dtype(np.float32), whole=True)
    assert typed.buffers == [0, 1, 0, 1]
    assert typed.value_bytes == 4


@pytest.mark.parametrize(("length", "expected"), [(15, True), (16, False)])
def test_a_box_of_15_pixels_subtracts_what_two_halves_share(
    length: int, *, expected: bool
) -> None:
    box = program_for(Kernel([[1] * length]), np.ones((1, length)))
    assert cancels(box, (1, length)) is expected


def test_a_pool_of_threads_maps() -> None:
    assert list(thread_pool(2).map(abs, [-1, 2])) == [1, 2]


def test_windows_are_joined_by_twos() -> None:
    assert running(np.arange(8), 5, 1, np.add).tolist() == [10, 15, 20, 25]


@pytest.mark.parametrize(
    ("reduction", "expected"), [(Reduction.MAX, [3, 8]), (Reduction.AVERAGE, [2.0, 5.0])]
)
def test_a_row_is_pooled_by_pairs(reduction: Reduction, expected: list[float]) -> None:
    pooling = Pooling(reduction, window((1, 2), stride=(1, 2)))
    assert pooled(np.array([[[3], [1], [2], [8]]]), pooling)[0, :, 0].tolist() == expected

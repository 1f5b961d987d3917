"""Measure the constants of the planner's cost model, as engine/strategies/base.py has them.

    python benchmarks/calibrate.py

Each figure is the median of several runs on one thread, on buffers that the second
level of the cache holds where the strategies use such. Only their ratios matter.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.engine.buffers import Scratch, strided

_VALUES = 65_536
_FLOATS = ("float32", "float64")
_ALL = ("int16", "uint16", "int32", *_FLOATS)
_ROUNDS = 60


def nanoseconds(work: Callable[[], Any], values: float) -> float:
    """Return the median time of a call, by the value."""
    work()
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / values


def buffers(dtype: str, count: int = 3, size: int = _VALUES) -> list[np.ndarray[Any, Any]]:
    """Return aligned buffers of ones, as workers have them."""
    scratch = Scratch()
    made = [scratch.take(str(index), (size,), dtype) for index in range(count)]
    for buffer in made:
        buffer.fill(1)
    return made


def flat_pass(dtype: str) -> float:
    """Time an addition and a multiplication, flat."""
    a, b, out = buffers(dtype)
    add = nanoseconds(lambda: np.add(a, b, out), a.size)
    return (add + nanoseconds(lambda: np.multiply(a, 3, out), a.size)) / 2


def line_pass(dtype: str) -> float:
    """Time an addition of views whose rows are 1000 values long."""
    a, b, out = (buffer[:64_000].reshape(64, 1000)[:, 1:-1] for buffer in buffers(dtype))
    return nanoseconds(lambda: np.add(a, b, out), a.size)


def strided_pass(dtype: str) -> float:
    """Time an addition of every second value."""
    a, b, out = buffers(dtype)
    half = out[: a.size // 2]
    return nanoseconds(lambda: np.add(a[::2], b[::2], half), half.size)


def load(dtype: str) -> float:
    """Time casting 8-bit rows of a large picture into a tile."""
    picture, (tile,) = np.ones((3000, 4000), np.uint8), buffers(dtype, 1, 128_000)
    rows = tile.reshape(32, 4000)

    def work() -> None:
        for y in range(0, 2976, 32):
            np.copyto(rows, picture[y : y + 32], casting="unsafe")

    return nanoseconds(work, 2976 * 4000)


def store(dtype: str) -> float:
    """Time copying a tile into a large result of the same type."""
    result, (tile,) = np.ones((3000, 4000), dtype), buffers(dtype, 1, 128_000)
    rows = tile.reshape(32, 4000)

    def work() -> None:
        for y in range(0, 2976, 32):
            result[y : y + 32] = rows

    return nanoseconds(work, 2976 * 4000)


def product(dtype: str) -> float:
    """Time a multiply-add of products that are not packed: 96 × 147 @ 147 × 64."""
    left, right = np.ones((32, 96, 147), dtype), np.ones((147, 64), dtype)
    out = np.empty((32, 96, 64), dtype)
    return nanoseconds(lambda: np.matmul(left, right, out=out), out.size * 147)


def band_product(dtype: str) -> float:
    """Time a multiply-add of windows times a band: 512 × 48 @ 48 × 16."""
    (source,) = buffers(dtype, 1)
    windows = strided(source, 0, (2, 512, 48), (512 * 48, 48, 1))
    right, out = np.ones((48, 16), dtype), np.empty((2, 512, 16), dtype)
    return nanoseconds(lambda: np.matmul(windows, right, out=out), out.size * 48)


def scattered(dtype: str) -> tuple[float, float]:
    """Time einsum's product over few and over many channels: (a multiply-add, a sum)."""

    def work(channels: int) -> float:
        view = np.ones((16, 64, 1, channels), dtype)
        weights, out = np.ones((1, 8, channels), dtype), np.empty((16, 64, 1, 8), dtype)
        call = lambda: np.einsum("hwgi,goi->hwgo", view, weights, out=out, optimize=True)  # noqa: E731
        return nanoseconds(call, out.size)

    few, many = work(4), work(64)
    each = max((many - few) / 60, 1e-3)
    return each, max(few - 4 * each, 1e-3)


def summed_pass(dtype: str) -> float:
    """Time a tap of einsum that multiplies and adds in one pass."""
    rows, weights = np.ones((8, 9, 7168), dtype), np.ones((9, 7168), dtype)
    out = np.empty((8, 7168), dtype)
    return nanoseconds(lambda: np.einsum("yax,ax->yx", rows, weights, out=out), 9 * out.size)


def copy(dtype: str) -> float:
    """Time copying shifted rows, as the band's products read them."""
    (source,) = buffers(dtype, 1)
    shifted = strided(source, 0, (30, 7, 832), (2000, 1, 1))
    out = np.empty(shifted.shape, dtype)
    return nanoseconds(lambda: np.copyto(out, shifted), out.size)


def transform(dtype: str) -> float:
    """Time a point of a real transform in two dimensions, there and back, in place.

    ``norm="ortho"`` keeps float32 in float32, as the strategy does.
    """
    tile = np.ones((576, 576), dtype)
    spectrum = np.fft.rfft(tile)

    def work() -> None:
        np.fft.rfft(tile, axis=1, norm="ortho", out=spectrum)
        np.fft.fft(spectrum, axis=0, norm="ortho", out=spectrum)
        np.fft.ifft(spectrum, axis=0, norm="ortho", out=spectrum)
        np.fft.irfft(spectrum, 576, axis=1, norm="ortho", out=tile)

    return nanoseconds(work, tile.size)


def call() -> float:
    """Time a call that computes next to nothing."""
    left, right, out = (np.ones((1, 8, 8), np.float32) for _ in range(3))
    return nanoseconds(lambda: np.matmul(left, right, out=out), 1)


def run() -> float:
    """Time one short run of values more, in a copy of many."""
    source, out = np.ones((512, 64), np.float32), np.empty((512, 8), np.float32)
    return nanoseconds(lambda: np.copyto(out, source[:, :8]), 512)


def main() -> None:
    """Measure all, and print the constants."""
    names: list[tuple[str, Callable[[str], float], tuple[str, ...]]] = [
        ("flat_pass", flat_pass, _ALL),
        ("line_pass", line_pass, _FLOATS),
        ("strided_pass", strided_pass, _FLOATS),
        ("load", load, _ALL),
        ("store", store, _ALL),
        ("product", product, _FLOATS),
        ("band_product", band_product, _FLOATS),
        ("scattered_product", lambda dtype: scattered(dtype)[0], _FLOATS),
        ("scattered_sum", lambda dtype: scattered(dtype)[1], _FLOATS),
        ("summed_pass", summed_pass, _FLOATS),
        ("copy", copy, _FLOATS),
        ("transform", transform, _FLOATS),
    ]
    lines = []
    for name, measure, dtypes in names:
        values = ", ".join(f"{dtype}={measure(dtype):.2g}" for dtype in dtypes)
        lines.append(f"{name.upper()} = _rate({values})")
    lines += [f"CALL = {call():.3g}", f"RUN = {run():.2g}", ""]
    sys.stdout.write("\n".join(lines))


if __name__ == "__main__":
    main()

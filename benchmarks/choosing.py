"""Measure how long the planner takes to plan a problem for the first time.

    python benchmarks/choosing.py [--rounds 9]

The pictures have 12 megapixels of 8 bits. Each round takes new kernels: half of the last ones,
or random ones. The time includes factors, transforms of large kernels and the like; to plan
an equal problem again is a look-up.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from convcli.engine.planner import choose_plan
from convcli.engine.problem import problem_for
from convcli.geometry.window import window
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from

_NAMES = ("sobel-x", "laplacian8", "box:31", "gaussian:1", "gaussian:5", "gaussian:10")
_DENSE = (7, 15, 31, 63)


def main() -> None:
    """Measure all kernels, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    random = np.random.default_rng(0)
    cases: dict[str, Callable[[int], Kernel]] = {
        name: lambda number, name=name: _scaled(kernel_from(name), number)  # type: ignore[misc]
        for name in _NAMES
    }
    for size in _DENSE:
        cases[f"dense {size}×{size}"] = lambda _, size=size: Kernel(  # type: ignore[misc]
            random.random((size, size))
        )
    table = Table("kernel", "strategy", "first: ms", "again: µs")
    for name, kernel in cases.items():
        table.add_row(name, *_timed(kernel, rounds))
    Console().print(table)


def _scaled(kernel: Kernel, number: int) -> Kernel:
    """Return a kernel of the same form: whole weights stay whole over a divisor."""
    return Kernel(kernel.weights * 0.5**number)


def _timed(kernel: Callable[[int], Kernel], rounds: int) -> tuple[str, str, str]:
    first, again = [], []
    for number in range(rounds + 1):
        new = kernel(number)
        slide = window(new.size, padding="same")
        problem = problem_for((3000, 4000, 1), np.dtype(np.uint8), new, slide)
        start = time.perf_counter()
        chosen = choose_plan(problem)
        middle = time.perf_counter()
        choose_plan(problem)
        first.append(middle - start)
        again.append(time.perf_counter() - middle)
    return (
        chosen.strategy.name,
        f"{1e3 * statistics.median(first[1:]):.2f}",
        f"{1e6 * statistics.median(again[1:]):.1f}",
    )


if __name__ == "__main__":
    main()

"""Measure what the planner's choices lose, and what each strategy is worth.

    python benchmarks/regret.py [--rounds 9] [--only TEXT] [--fast]

Every strategy that can serve a problem computes it, on one thread, in turn; with ``--fast``
the compiled ones too. Times are those of the processor: other programs count little. The
regret of the planner is the time of its choice over that of the fastest strategy. A strategy
is worth the factor by which the geometric mean of the fastest times grows without it: one
that is worth less than 1.02 in the mean, and less than 1.3 in its best case, should go; a
compiled one among all, a plain one among the plain ones. No strategy goes that alone serves
some problem.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from convcli.engine.planner import Plan, choose_plan
from convcli.engine.problem import Problem, problem_for
from convcli.engine.strategies import COMPILED, STRATEGIES
from convcli.engine.strategies.base import Strategy
from convcli.engine.worker import run_plan
from convcli.geometry.window import window
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from

_HEIGHT, _WIDTH = 1200, 1600
_MOST_SLOWER = 8
"""A strategy whose first run takes so many times the fastest is not run again."""

_NAMED = ("sobel-x", "scharr-x", "laplacian8", "sharpen", "emboss")
_BLURS = ("binomial:2", "box:5", "box:31")
_GAUSSIANS = (0.5, 1, 1.5, 2, 3, 5, 10)
_DENSE = (3, 5, 7, 9, 11, 13, 15, 21, 27, 31, 63)
_BANKS: tuple[tuple[tuple[int, ...], int, dict[str, Any]], ...] = (
    ((64, 3, 3, 3), 256, {}),
    ((1, 3, 3, 3), 512, {}),
    ((16, 3, 5, 5), 256, {}),
    ((64, 3, 7, 7), 224, {"stride": 2, "padding": 3}),
    ((64, 64, 3, 3), 112, {}),
    ((16, 16, 3, 3), 224, {}),
    ((128, 128, 3, 3), 56, {}),
    ((256, 256, 3, 3), 28, {}),
    ((32, 32, 3, 3), 112, {"stride": 2}),
    ((32, 32, 3, 3), 112, {"dilation": 2}),
    ((32, 32, 5, 5), 56, {}),
    ((64, 8, 3, 3), 56, {"groups": 8}),
    ((256, 64, 1, 1), 56, {}),
    ((64, 256, 1, 1), 56, {}),
    ((32, 16, 1, 1), 224, {}),
    ((128, 64, 1, 1), 56, {"stride": 2}),
    ((64, 1, 3, 3), 112, {"groups": 64}),
    ((32, 1, 3, 3), 224, {"groups": 32}),
    ((128, 1, 5, 5), 56, {"groups": 128}),
    ((96, 1, 3, 3), 112, {"groups": 96, "stride": 2}),
)


def problems() -> Iterator[tuple[str, Problem]]:
    """Yield the grid: kernels on pictures in grey, in colour and in floats, and banks."""
    random = np.random.default_rng(0)
    kernels = [(name, kernel_from(name)) for name in _NAMED + _BLURS]
    kernels += [(f"gaussian:{sigma}", kernel_from(f"gaussian:{sigma}")) for sigma in _GAUSSIANS]
    kernels += [(f"dense {n}", Kernel(random.normal(size=(n, n)) / n)) for n in _DENSE]
    for name, kernel in kernels:
        for label, channels, dtype, result in (
            ("grey", 1, "uint8", "uint8"),
            ("RGB", 3, "uint8", "uint8"),
            ("floats", 1, "float32", "float32"),
        ):
            shape = (_HEIGHT, _WIDTH, channels)
            yield f"{name} {label}", _problem(shape, dtype, kernel, result, {"padding": "same"})
    for stride in (2, 3):
        settings = {"stride": stride, "padding": 1}
        kernel = kernel_from("sobel-x")
        name = f"sobel-x stride {stride}"
        yield name, _problem((_HEIGHT, _WIDTH, 1), "uint8", kernel, "uint8", settings)
    for size, side, given in _BANKS:
        settings = {"padding": size[2] // 2, **given}
        shape = (side, side, size[1] * settings.get("groups", 1))
        name = f"bank {'×'.join(map(str, size))} {given or ''} {side}²"
        kernel = Kernel(random.normal(size=size))
        yield name, _problem(shape, "float32", kernel, "float32", settings)


def _problem(
    shape: tuple[int, ...], dtype: str, kernel: Kernel, result: str, settings: dict[str, Any]
) -> Problem:
    groups = settings.get("groups", 1)
    sliding = {key: value for key, value in settings.items() if key != "groups"}
    slide = window(kernel.size, **sliding)
    return problem_for(shape, np.dtype(dtype), kernel, slide, groups=groups, dtype=result)


def measured(problem: Problem, rounds: int) -> dict[str, float]:
    """Return the least milliseconds of each strategy that can serve."""
    plans = {
        kind.name: Plan(problem, kind.method, kind(problem), "measured", cost)
        for kind in _strategies()
        if not isinstance(cost := kind.cost(problem), str)
    }
    values = np.random.default_rng(1).integers(0, 256, problem.shape).astype(problem.dtype)
    out = np.empty(problem.result_shape, problem.result)
    for plan in plans.values():
        if isinstance(plan.strategy, COMPILED):
            _once(plan, values, out)
    first = {name: _once(plan, values, out) for name, plan in plans.items()}
    best = min(first.values())
    times = {name: [taken] for name, taken in first.items()}
    for _ in range(rounds):
        for name, plan in plans.items():
            if first[name] < _MOST_SLOWER * best:
                times[name].append(_once(plan, values, out))
    return {name: min(taken) for name, taken in times.items()}


def _strategies() -> tuple[type[Strategy], ...]:
    return STRATEGIES + (COMPILED if os.environ["CONVCLI_FAST"] == "always" else ())


def _once(plan: Plan, values: np.ndarray[Any, Any], out: np.ndarray[Any, Any]) -> float:
    start = time.process_time()
    run_plan(plan, values, out, 1)
    return 1e3 * (time.process_time() - start)


def main() -> None:
    """Measure the grid, and print regrets and worths."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="problems whose name holds this text")
    parser.add_argument("--fast", action="store_true", help="with the compiled strategies")
    given = parser.parse_args()
    os.environ["CONVCLI_FAST"] = "always" if given.fast else "never"
    grid: dict[str, dict[str, float]] = {}
    regrets = {}
    for name, problem in problems():
        if given.only not in name:
            continue
        times = grid[name] = measured(problem, given.rounds)
        chosen = choose_plan(problem).strategy.name
        regrets[name] = times[chosen] / min(times.values())
        ranked = sorted(times.items(), key=lambda item: item[1])
        shown = ", ".join(f"{kind} {ms:.2f}" for kind, ms in ranked)
        print(f"{name:34} {regrets[name]:.2f}  {chosen:12} {shown}", flush=True)
    print(f"\n{len(grid)} problems: regret {_mean(list(regrets.values())):.3f} in the mean")
    for name in sorted(regrets, key=regrets.__getitem__)[-8:]:
        print(f"  {regrets[name]:.2f} {name}")
    print("\nwithout a strategy the fastest times grow by:")
    for kind in _strategies():
        print(f"  {kind.name:18} {_worth(grid, kind.name)}")


def _worth(grid: dict[str, dict[str, float]], name: str) -> str:
    """Say by how much times grow without a strategy: in the mean, and in its best case."""
    growths, alone = {}, 0
    for problem, times in grid.items():
        others = [ms for other, ms in times.items() if other != name]
        if others:
            growths[problem] = min(others) / min(times.values())
        else:
            alone += 1
    if not growths:
        return f"nothing: alone serves {alone}" if alone else "nothing"
    best = max(growths, key=growths.__getitem__)
    mean = _mean(list(growths.values()))
    only = f", alone serves {alone}" if alone else ""
    return f"× {mean:.3f} in the mean, × {growths[best]:.2f} for {best}{only}"


def _mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


if __name__ == "__main__":
    main()

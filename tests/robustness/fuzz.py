"""A long run of the fuzzer: ``python tests/robustness/fuzz.py --examples 1000``.

Makes so many hostile files of every sample, and as many hostile kernels and options; prints
how many were filtered and refused. Stops at the first that is neither, with what it was.
"""

import argparse
import collections
import sys
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fuzzing import (
    KERNELS,
    LONG_SPECS,
    OPTIONS,
    SAMPLES,
    hostile_files,
    hostile_kernel_files,
    judge,
    judge_kernel_file,
    tiff_directories,
)


def main() -> None:
    """Run all of it, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200, help="of each kind")
    examples = parser.parse_args().examples
    total: collections.Counter[str] = collections.Counter()
    for kind in sorted(SAMPLES):
        total += _counted(kind, hostile_files(kind), judge, examples)
    total += _counted(
        "kernels", KERNELS, lambda kernel: judge(SAMPLES["PNG"], kernel), examples
    )
    total += _counted("TIFF directories", tiff_directories(), judge, examples)
    kernel_files = hostile_kernel_files()
    total += _counted("kernel files", kernel_files, lambda f: judge_kernel_file(*f), examples)
    total += _counted(
        "long kernels", LONG_SPECS, lambda kernel: judge(SAMPLES["PNG"], kernel), examples
    )
    total += _counted("options", OPTIONS, _with_options, examples)
    print("in all", dict(total))


def _with_options(options: list[str]) -> str:
    return judge(SAMPLES["GIF animated"], options=tuple(options))


def _counted(
    name: str, strategy: st.SearchStrategy, run: Callable[..., str], examples: int
) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(value: object) -> None:
        counts[run(value)] += 1

    one()
    print(name, dict(counts), flush=True)
    return counts


if __name__ == "__main__":
    main()

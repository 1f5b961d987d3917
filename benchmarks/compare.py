"""Compare the speed of two commits: our side of each case, A B A B A B, and no peers.

    python benchmarks/compare.py COMMIT [COMMIT] [--only TEXT] [--rounds 5] [--fast] [--force]

With one commit the other is the work tree. Each commit is checked out into a folder of its own,
and runs the cases of this work tree. A ratio above 1 means that the second one is faster.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import refuse_load

_ROOT = Path(__file__).parent.parent
_TURNS = 3


def main() -> None:
    """Time both commits in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commits", nargs="+", help="one or two; one against the work tree")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--force", action="store_true", help="measure a loaded machine too")
    given = parser.parse_args()
    if len(given.commits) > 2:
        parser.error(f"expected one or two commits, got {len(given.commits)}: give two")
    refuse_load(forced=given.force)
    with tempfile.TemporaryDirectory() as name:
        sources = [_checked_out(commit, Path(name)) for commit in given.commits]
        try:
            sides = compared((*sources, _ROOT)[:2], given)
        finally:
            for source in sources:
                _git("worktree", "remove", "--force", str(source))
    show(*sides)


def _git(*words: str) -> None:
    subprocess.run(["git", "-C", str(_ROOT), *words], check=True, capture_output=True)  # noqa: S603, S607


def _checked_out(commit: str, folder: Path) -> Path:
    source = folder / commit.replace("/", "-")
    try:
        _git("worktree", "add", "--detach", str(source), commit)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"commit: {error.stderr.decode().strip()}: give another") from None
    return source


def compared(
    sources: tuple[Path, ...], given: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the least milliseconds of each case, of both sides."""
    sides: tuple[dict[str, float], dict[str, float]] = ({}, {})
    words = [sys.executable, str(_ROOT / "benchmarks" / "run.py"), "--ours"]
    words += ["--only", given.only, "--rounds", str(given.rounds)]
    words += ["--fast"] if given.fast else []
    for _ in range(_TURNS):
        for source, side in zip(sources, sides, strict=True):
            environment = os.environ | {"PYTHONPATH": str(source / "src")}
            output = subprocess.check_output(words, env=environment)  # noqa: S603
            for case, ms in json.loads(output).items():
                side[case] = min(ms, side.get(case, math.inf))
    return sides


def show(before: dict[str, float], after: dict[str, float]) -> None:
    """Print each case, the geometric mean of the ratios, and the worst."""
    ratios = {case: before[case] / after[case] for case in before if case in after}
    for case, ratio in ratios.items():
        print(f"{case:42} {before[case]:8.2f} {after[case]:8.2f} ms  {ratio:.2f}")
    mean = math.exp(statistics.fmean(map(math.log, ratios.values())))
    worst = min(ratios, key=ratios.__getitem__)
    print(f"geometric mean {mean:.3f}, worst {ratios[worst]:.2f}: {worst}")


if __name__ == "__main__":
    main()

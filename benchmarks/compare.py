"""Compare the speed of two commits: our side of each case, A B A B …, and no peers.

    python benchmarks/compare.py COMMIT [COMMIT] [--only TEXT] [--rounds 6] [--fast] [--force]

With one commit the other is the work tree. The sources of each are unpacked into a folder of
their own, and run the cases of this work tree; cases that one of them cannot run are left out.
A ratio above 1 means that the second one is faster. It takes about two minutes. With
--processes whole runs of `convcli apply` are measured instead, from start to report:
by the time on processors, which other programs disturb less.
"""

import argparse
import io
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from machine import refuse_load
from PIL import Image

_ROOT = Path(__file__).parent.parent


def main() -> None:
    """Time both commits in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commits", nargs="+", help="one or two; one against the work tree")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--processes", action="store_true", help="time runs of convcli apply")
    parser.add_argument("--force", action="store_true", help="measure a loaded machine too")
    given = parser.parse_args()
    if len(given.commits) > 2:
        parser.error(f"expected one or two commits, got {len(given.commits)}: give two")
    load = refuse_load(forced=given.force)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, str(number)) for number in range(len(given.commits))]
        for commit, folder in zip(given.commits, folders, strict=True):
            unpack(commit, folder)
        compare = runs_compared if given.processes else compared
        sides = compare((*folders, _ROOT)[:2], given)
    show(*sides)
    print(f"load of other programs before: {load:.0%} of the cores")


def unpack(commit: str, folder: Path) -> None:
    """Write the sources of a commit into a folder."""
    words = ["git", "-C", str(_ROOT), "archive", commit, "src"]
    done = subprocess.run(words, check=False, capture_output=True)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"commit: {done.stderr.decode().strip()}: give another")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        packed.extractall(folder, filter="data")


def compared(
    sources: tuple[Path, ...], given: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the least milliseconds of each case, of both sides.

    Each side is a process that waits while the other works: they take turns call by call, so
    that both meet the same load.
    """
    words = [sys.executable, str(_ROOT / "benchmarks" / "run.py"), "--ours"]
    words += ["--only", given.only, *(["--fast"] if given.fast else [])]
    sides = [_started(words, source) for source in sources]
    names = [set(json.loads(_answer(side))) for side in sides]
    results: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for case in sorted(names[0] & names[1]):
        for threads in (1, 2):
            for _ in range(given.rounds + 1):
                for side, result in zip(sides, results, strict=True):
                    print(json.dumps([case, threads]), file=side.stdin, flush=True)
                    key, ms = f"{case}, {threads}", float(_answer(side))
                    result[key] = min(ms, result.get(key, math.inf))
    for side in sides:
        side.communicate()
    return results


RUNS = {
    "sobel-x, 64 px, quiet": ("sobel-x", "64", "-q"),
    "sobel-x, 64 px, report": ("sobel-x", "64"),
    "sobel-x, 1024 px, report": ("sobel-x", "1024"),
    "gaussian:2, 1024 px, replicate": ("gaussian:2", "1024", "--border", "replicate", "-q"),
    "box:3 and laplacian, 1024 px": ("box:3", "1024", "--then", "laplacian", "-q"),
}
"""Runs that use no option of mixing, of missing pixels or of recipes."""


def runs_compared(
    sources: tuple[Path, ...], given: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the least milliseconds on processors of whole runs, of sides that take turns."""
    results: tuple[dict[str, float], dict[str, float]] = ({}, {})
    with tempfile.TemporaryDirectory() as folder:
        for size in ("64", "1024"):
            pixels = np.random.default_rng(0).integers(0, 256, (int(size),) * 2, np.uint8)
            Image.fromarray(pixels).save(Path(folder, f"{size}.png"))
        for name, (kernel, size, *options) in RUNS.items():
            line = ["-m", "convcli", "apply", kernel, f"{size}.png", "out.png", *options]
            for _ in range(given.rounds + 1):
                for source, result in zip(sources, results, strict=True):
                    env = os.environ | {"PYTHONPATH": str(source / "src")}
                    started = _spent()
                    subprocess.run(  # noqa: S603
                        [sys.executable, *line],
                        cwd=folder,
                        env=env,
                        check=True,
                        capture_output=True,
                    )
                    key = f"{name}, 1"
                    result[key] = min(_spent() - started, result.get(key, math.inf))
    return results


def _spent() -> float:
    """Return the milliseconds on processors of all processes that this one started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def _started(words: list[str], source: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(source / "src")}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment)  # noqa: S603


def _answer(side: subprocess.Popen[str]) -> str:
    line = side.stdout.readline() if side.stdout else ""
    if not line:
        raise SystemExit("one side ended too early: see what it printed")
    return line


def show(before: dict[str, float], after: dict[str, float]) -> None:
    """Print each case; then, by the number of threads, the mean of the ratios and the worst."""
    ratios = {case: before[case] / after[case] for case in before if case in after}
    for case, ratio in ratios.items():
        print(f"{case:42} {before[case]:8.2f} {after[case]:8.2f} ms  {ratio:.2f}")
    for threads in ("1", "2"):
        found = {case: r for case, r in ratios.items() if case.endswith(f", {threads}")}
        if found:
            mean = math.exp(statistics.fmean(map(math.log, found.values())))
            worst = min(found, key=found.__getitem__)
            print(
                f"{threads} thread(s): geometric mean {mean:.3f}, "
                f"worst {found[worst]:.2f}: {worst}"
            )


if __name__ == "__main__":
    main()

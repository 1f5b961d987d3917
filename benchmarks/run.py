"""Compare convcli with OpenCV, torch, SciPy and Pillow, in one run on this machine.

    python benchmarks/run.py [--only TEXT] [--rounds 7] [--json benchmarks/results.json]

Each case is first checked (both sides agree), then timed in turn, A B A B …; on two threads
after a pause in which the threads of the last library fall asleep. The table gives medians, and
the median of the ratios round by round. Whole processes are timed by ``--processes``.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from comparisons import Case, Values, all_cases
from machine import machine
from rich.console import Console
from rich.table import Table

import convcli

_THREADS = (1, 2)
_SETTLING = 0.015
"""Seconds between two measurements on several threads."""

_EDGE = 2
"""Pixels at the edge that Pillow leaves unfiltered."""


def main() -> None:
    """Run the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--processes", action="store_true", help="whole processes as well")
    chosen = parser.parse_args()
    rows = [
        row
        for case in all_cases()
        if chosen.only in f"{case.name} {case.group}"
        for row in measured(case, chosen.rounds)
    ]
    if not chosen.only:
        rows += scaling(chosen.rounds)
    processes = []
    if chosen.processes:
        from processes import all_processes

        processes = all_processes(chosen.rounds)
    document = {
        "machine": machine("numpy", "cv2", "torch", "scipy"),
        "cases": rows,
        "processes": processes,
    }
    if chosen.json:
        chosen.json.write_text(
            json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8"
        )
    show(document)


def measured(case: Case, rounds: int) -> list[dict[str, Any]]:
    """Check a case, then time it on each number of threads."""
    ours = case.ours(1)
    for name, peer in case.peers.items():
        check(f"{case.name}: {name}", ours, peer(1), case.tolerance)
    return [_timed(case, threads, rounds) for threads in _THREADS]


def check(name: str, ours: Values, theirs: Values, tolerance: float) -> None:
    """Raise unless both sides agree, away from the edge that Pillow does not filter."""
    inside = slice(_EDGE, -_EDGE) if "Pillow" in name else slice(None)
    difference = np.abs(
        ours[inside, inside].astype(np.float64) - theirs[inside, inside].astype(np.float64)
    ).max()
    if not difference <= tolerance:
        raise SystemExit(f"{name}: results differ by {difference}, more than {tolerance}")


def _timed(case: Case, threads: int, rounds: int) -> dict[str, Any]:
    works: dict[str, Callable[[int], Values]] = {"convcli": case.ours, **case.peers}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            if threads > 1:
                settle()
            start = time.perf_counter()
            work(threads)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    peer = min(case.peers, key=lambda name: medians[name])
    pairs = zip(times[peer][1:], times["convcli"][1:], strict=True)
    row = {
        "case": case.name,
        "result": case.result,
        "group": case.group,
        "threads": threads,
        "ms": 1e3 * medians["convcli"],
        "peer": peer,
        "peer_ms": 1e3 * medians[peer],
        "ratio": statistics.median(theirs / ours for theirs, ours in pairs),
    }
    print(
        f"{row['case']:26} {threads} {row['ms']:8.1f} {row['peer_ms']:8.1f} {row['ratio']:.2f}",
        file=sys.stderr,
    )
    return row


def settle() -> None:
    """Wait until the threads of the last library sleep, but keep this core awake.

    Threads of torch and OpenCV look for work for some milliseconds more, on a core that the
    next library needs; a core that sleeps takes time to wake.
    """
    until = time.perf_counter() + _SETTLING
    while time.perf_counter() < until:
        pass


def scaling(rounds: int) -> list[dict[str, Any]]:
    """Time sobel-x by the pixel, from 1 to 100 megapixels."""
    weights = convcli.kernel_from("sobel-x").weights
    rows = []
    for threads in _THREADS:
        for megapixels in (1, 12, 48, 100):
            height = round(1000 * math.sqrt(megapixels * 3 / 4))
            image = np.random.default_rng(0).integers(
                0, 256, (height, megapixels * 1_000_000 // height), np.uint8
            )
            times = []
            for _ in range(rounds + 1):
                start = time.perf_counter()
                convcli.correlate(image, weights, padding="same", dtype=np.uint8, jobs=threads)
                times.append(time.perf_counter() - start)
            seconds = statistics.median(times[1:])
            rows.append(
                {
                    "case": f"sobel-x, {megapixels} megapixel{'s' if megapixels > 1 else ''}",
                    "result": "uint8",
                    "group": "scaling",
                    "threads": threads,
                    "ms": 1e3 * seconds,
                    "ns_per_pixel": 1e9 * seconds / image.size,
                }
            )
    return rows


def show(document: dict[str, Any]) -> None:
    """Print the results as tables."""
    table = Table(title="convcli and the fastest of its peers")
    for heading in ("case", "result", "threads", "convcli ms", "peer", "peer ms", "ratio"):
        table.add_column(heading)
    compared = [row for row in document["cases"] if "ratio" in row]
    for row in compared:
        table.add_row(
            row["case"],
            row["result"],
            str(row["threads"]),
            f"{row['ms']:.1f}",
            row["peer"],
            f"{row['peer_ms']:.1f}",
            f"{row['ratio']:.2f}",
        )
    console = Console()
    console.print(table)
    for threads in _THREADS:
        ratios = [
            row["ratio"]
            for row in compared
            if row["threads"] == threads and row["group"] not in ("SciPy", "Pillow")
        ]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            console.print(
                f"{threads} thread(s): geometric mean {mean:.2f}, least {min(ratios):.2f}"
            )


if __name__ == "__main__":
    main()

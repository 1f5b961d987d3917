"""Compare convcli with its peers in one run on this machine.

    python benchmarks/run.py [--only TEXT] [--save] [--fast] [--processes] [--force]

The peers of a case are all calls of OpenCV, torch, SciPy, Pillow, pyvips, scikit-image and
kornia that give the same pixels, within one level at ties. That is checked: a call that differs
more is left out and named. All are timed, A B A B …, after rounds that do not count; on two
threads after a pause in which the threads of the last library fall asleep. The fastest counts.
The table gives medians, and the median of the ratios round by round. A copy of the same picture
is timed among them: it is the limit of the memory. ``--save`` writes
``benchmarks/results/MODEL.json``: one file a model of processor, plain and ``--fast`` apart.
What a run that is stopped has measured stays in ``MODEL-plain.partial`` there.
"""

import argparse
import importlib.util
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from machine import details, load_since, machine, model, refuse_load, seconds_busy
from rich.console import Console
from rich.table import Table

_RESULTS = Path(__file__).parent / "results"
_THREADS = (1, 2)
_VERSIONS = ("numpy", "cv2", "torch", "scipy", "pyvips", "skimage", "kornia", "numba")
_WARM = 2
"""Rounds that do not count: libraries make their threads and fill their caches."""

_SLOW = 4
"""A peer that takes so many times the fastest in the warm-up is not timed again."""

_SLOWEST, _LONG = 12, 0.25
"""A peer whose very first call takes so many times the fastest, and so many seconds, is not
timed at all. A shorter one is: libraries prepare much in their first call."""

_SETTLING = 0.015
"""Seconds between two measurements on several threads."""

_EDGE = 2
"""Pixels at the edge that Pillow leaves unfiltered."""

_APART = ("SciPy", "Pillow", "scikit-image")
"""Groups that are not in the mean: their peers are far slower."""


def main() -> None:
    """Run the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the results of this machine")
    parser.add_argument("--fast", action="store_true", help="with the compiled strategies")
    parser.add_argument("--processes", action="store_true", help="whole processes as well")
    parser.add_argument("--force", action="store_true", help="measure a loaded machine too")
    parser.add_argument("--ours", action="store_true", help="for compare.py")
    chosen = parser.parse_args()
    if chosen.fast and not importlib.util.find_spec("numba"):
        parser.error("--fast: expected numba, found none: pip install '.[fast]'")
    os.environ["CONVCLI_FAST"] = "always" if chosen.fast else "never"
    if chosen.ours:
        answer_alone(chosen.only)
        return
    if chosen.save and chosen.only:
        parser.error("--save: expected all cases, got --only: leave one of them out")
    show(measured_run(chosen)["cases"])


def measured_run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Measure the cases, and whole processes if these are asked for."""
    part = "fast" if chosen.fast else "plain"
    load = refuse_load(forced=chosen.force)
    start, busy, own = time.perf_counter(), seconds_busy(), time.process_time()
    document: dict[str, Any] = {"machine": {"load_before": load}, "cases": []}
    partial = _RESULTS / f"{model()}-{part}.partial"
    for rows in measured_cases(chosen):
        document["cases"] += rows
        if chosen.save:
            partial.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    others = load_since(busy, own, time.perf_counter() - start)
    if chosen.processes:
        from processes import all_processes

        document["processes"] = all_processes(chosen.rounds)
    where = machine(*(name for name in _VERSIONS if name in sys.modules)) | details()
    document["machine"] |= where | {"load_of_others": round(others, 3), "forced": chosen.force}
    if chosen.save:
        save(document, part)
        partial.unlink()
    return document


def measured_cases(chosen: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each case."""
    from comparisons import all_cases

    peaks = {threads: sgemm_peak(threads) for threads in _THREADS}
    for case in all_cases():
        if chosen.only in f"{case.name} {case.group}":
            yield [
                row | _limits(case, row, peaks[row["threads"]])
                for row in measured(case, chosen.rounds)
            ]
    if not chosen.only:
        yield scaling(chosen.rounds)


def save(document: dict[str, Any], part: str) -> None:
    """Write one part of the file of this model; the other part of it stays."""
    path = _RESULTS / f"{model()}.json"
    whole = json.loads(path.read_text("utf-8")) if path.exists() else {}
    whole[part] = document
    _RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", "utf-8")


def copying(source: Any) -> Callable[[int], None]:
    """Return a work that copies a picture, a part of its rows on each thread."""
    target, pool = np.empty_like(source), ThreadPoolExecutor(max(_THREADS))

    def work(threads: int) -> None:
        if threads == 1:
            np.copyto(target, source)
            return
        edges = [len(source) * part // threads for part in range(threads + 1)]
        parts = [slice(*pair) for pair in itertools.pairwise(edges)]
        list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))

    return work


def sgemm_peak(threads: int) -> float:
    """Return the GFLOP/s of a product of 1536×1536 floats, on so many threads of BLAS."""
    code = (
        "import numpy as np, time; a = np.ones((1536, 1536), np.float32); o = a @ a; t = []\n"
        "for _ in range(12):\n s = time.perf_counter(); np.matmul(a, a, out=o)\n"
        " t.append(time.perf_counter() - s)\n"
        "print(2e-9 * 1536**3 / min(t))"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(threads)}
    words = [sys.executable, "-c", code]
    return float(subprocess.check_output(words, env=environment))  # noqa: S603


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _limits(case: Any, row: dict[str, Any], peak: float) -> dict[str, float]:
    """Return how far a case is from the limits: of memory, and of products."""
    speed = 1e-6 * (case.source.nbytes + case.returned) / row["ms"]
    found = {"gb_s": speed, "of_copy": speed / (2e-6 * case.source.nbytes / row["copy_ms"])}
    if case.multiply_adds:
        found["of_sgemm"] = 2e-6 * case.multiply_adds / row["ms"] / peak
        found["sgemm_gflop_s"] = peak
    return found


def answer_alone(only: str) -> None:
    """Print the names of our cases; then run each that is asked for, and print its time."""
    from comparisons import all_cases

    cases = {f"{c.name}, {c.result}": c for c in all_cases() if only in f"{c.name} {c.group}"}
    for name, case in list(cases.items()):
        try:
            case.ours(1)
        except Exception as error:  # noqa: BLE001 - an older version may lack anything
            print(f"left out: {name}: {error}", file=sys.stderr)
            del cases[name]
    print(json.dumps(list(cases)), flush=True)
    for line in sys.stdin:
        name, threads = json.loads(line)
        print(1e3 * _seconds(lambda: cases[name].ours(threads)), flush=True)  # noqa: B023


def measured(case: Any, rounds: int) -> list[dict[str, Any]]:
    """Leave out the peers that give other pixels or are slow, then time the others."""
    ours, seconds = case.ours(1), {}
    unlike = {}
    for name, peer in list(case.peers.items()):
        start = time.perf_counter()
        theirs = peer(1)
        seconds[name] = time.perf_counter() - start
        largest, share = difference(name, ours, theirs)
        if not largest <= case.tolerance:
            unlike[name] = largest
            del case.peers[name], seconds[name]
        elif share and case.result == "uint8":
            unlike[f"{name}, share a level off"] = round(share, 4)
    if not case.peers:
        raise SystemExit(f"{case.name}: no peer gives the same pixels: {unlike}")
    most = max(_SLOWEST * min(seconds.values()), _LONG)
    for name in [name for name, taken in seconds.items() if taken > most]:
        del case.peers[name]
    return [_timed(case, threads, rounds) | {"unlike": unlike} for threads in _THREADS]


def difference(name: str, ours: Any, theirs: Any) -> tuple[float, float]:
    """Return the largest difference of two results, and the share of pixels that differ.

    Pillow does not filter the edge, and vips continues the picture there in another way.
    """
    edge = 32 if "pyvips" in name else _EDGE if name.startswith(("Pillow", "scikit")) else 0
    inside = slice(edge, -edge or None)
    wide = np.float64 if ours.dtype.kind == "f" else np.int32
    apart = np.abs(ours[inside, inside].astype(wide) - theirs[inside, inside].astype(wide))
    return float(apart.max()), float(np.count_nonzero(apart) / apart.size)


def _timed(case: Any, threads: int, rounds: int) -> dict[str, Any]:
    own = {"convcli": case.ours, "copy": copying(case.source)}
    works: dict[str, Callable[[int], Any]] = own | case.peers
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + _WARM):
        if number == 1:
            least = min(min(times[name]) for name in case.peers)
            slow = [n for n in case.peers if min(times[n]) > _SLOW * least]
            works = {name: work for name, work in works.items() if name not in slow}
        if number == _WARM:
            times = {name: [] for name in works}
        for name, work in works.items():
            if threads > 1:
                settle()
            times[name].append(_seconds(lambda: work(threads)))  # noqa: B023
    medians = {name: statistics.median(values) for name, values in times.items()}
    peer = min((name for name in medians if name not in own), key=medians.__getitem__)
    pairs = zip(times[peer], times["convcli"], strict=True)
    row = {
        "case": case.name,
        "result": case.result,
        "group": case.group,
        "threads": threads,
        "ms": 1e3 * medians["convcli"],
        "peer": peer,
        "peer_ms": 1e3 * medians[peer],
        "copy_ms": 1e3 * medians["copy"],
        "ratio": statistics.median(theirs / ours for theirs, ours in pairs),
        "all_ms": {name: round(1e3 * median, 3) for name, median in medians.items()},
    }
    print(
        f"{row['case']:26} {row['result']:8} {threads} {row['ms']:8.1f} {row['peer_ms']:8.1f} "
        f"{row['ratio']:.2f} {peer}",
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
    import convcli

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


def show(rows: list[dict[str, Any]]) -> None:
    """Print the results as a table."""
    table = Table(title="convcli and the fastest of its peers")
    for heading in (
        "case",
        "result",
        "threads",
        "ms",
        "peer",
        "peer ms",
        "ratio",
        "of copy",
        "of sgemm",
    ):
        table.add_column(heading)
    compared = [row for row in rows if "ratio" in row]
    for row in compared:
        table.add_row(
            row["case"],
            row["result"],
            str(row["threads"]),
            f"{row['ms']:.1f}",
            row["peer"],
            f"{row['peer_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['of_copy']:.2f}",
            f"{row['of_sgemm']:.2f}" if "of_sgemm" in row else "",
        )
    console = Console()
    console.print(table)
    for threads in _THREADS:
        ratios = [
            row["ratio"]
            for row in compared
            if row["threads"] == threads and row["group"] not in _APART
        ]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            console.print(
                f"{threads} thread(s): geometric mean {mean:.2f}, least {min(ratios):.2f}"
            )


if __name__ == "__main__":
    main()

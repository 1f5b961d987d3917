"""The figures of the README, from what `benchmarks/run.py` measured and wrote."""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
_APART = ("SciPy", "Pillow")
"""Peers with targets of their own: not in the mean over the fastest peers."""

Row = dict[str, Any]


def measured_on() -> str:
    """Say on what machine, when, and with which versions."""
    machine = _results()["machine"]
    versions = ", ".join(
        f"{label} {machine[key]}"
        for label, key in (
            ("Python", "python"),
            ("NumPy", "numpy"),
            ("OpenCV", "cv2"),
            ("torch", "torch"),
            ("SciPy", "scipy"),
        )
    )
    return f"{machine['date']}, {machine['cores']} cores ({machine['processor']}), {versions}"


def claim() -> str:
    """Return what the first screen says of speed: no more than was measured."""
    one, two = (_mean(_ratios(threads)) for threads in (1, 2))
    where = "ahead of" if min(one, two) >= 1 else "measured against"
    return (
        f"The engine is plain NumPy, {where} OpenCV and torch on the CPU: over "
        f"{len(_ratios(1))} comparisons\nthe geometric mean of their time over convcli's is "
        f"{one:.2f} on one thread, {two:.2f} on two\n([which, and where it is not](#speed))."
    )


def means() -> str:
    """Return the geometric means over the fastest peer of each case, as a sentence."""
    parts = []
    for threads in (1, 2):
        ratios = _ratios(threads)
        mean = _mean(ratios)
        ahead = sum(ratio >= 1 for ratio in ratios)
        parts.append(
            f"{mean:.2f} on {threads} thread{'s' if threads > 1 else ''} "
            f"(ahead in {ahead} of {len(ratios)} cases)"
        )
    return "Geometric mean of the fastest peer's time over convcli's: " + ", ".join(parts) + "."


def case_table() -> str:
    """Return a Markdown table of all cases that have a peer."""
    lines = [
        "| case | result | peer | 1 thread: ms | peer | ratio | 2 threads: ms | peer | ratio |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    rows = [row for row in _results()["cases"] if "ratio" in row]
    pairs: dict[tuple[str, str, str], dict[int, Row]] = {}
    for row in rows:
        key = (row["case"], row["result"], row["group"])
        pairs.setdefault(key, {})[row["threads"]] = row
    for (case, result, _), found in pairs.items():
        cells = [_cells(found[threads]) for threads in (1, 2)]
        lines.append(f"| {case} | {result} | {found[1]['peer']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def scaling_table() -> str:
    """Return a Markdown table of the time a pixel."""
    rows = [row for row in _results()["cases"] if row["group"] == "scaling"]
    names = list(dict.fromkeys(row["case"] for row in rows))
    lines = ["| case | 1 thread: ns a pixel | 2 threads |", "|---|--:|--:|"]
    for name in names:
        times = [f"{row['ns_per_pixel']:.2f}" for row in rows if row["case"] == name]
        lines.append(f"| {name} | {' | '.join(times)} |")
    return "\n".join(lines)


def process_table() -> str:
    """Return a Markdown table of whole processes, in milliseconds."""
    lines = ["| command | convcli: ms | peak MB | others: ms |", "|---|--:|--:|---|"]
    for row in _results()["processes"]:
        others = ", ".join(
            f"{name} {ms:.0f}" for name, ms in row["ms"].items() if name != "convcli"
        )
        ours = row["ms"]["convcli"]
        lines.append(f"| {row['case']} | {ours:.0f} | {row['peak_mb']:.0f} | {others} |")
    return "\n".join(lines)


def level_table() -> str:
    """Return a Markdown table of what zlib's levels cost and save in a PNG."""
    lines = ["| compression | seconds | megabytes |", "|---|--:|--:|"]
    lines += [
        f"| {row['case']} | {row['seconds']:.2f} | {row['bytes'] / 1e6:.1f} |"
        for row in _results("png_levels")["rows"]
    ]
    return "\n".join(lines)


def _ratios(threads: int) -> list[float]:
    return [row["ratio"] for row in _compared() if row["threads"] == threads]


def _mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def _cells(row: Row) -> str:
    return f"{row['ms']:.1f} | {row['peer_ms']:.1f} | **{row['ratio']:.2f}**"


def _compared() -> Sequence[Row]:
    rows: Sequence[Row] = _results()["cases"]
    return [row for row in rows if "ratio" in row and row["group"] not in _APART]


def _results(name: str = "results/intel-xeon-avx512") -> dict[str, Any]:
    text = Path(_BENCHMARKS, f"{name}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document

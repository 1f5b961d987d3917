"""The figures of the documents, from what `benchmarks/run.py` measured and wrote.

There is a file for each model of processor, with a part for plain NumPy and one for the
compiled strategies; a document shows no figure that is not in one of them.
"""

import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
_APART = ("SciPy", "Pillow", "scikit-image")
"""Peers that are far slower: not in the mean over the fastest peers."""

_PARTS = {"plain": "plain NumPy", "fast": "compiled (extra `fast`)"}
_THREADS = (1, 2)

Row = dict[str, Any]


def claim() -> str:
    """Return what the first screen says of speed: "ahead" only where each file says so."""
    found = [part for _, label, part in _measured() if label == _PARTS["plain"]]
    fair = [part for part in found if not part.get("old_peers")]
    ahead = fair and all(_mean(_ratios(part, n)) >= 1 for part in fair for n in _THREADS)
    where = "ahead of" if ahead and fair == found else "measured against"
    return (
        f"The engine is plain NumPy, {where} the fastest calls of OpenCV, torch and others\n"
        "that give the same pixels on the CPU. Their time over convcli's, as geometric mean\n"
        f"over all cases and as the least (above 1, convcli is faster):\n\n{summary()}"
    )


def summary() -> str:
    """Return a line for each machine and part: the geometric mean, and the least."""
    lines = [
        "| machine | convcli | 1 thread: mean | least | 2 threads: mean | least |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for name, label, part in _measured():
        mark = " (without Sobel and Scharr)" if part.get("old_peers") else ""
        ratios = [_ratios(part, threads) for threads in _THREADS]
        cells = [f"{_mean(found):.2f} | {min(found):.2f}" for found in ratios]
        lines.append(f"| {name}{mark} | {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def machines() -> str:
    """Return all that was measured on each machine: a heading, and its tables."""
    return "\n\n".join(
        "\n\n".join(
            [
                f"## {name}, {label}",
                _measured_on(part),
                _means(part),
                _case_table(part["cases"]),
                _scaling_table(part["cases"]),
                *_processes(part.get("processes", {})),
            ]
        )
        for name, label, part in _measured()
    )


def level_table() -> str:
    """Return a Markdown table of what zlib's levels cost and save in a PNG."""
    document = json.loads((_BENCHMARKS / "png_levels.json").read_text("utf-8"))
    rows = [
        f"| {row['case']} | {row['seconds']:.2f} | {row['bytes'] / 1e6:.1f} |"
        for row in document["rows"]
    ]
    return "\n".join(["| compression | seconds | megabytes |", "|---|--:|--:|", *rows])


def _measured() -> list[tuple[str, str, Row]]:
    """Return each part of each file: the processor, what was measured, and the results."""
    found = []
    for path in sorted((_BENCHMARKS / "results").glob("*.json")):
        whole = json.loads(path.read_text("utf-8"))
        shared = {key: whole[key] for key in ("note", "old_peers") if key in whole}
        for key, label in _PARTS.items():
            if key in whole:
                part = shared | whole[key]
                found.append((_processor(part["machine"]), label, part))
    return found


def _processor(machine: Row) -> str:
    name = machine["processor"].replace("(R)", "").replace(" Processor", "")
    return f"{name} ({machine['model']})" if "model" in machine else name


def _measured_on(part: Row) -> str:
    """Say when, with which versions, caches and kernels, and under which load."""
    machine = part["machine"]
    labels = {
        "python": "Python",
        "numpy": "NumPy",
        "cv2": "OpenCV",
        "torch": "torch",
        "scipy": "SciPy",
        "pyvips": "pyvips",
        "skimage": "scikit-image",
        "kornia": "kornia",
        "numba": "numba",
    }
    versions = ", ".join(f"{label} {machine[k]}" for k, label in labels.items() if k in machine)
    text = f"Measured on {machine['date']}, {machine['cores']} cores, {versions}."
    if "caches" in machine:
        text += f" Caches {', '.join(machine['caches'])}; NumPy uses {machine['simd']}, "
        text += f"OpenBLAS its kernels for {machine['blas']}; other programs took "
        text += f"{machine['load_of_others']:.0%} of the cores."
        if machine["load_of_others"] > _LOADED:
            text += " **That is a loaded machine: read the figures as rough.**"
    return f"{text} {part['note']}" if "note" in part else text


_LOADED = 0.1


def _means(part: Row) -> str:
    parts = []
    for threads in _THREADS:
        ratios = _ratios(part, threads)
        ahead = sum(ratio >= 1 for ratio in ratios)
        parts.append(
            f"{_mean(ratios):.2f} on {threads} thread{'s' if threads > 1 else ''} "
            f"(ahead in {ahead} of {len(ratios)} cases)"
        )
    return "Geometric mean of the fastest peer's time over convcli's: " + ", ".join(parts) + "."


def _case_table(cases: list[Row]) -> str:
    """Return a table of all cases that have a peer; the limits are of one thread."""
    heads = [
        "case",
        "result",
        "1 thread: peer",
        "ms",
        "peer",
        "ratio",
        "GB/s (of a copy)",
        "of sgemm",
    ]
    heads += ["2 threads: peer", "ms", "peer", "ratio"]
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|--:|--:|--:|--:|--:|---|--:|--:|--:|"]
    pairs: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in cases:
        if "ratio" in row:
            key = (row["case"], row["result"], row["group"])
            pairs.setdefault(key, {})[row["threads"]] = row
    for (case, result, _), found in pairs.items():
        one, two = (found[threads] for threads in _THREADS)
        limits = [f"{one['gb_s']:.1f} ({one['of_copy']:.0%})" if "gb_s" in one else ""]
        limits.append(f"{one['of_sgemm']:.0%}" if "of_sgemm" in one else "")
        cells = [case, result, _peer(one), *_times(one), *limits, _peer(two), *_times(two)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _peer(row: Row) -> str:
    """Return the fastest peer; where it rounds otherwise, on which share of the pixels."""
    share = row.get("unlike", {}).get(f"{row['peer']}, share a level off", 0)
    return f"{row['peer']} ({share:.1%} a level off)" if share >= _WORTH else str(row["peer"])


_WORTH = 0.001
"""A share of pixels that is said."""


def _times(row: Row) -> list[str]:
    return [f"{row['ms']:.1f}", f"{row['peer_ms']:.1f}", f"**{row['ratio']:.2f}**"]


def _scaling_table(cases: list[Row]) -> str:
    rows = [row for row in cases if row["group"] == "scaling"]
    lines = ["| case | 1 thread: ns a pixel | 2 threads |", "|---|--:|--:|"]
    for name in dict.fromkeys(row["case"] for row in rows):
        times = [f"{row['ns_per_pixel']:.2f}" for row in rows if row["case"] == name]
        lines.append(f"| {name} | {' | '.join(times)} |")
    return "\n".join(lines)


def _processes(found: Row) -> Iterable[str]:
    """Yield tables of whole processes, of the PNGs they wrote, and of where the time goes."""
    if not found:
        return
    lines = ["| command | convcli: ms | peak MB | others: ms | ratio | asked |"]
    lines.append("|---|--:|--:|---|--:|--:|")
    for row in found["rows"]:
        others = ", ".join(f"{k} {ms:.0f}" for k, ms in row["ms"].items() if k != "convcli")
        ours = f"{row['ms']['convcli']:.0f} | {row['peak_mb']:.0f}"
        limit = f"{row['ratio']:.2f} | ≤ {row['most']:.2f}" if "most" in row else " | "
        lines.append(f"| {row['case']} | {ours} | {others} | {limit} |")
    yield "\n".join(lines)
    yield from (_files(row) for row in found["rows"] if row.get("levels"))
    if "parts" in found:
        yield _spent(found["parts"])


def _files(row: Row) -> str:
    """Say how large the PNGs are, and with which level of zlib they were written."""
    files = ", ".join(
        f"{name} {size / 1e6:.1f} MB (level {row['levels'][name]})"
        for name, size in row["bytes"].items()
    )
    return f"The PNGs of 12 megapixels: {files}."


def _spent(parts: dict[str, dict[str, float]]) -> str:
    """Return a table of where the milliseconds of a process go."""
    names = list(next(iter(parts.values())))
    lines = [f"| ms | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for command, spent in parts.items():
        lines.append(f"| {command} | {' | '.join(f'{spent[name]:.0f}' for name in names)} |")
    return "\n".join(lines)


def _ratios(part: Row, threads: int) -> list[float]:
    return [
        row["ratio"]
        for row in part["cases"]
        if "ratio" in row
        and row["threads"] == threads
        and row["group"] not in _APART
        and not row["case"].startswith(tuple(part.get("old_peers", ())))
    ]


def _mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))

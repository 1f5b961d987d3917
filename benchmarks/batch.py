"""Measure batches of pictures on this machine: speed, memory, overhead; all in one run.

    python benchmarks/batch.py [--only TEXT] [--rounds 3] [--json benchmarks/batch.json]

Whole processes are timed in turn, A B A B …; a ratio is the median of the ratios round by
round. Needs Linux (peaks come from /proc), `vips` and `mogrify`.
"""

import argparse
import io
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from PIL import Image
from rich.console import Console
from rich.table import Table

from convcli.batch.job import BatchJob, FileJob
from convcli.batch.local import LocalExecutor
from convcli.images.picture import Picture
from convcli.images.read import read_picture
from convcli.images.write import write_picture
from convcli.kernels.spec import kernel_from
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame

_SIZE = (1632, 1224)
"""2 megapixels."""

_QUALITY = 75
"""Of all JPEGs that are written: the default of vips."""

_SOBEL = "-1,0,1,-2,0,2,-1,0,1"

_RUN = """\
import json, resource, sys
from pathlib import Path
from convcli.cli.app import main
try:
    main(sys.argv[1:], prog_name="convcli")
finally:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"own": 1024 * own, "worker": 1024 * workers}), file=sys.stderr)
"""
"""The program. At its end it prints how much memory it and its largest worker took."""


def main() -> None:
    """Run the cases that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=200, help="JPEGs of 2 megapixels")
    parser.add_argument("--many", type=int, default=1000, help="files for the peak of memory")
    parser.add_argument("--tiny", type=int, default=100_000, help="tiny files in a list")
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for case in (speed, share, executors, peak, tiny):
            if chosen.only in case.__name__:
                rows += case(_folder(Path(name, case.__name__)), chosen)
    document = {"machine": machine("numpy", "PIL"), "rows": rows}
    if chosen.json:
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    show(rows)


def show(rows: list[dict[str, Any]]) -> None:
    """Print each measurement, its target, and whether it was reached."""
    table = Table(title="Batches")
    for heading in ("what", "measured", "target", "reached"):
        table.add_column(heading)
    for row in rows:
        least, most = row.get("least"), row.get("most")
        target = f"≥ {least}" if least is not None else f"≤ {most}" if most is not None else ""
        reached = (least is None or row["value"] >= least) and (
            most is None or row["value"] <= most
        )
        mark = "" if not target else "yes" if reached else "no"
        table.add_row(row["what"], f"{row['value']:.3g} {row['unit']}", target, mark)
    Console().print(table)


# ------------------------------------------------------------------ speed


def speed(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare two jobs with one job, with as many processes of vips, and with mogrify.

    All write JPEGs of the same quality, of clipped values.
    """
    photos = _photos(folder / "in", chosen.files)
    out = folder / "out"
    matrix = folder / "sobel.mat"
    matrix.write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n", "utf-8")
    files = sorted(photos.iterdir())
    lines = [f"{f} {out / f.name}[Q={_QUALITY}] {matrix} --precision integer" for f in files]
    listed = folder / "vips.list"
    listed.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    # vips' own threads gain nothing where there is a process for each core: one is its best.
    loop = f"VIPS_CONCURRENCY=1 xargs -L 1 -P 2 vips conv < {shlex.quote(str(listed))}"
    mogrify = ["mogrify", "-path", out, "-quality", str(_QUALITY), "-convolve", _SOBEL, *files]
    times = _in_turn(
        {
            "2 jobs": lambda: _run(_apply(photos, out, 2), out),
            "1 job": lambda: _run(_apply(photos, out, 1), out),
            "2 processes of vips": lambda: _run(["sh", "-c", loop], out),
            "mogrify": lambda: _run(mogrify, out),
        },
        chosen.rounds,
    )
    seconds = [
        _row(f"{chosen.files} JPEGs of 2 megapixels, {name}", statistics.median(found), "s")
        for name, found in times.items()
    ]
    targets = {"1 job": 1.7, "2 processes of vips": 2, "mogrify": 8}
    return seconds + [
        _row(
            f"2 jobs are faster than {name} by",
            _ratio(times[name], times["2 jobs"]),
            "×",
            least,
        )
        for name, least in targets.items()
    ]


def share(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the part of one job's time that decoding, filtering and encoding take.

    They are timed one after another in this process, from bytes in memory to bytes in
    memory. The whole is the time of a process that runs the batch with one job.
    """
    photos = _photos(folder / "in", chosen.files)
    out = folder / "out"
    steps = {"decode": 0.0, "filter": 0.0, "encode": 0.0}
    parts = []
    _steps(photos, dict(steps), most=2)
    for _ in range(chosen.rounds):
        found = dict(steps)
        _steps(photos, found)
        whole = _run(_apply(photos, out, 1), out)
        parts.append((found, whole))
    rows = [
        _row(f"a file's {name}", 1e3 * statistics.median(p[name] for p, _ in parts), "ms")
        for name in steps
    ]
    for row in rows:
        row["value"] /= chosen.files
    ratio = statistics.median(sum(found.values()) / whole for found, whole in parts)
    return [*rows, _row("decode, filter and encode are of the time", 100 * ratio, "%", 85)]


def _steps(photos: Path, spent: dict[str, float], most: int | None = None) -> None:
    kernels, options = [kernel_from("sobel-x")], Options(jobs=1, collect_stats=False)
    for path in sorted(photos.iterdir())[:most]:
        data = io.BytesIO(path.read_bytes())
        times = [time.perf_counter()]
        document = read_picture(data, path.name)
        times.append(time.perf_counter())
        filtered = filter_frame(document.frames[0], kernels, options)
        times.append(time.perf_counter())
        result = Picture((filtered.frame(),), document.metadata)
        write_picture(result, io.BytesIO(), "JPEG")
        times.append(time.perf_counter())
        for name, start, end in zip(spent, times, times[1:], strict=False):
            spent[name] += end - start


def executors(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare processes with threads: a batch uses processes because they are faster."""
    photos = _photos(folder / "in", chosen.files)
    sobel = BatchJob(
        kernels=(kernel_from("sobel-x"),), options=Options(jobs=1, collect_stats=False)
    )
    jobs = [FileJob(str(path), str(folder / "out" / path.name)) for path in photos.iterdir()]

    def timed(run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    def threads() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(sobel.run, jobs))

    times = _in_turn(
        {
            "2 processes": lambda: timed(lambda: list(LocalExecutor(2).run(sobel, jobs))),
            "2 threads": lambda: timed(threads),
        },
        chosen.rounds,
    )
    rows = [_row(name, statistics.median(found), "s") for name, found in times.items()]
    ratio = _ratio(times["2 threads"], times["2 processes"])
    return [*rows, _row("processes are faster than threads by", ratio, "×")]


# ------------------------------------------------------------------ memory and overhead


def peak(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare the peak of memory for 10 files with that for many."""
    few, many = (_photos(folder / str(count), count) for count in (10, chosen.many))
    peaks = [
        _measured_run(_apply(photos, folder / "out", 2), folder / "out")[0]
        for photos in (few, many)
    ]
    return [
        _row("peak for 10 files", peaks[0] / 2**20, "MiB"),
        _row(f"peak for {chosen.many:,} files", peaks[1] / 2**20, "MiB"),
        _row("growth of the peak", 100 * (peaks[1] / peaks[0] - 1), "%", most=20),
    ]


def tiny(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the overhead of a file, and whether memory grows with the number of files."""
    files = _folder(folder / "in")
    buffer = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(buffer, "PNG")
    for number in range(chosen.tiny):
        (files / f"{number}.png").write_bytes(buffer.getvalue())
    peaks, out, listed = [], folder / "out", folder / "list"
    for count in (chosen.tiny // 100, chosen.tiny):
        listed.write_text("".join(f"{files}/{n}.png\n" for n in range(count)), "utf-8")
        words = ["apply", "box", "--files-from", listed, "--out-dir", out, "--jobs", "1"]
        memory, seconds, summary = _measured_run([*words, "--json"], out)
        peaks.append(memory)
    overhead = 1e3 * (seconds - summary["busy_seconds"]) / chosen.tiny
    return [
        _row("a tiny file's own work", 1e3 * summary["busy_seconds"] / chosen.tiny, "ms"),
        _row(f"overhead of one of {chosen.tiny:,}", overhead, "ms", most=1),
        _row(f"peak for {chosen.tiny // 100:,} tiny files", peaks[0] / 2**20, "MiB"),
        _row(f"peak for {chosen.tiny:,} tiny files", peaks[1] / 2**20, "MiB"),
        _row("growth of the peak", 100 * (peaks[1] / peaks[0] - 1), "%", most=20),
    ]


def _measured_run(words: list[Any], out: Path) -> tuple[float, float, dict[str, Any]]:
    """Return the peak of all processes, the seconds and the summary of one run."""
    jobs = int(words[words.index("--jobs") + 1])
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _RUN, *map(str, words)],
        check=True,
        capture_output=True,
        text=True,
        env=_installed(),
    )
    seconds = time.perf_counter() - start
    peaks = json.loads(done.stderr.splitlines()[-1])
    last = done.stdout.splitlines()[-1] if done.stdout else "{}"
    summary = json.loads(last).get("summary", {}) if last.startswith("{") else {}
    return peaks["own"] + jobs * peaks["worker"], seconds, summary


# ------------------------------------------------------------------ helpers


def _photos(folder: Path, count: int) -> Path:
    """Make photographs of 2 megapixels from a sample, all different."""
    sample = Path(__file__).parent.parent / "sample_images" / "rocket.jpg"
    with Image.open(sample) as opened:
        large = np.asarray(opened.convert("RGB").resize(_SIZE, Image.Resampling.BICUBIC))
    noise = np.random.default_rng(0).normal(0, 3, large.shape)
    for number in range(count):
        rolled = np.roll(large, 7 * number, axis=1) + noise
        picture = Image.fromarray(np.clip(rolled, 0, 255).astype(np.uint8))
        picture.save(_folder(folder) / f"{number:04}.jpg", quality=90)
    return folder


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _apply(photos: Path, out: Path, jobs: int) -> list[Any]:
    words = ["apply", "sobel-x", photos, "--out-dir", out, "--jobs", str(jobs), "--quiet"]
    return [*words, "--range", "clip", "--border", "replicate", "--quality", str(_QUALITY)]


def _run(words: list[Any], out: Path) -> float:
    """Run a command that fills an empty folder; return the seconds it takes."""
    shutil.rmtree(out, ignore_errors=True)
    if words[0] == "apply":
        words = [sys.executable, "-m", "convcli", *words]
    else:
        out.mkdir()
    start = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own program, and those it is compared with
        [str(word) for word in words], check=True, capture_output=True, env=_installed()
    )
    seconds = time.perf_counter() - start
    if not any(out.iterdir()):
        raise SystemExit(f"{words[0]} wrote nothing")
    return seconds


def _installed() -> dict[str, str]:
    """Return an environment as after an installation: modules are compiled once."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _in_turn(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the times of each, round by round; the first round warms up and is left out."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            times[name].append(run())
            print(f"{number} {name:12} {times[name][-1]:8.2f} s", file=sys.stderr)
    return {name: found[1:] for name, found in times.items()}


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def _row(
    what: str, value: float, unit: str, least: float | None = None, *, most: float | None = None
) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "least": least, "most": most}


if __name__ == "__main__":
    main()

"""Measure batches on a Dask cluster of this machine: speed, the scheduler, the requests.

    python benchmarks/cluster.py [--only TEXT] [--rounds 3] [--json benchmarks/cluster.json]

What `docs/scale.md` reckons with is the file that ``--json`` writes. Needs Linux (times of
processes come from /proc) and the extras cluster and test.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import pickle
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed  # noqa: F401 - its version is in the results
import numpy as np
from moto.server import ThreadedMotoServer
from PIL import Image
from scipy.optimize import nnls

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))

from machine import machine
from reckoning import heartbeats

from batch import _folder, _in_turn, _photos, _ratio, _row, _run, show
from convcli.batch.job import BatchJob, FileJob, Outcome, Status
from convcli.kernels.spec import kernel_from
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report
from convcli.scale import cluster as cluster_module
from convcli.scale.cluster import DaskExecutor
from support.dask_cluster import dask_cluster
from support.s3_server import Bucket

_GROUPS = (1, 10, 100)
_WORKERS = (2, 4, 8)
_RATES = (15, 60, 0)
"""Tasks a second; 0 for as many as there can be."""

_RATE_SECONDS = 20
_POINT = r"the scheduler, (\d+) workers, ([\d.]+) tasks a second"
_MODEL = "the scheduler's model"
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the cases that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=200, help="JPEGs of 2 megapixels")
    parser.add_argument("--tasks", type=int, default=2000, help="tasks for the scheduler")
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for case in (local, scheduler, rates, requests):
            if chosen.only in case.__name__:
                rows += case(_folder(Path(name, case.__name__)), chosen)
    if chosen.only and chosen.json and chosen.json.exists():
        now = {row["what"] for row in rows}
        before = json.loads(chosen.json.read_text("utf-8"))["rows"]
        rows = [*(row for row in before if row["what"] not in now), *rows]
    rows = [row for row in rows if not row["what"].startswith(_MODEL)]
    with contextlib.suppress(KeyError):  # Not all of it was measured.
        rows += model(rows)
    document = {"machine": machine("distributed", "numpy", "PIL"), "rows": rows}
    if chosen.json:
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    show(rows)


# ------------------------------------------------------------------ speed


def local(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare two workers of a cluster with two jobs, as whole processes."""
    photos, out = _photos(folder / "in", chosen.files), folder / "out"
    words = ["apply", "sobel-x", photos, "--out-dir", out, "--quiet"]
    times = _in_turn(
        {
            "--jobs 2": lambda: _run([*words, "--jobs", "2"], out),
            "--cluster local:2": lambda: _run([*words, "--cluster", "local:2"], out),
        },
        chosen.rounds,
    )
    rows = [
        _row(f"{chosen.files} JPEGs of 2 megapixels, {name}", statistics.median(found), "s")
        for name, found in times.items()
    ]
    ratio = _ratio(times["--cluster local:2"], times["--jobs 2"])
    sizes = [statistics.mean(p.stat().st_size for p in f.iterdir()) for f in (photos, out)]
    return [
        *rows,
        _row("the cluster takes", ratio, "× the time", most=1.3),
        _row("a worker's time for a file", 1e3 * _file_seconds(folder, chosen.files), "ms"),
        _row("bytes of an input", sizes[0], "B"),
        _row("bytes of an output", sizes[1], "B"),
    ]


def _file_seconds(folder: Path, files: int) -> float:
    """Return the processor time that a file takes one core, without the program's start."""
    few, many = _photos(folder / "few", files // 10), folder / "in"
    times = [_processor_time(photos, folder / "out") for photos in (few, many)]
    return (times[1] - times[0]) / (files - files // 10)


def _processor_time(photos: Path, out: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(["apply", "sobel-x", photos, "--out-dir", out, "--jobs", "1", "--quiet"], out)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


# ------------------------------------------------------------------ the scheduler


class Idle:
    """A batch job that takes the time of its pause alone, and returns the report of a real one.

    Workers cannot import this file: a plain class is sent to them whole.
    """

    def __init__(self, report: Report | None, pause: float = 0.0) -> None:
        self.report, self.pause = report, pause

    def with_limits(self, threads: int, memory: int | None) -> "Idle":  # noqa: ARG002 - it needs nothing
        """Return the same job."""
        return self

    def run(self, job: FileJob) -> Outcome:
        """Do nothing, after a pause."""
        time.sleep(self.pause)
        return Outcome(job=job, status=Status.DONE, megapixels=2.0, report=self.report)


class Fixed(cluster_module.Groups):
    """Groups of one size."""

    of = 1

    def size(self, threads: int) -> int:  # noqa: ARG002 - as in the class above
        """Return the size."""
        return self.of


def scheduler(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the processor time that a task takes the scheduler and the client."""
    idle, source, answer_bytes = _idle(folder)
    cluster_module.Groups = Fixed  # type: ignore[misc]
    rows = [_row("bytes of an answer for a file", answer_bytes, "B")]
    with dask_cluster(_folder(folder / "cluster"), 2) as cluster:
        pid = cluster.processes[0].pid
        for size in _GROUPS:
            Fixed.of = size
            jobs = [FileJob(source, str(folder / "out" / f"{n}.png")) for n in range(size)]
            many = (job for _ in range(chosen.tasks) for job in jobs)
            before = (_processor_seconds(pid), time.process_time(), time.perf_counter())
            for _ in DaskExecutor(cluster.address).run(idle, many):
                pass
            after = (_processor_seconds(pid), time.process_time(), time.perf_counter())
            took = [(b - a) / chosen.tasks for a, b in zip(before, after, strict=True)]
            print(f"{size} files a task: {took}", file=sys.stderr)
            rows += [
                _row(f"the scheduler's time for a task of {size}", 1e3 * took[0], "ms"),
                _row(f"the client's time for a task of {size}", 1e3 * took[1], "ms"),
                _row(f"tasks of {size}, two workers", 1 / took[2], "a second"),
            ]
    return rows


def rates(folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure what part of a core the scheduler takes, by workers and by tasks a second."""
    idle, source, _ = _idle(folder)
    cluster_module.Groups = Fixed  # type: ignore[misc]
    Fixed.of = 1
    rows = []
    for workers in _WORKERS:
        with dask_cluster(_folder(folder / str(workers)), workers) as cluster:
            for aim in _RATES:
                job: Any = Idle(idle.report, workers / aim if aim else 0.0)
                count = min(chosen.tasks, aim * _RATE_SECONDS) if aim else chosen.tasks
                target = FileJob(source, str(folder / "out.png"))
                outcomes = DaskExecutor(cluster.address).run(job, [target] * count)
                next(outcomes)  # Now the workers are admitted.
                pid, start = cluster.processes[0].pid, time.perf_counter()
                before = _processor_seconds(pid)
                done = sum(1 for _ in outcomes)
                seconds = time.perf_counter() - start
                share = (_processor_seconds(pid) - before) / seconds
                print(workers, done / seconds, share, file=sys.stderr)
                what = f"the scheduler, {workers} workers, {done / seconds:.1f} tasks a second"
                rows.append(_row(what, 100 * share, "% of a core"))
    return rows


def model(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fit one model to all that was measured of the scheduler: see `reckoning.Scheduler`.

    It is the best of non-negative least squares over the rate at which tasks come together.
    """
    values = {row["what"]: row["value"] for row in rows}
    found = [re.fullmatch(_POINT, what) for what in values]
    points = [
        (int(match[1]), float(match[2]), values[match[0]] / 100) for match in found if match
    ]
    rate = values["tasks of 1, two workers"]
    points.append((2, rate, rate * values["the scheduler's time for a task of 1"] / 1e3))
    shares = np.array([share for _, _, share in points])

    def fit(together: float) -> tuple[float, Any]:
        table = [
            (1.0, heartbeats(workers), rate, rate / (1 + rate / together))
            for workers, rate, _ in points
        ]
        # Small parts count as much as large ones.
        parts, misfit = nnls(np.array(table) / shares[:, None], np.ones(len(points)))
        return float(misfit), parts

    together = min(range(1, 500), key=lambda each: fit(each)[0])
    misfit, parts = fit(together)
    names = ("at rest", "a heartbeat", "a task", "more for a task that comes alone")
    return [
        *(
            _row(f"{_MODEL}: {name}", 1e3 * value, "ms")
            for name, value in zip(names, parts, strict=True)
        ),
        _row(f"{_MODEL}: half come together at", together, "a second"),
        _row(f"{_MODEL}: misfit", 100 * misfit / len(points) ** 0.5, "%"),
    ]


def _idle(folder: Path) -> tuple[Any, str, int]:
    """Return the idle job, an input file, and the bytes of an outcome."""
    source, target = str(folder / "in.png"), str(folder / "out.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(source)
    outcome = BatchJob(kernels=(kernel_from("sobel-x"),), options=Options()).run(
        FileJob(source, target)
    )
    return Idle(outcome.report), source, len(pickle.dumps(outcome))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


# ------------------------------------------------------------------ the store


class _Counting(logging.Handler):
    """Counts the requests that a server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.methods: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of the method."""
        # All but the commonest status are printed in colour: other text may come before.
        self.methods += re.findall(r"(HEAD|GET|PUT|POST) /", record.getMessage())


def requests(folder: Path, _: argparse.Namespace) -> list[dict[str, Any]]:
    """Count the requests of a file to an object store: the difference of two batches."""
    few, many = 5, 25
    counts = {}
    for skip in (False, True):
        found = [_requests(folder, count, skip=skip) for count in (few, many)]
        for method in ("HEAD", "GET", "PUT"):
            difference = found[1].count(method) - found[0].count(method)
            counts[skip, method] = difference / (many - few)
    return [
        _row(f"{method} requests for a file{' with skip' * skip}", value, "")
        for (skip, method), value in counts.items()
    ]


@contextlib.contextmanager
def _server() -> Iterator[tuple[str, _Counting]]:
    counting, logger = _Counting(), logging.getLogger("werkzeug")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(counting)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port()), counting
    finally:
        server.stop()
        logger.removeHandler(counting)


def _requests(folder: Path, count: int, *, skip: bool) -> list[str]:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "PNG")
    with _server() as (address, counting):
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
        }
        bucket = Bucket(f"bucket-{count}-{skip}".lower(), address).make()
        listed = folder / "list"
        names = [bucket.put(f"in/{n}.png", buffer.getvalue()) for n in range(count)]
        listed.write_text("\n".join(names), "utf-8")
        counting.methods.clear()
        words = ["apply", "box", "--files-from", str(listed), "--out-dir", bucket.url("out")]
        subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "convcli", *words, "-q", *["--on-exists", "skip"] * skip],
            check=True,
            env=environment,
        )
        return list(counting.methods)


if __name__ == "__main__":
    main()

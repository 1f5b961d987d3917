"""A batch among workers that are killed, stopped, and come late with another disk.

    python tests/support/chaos.py --pictures 10000 --minutes 10

Workers are processes of a Dask scheduler on this machine. One fault follows another, at random,
until the batch ends. Then each output must be there, equal to that of a run without a cluster;
the summary and the manifest must say the same; and nothing may be left over.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.commands import command, environment, process
from support.dask_cluster import Cluster, dask_cluster
from support.held import contents

_LEAST_WORKERS = 3

_PATIENCE = 300
"""Seconds in which the batch must end when no more faults come."""


def chaos(
    folder: Path, pictures: int, minutes: float, pause: float, seed: int
) -> dict[str, int]:
    """Run it; return how often each fault came. Whatever is not as it must be is raised."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    source, out, wanted = folder / "in", folder / "out", folder / "wanted"
    source.mkdir()
    out.mkdir()
    noise = np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8)
    for number in range(pictures):
        Image.fromarray(np.roll(noise, number, axis=1)).save(source / f"{number:05}.png")
    ended = process("apply", "gaussian:2", source, "--out-dir", wanted, "-q")
    assert ended.returncode == 0, ended.stderr
    (folder / "cluster").mkdir()
    with dask_cluster(folder / "cluster", _LEAST_WORKERS) as cluster:
        words: list[str | Path] = [
            "apply",
            "gaussian:2",
            source,
            "--out-dir",
            out,
            "--retries",
            "10",
            "--json",
        ]
        words += ["--cluster", cluster.address, "--timeout", "2"]
        words += ["--manifest", folder / "run.jsonl"]
        with subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as running:
            assert running.stdout is not None
            try:
                first = running.stdout.readline()  # It has begun.
                faults = _trouble(cluster, running, out, minutes=minutes, pause=pause, rng=rng)
                rest, errors = running.communicate(timeout=60 * minutes + _PATIENCE)
            finally:
                running.kill()
                # A stopped process does not end when the cluster does.
                _release(cluster)
        assert running.returncode == 0, errors
    _check(first + rest, folder, wanted)
    return faults


def _trouble(
    cluster: Cluster,
    running: "subprocess.Popen[bytes]",
    out: Path,
    *,
    minutes: float,
    pause: float,
    rng: random.Random,
) -> dict[str, int]:
    """Make one fault after another, and replace the workers that are lost."""
    faults = {"killed": 0, "stopped": 0, "slowed": 0, "another disk": 0}
    end = time.monotonic() + 60 * minutes
    hidden: set[int] = set()
    while running.poll() is None and time.monotonic() < end:
        fault = rng.choice(list(faults))
        fit = [
            worker
            for worker in cluster.processes[1:]
            if worker.poll() is None and worker.pid not in hidden
        ]
        faults[fault] += 1
        if fault == "another disk":
            hidden.add(cluster.start_worker(hidden=out))
        elif fault == "killed":
            rng.choice(fit).kill()
        else:
            victim = rng.choice(fit).pid
            os.kill(victim, signal.SIGSTOP)
            if fault == "slowed":
                time.sleep(pause / 2)
                os.kill(victim, signal.SIGCONT)
            else:
                hidden.add(victim)  # It is left aside; a new one comes.
        while len([w for w in fit if w.poll() is None and w.pid not in hidden]) < (
            _LEAST_WORKERS
        ):
            cluster.start_worker()
            fit.append(cluster.processes[-1])
        time.sleep(rng.uniform(0, pause))
    return faults


def _release(cluster: Cluster) -> None:
    """Let stopped workers go on, as a machine does that was cut off: they find no work."""
    for worker in cluster.processes[1:]:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGCONT)


def _check(output: bytes, folder: Path, wanted: Path) -> None:
    expected, made = contents(wanted), contents(folder / "out")
    left = [name for name in made if name.startswith(".convcli-")]
    # What a killed process was in the middle of is removed by the next run.
    again: list[str | Path] = [
        "apply",
        "gaussian:2",
        folder / "in",
        "--out-dir",
        folder / "out",
        "-q",
    ]
    assert process(*again, "--on-exists", "skip").returncode == 0
    made = contents(folder / "out")
    assert made == expected, f"{len(made)} outputs of {len(expected)}; left: {left}"
    summary = json.loads(output.splitlines()[-1])["summary"]
    assert (summary["done"], summary["failed"]) == (len(expected), 0), summary
    with (folder / "run.jsonl").open() as lines:
        next(lines)
        said = {Path(line["output"]).name: line for line in map(json.loads, lines)}
    assert {name: line["checksum"] for name, line in said.items()} == {
        name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in expected.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", type=float, default=5, help="most seconds between faults")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        faults = chaos(Path(folder), chosen.pictures, chosen.minutes, chosen.pause, chosen.seed)
        seconds = time.monotonic() - start
        print(f"{chosen.pictures} pictures, {seconds:.0f} s:", faults, "all as it must be")  # noqa: T201


if __name__ == "__main__":
    main()

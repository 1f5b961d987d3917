"""A batch among workers that fail in every way, a scheduler that dies, and a busy store.

    python tests/support/chaos.py --pictures 10000 --minutes 10

Workers are processes of a Dask scheduler on this machine. One fault follows another, at random,
until the batch ends; in the middle of it the scheduler is killed, which the batch must say, and
another begins, with which the same command goes on. A twentieth of the pictures is then put
into a store that answers a fifth of all requests with 503. In the end each output must be
there, equal to that of a run without a cluster; the summaries and manifests must say the same;
and nothing may be left over.
"""

import argparse
import fcntl
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.commands import Running, begun, environment, process
from support.dask_cluster import HASTY, Cluster, dask_cluster, hurry
from support.flaky import Trouble, flaky
from support.forks import end_server
from support.held import contents
from support.s3_server import Bucket, s3_server

_PATIENCE = 1200
"""Seconds in which a batch must end when no more faults come."""

_FAULTS = ("killed", "stopped", "slowed", "another disk", "another version", "no input")

Words = list[str | Path]


class Chaos:
    """The folders of a run, its chance, and how often each fault came."""

    def __init__(self, folder: Path, seed: int, workers: int, pause: float) -> None:
        self.source, self.out = folder / "in", folder / "out"
        self.folder, self.workers, self.pause = folder, workers, pause
        self.rng = random.Random(seed)  # noqa: S311 - no secret
        self.faults: Counter[str] = Counter()
        self.manifest = folder / "run.jsonl"
        self._order: list[str] = []

    def prepare(self, pictures: int) -> dict[str, bytes]:
        """Make the pictures; return what a run without a cluster makes of them."""
        for name in (self.source, self.out, self.folder / "other"):
            name.mkdir()
        noise = np.random.default_rng(0).integers(0, 256, (96, 128), np.uint8)
        for number in range(pictures):
            moved = np.roll(noise, (number // 128, number), (0, 1))
            Image.fromarray(moved).save(self.source / f"{number:05}.png")
        facts = self.folder / "other" / "numpy-9.dist-info" / "METADATA"
        facts.parent.mkdir()
        facts.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9\n")
        ended = process(
            "apply", "gaussian:2", self.source, "--out-dir", self.folder / "wanted", "-q"
        )
        assert ended.returncode == 0, ended.stderr
        return contents(self.folder / "wanted")

    def run(
        self, cluster: Cluster, words: Words, seconds: float, most: int, dies: float = 1e9
    ) -> tuple[int, list[str], str]:
        """Run a command among faults; return its status, its lines, and what it said.

        It takes about so many `seconds`, for no more of its `most` lines are read a second.
        After `dies` seconds the scheduler is killed.
        """
        lines: list[str] = []
        hurry(cluster)
        with (
            (self.folder / "errors").open("w+b") as errors,
            begun(
                *("apply", "gaussian:2", *words, "--cluster", cluster.address, "--json"),
                code=HASTY,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(**cluster.settings),
            ) as running,
        ):
            assert running.stdout is not None
            # The client must not be far ahead of what is read.
            fcntl.fcntl(running.stdout, fcntl.F_SETPIPE_SZ, 4096)
            reader = threading.Thread(
                target=_read_slowly, args=(running.stdout, lines, seconds / most)
            )
            reader.start()
            killer = threading.Timer(0, lambda: None)
            try:
                while not lines and running.poll() is None:
                    time.sleep(0.01)
                start = time.monotonic()
                killer = threading.Timer(min(dies, 1e6), cluster.processes[0].kill)
                killer.start()
                while running.poll() is None and time.monotonic() - start < min(seconds, dies):
                    self._trouble(cluster, until=start + dies)
                    time.sleep(self.rng.uniform(0, self.pause))
                running.wait(_PATIENCE)
                reader.join()
            finally:
                killer.cancel()
                running.kill()
                for worker in cluster.processes[1:]:  # A stopped one cannot end.
                    with suppress(ProcessLookupError):
                        os.kill(worker.pid, signal.SIGCONT)
            errors.seek(0)
            return running.wait(), lines, errors.read().decode()

    def _trouble(self, cluster: Cluster, until: float) -> None:
        """Make one fault, and replace the workers that are lost; each fault has its turn."""
        if not self._order:
            self._order = self.rng.sample(_FAULTS, len(_FAULTS))
        fault = self._order.pop()
        self.faults[fault] += 1
        fit = cluster.fit
        if fault == "another disk":
            cluster.start_worker(hidden=self.out, is_fit=False)
        elif fault == "no input":
            cluster.start_worker(hidden=self.source, is_fit=False)
        elif fault == "another version":
            cluster.start_worker(before=self.folder / "other", is_fit=False)
        else:
            self._harm(cluster, self.rng.choice(fit), fault)
        while len(cluster.fit) < self.workers and time.monotonic() < until:
            cluster.start_worker()

    def _harm(self, cluster: Cluster, victim: Running, fault: str) -> None:
        if fault == "killed":
            victim.kill()
            victim.wait()
            return
        os.kill(victim.pid, signal.SIGSTOP)
        if fault == "slowed":
            time.sleep(self.pause / 2)
            os.kill(victim.pid, signal.SIGCONT)
        else:
            cluster.unfit.add(victim.pid)  # It is left aside; a new one comes.


def _read_slowly(stream: IO[bytes], lines: list[str], pause: float) -> None:
    start = time.monotonic()
    for line in stream:
        lines.append(line.decode())
        time.sleep(max(0.0, start + pause * len(lines) - time.monotonic()))


def chaos(
    folder: Path, pictures: int, minutes: float, *, workers: int, pause: float, seed: int
) -> dict[str, int]:
    """Run it; return how often each fault came. Whatever is not as it must be is raised."""
    all_of_it = Chaos(folder, seed, workers, pause)
    wanted = all_of_it.prepare(pictures)
    seconds = 60 * minutes
    words: Words = [all_of_it.source, "--out-dir", all_of_it.out, "--retries", "10"]
    words += ["--timeout", "2", "--manifest", all_of_it.manifest]
    dies = all_of_it.rng.uniform(0.1, 0.3) * seconds
    with dask_cluster(_made(folder / "one"), workers) as cluster:
        status, _, said = all_of_it.run(cluster, words, seconds, pictures, dies)
    assert (status, len(said.splitlines())) == (1, 1), said
    assert "the scheduler went away" in said
    all_of_it.faults["scheduler killed"] += 1
    before = len(_manifest(all_of_it.manifest))
    assert 0 < before < pictures
    with dask_cluster(_made(folder / "two"), workers) as cluster:
        status, lines, said = all_of_it.run(cluster, words, seconds - dies, pictures - before)
    assert status == 0, said
    _check(lines, contents(all_of_it.out), wanted, all_of_it.manifest)
    assert json.loads(lines[-1])["summary"]["skipped"] >= before
    _check_store(all_of_it, folder, wanted, seconds / 10)
    return dict(all_of_it.faults)


def _check_store(
    all_of_it: Chaos, folder: Path, wanted: dict[str, bytes], seconds: float
) -> None:
    """Put a part of the pictures into a store that is busy, and compare what is there."""
    names = sorted(wanted)[: max(10, len(wanted) // 20)]
    listed = folder / "list"
    listed.write_text("".join(f"{all_of_it.source / name}\n" for name in names))
    trouble = Trouble(refused=0.2)
    with s3_server() as address, flaky(address, trouble) as busy:
        bucket = Bucket("out", address).make()
        settings = {**bucket.settings, "AWS_ENDPOINT_URL": busy}
        with dask_cluster(_made(folder / "three"), all_of_it.workers, **settings) as cluster:
            words: Words = ["--files-from", listed, "--out-dir", bucket.url("out")]
            words += ["--retries", "10", "--timeout", "10"]
            words += ["--manifest", folder / "store.jsonl"]
            status, lines, said = all_of_it.run(cluster, words, seconds, len(names))
        assert status == 0, said
        made = {name: bucket.get(f"out/{name}") for name in names}
        assert sorted(bucket.keys()) == [f"out/{name}" for name in names]
    _check(lines, made, {name: wanted[name] for name in names}, folder / "store.jsonl")
    all_of_it.faults["requests"] = len(trouble.asked)
    all_of_it.faults["answered with 503"] = trouble.troubled["refused"]


def _check(
    lines: list[str], made: dict[str, bytes], wanted: dict[str, bytes], manifest: Path
) -> None:
    # What a killed process was in the middle of is removed by the next run.
    left = [name for name in made if name.startswith(".convcli-")]
    assert {name: made[name] for name in made if name not in left} == wanted
    summary = json.loads(lines[-1])["summary"]
    assert summary["done"] + summary["skipped"] == len(wanted), summary
    assert summary["failed"] == 0, summary
    assert {name: line["checksum"] for name, line in _manifest(manifest).items()} == {
        name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in wanted.items()
    }


def _manifest(path: Path) -> dict[str, dict[str, str]]:
    """Return the last line of each file that was done."""
    with path.open() as lines:
        next(lines)
        said = {Path(line["output"]).name: line for line in map(json.loads, lines)}
    return {name: line for name, line in said.items() if line["status"] == "done"}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=3, help="fit ones, at all times")
    parser.add_argument("--pause", type=float, default=5, help="most seconds between faults")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        faults = chaos(
            Path(folder),
            chosen.pictures,
            chosen.minutes,
            workers=chosen.workers,
            pause=chosen.pause,
            seed=chosen.seed,
        )
        end_server()
        seconds = time.monotonic() - start
        print(time.strftime("%Y-%m-%d"), end=": ")  # noqa: T201
        print(f"{chosen.pictures} pictures, {seconds:.0f} s:", faults, "all as it must be")  # noqa: T201


if __name__ == "__main__":
    main()

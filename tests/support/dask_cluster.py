"""A Dask scheduler and workers as processes on loopback, as `dask` on a shell starts them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.commands import environment
from support.held import wait_for

_DASK = [sys.executable, "-m", "dask"]
_QUIET = ["--no-dashboard", "--host", "127.0.0.1"]
_CALM = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
}
"""Nobody looks at profiles here; each idle process takes 0.3 % of a core instead of 3."""


@dataclass
class Cluster:
    """A scheduler, and the workers that were started for it."""

    address: str
    folder: Path
    settings: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    unfit: set[int] = field(default_factory=set)

    @property
    def fit(self) -> list[subprocess.Popen[bytes]]:
        """The workers that live, and were not started to be refused."""
        workers = self.processes[1:]
        return [one for one in workers if one.poll() is None and one.pid not in self.unfit]

    def start_worker(
        self,
        folder: Path | None = None,
        hidden: Path | None = None,
        before: Path | None = None,
        *,
        is_fit: bool = True,
    ) -> int:
        """Start a worker of one thread; return its process's number once it is ready.

        In place of the folder `hidden` the worker has an empty disk of its own. Packages in the
        folder `before` take the place of others.
        """
        name = f"worker-{len(self.processes)}"
        words = ["worker", self.address, "--nthreads", "1", "--no-nanny", "--name", name]
        spare = ["--local-directory", str(self.folder)]
        running = _started(
            [*words, *spare, *_QUIET],
            self.folder / name,
            folder,
            hidden,
            [] if before is None else [str(before)],
            **self.settings,
        )
        self.processes.append(running)
        if not is_fit:
            self.unfit.add(running.pid)
        gone = self.processes[0].poll
        wait_for(lambda: _says(self.folder / name, "Registered to") or gone() is not None)
        return running.pid


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int, **settings: str) -> Iterator[Cluster]:
    """Run a scheduler and workers; `settings` are added to their environment."""
    facts = folder / "scheduler.json"
    words = ["scheduler", "--port", "0", "--scheduler-file", str(facts), *_QUIET]
    scheduler = _started(words, folder / "scheduler")
    cluster = Cluster("", folder, settings, [scheduler])
    try:
        wait_for(lambda: _says(facts, '"address"'))
        cluster.address = json.loads(facts.read_text())["address"]
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        for running in reversed(cluster.processes):
            running.kill()
            running.wait()


def _started(
    words: list[str],
    log: Path,
    folder: Path | None = None,
    hidden: Path | None = None,
    packages: Sequence[str] = (),
    **more: str,
) -> subprocess.Popen[bytes]:
    before = []
    if hidden is not None:
        before = [
            "unshare",
            "-m",
            "sh",
            "-c",
            'mount -t tmpfs none "$0" && exec "$@"',
            str(hidden),
        ]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*before, *_DASK, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(
                **_CALM,
                **{"PYTHONPATH": os.pathsep.join([*packages, *filter(None, sys.path)]), **more},
            ),
            cwd=folder,
        )


def _says(file: Path, text: str) -> bool:
    return file.exists() and text in file.read_text()

"""A Dask scheduler and workers as processes on loopback, as `dask` on a shell starts them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.commands import CLUSTER_MODULES, Running, environment, program_modules
from support.forks import Forked, can_fork
from support.held import wait_for

_LOADED = [*CLUSTER_MODULES, "distributed.cli.dask_scheduler", "distributed.cli.dask_worker"]
_QUIET = ["--no-dashboard", "--host", "127.0.0.1"]
_CALM = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
}
"""Nobody looks at profiles here; each idle process takes 0.3 % of a core instead of 3."""

HASTY = """\
import sys
from convcli.scale import cluster
from convcli.cli.app import main
assert cluster._PATIENCE > 2
cluster._PATIENCE = 2.0
main(sys.argv[1:])
"""
"""Runs the program, which waits for a scheduler for two seconds, not for ten."""


@dataclass
class Cluster:
    """A scheduler, and the workers that were started for it."""

    address: str
    folder: Path
    settings: dict[str, str]
    processes: list[Running] = field(default_factory=list)
    unfit: set[int] = field(default_factory=set)

    @property
    def fit(self) -> list[Running]:
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
def kept_environment() -> Iterator[None]:
    """Undo what Dask sets in the environment of a process that starts workers itself.

    The process that forks is started first: in Dask's environment it would serve nobody later.
    """
    can_fork(environment(), environment())
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def hurry(cluster: Cluster) -> None:
    """Let the scheduler wait for two seconds, not five, for a worker that does not answer."""
    import distributed

    from convcli.scale import admission

    assert admission._SECONDS > 2  # noqa: SLF001 - as HASTY does
    with distributed.Client(cluster.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.run_on_scheduler(lambda: setattr(admission, "_SECONDS", 2.0))


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
) -> Running:
    """Start Dask's program: as a fork, unless it has a disk or packages of its own."""
    path = [*packages, *filter(None, sys.path)]
    env = environment(**_CALM, **{"PYTHONPATH": os.pathsep.join(path), **more})
    with log.open("wb") as output:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output}
        settings = {**streams, "stderr": output, "env": env, "cwd": folder}
        if can_fork(env, environment()) and hidden is None and not packages:
            loaded = [*program_modules(), *_LOADED]
            return Forked(words, module="dask", loaded=loaded, path=path, **settings)
        line = [sys.executable, "-m", "dask", *words]
        return subprocess.Popen(line if hidden is None else _hiding(hidden, line), **settings)


def _hiding(folder: Path, line: list[str]) -> list[str]:
    """Return a command line that runs another where a folder is an empty disk."""
    mount = 'mount -t tmpfs none "$0" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", mount, str(folder), *line]


def _says(file: Path, text: str) -> bool:
    return file.exists() and text in file.read_text()

"""What a worker must show before it gets work: it is asked whenever one joins a cluster."""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

from distributed import WorkerPlugin
from distributed.protocol.pickle import dumps

from convcli.errors import ConvcliError
from convcli.storage.urls import is_there, is_url

_PACKAGES = (
    "convcli",
    "numpy",
    "pillow",
    "imagecodecs",
    "pillow-heif",
    "pillow-jxl-plugin",
    "numba",
)
"""The packages on which the bytes of a result depend."""

_SECONDS = 5
"""How long a worker may take to answer when a plugin comes or goes."""

Versions = Mapping[str, str | None]

Place = tuple[str, str]
"""A path or URL that a worker must see, and what it stands for in messages."""


def result_versions() -> dict[str, str | None]:
    """Return the versions of all packages that results depend on; None for a missing one."""
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def version_fault(ours: Versions, theirs: Versions) -> str | None:
    """Say which package differs, and what to do; None where all are the same.

    >>> version_fault({"numpy": "2.4"}, {"numpy": "2.3"})
    'has numpy 2.3, here is 2.4: pip install numpy==2.4 there, and start it again'
    """
    for package, version in ours.items():
        if theirs.get(package) != version:
            has = (
                f"has {package} {theirs[package]}"
                if theirs.get(package)
                else f"has no {package}"
            )
            remedy = f"install {package}=={version}" if version else f"uninstall {package}"
            return f"{has}, here is {version or 'none'}: pip {remedy} there, and start it again"
    return None


class AdmissionPlugin(WorkerPlugin):
    """Runs on each worker of a cluster when it joins, early or late, and admits it or not.

    An admitted worker declares a resource of the run's `name`, and Dask gives tasks that ask
    for it to no other worker. What is wrong with one that is not admitted becomes an event of
    that name. Other users of the same cluster notice nothing.
    """

    def __init__(self, name: str, versions: Versions, places: Sequence[Place]) -> None:
        self.name, self._versions, self._places = name, versions, places

    def pickled(self) -> bytes:
        """Return this plugin as Dask sends it."""
        return bytes(dumps(self))

    async def setup(self, worker: Any) -> None:
        """Look at the worker that this runs on."""
        fault = await asyncio.to_thread(self._fault)
        if fault is not None:
            worker.log_event(self.name, f"the worker {worker.address} {fault}")
            return
        await worker.set_resources(**{self.name: 1.0})
        # Dask looks only at the resources that a worker has when it joins.
        await worker.scheduler.run_function(
            function=dumps(_wake), args=dumps((self.name,)), kwargs=dumps({}), wait=True
        )

    def _fault(self) -> str | None:
        for path, shown in self._places:
            try:
                is_seen, why = is_there(path), ""
            except ConvcliError as error:
                is_seen, why = False, f" ({error})"
            if not is_seen:
                remedy = "give it the same access to the store"
                if not is_url(path):
                    remedy = "share the folder with all workers, or use URLs (s3://…)"
                return f"does not see {shown}, this machine does{why}: {remedy}"
        return version_fault(self._versions, result_versions())


def _wake(name: str, dask_scheduler: Any) -> None:
    """Let tasks that wait for an admitted worker look for one again."""
    waiting = {
        task.key: "waiting"
        for task in dask_scheduler.unrunnable
        if name in (task.resource_restrictions or ())
    }
    dask_scheduler.transitions(waiting, stimulus_id=name)


def events_of(name: str, dask_scheduler: Any) -> list[str]:
    """Return what was wrong with workers of a run: the events of its name."""
    return [str(fault) for _, fault in dask_scheduler.get_events(name)]


def look_at_workers(name: str, dask_scheduler: Any) -> dict[str, tuple[int, list[Any]]]:
    """Return the threads of each admitted worker, and the keys of its tasks in their order."""
    return {
        worker.address: (
            worker.nthreads,
            [task.key for task in sorted(worker.processing, key=lambda task: task.priority)],
        )
        for worker in dask_scheduler.workers.values()
        if name in worker.resources
    }


async def ask_workers(plugin: bytes, name: str, dask_scheduler: Any) -> bool:
    """Send a pickled plugin to all workers, now and later; tell whether all could load it.

    A stopped worker never answers: nobody waits for it, and it gets no work.
    """
    try:
        asked = dask_scheduler.register_worker_plugin(None, plugin, name, idempotent=False)
        answers = await asyncio.wait_for(asked, _SECONDS)
    except (OSError, TimeoutError):
        return True
    return all(answer["status"] != "error" for answer in answers.values())


async def withdraw(name: str, dask_scheduler: Any) -> None:
    """Remove the plugin of a run; nobody waits for a stopped worker."""
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        await asyncio.wait_for(dask_scheduler.unregister_worker_plugin(None, name), _SECONDS)


async def leave_aside(address: str, dask_scheduler: Any) -> None:
    """Give a worker no more tasks, and those that it has to others: none of them is blamed."""
    await dask_scheduler.remove_worker(address, stimulus_id="convcli-hung", expected=True)

"""Admit the workers of a cluster to some work: each is looked at whenever it joins."""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin
from distributed.protocol.pickle import dumps, loads

from convcli.batch import places
from convcli.batch.job import FileJob
from convcli.errors import (
    ClusterError,
    ConvcliError,
    ImageError,
    fail,
    installed_version,
    own_version,
)
from convcli.storage.atomic import TEMPORARY, is_abandoned, temporary_name
from convcli.storage.urls import files_in, is_there, is_url, put, remove

_PACKAGES = ("numpy", "pillow", "imagecodecs", "pillow-heif", "pillow-jxl-plugin", "numba")
"""The packages on which the bytes of a result depend, beside convcli."""

_SECONDS = 5  # how long a worker may take to answer when a plugin comes or goes
_PATIENCE = 10.0  # seconds to wait for the first worker that is admitted

Place = tuple[str, str]  # a place that a worker must see, and what it stands for in messages


@contextlib.contextmanager
def shown_places(job: FileJob) -> Iterator[tuple[list[Place], bool]]:
    """Yield what workers must see of a file of a run, and whether this machine may write there.

    That is the input, if this machine sees it, and a file that is made beside the output until
    the block ends, for on another machine a folder of the same name may be another folder.
    """
    source, target = job.source, job.target
    folder = target.rpartition("/")[0] if is_url(target) else str(Path(target).parent)
    token, shown = places.place_below(folder, temporary_name()), list[Place]()
    with contextlib.suppress(ImageError):
        if is_there(source):
            shown.append((source, source))
    # Workers may be able to write there, though this machine is not.
    with contextlib.suppress(OSError, ImageError):
        places.make_folder(folder)
        put(token, b"")
        shown.append((token, folder))
        for name in files_in(folder, prefix=TEMPORARY) if is_url(folder) else ():
            if is_abandoned(name):  # by a killed run; those of a disk go when a run begins
                remove(f"{folder}/{name}")
    try:
        yield shown, (token, folder) in shown
    finally:
        with contextlib.suppress(OSError, ImageError):
            remove(token)


@contextlib.contextmanager
def admitted(client: Any, shown: Sequence[Place], work: Any) -> Iterator[str]:
    """Admit the workers of a cluster to some work, now and whenever one joins; yield its name.

    A worker is admitted if it has the same versions of all that results depend on, and sees
    the places. It keeps the `work` until the block ends. A `ClusterError` is raised if no
    worker is admitted, or the scheduler has another version.
    """
    _check_scheduler(client)
    name = temporary_name().strip(".")
    plugin = AdmissionPlugin(name, shown, work)
    try:
        if not on_scheduler(client, ask_workers, dumps(plugin), name):
            fault = "a worker has no convcli, or another version"
            fail("", fault, "install it there, and start it again", ClusterError)
        end = time.monotonic() + _PATIENCE
        while not on_scheduler(client, look_at_workers, name) and time.monotonic() < end:
            if refusals := on_scheduler(client, events_of, name):
                raise ClusterError(refusals[0])
            time.sleep(0.01)
        yield name
    finally:
        # A scheduler that is gone has no plugin any more.
        with contextlib.suppress(OSError, RuntimeError):
            on_scheduler(client, withdraw, name)


def _check_scheduler(client: Any) -> None:
    try:
        theirs = on_scheduler(client, own_version)
    except (ImportError, AttributeError):
        theirs = None
    if theirs != (ours := own_version()):
        fault = f"the scheduler has convcli {theirs or 'not installed'}, here is {ours}"
        fail("", fault, f"pip install convcli=={ours} there, and start it again", ClusterError)


def on_scheduler(client: Any, function: Any, *args: Any) -> Any:
    """Run a function on the scheduler; raise OSError where that has gone away."""
    try:
        return client.run_on_scheduler(function, *args)
    except (AttributeError, RuntimeError):
        if client.scheduler is not None and client.status == "running":
            raise
        raise ConnectionError from None


# ------------------------------------------------------------------ what runs on the workers


class AdmissionPlugin(WorkerPlugin):
    """Runs on each worker of a cluster when it joins, early or late, and admits it or not.

    An admitted worker has the `work`, and declares a resource of its `name`: Dask gives tasks
    that ask for it to no other worker. What is wrong with others are events of that name.
    """

    work: Any

    def __init__(self, name: str, shown: Sequence[Place], work: Any) -> None:
        self.name, self._shown, self._versions = name, shown, _result_versions()
        # A worker of another version may not be able to load it: it is asked first.
        self._pickled = dumps(work)

    async def setup(self, worker: Any) -> None:
        """Look at the worker that this runs on."""
        if (fault := await asyncio.to_thread(self._fault)) is not None:
            worker.log_event(self.name, f"the worker {worker.address} {fault}")
            return
        self.work = loads(self._pickled)
        await worker.set_resources(**{self.name: 1.0})
        # Dask looks only at the resources that a worker has when it joins.
        await worker.scheduler.run_function(
            function=dumps(_wake), args=dumps((self.name,)), kwargs=dumps({}), wait=True
        )

    def _fault(self) -> str | None:
        """Say which place is not seen, or which package differs, and what to do."""
        for path, shown in self._shown:
            try:
                is_seen, why = is_there(path), ""
            except ConvcliError as error:
                is_seen, why = False, f" ({error})"
            if not is_seen:
                remedy = "give it the same access to the store"
                if not is_url(path):
                    remedy = "share the folder with all workers, or use URLs (s3://…)"
                return f"does not see {shown}, this machine does{why}: {remedy}"
        theirs = _result_versions()
        for package, version in self._versions.items():
            if (other := theirs.get(package)) != version:
                has = f"has {package} {other}" if other else f"has no {package}"
                remedy = f"install {package}=={version}" if version else f"uninstall {package}"
                here = f"here is {version or 'none'}"
                return f"{has}, {here}: pip {remedy} there, and start it again"
        return None


def _result_versions() -> dict[str, str | None]:
    return {"convcli": own_version(), **{name: installed_version(name) for name in _PACKAGES}}


# ------------------------------------------------------------------ what runs on the scheduler


def _wake(name: str, dask_scheduler: Any) -> None:
    """Let tasks that wait for an admitted worker look for one again."""
    waiting = {
        task.key: "waiting"
        for task in dask_scheduler.unrunnable
        if name in (task.resource_restrictions or ())
    }
    dask_scheduler.transitions(waiting, stimulus_id=name)


def events_of(name: str, dask_scheduler: Any) -> list[str]:
    """Return what was wrong with workers that were not admitted: the events of its name."""
    return [str(fault) for _, fault in dask_scheduler.get_events(name)]


def look_at_workers(name: str, dask_scheduler: Any) -> dict[str, tuple[int, list[Any]]]:
    """Return the threads of each admitted worker, and the keys of its tasks in their order."""
    found = dict[str, tuple[int, list[Any]]]()
    for worker in dask_scheduler.workers.values():
        if name in worker.resources:
            tasks = sorted(worker.processing, key=lambda task: task.priority)
            found[worker.address] = worker.nthreads, [task.key for task in tasks]
    return found


async def ask_workers(plugin: bytes, name: str, dask_scheduler: Any) -> bool:
    """Send a pickled plugin to all workers, now and later; tell whether all could load it."""
    try:  # A stopped worker never answers: nobody waits for it, and it gets no work.
        asked = dask_scheduler.register_worker_plugin(None, plugin, name, idempotent=False)
        answers = await asyncio.wait_for(asked, _SECONDS)
    except (OSError, TimeoutError):
        return True
    return all(answer["status"] != "error" for answer in answers.values())


async def withdraw(name: str, dask_scheduler: Any) -> None:
    """Remove a plugin; nobody waits for a stopped worker."""
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        await asyncio.wait_for(dask_scheduler.unregister_worker_plugin(None, name), _SECONDS)


async def leave_aside(address: str, dask_scheduler: Any) -> None:
    """Give a worker no more tasks, and those that it has to others: none of them is blamed."""
    await dask_scheduler.remove_worker(address, stimulus_id="convcli-hung", expected=True)

"""Connect to a Dask cluster, or start one here, and check that its workers can be used."""

import contextlib
import importlib.metadata
import importlib.util
import logging
import multiprocessing
import re
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convcli.batch import places
from convcli.batch.job import FileJob
from convcli.batch.local import signals_blocked
from convcli.errors import BatchError, ClusterError, ImageError, install
from convcli.storage.atomic import temporary_name
from convcli.storage.urls import is_there, is_url, put, remove
from convcli.threads import available_cores

_LOCAL = re.compile(r"local(?::([1-9][0-9]{0,3}))?")
_REMOTE = re.compile(r"[a-z]+://.+:[0-9]+/?|wss?://.+")


def name_of(cluster: Any) -> str:
    """Return the address of a cluster, or of that of a ready client; refuse what is neither."""
    if not isinstance(cluster, str):
        return str(cluster.scheduler.address)
    local_workers(cluster)
    return cluster


def local_workers(address: str) -> int | None:
    """Return how many workers ``local:N`` starts on this machine; None for other addresses.

    Text that is no address is a `BatchError`.

    >>> local_workers("local:4"), local_workers("tcp://10.0.0.1:8786")
    (4, None)
    """
    match = _LOCAL.fullmatch(address)
    if match is not None:
        return int(match[1]) if match[1] else available_cores()
    if _REMOTE.fullmatch(address) is None:
        raise BatchError(
            f"expected tcp://HOST:PORT of a Dask scheduler, or local:N, got {address!r}"
        )
    return None


_PATIENCE = 10.0
"""Seconds to wait for the answer of a scheduler."""

_WORKERS_PATIENCE = 10.0
"""Seconds to wait for the first worker."""

_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado.application")
"""Dask gives each of its own a level; its other loggers inherit from the first."""


@contextlib.contextmanager
def connected(address: Any, retries: int) -> Iterator[Any]:
    """Connect to a cluster, or start one that ends with this context; yield its Dask client.

    The address is ``tcp://HOST:PORT`` of a scheduler, or ``local:N``; a client that is ready
    stays open. A cluster that is started here tries a task again `retries` times when its
    worker died. A `ClusterError` is raised if there is no such cluster, or its workers cannot
    be used.
    """
    if not isinstance(address, str):
        yield address
        return
    workers = local_workers(address)
    try:
        if workers is not None:
            _prepare_workers()
        import distributed
    except ImportError:
        remedy = install("cluster")
        raise ClusterError(f"--cluster needs the package distributed: {remedy}") from None
    # Dask's log would be printed into the middle of a table; what matters is raised.
    for logger in _LOGGERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        if workers is None:
            cluster = address
        else:
            cluster = stack.enter_context(_started(distributed, workers, retries))
        yield stack.enter_context(_client(distributed, cluster, address))


# ------------------------------------------------------------------ a cluster of this machine

_PRELOADED = ["distributed", "convcli.scale.cluster", "convcli.scale.gate"]


def start_forking() -> bool:
    """Start the process that workers are forked from: it imports what all of them need.

    Return False if workers cannot be forked here, or the extra is missing. It imports while
    this process goes on, which saves a second at the start of a cluster: call this early. A
    worker that died is replaced within a tenth of a second. A second call does nothing.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    if importlib.util.find_spec(_PRELOADED[0]) is None:
        return False
    from multiprocessing import forkserver, resource_tracker

    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    # This comes first: when it ends it unblocks signals.
    resource_tracker.ensure_running()
    # The process and its forks ignore Ctrl-C of a terminal: the client alone acts on it.
    with signals_blocked(signal.SIGINT):
        forkserver.ensure_running()
    return True


def _prepare_workers() -> None:
    can_fork = start_forking()
    import dask

    if can_fork:
        # `distributed` reads this once, when it is imported.
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})


@contextlib.contextmanager
def _started(distributed: Any, workers: int, retries: int) -> Iterator[Any]:
    """Start workers with one thread each: Pillow's settings hold for a whole process."""
    import dask

    settings = {
        "distributed.scheduler.allowed-failures": retries,
        # Nobody looks at the profile, and it costs workers 4 % of their time.
        "distributed.worker.profile.enabled": False,
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            memory_limit=0,
            preload=_PRELOADED[1:2],
        ) as cluster,
    ):
        yield cluster


# ------------------------------------------------------------------ any cluster


@contextlib.contextmanager
def _client(distributed: Any, cluster: Any, address: str) -> Iterator[Any]:
    import dask

    _check_encryption(distributed, address)
    try:
        with (
            dask.config.set({"distributed.comm.timeouts.connect": f"{_PATIENCE}s"}),
            warnings.catch_warnings(),
        ):
            # Workers of other versions get no work: each is named in one line.
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            client = distributed.Client(cluster, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClusterError(
            f"{address}: no scheduler answers: {reason}: check the address, and that "
            "`dask scheduler` runs there"
        ) from None
    with client:
        _check_workers(client, address)
        yield client


def _check_encryption(distributed: Any, address: str) -> None:
    settings = distributed.Security().get_connection_args("client")
    if address.startswith("tls:") and settings.get("ssl_context") is None:
        raise ClusterError(
            f"{address}: tls:// needs certificates: name them in Dask's configuration "
            "(distributed.comm.tls)"
        )


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_WORKERS_PATIENCE)
    except TimeoutError:
        raise ClusterError(
            f"{address}: the cluster has no workers: start some with `dask worker {address}`"
        ) from None


def on_scheduler(client: Any, function: Any, *args: Any) -> Any:
    """Run a function on the scheduler; raise OSError where that has gone away."""
    try:
        return client.run_on_scheduler(function, *args)
    except (AttributeError, RuntimeError):
        if client.scheduler is not None and client.status == "running":
            raise
        raise ConnectionError from None


class Admission:
    """The workers of a cluster that were found fit for one run, also those that come late.

    `resources` is what the run's tasks must ask for. `sees_outputs` says whether this machine
    has the folder of the outputs that the workers were shown.
    """

    def __init__(self, client: Any, name: str, *, sees_outputs: bool) -> None:
        self._client, self._name, self.sees_outputs = client, name, sees_outputs
        self.resources = {name: 1e-9}

    @property
    def refusals(self) -> list[str]:
        """What was wrong with workers that were not admitted, a line each."""
        from convcli.scale.gate import events_of

        faults: list[str] = on_scheduler(self._client, events_of, self._name)
        return faults

    def look(self) -> dict[str, tuple[int, list[Any]]]:
        """Return the threads of each admitted worker, and the keys of its tasks in order."""
        from convcli.scale.gate import look_at_workers

        workers: dict[str, tuple[int, list[Any]]]
        workers = on_scheduler(self._client, look_at_workers, self._name)
        return workers

    def leave_aside(self, address: str) -> None:
        """Give a worker's tasks to others, and no more to it."""
        from convcli.scale.gate import leave_aside

        on_scheduler(self._client, leave_aside, address)


@contextlib.contextmanager
def admission(client: Any, job: FileJob) -> Iterator[Admission]:
    """Admit the workers of a cluster to a run, now and whenever one joins.

    A worker is admitted if it has the same versions of all that results depend on, and sees
    the files that this machine sees: the input of `job`, and a file that is made beside its
    output until the run ends, for on another machine a folder of the same name may be another
    folder. `job` is one file of the run, with absolute paths.

    Raises
    ------
    ClusterError
        If no worker is admitted, or the scheduler has another version.
    """
    from convcli.scale.gate import AdmissionPlugin, ask_workers, result_versions, withdraw

    _check_scheduler(client)
    refuse_process_memory(job.source, job.target)
    name = temporary_name().strip(".")
    with _token(job.target) as token:
        shown = list(token)
        with contextlib.suppress(ImageError):
            if is_there(job.source):
                shown.insert(0, (job.source, job.source))
        plugin = AdmissionPlugin(name, result_versions(), shown)
        if not on_scheduler(client, ask_workers, plugin.pickled(), name):
            raise ClusterError(
                "a worker has no convcli, or another version: install it there, and start it "
                "again"
            )
        try:
            admitted = Admission(client, name, sees_outputs=bool(token))
            _check_admitted(admitted)
            yield admitted
        finally:
            # A scheduler that is gone has no plugin any more.
            with contextlib.suppress(OSError, RuntimeError):
                on_scheduler(client, withdraw, name)


def refuse_process_memory(*names: str) -> None:
    """Refuse places in the memory of this process: no worker sees them."""
    for place in names:
        if place.startswith("memory://"):
            raise ClusterError(
                f"{place}: memory:// is seen by one process only: workers need paths, or URLs "
                "of stores"
            )


def _check_admitted(admitted: Admission) -> None:
    """Refuse a cluster without a worker that was admitted; a refusal is told a little later."""
    end = time.monotonic() + _PATIENCE
    while not admitted.look() and time.monotonic() < end:
        refusals = admitted.refusals
        if refusals:
            raise ClusterError(refusals[0])
        time.sleep(0.01)


def _check_scheduler(client: Any) -> None:
    ours = importlib.metadata.version("convcli")
    try:
        theirs = on_scheduler(client, importlib.metadata.version, "convcli")
    except importlib.metadata.PackageNotFoundError:
        theirs = None
    if theirs != ours:
        raise ClusterError(
            f"the scheduler has convcli {theirs or 'not installed'}, here is {ours}: pip "
            f"install convcli=={ours} there, and start it again"
        )


@contextlib.contextmanager
def _token(target: str) -> Iterator[list[tuple[str, str]]]:
    """Make a file beside an output for a while; yield its place and its folder, if any."""
    folder = target.rpartition("/")[0] if is_url(target) else str(Path(target).parent)
    file = places.place_below(folder, temporary_name())
    try:
        places.make_folder(folder)
        put(file, b"")
        token = [(file, folder)]
    except (OSError, ImageError):
        token = []  # Workers may be able to write there, though this machine is not.
    try:
        yield token
    finally:
        with contextlib.suppress(OSError, ImageError):
            remove(file)

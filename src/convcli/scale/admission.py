"""Which cluster to connect to, and whether its workers can be used."""

import contextlib
import importlib.metadata
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from convcli.batch import places
from convcli.batch.job import Job
from convcli.batch.local import start_forking
from convcli.errors import BatchError, ClusterError
from convcli.storage.atomic import temporary_name
from convcli.threads import available_cores

_LOCAL = re.compile(r"local(?::([1-9][0-9]{0,3}))?")
_REMOTE = re.compile(r"[a-z]+://.+:[0-9]+/?|wss?://.+")


def local_workers(address: str) -> int | None:
    """Return how many workers ``local:N`` starts on this machine; None for other addresses.

    Raises
    ------
    BatchError
        If it is no address.

    Examples
    --------
    >>> local_workers("local:4"), local_workers("tcp://10.0.0.1:8786")
    (4, None)
    """
    found = _LOCAL.fullmatch(address)
    if found is not None:
        return int(found[1]) if found[1] else available_cores()
    if _REMOTE.fullmatch(address) is None:
        raise BatchError(
            f"expected tcp://HOST:PORT of a Dask scheduler, or local:N, got {address!r}"
        )
    return None


_PATIENCE = 10.0
"""Seconds for a scheduler to answer."""

_WORKERS_PATIENCE = 10.0
"""Seconds for a first worker to be there."""

_TALKERS = ("distributed", "distributed.client", "distributed.gc")
"""Loggers that Dask gives a level of their own: the others take that of the first."""

_INSTALL = "pip install 'convcli[cluster]'"


@contextlib.contextmanager
def connected(address: str, retries: int) -> Iterator[Any]:
    """Connect to a cluster, or start one, for as long as it is used.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` of a scheduler, or ``local:N``.
    retries : int
        How often a cluster that is started tries what its workers died of.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ClusterError
        If there is no such cluster, or its workers are not fit.
    """
    workers = local_workers(address)
    try:
        if workers is not None:
            _prepare_workers()
        import distributed
    except ImportError:
        raise ClusterError(f"--cluster needs the package distributed: {_INSTALL}") from None
    # What it logs would stand in the middle of a report; what matters is raised.
    for logger in _TALKERS:
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        if workers is None:
            cluster = address
        else:
            cluster = stack.enter_context(_started(distributed, workers, retries))
        yield stack.enter_context(_client(distributed, cluster, address))


def _prepare_workers() -> None:
    forked = start_forking()
    import dask

    if forked:
        # Dask looks at it once, when it is imported.
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})


@contextlib.contextmanager
def _started(distributed: Any, workers: int, retries: int) -> Iterator[Any]:
    """Start workers of one thread each: Pillow's switches hold for a whole process."""
    import dask

    settings = {
        "distributed.scheduler.allowed-failures": retries,
        # Nobody looks at it, and taking samples costs workers 4 % of their time.
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
            preload=["convcli.scale.worker"],
        ) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def _client(distributed: Any, cluster: Any, address: str) -> Iterator[Any]:
    import dask

    _check_encryption(distributed, address)
    try:
        with dask.config.set({"distributed.comm.timeouts.connect": f"{_PATIENCE}s"}):
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
    """Refuse a cluster without workers, or that has another convcli somewhere, or none."""
    try:
        client.wait_for_workers(1, timeout=_WORKERS_PATIENCE)
    except TimeoutError:
        raise ClusterError(
            f"{address}: the cluster has no workers: start some with `dask worker {address}`"
        ) from None
    ours = importlib.metadata.version("convcli")
    for where, theirs in _versions(client).items():
        if theirs != ours:
            has = f"has convcli {theirs}" if isinstance(theirs, str) else "has no convcli"
            raise ClusterError(
                f"{where} {has}, here is {ours}: pip install convcli=={ours} there, and start "
                "it again"
            )


def _versions(client: Any) -> dict[str, Any]:
    """Return what convcli the scheduler and the workers have: no text where they have none.

    They are asked by a function of the standard library, for one of ours may not be there.
    """
    asked = (importlib.metadata.version, "convcli")
    found = {f"the worker {where}": it for where, it in _answers(client, *asked).items()}
    try:
        found["the scheduler"] = client.run_on_scheduler(*asked)
    except importlib.metadata.PackageNotFoundError:
        found["the scheduler"] = None
    return found


def _answers(client: Any, function: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """Ask all workers; those that leave meanwhile have nothing to say, and no work to do."""
    found = client.run(function, *given, on_error="return")
    return {worker: it for worker, it in found.items() if not isinstance(it, OSError)}


def check_sight(client: Any, job: Job) -> None:
    """Check that all workers see the files that this machine does.

    A file is made beside the outputs, for a moment: a folder of the same name on another
    disk is another folder.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    job : Job
        One of the batch, with absolute paths.

    Raises
    ------
    ClusterError
        If one does not.
    """
    for place in (job.source, job.target):
        if places.is_private(place):
            raise ClusterError(
                f"{place}: memory:// is seen by one process only: workers need paths, or "
                "URLs of stores"
            )
    if not places.is_url(job.source) and places.is_there(job.source):
        _check_seen(client, job.source, job.source)
    if not places.is_url(job.target):
        with _token_beside(job.target) as token:
            if token is not None:
                _check_seen(client, str(token), str(token.parent))


def _check_seen(client: Any, path: str, shown: str) -> None:
    for worker, sees in _answers(client, places.is_there, path).items():
        if not sees:
            raise ClusterError(
                f"the worker {worker} does not see {shown}, this machine does: share the "
                "folder with all workers, or use URLs (s3://…)"
            )


@contextlib.contextmanager
def _token_beside(target: str) -> Iterator[Path | None]:
    """Make a file in an output's folder; None where only workers may see that."""
    token = Path(target).parent / temporary_name()
    try:
        token.parent.mkdir(parents=True, exist_ok=True)
        token.touch()
    except OSError:
        yield None
        return
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)

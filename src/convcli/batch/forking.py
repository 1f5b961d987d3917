"""The process that workers of this machine are forked from. Imports no arrays."""

import contextlib
import importlib.util
import multiprocessing
import signal
from collections.abc import Iterator

_PRELOADED = ["distributed", "convcli.batch.remote"]


def start_forking() -> bool:
    """Let one process import what all workers need, while this one goes on.

    That takes a second off the start of a cluster, the more the earlier it is called, and
    lets a worker that died be back in a tenth. A second call does nothing.

    Returns
    -------
    bool
        Whether workers can be forked: nothing is started where they cannot, nor without
        the extra.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return False
    if importlib.util.find_spec(_PRELOADED[0]) is None:
        return False
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415 - where they are

    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    # First, for it lets signals through at its end.
    resource_tracker.ensure_running()
    # What is begun here is deaf for good: a terminal's Ctrl-C is for the client alone.
    with deaf_to(signal.SIGINT):
        forkserver.ensure_running()
    return True


@contextlib.contextmanager
def deaf_to(*signals: signal.Signals) -> Iterator[None]:
    """Hold signals back while a process starts, so that it never acts on its parent's."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows has none of these signals.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

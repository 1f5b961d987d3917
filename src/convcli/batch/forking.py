"""The process that workers of this machine are forked from. Imports no arrays."""

import importlib.util
import multiprocessing

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
    from multiprocessing import forkserver  # noqa: PLC0415 - only where it is

    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()
    return True

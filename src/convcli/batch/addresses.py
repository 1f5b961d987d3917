"""What an address of a cluster looks like. Imports no arrays."""

import re

from convcli.errors import BatchError
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

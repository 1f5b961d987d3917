"""What pictures larger than memory need beside NumPy: imported when one comes."""

import contextlib
import importlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from convcli.errors import ImageError


def needed(module: str, label: str) -> Any:
    """Import a module of the extra.

    Parameters
    ----------
    module : str
        Its name.
    label : str
        What messages call the file that needs it.

    Raises
    ------
    ImageError
        If it is not installed; the message says how to.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImageError(
            f"{label}: pictures in tiles need the package {module.partition('.')[0]}: "
            "pip install 'convcli[cluster]'"
        ) from None


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait until something short is done.

    A thread that is being started when one comes is waited for by nobody; Zarr, whose
    event loop stops in the middle, says so at the exit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])

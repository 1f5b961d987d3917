"""Wait for other processes: long enough for a busy machine, but not for ever."""

import time
from collections.abc import Callable

PATIENCE = 600
"""Seconds. Only a program that hangs takes longer, however busy the machine is."""


def wait_for(condition: Callable[[], object]) -> None:
    """Return as soon as a condition holds; fail when it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

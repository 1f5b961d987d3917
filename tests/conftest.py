"""What all tests share: interrupts, Hypothesis, marks, a server of objects."""

import functools
import gc
import os
import signal
from collections.abc import Generator, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from convcli.threads import available_cores
from support.forks import end_server
from support.s3_server import Bucket, s3_server
from support.schemas import check_all_outputs

if TYPE_CHECKING:
    from support.browser import Browser

# The oracle is made of plain loops: a slow example says nothing about the code under test,
# and to explain a failure takes longer than to find it.
settings.register_profile(
    "convcli",
    deadline=None,
    max_examples=60,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("convcli"), derandomize=False, max_examples=2000
)
settings.load_profile("convcli")

# Where tests run in the background of a script, interrupts are ignored, by what they start
# as well: a program that is told to stop would go on for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes: without this each compiles every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# To compile takes seconds: the tests of compiled strategies ask for them.
os.environ.setdefault("CONVCLI_FAST", "never")


check_all_outputs()

collect_ignore = ["golden/make.py"] + [
    f"golden/make_{name}.py" for name in ("digits", "networks", "ngff", "step", "transposed")
]
"""Scripts that need what the tests do not: torch, ome-zarr, a second of SciPy's."""

SERVERS = {"s3_address", "cluster", "lonely"}
"""Fixtures that start a server: a test that has one is marked."""


def pytest_xdist_auto_num_workers() -> int:
    """Start one process more than there are cores: tests of servers often wait."""
    return available_cores() + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector never look at what is collected: it lives to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if SERVERS.intersection(fixtures):
            item.add_marker("servers")
        if "browser" in fixtures:
            item.add_marker("slow")


@functools.cache
def _generators(module: ModuleType) -> list[tuple[np.random.Generator, Any]]:
    """Return the random numbers of a module, and where they are before its first test."""
    found = [value for value in vars(module).values() if isinstance(value, np.random.Generator)]
    return [(generator, generator.bit_generator.state) for generator in found]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the random numbers of a module begin anew: the tests before change no picture."""
    if isinstance(item, pytest.Function):
        for generator, state in _generators(item.module):
            generator.bit_generator.state = state


def pytest_sessionfinish() -> None:
    end_server()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    for name in ("fsspec", "s3fs", "moto"):
        pytest.importorskip(name, reason="s3:// needs the extras cluster and test")
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Make an empty bucket, and let clients in this process speak to its server only.

    fsspec keeps the clients of a process, and returns one again for the same arguments. An
    address in the environment is no argument, so a client of another server would be returned.
    """
    from fsspec.config import conf

    monkeypatch.setitem(conf, "s3", {"endpoint_url": s3_address})
    return Bucket(f"bucket-{uuid4().hex}", s3_address).make()


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Start Chromium, which takes a second; a test that asks for it is marked as slow."""
    pytest.importorskip("selenium", reason="Chromium is driven by the package selenium")
    from support.browser import MISSING, Browser

    if MISSING:
        pytest.skip(f"{' and '.join(MISSING)} not installed: apt install chromium-driver")
    started = Browser()
    yield started
    started.driver.quit()

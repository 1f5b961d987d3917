"""Threads: how many there may be, how they are started, and those of BLAS."""

import contextlib
import functools
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def available_cores() -> int:
    """Return how many cores this process may use; the machine may have more."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM until the block ends: for something short.

    An exception of a handler that leaves `Thread.start` early makes a thread that nobody ends.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Only the main thread may change handlers; one that is None belongs to another library.
    if threading.current_thread() is not threading.main_thread() or None in handlers.values():
        yield
        return
    arrived: list[int] = []
    try:
        for number in handlers:
            signal.signal(number, lambda number, _: arrived.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])


def thread_pool(threads: int) -> "ThreadPoolExecutor":
    """Return a pool of `threads` threads: the same one each time, for starts take time."""
    return _pool(os.getpid(), threads)


@functools.cache
def _pool(process: int, threads: int) -> "ThreadPoolExecutor":  # noqa: ARG001 - see below
    """Make the threads: a process that was forked has none of its parent's."""
    return new_thread_pool(threads)


def new_thread_pool(threads: int) -> "ThreadPoolExecutor":
    """Return a pool whose threads start uninterrupted; with none, `submit` does the work."""
    return _pool_class()(threads)


@functools.cache
def _pool_class() -> type["ThreadPoolExecutor"]:
    """Define the class of the pools: to import its base takes 5 ms, so it is done late."""
    from concurrent.futures import Future, ThreadPoolExecutor

    class ThreadPool(ThreadPoolExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
            future = super().submit(fn, *args, **kwargs)
            if not self._threads:
                self._work_queue.get().run()
            return future

        def _adjust_thread_count(self) -> None:
            """Start a thread if one is needed; the base calls this for each function."""
            with uninterrupted():
                try:
                    super()._adjust_thread_count()
                except RuntimeError:  # the system gives no more threads
                    self._max_workers = len(self._threads)

    return ThreadPool


BlasFunctions: TypeAlias = tuple[Callable[[int], None], Callable[[], int]]
"""OpenBLAS's functions that set and get the number of threads."""


@functools.cache
def thread_functions() -> BlasFunctions | None:
    """Return OpenBLAS's setter and getter, or None where NumPy's wheels carry another BLAS."""
    import ctypes
    import importlib

    try:
        module = importlib.import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(module.__file__)
    except (ImportError, OSError, AttributeError):
        return None
    for prefix, suffix in itertools.product(("scipy_openblas_", "openblas_"), ("64_", "")):
        names = (f"{prefix}{verb}_num_threads{suffix}" for verb in ("set", "get"))
        setter, getter = (getattr(library, name, None) for name in names)
        if setter is not None and getter is not None:
            setter.argtypes, setter.restype = [ctypes.c_int], None
            getter.argtypes, getter.restype = [], ctypes.c_int
            return setter, getter
    return None


_lock = threading.Lock()
_open: list[int] = []  # the threads that each open block asks for
_before = 1


def _change(functions: BlasFunctions, change: Callable[[int], None], threads: int) -> None:
    """Begin or end a block, and set the fewest threads that an open one asks for."""
    global _before  # noqa: PLW0603 - as long as a block is open
    set_threads, get_threads = functions
    with _lock:
        _before = _before if _open else get_threads()
        change(threads)
        set_threads(min(_open, default=_before))


@contextlib.contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Give OpenBLAS other threads for a block; other libraries (Accelerate) keep theirs.

    Of blocks that are open together the fewest threads count; the last that ends undoes it.
    """
    functions = thread_functions()
    if functions is None:
        yield
        return
    _change(functions, _open.append, threads)
    try:
        yield
    finally:
        _change(functions, _open.remove, threads)

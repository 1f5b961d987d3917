"""How many threads NumPy's BLAS has: one where strips have a thread each, else all."""

import ctypes
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from convcli.threads import available_cores

_Functions: TypeAlias = tuple[Callable[[int], None], Callable[[], int]]
"""What sets and what tells the number of threads."""

_NAMES = [
    (f"{prefix}set_num_threads{suffix}", f"{prefix}get_num_threads{suffix}")
    for prefix in ("scipy_openblas_", "openblas_")
    for suffix in ("64_", "")
]


class _Wishes:
    """Who wants how many threads at the moment, and how many there were before them all."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.single = self.many = 0
        self.before = 1

    def change(self, functions: _Functions, single: int, many: int) -> None:
        """Count blocks that begin (1) or end (-1), and set what those left want."""
        set_threads, get_threads = functions
        with self.lock:
            if not self.single and not self.many:
                self.before = get_threads()
            self.single += single
            self.many += many
            set_threads(1 if self.single else available_cores() if self.many else self.before)


_WISHES = _Wishes()


@contextmanager
def _wished(*, single: int = 0, many: int = 0) -> Iterator[None]:
    """Wish for threads; only OpenBLAS, which NumPy's wheels carry, grants it.

    Other libraries (Accelerate, MKL) are left as they are, which costs speed and no digit.
    """
    functions = thread_functions()
    if functions is None:
        yield
        return
    _WISHES.change(functions, single, many)
    try:
        yield
    finally:
        _WISHES.change(functions, -single, -many)


single_threaded_blas = functools.partial(_wished, single=1)
"""Keep BLAS in the calling thread; the last block that ends restores the old number."""

many_threaded_blas = functools.partial(_wished, many=1)
"""Give BLAS all cores where little else is done than to multiply, unless others hold it to one
thread: the command line starts with one."""


@functools.cache
def thread_functions() -> _Functions | None:
    """Return OpenBLAS's setter and getter, or None where NumPy has another BLAS.

    A look-up in an extension module also searches the libraries that it depends on, so
    that no path of a shared library has to be guessed.
    """
    try:
        module = importlib.import_module("numpy._core._multiarray_umath")

        library = ctypes.CDLL(module.__file__)
    except (ImportError, OSError, AttributeError):
        return None
    for setter_name, getter_name in _NAMES:
        if hasattr(library, setter_name) and hasattr(library, getter_name):
            setter, getter = library[setter_name], library[getter_name]
            setter.argtypes, setter.restype = [ctypes.c_int], None
            getter.argtypes, getter.restype = [], ctypes.c_int
            return setter, getter
    return None

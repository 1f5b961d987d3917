"""How many threads NumPy's BLAS has: one where strips have a thread each, else all."""

import ctypes
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from convcli.threads import available_cores

_NAMES = [
    (f"{prefix}set_num_threads{suffix}", f"{prefix}get_num_threads{suffix}")
    for prefix in ("scipy_openblas_", "openblas_")
    for suffix in ("64_", "")
]


class _Hold:
    """How many blocks hold BLAS at the moment, and what it was before the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.before = 1


_HOLD = _Hold()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep BLAS in the calling thread; the last block that ends restores the old number.

    Only OpenBLAS, which NumPy's wheels carry, is held: other libraries (Accelerate, MKL)
    are left as they are, which costs speed and no digit.
    """
    found = thread_functions()
    if found is None:
        yield
        return
    set_threads, get_threads = found
    with _HOLD.lock:
        if _HOLD.users == 0:
            _HOLD.before = get_threads()
            set_threads(1)
        _HOLD.users += 1
    try:
        yield
    finally:
        with _HOLD.lock:
            _HOLD.users -= 1
            if _HOLD.users == 0:
                set_threads(_HOLD.before)


@contextmanager
def many_threaded_blas() -> Iterator[None]:
    """Give BLAS all cores for a while, where little else is done than to multiply.

    The command line starts with one thread for it.
    """
    found = thread_functions()
    if found is None:
        yield
        return
    set_threads, get_threads = found
    before = get_threads()
    set_threads(available_cores())
    try:
        yield
    finally:
        set_threads(before)


@functools.cache
def thread_functions() -> tuple[Callable[[int], None], Callable[[], int]] | None:
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

"""Functions that numba compiles: whether they may be used, and where they are kept.

Numba comes with the extra ``fast``. The variable ``CONVCLI_FAST`` is ``auto`` (where numba is
loaded already, or saves more time than its start takes; the default), ``always`` or ``never``.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import math
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

from convcli.errors import OptionError, install

START = 1.5e9
"""Nanoseconds to import numba and to read compiled functions: 0.35 s and 0.6 to 0.85 s."""

_LEAST = (0, 61)
_MODES = ("auto", "always", "never")

_PREFERRED: list[bool] = []
_RUNS = [1]  # how often this process is expected to compute its plans


def prefer_compiled() -> bool:
    """Use compiled strategies from now on, as a server or a notebook would.

    Returns
    -------
    bool
        Whether numba is there. Without it nothing changes.

    Raises
    ------
    OptionError
        If ``CONVCLI_FAST`` has another value than ``auto``, ``always`` or ``never``.

    Examples
    --------
    >>> prefer_compiled() in (True, False)
    True
    """
    _PREFERRED.append(True)
    return worth_compiling(0.0)


def expect_runs(count: int) -> None:
    """Say how many pictures this process is to filter: together they pay for the start."""
    _RUNS[0] = count


def least_saving() -> float:
    """Return the nanoseconds that a run must save to be worth the start of numba.

    It changes when numba is loaded: plans that were made for another value are stale.
    """
    mode = _mode()
    if mode == "never":
        return math.inf
    is_ready = mode == "always" or bool(_PREFERRED) or "numba" in sys.modules
    return 0.0 if is_ready else START / _RUNS[0]


def worth_compiling(saved: float) -> bool:
    """Tell whether compiled functions serve where they save `saved` nanoseconds a run."""
    return saved >= least_saving() and _numba() is not None


def may_compile() -> bool:
    """Tell whether numba is there and not forbidden; it is not imported."""
    return _mode() != "never" and importlib.util.find_spec("numba") is not None


def _mode() -> str:
    mode = os.environ.get("CONVCLI_FAST") or "auto"
    if mode not in _MODES:
        raise OptionError(f"CONVCLI_FAST: expected one of {', '.join(_MODES)}; got {mode!r}")
    return mode


@functools.cache
def _numba() -> Any:
    """Return numba, or None where it is missing, broken or too old; the last two are told."""
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        numba = importlib.import_module("numba")
        version = tuple(int(part) for part in numba.__version__.split(".")[:2])
    except Exception as error:  # noqa: BLE001 - a broken package may raise anything
        return _unused(f"numba cannot be imported ({error})")
    if version < _LEAST:
        return _unused(f"numba {numba.__version__} is too old, expected 0.61 or later")
    return numba


def _unused(reason: str) -> None:
    warnings.warn(
        f"{reason}: computing with NumPy alone; {install('fast')} brings a newer one",
        RuntimeWarning,
        stacklevel=2,
    )


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that numba compiles when it is first called, and keeps on disk."""
    numba = _numba()
    assert numba is not None  # noqa: S101 - see worth_compiling
    compile_function: Callable[..., Any] = numba.njit(
        nogil=True,
        _nrt=False,
        no_cfunc_wrapper=True,
        error_model="numpy",
        fastmath={"contract", "nsz", "nnan"},
        cache=_has_cache(),
        pipeline_class=_compiler(),
    )(function)
    if _has_cache():
        cache: Any = vars(compile_function)["_cache"]
        made: Any = vars(cache)["_impl"]
        place = cache.cache_path, made.filename_base, made.locator.get_source_stamp()
        vars(cache)["_cache_file"] = _files()(*place)
    return compile_function


@functools.cache
def _files() -> type[Any]:
    """Return a cache that names the file of each compiled form by its types.

    Numba numbers the files. Of two processes that compile at once, one overwrites the other's,
    and a third loads code for wrong types: see https://github.com/numba/numba/issues/10128.
    """
    base: Any = importlib.import_module("numba.core.caching").IndexDataCacheFile

    class Files(base):  # type: ignore[misc] # numba has no types
        def save(self, key: Any, data: Any) -> None:
            self._save_data(self._name(key), (self._source_stamp, data))

        def load(self, key: Any) -> Any:
            try:
                stamp, data = self._load_data(self._name(key))
            except (OSError, EOFError, pickle.UnpicklingError):
                return None
            return data if stamp == self._source_stamp else None

        def _name(self, key: Any) -> str:
            text = repr((self._version, key))
            return f"{self._index_name}.{hashlib.sha256(text.encode()).hexdigest()[:32]}"

    return Files


@functools.cache
def _compiler() -> type[Any]:
    """Return a compiler that assumes that no arrays share memory: LLVM compares only some."""
    base: Any = importlib.import_module("numba.core.compiler").Compiler

    class Compiler(base):  # type: ignore[misc] # numba has no types
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.state.flags.noalias = True

    return Compiler


@functools.cache
def _has_cache() -> bool:
    """Make the folder of compiled functions; without one they are compiled in each process."""
    config = importlib.import_module("numba").config
    if config.CACHE_DIR:
        return True
    with contextlib.suppress(OSError, RuntimeError):
        from pathlib import Path

        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = home / "convcli" / "numba"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            config.CACHE_DIR = str(folder)
            return True
    warnings.warn(
        "no folder for compiled functions can be written: they are compiled in each process; "
        "set XDG_CACHE_HOME to a folder that can",
        RuntimeWarning,
        stacklevel=2,
    )
    return False

"""Where, when and under which load something was measured."""

import ctypes
import datetime as dt
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

_MOST_LOAD = 0.1
"""Share of all cores that other programs may take: above it nothing is measured."""


def machine(*packages: str) -> dict[str, Any]:
    """Say where and when this was measured, and with which versions of packages."""
    versions = {name: sys.modules[name].__version__ for name in packages}
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        **versions,
    }


def details() -> dict[str, Any]:
    """Return what decides the speed of a processor: its caches, its SIMD, the BLAS kernel."""
    facts = _facts()
    numbers = f"family {facts.get('cpu family')}, model {facts.get('model')}"
    named = {"model": numbers} if "cpu family" in facts else {}
    return {**named, "caches": _caches(), "simd": _simd(), "blas": _blas()}


def model() -> str:
    """Return a name for files that another model of processor does not have.

    Virtual machines say "AMD EPYC" of several generations: family and model tell them apart.
    """
    facts = _facts()
    words = [facts.get(key, "") for key in ("model name", "cpu family", "model")]
    name = re.sub(r"\((R|TM)\)|processor|cpu", "", " ".join(words), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or platform.machine()


def other_load(seconds: float = 1.0) -> float:
    """Return the share of all cores that other programs take; 0 where the system hides it."""
    start, own = seconds_busy(), time.process_time()
    time.sleep(seconds)
    return load_since(start, own, seconds)


def load_since(busy: float, own: float, seconds: float) -> float:
    """Return the share that others took since `busy` seconds of all, `own` of this process."""
    others = seconds_busy() - busy - (time.process_time() - own)
    return max(others / seconds / (os.cpu_count() or 1), 0.0)


def refuse_load(*, forced: bool) -> float:
    """Return the load of other programs; end the program if it is high and not forced."""
    load = other_load()
    if load > _MOST_LOAD and not forced:
        raise SystemExit(
            f"load: expected other programs below {_MOST_LOAD:.0%} of the cores, got "
            f"{load:.0%}: end them, or give --force"
        )
    return round(load, 3)


def seconds_busy() -> float:
    """Return the seconds that all cores have worked since the system started."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, irq, soft, steal, *_ = map(int, stat.read_text().split()[1:11])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _facts() -> dict[str, str]:
    source = Path("/proc/cpuinfo")
    if not source.exists():
        return {"model name": platform.processor()}
    first = source.read_text("utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _processor() -> str:
    facts = _facts()
    suffix = ", AVX-512" if "avx512f" in facts.get("flags", "") else ""
    return f"{facts.get('model name', '')}{suffix}"


def _caches() -> list[str]:
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    texts = [
        [(folder / name).read_text().strip() for name in ("level", "type", "size")]
        for folder in folders
    ]
    return [f"L{level} {size}" for level, kind, size in texts if kind != "Instruction"]


def _simd() -> str:
    """Return the widest instructions that NumPy uses."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    features = _multiarray_umath.__cpu_features__
    names = ("AVX512_ICL", "AVX512_SKX", "X86_V4", "X86_V3", "AVX2", "ASIMD")
    return next((name for name in names if features.get(name)), "baseline")


def _blas() -> str:
    """Return the name of the kernels that OpenBLAS chose."""
    for library in Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*"):
        corename = getattr(ctypes.CDLL(str(library)), "scipy_openblas_get_corename64_", None)
        if corename is not None:
            corename.restype = ctypes.c_char_p
            return str(corename().decode())
    return "unknown"

"""Where and when something was measured."""

import datetime as dt
import os
import platform
import sys
from pathlib import Path
from typing import Any


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


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor()
    lines = facts.read_text("utf-8").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    name = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), ""
    )
    return f"{name}{', AVX-512' if 'avx512f' in flags else ''}"

"""Filter a picture of 20,000 × 20,000 pixels block by block: how long, how much memory.

    python benchmarks/large.py [--json benchmarks/large.json]

It writes a tiled TIFF, and filters it in a new process for each case. It needs the extra
cluster.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from machine import machine
from numpy.typing import NDArray

SIDE, TILE = 20_000, 512
LIMIT_MIB = 1024
CASES = (
    ("sobel-x", "out.tif"),
    ("gaussian:2", "out.tif"),
    ("gaussian:2", "out.zarr"),
)

_CHILD = """
import resource, sys
from convcli.__main__ import run
try:
    run()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak, file=sys.stderr)
"""


def tiles() -> Iterator[NDArray[np.uint8]]:
    """Yield tiles of slopes and a little noise; no two are equal."""
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(TILE), np.arange(TILE))
    noise = rng.integers(0, 16, (TILE, TILE))
    for number in range((-(-SIDE // TILE)) ** 2):
        yield ((slope + 7 * number + np.roll(noise, number, 1)) % 256).astype(np.uint8)


def make(path: Path) -> None:
    """Write the picture, a tile at a time."""
    tifffile.imwrite(
        path,
        tiles(),
        shape=(SIDE, SIDE),
        dtype=np.uint8,
        tile=(TILE, TILE),
        compression="deflate",
        predictor=True,
        photometric="minisblack",
    )


def measured(kernel: str, source: Path, target: Path) -> dict[str, Any]:
    """Filter in a process of its own; return its time and its peak memory."""
    words = ["apply", kernel, source, target, "--tiled", "--quiet"]
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - it starts the program that it measures
        [sys.executable, "-c", _CHILD, *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "kernel": kernel,
        "output": target.suffix,
        "seconds": round(seconds, 2),
        "megapixels_per_second": round(SIDE * SIDE / 1e6 / seconds, 1),
        "peak_mib": round(int(done.stderr.split()[-1]) * unit / 2**20, 1),
    }


def rows(one: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a measurement as rows, in the form of `batch.py`."""
    what = f"{SIDE:,} × {SIDE:,} px, {one['kernel']} to {one['output']}"
    return [
        {"what": what, "value": one["seconds"], "unit": "s"},
        {"what": f"{what}, peak", "value": one["peak_mib"], "unit": "MiB", "most": LIMIT_MIB},
    ]


def main() -> int:
    """Run all cases; the exit status is 1 if one took more memory than `LIMIT_MIB`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where the results go")
    target = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.tif"
        make(source)
        size = source.stat().st_size / 2**20
        print(f"{SIDE:,} × {SIDE:,} px, {size:,.0f} MiB, {SIDE**2 / 2**20:,.0f} MiB decoded")
        results = []
        for kernel, name in CASES:
            one = measured(kernel, source, Path(folder) / name)
            results.append(one)
            print(
                f"{kernel:12} {one['output']:6} {one['seconds']:7.1f} s "
                f"{one['megapixels_per_second']:7.1f} MP/s {one['peak_mib']:7.0f} MiB"
            )
    written = {
        "machine": machine("numpy", "tifffile"),
        "rows": [row for one in results for row in rows(one)],
    }
    if target is not None:
        target.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return int(max(one["peak_mib"] for one in results) > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())

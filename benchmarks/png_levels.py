"""Measure what zlib's levels and strategies cost and save in a PNG.

    python benchmarks/png_levels.py [--rounds 3] [--json benchmarks/png_levels.json]

On sobel-x of a photograph of 12 megapixels in colour: at each level, where none is asked
for, and by Pillow.
"""

import argparse
import functools
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from PIL import Image
from processes import photograph
from rich.console import Console
from rich.table import Table

from convcli.images.picture import Frame
from convcli.images.write import Saving, write_picture
from convcli.kernels.spec import kernel_from
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame

_LEVELS = (1, 2, 3, 4, 6, 9)
_PILLOW = (4, 6)
"""Its default is 6."""


def main() -> None:
    """Measure all levels, print them, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    source = Frame(np.asarray(photograph()))
    filtered = filter_frame(source, [kernel_from("sobel-x")], Options()).frame()
    image = Image.fromarray(filtered.pixels)
    ways = {f"level {level}": level for level in _LEVELS} | {"no level asked for": None}
    work = {
        f"{way}{thread}": functools.partial(_by_convcli, filtered, level, jobs)
        for way, level in ways.items()
        for jobs, thread in ((1, ""), (2, ", two threads"))
    }
    for level in _PILLOW:
        work[f"Pillow, level {level}"] = functools.partial(_by_pillow, image, level)
    rows = [_timed(case, one, chosen.rounds) for case, one in work.items()]
    if chosen.json:
        document = {"machine": machine("numpy", "PIL"), "rows": rows}
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    table = Table("compression", "seconds", "megabytes")
    for row in rows:
        table.add_row(row["case"], f"{row['seconds']:.2f}", f"{row['bytes'] / 1e6:.1f}")
    Console().print(table)


def _timed(case: str, work: Callable[[], int], rounds: int) -> dict[str, Any]:
    times, size = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        size = work()
        times.append(time.perf_counter() - start)
    return {"case": case, "seconds": statistics.median(times), "bytes": size}


def _by_pillow(image: Image.Image, level: int) -> int:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=level)
    return buffer.tell()


def _by_convcli(picture: Frame, level: int | None, jobs: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out.png")
        write_picture(picture, target, "PNG", Saving(compress_level=level, jobs=jobs))
        return target.stat().st_size


if __name__ == "__main__":
    main()

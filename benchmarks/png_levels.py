"""Measure what zlib's levels and strategies cost and save in a PNG.

    python benchmarks/png_levels.py [--rounds 3] [--json benchmarks/png_levels.json]

On sobel-x of a photograph of 12 megapixels in colour, through Pillow, and as convcli
writes it where no level is asked for.
"""

import argparse
import functools
import io
import json
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from PIL import Image
from processes import photograph
from rich.console import Console
from rich.table import Table

from convcli import kernel_from
from convcli.filtering import Options, filter_picture
from convcli.images import Picture, write_picture

_CASES = (
    *((level, "all repetitions", zlib.Z_DEFAULT_STRATEGY) for level in (1, 2, 3, 4, 6, 9)),
    (4, "runs only", zlib.Z_RLE),
)


def main() -> None:
    """Measure all levels, print them, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    source = Picture(np.asarray(photograph()))
    filtered = filter_picture(source, [kernel_from("sobel-x")], Options()).picture()
    image = Image.fromarray(filtered.pixels)
    rows = [
        _timed(
            f"level {level}, {name}",
            functools.partial(_by_pillow, image, level, strategy),
            chosen.rounds,
        )
        for level, name, strategy in _CASES
    ]
    ours = functools.partial(_by_convcli, filtered)
    rows.append(_timed("convcli's own choice", ours, chosen.rounds))
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


def _by_pillow(image: Image.Image, level: int, strategy: int) -> int:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=level, compress_type=strategy)
    return buffer.tell()


def _by_convcli(picture: Picture) -> int:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out.png")
        write_picture(picture, target, "PNG")
        return target.stat().st_size


if __name__ == "__main__":
    main()

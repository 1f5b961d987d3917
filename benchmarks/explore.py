"""Measure in Chromium how long the page of ``convcli explore`` takes for an output.

    PYTHONPATH=tests python benchmarks/explore.py [--rounds 15] [--json benchmarks/explore.json]

A round computes the whole output anew and draws it, as after each key in a field.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from rich.console import Console
from rich.table import Table

import convcli
from support.browser import Browser

_PICTURES = {
    "512 × 512, grey": (512, 512),
    "512 × 512, colours": (512, 512, 3),
    "2048 × 1024, grey": (1024, 2048),
    "2048 × 1024, colours": (1024, 2048, 3),
}
_NAMED = ("sobel-x", "box", "blur", "gaussian", "log", "sobel")
_OWN = {"15 × 15, rank 1": 1, "15 × 15, rank 3": 3, "15 × 15, any": 15}
"""Kernels of real weights that are sums of so many columns times rows."""

_CHOOSE = """
const named = data.catalogue.find((entry) => entry.name === arguments[0]);
if (arguments[1]) {
  const kernel = { ...data.kernel.kernels[0], rows: 15, columns: 15, weights: arguments[1] };
  choose({ ...data.kernel, kernels: [kernel], combine: null });
} else choose(named);
settle();
"""

_TIMED = """
const started = performance.now();
compute();
settle();
return performance.now() - started;
"""


def main() -> None:
    """Measure all pictures and kernels, print them, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--small", action="store_true", help="only 512 × 512")
    chosen = parser.parse_args()
    browser, rows = Browser(), list[dict[str, Any]]()
    for name, shape in _PICTURES.items():
        if chosen.small and max(shape) > 512:
            continue
        picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.html")
            convcli.explore("sobel-x", picture).save(page)
            browser.open(page)
        chance = np.random.default_rng(2)
        kernels = dict.fromkeys(_NAMED) | {
            text: (chance.random((15, rank)) @ chance.random((rank, 15))).ravel().tolist()
            for text, rank in _OWN.items()
        }
        for kernel, weights in kernels.items():
            browser.run(_CHOOSE, kernel, weights)
            times = [browser.run(_TIMED) for _ in range(chosen.rounds)]
            median, least = statistics.median(times), min(times)
            rows.append({"picture": name, "kernel": kernel, "ms": median, "least": least})
    browser.driver.quit()
    if chosen.json:
        document = {"machine": machine("numpy"), "rows": rows}
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    table = Table("picture", "kernel", "median ms", "least ms")
    for row in rows:
        table.add_row(row["picture"], row["kernel"], f"{row['ms']:.1f}", f"{row['least']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

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
_KERNELS = ("sobel-x", "box", "blur", "gaussian", "log", "sobel")

_CHOOSE = "choose(data.catalogue.find((entry) => entry.name === arguments[0])); settle();"

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
    chosen = parser.parse_args()
    browser, rows = Browser(), list[dict[str, Any]]()
    for name, shape in _PICTURES.items():
        picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.html")
            convcli.explore("sobel-x", picture).save(page)
            browser.open(page)
        for kernel in _KERNELS:
            browser.run(_CHOOSE, kernel)
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

"""Measure how long a batch needs until its first output, and its memory, for a list of names.

    python benchmarks/listing.py [--names 1000000 10000000] [--json benchmarks/listing.json]

The program itself is run on a list in three orders: sorted, as `find` gives names (in no
order), and with outputs that stand in the folder of the inputs. Needs Linux (/proc).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import machine
from PIL import Image

from batch import _row, show

_ORDERS = ("sorted", "in no order", "sorted, beside the inputs")
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the program on each list, and print what it took until the first output."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--json", type=Path, help="where the results go")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for names in chosen.names:
        for order in _ORDERS:
            with tempfile.TemporaryDirectory() as folder:
                rows += _measured(Path(folder), names, order)
    if chosen.json:
        document = {"machine": machine("numpy"), "rows": rows}
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    show(rows)


def _measured(folder: Path, names: int, order: str) -> list[dict[str, Any]]:
    listed = folder / "list"
    with listed.open("w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in _names(folder, names, order))
    out = str(folder) if order == _ORDERS[2] else str(folder / "out")
    words = ["apply", "box", "--files-from", str(listed), "--out-dir", out, "--json"]
    words += ["--jobs", "1", "--name", "{stem}-soft.png"]
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "convcli", *words], stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None  # noqa: S101 - a pipe
        json.loads(running.stdout.readline())
        seconds = time.monotonic() - started
        peak, used = _peak(running.pid), _processor_time(running.pid)
        running.send_signal(signal.SIGINT)
        running.communicate()
    what = f"{names:,} names, {order}"
    return [
        _row(f"{what}: the first output after", seconds, "s"),
        _row(f"{what}: of a core", used, "s"),
        _row(f"{what}: peak", peak, "MiB"),
    ]


def _names(folder: Path, count: int, order: str) -> Iterator[str]:
    """Yield names of which the first is a picture's, and the others mean nothing."""
    numbers = list(range(count)) if order == _ORDERS[1] else range(count)
    if isinstance(numbers, list):
        random.Random(1).shuffle(numbers)  # noqa: S311 - no secret
    for place, number in enumerate(numbers):
        path = f"{folder}/{number:08}.png"
        if not place:
            Image.new("L", (2, 2)).save(path)
        yield path


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()

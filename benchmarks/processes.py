"""Whole processes, from the shell's point of view: start, read, filter, write."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_SOBEL = "-1 0 1 -2 0 2 -1 0 1"
_PYTHON = [sys.executable]
_CONVCLI = [*_PYTHON, "-m", "convcli"]
_ALIKE = ["--range", "clip", "--border", "replicate", "-q"]
"""What the others do without being told, so that all write the same picture."""


def all_processes(rounds: int) -> list[dict[str, Any]]:
    """Time all whole-process cases, each in turn with its peers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = _pictures(folder)
        rows = [
            _compared(
                "convcli size",
                [*_CONVCLI, "size", "--w", "7", "--k", "3"],
                {"import click": [*_PYTHON, "-c", "import click"]},
                rounds,
            ),
            _compared(
                "apply sobel-x, 512² PNG",
                [*_CONVCLI, "apply", "sobel-x", pictures["small"], folder / "s.png", "-q"],
                {"bare imports": [*_PYTHON, "-c", "import numpy, PIL.Image, click"]},
                rounds,
            ),
        ]
        for suffix in ("jpg", "ppm", "png"):
            source = pictures[suffix]
            ours = [*_CONVCLI, "apply", "sobel-x", source, folder / f"o.{suffix}", *_ALIKE]
            ours += ["--quality", "75"] if suffix == "jpg" else []
            peers = _programs(source, folder, suffix)
            row = _compared(f"apply sobel-x, 12 megapixels {suffix}", ours, peers, rounds)
            row["bytes"] = {
                path.stem: path.stat().st_size for path in folder.glob(f"o*.{suffix}")
            }
            rows.append(row)
    return rows


def photograph() -> Image.Image:
    """Return a photograph of 12 megapixels, with the noise that enlarging takes away."""
    sample = Path(__file__).parent.parent / "sample_images" / "rocket.jpg"
    with Image.open(sample) as opened:
        large = opened.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, 3, (3000, 4000, 3))
    return Image.fromarray(np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8))


def _pictures(folder: Path) -> dict[str, Path]:
    """Write the photograph in three formats."""
    photo = photograph()
    made = {suffix: folder / f"in.{suffix}" for suffix in ("jpg", "ppm", "png")}
    photo.save(made["jpg"], quality=90)
    photo.save(made["ppm"])
    photo.save(made["png"], compress_level=4)
    made["small"] = folder / "small.png"
    photo.resize((512, 512)).save(made["small"])
    return made


def _programs(source: Path, folder: Path, suffix: str) -> dict[str, list[Any]]:
    """Return the same work by the programs that are installed."""
    matrix = folder / "sobel.mat"
    matrix.write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n", "utf-8")
    found: dict[str, list[Any]] = {}
    if shutil.which("vips"):
        out = folder / f"o-vips.{suffix}"
        found["vips"] = ["vips", "conv", source, out, matrix, "--precision", "integer"]
    for name, words in (("magick", ["magick"]), ("convert-im6.q16", ["convert-im6.q16"])):
        if shutil.which(name):
            out = folder / f"o-imagemagick.{suffix}"
            found["ImageMagick"] = [*words, source, "-convolve", _SOBEL.replace(" ", ","), out]
            break
    if shutil.which("gm"):
        out = folder / f"o-gm.{suffix}"
        kernel = _SOBEL.replace(" ", ",")
        found["GraphicsMagick"] = ["gm", "convert", source, "-convolve", kernel, out]
    return found


def _compared(
    case: str, ours: list[Any], peers: dict[str, list[Any]], rounds: int
) -> dict[str, Any]:
    commands = {"convcli": ours, **peers}
    # As after an installation: modules are compiled once, not at each start.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, words in commands.items():
            start = time.perf_counter()
            subprocess.run(  # noqa: S603
                [str(word) for word in words],
                check=True,
                capture_output=True,
                env=environment,
            )
            times[name].append(time.perf_counter() - start)
    return {
        "case": case,
        "ms": {name: 1e3 * statistics.median(values[1:]) for name, values in times.items()},
        "peak_mb": _peak(ours),
    }


def _peak(words: list[Any]) -> float:
    """Return the largest resident size of one run, in megabytes, measured in a child."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "capture_output=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(  # noqa: S603
        [*_PYTHON, "-c", code, *(str(word) for word in words)],
        check=True,
        capture_output=True,
        text=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e6

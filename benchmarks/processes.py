"""Whole processes, from the shell's point of view: start, read, filter, write.

    python benchmarks/processes.py [--rounds 9] [--force]

`benchmarks/run.py --processes` measures the same, and keeps it.
"""

import argparse
import importlib.util
import json
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
from machine import refuse_load
from PIL import Image

_SOBEL = "-1 0 1 -2 0 2 -1 0 1"
_PYTHON = [sys.executable]
_CONVCLI = [*_PYTHON, "-m", "convcli"]
_ALIKE = ["--range", "clip", "--border", "replicate", "-q"]
"""What the others do without being told, so that all write the same picture."""

_LIMITS = {"jpg": 1.9, "ppm": 1.9, "png": 1 / 3}
"""The most that our time may be of vips' time."""

_LEVELS = {"convcli": 4, "vips": 6, "vips, level 4": 4, "ImageMagick": 7, "GraphicsMagick": 7}
"""zlib's level in a PNG, where the program is not told another."""

_FEW, _LONG = 2, 2.0
"""Rounds of a command that takes more seconds than this."""

_LARGE, _SMALL = "12 megapixels", "512²"

_IN_PROCESS = """\
import io, json, sys, time
from pathlib import Path
from convcli.images.picture import Picture
from convcli.images.read import read_picture
from convcli.images.write import Saving, write_picture
from convcli.kernels.spec import kernel_from
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame
name, form = sys.argv[1:]
data, out = io.BytesIO(Path(name).read_bytes()), io.BytesIO()
kernels = [kernel_from("sobel-x")]
t = [time.perf_counter()]
document = read_picture(data, name)
t.append(time.perf_counter())
filtered = filter_frame(document.frames[0], kernels, Options(collect_stats=False))
t.append(time.perf_counter())
saving = Saving(quality=75) if form == "JPEG" else Saving()
write_picture(Picture((filtered.frame(),), document.metadata), out, form, saving)
t.append(time.perf_counter())
print(json.dumps([1e3 * (b - a) for a, b in zip(t, t[1:])]))
"""
"""Decodes, filters and encodes once, as a process does that has only just started."""


def main() -> None:
    """Measure all, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--force", action="store_true", help="measure a loaded machine too")
    given = parser.parse_args()
    refuse_load(forced=given.force)
    found = all_processes(given.rounds)
    for row in found["rows"]:
        times = ", ".join(f"{name} {ms:.0f}" for name, ms in row["ms"].items())
        reached = "reached" if row["ratio"] <= row["most"] else "missed"
        limit = f"{row['ratio']:.2f} of at most {row['most']:.2f}: {reached}"
        print(f"{row['case']:32} {times} ms; {limit} {row.get('bytes', '')}")
    for name, parts in found["parts"].items():
        listed = ", ".join(f"{part} {ms:.1f}" for part, ms in parts.items())
        print(f"{name}: {listed} ms")


def all_processes(rounds: int) -> dict[str, Any]:
    """Time all whole-process cases, each in turn with its peers, and their parts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = _pictures(folder)
        rows = [*_small(pictures, folder, max(rounds, 7)), *_large(pictures, folder, rounds)]
        parts = {
            f"apply sobel-x, {_SMALL} PNG": spent(pictures["small"], folder, "PNG"),
            f"apply sobel-x, {_LARGE} jpg": spent(pictures["jpg"], folder, "JPEG"),
            f"apply sobel-x, {_LARGE} png": spent(pictures["png"], folder, "PNG"),
        }
    return {"rows": rows, "parts": parts}


def _small(pictures: dict[str, Path], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Time commands that mostly start: ours, and the bare imports that they need."""
    size = [*_CONVCLI, "size", "--w", "7", "--k", "3"]
    png = [*_CONVCLI, "apply", "sobel-x", pictures["small"], folder / "s.png", "-q"]
    store = folder / "small.zarr"
    zarr = [*_CONVCLI, "apply", "sobel-x", store, folder / "s.zarr", "-q"]
    if importlib.util.find_spec("zarr"):
        _run([*_CONVCLI, "apply", "identity", pictures["tif"], store])
    cases: list[tuple[str, list[Any], str, float]] = [
        ("size -q", [*size, "-q"], "import click", 1.15),
        ("size, with its table", size, "import click, rich.table", 1.3),
        (
            f"apply sobel-x, {_SMALL} PNG",
            png,
            "import click, numpy, PIL.Image, PIL.PngImagePlugin",
            1.35,
        ),
    ]
    rows = [
        _compared(case, ours, {code: [*_PYTHON, "-c", code]}, rounds, most)
        for case, ours, code, most in cases
    ]
    if store.exists():
        rows.append(_compared(f"apply sobel-x, {_SMALL} zarr", zarr, {"PNG": png}, rounds, 2.0))
    return rows


def _large(pictures: dict[str, Path], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Time the photograph of 12 megapixels, in three formats, by all programs."""
    rows = []
    for suffix, most in _LIMITS.items():
        source = pictures[suffix]
        ours = [*_CONVCLI, "apply", "sobel-x", source, folder / f"o-convcli.{suffix}", *_ALIKE]
        ours += ["--quality", "75"] if suffix == "jpg" else []
        peers = _programs(source, folder, suffix)
        case = f"apply sobel-x, {_LARGE} {suffix}"
        row = _compared(case, ours, peers, rounds, most)
        sizes = {path.stem[2:]: path.stat().st_size for path in folder.glob(f"o-*.{suffix}")}
        row["bytes"] = {name: sizes[name] for name in row["ms"]}
        row["levels"] = _LEVELS if suffix == "png" else {}
        rows.append(row)
    return rows


def spent(source: Path, folder: Path, form: str) -> dict[str, float]:
    """Return the milliseconds of each part of a process: the median of five.

    Imports are those of the command, by package, as ``-X importtime`` counts them: a little
    more than they take without it. Decoding, filtering and encoding are the first in a process.
    """
    bare = [*_PYTHON, "-I", "-c", "pass"]
    command = ["-m", "convcli", "apply", "sobel-x", source, folder / "t.png", *_ALIKE]
    found: dict[str, list[float]] = {}
    for _ in range(5):
        start = time.perf_counter()
        _run(bare)
        parts = {"Python": 1e3 * (time.perf_counter() - start)}
        parts |= _imports([*_PYTHON, "-X", "importtime", *command])
        steps = json.loads(_run([*_PYTHON, "-c", _IN_PROCESS, source, form]).stdout)
        parts |= dict(zip(("decode", "filter", "encode"), steps, strict=True))
        for name, ms in parts.items():
            found.setdefault(name, []).append(ms)
    return {name: statistics.median(values) for name, values in found.items()}


def _imports(words: list[Any]) -> dict[str, float]:
    """Return the milliseconds that a command's imports take, by package."""
    lines = _run(words).stderr.splitlines()
    parts = dict.fromkeys(("NumPy", "Pillow", "click", "convcli", "other imports"), 0.0)
    names = {"numpy": "NumPy", "PIL": "Pillow", "click": "click", "convcli": "convcli"}
    for line in lines:
        if line.startswith("import time:") and not line.endswith("imported package"):
            own, _, module = line.removeprefix("import time:").split("|")
            package = module.strip().partition(".")[0]
            parts[names.get(package, "other imports")] += int(own) / 1e3
    return parts


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
    made["tif"] = folder / "small.tif"
    for name in ("small", "tif"):
        photo.resize((512, 512)).save(made[name])
    return made


def _programs(source: Path, folder: Path, suffix: str) -> dict[str, list[Any]]:
    """Return the same work by the programs that are installed."""
    matrix = folder / "sobel.mat"
    matrix.write_text("3 3 1 0\n-1 0 1\n-2 0 2\n-1 0 1\n", "utf-8")
    found: dict[str, list[Any]] = {}
    if shutil.which("vips"):
        out = folder / f"o-vips.{suffix}"
        integer = [matrix, "--precision", "integer"]
        found["vips"] = ["vips", "conv", source, out, *integer]
        if suffix == "png":
            level = folder / "o-vips, level 4.png"
            found["vips, level 4"] = [
                "vips",
                "conv",
                source,
                f"{level}[compression=4]",
                *integer,
            ]
    for name, words in (("magick", ["magick"]), ("convert-im6.q16", ["convert-im6.q16"])):
        if shutil.which(name):
            out = folder / f"o-ImageMagick.{suffix}"
            found["ImageMagick"] = [*words, source, "-convolve", _SOBEL.replace(" ", ","), out]
            break
    if shutil.which("gm"):
        out = folder / f"o-GraphicsMagick.{suffix}"
        kernel = _SOBEL.replace(" ", ",")
        found["GraphicsMagick"] = ["gm", "convert", source, "-convolve", kernel, out]
    return found


def _compared(
    case: str, ours: list[Any], peers: dict[str, list[Any]], rounds: int, most: float
) -> dict[str, Any]:
    """Time commands in turn; the ratio is our time over that of the first peer."""
    commands = {"convcli": ours, **peers}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            # Those of many seconds are not timed so often.
            if number > _FEW and times[name][0] > _LONG:
                continue
            start = time.perf_counter()
            _run(words)
            times[name].append(time.perf_counter() - start)
    first = next(iter(peers), "convcli")
    pairs = zip(times["convcli"][1:], times[first][1:], strict=False)
    return {
        "case": case,
        "ms": {name: 1e3 * statistics.median(values[1:]) for name, values in times.items()},
        "ratio": statistics.median(one / other for one, other in pairs),
        "most": most,
        "peak_mb": _peak(ours),
    }


def _run(words: list[Any]) -> subprocess.CompletedProcess[str]:
    """Run a command as after an installation: modules are compiled once, not at each start."""
    unset = ("PYTHONDONTWRITEBYTECODE", "CONVCLI_FAST")
    return subprocess.run(  # noqa: S603
        [str(word) for word in words],
        check=True,
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key not in unset},
    )


def _peak(words: list[Any]) -> float:
    """Return the largest resident size of one run, in megabytes, measured in a child."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "capture_output=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = _run([*_PYTHON, "-c", code, *words])
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e6


if __name__ == "__main__":
    main()

"""Read every picture of a folder with the identity kernel, and compare with another decoder.

The public test images of other projects come with their source packages::

    pip download --no-binary :all: --no-deps pillow imageio scikit-image tifffile pypng
    python tests/corpus/run_corpus.py *.tar.gz

An archive is unpacked into a temporary folder; only its pictures are taken. Each file is
filtered by a process of its own, with limits of time and memory, into raw numbers, which are
compared with those of tifffile (TIFF), pypng (PNG), ffmpeg (BMP), imagecodecs (JPEG XL, HEIC,
QOI) or OpenCV. Exit status 1 where one ends with a traceback, a crash or a time-out, says more
than one line of error, leaves anything but its output, or differs for no reason known here.
"""

import argparse
import collections
import importlib
import os
import pkgutil
import re
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import png
import tifffile
from PIL import Image

import convcli
from convcli.__main__ import run

_SECONDS = 120
_MEMORY = 6 * 2**30
_CLOSE = 3

_KINDS = {
    "no picture": r"got something else|got an empty file|no file name",
    "format is off": r"files are off",
    "too many pixels": r"--max-pixels",
    "truncated": r"truncated|--allow-truncated",
    "more packages": r"pip install",
    "frames or channels": r"frames of one size|holds one frame|expected a picture for|\{map\}",
    "damaged or not supported": r"cannot be read",
}
"""Reasons for a refusal, by what its line says."""

_GOOD = ("same", "close", "not compared", "explained", "refused")


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    kind: str
    line: str = ""


def _load_all() -> None:
    """Import what the copies of this process would import one by one."""
    for module in pkgutil.walk_packages(convcli.__path__, "convcli."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    Image.init()


def outcome(path: Path) -> Outcome:
    """Filter one file in a process of its own, and judge what comes out."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out.npy")
        with tempfile.TemporaryFile() as stream:
            options = [
                "--frame",
                "0",
                "--alpha",
                "keep",
                "--quiet",
                "[[1]]",
                str(path),
                str(target),
            ]
            status = _in_a_process(["convcli", "apply", *options], stream.fileno())
            stream.seek(0)
            error = stream.read().decode("utf-8", "replace")
        if status < 0:
            return Outcome("time-out" if status == -signal.SIGALRM else "crash", str(status))
        left = sorted(path.name for path in Path(folder).iterdir())
        if left != ([target.name] if status == 0 else []):
            return Outcome("wrong files left", f"{left}; {error}")
        refusal = _refusal(status, error)
        return refusal or _compared(path, np.load(target), error)


def _in_a_process(arguments: list[str], stderr: int) -> int:
    """Run the program in a copy of this process, which has its modules already."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        signal.alarm(_SECONDS)
        os.dup2(stderr, 2)
        sys.argv = arguments
        status = 1
        try:
            run()
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:  # noqa: BLE001 - this is what is looked for
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _refusal(status: int, error: str) -> Outcome | None:
    lines = error.splitlines()
    if "Traceback" in error:
        return Outcome("traceback", lines[-1])
    if status == 0:
        odd = any(not line.startswith("Warning: ") for line in lines)
        return Outcome("stray output", " ".join(lines)) if odd else None
    if status != 1 or len(lines) != 1 or not error.startswith("Error: "):
        return Outcome(f"status {status}, {len(lines)} lines", error)
    reasons = (kind for kind, pattern in _KINDS.items() if re.search(pattern, error))
    return Outcome(f"refused: {next(reasons, 'other')}", error.strip())


# ------------------------------------------------------------------ the other decoder


def _compared(path: Path, got: np.ndarray[Any, Any], said: str) -> Outcome:
    """Compare the numbers with another decoder's, with the explanation of a difference."""
    wanted = _decoded(path)
    if wanted is None:
        return Outcome("not compared: the other decoder does not read it", said)
    got, wanted = _colours(got), _colours(wanted)
    if got.shape == wanted.shape:
        # Raw numbers are written as float32.
        if np.array_equal(got, wanted.astype(np.float32), equal_nan=wanted.dtype.kind == "f"):
            return Outcome("same", said)
        error = float(np.nanmean(np.abs(got - wanted.astype(float))))
        if wanted.dtype == np.uint8 and error < _CLOSE:
            return Outcome("close (lossy, or another rounding)", f"mean {error:.2f}")
    facts = f"{got.shape} {got.dtype} for {wanted.shape} {wanted.dtype}; {said}"
    reason = next(
        (
            text
            for text, is_so in _EXPLAINED.items()
            if is_so(path, got, wanted) and (text != _LOSS or "are read with 8 bits" in said)
        ),
        None,
    )
    return Outcome(f"explained: {reason}" if reason else "different", facts)


def _decoded(path: Path) -> np.ndarray[Any, Any] | None:
    """Return the first picture of a file: RGB, or grey; None where it cannot be read."""
    try:
        if path.read_bytes()[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            with tifffile.TiffFile(path) as file:
                page: Any = file.pages[0]
                values: Any = page.asarray()
                planes = int(page.planarconfig) > 1
                return _turned(np.moveaxis(values, 0, 2) if planes else values, path)
        if path.read_bytes()[:4] == b"\x89PNG":
            return _turned(_png_pixels(path), path)
        if path.read_bytes()[:2] == b"BM":
            return _bmp_pixels(path)
        if path.suffix.lower() in _BY_IMAGECODECS:
            values = np.asarray(imagecodecs.imread(str(path)))
            return np.asarray(values[0] if values.ndim == 4 else values)
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if values is not None and values.ndim == 3:
            values[..., :3] = values[..., 2::-1].copy()  # OpenCV keeps blue first
    except Exception:  # noqa: BLE001 - another project's decoder raises what it likes
        return None
    return None if values is None else _as_tagged(_turned(np.asarray(values), path), path)


_BY_IMAGECODECS = (".jxl", ".heic", ".heif", ".hif", ".qoi", ".jp2")


def _turned(values: np.ndarray[Any, Any], path: Path) -> np.ndarray[Any, Any]:
    """Turn what another decoder leaves as it is stored, as EXIF, XMP or a TIFF's tag say."""
    try:
        with Image.open(path) as opened:
            turn = opened.getexif().get(274, 1)
    except Exception:  # noqa: BLE001 - Pillow does not read it
        return values
    rows, columns = slice(None, None, -1), slice(None)
    flips = {2: (columns, rows), 3: (rows, rows), 4: (rows,), 6: (columns, rows)}
    flips |= {7: (rows, rows), 8: (rows,)}
    turned = values.swapaxes(0, 1) if turn in (5, 6, 7, 8) else values
    return np.asarray(turned[flips.get(turn, ())])


def _as_tagged(values: np.ndarray[Any, Any], path: Path) -> np.ndarray[Any, Any]:
    """Scale the numbers of a PGM or PPM from those up to its own white."""
    in_words = path.read_bytes()[:2] in (b"P2", b"P3") and values.dtype == np.uint16
    if not in_words and path.read_bytes()[:2] not in (b"P5", b"P6"):
        return values  # OpenCV scales 8 bits in words by itself
    words = re.sub(rb"#[^\n]*", b"", path.read_bytes()[:1000]).split()
    white = 255 if values.dtype == np.uint8 else 65_535
    return np.floor(values.astype(float) * white / int(words[3]) + 0.5).astype(values.dtype)


def _bmp_pixels(path: Path) -> np.ndarray[Any, Any] | None:
    """Return the pixels of a BMP as ffmpeg reads them."""
    with Image.open(path) as opened:
        width, height = opened.size
    words = ["ffmpeg", "-v", "error", "-f", "bmp_pipe", "-i", str(path)]
    done = subprocess.run(
        [*words, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=False
    )
    values = np.frombuffer(done.stdout, np.uint8)
    return values.reshape(height, width, 3) if values.size == height * width * 3 else None


def _png_pixels(path: Path) -> np.ndarray[Any, Any]:
    """Return the pixels of a PNG as pypng reads them, with 1, 2 and 4 bits scaled to 8."""
    with path.open("rb") as file:
        reader = png.Reader(file=file)
        reader.preamble(lenient=True)
        deep = reader.bitdepth == 16
        width, height, rows, facts = (reader.asRGBA if deep else reader.asRGBA8)()
        values = np.vstack([np.array(row, np.uint16 if deep else np.uint8) for row in rows])
    return values.reshape(height, width, facts["planes"])


def _colours(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the channels without an opacity, and equal channels as one; bits as 0 and 255."""
    if values.dtype == bool:
        values = values * np.uint8(255)
    if values.ndim == 3 and values.shape[2] in (2, 4):
        values = values[..., :-1]
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    return values


def _tags(path: Path) -> dict[str, Any]:
    try:
        with tifffile.TiffFile(path) as file:
            return {tag.name: tag.value for tag in file.pages[0].tags}  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001 - no TIFF
        return {}


def _photometric(path: Path) -> int:
    return int(_tags(path).get("PhotometricInterpretation", 1))


def _bits(values: np.ndarray[Any, Any]) -> int:
    return int(values.max()).bit_length()


def _is_like_imagecodecs(got: np.ndarray[Any, Any], path: Path) -> bool:
    values = _colours(imagecodecs.imread(str(path)))
    white = 2 ** max(_bits(values), 8) - 1
    return got.shape == values.shape and bool(
        np.abs(got - values * (_WHITE / white)).max() <= 1
    )


def _is_cmyk(path: Path) -> bool:
    with Image.open(path) as opened:
        return opened.mode == "CMYK"


def _white(path: Path, wanted: np.ndarray[Any, Any]) -> int:
    """Return white: an AVIF's numbers have 10 or 12 bits, which OpenCV leaves unscaled."""
    if path.suffix.lower() != ".avif":
        return 65_535
    return 1023 if wanted.max() <= 1023 else 4095


_WHITE = 255
_BYTE = 8
_LOSS = "the loss of bits, which a warning tells"
_EXPLAINED: dict[str, Callable[[Path, Any, Any], bool]] = {
    "a palette, CMYK, YCbCr or LAB, which tifffile leaves as it is stored": (
        lambda path, *_: _photometric(path) in (3, 5, 6, 8, 9)
    ),
    "more than 24 bits, which raw numbers, float32, round": (
        lambda _, got, wanted: (
            got.shape == wanted.shape
            and wanted.dtype.itemsize >= 4
            and np.allclose(got, wanted.astype(float), rtol=1e-6, equal_nan=True)
        )
    ),
    "white is 0, which tifffile does not invert": lambda path, *_: _photometric(path) == 0,
    "grey of few bits, which tifffile does not scale": (
        lambda path, *_: np.max(_tags(path).get("BitsPerSample", _BYTE)) < _BYTE
    ),
    "associated or unnamed extra samples of a TIFF, which tifffile leaves as they are": (
        lambda path, *_: "ExtraSamples" in _tags(path)
    ),
    "OpenCV, which is asked for the stored pixels, does not turn them upright": (
        lambda _, got, wanted: got.shape[:2] == wanted.shape[1::-1] != wanted.shape[:2]
    ),
    "OpenCV chooses another of the pictures in the file": (
        lambda path, *_: path.suffix.lower() in (".ico", ".cur", ".icns", ".psd")
    ),
    "OpenCV draws frames and transparent colours in another way": (
        lambda path, *_: path.suffix.lower() in (".gif", ".apng", ".webp")
    ),
    "the scale of a PFM, which OpenCV divides by": (
        lambda path, got, wanted: (
            path.suffix.lower() == ".pfm"
            and got.shape == wanted.shape
            and np.allclose(got, wanted * (got.max() / wanted.max()), rtol=1e-5)
        )
    ),
    "a damaged BMP, whose missing pixels ffmpeg fills in another way": (
        lambda path, *_: path.name.startswith(("badrle", "mmap_error"))
    ),
    "an AVIF of narrow range, which OpenCV does not widen and imagecodecs does": (
        lambda path, got, _: path.suffix.lower() == ".avif" and _is_like_imagecodecs(got, path)
    ),
    "JPEG 2000 of 9 to 15 bits, which is read as 16 bits with zeros after": (
        lambda path, got, wanted: (
            path.suffix.lower() in (".j2k", ".jp2")
            and got.shape == wanted.shape
            and np.array_equal(got, wanted.astype(float) * 2 ** (16 - _bits(wanted)))
        )
    ),
    _LOSS: (
        lambda path, got, wanted: (
            wanted.dtype == np.uint16
            and got.shape == wanted.shape
            and got.max() <= _WHITE
            and np.abs(got - wanted * (_WHITE / _white(path, wanted))).mean() < _CLOSE
        )
    ),
    "OpenCV turns the inks of a JPEG into RGB in another way": (
        lambda path, *_: path.suffix.lower() in (".jpg", ".jpeg", ".jpe") and _is_cmyk(path)
    ),
}
"""Why two right decoders differ, and the test of each reason."""


def _files(sources: list[Path], scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of the project and each file: of folders, or of archives of sources."""
    for source in sources:
        folder = source
        if source.is_file():
            folder = scratch / source.name
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (source.is_dir() or path.suffix.lower() in _SUFFIXES):
                yield source.name, path


_SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "png apng jpg jpeg tif tiff gif webp avif bmp ppm pgm pbm pnm pfm jp2 j2k tga dds sgi",
        "bw rgb pcx qoi ico cur icns psd fli flc heic jxl xbm xpm fits im msp spider npy",
    )
    for name in names.split()
)


def _tiff_matrix() -> int:
    """Print what becomes of every TIFF that tifffile writes, and each one read wrongly."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support.tiff_cases import DTYPES, tiff_cases, verdict

    counts: collections.Counter[str] = collections.Counter()
    for case in (case for dtype in DTYPES for case in tiff_cases(dtype)):
        data = case.written()
        judged = "not written by tifffile" if data is None else verdict(case, data)
        counts[judged] += 1
        if judged == "wrong":
            print(case)
    for judged, count in sorted(counts.items()):
        print(f"{count:6} {judged}")
    return 1 if counts["wrong"] else 0


def main() -> int:
    """Print the counts, and each line of a refusal with --list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path, nargs="*", help="folders, or source packages")
    parser.add_argument("--tiff-matrix", action="store_true", help="every TIFF of tifffile")
    parser.add_argument("--list", action="store_true", help="print each file's outcome")
    arguments = parser.parse_args()
    if arguments.tiff_matrix:
        return _tiff_matrix()
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    _load_all()
    with tempfile.TemporaryDirectory() as scratch:
        for project, path in _files(arguments.sources, Path(scratch)):
            result = outcome(path)
            counts[project][result.kind] += 1
            if arguments.list or not result.kind.startswith(_GOOD):
                print(f"{project}: {path.name}: {result.kind}: {result.line}", flush=True)
    everything: collections.Counter[str] = collections.Counter()
    for project, outcomes in counts.items():
        print(f"{project}: {outcomes.total()} files")
        everything += outcomes
    for kind, count in sorted(everything.items()):
        print(f"{count:5} {kind}")
    bad = sum(n for kind, n in everything.items() if not kind.startswith(_GOOD))
    print(f"{everything.total():5} files, {bad} of them wrongly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

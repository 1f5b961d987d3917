"""Pictures in work fit into the memory that was given; estimates are held against runs."""

import functools
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convcli.batch.job import BatchJob, FileJob, Status
from convcli.batch.local import LocalExecutor, MemoryGate
from convcli.choices import Border, Edges
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import operand_from
from convcli.pipeline.files import FileFilter
from convcli.pipeline.memory import file_bytes
from convcli.pipeline.options import Options
from support.commands import PHOTOS, save, script

MIB = 2**20

PEAK = """\
import ctypes
import sys
from pathlib import Path
from convcli.cli.app import main
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
def run(*words):
    main(["apply", *words, "--quiet", "--jobs", "1"], standalone_mode=False)
run("box", sys.argv[1], sys.argv[2])
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
run(*sys.argv[3:])
print(1024 * (status("VmHWM") - before))
"""
"""Prints the growth of a process's peak by one more picture.

What the first run and the process before it have freed is given back, so that it counts again.
"""


SLOW = {".webp": 408, ".gif": 408, ".avif": 204}
"""Rows for formats that take half a second for a megapixel to write, and much memory. Small
pictures of AVIF take the most for a pixel."""


def photo(path: Path, mode: str = "RGB", rows: int = 816) -> Path:
    """Write a photograph of 2 megapixels, or of fewer rows."""
    path.write_bytes(photo_data(path.suffix, mode, rows))
    return path


@functools.cache
def photo_data(suffix: str, mode: str, rows: int) -> bytes:
    with Image.open(PHOTOS / "rocket.jpg") as opened, io.BytesIO() as file:
        large = opened.convert("RGB").resize((2448, rows)).convert(mode)
        large.save(file, Image.registered_extensions()[suffix], compress_level=1)
        return file.getvalue()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from Linux's /proc")
@pytest.mark.parametrize(
    ("mode", "words", "options"),
    [
        ("RGB", ("sobel-x", "in.jpg", "out.jpg"), Options()),
        ("RGB", ("sobel-x", "in.png", "out.png"), Options()),
        ("L", ("sobel-x", "in.png", "out.png"), Options()),
        ("RGBA", ("sobel-x", "in.png", "out.webp"), Options()),
        ("RGB", ("sobel", "in.jpg", "out.jpg"), Options()),
        ("RGB", ("sobel-x", "in.jpg", "out.npy"), Options()),
        ("RGB", ("gaussian:2", "in.jpg", "out.jpg", "--linear"), Options(linear=True)),
        ("RGB", ("sobel", "in.jpg", "out.jpg", "--direction"), Options(direction=True)),
        ("RGB", ("gabor", "in.jpg", "out.gif"), Options()),
        ("RGB", ("box:5", "in.jpg", "out.jpg", "--border", "odd"), Options(border=Border.ODD)),
        (
            "RGB",
            ("box:5", "in.jpg", "out.jpg", "--border", "constant:9"),
            Options(border=Edges("constant:9", (Border.ZERO, Border.ZERO), (9.0,))),
        ),
        ("L", ("box:5", "in.png", "out.png", "--missing", "7"), Options(missing=7.0)),
        ("RGB", ("identity", "in.jpg", "out.avif"), Options()),
    ],
)
def test_the_estimate_is_more_than_it_takes_but_not_much(
    mode: str, words: tuple[str, str, str], options: Options, tmp_path: Path
) -> None:
    rows = SLOW.get(Path(words[2]).suffix, 816)
    source = photo(tmp_path / words[1], mode, rows)
    save(tmp_path / "tiny.png", [[1, 2]])
    ran = script(PEAK, "tiny.png", "small.png", *words, folder=tmp_path)
    ran.check_returncode()
    grown = int(ran.stdout)
    work = FileFilter(kernels=(operand_from(words[0]),), options=options)
    estimated = file_bytes(work, str(source), words[2])
    # A few MiB are code that is used for the first time.
    assert grown - 3 * MIB <= estimated <= 4 * grown


@pytest.mark.parametrize(
    ("pixels", "dtype", "shape", "kind"),
    [
        ([[1, 2, 3]], np.uint8, (1, 3, 1), "uint8"),
        ([[[1, 2, 3]], [[4, 5, 6]]], np.uint8, (2, 1, 3), "uint8"),
        ([[1, 2, 3]], np.uint16, (1, 3, 1), "uint16"),
    ],
)
def test_headers(
    tmp_path: Path, pixels: object, dtype: type, shape: tuple[int, int, int], kind: str
) -> None:
    header = header_of(save(tmp_path / "a.png", pixels, dtype), ReadPolicy())
    assert header is not None
    assert (header.shape, header.dtype, header.frames, header.alpha) == (
        shape,
        np.dtype(kind),
        1,
        False,
    )


def test_headers_of_arrays_and_animations(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 5, 7), np.float32))
    frames = [Image.new("RGB", (6, 3), color) for color in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    array, film = (header_of(tmp_path / name, ReadPolicy()) for name in ("a.npy", "a.gif"))
    assert array is not None
    assert film is not None
    assert (array.shape, array.dtype) == ((4, 5, 7), np.dtype(np.float32))
    assert (film.shape, film.frames) == ((3, 6, 3), 3)


def test_a_file_that_is_no_picture_takes_little(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * 100)
    work = FileFilter(kernels=(Kernel([[1]]),), options=Options())
    needs = file_bytes(work, str(tmp_path / "a.png"), "b.png")
    assert needs < 10_000


def test_a_file_that_cannot_be_filtered_takes_nothing(tmp_path: Path) -> None:
    # With this kernel the opacity would have to be filtered, too, if a pixel is translucent.
    source = str(save(tmp_path / "a.png", np.zeros((8, 8, 4), np.uint8)))
    work = BatchJob(kernels=(Kernel([[1, 1]]),), options=Options(transposed=True), memory=10**9)
    job = FileJob(source, str(tmp_path / "b.png"))
    assert work.needed_bytes(job) == 0
    assert work.run(job).reason.startswith("--transposed: expected an opaque picture")


def test_jobs_wait_until_there_is_room(tmp_path: Path) -> None:
    source = str(save(tmp_path / "a.png", np.zeros((100, 100), np.uint8)))
    work = BatchJob(kernels=(Kernel([[1]]),), options=Options(jobs=1), memory=10**9)
    job = FileJob(source, str(tmp_path / "b.png"))
    needs = work.needed_bytes(job)
    assert needs >= 2 * 100 * 100
    waiting = MemoryGate(work, [job, job])
    assert not waiting.opens(10**9 - needs + 1)
    assert waiting.opens(10**9 - needs)
    assert waiting.passed() == (job, needs)
    assert not waiting.opens(10**9)
    assert waiting.opens(0)
    assert waiting.passed() == (job, needs)
    assert not waiting.opens(0)


@pytest.mark.slow
def test_a_picture_that_never_fits_fails_and_the_others_do_not(tmp_path: Path) -> None:
    small, large = save(tmp_path / "s.png", [[1]]), photo(tmp_path / "l.png")
    jobs = [FileJob(str(path), f"{path}.out.png") for path in (large, small)]
    work = BatchJob(kernels=(Kernel([[1]]),), options=Options())
    outcomes = {
        Path(outcome.job.source).name: outcome
        for outcome in LocalExecutor(2, memory=16 * MIB).run(work, jobs)
    }
    assert outcomes["s.png"].status is Status.DONE
    assert outcomes["l.png"].reason.startswith("expected a picture that takes at most 16 MiB")

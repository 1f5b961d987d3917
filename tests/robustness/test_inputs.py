"""Inputs that are damaged, truncated, too large, or no pictures: one line each."""

import functools
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convcli.cli.app import main
from convcli.errors import ImageError
from convcli.images.picture import Picture
from convcli.images.policy import ReadPolicy
from convcli.images.read import read_picture
from support.waiting import PATIENCE

KINDS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000", "TGA", "DDS", "SGI",
         "PCX", "QOI", "AVIF")  # fmt: skip
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")


def run(*arguments: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["apply", "identity", *map(str, arguments)], input=data)


def refused(done: Result, *said: str) -> None:
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    for part in said:
        assert part in lines[0]


def sample(kind: str, *, animated: bool = False) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (3, 12, 14, 3)).astype(np.uint8)
    images = [Image.fromarray(frame) for frame in values]
    rest = {"save_all": True, "append_images": images[1:]} if animated else {}
    buffer = io.BytesIO()
    images[0].save(buffer, kind, **rest)
    return buffer.getvalue()


def read_or_refuse(data: bytes) -> Picture | None:
    try:
        return read_picture(io.BytesIO(data), "stream")
    except ImageError as error:
        line = str(error)
    assert line.startswith("stream: ")
    assert "\n" not in line
    return None


CUT = [(kind, False) for kind in KINDS] + [(kind, True) for kind in ANIMATED]


@pytest.mark.parametrize(("kind", "animated"), CUT)
def test_what_is_cut_is_refused_or_was_not_needed(kind: str, animated: bool) -> None:  # noqa: FBT001
    data = sample(kind, animated=animated)
    whole = read_picture(io.BytesIO(data))
    step = max(len(data) // 60, 1)
    for end in range(0, len(data), step):
        got = read_or_refuse(data[:end])
        if got is None:
            continue
        for one, other in zip(got.frames, whole.frames, strict=True):
            np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TGA"])
def test_truncated_files_are_refused_unless_allowed(kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind)
    data = buffer.getvalue()
    (tmp_path / "in").write_bytes(data[: len(data) * 2 // 3])
    refused(run(tmp_path / "in", tmp_path / "out.png"), "in: ", "truncated")
    assert not (tmp_path / "out.png").exists()
    done = run(tmp_path / "in", tmp_path / "out.png", "--allow-truncated")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_give_a_picture_or_one_line(kind: str) -> None:
    data = sample(kind)
    random = np.random.default_rng(3)
    for place in random.integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.integers(0, 8)
        read_or_refuse(bytes(damaged))


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"BM", b"P6\n"],
)
def test_what_is_no_picture_is_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(data)
    refused(run(tmp_path / "in.png", tmp_path / "out.png"), "in.png: ")
    refused(run("-", tmp_path / "out.png", data=data), "standard input: ")


def test_missing_files_and_folders_are_one_line(tmp_path: Path) -> None:
    refused(run(tmp_path / "none.png", tmp_path / "o.png"), "no such file")
    refused(run(tmp_path, tmp_path / "o.png"), "got a folder")


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in [(b"IHDR", header), *chunks, (b"IEND", b"")]:
        check = struct.pack(">I", zlib.crc32(name + data))
        parts += [struct.pack(">I", len(data)), name, data, check]
    return b"".join(parts)


def gif(width: int, height: int, frames: int) -> bytes:
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + image * frames + b"\x3b"


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack(
        "<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, width, height, 1, 24, *[0] * 6
    )


def webp(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(width: int, height: int) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (278, height)]
    tags.append((279, 10))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def npy(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)


BOMBS: dict[str, Callable[[], bytes]] = {
    "png": lambda: png(60_000, 60_000, (b"IDAT", zlib.compress(bytes(10**6)))),
    "bmp": lambda: bmp(50_000, 50_000),
    "gif": lambda: gif(65_000, 65_000, 1),
    "tiff": lambda: tiff(100_000, 100_000),
    "ppm": lambda: b"P6 99999 99999 255\n" + bytes(100),
    "frames": lambda: gif(4000, 4000, 6),
    "small frames": lambda: gif(1, 1, 30_000),
    "npy": lambda: npy("(1000000, 1000000)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_from_the_header(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(BOMBS[bomb]())
    done = limited(tmp_path / "in", tmp_path / "out.tif")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"pixels" in done.stderr
    assert b"--max-pixels" in done.stderr


@functools.cache
def packed() -> bytes:
    """Return 100 MiB of zeros, packed."""
    return zlib.compress(bytes(100 * 2**20), 1)


def texts(name: bytes) -> bytes:
    return png(1, 1, (name, b"name\0\0" + packed()), (b"IDAT", zlib.compress(bytes(2))))


CLAIMS: dict[str, Callable[[], bytes]] = {
    "png text": lambda: texts(b"zTXt"),
    "png profile": lambda: texts(b"iCCP"),
    "png chunk": lambda: png(1, 1)[:33] + b"\x7f\xff\xff\xffIDAT",
    "png pixels": lambda: png(100, 1, (b"IDAT", packed())),
    "tiff tag": lambda: tiff(4, 4).replace(
        struct.pack("<HHI", 273, 4, 1), struct.pack("<HHI", 273, 4, 2**31)
    ),
    "webp": lambda: webp(16_383, 16_383),
    "npy": lambda: npy("(3000, 3000)"),
    "npy negative": lambda: npy("(-3, 3)"),
    "npy nested": lambda: npy("(" * 5000),
}


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_that_the_file_does_not_keep_take_no_memory(claim: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(CLAIMS[claim]())
    done = limited(tmp_path / "in", tmp_path / "out.tif")
    assert done.returncode in (0, 1)
    assert len(done.stderr.splitlines()) == done.returncode, done.stderr
    assert b"Traceback" not in done.stderr


def limited(source: Path, target: Path) -> subprocess.CompletedProcess[bytes]:
    """Filter with 700 MB above what the program needs for itself."""
    code = (
        "import resource, sys; limit = 1200 * 2**20;"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit));"
        "from convcli.cli.app import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "apply", "identity", str(source), str(target), "-q"]
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)


def test_max_pixels_is_the_limit(tmp_path: Path) -> None:
    Image.new("L", (100, 50)).save(tmp_path / "in.png")
    assert run(tmp_path / "in.png", tmp_path / "o.png", "--max-pixels", "5000").exit_code == 0
    done = run(tmp_path / "in.png", tmp_path / "o.png", "--max-pixels", "4999")
    refused(done, "expected at most 4,999 pixels, got 5,000", "raise --max-pixels")


def test_pillows_own_limit_does_not_stand_in_the_way() -> None:
    before = Image.MAX_IMAGE_PIXELS
    data = png(60_000, 60_000)
    with pytest.raises(ImageError, match=r"truncated|cannot be read") as caught:
        read_picture(io.BytesIO(data), "x", ReadPolicy(max_pixels=10**10, frame=0))
    assert "--max-pixels" not in str(caught.value)
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_pipe_that_never_ends_is_refused(tmp_path: Path) -> None:
    command = f"yes | {sys.executable} -m convcli apply identity - o.png --max-pixels 1000"
    done = subprocess.run(  # noqa: S602 - a shell makes the pipe
        command, shell=True, cwd=tmp_path, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert b"standard input: expected at most" in done.stderr


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"


def test_formats_that_run_programs_are_off(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(EPS)
    done = run(tmp_path / "in.png", tmp_path / "out.png")
    refused(done, "EPS files are off", "add --allow-format eps")


def test_allow_format_lets_them_in(tmp_path: Path) -> None:
    # What happens then is up to Ghostscript; without it, Pillow says so, on one line.
    (tmp_path / "in.eps").write_bytes(EPS)
    done = run(tmp_path / "in.eps", tmp_path / "out.png", "--allow-format", "eps")
    assert "files are off" not in done.output
    assert done.exit_code in (0, 1)
    assert len(done.stderr.splitlines()) == done.exit_code


def test_an_unknown_format_to_allow_is_a_wrong_usage(tmp_path: Path) -> None:
    done = run(tmp_path / "in", tmp_path / "o.png", "--allow-format", "doc")
    assert done.exit_code == 2
    assert "'--allow-format'" in done.stderr


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    done = run(tmp_path / "\x1b[31m\nred.png", tmp_path / "o.png")
    refused(done, "\\x1b[31m red.png")
    assert "\x1b[31m" not in done.stderr

"""PNGs by pypng, and streams of PPM and PGM by ffmpeg and by OpenCV."""

import io
import subprocess
from pathlib import Path

import cv2
import numpy as np
import png
import pytest

from convcli.errors import ImageError
from convcli.images.picture import Frame, Picture
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from convcli.images.write import write_picture


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_scaled_with_its_pixels(bits: int) -> None:
    white = 2**bits - 1
    rows = [[(x + y) % (white + 1) for x in range(11)] for y in range(7)]
    buffer = io.BytesIO()
    png.Writer(11, 7, greyscale=True, bitdepth=bits, transparent=1).write(buffer, rows)
    frame = read_picture(io.BytesIO(buffer.getvalue()), "in.png").frames[0]
    full = 65535 if bits == 16 else 255
    np.testing.assert_array_equal(frame.pixels[..., 0], np.array(rows) * (full // white))
    assert frame.alpha is not None
    np.testing.assert_array_equal(frame.alpha, np.where(np.array(rows) == 1, 0, full))


@pytest.mark.parametrize("bits", [8, 16])
def test_the_transparent_colour_of_a_png_is_transparent(bits: int) -> None:
    rows = [[(3 * x + y) % 7 + 2 ** (bits - 2) for x in range(11 * 3)] for y in range(7)]
    clear = tuple(rows[2][6:9])
    buffer = io.BytesIO()
    png.Writer(11, 7, greyscale=False, bitdepth=bits, transparent=clear).write(buffer, rows)
    frame = read_picture(io.BytesIO(buffer.getvalue()), "in.png").frames[0]
    grid = np.array(rows).reshape(7, 11, 3)
    np.testing.assert_array_equal(frame.pixels, grid)
    assert frame.alpha is not None
    np.testing.assert_array_equal(frame.alpha == 0, (grid == clear).all(axis=2))


def _film(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 10, 3)).astype(np.uint8)


def test_a_stream_of_ffmpeg_is_all_of_its_frames() -> None:
    film = _film()
    command = "ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s 10x8 -i - -f image2pipe -c:v ppm -"
    done = subprocess.run(
        command.split(), input=film.tobytes(), capture_output=True, check=True
    )
    picture = read_picture(io.BytesIO(done.stdout), "-")
    np.testing.assert_array_equal([frame.pixels for frame in picture.frames], film)
    third = read_picture(io.BytesIO(done.stdout), "-", ReadPolicy(frame=2))
    np.testing.assert_array_equal(third.array, film[2])


def test_ffmpeg_reads_our_stream(tmp_path: Path) -> None:
    film = _film()
    write_picture(Picture(tuple(map(Frame, film))), tmp_path / "out.ppm", "PPM")
    command = "ffmpeg -v error -f ppm_pipe -i out.ppm -f rawvideo -pix_fmt rgb24 -"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.uint8), film.ravel())
    header = header_of(tmp_path / "out.ppm", ReadPolicy())
    assert header is not None
    assert header.frames == len(film)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (".pgm", "u1"),
        (".pgm", "u2"),
        (".ppm", "u1"),
        (".ppm", "u2"),
        (".pbm", "u1"),
        (".pfm", "f4"),
    ],
)
def test_streams_of_every_kind_that_opencv_writes(suffix: str, dtype: str) -> None:
    values = (_film(3)[..., 0] / 255 * (1 if dtype == "f4" else np.iinfo(dtype).max)).astype(
        dtype
    )
    if suffix == ".ppm":
        values = np.repeat(values[..., np.newaxis], 3, axis=3)
    parts = [cv2.imencode(suffix, frame)[1].tobytes() for frame in values]
    alone = [
        cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_UNCHANGED) for part in parts
    ]
    got = read_picture(io.BytesIO(b"".join(parts)), "in").frames
    for frame, wanted in zip(got, alone, strict=True):
        np.testing.assert_array_equal(frame.array, wanted)


def test_a_stream_that_ends_early_is_refused() -> None:
    picture = b"P5 4 4 255\n" + bytes(16)
    with pytest.raises(ImageError, match="truncated"):
        read_picture(io.BytesIO(picture + picture[:-3]), "in.pgm")

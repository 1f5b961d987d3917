"""What we export makes the same picture in the programs that it is for.

They run where they are installed (Debian: libvips-tools, imagemagick, ffmpeg).
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convcli.kernels.formats.read import export
from convcli.kernels.spec import kernel_from
from support.commands import PHOTOS
from support.references import correlated

pytestmark = pytest.mark.slow

PHOTO = PHOTOS / "camera.png"
SPECS = [
    "sobel-x",
    "scharr-y",
    "sharpen",
    "emboss",
    "binomial",
    "binomial:2",
    "box:5",
    "log5",
    "roberts-1",
    "roberts-2",
    "contour",
    "kirsch-ne",
    "[[1,2],[3,4]]@normalize",
    "[[1,2,3,4]]@normalize",
]
FLOATS = ["gaussian:1", "motion:7,30", "farid-y", "disk:2.5", "unsharp:1,0.8"]
SCALED = ["sobel-x@normalize", "[[1,2,3],[4,5,6],[7,8,9]]@scale=0.02"]

MAGICK = next((shutil.which(n) for n in ("magick", "convert-im6.q16") if shutil.which(n)), None)
VIPS, FFMPEG = shutil.which("vips"), shutil.which("ffmpeg")


def needs(program: str | None, name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(program is None, reason=f"{name} is not installed")


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    with Image.open(PHOTO) as photo:
        return np.asarray(photo.convert("L").crop((180, 60, 260, 124)))


@pytest.fixture
def source(pixels: NDArray[np.uint8], tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    Image.fromarray(pixels).save(path)
    return path


def run(*words: object) -> None:
    done = subprocess.run([str(w) for w in words], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def check(made: Path, pixels: NDArray[np.uint8], spec: str) -> None:
    """Compare away from the border, which each program fills in its own way."""
    kernel = kernel_from(spec)
    raw = correlated(pixels, kernel.weights) + sum(kernel.bias)
    with Image.open(made) as image:
        theirs = np.asarray(image.convert("L")).astype(int)
    inside = (slice(8, -8), slice(8, -8))
    assert theirs.shape == pixels.shape
    # One level: vips truncates, the others round.
    difference = np.abs(np.clip(raw, 0, 255) - theirs)[inside]
    assert difference.max() <= 1


@needs(VIPS, "vips")
@pytest.mark.parametrize("spec", SPECS + FLOATS + SCALED)
def test_vips(spec: str, source: Path, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    matrix, raw, made = tmp_path / "k.mat", tmp_path / "raw.v", tmp_path / "out.png"
    matrix.write_text(str(export(kernel_from(spec), "vips")))
    run(VIPS, "conv", source, raw, matrix)
    run(VIPS, "cast", raw, made, "uchar")
    check(made, pixels, spec)


@needs(VIPS, "vips")
def test_a_matrix_of_even_size_means_what_it_means_to_vips(
    source: Path, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    matrix, raw, made = tmp_path / "even.mat", tmp_path / "raw.v", tmp_path / "out.png"
    matrix.write_text("2 2 1 0\n1 2\n3 -5\n")
    run(VIPS, "conv", source, raw, matrix)
    run(VIPS, "cast", raw, made, "uchar")
    check(made, pixels, str(matrix))


@needs(MAGICK, "ImageMagick")
@pytest.mark.parametrize("spec", [s for s in SPECS if s != "contour"] + FLOATS + SCALED)
def test_imagemagick(
    spec: str, source: Path, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    made = tmp_path / "out.png"
    text = str(export(kernel_from(spec), "imagemagick")).strip()
    run(MAGICK, source, "-morphology", "Correlate", text, "-depth", "8", made)
    check(made, pixels, spec)


@needs(MAGICK, "ImageMagick")
@pytest.mark.parametrize(
    "text", ["3x1+0+0:-1,2,0.5", "2x2:1,0 0,-1", "3x3:nan,1,- 0,-1,0 nan,0,-"]
)
def test_an_origin_means_what_it_means_to_imagemagick(
    text: str, source: Path, pixels: NDArray[np.uint8], tmp_path: Path
) -> None:
    made = tmp_path / "out.png"
    run(MAGICK, source, "-morphology", "Correlate", text, "-depth", "8", made)
    check(made, pixels, text)


@needs(FFMPEG, "ffmpeg")
@pytest.mark.parametrize("spec", SPECS)
def test_ffmpeg(spec: str, source: Path, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    # Only kernels whose divisor is their sum: version 5.1 knows no other divisor.
    made = tmp_path / "out.png"
    text = str(export(kernel_from(spec), "ffmpeg")).strip()
    run(FFMPEG, "-loglevel", "error", "-i", source, "-vf", text, made)
    check(made, pixels, spec)


@needs(FFMPEG, "ffmpeg")
def test_ffmpeg_in_colour(tmp_path: Path) -> None:
    with Image.open(PHOTOS / "coffee.png") as photo:
        crop = photo.convert("RGB").crop((100, 100, 180, 160))
    crop.save(tmp_path / "in.png")
    text = str(export(kernel_from("emboss"), "ffmpeg")).strip()
    made = tmp_path / "out.png"
    words = ("-vf", f"format=gbrp,{text}", "-pix_fmt", "rgb24", made)
    run(FFMPEG, "-loglevel", "error", "-i", tmp_path / "in.png", *words)
    with Image.open(made) as image:
        theirs = np.asarray(image).astype(float)
    for channel in range(3):
        raw = correlated(np.asarray(crop)[..., channel], kernel_from("emboss").weights)
        difference = np.abs(np.clip(raw, 0, 255) - theirs[..., channel])[8:-8, 8:-8]
        assert difference.max() <= 1

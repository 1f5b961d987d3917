"""Every format in every depth: written by us, read back by us and by others."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from convcli.errors import ImageError
from convcli.images.formats import FORMATS, format_for
from convcli.images.picture import Frame, Metadata, Picture, Timing
from convcli.images.read import read_picture
from convcli.images.write import write_picture
from support.format_cases import PICTURES, ROWS, Row

CASES = [(row, picture) for row in ROWS for picture in PICTURES]
NAMES = [f"{row.format}-{picture}" for row, picture in CASES]
EXIF = Image.Exif()
EXIF[0x010F] = "Maker"
EXIF[0x0112] = 6


def sample(name: str) -> Frame:
    """A picture with smooth colours, so that lossy formats stay close."""
    rows, columns = np.mgrid[0:24, 0:32]
    plain = np.dstack([rows * 8, columns * 7, (rows + columns) * 4]).astype(np.float64)
    alpha = 255.0 - np.minimum(rows * 5, 120)
    channels = 1 if name.startswith("L") else 3
    pixels = plain[..., :channels]
    dtype, scale = "u1", 1.0
    if name.endswith("16"):
        dtype, scale = "u2", 257.0
        pixels = pixels + 0.3
    if name.endswith("F"):
        return Frame((pixels * 1.1 - 20).astype(np.float32))
    opacity = (alpha * scale).astype(dtype) if "A" in name else None
    return Frame((pixels * scale).astype(dtype), opacity)


@pytest.mark.parametrize(("row", "name"), CASES, ids=NAMES)
def test_what_a_format_keeps(row: Row, name: str, tmp_path: Path) -> None:
    picture, target = sample(name), tmp_path / "out"
    cell = row.cells[name]
    if cell == "-" and not (row.format == "NPY" and picture.alpha is not None):
        with pytest.raises(ImageError, match=r"cannot hold|grey only"):
            write_picture(picture, target, row.format)
        assert not target.exists()
        return
    write_picture(picture, target, row.format)
    back = read_picture(target).frames[0]
    wanted = np.repeat(picture.pixels, 3, axis=2) if cell == "rgb" else picture.pixels
    assert back.depth is picture.depth
    if cell in ("same", "rgb", "-"):
        np.testing.assert_array_equal(_channels(back.pixels, wanted), wanted)
    elif cell == "close":
        error = np.abs(_channels(back.pixels, wanted).astype(float) - wanted)
        assert error.mean() < 2
    else:
        assert len(np.unique(back.pixels.reshape(-1, 3), axis=0)) <= 256
    if picture.alpha is not None and cell in ("same", "rgb"):
        assert back.alpha is not None
        np.testing.assert_array_equal(back.alpha, picture.alpha)


def _channels(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Grey that a palette brought back in three equal channels is grey."""
    if got.shape[2] == 3 and wanted.shape[2] == 1:
        assert (got == got[..., :1]).all()
        return got[..., :1]
    return got


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.format)
def test_the_table_is_of_all_formats_and_agrees(row: Row) -> None:
    entry = FORMATS[row.format]
    names = ("icc", "dpi", "exif", "xmp", "iptc", "comment")
    of_maps = {"geo", "nodata", "ome"} if row.format == "TIFF" else set()
    assert set(entry.keeps) == {name for name in names if getattr(row, name)} | of_maps
    assert entry.frames == row.frames
    assert {row.format for row in ROWS} == set(FORMATS) - {"CSV", "JSON"}  # matrices


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.format)
def test_metadata_arrive_where_a_format_holds_them(row: Row, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    blocks: dict[str, Any] = {
        "xmp": b"<x:xmpmeta/>",
        "iptc": b"\x1c\x02\x78\0\2ab",
        "comment": b"a comment",
    }
    metadata = Metadata(profile, (300.0, 300.0), EXIF.tobytes(), **blocks)
    document = Picture((sample("RGB"),), metadata)
    write_picture(document, tmp_path / "out", row.format)
    back = read_picture(tmp_path / "out").metadata
    assert (back.icc == profile) is row.icc
    assert (back.exif is not None) is row.exif
    for name, block in blocks.items():
        assert (getattr(back, name) == block) is getattr(row, name), name
    if row.dpi:
        assert back.dpi is not None
        # PNG and BMP count whole dots a metre: 11,811 of them are 299.9994 an inch.
        assert back.dpi == pytest.approx((300, 300), abs=0.02)
    if row.exif:
        assert back.exif is not None
        again = Image.Exif()
        again.load(back.exif)
        assert again[0x010F] == "Maker"
        assert 0x0112 not in again, "the orientation was applied: it must not be again"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.format)
def test_frames_arrive_where_a_format_holds_them(row: Row, tmp_path: Path) -> None:
    frames = tuple(Frame(np.full((16, 16, 3), value, np.uint8)) for value in (10, 80, 80, 200))
    timing = Timing((100.0, 200.0, 300.0, 50.0), (0, 0, 0, 0), 3)
    document = Picture(frames, timing=timing)
    if not row.frames:
        with pytest.raises(ImageError, match=r"one frame, the input has 4.*--frame"):
            write_picture(document, tmp_path / "out", row.format)
        return
    write_picture(document, tmp_path / "out", row.format)
    back = read_picture(tmp_path / "out")
    if row.format == "WEBP":
        # libwebp joins equal frames: shown for as long.
        assert [frame.pixels[0, 0, 0] for frame in back.frames] == [10, 80, 200]
        assert back.timing is not None
        assert list(back.timing.durations) == [100, 500, 50]
        assert back.timing.loop == 3
        return
    got = [float(frame.pixels.mean()) for frame in back.frames]
    assert got == pytest.approx([10, 80, 80, 200], abs=1 if row.format == "AVIF" else 0)
    if row.format in ("TIFF", "PPM"):
        return
    assert back.timing is not None
    assert back.timing.durations == timing.durations
    if row.format != "AVIF":
        assert back.timing.loop == 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("name", ["L", "L16", "RGB", "RGB16", "LF", "RGBF"])
def test_opencv_reads_our_pixels(name: str, suffix: str, tmp_path: Path) -> None:
    if suffix == "png" and name.endswith("F"):
        suffix = "tiff"
    picture, target = sample(name), tmp_path / f"out.{suffix}"
    write_picture(picture, target, format_for(target))
    got = cv2.imread(str(target), cv2.IMREAD_UNCHANGED)
    assert got is not None
    assert got.dtype == picture.pixels.dtype
    np.testing.assert_array_equal(got.reshape(picture.pixels.shape)[..., ::-1], picture.pixels)


@pytest.mark.parametrize("name", ["RGBA", "RGBA16"])
def test_opencv_reads_our_transparency(name: str, tmp_path: Path) -> None:
    picture = sample(name)
    write_picture(picture, tmp_path / "out.png", "PNG")
    got = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert got is not None
    np.testing.assert_array_equal(got[..., 2::-1], picture.pixels)
    np.testing.assert_array_equal(got[..., 3], picture.alpha)


@pytest.mark.parametrize("compression", [1, 5, 8, 32946])
def test_deep_colours_of_opencv_keep_all_bits(compression: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    cv2.imwrite(str(tmp_path / "in.tif"), values[..., ::-1], options)
    got = read_picture(tmp_path / "in.tif").frames[0]
    np.testing.assert_array_equal(got.pixels, values)


@pytest.mark.parametrize("suffix", ["png", "ppm"])
def test_deep_colours_keep_all_bits(suffix: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / f"in.{suffix}"), values[..., ::-1])
    np.testing.assert_array_equal(
        read_picture(tmp_path / f"in.{suffix}").frames[0].pixels, values
    )


def test_numpy_reads_our_array() -> None:
    buffer = io.BytesIO()
    picture = sample("RGBF")
    write_picture(picture, buffer, "NPY")
    got = np.load(io.BytesIO(buffer.getvalue()), allow_pickle=False)
    np.testing.assert_array_equal(got, picture.pixels)

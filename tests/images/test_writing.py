"""Writing: formats, what they cannot hold, and pipes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convcli.errors import ImageError
from convcli.images.codecs import tiff
from convcli.images.formats import format_for
from convcli.images.picture import Frame, Metadata
from convcli.images.read import read_picture
from convcli.images.write import Saving, pipe_format, write_picture

RNG = np.random.default_rng(21)
GREY: NDArray[Any] = RNG.integers(0, 256, (9, 11, 1), dtype=np.uint8)
COLOUR: NDArray[Any] = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)
ALPHA: NDArray[Any] = RNG.integers(0, 256, (9, 11), dtype=np.uint8)
OPAQUE = np.full((9, 11), 255, np.uint8)
DEEP: NDArray[Any] = RNG.integers(0, 65_536, (9, 11, 1), dtype=np.uint16)


def as_pillow_sees(path: Path) -> tuple[str, NDArray[Any]]:
    with Image.open(path) as image:
        return image.mode, np.asarray(image)


@pytest.mark.parametrize(
    ("picture", "mode"),
    [
        (Frame(GREY), "L"),
        (Frame(COLOUR), "RGB"),
        (Frame(GREY, ALPHA), "LA"),
        (Frame(COLOUR, ALPHA), "RGBA"),
        (Frame(DEEP), "I;16"),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_png_and_tiff_hold_all(tmp_path: Path, picture: Frame, mode: str, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    write_picture(picture, path, format_for(path))
    stored_mode, stored = as_pillow_sees(path)
    layers = (
        picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    )
    assert stored_mode == mode
    np.testing.assert_array_equal(stored.reshape(layers.shape), layers)
    again = read_picture(path).frames[0]
    np.testing.assert_array_equal(again.pixels, picture.pixels, strict=True)


@pytest.mark.parametrize("suffix", ["ppm", "bmp"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_plain_formats(tmp_path: Path, suffix: str, pixels: NDArray[Any]) -> None:
    path = tmp_path / f"out.{suffix}"
    write_picture(Frame(pixels), path, format_for(path))
    np.testing.assert_array_equal(read_picture(path).frames[0].pixels, pixels, strict=True)


def test_16_bits_in_a_pgm_come_back(tmp_path: Path) -> None:
    """Netpbm has the high byte first."""
    path = tmp_path / "out.pgm"
    write_picture(Frame(DEEP), path, format_for(path))
    header, raster = path.read_bytes().split(b"65535\n", 1)
    assert header.split() == [b"P5", b"11", b"9"]
    assert raster == DEEP.astype(">u2").tobytes()
    np.testing.assert_array_equal(read_picture(path).frames[0].pixels, DEEP, strict=True)


def test_jpeg_is_close_to_the_picture(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64 * 64).reshape(64, 64, 1).astype(np.uint8)
    path = tmp_path / "out.jpg"
    write_picture(Frame(ramp), path, format_for(path))
    difference = read_picture(path).frames[0].pixels.astype(int) - ramp
    assert np.abs(difference).max() <= 3


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "ppm"])
def test_formats_without_transparency(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    with pytest.raises(ImageError) as raised:
        write_picture(Frame(COLOUR, ALPHA), path, format_for(path))
    said = str(raised.value)
    assert said.startswith(f"{path}: ")
    assert "cannot hold transparency: write .png, .webp or .tif" in said
    assert not path.exists()
    write_picture(Frame(COLOUR, OPAQUE), path, format_for(path))
    assert read_picture(path).frames[0].channels == 3


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "webp", "gif"])
def test_formats_without_16_bits(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    with pytest.raises(ImageError, match=r"cannot hold 16 bits: write \.png or \.tif"):
        write_picture(Frame(DEEP), path, format_for(path))
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "PNG"),
        ("a.PNG", "PNG"),
        ("a.jpg", "JPEG"),
        ("a.jpeg", "JPEG"),
        ("a.tif", "TIFF"),
        ("a.tiff", "TIFF"),
        ("a.webp", "WEBP"),
        ("a.bmp", "BMP"),
        ("a.ppm", "PPM"),
        ("a.pgm", "PPM"),
        ("some.dir/a.b.png", "PNG"),
    ],
)
def test_the_suffix_says_the_format(name: str, kind: str) -> None:
    assert format_for(name) == kind


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("edges", "no suffix"),
        ("edges.", ""),
        ("edges.docx", "the suffix '.docx'"),
        (".png", "no suffix"),
        ("edges.psd", "the suffix '.psd'"),
    ],
)
def test_suffixes_that_cannot_be_written(name: str, got: str) -> None:
    """Pillow reads .psd and does not write it."""
    with pytest.raises(ImageError) as raised:
        format_for(name)
    said = str(raised.value)
    assert said.startswith(f"{name}: expected a picture format that can be written")
    assert got in said
    assert "name it .png, .jpg, .webp, .tif or .npy" in said


@pytest.mark.parametrize(
    ("source", "picture", "kind"),
    [
        ("PNG", Frame(COLOUR), "PNG"),
        ("JPEG", Frame(COLOUR), "JPEG"),
        ("PPM", Frame(GREY), "PPM"),
        ("JPEG", Frame(COLOUR, ALPHA), "PNG"),
        ("JPEG", Frame(DEEP), "PNG"),
        ("TIFF", Frame(DEEP), "TIFF"),
        (None, Frame(COLOUR), "PNG"),
    ],
)
def test_a_pipe_goes_on_in_the_format_that_keeps_all(
    source: str | None, picture: Frame, kind: str
) -> None:
    assert pipe_format(source, picture) == kind
    stream = io.BytesIO()
    write_picture(picture, stream, kind)
    stream.seek(0)
    again = read_picture(stream).frames[0]
    assert again.format == kind
    assert again.shape == (9, 11)
    assert again.pixels.dtype == picture.pixels.dtype


def test_a_stream_gets_nothing_where_the_format_fails() -> None:
    stream = io.BytesIO()
    with pytest.raises(ImageError, match=r"^standard output: JPEG cannot hold transparency"):
        write_picture(Frame(COLOUR, ALPHA), stream, "JPEG")
    assert stream.getvalue() == b""


def test_a_picture_too_large_for_its_format(tmp_path: Path) -> None:
    """JPEG ends at 65,535 pixels a side (ITU-T T.81), WebP at 16,383."""
    wide = Frame(np.zeros((1, 66_000, 1), np.uint8))
    for suffix in ("jpg", "webp"):
        path = tmp_path / f"wide.{suffix}"
        path.write_text("old")
        with pytest.raises(ImageError) as raised:
            write_picture(wide, path, format_for(path))
        assert str(raised.value).startswith(f"{path}: ")
        assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["wide.jpg", "wide.webp"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_hold_the_raw_numbers(tmp_path: Path, dtype: str) -> None:
    values = RNG.normal(size=(4, 5, 2)).astype(dtype)
    path = tmp_path / "raw.npy"
    write_picture(Frame(values), path, "NPY")
    np.testing.assert_array_equal(np.load(path), values, strict=True)
    stream = io.BytesIO()
    write_picture(Frame(values), stream, "NPY")
    assert stream.getvalue() == path.read_bytes()


def test_an_array_keeps_the_name_that_was_given(tmp_path: Path) -> None:
    """`numpy.save` would add .npy to a path."""
    path = tmp_path / "raw.bin"
    write_picture(Frame(np.ones((3, 1, 1))), path, "NPY")
    assert [p.name for p in tmp_path.iterdir()] == ["raw.bin"]


def test_pixels_of_any_layout_are_written(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    turned = COLOUR[::-1, ::-2].transpose(1, 0, 2)
    write_picture(Frame(turned), path, "PNG")
    np.testing.assert_array_equal(read_picture(path).frames[0].pixels, turned)


@pytest.mark.parametrize("setting", [{"quality": 0}, {"quality": 101}, {"compress_level": 10}])
def test_settings_out_of_their_range_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match=r"expected \d+ to \d+, got"):
        Saving(**setting)


@pytest.mark.parametrize(("side", "header"), [(8, b"II*\0"), (40, b"II+\0")])
def test_only_many_pixels_make_a_bigtiff(
    side: int, header: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three pages have 192 bytes of pixels, or 4800: as many as are there count, though a strip
    # has room for more rows.
    monkeypatch.setattr(tiff, "_LARGEST_PLAIN", 1000)
    pages = [Frame(np.full((side, side, 1), page, np.uint8)) for page in range(3)]
    data = bytes(tiff.tiff_bytes(pages, Metadata(), 4))
    assert data[:4] == header
    with Image.open(io.BytesIO(data)) as image:
        for page in range(3):
            image.seek(page)
            assert image.size == (side, side)
            assert image.getextrema() == (page, page)

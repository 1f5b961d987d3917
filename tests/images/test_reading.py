"""Reading: every mode that Pillow knows, orientation, and files that are no pictures."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from convcli.errors import ImageError
from convcli.images.picture import Frame, picture_of_samples
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from convcli.images.write import write_picture

GREY = np.array([[0, 1, 2], [100, 254, 255]], np.uint8)
COLOUR = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])
ALPHA = np.array([[255, 128, 0], [1, 2, 3]], np.uint8)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def assert_picture(
    picture: Frame, pixels: NDArray[Any], alpha: NDArray[Any] | None = None
) -> None:
    np.testing.assert_array_equal(picture.pixels, pixels, strict=True)
    if alpha is None:
        assert picture.alpha is None
    else:
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.alpha, alpha, strict=True)


def test_grey(tmp_path: Path) -> None:
    picture = read_picture(saved(Image.fromarray(GREY), tmp_path / "l.png")).frames[0]
    assert_picture(picture, GREY[..., np.newaxis])
    assert (picture.shape, picture.channels, picture.white) == ((2, 3), 1, 255)
    assert picture.format == "PNG"


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(np.dstack([GREY, ALPHA]))
    assert image.mode == "LA"
    assert_picture(
        read_picture(saved(image, tmp_path / "la.png")).frames[0], GREY[..., np.newaxis], ALPHA
    )


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "ppm"])
def test_colour(tmp_path: Path, suffix: str) -> None:
    picture = read_picture(saved(Image.fromarray(COLOUR), tmp_path / f"rgb.{suffix}")).frames[0]
    assert_picture(picture, COLOUR)
    assert picture.channels == 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colour_with_alpha(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    picture = read_picture(saved(image, tmp_path / f"rgba.{suffix}")).frames[0]
    assert_picture(picture, COLOUR, ALPHA)


def test_bilevel_becomes_grey(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[True, False, True]]))
    assert image.mode == "1"
    picture = read_picture(saved(image, tmp_path / "1.png")).frames[0]
    assert_picture(picture, np.array([[[255], [0], [255]]], np.uint8))


def palette() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    return image


PALETTE_COLOURS = np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]], np.uint8)


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_a_palette_becomes_its_colours(tmp_path: Path, suffix: str) -> None:
    picture = read_picture(saved(palette(), tmp_path / f"p.{suffix}")).frames[0]
    assert_picture(picture, PALETTE_COLOURS)


def test_a_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    picture = read_picture(saved(palette(), tmp_path / "p.png", transparency=1)).frames[0]
    assert_picture(picture, PALETTE_COLOURS, np.array([[255, 0, 255]], np.uint8))


def test_a_palette_with_an_alpha_for_each_entry(tmp_path: Path) -> None:
    path = saved(palette(), tmp_path / "p.png", transparency=bytes([255, 128, 0]))
    assert_picture(
        read_picture(path).frames[0], PALETTE_COLOURS, np.array([[255, 128, 0]], np.uint8)
    )


def test_one_grey_that_is_transparent(tmp_path: Path) -> None:
    path = saved(Image.fromarray(GREY), tmp_path / "l.png", transparency=100)
    expected = np.where(GREY == 100, 0, 255).astype(np.uint8)
    assert_picture(read_picture(path).frames[0], GREY[..., np.newaxis], expected)


def test_one_colour_that_is_transparent(tmp_path: Path) -> None:
    path = saved(
        Image.fromarray(PALETTE_COLOURS), tmp_path / "c.png", transparency=(40, 50, 60)
    )
    expected = np.array([[255, 0, 255]], np.uint8)
    assert_picture(read_picture(path).frames[0], PALETTE_COLOURS, expected)


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    """No ink is white, all black ink is black, cyan alone takes the red away."""
    inks = np.repeat([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0]]], 8, axis=1)
    image = Image.fromarray(np.repeat(inks, 8, axis=0).astype(np.uint8), "CMYK")
    picture = read_picture(saved(image, tmp_path / f"cmyk.{suffix}")).frames[0]
    expected = [[255, 255, 255], [0, 0, 0], [0, 255, 255]]
    tolerance = 0 if suffix == "tif" else 3
    np.testing.assert_allclose(picture.pixels[4, [4, 12, 20]], expected, atol=tolerance)
    assert picture.alpha is None


DEEP = np.array([[0, 1, 255], [256, 40_000, 65_535]], np.uint16)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_grey_keeps_its_bits(tmp_path: Path, suffix: str) -> None:
    picture = read_picture(saved(Image.fromarray(DEEP), tmp_path / f"i16.{suffix}")).frames[0]
    assert_picture(picture, DEEP[..., np.newaxis])
    assert picture.white == 65_535


@pytest.mark.parametrize(
    "content",
    [
        b"P6\n2 1\n1000\n\x01\xf4\x03\xe8\x00\x00\x00\x01\x03\xe7\x00\x02",
        b"P3\n2 1 # wide\n1000\n500 1000 0 # the first\n1 999 2\n",
    ],
)
def test_16_bit_colours_of_a_ppm_keep_their_bits(content: bytes) -> None:
    """Binary or plain: 500 of 1000 is 32,767.5 of 65,535, and 1 is 65.535."""
    pixels = read_picture(io.BytesIO(content), "deep.ppm").frames[0].pixels
    assert pixels.tolist() == [[[32_768, 65_535, 0], [66, 65_469, 131]]]


@pytest.mark.parametrize(
    "content", [b"P6\n1 1\n1000\n\x01\xf4\x03\xe8\x00", b"P3\n1 1\n1000\n500 1000"]
)
def test_a_deep_ppm_cut_short_is_read_only_where_that_is_allowed(content: bytes) -> None:
    with pytest.raises(ImageError, match="truncated: --allow-truncated"):
        read_picture(io.BytesIO(content), "cut.ppm")
    what_there_is = ReadPolicy(allow_truncated=True)
    pixels = read_picture(io.BytesIO(content), "cut.ppm", what_there_is).frames[0].pixels
    assert pixels.tolist() == [[[32_768, 65_535, 0]]]


def test_16_bit_grey_of_the_other_byte_order(tmp_path: Path) -> None:
    """A TIFF that starts with MM: its numbers have the high byte first."""
    image = Image.fromarray(DEEP.astype(">u2"))
    assert image.mode == "I;16B"
    path = saved(image, tmp_path / "big.tif")
    assert path.read_bytes()[:2] == b"MM"
    assert_picture(read_picture(path).frames[0], DEEP[..., np.newaxis])


STORED = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, [[10, 20, 30], [40, 50, 60]]),
        (2, [[30, 20, 10], [60, 50, 40]]),
        (3, [[60, 50, 40], [30, 20, 10]]),
        (4, [[40, 50, 60], [10, 20, 30]]),
        (5, [[10, 40], [20, 50], [30, 60]]),
        (6, [[40, 10], [50, 20], [60, 30]]),
        (7, [[60, 30], [50, 20], [40, 10]]),
        (8, [[30, 60], [20, 50], [10, 40]]),
    ],
)
def test_the_orientation_of_a_camera_is_applied(
    tmp_path: Path, orientation: int, shown: list[list[int]]
) -> None:
    """EXIF 2.32, tag 0x0112: which side of the scene row 0 and column 0 are."""
    image = Image.fromarray(STORED)
    exif = image.getexif()
    exif[0x0112] = orientation
    picture = read_picture(saved(image, tmp_path / "turned.png", exif=exif)).frames[0]
    assert picture.pixels[..., 0].tolist() == shown
    assert picture.format == "PNG"


def test_a_stream_is_read_like_a_file(tmp_path: Path) -> None:
    data = saved(Image.fromarray(COLOUR), tmp_path / "rgb.png").read_bytes()
    assert_picture(read_picture(io.BytesIO(data), "standard input").frames[0], COLOUR)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected a picture, got "),
        (b"hello, I am no picture", "expected a picture, got something else: convert it"),
        (b"\x89PNG\r\n\x1a\n", "expected a picture, got something else"),
    ],
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "no.png"
    path.write_bytes(content)
    with pytest.raises(ImageError) as raised:
        read_picture(path).frames[0]
    assert str(raised.value).startswith(f"{path}: {said}")
    with pytest.raises(ImageError, match=r"^standard input: expected a picture"):
        read_picture(io.BytesIO(content), "standard input").frames[0]


def test_a_stream_of_pictures_that_holds_floats_in_colour() -> None:
    """Pillow reads no PF: what is said names the file, and nothing of Python's."""
    data = b"P5 2 1 255\n\1\2" + b"PF 1 1 -1.0\n" + np.ones(3, "<f4").tobytes()
    with pytest.raises(ImageError, match=r"^in\.pnm: expected a picture, got something else: "):
        read_picture(io.BytesIO(data), "in.pnm")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "gif", "webp", "ppm"])
def test_a_file_cut_short_is_one_line_that_names_it(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(Image.fromarray(noise), tmp_path / f"cut.{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError) as raised:
        read_picture(path).frames[0]
    said = str(raised.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said


def test_a_png_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    """The last bytes hold checksums only: all pixels may be there without them."""
    whole = saved(Image.fromarray(COLOUR), tmp_path / "whole.png").read_bytes()
    refused = 0
    for length in range(len(whole)):
        try:
            picture = read_picture(io.BytesIO(whole[:length]), "cut").frames[0]
        except ImageError:
            refused += 1
        else:
            assert_picture(picture, COLOUR)
    assert refused > len(whole) // 2


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.png: no such file: check the path"):
        read_picture(tmp_path / "absent.png").frames[0]
    with pytest.raises(ImageError, match="got a folder: name a file in it"):
        read_picture(tmp_path).frames[0]


def test_a_path_may_be_text(tmp_path: Path) -> None:
    assert_picture(
        read_picture(str(saved(Image.fromarray(COLOUR), tmp_path / "a.png"))).frames[0], COLOUR
    )


# ------------------------------------------------------------------ folders


def test_suffixes_are_those_of_the_formats_that_pillow_reads() -> None:
    pillow = Image.registered_extensions()
    unread = {"EPS", "WMF", "PDF", "MPEG", "IPTC", "BUFR", "GRIB", "HDF5", "PALM"}
    wanted = {suffix: kind not in unread for suffix, kind in pillow.items()}
    assert {suffix: ReadPolicy().takes(suffix) for suffix in pillow} == wanted
    assert {name: ReadPolicy().takes(name) for name in (".npy", ".txt", "", ".PNG")} == {
        ".npy": True,
        ".txt": False,
        "": False,
        ".PNG": False,
    }
    assert ReadPolicy(allow_formats=frozenset({"EPS"})).takes(".eps")


def files_of_many_headers() -> Iterator[tuple[str, bytes]]:
    """Yield pictures whose headers say something else than their decoders at first sight."""
    photo = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(5, 12))
    for orientation in range(1, 9):
        exif = photo.getexif()
        exif[ExifTags.Base.Orientation] = orientation
        for name in ("JPEG", "PNG", "WEBP", "TIFF"):
            buffer = io.BytesIO()
            photo.save(buffer, name, exif=exif)
            yield f"{name} {orientation}", buffer.getvalue()
    for name in ("JPEG", "PNG", "WEBP"):
        buffer = io.BytesIO()
        photo.save(buffer, name, exif=b"Exif\0\0nothing that EXIF is")
        yield f"{name} with damaged EXIF", buffer.getvalue()
    deep = np.arange(40, dtype=np.uint16).reshape(2, 5, 4) * 1000
    for channels in (1, 2, 3, 4):
        buffer = io.BytesIO()
        samples = deep[..., :channels]
        picture = Frame(samples) if channels % 2 else picture_of_samples(samples)
        write_picture(picture, buffer, "PNG")
        yield f"PNG {channels}", buffer.getvalue()
    for letters, channels in (("P5", 1), ("P6", 3)):
        for largest in (255, 1000, 65_535):
            data = deep[..., :channels].astype(">u2" if largest > 255 else ">u1").tobytes()
            yield f"{letters} {largest}", f"{letters} 5 2 {largest}\n".encode() + data
    yield "P3", b"P3 1 2 1000\n" + b"7 " * 6
    buffer = io.BytesIO()
    np.save(buffer, deep.astype(">u2"))
    yield "npy", buffer.getvalue()


@pytest.mark.parametrize(
    "data", [pytest.param(data, id=name) for name, data in files_of_many_headers()]
)
def test_a_header_says_what_is_read(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(data)
    assert (
        header_of(tmp_path / "in", ReadPolicy())
        == read_picture(tmp_path / "in").frames[0].header
    )

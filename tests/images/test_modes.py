"""Every mode that Pillow reads: its pixels are those that Pillow's own conversion gives."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms

from convcli.choices import Depth
from convcli.cli.app import main
from convcli.images.codecs.pillow import MODES, picture_from
from convcli.images.read import read_picture
from support.format_cases import READ, Read

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (24, 20)


def colours(channels: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (20, 24, channels)).astype(np.uint8)


def image_in(mode: str) -> Image.Image:
    """An image of a mode, made without convcli."""
    if mode.startswith("I;16"):
        values = np.random.default_rng(6).integers(0, 65536, (20, 24))
        order = ">" if mode.endswith("B") else "<"
        return Image.frombytes(mode, SIZE, values.astype(f"{order}u2").tobytes())
    numbers: dict[str, NDArray[Any]] = {
        "F": np.linspace(-9, 300, 480, dtype=np.float32).reshape(20, 24),
        "I": np.arange(480, dtype=np.int32).reshape(20, 24) * 90_001 - 7,
    }
    if mode in numbers:
        return Image.fromarray(numbers[mode])
    if mode == "LAB":
        return Image.frombytes("LAB", SIZE, colours(3).tobytes())
    start = {"LA": _gray_alpha, "La": _gray_alpha, "P": _paletted, "PA": _paletted}
    channels = 4 if mode in ("RGBA", "RGBa") else 3
    image = start[mode]() if mode in start else Image.fromarray(colours(channels))
    return image if image.mode == mode else image.convert(mode)


def _gray_alpha() -> Image.Image:
    return Image.merge("LA", [Image.fromarray(colours(2)[..., i]) for i in (0, 1)])


def _paletted() -> Image.Image:
    return Image.fromarray(colours(3)).quantize(64)


def test_every_mode_of_pillow_is_in_the_table_and_tested() -> None:
    assert set(MODES) == set(Image.MODES) == {case.mode for case in READ}


@pytest.mark.parametrize("case", READ, ids=lambda case: case.mode)
def test_pixels_are_those_of_pillows_conversion(case: Read) -> None:
    image = image_in(case.mode)
    picture = picture_from(image, "x")
    assert picture.depth is Depth(case.depth)
    assert picture.channels == case.channels
    assert (picture.alpha is not None) == case.alpha
    if case.depth != "8":
        wanted = np.array([image.getpixel((x, y)) for y in range(20) for x in range(24)])
        np.testing.assert_array_equal(picture.pixels.ravel(), wanted)
        return
    target = ("L" if case.channels == 1 else "RGB") + "A" * case.alpha
    wanted = np.asarray(image.convert(target)).reshape(20, 24, -1)
    np.testing.assert_array_equal(picture.pixels, wanted[..., : case.channels])
    if case.alpha:
        np.testing.assert_array_equal(picture.alpha, wanted[..., -1])


@pytest.mark.parametrize("case", [case for case in READ if case.format], ids=lambda c: c.mode)
def test_files_of_the_mode_are_read_and_filtered(case: Read, tmp_path: Path) -> None:
    source = tmp_path / f"in.{case.format.lower()}"
    image_in(case.mode).save(source, format=case.format)
    document = read_picture(source)
    assert document.frames[0].depth is Depth(case.depth)
    assert document.mode.startswith(case.mode[:4])
    done = CliRunner().invoke(
        main, ["apply", "identity", str(source), str(tmp_path / "out.tif"), "--alpha", "keep"]
    )
    assert done.exit_code == 0, done.output
    out = read_picture(tmp_path / "out.tif").frames[0]
    kept = document.frames[0].pixels.astype(out.pixels.dtype)
    np.testing.assert_array_equal(out.pixels, kept)
    converted = document.mode not in ("L", "LA", "RGB", "RGBA")
    assert (f"from {document.mode}" in done.output) == converted


def test_a_transparent_palette_becomes_rgba(tmp_path: Path) -> None:
    image = image_in("P")
    image.save(tmp_path / "in.png", transparency=3)
    picture = read_picture(tmp_path / "in.png").frames[0]
    assert picture.channels == 3
    np.testing.assert_array_equal(picture.alpha == 0, np.asarray(image) == 3)


@pytest.mark.parametrize(("mode", "clear"), [("L", 7), ("RGB", (1, 2, 3)), ("I;16", 700)])
def test_a_transparent_colour_becomes_alpha(
    mode: str, clear: int | tuple[int, ...], tmp_path: Path
) -> None:
    image = image_in(mode)
    image.putpixel((4, 5), clear)
    image.save(tmp_path / "in.png", transparency=clear)
    picture = read_picture(tmp_path / "in.png").frames[0]
    assert picture.alpha is not None
    assert picture.alpha[5, 4] == 0
    assert picture.alpha.max() == (65_535 if mode == "I;16" else 255)


def test_a_16_bit_graymap_is_16_bits_not_32(tmp_path: Path) -> None:
    (tmp_path / "in.pgm").write_bytes(b"P5 2 1 65535\n\x12\x34\xff\xff")
    picture = read_picture(tmp_path / "in.pgm").frames[0]
    assert picture.depth is Depth.SIXTEEN
    assert picture.pixels.ravel().tolist() == [0x1234, 0xFFFF]


def test_cmyk_goes_through_its_own_profile(tmp_path: Path) -> None:
    # An RGB profile in place of a press's: that it is refused shows that it was tried,
    # and the plain formula (255 - C)(255 - K)/255 is what remains.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ink = Image.new("CMYK", (2, 2), (0, 255, 0, 0))
    ink.save(tmp_path / "in.tif", icc_profile=profile)
    document = read_picture(tmp_path / "in.tif")
    assert document.frames[0].pixels[0, 0].tolist() == [255, 0, 255]
    assert document.metadata.icc is None, "the profile is of inks: it must not go on with RGB"


def test_lab_white_and_gray_are_white_and_gray(tmp_path: Path) -> None:
    lab = Image.new("LAB", (2, 1), (255, 128, 128))
    lab.save(tmp_path / "in.tif")
    pixels = read_picture(tmp_path / "in.tif").frames[0].pixels
    assert pixels[0, 0].tolist() == pytest.approx([255, 255, 255], abs=1)

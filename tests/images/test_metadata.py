"""Profile, resolution, EXIF, orientation, linear light and the settings of encoders."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin

from convcli.cli.app import main
from support.commands import PHOTOS
from support.opening import opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def apply(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, ["apply", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def photo(path: Path, orientation: int = 1, subsampling: int = 0) -> None:
    """A photograph 48 wide and 32 high, red at its upper left, with all that cameras add."""
    pixels = np.full((32, 48, 3), 128, np.uint8)
    pixels[:16, :24] = (255, 0, 0)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Orientation] = orientation
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner |= {0x829A: 0.01, 0xA002: 48, 0xA003: 32, 0x9286: b"ASCII\0\0\0note"}
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    Image.fromarray(pixels).save(
        path,
        exif=exif,
        icc_profile=PROFILE,
        dpi=(240, 240),
        quality=95,
        subsampling=subsampling,
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
def test_what_cameras_say_arrives(suffix: str, tmp_path: Path) -> None:
    photo(tmp_path / "in.jpg")
    apply("identity", tmp_path / "in.jpg", tmp_path / f"out.{suffix}", "--stride", "2")
    out = opened(tmp_path / f"out.{suffix}")
    assert out.info["icc_profile"] == PROFILE
    exif = out.getexif()
    assert exif[ExifTags.Base.Make] == "Maker"
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    assert float(inner[0x829A]) == 0.01
    assert (inner[0xA002], inner[0xA003]) == (24, 16), "the size is the new one"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    if suffix in ("jpg", "png", "tif"):
        assert out.info["dpi"] == pytest.approx((240, 240), abs=0.02)


# Where the red upper left quarter goes, and whether width and height change places:
# TIFF 6.0, page 36.
TURNS = {
    1: (0, 0, False),
    2: (0, 1, False),
    3: (1, 1, False),
    4: (1, 0, False),
    5: (0, 0, True),
    6: (0, 1, True),
    7: (1, 1, True),
    8: (1, 0, True),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_pictures_stand_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    photo(tmp_path / f"in.{suffix}", orientation)
    apply("identity", tmp_path / f"in.{suffix}", tmp_path / "out.png")
    out = opened(tmp_path / "out.png")
    row, column, turned = TURNS[orientation]
    assert out.size == ((32, 48) if turned else (48, 32))
    assert ExifTags.Base.Orientation not in out.getexif()
    width, height = out.size
    pixels = np.asarray(out.convert("RGB"))
    quarters = {
        (r, c): pixels[height * (2 * r + 1) // 4, width * (2 * c + 1) // 4]
        for r in (0, 1)
        for c in (0, 1)
    }
    red = [place for place, (r, g, _) in quarters.items() if r > 200 and g < 60]
    assert red == [(row, column)]


def test_thumbnails_are_dropped(tmp_path: Path) -> None:
    photo(tmp_path / "plain.jpg")
    thumbnail = io.BytesIO()
    Image.new("RGB", (8, 8), "blue").save(thumbnail, "JPEG")
    block = bytearray(opened(tmp_path / "plain.jpg").info["exif"])
    tiff = block[6:]
    # A second directory at the end: where the thumbnail is, and how long.
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    number = int.from_bytes(tiff[8:10], order)
    link = 10 + 12 * number
    directory, data = len(tiff), len(tiff) + 2 + 24 + 4
    tiff[link : link + 4] = directory.to_bytes(4, order)
    tiff += (2).to_bytes(2, order)
    for tag, value in ((0x0201, data), (0x0202, len(thumbnail.getvalue()))):
        tiff += tag.to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order)
        tiff += value.to_bytes(4, order)
    tiff += bytes(4) + thumbnail.getvalue()
    image = opened(tmp_path / "plain.jpg")
    image.save(tmp_path / "in.jpg", exif=b"Exif\0\0" + bytes(tiff))
    assert thumbnail.getvalue() in (tmp_path / "in.jpg").read_bytes()
    apply("identity", tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert thumbnail.getvalue() not in (tmp_path / "out.jpg").read_bytes()
    assert opened(tmp_path / "out.jpg").getexif()[ExifTags.Base.Make] == "Maker"


def test_strip_drops_all(tmp_path: Path) -> None:
    photo(tmp_path / "in.jpg", orientation=6)
    for suffix in ("jpg", "png", "tif", "webp"):
        apply("identity", tmp_path / "in.jpg", tmp_path / f"out.{suffix}", "--strip")
        out = opened(tmp_path / f"out.{suffix}")
        assert out.size == (32, 48), "upright all the same"
        assert "icc_profile" not in out.info
        assert ExifTags.Base.Make not in out.getexif()
        assert out.info.get("dpi") in (None, (1, 1))


def test_a_colour_profile_does_not_go_with_grey(tmp_path: Path) -> None:
    photo(tmp_path / "in.jpg")
    said = apply("identity", tmp_path / "in.jpg", tmp_path / "out.png", "--gray").stderr
    assert "colour profile (for RGB, not for 1 channel)" in said
    out = opened(tmp_path / "out.png")
    assert out.mode == "L"
    assert "icc_profile" not in out.info


def test_a_profile_of_other_colours_is_told_by_its_space(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png", icc_profile=profile)
    said = apply("identity", tmp_path / "in.png", tmp_path / "out.png").stderr
    assert "colour profile (for Lab, not for RGB)" in said


def test_a_long_colour_profile_fits_a_jpeg(tmp_path: Path) -> None:
    """It is kept in several segments, which other metadata cannot be."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(70_000)
    Image.new("RGB", (8, 8)).save(tmp_path / "in.png", icc_profile=profile)
    assert apply("identity", tmp_path / "in.png", tmp_path / "out.jpg").exit_code == 0
    assert opened(tmp_path / "out.jpg").info["icc_profile"] == profile


def test_damaged_exif_is_dropped_with_a_warning(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(
        tmp_path / "in.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" * 3
    )
    done = apply("identity", tmp_path / "in.jpg", tmp_path / "out.png")
    assert opened(tmp_path / "out.png").size == (4, 4)
    assert "Traceback" not in done.output


def quantization(image: Image.Image) -> dict[int, list[int]]:
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    return image.quantization


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpegs_keep_their_subsampling_at_quality_95(subsampling: int, tmp_path: Path) -> None:
    photo(tmp_path / "in.jpg", subsampling=subsampling)
    apply("identity", tmp_path / "in.jpg", tmp_path / "out.jpg")
    out = opened(tmp_path / "out.jpg")
    assert JpegImagePlugin.get_sampling(out) == subsampling
    reference = io.BytesIO()
    opened(tmp_path / "in.jpg").save(reference, "JPEG", quality=95)
    assert quantization(out) == quantization(Image.open(reference))


def test_pictures_that_were_no_jpeg_keep_all_colours(tmp_path: Path) -> None:
    apply("identity", PHOTOS / "chelsea.png", tmp_path / "out.jpg")
    assert JpegImagePlugin.get_sampling(opened(tmp_path / "out.jpg")) == 0


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_a_lower_quality_is_smaller(suffix: str, tmp_path: Path) -> None:
    sizes = []
    for quality in ("20", "90"):
        target = tmp_path / f"{quality}.{suffix}"
        apply("identity", PHOTOS / "chelsea.png", target, "--quality", quality)
        sizes.append(target.stat().st_size)
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_higher_level_is_smaller_and_the_same_picture(suffix: str, tmp_path: Path) -> None:
    sizes = []
    for level in ("0", "9"):
        target = tmp_path / f"{level}.{suffix}"
        apply("identity", PHOTOS / "camera.png", target, "--compress-level", level)
        sizes.append(target.stat().st_size)
        np.testing.assert_array_equal(
            np.asarray(opened(target)), np.asarray(opened(PHOTOS / "camera.png"))
        )
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize(
    ("suffix", "option", "said"),
    [("png", "--quality", "no quality to set"), ("jpg", "--compress-level", "no level to set")],
)
def test_settings_that_a_format_has_not_are_an_error(
    suffix: str, option: str, said: str, tmp_path: Path
) -> None:
    target = str(tmp_path / f"out.{suffix}")
    done = CliRunner().invoke(
        main, ["apply", "identity", str(PHOTOS / "camera.png"), target, option, "5"]
    )
    assert done.exit_code == 1
    assert said in done.output


def test_webp_is_lossless_unless_told(tmp_path: Path) -> None:
    apply("identity", PHOTOS / "chelsea.png", tmp_path / "out.webp")
    got = np.asarray(opened(tmp_path / "out.webp"))
    np.testing.assert_array_equal(got, np.asarray(opened(PHOTOS / "chelsea.png")))


def test_linear_light_keeps_the_light_of_a_fine_pattern(tmp_path: Path) -> None:
    # Black and white lines seen from afar are half the light: code 188 (187.5), not 128.
    lines = np.zeros((20, 20), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).save(tmp_path / "in.png")
    kernel = '{"weights": [[1,2,1]], "divisor": 4}'
    apply(kernel, tmp_path / "in.png", tmp_path / "linear.png", "--linear")
    apply(kernel, tmp_path / "in.png", tmp_path / "plain.png")
    assert opened(tmp_path / "linear.png").getpixel((10, 10)) == 188
    assert opened(tmp_path / "plain.png").getpixel((10, 10)) == 128


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_linear_light_and_back_is_exact(dtype: type, tmp_path: Path) -> None:
    values: NDArray[Any] = np.arange(256, dtype=dtype).reshape(16, 16) * (
        257 if dtype is np.uint16 else 1
    )
    Image.fromarray(values.astype(dtype)).save(tmp_path / "in.png")
    apply("identity", tmp_path / "in.png", tmp_path / "out.png", "--linear")
    np.testing.assert_array_equal(np.asarray(opened(tmp_path / "out.png")), values)


def test_linear_edges_keep_their_sign(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0, 255, 255, 0, 0]], np.uint8)).save(tmp_path / "in.png")
    apply(
        "[[-1,0,1]]", tmp_path / "in.png", tmp_path / "out.png", "--linear", "--range", "shift"
    )
    out = np.asarray(opened(tmp_path / "out.png"))
    assert out.tolist() == [[128, 255, 255, 0, 0, 128]]


def test_linear_light_of_floats_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.ones((3, 3)))
    done = CliRunner().invoke(
        main, ["apply", "box:3", str(tmp_path / "in.npy"), str(tmp_path / "o.npy"), "--linear"]
    )
    assert done.exit_code == 1
    assert "leave --linear out" in done.output


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_recipe_stands_beside_the_place_where_a_photo_was_taken(
    suffix: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (51.0, 3.0, 15.0)}
    exif[ExifTags.IFD.Exif] = {0xA002: 9, 0x9003: "2026:11:30 12:00:00"}
    Image.new("RGB", (40, 30), "red").save(tmp_path / "in.jpg", exif=exif)
    apply("box", tmp_path / "in.jpg", tmp_path / f"out.{suffix}", "--record")
    with opened(tmp_path / f"out.{suffix}") as image:
        found = image.getexif()
        assert found.get_ifd(ExifTags.IFD.GPSInfo)[2] == (51.0, 3.0, 15.0)
        inner = found.get_ifd(ExifTags.IFD.Exif)
    assert (inner[0xA002], inner[0x9003]) == (40, "2026:11:30 12:00:00")
    assert b"# convcli recipe" in inner[0x9286]

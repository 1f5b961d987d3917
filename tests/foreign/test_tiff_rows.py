"""TIFFs that were once read wrongly without a word, and those that were refused in vain."""

import functools
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

import convcli
from convcli.errors import ConvcliError, ImageError
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from convcli.images.write import write_picture
from support.foreign import random_samples, tiff_bytes_of
from support.scenes import write_zarr


def read(data: bytes | None, **policy: Any) -> Any:
    assert data is not None
    return read_picture(io.BytesIO(data), "in.tif", ReadPolicy(**policy))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_big_tiff_may_be_big_endian(dtype: str) -> None:
    values = random_samples(dtype, (9, 11, 3))
    data = tiff_bytes_of(values, photometric="rgb", bigtiff=True, byteorder=">")
    np.testing.assert_array_equal(read(data).frames[0].pixels, values)


def test_uint32_is_exact_in_float64() -> None:
    values = np.array([[[0], [2**31], [2**32 - 1]]], np.uint32)
    frame = read(tiff_bytes_of(values, photometric="minisblack")).frames[0]
    assert frame.pixels.dtype == np.float64
    assert frame.pixels[0, :, 0].tolist() == [0, 2147483648, 4294967295]


def test_int8_has_its_sign() -> None:
    values = np.arange(-128, 128, dtype=np.int8).reshape(16, 16, 1)
    frame = read(tiff_bytes_of(values, photometric="minisblack")).frames[0]
    np.testing.assert_array_equal(frame.pixels, values)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_white_is_zero_is_inverted_at_every_depth(dtype: str) -> None:
    values = random_samples(dtype, (9, 11, 1))
    frame = read(tiff_bytes_of(values, photometric="miniswhite")).frames[0]
    white = np.iinfo(dtype).max
    assert frame.pixels.ravel().tolist() == [white - value for value in values.ravel().tolist()]


def test_whole_numbers_that_no_float_holds_are_refused() -> None:
    values = np.array([[[2**53 + 1]]], np.uint64)
    with pytest.raises(ImageError, match=r"whole numbers beyond 2\^53"):
        read(tiff_bytes_of(values, photometric="minisblack"))


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 + 1])
def test_whole_numbers_that_a_float_rounds_are_refused_everywhere(
    number: int, tmp_path: Path
) -> None:
    array = np.array([[number, 1]], np.uint64 if number > 0 else np.int64)
    beyond = r"whole numbers up to 2\^53"
    np.save(tmp_path / "in.npy", array)
    (tmp_path / "in.csv").write_text(f"{number},1\n")
    (tmp_path / "in.json").write_text(f"[[{number},1]]")
    sources: list[Any] = [array, f"[[{number},1]]", *sorted(tmp_path.iterdir())]
    for source in sources:
        with pytest.raises(ConvcliError, match=beyond):
            convcli.apply("identity", source)
    with pytest.raises(ConvcliError, match=beyond):
        convcli.apply_tiled(
            "identity", write_zarr(tmp_path / "in.zarr", array), str(tmp_path / "out.tif")
        )


def test_whole_numbers_that_a_float_holds_are_read_as_they_are(tmp_path: Path) -> None:
    for number in (2**53, -(2**53), 2**53 + 2, 10**20):
        (tmp_path / "in.csv").write_text(f"{number},1\n")
        (tmp_path / "in.json").write_text(f"[[{number},null]]")
        for name in ("in.csv", "in.json"):
            assert read_picture(tmp_path / name).array[0, 0] == number


@pytest.mark.parametrize(
    ("dtype", "number"), [("i8", -(2**63)), ("i8", 2**53 + 2), ("u8", 2**63), ("u8", 2**53)]
)
def test_large_numbers_of_arrays_that_a_float_holds_are_read(
    dtype: str, number: int, tmp_path: Path
) -> None:
    """The least number of a type often stands for no data."""
    array = np.array([[number, 1]], dtype)
    np.save(tmp_path / "in.npy", array)
    tifffile.imwrite(tmp_path / "in.tif", array)
    for source in (array, tmp_path / "in.npy", tmp_path / "in.tif"):
        assert convcli.apply("identity", source).array.tolist() == [[number, 1]]
    zarr_source = write_zarr(tmp_path / "in.zarr", array)
    convcli.apply_tiled("identity", zarr_source, str(tmp_path / "out.zarr"))
    made = zarr.open_array(tmp_path / "out.zarr")[...]
    assert np.asarray(made).tolist() == [[number, 1]]


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_a_file_that_names_fewer_places_than_it_has_is_refused(
    dtype: str, tile: tuple[int, int] | None
) -> None:
    place = {"rowsperstrip": 4} if tile is None else {"tile": tile}
    data = tiff_bytes_of(random_samples(dtype, (40, 40, 1)), photometric="minisblack", **place)
    assert data is not None
    for tag in (273, 279) if tile is None else (324, 325):
        data = _with_count(data, tag, 3)
    with pytest.raises(ImageError, match=r"truncated.*--allow-truncated"):
        read(data)
    part = read(data, allow_truncated=True).frames[0].pixels
    assert part[:4].any()
    assert not part[32:].any()


def _with_count(data: bytes, tag: int, count: int) -> bytes:
    """Return a little-endian TIFF in which a tag of its directory has fewer numbers."""
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    changed = bytearray(data)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, at)[0] == tag:
            struct.pack_into("<I", changed, at + 4, count)
    return bytes(changed)


@pytest.mark.parametrize("bands", [5, 7])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
def test_many_bands_are_all_read(dtype: str, bands: int) -> None:
    values = random_samples(dtype, (9, 11, bands))
    frame = read(tiff_bytes_of(values, photometric="minisblack")).frames[0]
    np.testing.assert_array_equal(frame.pixels, values)


def test_cmyk_of_16_bits_keeps_them() -> None:
    inks = random_samples("u2", (9, 11, 4))
    frame = read(tiff_bytes_of(inks, photometric="separated")).frames[0]
    assert frame.pixels.dtype == np.uint16
    c, m, y, k = (65535 - inks.astype(float)).transpose(2, 0, 1) / 65535
    expected = np.rint(65535 * np.dstack([c * k, m * k, y * k]))
    np.testing.assert_array_equal(frame.pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pixels_are_turned_as_opencv_turns_them(orientation: int) -> None:
    values = random_samples("u2", (5, 7, 3))
    extratags = [(274, "H", 1, orientation, True)]
    data = tiff_bytes_of(values, photometric="rgb", extratags=extratags)
    assert data is not None
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert expected is not None
    np.testing.assert_array_equal(read(data).frames[0].pixels, expected[..., ::-1])


def test_colours_that_were_multiplied_by_their_opacity_are_divided() -> None:
    values = np.array([[[100, 200, 300, 32768], [0, 0, 0, 0], [7, 8, 9, 65535]]], np.uint16)
    frame = read(tiff_bytes_of(values, photometric="rgb", extrasamples=["assocalpha"])).frames[
        0
    ]
    assert frame.alpha.tolist() == [[32768, 0, 65535]]
    assert frame.pixels.tolist() == [[[200, 400, 600], [0, 0, 0], [7, 8, 9]]]


@pytest.mark.parametrize("place", ["contig", "separate"])
def test_an_opacity_between_other_bands_stays_the_opacity(place: str) -> None:
    values = random_samples("u1", (5, 7, 6))
    settings = {"photometric": "rgb", "planarconfig": place, "extrasamples": [2, 0, 0]}
    frame = read(tiff_bytes_of(values, **settings)).frames[0]
    np.testing.assert_array_equal(frame.alpha, values[..., 3])
    np.testing.assert_array_equal(frame.pixels, values[..., [0, 1, 2, 4, 5]])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_fourth_sample_without_a_meaning_is_said_to_be_left_out(dtype: str) -> None:
    values = random_samples(dtype, (5, 7, 4))
    picture = read(tiff_bytes_of(values, photometric="rgb", extrasamples=[0]))
    np.testing.assert_array_equal(picture.frames[0].pixels, values[..., :3])
    assert picture.notes == (
        "the fourth sample of a pixel has no stated meaning: it is left out",
    )


def test_pages_of_different_depths_are_all_read() -> None:
    buffer = io.BytesIO()
    pages = [random_samples(dtype, (8, 9, 1))[..., 0] for dtype in ("f8", "u1", "u2", "i1")]
    with tifffile.TiffWriter(buffer) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", metadata=None)
    picture = read(buffer.getvalue())
    for frame, page in zip(picture.frames, pages, strict=True):
        np.testing.assert_array_equal(frame.pixels[..., 0], page)
    second = read(buffer.getvalue(), frame=3)
    np.testing.assert_array_equal(second.frames[0].pixels[..., 0], pages[3])


def test_header_and_mode_are_those_of_the_page_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as writer:
        for rows, dtype in enumerate(("u1", "u4", "u1"), 8):
            values = random_samples(dtype, (rows, 9))
            writer.write(values, photometric="minisblack", metadata=None)
    for frame, rows, mode in ((None, 8, "L"), (0, 8, "L"), (1, 9, "I"), (2, 10, "L")):
        policy = ReadPolicy(frame=frame)
        picture, header = read_picture(path, None, policy), header_of(path, policy)
        assert picture.mode == mode
        assert header is not None
        assert header.shape == picture.frames[0].header.shape == (rows, 9, 1)
    assert header_of(path, ReadPolicy(frame=3)) is None


def test_three_samples_without_a_photometric_are_red_green_and_blue() -> None:
    values = random_samples("u1", (8, 9, 3))
    data = tiff_bytes_of(values, photometric="rgb")
    assert data is not None
    # Tag 261 is nobody's.
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    silent = data[:at] + struct.pack("<H", 261) + data[at + 2 :]
    np.testing.assert_array_equal(read(silent).array, values)


def test_a_volume_is_refused_not_read_as_its_first_layer() -> None:
    buffer = io.BytesIO()
    layers = random_samples("u1", (5, 16, 16))
    tifffile.imwrite(buffer, layers, volumetric=True, metadata=None)
    with pytest.raises(ImageError, match="with 5 layers is not read"):
        read(buffer.getvalue())


def test_advice_on_complex_numbers_harms_nothing() -> None:
    with pytest.raises(ImageError) as error:
        read(tiff_bytes_of(random_samples("c8", (5, 7, 1)), photometric="minisblack"))
    assert "PNG" not in str(error.value)


# ------------------------------------------------------------------ bombs

_HUGE = 2**28
_PACK: dict[int, Any] = {
    8: zlib.compress,
    34_925: functools.partial(imagecodecs.lzma_encode, level=0),
    50_000: imagecodecs.zstd_encode,
}
_PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**29, 3 * 2**29))
if {hide}:
    sys.modules["imagecodecs"] = None
from convcli.__main__ import run
sys.argv = ["convcli", "apply", "box:3", "in.tif", "out.tif", *{options}]
try:
    run()
finally:
    # Not what the system says of a child: that begins with the memory of its parent.
    lines = open("/proc/self/status").read().splitlines()
    print(*[line.split()[1] for line in lines if line.startswith("VmHWM")], file=sys.stderr)
"""


@functools.cache
def packed_zeros(compression: int) -> bytes:
    """Return 256 MiB of zeros, packed."""
    return bytes(_PACK[compression](bytes(_HUGE)))


def bomb(folder: Path, compression: int, tile: tuple[int, int] | None) -> None:
    """Write a picture of 64 × 64 px whose first strip or tile unpacks to 256 MiB."""
    place: dict[str, Any] = {"rowsperstrip": 64} if tile is None else {"tile": tile}
    packed = packed_zeros(compression)
    path = folder / "in.tif"
    tifffile.imwrite(path, np.ones((64, 64), np.uint8), compression=8, metadata=None, **place)
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        where, size, kind = (
            page.tags[tag].valueoffset
            for tag in (*((273, 279) if tile is None else (324, 325)), 259)
        )
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, where, len(data))
    struct.pack_into("<I", data, size, len(packed))
    struct.pack_into("<H", data, kind, compression)
    path.write_bytes(bytes(data) + packed)


@pytest.mark.slow
@pytest.mark.parametrize("hide", [False, True], ids=["imagecodecs", "without"])
@pytest.mark.parametrize(
    "options", [["--tiled", "--memory", "64M"], []], ids=["tiled", "whole"]
)
@pytest.mark.parametrize("compression", sorted(_PACK))
def test_a_bomb_takes_no_more_memory_than_its_block(
    compression: int, options: list[str], *, hide: bool, tmp_path: Path
) -> None:
    bomb(tmp_path, compression, (64, 64) if options else None)
    program = _PROGRAM.format(hide=hide, options=options)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.splitlines()[-1]) < 220_000, f"{done.stderr} KiB"
    result = read_picture(tmp_path / "out.tif").array
    assert not result.any()


def test_a_tile_that_is_a_larger_picture_is_refused(tmp_path: Path) -> None:
    jpeg = imagecodecs.jpeg8_encode(np.zeros((4096, 4096), np.uint8))
    path = tmp_path / "in.tif"
    tifffile.imwrite(
        path, np.ones((64, 64), np.uint8), compression=8, tile=(64, 64), metadata=None
    )
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        where, size, kind = (page.tags[tag].valueoffset for tag in (324, 325, 259))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, where, len(data))
    struct.pack_into("<I", data, size, len(jpeg))
    struct.pack_into("<H", data, kind, 7)
    path.write_bytes(bytes(data) + jpeg)
    from convcli.kernels.kernel import Kernel
    from convcli.pipeline.options import Options
    from support.scenes import filter_large

    with pytest.raises(ConvcliError, match=r"a tile of 64 × 64 px holds 4096 × 4096 px"):
        filter_large([Kernel([[1.0]])], str(path), str(tmp_path / "out.tif"), Options())
    assert not (tmp_path / "out.tif").exists()


def test_numbers_beyond_float32_are_refused_where_files_hold_only_those(tmp_path: Path) -> None:
    picture = read(tiff_bytes_of(np.full((3, 4, 1), 1e300), photometric="minisblack"))
    with pytest.raises(ImageError, match=r"32-bit floats, up to 3\.4e\+38: write \.npy"):
        write_picture(picture, tmp_path / "out.tif", "TIFF")
    write_picture(picture, tmp_path / "out.npy", "NPY")
    assert np.load(tmp_path / "out.npy").max() == 1e300


@pytest.mark.parametrize(
    ("values", "said"),
    [([[1 + 1e-12, 2.0]], True), ([[0.5, 2.0]], False), ([[2**32 - 1, 0]], True)],
)
def test_digits_that_a_tiff_does_not_hold_are_told(
    values: list[list[float]], *, said: bool, tmp_path: Path
) -> None:
    array = np.array(values, np.uint32 if values[0][0] > 2**31 else np.float64)
    tifffile.imwrite(tmp_path / "in.tif", array, metadata=None)
    result = convcli.apply("identity", tmp_path / "in.tif")
    assert np.array_equal(result.array, array)
    report = result.save(tmp_path / "out.tif")
    assert any("rounded to 7 digits" in text for text in report.warnings) is said
    assert not any("digits" in text for text in result.save(tmp_path / "out.npy").warnings)

"""HEIC and JPEG XL: by their packages, or an error with the line that installs them."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from click.testing import CliRunner

from convcli.cli.app import main
from convcli.errors import ImageError
from convcli.images.read import read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)


def heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB", size=(24, 16), data=PIXELS.tobytes()).save(
        buffer, quality=-1, chroma=444, matrix_coefficients=0
    )
    return buffer.getvalue()


def test_heic_is_what_its_own_reader_says() -> None:
    data = heic()
    expected = np.asarray(pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True))
    np.testing.assert_array_equal(read_picture(io.BytesIO(data), "a.heic").array, expected)


def test_heic_of_10_bits_is_said_to_lose_two() -> None:
    buffer = io.BytesIO()
    deep = PIXELS.astype(np.uint16) * 257
    pillow_heif.from_bytes(mode="RGB;16", size=(24, 16), data=deep.tobytes()).save(buffer)
    picture = read_picture(io.BytesIO(buffer.getvalue()), "a.heic")
    assert picture.notes == ("colours of 10 bits are read with 8 bits",)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_jxl_keeps_all_bits(dtype: str) -> None:
    scale = {"u1": 1, "u2": 257, "f4": 1 / 255}[dtype]
    values = (PIXELS.astype(float) * scale).astype(dtype)
    data = imagecodecs.jpegxl_encode(values, lossless=True)
    got = read_picture(io.BytesIO(data), "a.jxl").array
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, values)


@pytest.mark.parametrize(("name", "module"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_without_the_package_the_line_that_installs_it(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    data = heic() if name == "HEIF" else imagecodecs.jpegxl_encode(PIXELS)
    with pytest.raises(ImageError, match=r"pip install '\.\[formats\]'"):
        read_picture(io.BytesIO(data), "a")


def batch(folder: Path, *options: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(
        main,
        [
            "apply",
            "box:3",
            str(folder),
            f"--out-dir={folder / 'out'}",
            "--format=png",
            *options,
        ],
    )
    return done.exit_code, done.stdout, done.stderr


def test_a_batch_counts_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.HEIC").write_bytes(heic())
    (tmp_path / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(PIXELS))
    for name in ("c.txt", "d.txt", "e"):
        (tmp_path / name).write_text("no picture")
    status, shown, _ = batch(tmp_path, "--json")
    summary = json.loads(shown.splitlines()[-1])["summary"]
    assert (status, summary["done"]) == (0, 2)
    assert summary["left_out"] == {".txt": 2, "without a suffix": 1}
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    status, _, error = batch(tmp_path)
    assert status in (1, 2)
    assert error.count("\n") == 1
    assert "got none, but 2 .txt, 1 .heic, 1 .jxl" in error.replace("1 without a suffix, ", "")
    assert "pip install '.[formats]'" in error


def avif(bits: int) -> bytes:
    deep = PIXELS.astype(np.uint16) << 2 if bits == 10 else PIXELS
    return bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=bits))


@pytest.mark.parametrize(("bits", "said"), [(8, False), (10, True)])
def test_avif_of_10_bits_is_said_to_lose_two(bits: int, *, said: bool) -> None:
    picture = read_picture(io.BytesIO(avif(bits)), "a.avif")
    assert (picture.notes == ("colours of 10 bits are read with 8 bits",)) is said
    assert np.abs(picture.array.astype(int) - PIXELS).max() <= 1


def test_a_gain_map_of_an_avif_is_said_to_be_dropped() -> None:
    # The item that names it, with no XMP beside: as libavif writes it.
    data = avif(8) + b"\0\0\0\x20free\0\0\0\x02\0\0tmapGMap".ljust(32, b"\0")
    assert read_picture(io.BytesIO(data), "a.avif").notes == ("the gain map is dropped",)


def test_further_pictures_of_a_heic_are_said_to_be_left_out() -> None:
    heif = pillow_heif.HeifFile()  # type: ignore[no-untyped-call]
    for _ in range(2):
        heif.add_frombytes(mode="RGB", size=(24, 16), data=PIXELS.tobytes())
    buffer = io.BytesIO()
    heif.save(buffer, quality=-1)
    notes = read_picture(io.BytesIO(buffer.getvalue()), "a.heic").notes
    assert notes == ("1 further picture in the file: only the first is read",)


@pytest.mark.parametrize(
    ("bits", "channels", "said"), [(16, 3, True), (12, 3, True), (8, 3, False), (16, 1, False)]
)
def test_jpeg_2000_of_deep_colours_is_said_to_lose_bits(
    bits: int, channels: int, *, said: bool
) -> None:
    values: np.ndarray[Any, Any] = PIXELS[..., :channels].astype(
        np.uint16 if bits > 8 else np.uint8
    )
    values = np.left_shift(values, bits - 8)
    data = imagecodecs.jpeg2k_encode(
        values.squeeze(), level=0, reversible=True, bitspersample=bits
    )
    picture = read_picture(io.BytesIO(data), "a.jp2")
    assert picture.notes == ((f"colours of {bits} bits are read with 8 bits",) if said else ())
    np.testing.assert_array_equal(
        picture.array.reshape(PIXELS[..., :channels].shape),
        np.right_shift(values, (bits - 8) * said),
    )


def test_the_first_frame_of_a_jxl_is_read_and_the_others_are_said_to_be_left_out() -> None:
    frames = np.stack([PIXELS, 255 - PIXELS, PIXELS // 2])
    data = bytes(imagecodecs.jpegxl_encode(frames, lossless=True))
    picture = read_picture(io.BytesIO(data), "a.jxl")
    np.testing.assert_array_equal(picture.array, PIXELS)
    assert picture.notes == ("the first of 3 frames is read, the others are left out",)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_palette_of_a_jpeg_2000_keeps_colours_that_stand_in_it_twice(
    order: tuple[int, ...],
) -> None:
    indices = np.arange(64, dtype=np.uint8).reshape(8, 8) % 4
    colours = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [9, 80, 7]], np.uint8)
    coded = bytes(imagecodecs.jpeg2k_encode(indices, level=0, codecformat="j2k"))
    palette = box(b"pclr", struct.pack(">HB", 4, 3) + bytes([7, 7, 7]) + colours.tobytes())
    columns = box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, n) for n in range(3)))
    named = b"".join(struct.pack(">HHH", n, 0, 1 + order[n]) for n in range(3))
    size = box(b"ihdr", struct.pack(">IIHBBBB", 8, 8, 1, 7, 7, 0, 0))
    space = box(b"colr", struct.pack(">BBBI", 1, 0, 0, 16))
    data = (
        box(b"jP  ", b"\r\n\x87\n")
        + box(b"ftyp", b"jp2 " + bytes(4) + b"jp2 ")
        + box(b"jp2h", size + space + palette + columns + box(b"cdef", b"\0\x03" + named))
        + box(b"jp2c", coded)
    )
    expected = imagecodecs.jpeg2k_decode(data)
    assert expected.tolist() == colours[:, np.argsort(order)][indices].tolist()
    np.testing.assert_array_equal(read_picture(io.BytesIO(data), "a.jp2").array, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_sgi_of_16_bits_is_said_to_lose_eight(channels: int) -> None:
    values = (np.arange(24).reshape(channels, -1, 4) * 2741).astype(">u2")
    head = struct.pack(">HBBHHHH", 474, 0, 2, 2 + (channels > 1), 4, values.shape[1], channels)
    picture = read_picture(io.BytesIO(head.ljust(512, b"\0") + values.tobytes()), "a.sgi")
    assert picture.notes == ("colours of 16 bits are read with 8 bits",)
    expected = np.moveaxis(values[:, ::-1] >> 8, 0, 2)
    np.testing.assert_array_equal(picture.frames[0].samples, expected)

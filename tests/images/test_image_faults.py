"""A damaged file is one line; a bug of our own is never called a damaged file."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin, TiffTags

from convcli.errors import ImageError
from convcli.images.policy import ReadPolicy, decoder_errors
from convcli.images.read import header_of, read_picture

VALUES = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)


def encoded(format_name: str, values: Any = VALUES, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format_name, **settings)
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, VALUES)
    return buffer.getvalue()


OURS: dict[str, Callable[[], bytes]] = {
    "read._document": lambda: encoded("PNG"),
    "read.frames_to_read": lambda: encoded("PNG"),
    "policy.open_image": lambda: encoded("PNG"),
    "read.metadata_of": lambda: encoded("JPEG"),
    "read.frame_of": lambda: encoded("JPEG"),
    "codecs.pillow.picture_from": lambda: encoded("BMP"),
    "codecs.pillow.deep_rawmode": lambda: encoded("PNG"),
    "codecs.gif.has_end_mark": lambda: encoded("GIF"),
    "codecs.numbers.read_netpbm": lambda: encoded("PPM"),
    "codecs.numbers.read_array": array,
    "codecs.tiff_pages.tiff_pages": lambda: encoded("TIFF"),
    "codecs.tiff_segments.decoded_page": lambda: encoded("TIFF", VALUES[..., 0].astype("f4")),
    "metadata.metadata_from": lambda: encoded("PNG", icc_profile=bytes(200)),
    "codecs.pillow.picture_of_samples": lambda: encoded("PNG"),
    "read.check_pixels": lambda: encoded("PNG"),
}
"""Our own functions on the way from a file to its pixels, and a file that passes each."""


@pytest.mark.parametrize("bug", [TypeError, KeyError, AttributeError, RuntimeError, ValueError])
@pytest.mark.parametrize("place", OURS)
def test_a_bug_of_our_own_surfaces(
    place: str, bug: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise bug("a bug")

    data = OURS[place]()
    monkeypatch.setattr(f"convcli.images.{place}", broken)
    with pytest.raises(bug, match="a bug"):
        read_picture(io.BytesIO(data), "stream")


def test_a_bug_in_reading_a_header_surfaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr("convcli.images.codecs.pillow.deep_rawmode", None)
    with pytest.raises(TypeError):
        header_of(tmp_path / "in.png", ReadPolicy())


@pytest.mark.parametrize("error", [TypeError, KeyError, AttributeError, RuntimeError])
@pytest.mark.parametrize("method", ["load", "getexif", "seek"])
def test_what_a_decoder_raises_is_the_fault_of_the_file(
    method: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise error("odd bytes")

    frames = [Image.fromarray(VALUES), Image.fromarray(VALUES[::-1])]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    monkeypatch.setattr(PngImagePlugin.PngImageFile, method, damaged)
    if method == "getexif":  # the picture is whole, and its metadata is dropped
        assert read_picture(buffer, "stream").notes == (
            "the EXIF data is damaged: it is dropped",
        )
        return
    with pytest.raises(ImageError, match=r"^stream: the picture cannot be read: .*odd bytes"):
        read_picture(buffer, "stream")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"IDAT", b"IDAT\xff", 1),
        lambda data: data[:20] + bytes(20) + data[40:],
    ],
)
def test_a_damaged_file_is_one_line(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ImageError, match=r"\Astream: [^\n]*\Z"):
        read_picture(io.BytesIO(damage(encoded("PNG"))), "stream")


def deep_tiff(**changes: object) -> bytes:
    """A TIFF of floats in colour, which our own code reads; tags can be replaced."""
    samples = np.ones((2, 3, 3), "<f4").tobytes()
    tags = {
        "ImageWidth": 3,
        "ImageLength": 2,
        "BitsPerSample": (32, 32, 32),
        "Compression": 1,
        "PhotometricInterpretation": 2,
        "StripOffsets": 0,
        "SamplesPerPixel": 3,
        "StripByteCounts": len(samples),
        "SampleFormat": (3, 3, 3),
        **changes,
    }
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    numbers = {TiffTags.lookup(tag).name: tag for tag in range(254, 700)}
    for name, value in tags.items():
        if value is not None:
            if not isinstance(value, int | tuple):
                directory.tagtype[numbers[name]] = 12 if isinstance(value, float) else 2
            directory[numbers[name]] = value
    # Pillow adds the end of the directory to the offset of the strip.
    return b"II*\0\x08\0\0\0" + directory.tobytes(8) + samples


def test_a_tiff_of_floats_is_read() -> None:
    document = read_picture(io.BytesIO(deep_tiff()), "stream")
    assert document.frames[0].pixels.tolist() == np.ones((2, 3, 3)).tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"StripOffsets": None},
        {"StripOffsets": 1.5},
        {"StripOffsets": 2**32 - 1000},
        {"StripByteCounts": 3},
        {"StripByteCounts": "many"},
        {"ImageWidth": None},
        {"ImageWidth": 0},
        {"ImageLength": "two"},
        {"Compression": 8},
        {"Compression": "zip"},
        {"SampleFormat": "float"},
    ],
)
def test_a_tiff_of_floats_with_odd_tags_is_one_line(changes: dict[str, object]) -> None:
    with pytest.raises(ImageError, match=r"\Astream: [^\n]*\Z"):
        read_picture(io.BytesIO(deep_tiff(**changes)), "stream")


@pytest.mark.parametrize(
    "shape", ["(5,)", "()", "(-3, 3)", "(0, 3)", "(1, 1, 1000000000000000000000000000000)"]
)
def test_odd_shapes_of_arrays_are_one_line(shape: str, tmp_path: Path) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)
    with pytest.raises(ImageError, match=r"\Astream: [^\n]*\Z"):
        read_picture(io.BytesIO(data), "stream")
    (tmp_path / "a.npy").write_bytes(data)
    header_of(tmp_path / "a.npy", ReadPolicy())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_each_version_of_npy_is_read(version: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([[1.5, 2], [3, 4]]), version=version)
    buffer.seek(0)
    assert read_picture(buffer, "stream").array.tolist() == [[1.5, 2], [3, 4]]


@pytest.mark.parametrize(
    ("version", "header", "said"),
    [
        (b"\x04\x00", b"{}\n", "expected format 1.0, 2.0 or 3.0, got 4.0"),
        (b"\x01\x00", b"f(x)\n", "malformed node or string on line 1"),
    ],
)
def test_what_is_wrong_with_a_npy_is_said_in_words(
    version: bytes, header: bytes, said: str
) -> None:
    data = b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header
    with pytest.raises(ImageError) as caught:
        read_picture(io.BytesIO(data), "stream")
    assert str(caught.value) == f"stream: the array cannot be read: {said}"


def test_the_message_of_a_decoder_is_kept() -> None:
    with pytest.raises(OSError, match=r"^ValueError$"), decoder_errors():
        raise ValueError

"""Pictures through Pillow's decoders and encoders, with all the bits that they have."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from convcli.errors import ImageError
from convcli.images.metadata import describes_gain_map, iptc_segment, save_settings
from convcli.images.picture import Frame, Metadata, Pixels, picture_of_samples
from convcli.images.policy import decoder_errors, one_line

_TURN = Image.Transpose
_TURNS = {  # the turn that makes a picture upright, by EXIF orientation
    2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90,
}  # fmt: skip


def frame_of(file: BinaryIO, opened: ImageFile, label: str) -> tuple[Frame, tuple[str, ...]]:
    """Decode the current frame of a file that Pillow has opened; note what Pillow drops."""
    frame, notes = _without_pillow(file, opened)
    if frame is not None:
        return frame, notes
    _scale_transparency(opened)
    rawmode = deep_rawmode(opened)
    if rawmode in _SUPPORTED and not _is_animated(opened):
        return _decoded_twice(file, opened, rawmode), ()
    frame = picture_from(_upright(opened), label)
    if rawmode is None:
        return frame, _left(file, opened)
    return frame, (f"16-bit colours ({rawmode[:-1]}) are read with 8 bits",)


def _left(file: BinaryIO, opened: ImageFile) -> tuple[str, ...]:
    """Return notes on what Pillow leaves out of a HEIC, AVIF, JP2 or SGI without saying so."""
    bits, notes = opened.info.get("bit_depth", _BYTE), []
    data = b""
    if opened.format in ("AVIF", "JPEG2000"):
        file.seek(0)
        data = file.read()
    if opened.format == "JPEG2000" and opened.mode != "I;16":
        bits = 1 + (_byte_after(_SIZES_2000, 42, data) & 0x7F)
    if opened.format == "SGI":
        file.seek(3)
        bits = _BYTE * file.read(1)[0]
    if opened.format == "AVIF":
        flags = _byte_after(_AV1_SETTINGS, 6, data)
        bits = (12 if flags & 0x20 else 10) if flags & 0x40 else _BYTE
        said = describes_gain_map(opened.info)
        notes = ["the gain map is dropped"] if _TONE_MAP in data and not said else []
    if bits > _BYTE:
        notes.append(f"colours of {bits} bits are read with 8 bits")
    return tuple(notes)


def _byte_after(mark: bytes, steps: int, data: bytes) -> int:
    """Return the byte some steps after the beginning of a mark; 0 where it is missing."""
    at = data.find(mark)
    return data[at + steps] if 0 <= at < len(data) - steps else 0


def _scale_transparency(opened: ImageFile) -> None:
    """Scale the transparent grey of a PNG as its pixels: Pillow leaves it with 2 or 4 bits."""
    rawmode = opened.tile[0].args if opened.tile else None
    grey = opened.info.get("transparency")
    if opened.format == "PNG" and rawmode in _FEW_BITS and isinstance(grey, int):
        opened.info["transparency"] = grey * _FEW_BITS[rawmode]


def _without_pillow(file: BinaryIO, opened: ImageFile) -> tuple[Frame | None, tuple[str, ...]]:
    """Read what is read better without Pillow, with notes; None for anything else."""
    if opened.format == "PPM":
        from convcli.images.codecs.numbers import read_netpbm

        return read_netpbm(file, opened), ()
    if opened.format == "JXL":
        return _jxl(file, opened.size)
    if opened.format == "JPEG2000" and opened.mode == "P":
        return _palette_2000(file, opened), ()
    return None, ()


def _palette_2000(file: BinaryIO, opened: ImageFile) -> Frame:
    """Read a JPEG 2000 with a palette: Pillow joins equal colours, and so shifts the others."""
    file.seek(0)
    data = file.read()
    at = data.find(_PALETTE_2000) + len(_PALETTE_2000)
    count, channels = int.from_bytes(data[at : at + 2], "big"), data[at + 2]
    start = at + 3 + channels
    colours = data[start : start + count * channels]
    if {*data[at + 3 : start]} != {_BYTE - 1} or len(colours) < count * channels:
        raise OSError("a palette of other than 8 bits is not read")
    with decoder_errors():
        indices = np.asarray(opened)
    if indices.max() >= count:
        raise OSError("a colour is not in the palette")
    palette = np.frombuffer(colours, np.uint8).reshape(count, channels)
    return picture_of_samples(palette[:, _order_2000(data, channels)][indices])


def _order_2000(data: bytes, channels: int) -> list[int]:
    """Return the channels in the order red, green, blue: a file may have them in another."""
    at = data.find(_CHANNELS_2000)
    if at < 0:
        return list(range(channels))
    numbers = np.frombuffer(data[at + 6 : at + 6 + 6 * channels], ">u2").reshape(-1, 3)
    order = {int(colour) - 1: int(channel) for channel, kind, colour in numbers if not kind}
    if sorted(order) != list(range(channels)) or sorted(order.values()) != sorted(order):
        raise OSError("a palette with an opacity is not read")
    return [order[colour] for colour in range(channels)]


def _jxl(file: BinaryIO, size: tuple[int, int]) -> tuple[Frame | None, tuple[str, ...]]:
    """Read a JPEG XL of more than 8 bits, or of several frames: its plugin drops the rest."""
    try:
        import imagecodecs
    except ImportError:
        return None, ()
    file.seek(0)
    with decoder_errors():
        values = imagecodecs.jpegxl_decode(file.read())
    notes: tuple[str, ...] = ()
    if values.shape[1:3] == size[::-1]:
        notes = (f"the first of {values.shape[0]} frames is read, the others are left out",)
        values = values[0]
    elif values.dtype == np.uint8:
        return None, ()
    samples = values if values.dtype.kind == "u" else values.astype(np.float32)
    return picture_of_samples(samples.reshape(*samples.shape[:2], -1)), notes


def _is_animated(image: Image.Image) -> bool:
    with decoder_errors():
        return getattr(image, "is_animated", False)


def _upright(image: Image.Image) -> Image.Image:
    """Decode an image and turn it as its EXIF orientation says."""
    with decoder_errors():
        image.load()
    try:
        with decoder_errors():
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    except OSError:
        orientation = None
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


# 16-bit colours of PNG and SGI. Pillow decodes the first byte of each big-endian pair. A second
# decoding as little-endian pairs, of which it takes the second byte, gives the low bytes.

_GRAY_ALPHA = "LA;16B"
_BYTE = 8
_SIZES_2000 = b"\xff\x4f\xff\x51"  # begins a JPEG 2000; 42 bytes on: its bits less 1
# The box of a palette: how many colours and channels, the bits of each less 1, the colours.
_PALETTE_2000 = b"pclr"
_CHANNELS_2000 = b"cdef"  # the box of channels: number, 0 where it is a colour, which from 1
_AV1_SETTINGS = b"av1C\x81"  # how the box of an AVIF begins whose seventh byte tells the bits
_TONE_MAP = b"\0\0tmap"  # how an AVIF names the item that joins a picture and its gain map
_FEW_BITS = {"L;2": 85, "L;4": 17}  # factors that make 8 bits of a grey of 2 or 4
_SUPPORTED = ("RGB;16B", "RGBA;16B", _GRAY_ALPHA)


def deep_rawmode(image: ImageFile) -> str | None:
    """Return Pillow's name (``RGB;16B``) for undecoded colours of 16 bits; None for others."""
    if not image.tile or image.mode not in ("RGB", "RGBA", "LA", "CMYK"):
        return None
    first = next(iter(_arguments(image.tile[0])), None)
    return first if isinstance(first, str) and first[:-1].endswith(";16") else None


def _arguments(tile: Any) -> tuple[Any, ...]:
    """Return the arguments of a tile's decoder, of which its rawmode is the first."""
    return tile.args if isinstance(tile.args, tuple) else (tile.args,)


def _decoded_twice(file: BinaryIO, opened: ImageFile, rawmode: str) -> Frame:
    """Return 16-bit colours: their high bytes, then their low bytes from a second decoding."""
    high = np.asarray(_upright(opened))
    file.seek(0)
    with decoder_errors():
        again = Image.open(file, formats=[opened.format or ""])
    with again:
        _select_low_bytes(again, rawmode)
        low = np.asarray(_upright(again))
    if rawmode == _GRAY_ALPHA:
        # The second decoding has all four bytes of a pixel.
        high, low = low[..., ::2], low[..., 1::2]
    samples = high.astype(np.uint16) * np.uint16(256) + low
    clear = opened.info.get("transparency")
    if isinstance(clear, tuple) and samples.shape[2] == len(clear):
        opaque = (samples != np.array(clear)).any(axis=2)
        return Frame(samples, opaque.astype(np.uint16) * np.uint16(65_535))
    return picture_of_samples(samples)


def _select_low_bytes(image: ImageFile, rawmode: str) -> None:
    """Make an opened image decode pairs of bytes in the other order."""
    other = rawmode[:-1] + "L"
    if rawmode == _GRAY_ALPHA:
        # Pillow has no other order of it, but its four bytes pass for red to alpha.
        image._mode = other = "RGBA"  # noqa: SLF001 - Pillow offers no other way
    image.tile = [tile._replace(args=(other, *_arguments(tile)[1:])) for tile in image.tile]


def pillow_bytes(
    pictures: Sequence[Frame], format_name: str, metadata: Metadata, settings: Mapping[str, Any]
) -> memoryview:
    """Return frames as the bytes of a file by an encoder of Pillow's, which has `settings`."""
    held = save_settings(metadata, format_name, pictures[0].pixels.shape)
    options = {**settings, **held}
    if "iptc" in options:
        options["extra"] = iptc_segment(options.pop("iptc"))
    buffer = io.BytesIO()
    arrays = [np.ascontiguousarray(picture.array) for picture in pictures]
    try:
        with decoder_errors():
            first, *others = map(Image.fromarray, arrays)
            if others:
                options |= {"save_all": True, "append_images": others}
            first.save(buffer, format=format_name, **options)
    except OSError as error:
        raise ImageError(f"{format_name} cannot hold this picture: {one_line(error)}") from None
    return buffer.getbuffer()


# ------------------------------------------------------------------ modes

_STRIP_PIXELS = 2**16
"""Of 12 megapixels in colour: 17 ms. Strips of four times as many pixels, which fit no cache
and get fresh memory from the system each time, take 58 ms; of four times fewer, 24."""

MODES = {  # to which pixels of each mode are converted before they are filtered
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB",
    "RGBA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB",
    "HSV": "RGB", "I": "I", "I;16": "I;16", "I;16L": "I;16", "I;16B": "I;16", "I;16N": "I;16",
    "F": "F",
}  # fmt: skip

DTYPES = {"I": np.float64, "I;16": np.uint16, "F": np.float32}  # as filtered; others: uint8
_SIXTEEN_BITS = "I;16"
_TRANSPARENT = {"L": "LA", "RGB": "RGBA"}


def picture_from(image: Image.Image, label: str) -> Frame:
    """Return the pixels of a decoded, upright image in a mode that can be filtered."""
    mode = MODES.get(image.mode)
    if mode is None:
        known = ", ".join(MODES)
        raise ImageError(
            f"{label}: expected pixels of a mode of {known}; got {image.mode}: convert it first"
        )
    if mode == "I" and image.format == "PPM":
        mode = _SIXTEEN_BITS
    if mode not in DTYPES:
        samples = _pixels_of(_converted(image, mode))
        return picture_of_samples(np.atleast_3d(samples))
    grid, alpha = np.asarray(image).astype(DTYPES[mode]), None
    clear = image.info.get("transparency")
    if mode == _SIXTEEN_BITS and isinstance(clear, int):
        alpha = np.where(grid == clear, 0, 65_535).astype(np.uint16)
    return Frame(grid[..., np.newaxis], alpha)


def _pixels_of(image: Image.Image) -> Pixels:
    """Return an image as an array, a strip at a time: at once Pillow makes two more copies."""
    rows = max(_STRIP_PIXELS // image.width, 1)
    first = np.asarray(image.crop((0, 0, image.width, min(rows, image.height))))
    if rows >= image.height:
        return first
    whole = np.empty((image.height, *first.shape[1:]), first.dtype)
    for y in range(0, image.height, rows):
        part = image.crop((0, y, image.width, min(y + rows, image.height)))
        whole[y : y + rows] = part
    return whole


def _converted(image: Image.Image, target: str) -> Image.Image:
    with decoder_errors():
        transparent = image.has_transparency_data
    if transparent:
        target = _TRANSPARENT.get(target, target)
    if image.mode == target:
        return image
    profile = image.info.get("icc_profile")
    by_profile = _by_profile(image, profile) if image.mode == "CMYK" and profile else None
    if by_profile is not None:
        return by_profile
    with decoder_errors():
        return image.convert(target)


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert a CMYK image to sRGB by its profile; return None where that is damaged."""
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None

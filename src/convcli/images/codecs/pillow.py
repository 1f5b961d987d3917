"""Pictures through Pillow's decoders and encoders, with all the bits that they have."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from convcli.errors import ImageError, fail
from convcli.images.metadata import describes_gain_map, iptc_segment, save_settings
from convcli.images.picture import Frame, Header, Metadata, Pixels, picture_of_samples
from convcli.images.policy import decoder_errors, one_line

_TURN = Image.Transpose
_TURNS = {  # the turn that makes a picture upright, by EXIF orientation
    2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90,
}  # fmt: skip
SWAPPED = range(5, 9)  # orientations that swap rows and columns


def frame_of(file: BinaryIO, opened: ImageFile, label: str) -> tuple[Frame, tuple[str, ...]]:
    """Decode the current frame of a file that Pillow has opened; note what Pillow drops."""
    frame: Frame | None = None
    notes: tuple[str, ...] = ()
    if opened.format == "PPM":
        from convcli.images.codecs.numbers import read_netpbm

        frame = read_netpbm(file, opened)
    elif opened.format == "JXL":
        frame, notes = _jxl(file, opened.size)
    elif opened.format == "JPEG2000" and opened.mode == "P":
        frame = _palette_2000(file, opened)
    if frame is not None:
        return frame, notes
    _scale_transparency(opened)
    rawmode = deep_rawmode(opened)
    if rawmode in _SUPPORTED and not getattr(opened, "is_animated", False):
        return _decoded_twice(file, opened, rawmode), ()
    frame = picture_from(_upright(opened), label)
    if rawmode is None:
        return frame, _left(file, opened)
    return frame, (f"16-bit colours ({rawmode[:-1]}) are read with 8 bits",)


def _left(file: BinaryIO, opened: ImageFile) -> tuple[str, ...]:
    """Return notes on what Pillow leaves out of a HEIC, AVIF, JP2 or SGI without saying so."""
    bits, notes = opened.info.get("bit_depth", _BYTE), []
    data = b""
    if opened.format in ("AVIF", "JPEG2000", "SGI"):
        file.seek(0)  # The decoders of animations go on from where they were.
        data = file.read()
    if opened.format == "JPEG2000" and opened.mode != "I;16":
        bits = 1 + (_byte_after(_SIZES_2000, 42, data) & 0x7F)
    if opened.format == "SGI":
        bits = _BYTE * data[3]
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


def _upright(image: Image.Image) -> Image.Image:
    """Decode an image and turn it as its EXIF orientation says."""
    with decoder_errors():
        image.load()
    turn = None
    with contextlib.suppress(OSError), decoder_errors():
        orientation = image.getexif().get(ExifTags.Base.Orientation)
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
    shape = pictures[0].pixels.shape
    options = {**settings, **save_settings(metadata, format_name, shape)}
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

# Of 12 megapixels in colour: 17 ms. Strips of four times as many pixels, which fit no cache and
# get fresh memory from the system each time, take 58 ms; of four times fewer, 24.
_STRIP_PIXELS = 2**16

MODES = {  # to which pixels of each mode are converted before they are filtered
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB",
    "RGBA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB",
    "HSV": "RGB", "I": "I", "I;16": "I;16", "I;16L": "I;16", "I;16B": "I;16", "I;16N": "I;16",
    "F": "F",
}  # fmt: skip

_DTYPES = {"I": np.float64, "I;16": np.uint16, "F": np.float32}  # as filtered; others: uint8
_SIXTEEN_BITS, _LARGEST_BYTE = "I;16", 255
_TRANSPARENT = {"L": "LA", "RGB": "RGBA"}


def image_header(opened: ImageFile, frames: int) -> Header | None:
    """Return the size of pictures that Pillow has opened; None where it is not known."""
    mode = MODES.get(opened.mode)
    if mode is None:
        return None
    rawmode, arguments = deep_rawmode(opened), opened.tile[0].args if opened.tile else None
    deep = rawmode is not None and not getattr(opened, "is_animated", False)
    if opened.format == "PPM":  # Where numbers are scaled, the decoder is told the largest one.
        deep = mode == "I" or (isinstance(arguments, tuple) and arguments[-1] > _LARGEST_BYTE)
    # Pillow turns a TIFF itself, and decodes a PNG to look for EXIF behind the pixels.
    says_how, turn = opened.format not in ("PNG", "TIFF") or "exif" in opened.info, None
    with decoder_errors():
        transparent = opened.has_transparency_data
    with contextlib.suppress(OSError), decoder_errors():  # They may be damaged.
        turn = opened.getexif().get(ExifTags.Base.Orientation) if says_how else None
    sides = (opened.height, opened.width)
    rows, columns = sides[::-1] if turn in SWAPPED else sides
    channels = 3 if mode.startswith("RGB") and rawmode != _GRAY_ALPHA else 1
    dtype = np.dtype(np.uint16 if deep else _DTYPES.get(mode, np.uint8))
    return Header((rows, columns, channels), mode.endswith("A") or transparent, dtype, frames)


def picture_from(image: Image.Image, label: str) -> Frame:
    """Return the pixels of a decoded, upright image in a mode that can be filtered."""
    mode = MODES.get(image.mode)
    if mode is None:
        fault = f"expected pixels of a mode of {', '.join(MODES)}; got {image.mode}"
        fail(label, fault, "convert it first", ImageError)
    if mode == "I" and image.format == "PPM":
        mode = _SIXTEEN_BITS
    if mode not in _DTYPES:
        return picture_of_samples(_pixels_of(_converted(image, mode)))
    grid, alpha = np.asarray(image).astype(_DTYPES[mode]), None
    clear = image.info.get("transparency")
    if mode == _SIXTEEN_BITS and isinstance(clear, int):
        alpha = np.where(grid == clear, 0, 65_535).astype(np.uint16)
    return Frame(grid[..., np.newaxis], alpha)


def _pixels_of(image: Image.Image) -> Pixels:
    """Return bytes (H, W, C), a strip at a time: at once Pillow makes two more copies."""
    rows = max(_STRIP_PIXELS // image.width, 1)
    whole = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for y in range(0, image.height, rows):
        part = image.crop((0, y, image.width, min(y + rows, image.height)))
        whole[y : y + rows] = np.atleast_3d(np.asarray(part))
    return whole


def _converted(image: Image.Image, target: str) -> Image.Image:
    with decoder_errors():
        transparent = image.has_transparency_data
    if transparent:
        target = _TRANSPARENT.get(target, target)
    if image.mode == target:
        return image
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK" and profile:
        from PIL import ImageCms

        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):  # It is damaged.
            srgb, own = ImageCms.createProfile("sRGB"), io.BytesIO(profile)
            return ImageCms.buildTransform(own, srgb, "CMYK", "RGB").apply(image)
    with decoder_errors():
        return image.convert(target)

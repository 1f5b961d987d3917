"""Pictures from files, pipes and URLs."""

import contextlib
import functools
import io
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image
from PIL.ImageFile import ImageFile

from convcli.errors import ImageError, fail
from convcli.images import policy
from convcli.images.codecs.pillow import frame_of, image_header
from convcli.images.formats import is_matrix_name
from convcli.images.metadata import metadata_of
from convcli.images.picture import Frame, Header, Picture, Timing
from convcli.images.policy import ReadPolicy, check_pixels, decoder_errors
from convcli.storage.urls import fetched, local_path
from convcli.text import is_matrix
from convcli.values import replace

if TYPE_CHECKING:
    from pathlib import Path

    from convcli.images.codecs.tiff_pages import TiffPage

_PREFIX = 64
_STREAMED = (b"P4", b"P5", b"P6", b"Pf", b"PF")  # pictures that may follow each other begin so
_ARRAY = b"\x93NUMPY"  # how a ``.npy`` begins
_NUMBERS = re.compile(rb"\s*(?:\[|[-+]?\.?\d)[-+\d.eE,;\s\[\]]*")  # how numbers as text begin
_BEGINNING = 2**20  # bytes of an object in a store that are fetched for its header
# Frames of these are an animation or pages; of others previews, layers and sizes of the first.
_MANY = ("AVIF", "DCX", "FLI", "GIF", "IM", "JXL", "PNG", "WEBP")
_NAMES = {"MPO": "JPEG", "DIB": "BMP", "IMT": "IM"}  # others with something added
_ANIMATED = ("AVIF", "FLI", "GIF", "JXL", "PNG", "WEBP")
_LEAST = 64 * 64  # pixels that each of several frames counts as at least: it has its own cost
_A_COUNT = 4  # so many samples of a TIFF's pixel count as one pixel
_DEFAULTS = ReadPolicy()


def read_picture(
    source: "str | Path | BinaryIO", name: str | None = None, reading: ReadPolicy = _DEFAULTS
) -> Picture:
    """Read all frames of a file, upright; an `ImageError` says why that is not possible.

    The source is a path, a URL that fsspec knows, or an open stream, which messages call
    `name`. Pixels are as `MODES` says: uint8, uint16 for 16 bits, or floats.
    """
    label = name or str(source)
    if not label:
        raise ImageError("'': expected the name of a picture, got none: name a file")
    if isinstance(source, str) and is_matrix(source):
        source = io.BytesIO(source.encode())
    with policy.file_errors(label, reading), _seekable(source, label, reading) as file:
        prefix = file.read(_PREFIX)
        file.seek(0)
        # libtiff is the only decoder that writes to standard error by itself.
        is_tiff = prefix[:2] in (b"II", b"MM")
        quiet = policy.libtiff_silenced() if is_tiff else contextlib.nullcontext()
        with policy.pillow_set_to(reading), quiet:
            is_text = is_matrix_name(label) or _NUMBERS.fullmatch(prefix)
            if is_text or prefix.startswith(_ARRAY):
                from convcli.images.codecs.numbers import read_array, read_matrix

                read = read_array if prefix.startswith(_ARRAY) else read_matrix
                return read(file, label, reading)
            return _decode(file, prefix, label, reading)


def read_pil(source: object, reading: ReadPolicy) -> Picture | None:
    """Read an image of Pillow's like the file that Pillow would save; None if it is none."""
    if not isinstance(source, Image.Image):
        return None
    image = source.convert("RGBA") if source.mode == "PA" else source
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", exif=image.getexif())
    buffer.seek(0)
    return read_picture(buffer, "PIL image", reading)


@contextlib.contextmanager
def _seekable(
    source: "str | Path | BinaryIO", label: str, reading: ReadPolicy
) -> Iterator[BinaryIO]:
    """Open a source as a file that can seek."""
    if not isinstance(source, str | os.PathLike):
        yield source if source.seekable() else _read_whole(source.read, label, reading)
        return
    path = local_path(source)
    if path is None:
        yield _read_whole(functools.partial(fetched, str(source)), label, reading)
        return
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes 3 ms to import
        yield file if file.seekable() else _read_whole(file.read, label, reading)


def _read_whole(read: Callable[[int], bytes], label: str, reading: ReadPolicy) -> BinaryIO:
    """Read a stream to its end, which a pipe may not have: there is a limit."""
    data = read(reading.max_bytes + 1)
    if len(data) > reading.max_bytes:
        fault = f"expected at most {reading.max_bytes:,} bytes, got more"
        fail(label, fault, "raise --max-pixels if you trust the file", ImageError)
    return io.BytesIO(data)


def _decode(file: BinaryIO, prefix: bytes, label: str, reading: ReadPolicy) -> Picture:
    if prefix[:4] in policy.TIFF_HEADERS:
        return _tiff(file, prefix, label, reading)
    if prefix[:2] in _STREAMED:
        from convcli.images.codecs.numbers import netpbm_spans

        spans = netpbm_spans(file)
        if len(spans) > 1:
            return _stream(file, spans, label, reading)
    policy.load_package(prefix, label)
    opened = policy.open_known(file, prefix, label, reading)
    _check_end(file, opened.format)
    return _document(file, opened, label, reading)


def _stream(
    file: BinaryIO, spans: list[tuple[int, int]], label: str, reading: ReadPolicy
) -> Picture:
    """Read several PGM or PPM pictures that follow each other, as ffmpeg writes them."""
    pictures, pixels = list[Picture](), 0
    for index in frames_to_read(len(spans), label, reading):
        file.seek(spans[index][0])
        part = io.BytesIO(file.read(spans[index][1]))
        opened = policy.open_known(part, part.getvalue()[:_PREFIX], label, reading)
        pixels += opened.width * opened.height
        check_pixels(pixels, reading, label)
        pictures.append(_document(part, opened, label, replace(reading, frame=None)))
    frames = tuple(frame for picture in pictures for frame in picture.frames)
    return replace(pictures[0], frames=frames)


def _tiff(file: BinaryIO, prefix: bytes, label: str, reading: ReadPolicy) -> Picture:
    """Read the pages of a TIFF: each by Pillow, or by our own decoder where that keeps more."""
    from convcli.images.codecs.tiff_extras import tiff_metadata
    from convcli.images.codecs.tiff_pages import full_pages, pillow_mode, tiff_pages

    every = list(tiff_pages(file))
    if not every:
        policy.refuse_unknown(prefix, label, reading)
    pages = full_pages(every)
    chosen = [pages[index] for index in frames_to_read(len(pages), label, reading)]
    sizes = [math.prod(page.size) * -(-page.samples // _A_COUNT) for page in chosen]
    check_pixels(sum(sizes), reading, label)
    opened: ImageFile | None = None
    with contextlib.suppress(OSError):
        file.seek(0)
        opened = policy.open_image(file, reading)
    metadata, damage = tiff_metadata(file, pages, reading.frame)
    if len(every) > len(pages) or chosen[0].has_copies:
        note = "smaller copies and masks of the picture are left out: --tiled makes copies"
        damage = (*damage, note)
    read = [_tiff_frame(file, page, opened, label) for page in chosen]
    mode = pillow_mode(file, chosen[0])
    frames = tuple(replace(frame, format="TIFF") for frame, _ in read)
    notes = [note for _, more in read for note in more]
    return Picture(frames, metadata, None, mode, tuple(dict.fromkeys([*damage, *notes])))


def _tiff_frame(
    file: BinaryIO, page: "TiffPage", opened: ImageFile | None, label: str
) -> tuple[Frame, tuple[str, ...]]:
    """Decode a page; `opened` is the file in Pillow, if that knows the first page."""
    page.check_places()
    if page.is_ours or opened is None:
        from convcli.images.codecs.tiff_segments import decoded_page

        return decoded_page(page, file), page.left_out
    with decoder_errors():
        opened.seek(page.index)
    frame, notes = frame_of(file, opened, label)
    return frame, notes if frame.alpha is not None else (*notes, *page.left_out)


def _check_end(file: BinaryIO, format_name: str | None) -> None:
    """Refuse files that end early in formats whose decoders do not notice it."""
    if format_name not in ("GIF", "JPEG2000"):
        return
    file.seek(0)
    data = file.read()
    if format_name == "GIF":
        from convcli.images.codecs.gif import has_end_mark

        complete = has_end_mark(data)
    else:  # The mark that every JPEG 2000 ends with; no data before it can hold these bytes.
        complete = b"\xff\xd9" in data
    policy.check_complete(int(complete), 1)


def _document(file: BinaryIO, opened: ImageFile, label: str, reading: ReadPolicy) -> Picture:
    format_name = _NAMES.get(opened.format or "", opened.format)
    count = _frame_count(opened)
    indices = frames_to_read(count, label, reading)
    least = _LEAST if len(indices) > 1 else 0
    check_pixels(max(opened.width * opened.height, least) * len(indices), reading, label)
    mode, read = opened.mode, list[tuple[Frame, float, int]]()
    for index in indices:
        if count > 1:
            with decoder_errors():
                opened.seek(index)
        frame, left = frame_of(file, opened, label)
        if not read:
            metadata, notes = metadata_of(opened)
        notes += left
        duration = float(opened.info.get("duration") or 0)
        disposal = getattr(opened, "disposal_method", opened.info.get("disposal") or 0)
        read.append((replace(frame, format=format_name), duration, int(disposal)))
    frames, durations, disposals = zip(*read, strict=True)
    timing = None
    if format_name in _ANIMATED and len(frames) > 1:
        loop, still = opened.info.get("loop"), bool(opened.info.get("default_image"))
        loop = loop if isinstance(loop, int) else None
        timing = Timing(durations, disposals, loop, still)
    return Picture(frames, metadata, timing, mode, tuple(dict.fromkeys(notes)))


def frames_to_read(count: int, label: str, reading: ReadPolicy) -> range:
    """Return the numbers of the frames that are read, of so many; or raise ImageError."""
    if reading.frame is None:
        return range(count)
    if reading.frame >= count:
        fault = f"expected a frame of 0 to {count - 1}, got {reading.frame}"
        fail(label, fault, "they are counted from 0", ImageError)
    return range(reading.frame, reading.frame + 1)


# ------------------------------------------------------------------ headers


def header_of(source: "str | Path", reading: ReadPolicy) -> Header | None:
    """Return the size of the pictures in a file; None where that cannot be read."""
    try:
        with _beginning(source) as file, policy.pillow_set_to(reading):
            prefix = file.read(_PREFIX)
            file.seek(0)
            return _header(file, prefix, str(source), reading)
    except (OSError, ImageError, *policy.BOMBS):
        return None  # reading the whole file will say what is wrong


def _beginning(source: "str | Path") -> BinaryIO:
    """Open a file, or the beginning of an object in a store."""
    path = local_path(source)
    if path is None:
        return io.BytesIO(fetched(str(source), _BEGINNING))
    return open(path, "rb")  # noqa: PTH123 - pathlib takes 3 ms to import


def _header(file: BinaryIO, prefix: bytes, label: str, reading: ReadPolicy) -> Header | None:
    frames, index = 0 if reading.frame is None else 1, 0
    if prefix.startswith(_ARRAY):
        from convcli.images.codecs.numbers import array_header

        shape, dtype = array_header(file, label)
        return Header(shape, alpha=False, dtype=dtype)
    if prefix[:4] in policy.TIFF_HEADERS:
        from convcli.images.codecs.tiff_pages import full_pages, tiff_pages

        pages = full_pages(list(tiff_pages(file)))
        index, frames = reading.frame or 0, frames or len(pages)
        if index >= len(pages):
            return None
        if pages[index].is_ours:
            return Header(*pages[index].header, frames)
        index = pages[index].index
    if prefix[:2] in _STREAMED:
        from convcli.images.codecs.numbers import netpbm_spans

        frames = frames or len(netpbm_spans(file))
    policy.load_package(prefix, label)
    file.seek(0)
    opened = policy.open_image(file, reading)
    if index:
        with decoder_errors():
            opened.seek(index)
    return image_header(opened, frames or _frame_count(opened))


def _frame_count(opened: ImageFile) -> int:
    """Return how many frames a file has."""
    if opened.format not in _MANY:
        return 1
    with decoder_errors():
        return int(getattr(opened, "n_frames", 1))

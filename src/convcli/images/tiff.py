"""TIFF of every depth, alpha and number of pages: strips of Deflate with a predictor."""

import io
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from convcli.images.metadata import save_settings
from convcli.images.picture import Depth, Metadata, Picture

_STRIP_BYTES = 2**18
_DEFLATE = 8
_DIFFERENCES = 2
_UNASSOCIATED = 2
_INCH = 2
_FLOATS = 3
_GROUPS = (0x8769, 0x8825)
"""The directories within EXIF: the camera's and GPS."""


def tiff_bytes(frames: Sequence[Picture], metadata: Metadata, level: int) -> bytes:
    """Return pictures of any sizes as a TIFF with a page each.

    Parameters
    ----------
    frames : sequence of Picture
        uint8, uint16 or floats, which are written as float32; 1 or 3 channels.
    metadata : Metadata
        Profile, resolution, EXIF: of every page.
    level : int
        Of zlib's compression, 0 to 9.
    """
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer) as pages:
        for frame in frames:
            _write_page(pages, frame, metadata, level)
            pages.newFrame()
        return buffer.getvalue()


def _write_page(
    pages: TiffImagePlugin.AppendingTiffWriter, picture: Picture, metadata: Metadata, level: int
) -> None:
    values = _values(picture)
    rows = max(_STRIP_BYTES // (values[0].nbytes or 1), 1)
    strips = [zlib.compress(strip, level) for strip in _strips(values, rows)]
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    lengths = [len(strip) for strip in strips]
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    tags = sample_tags(
        picture.shape, picture.channels, picture.depth, alpha=picture.alpha is not None
    )
    tags |= described_tags(metadata, picture.channels, picture.shape)
    tags |= {
        TiffImagePlugin.ROWSPERSTRIP: rows,
        TiffImagePlugin.STRIPBYTECOUNTS: tuple(lengths),
        TiffImagePlugin.STRIPOFFSETS: tuple(starts),
    }
    for tag in (TiffImagePlugin.STRIPBYTECOUNTS, TiffImagePlugin.STRIPOFFSETS):
        directory.tagtype[tag] = 4
    for tag, value in tags.items():
        directory[tag] = value
    directory.save(pages)
    for strip in strips:
        pages.write(strip)


def _values(picture: Picture) -> NDArray[Any]:
    dtype = picture.depth.dtype.newbyteorder("<")
    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    return np.dstack(parts).astype(dtype)


def _strips(values: NDArray[Any], rows: int) -> Iterator[bytes]:
    for start in range(0, len(values), rows):
        yield predicted(values[start : start + rows]).tobytes()


def predicted(part: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers as differences along the rows; floats as they are."""
    if part.dtype.kind != "u":
        return part
    differences = part.copy()
    differences[:, 1:] -= part[:, :-1]
    return differences


def sample_tags(
    size: tuple[int, int], channels: int, depth: Depth, *, alpha: bool
) -> dict[int, Any]:
    """Return what a directory says of pixels, wherever they lie in the file.

    Parameters
    ----------
    size : (int, int)
        Rows and columns.
    channels : int
        1 or 3, alpha not counted.
    depth : Depth
        Of each of them.
    alpha : bool
        Whether an opacity comes last.
    """
    samples = channels + alpha
    tags: dict[int, Any] = {
        TiffImagePlugin.IMAGEWIDTH: size[1],
        TiffImagePlugin.IMAGELENGTH: size[0],
        TiffImagePlugin.BITSPERSAMPLE: (8 * depth.dtype.itemsize,) * samples,
        TiffImagePlugin.COMPRESSION: _DEFLATE,
        TiffImagePlugin.PHOTOMETRIC_INTERPRETATION: 1 if channels == 1 else 2,
        TiffImagePlugin.SAMPLESPERPIXEL: samples,
        TiffImagePlugin.PLANAR_CONFIGURATION: 1,
    }
    if alpha:
        tags[TiffImagePlugin.EXTRASAMPLES] = (_UNASSOCIATED,)
    if depth is Depth.FLOAT:
        tags[TiffImagePlugin.SAMPLEFORMAT] = (_FLOATS,) * samples
    else:
        tags[TiffImagePlugin.PREDICTOR] = _DIFFERENCES
    return tags


def described_tags(metadata: Metadata, channels: int, size: tuple[int, int]) -> dict[int, Any]:
    """Return what a directory says of a picture beside its pixels."""
    settings = save_settings(metadata, "TIFF", channels, size)
    tags: dict[int, Any] = {}
    if "exif" in settings:
        block = Image.Exif()
        block.load(settings["exif"])
        groups = {tag: dict(block.get_ifd(tag)) for tag in block if tag in _GROUPS}
        tags |= {tag: block[tag] for tag in block if tag not in _GROUPS} | groups
    if "icc_profile" in settings:
        tags[TiffImagePlugin.ICCPROFILE] = settings["icc_profile"]
    if "dpi" in settings:
        across, down = settings["dpi"]
        tags |= {
            TiffImagePlugin.X_RESOLUTION: across,
            TiffImagePlugin.Y_RESOLUTION: down,
            TiffImagePlugin.RESOLUTION_UNIT: _INCH,
        }
    return tags

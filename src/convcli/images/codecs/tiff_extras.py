"""What a TIFF says beside its pixels: which tags are kept, where they move, and OME-XML."""

import contextlib
import functools
import math
import re
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.geometry.window import Window
from convcli.images.metadata import metadata_from, save_settings
from convcli.images.picture import Metadata
from convcli.images.policy import decoder_errors
from convcli.values import replace

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from convcli.geometry.layers import ReceptiveField
    from convcli.images.codecs.tiff_pages import TiffPage

_SCALE, _TIEPOINTS, _MATRIX, _KEYS = 33_550, 33_922, 34_264, 34_735
_GDAL, _NODATA, _RPC = 42_112, 42_113, 50_844
_GEO = {  # GeoTIFF's and GDAL's tags, and their types: doubles, shorts and text
    _SCALE: 12, _TIEPOINTS: 12, _MATRIX: 12, _KEYS: 3, 34_736: 12, 34_737: 2, _GDAL: 2,
    _RPC: 12,
}  # fmt: skip

# Of how many numbers the value of a tag is a multiple.
_LENGTHS = {_SCALE: 3, _TIEPOINTS: 6, _MATRIX: 16, _KEYS: 4, _RPC: 92}
_ALL = "the georeference and the OME-XML"
_RASTER_TYPE, _IS_POINT = 1025, 2
_DESCRIPTION, _ORIENTATION, _ASCII = 270, 274, 2
_NUMBER = re.compile(r"[-+]?(nan|inf|[\d.]+(e[-+]?\d+)?)", re.IGNORECASE)
_IMAGEJ_STACK = re.compile("ImageJ=.*\n(channels|slices|frames)=", re.DOTALL)
_STATISTICS = re.compile(r'\s*<Item name="STATISTICS_[^>]*>[^<]*</Item>')
_TYPES = {"uint8": "uint8", "uint16": "uint16", "float32": "float"}  # OME's names of dtypes


# ------------------------------------------------------------------ reading

_BLOCKS = {"recipe": 270, "icc_profile": 34_675, "xmp": 700, "iptc": 33_723}
_GROUPS = (0x8769, 0x8825)  # the directories within EXIF: the camera's and GPS
_RESOLUTIONS = (282, 283)
_INCH = 2
_UNIT, _UNITS = 296, {None: 1.0, 2: 1.0, 3: 2.54}  # the tag of the unit; how many make an inch


def tiff_metadata(
    file: BinaryIO, pages: "Sequence[TiffPage]", index: int | None
) -> tuple[Metadata, tuple[str, ...]]:
    """Return what a page says beside its pixels, or all of them; notes on what is lost."""
    page = pages[index or 0]
    read_exif = functools.partial(_exif_of, file, page)
    metadata, notes = metadata_from(_info_of(page), read_exif, "CMYK" if page.is_cmyk else "")
    try:
        with decoder_errors():
            plane = None if len(pages) == 1 else index
            extras, lost = _found(page.tags, pages[0].tags, plane)
    except OSError:
        return metadata, (*notes, f"dropped, for one is damaged: the nodata value, {_ALL}")
    return replace(metadata, **extras), (*notes, *lost)


def _info_of(page: "TiffPage") -> dict[str, Any]:
    """Return what a page says beside its pixels, by the names that Pillow uses."""
    tags = page.tags
    with decoder_errors():
        info = {name: tags.get(tag) for name, tag in _BLOCKS.items()}
        unit = tags.get(_UNIT)
        if unit in _UNITS and all(tag in tags for tag in _RESOLUTIONS):
            info["dpi"] = tuple(_UNITS[unit] * float(tags[tag]) for tag in _RESOLUTIONS)
    numbers = info["iptc"]
    if isinstance(numbers, tuple):  # Some programs say that these bytes have 32 bits.
        with contextlib.suppress(struct.error):
            info["iptc"] = struct.pack(f"{tags.order}{len(numbers)}I", *numbers)
    return info


def _exif_of(file: BinaryIO, page: "TiffPage") -> Image.Exif:
    """Return the tags of a page as Pillow's EXIF, which reads the directories in it too."""
    exif = Image.Exif()
    exif.endian, exif.bigtiff = page.tags.order, page.tags.is_big
    with decoder_errors():
        exif.load_from_fp(file, page.tags.offset)
    return exif


def _found(
    directory: Any, first: Any, plane: int | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields of `Metadata` that a page and the first page give; what is lost."""
    lost = []
    geo = tuple((tag, directory[tag]) for tag in _GEO if _is_sound(tag, directory.get(tag)))
    nodata, text, ome = directory.get(_NODATA), first.get(_DESCRIPTION), None
    is_number = isinstance(nodata, str) and _NUMBER.fullmatch(nodata := nodata.strip("\0 "))
    if isinstance(text, str) and "<OME" in text[:4096]:
        # Pillow takes each byte of a text for a letter; here they are UTF-8.
        ome = _ome_of_plane(text.encode("latin-1").decode("utf-8", "replace"), plane)
        if ome is None:
            lost.append("the OME-XML is dropped: it is damaged, or describes several pictures")
        else:
            _ome_of_size(_ome_of_stride(ome, 2, 2), (1, 1, 1), 1, "uint8")  # It may raise.
    elif isinstance(text, str) and _IMAGEJ_STACK.match(text):
        lost.append("dropped: what ImageJ says of channels, slices and frames")
    if (geo or ome) and directory.get(_ORIENTATION, 1) != 1:
        geo, ome = (), None
        lost.append(f"dropped, for the picture was turned upright: {_ALL}")
    return {"geo": geo, "nodata": nodata if is_number else None, "ome": ome}, tuple(lost)


def _is_sound(tag: int, value: Any) -> bool:
    if _GEO[tag] == _ASCII:
        return isinstance(value, str)
    numbers = value if isinstance(value, tuple) else (value,)
    are_numbers = all(isinstance(number, int | float) for number in numbers)
    return are_numbers and len(numbers) % _LENGTHS.get(tag, 1) == 0


# ------------------------------------------------------------------ what holds for the result


def metadata_after(
    metadata: Metadata, windows: Sequence[Window], *, frames: int = 1, turned: str = ""
) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata that hold for a result, and notes on what does not.

    Its pixels are where the middles of the `windows` of all steps were, or at unknown places
    where `turned` says why. The input had so many `frames`.
    """
    from convcli.geometry.layers import seen_through

    notes = []
    if metadata.ome and metadata.recipe is not None:
        notes.append("the OME-XML is dropped: the recipe (--record) takes its place")
        metadata = replace(metadata, ome=None)
    if turned and (metadata.geo or metadata.ome):
        notes.append(f"dropped, for {turned}: {_ALL}")
        return replace(metadata, geo=(), ome=None), tuple(notes)
    if frames > 1 and (metadata.geo or metadata.nodata):
        notes.append(
            "the georeference and the nodata value are dropped: the input has "
            f"{frames} pictures: choose one with --frame"
        )
        metadata = replace(metadata, geo=(), nodata=None)
    rows, columns = (seen_through(each.axes[axis] for each in windows) for axis in (0, 1))
    tags = dict(metadata.geo)
    geo = tuple((tag, _moved(tag, tags, rows, columns)) for tag in tags)
    ome = metadata.ome and _ome_of_stride(metadata.ome, columns.jump, rows.jump)
    return replace(metadata, geo=geo, ome=ome), tuple(notes)


def _moved(tag: int, tags: dict[int, Any], *fields: "ReceptiveField") -> Any:
    """Return the value of a tag for outputs whose rows and columns see these fields."""
    value, keys = tags[tag], tags.get(_KEYS, ())
    if tag == _GDAL:
        return _STATISTICS.sub("", value)  # They were of other pixels.
    places = [(field.jump, float(field.start)) for field in fields]
    # GeoTIFF counts from the first pixel's corner, or its middle where pixels are points.
    is_point = (_RASTER_TYPE, 0, 1, _IS_POINT) in zip(*[iter(keys)] * 4, strict=True)
    (down, top), (across, left) = (
        (stride, start if is_point else start + (1 - stride) / 2) for stride, start in places
    )
    if tag == _SCALE:
        return (value[0] * across, value[1] * down, *value[2:])
    if tag == _TIEPOINTS:
        points = np.reshape(value, (-1, 6))
        points[:, :2] = (points[:, :2] - (left, top)) / (across, down)
        return tuple(points.ravel().tolist())
    if tag == _RPC:  # offsets and scales of rows and columns, which count from middles
        (stride, start), (by, first) = places
        moved = ((value[2] - start) / stride, (value[3] - first) / by)
        return (*value[:2], *moved, *value[4:7], value[7] / stride, value[8] / by, *value[9:])
    if tag == _MATRIX:
        step = np.diag([across, down, 1.0, 1.0])
        step[:2, 3] = left, top
        return tuple((np.reshape(value, (4, 4)) @ step).ravel().tolist())
    return value


# ------------------------------------------------------------------ writing


def describe(page: "TiffPage", metadata: Metadata, pages: int) -> None:
    """Add metadata to the tags of a page, one of so many; OME-XML is for the first."""
    tags = page.tags
    settings = save_settings(metadata, "TIFF", (*page.size, page.meaning[0]))
    if "exif" in settings:
        block = Image.Exif()
        block.load(settings["exif"])
        groups = {tag: dict(block.get_ifd(tag)) for tag in _GROUPS if tag in block}
        tags.update({**dict(block), **groups})
    tags.update({tag: settings[name] for name, tag in _BLOCKS.items() if name in settings})
    if "dpi" in settings:
        tags.update({**dict(zip(_RESOLUTIONS, settings["dpi"], strict=True)), _UNIT: _INCH})
    nodata = () if metadata.nodata is None else ((_NODATA, metadata.nodata),)
    for tag, value in (*metadata.geo, *nodata):
        tags.tagtype[tag] = _GEO.get(tag, _ASCII)
        tags[tag] = value.encode("latin-1") if isinstance(value, str) else value
    if metadata.ome is not None and not page.index:
        shape = (*page.size, page.samples)
        tags[_DESCRIPTION] = _ome_of_size(metadata.ome, shape, pages, page.stored.name).encode()


# ------------------------------------------------------------------ OME-XML


def _ome_of_plane(text: str, plane: int | None) -> str | None:
    """Return OME-XML of the picture that a page belongs to; None where it is not one."""
    root = _parsed(text)
    images, start = root.findall("{*}Image"), 0
    for image in images:
        pixels = image.find("{*}Pixels")
        if pixels is None or (plane is None and len(images) > 1):
            return None
        sizes = _plane_sizes(pixels)
        count = math.prod(sizes.values())
        if plane is None or start <= plane < start + count:
            for other in images:
                if other is not image:
                    root.remove(other)
            if plane is not None:
                _keep_plane(pixels, sizes, plane - start)
            return _written(root)
        start += count
    return None


def _plane_sizes(pixels: "Element") -> dict[str, int]:
    """Return the lengths of Z, T and C, where the samples of a pixel count as one channel."""
    sizes = {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "ZCT"}
    channels = pixels.findall("{*}Channel")
    samples = int(channels[0].get("SamplesPerPixel", "1")) if channels else 1
    return {**sizes, "C": max(sizes["C"] // samples, 1)}


def _keep_plane(pixels: "Element", sizes: dict[str, int], plane: int) -> None:
    """Let OME-XML describe one of its planes only."""
    at = {}
    for axis in pixels.get("DimensionOrder", "XYCZT")[2:]:
        plane, at[axis] = divmod(plane, sizes[axis])
        pixels.set(f"Size{axis}", "1")
    for number, channel in enumerate(pixels.findall("{*}Channel")):
        if number != at["C"]:
            pixels.remove(channel)
    for each in pixels.findall("{*}Plane"):
        if any(int(each.get(f"The{axis}", "0")) != at[axis] for axis in "ZCT"):
            pixels.remove(each)
        each.attrib.update(TheZ="0", TheC="0", TheT="0")


def _ome_of_stride(text: str, across: int, down: int) -> str:
    """Return OME-XML whose pixels are larger by the strides."""
    root = _parsed(text)
    for pixels in root.iter():
        for name, stride in (("PhysicalSizeX", across), ("PhysicalSizeY", down)):
            if stride != 1 and name in pixels.attrib:
                pixels.set(name, repr(float(pixels.attrib[name]) * stride))
    return _written(root)


def _ome_of_size(text: str, shape: tuple[int, int, int], pages: int, dtype: str) -> str:
    """Return OME-XML whose sizes, channels and type are those of the file that is written."""
    from xml.etree.ElementTree import Element

    root = _parsed(text)
    rows, columns, samples = shape
    root.attrib.pop("UUID", None)
    (image,) = root.findall("{*}Image")
    (pixels,) = image.findall("{*}Pixels")
    space = pixels.tag.removesuffix("Pixels")
    sizes, channels = _plane_sizes(pixels), pixels.findall("{*}Channel")
    if math.prod(sizes.values()) != pages:
        pixels.attrib.update(SizeZ="1", SizeT="1")
        sizes["C"] = pages
        for each in (*channels, *pixels.findall("{*}Plane")):
            pixels.remove(each)
        channels = [Element(f"{space}Channel", ID=f"Channel:0:{i}") for i in range(pages)]
        pixels[:0] = channels
    for channel in channels:
        channel.set("SamplesPerPixel", str(samples))
    for name in ("TiffData", "MetadataOnly", "BinData"):
        for each in pixels.findall(f"{{*}}{name}"):
            pixels.remove(each)
    pixels.insert(len(channels), Element(f"{space}TiffData", IFD="0", PlaneCount=str(pages)))
    pixels.attrib.pop("SignificantBits", None)
    pixels.attrib.update(
        SizeX=str(columns), SizeY=str(rows), SizeC=str(sizes["C"] * samples),
        Type=_TYPES[dtype], BigEndian="false", Interleaved=str(samples > 1).lower(),
    )  # fmt: skip
    return _written(root)


def _parsed(text: str) -> "Element":
    """Return the root of XML; one that is damaged, or defines entities, raises ValueError."""
    from xml.etree import ElementTree as ET

    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise ValueError("it defines entities")
    root = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text.strip("\0 ")))  # noqa: S314
    if root.tag.startswith("{"):
        ET.register_namespace("", root.tag[1:].partition("}")[0])
    return root


def _written(root: "Element") -> str:
    from xml.etree import ElementTree as ET

    text = ET.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'

"""Profile, resolution and EXIF: from a decoded image, and to a format that holds them."""

import math
import re
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from PIL import ExifTags, Image

from convcli.errors import ImageError, fail
from convcli.images.formats import FORMATS
from convcli.images.picture import Metadata
from convcli.images.policy import decoder_errors
from convcli.text import counted
from convcli.values import replace

_KEPT = [  # EXIF 2.3's first directory, without what describes the old pixels or file
    ExifTags.Base[name].value
    for name in (
        "ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "WhitePoint",
        "PrimaryChromaticities", "Copyright",
    )
]  # fmt: skip

RECIPE_MARK = "# convcli recipe"  # how the recipe of a picture begins
RECIPE_KEYWORD = "convcli recipe"  # the keyword of the text in a PNG that holds it
_USER_COMMENT, _ASCII = 0x9286, b"ASCII\0\0\0"
_DESCRIPTION = 0x010E

_TEXTS = ("PNG", "TIFF")  # formats that have a place for the recipe beside EXIF
# How descriptions begin that tell a program of pages and shapes, which may change.
_STRUCTURE = (RECIPE_MARK, "{", "<?xml", "<OME", "ImageJ=", "SCIFIO=")
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_PIXEL_SIDES = ((0xA002, 0), (0xA003, 1))
_JPEG_LIMIT, _JPEG_BLOCK = 65_533 - 8, 65_533 - 40
# Bytes that a JPEG holds in one piece; a profile may have several.
_JPEG_LIMITS = {**dict.fromkeys(("xmp", "iptc", "comment"), _JPEG_BLOCK), "exif": _JPEG_LIMIT}
_IPTC_RESOURCE = 0x0404
_GAIN_MAP = (b"hdrgm:", b"HDRGainMap", b"GainMap")
_XMP_TURN = re.compile(rb"(tiff:Orientation(?:=[\"']|>))[2-8]")
_TITLES = {
    "icc": "colour profile", "exif": "EXIF", "xmp": "XMP", "iptc": "IPTC",
    "comment": "comment", "geo": "georeference", "nodata": "nodata value", "ome": "OME-XML",
}  # fmt: skip
_PROFILED = ("CMYK", "LAB")  # modes that become RGB: the file's profile does not describe that
_PROFILE_SPACES = {1: b"GRAY", 3: b"RGB "}
_PROFILE_HEADER = 128


def metadata_of(image: Image.Image) -> tuple[Metadata, tuple[str, ...]]:
    """Return what a decoded image says, without its orientation, and notes on damage."""
    metadata, notes = metadata_from(image.info, image.getexif, image.mode)
    if image.format in ("JPEG", "MPO"):
        from PIL.JpegImagePlugin import get_sampling

        with decoder_errors():
            sampling = get_sampling(image)
        metadata = replace(metadata, subsampling=sampling if sampling >= 0 else None)
    return metadata, (*notes, *filter(None, [_further_pictures(image)]))


def metadata_from(
    info: Mapping[Any, Any], read_exif: Callable[[], Image.Exif], mode: str
) -> tuple[Metadata, tuple[str, ...]]:
    """Return the metadata of an image, by what Pillow calls its parts; notes on damage."""
    notes: tuple[str, ...] = ()
    recipe, resources = info.get(RECIPE_KEYWORD), info.get("photoshop")
    try:
        exif, found = _exif(read_exif)
        recipe = recipe or found
    except OSError:
        exif, notes = None, ("the EXIF data is damaged: it is dropped",)
    iptc = resources.get(_IPTC_RESOURCE) if isinstance(resources, dict) else info.get("iptc")
    # XMP of a gain map describes a picture that is left out.
    xmp = None if describes_gain_map(info) else _bytes_or_none(info.get("xmp"))
    metadata = Metadata(
        None if mode in _PROFILED else _bytes_or_none(info.get("icc_profile")),
        _dpi(info.get("dpi")),
        exif,
        xmp=xmp and _XMP_TURN.sub(rb"\g<1>1", xmp),  # The pixels are upright by now.
        iptc=_bytes_or_none(iptc) or None,
        comment=_bytes_or_none(info.get("comment")),
        recipe=str(recipe) if recipe else None,
    )
    return metadata, notes


def _bytes_or_none(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def describes_gain_map(info: Mapping[Any, Any]) -> bool:
    """Tell whether the XMP of an image, by Pillow's name for it, speaks of a gain map."""
    xmp = _bytes_or_none(info.get("xmp"))
    return xmp is not None and any(mark in xmp for mark in _GAIN_MAP)


def _further_pictures(image: Image.Image) -> str:
    """Return the note on pictures beside the main one of a JPEG; empty where it has none."""
    gain_map = "gainmap" in str(image.info.get("aux", "")).lower()
    with decoder_errors():
        several = image.format in ("MPO", "HEIF")
        count = getattr(image, "n_frames", 1) - 1 if several else 0
    if gain_map or describes_gain_map(image.info):
        return "the gain map, and the XMP that describes it, are dropped"
    pictures = f"{count} further picture{'s' * (count > 1)} in the file"
    return f"{pictures}: only the first is read" if count else ""


def lost_metadata(metadata: Metadata, format_name: str, shape: Sequence[int]) -> str:
    """Return the warning that names what a format does not keep; empty where it keeps all."""
    kept = save_settings(metadata, format_name, shape)
    lost = titles_of(metadata, kept)
    space = (metadata.icc or b"")[16:20].decode("ascii", "replace").strip()
    if space and "icc" in FORMATS[format_name].keeps and "icc_profile" not in kept:
        own = "RGB" if shape[2] == 3 else counted(shape[2], "channel")  # noqa: PLR2004
        lost[0] += f" (for {space}, not for {own})"
    return f"dropped, for the {format_name} does not hold it: {', '.join(lost)}" if lost else ""


def titles_of(metadata: Metadata, without: Collection[str] = ()) -> list[str]:
    """Return what people call the parts of metadata, without those of some settings."""
    return [
        title
        for name, title in _TITLES.items()
        if getattr(metadata, name) and {"icc": "icc_profile"}.get(name, name) not in without
    ]


def save_settings(metadata: Metadata, format_name: str, shape: Sequence[int]) -> dict[str, Any]:
    """Return Pillow's settings for the metadata that a format holds of a picture (H, W, C)."""
    found = {name: getattr(metadata, name) for name in FORMATS[format_name].keeps}
    limits = _JPEG_LIMITS if format_name == "JPEG" else {}
    settings = {n: v for n, v in found.items() if v and len(v) <= limits.get(n, math.inf)}
    profile = settings.pop("icc", b"")
    if len(profile) >= _PROFILE_HEADER and profile[16:20] == _PROFILE_SPACES.get(shape[2]):
        settings["icc_profile"] = profile
    recipe, has_text = metadata.recipe, format_name in _TEXTS
    if "exif" in settings or (recipe is not None and not has_text):
        settings["exif"] = _edited(settings.get("exif"), shape, None if has_text else recipe)
    if recipe is not None and has_text:
        settings["recipe"] = recipe
    return settings


def check_recipe(recipe: str, format_name: str, label: str) -> None:
    """Refuse a recipe that a format does not hold."""
    if format_name not in _TEXTS and "exif" not in FORMATS[format_name].keeps:
        fault = f"{format_name} has no place for a recipe"
        fail(label, fault, "leave --record out, or write a .png", ImageError)
    if format_name == "JPEG" and len(recipe) > _JPEG_LIMIT // 2:
        fault = f"a JPEG holds a recipe of {_JPEG_LIMIT // 2:,} bytes, got {len(recipe):,}"
        fail(label, fault, "write a .png", ImageError)


def iptc_segment(iptc: bytes) -> bytes:
    """Return the records of news agencies as a JPEG's APP13 segment, in Photoshop's frame."""
    head = b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(iptc))
    body = head + iptc + bytes(len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def _exif(read_exif: Callable[[], Image.Exif]) -> tuple[bytes | None, str | None]:
    """Return EXIF without orientation, thumbnail and the old file's facts; and its recipe."""
    with decoder_errors():
        exif = read_exif()
        tags = {tag: exif[tag] for tag in _KEPT if tag in exif}
        inner, places = (dict(exif.get_ifd(tag)) for tag in _DIRECTORIES)
        if ExifTags.IFD.Interop in inner:
            inner[ExifTags.IFD.Interop] = dict(exif.get_ifd(ExifTags.IFD.Interop))
    comment, texts = inner.get(_USER_COMMENT), [tags.get(_DESCRIPTION)]
    if isinstance(comment, bytes) and comment.startswith(_ASCII + RECIPE_MARK.encode()):
        texts.append(comment.removeprefix(_ASCII).decode("ascii", "replace"))
        del inner[_USER_COMMENT]
    recipes = [text for text in texts if str(text).startswith(RECIPE_MARK)]
    block = Image.Exif()
    block.update({n: v for n, v in tags.items() if not str(v).startswith(_STRUCTURE)})
    directories = zip(_DIRECTORIES, (inner, places), strict=True)
    block.update({tag: directory for tag, directory in directories if directory})
    with decoder_errors():
        return block.tobytes() if block else None, str(recipes[-1]) if recipes else None


def _edited(exif: bytes | None, size: Sequence[int], recipe: str | None) -> bytes:
    """Return EXIF with the picture's pixel dimensions, where it has any, and its recipe."""
    block = Image.Exif()
    if exif is not None:
        block.load(exif)
    if recipe is not None or ExifTags.IFD.Exif in block:
        inner = block.get_ifd(ExifTags.IFD.Exif)
        inner |= {tag: size[1 - side] for tag, side in _PIXEL_SIDES if tag in inner}
        inner |= {} if recipe is None else {_USER_COMMENT: _ASCII + recipe.encode("ascii")}
    with decoder_errors():
        return block.tobytes()


def _dpi(value: object) -> tuple[float, float] | None:
    """Return a resolution that can be used, whatever the file says."""
    try:
        across, down = (float(part) for part in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ArithmeticError):
        return None
    usable = all(math.isfinite(part) and part > 0 for part in (across, down))
    return (across, down) if usable else None

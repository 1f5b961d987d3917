"""What each format keeps of each kind of picture: the cases of the tests, and of the docs.

A cell says what a picture of the column becomes when it is written to the format of the row:
``same`` (equal to the last bit), ``close`` (lossy), ``rgb`` (grey as three equal channels),
``few`` (256 colours, alpha on or off) or ``-`` (refused, with the remedy). The columns after
the bar: whether profile, resolution, EXIF, XMP, IPTC and a comment arrive, and frames.
"""

from dataclasses import dataclass

PICTURES = ("L", "L16", "LF", "LA", "LA16", "RGB", "RGB16", "RGBF", "RGBA", "RGBA16")

_WRITTEN = """
PNG      same same -    same same same same -    same same | icc dpi exif xmp -    - frames
TIFF     same same same same same same same same same same | icc dpi exif xmp iptc - frames
JPEG     close -   -    -    -    close -   -    -    -    | icc dpi exif xmp iptc comment -
WEBP     rgb  -    -    rgb  -    same -    -    same -    | icc -   exif xmp -    - frames
GIF      same -    -    few  -    few  -    -    few  -    | -   -   -    -   -    - frames
AVIF     close -   -    close -   close -   -    close -   | icc -   exif xmp -    - frames
BMP      same -    -    -    -    same -    -    -    -    | -   dpi -    -   -    - -
PPM      same same same -    -    same -    -    -    -    | -   -   -    -   -    - frames
JPEG2000 same same -    same -    same -    -    same -    | -   -   -    -   -    - -
TGA      same -    -    same -    same -    -    same -    | -   -   -    -   -    - -
DDS      same -    -    same -    same -    -    same -    | -   -   -    -   -    - -
SGI      same -    -    -    -    same -    -    -    -    | -   -   -    -   -    - -
PCX      same -    -    -    -    same -    -    -    -    | -   -   -    -   -    - -
QOI      rgb  -    -    rgb  -    same -    -    same -    | -   -   -    -   -    - -
NPY      same same same -    -    same same same -    -    | -   -   -    -   -    - -
"""


NOTES = {
    "PNG": "whole dots per metre",
    "TIFF": "Deflate compression",
    "JPEG": "lossy; the input's colour subsampling, else 4:4:4",
    "WEBP": "lossless unless --quality is given; grey becomes RGB",
    "GIF": "256 colours a frame; alpha is on or off; hundredths of a second",
    "AVIF": "lossy",
    "BMP": "whole dots per metre",
    "PPM": "floats as PFM; frames follow each other",
    "JPEG2000": "lossless",
    "DDS": "uncompressed",
    "QOI": "grey becomes RGB",
    "NPY": "the raw array",
}
"""What the docs say of some formats."""


@dataclass(frozen=True)
class Row:
    """What one format holds."""

    format: str
    cells: dict[str, str]
    icc: bool
    dpi: bool
    exif: bool
    xmp: bool
    iptc: bool
    comment: bool
    frames: bool

    @property
    def lost(self) -> str:
        """What is lost without being asked for, in words; a dash where that is nothing."""
        titles = {"icc": "profile", "dpi": "resolution", "exif": "EXIF", "xmp": "XMP",
                  "iptc": "IPTC", "comment": "comment"}  # fmt: skip
        parts = [title for name, title in titles.items() if not getattr(self, name)]
        cells = set(self.cells.values())
        parts += ["exact colours"] if "close" in cells else []
        parts += ["more than 256 colours, half-transparency"] if "few" in cells else []
        parts += ["transparency, with a warning"] if self.format == "NPY" else []
        parts += ["durations"] if self.format in ("TIFF", "PPM") else []
        return ", ".join(parts) or "–"


def _row(line: str) -> Row:
    left, right = line.split("|")
    name, *cells = left.split()
    held = [word != "-" for word in right.split()]
    return Row(name, dict(zip(PICTURES, cells, strict=True)), *held)


ROWS = tuple(_row(line) for line in _WRITTEN.strip().splitlines())


@dataclass(frozen=True)
class Read:
    """A mode, a format that keeps it, and what its pixels are filtered as."""

    mode: str
    format: str
    depth: str
    channels: int
    alpha: bool


READ = (
    Read("1", "PNG", "8", 1, alpha=False),
    Read("L", "PNG", "8", 1, alpha=False),
    Read("LA", "PNG", "8", 1, alpha=True),
    Read("La", "", "8", 1, alpha=True),
    Read("P", "PNG", "8", 3, alpha=False),
    Read("PA", "TIFF", "8", 3, alpha=True),
    Read("RGB", "PNG", "8", 3, alpha=False),
    Read("RGBA", "PNG", "8", 3, alpha=True),
    Read("RGBa", "", "8", 3, alpha=True),
    Read("RGBX", "", "8", 3, alpha=False),
    Read("CMYK", "TIFF", "8", 3, alpha=False),
    # Pillow 12 does not read the YCbCr TIFFs that it writes.
    Read("YCbCr", "", "8", 3, alpha=False),
    Read("LAB", "TIFF", "8", 3, alpha=False),
    Read("HSV", "", "8", 3, alpha=False),
    Read("I", "TIFF", "float", 1, alpha=False),
    Read("I;16", "PNG", "16", 1, alpha=False),
    Read("I;16L", "", "16", 1, alpha=False),
    Read("I;16B", "TIFF", "16", 1, alpha=False),
    Read("I;16N", "", "16", 1, alpha=False),
    Read("F", "TIFF", "float", 1, alpha=False),
)
"""Modes without a format are met in memory only: no file that Pillow writes keeps them."""

MEANINGS = {
    "1": "black and white: 0 and 255",
    "L": "8-bit grey",
    "LA": "8-bit grey with alpha",
    "La": "premultiplied: the grey is divided by alpha",
    "P": "the palette's colours; RGBA where one of them is transparent",
    "PA": "the palette's colours with alpha",
    "RGB": "8-bit colour",
    "RGBA": "8-bit colour with alpha",
    "RGBa": "premultiplied: the colours are divided by alpha",
    "RGBX": "the fourth byte means nothing",
    "CMYK": "the embedded profile turns it into sRGB; without one, Pillow's plain formula",
    "YCbCr": "ITU-R BT.601, as in JPEG",
    "LAB": "CIE L*a*b* (D50) to sRGB",
    "HSV": "a hue is an angle: it has no mean",
    "I": "32-bit whole numbers, filtered as float64; PGM: 16-bit grey",
    "I;16": "16-bit grey",
    "I;16L": "16-bit grey",
    "I;16B": "16-bit grey",
    "I;16N": "16-bit grey",
    "F": "32-bit floats, as they are",
}
"""What the docs say of each mode."""

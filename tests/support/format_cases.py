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

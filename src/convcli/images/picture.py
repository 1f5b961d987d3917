"""A picture: its pixels, and what its file says about them."""

import functools
import io
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Depth
from convcli.errors import ImageError, fail
from convcli.values import Record, replace

if TYPE_CHECKING:
    from PIL import Image

Pixels: TypeAlias = NDArray[Any]

_MOST_SHOWN = 1024  # the longest side that a notebook is sent, in pixels
_LUMA = (19595, 38470, 7471)  # 0.299, 0.587, 0.114 in 1/65536: BT.601 luma, as Pillow's mode L
_STRIP = 64  # rows laid on a colour together: the sums take four times the memory of pixels


class Header(Record):
    """The size of pictures: rows, columns, colour channels; and how many there are."""

    shape: tuple[int, int, int]
    alpha: bool
    dtype: np.dtype[Any]
    frames: int = 1

    @property
    def pixel(self) -> "Frame":
        """One black pixel like those of the pictures."""
        alpha = np.zeros((1, 1), self.dtype) if self.alpha else None
        return Frame(np.zeros((1, 1, self.shape[2]), self.dtype), alpha)


class Frame(Record):
    """A picture in memory: uint8, uint16 or another real dtype."""

    pixels: Pixels  # (H, W, C): 1 (grey) or 3 (red, green, blue); any number from an array
    alpha: Pixels | None = None  # opacity (H, W), of the same dtype; None where there is none
    format: str | None = None  # the name of the file format that it came from, as in `FORMATS`

    @property
    def shape(self) -> tuple[int, int]:
        """Size (rows, columns), in pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])

    @property
    def header(self) -> Header:
        """Its size, as the header of a file says it."""
        shape = (*self.shape, self.channels)
        return Header(shape, self.alpha is not None, self.pixels.dtype)

    @property
    def channels(self) -> int:
        """Colour channels, alpha not counted."""
        return int(self.pixels.shape[2])

    @property
    def array(self) -> Pixels:
        """The pixels, shape (H, W) or (H, W, C); an opacity is the last channel."""
        samples = self.samples
        return samples[..., 0] if samples.shape[2] == 1 else samples

    @functools.cached_property
    def depth(self) -> Depth:
        """The type of its numbers: 8 bits, 16 bits or floats."""
        return Depth.of(self.pixels.dtype)

    @property
    def white(self) -> int:
        """The largest value that a pixel can have: 255 or 65,535."""
        return self.depth.white

    @property
    def samples(self) -> Pixels:
        """The pixels, with alpha as the last channel where there is one."""
        return self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha])

    @property
    def is_translucent(self) -> bool:
        """Whether any pixel is not fully opaque."""
        return self.alpha is not None and bool((self.alpha != self.white).any())

    def on(self, color: tuple[int, int, int]) -> "Frame":
        """Return the picture laid on a colour of 0 to 255, opaque; rounded half up."""
        if self.alpha is None:
            return self
        is_grey = len(set(color)) == 1
        if not is_grey and self.channels not in (1, 3):
            fault = f"expected a grey background for {self.channels} channels, got a colour"
            fail("picture", fault, "lay it on white or black", ImageError)
        channels = self.channels if is_grey else 3
        # The largest sum of whole numbers is 65,535² and a half, which has 32 bits.
        working = np.dtype(np.float64 if self.depth is Depth.FLOAT else np.uint32)
        behind = np.array(color[: 1 if is_grey else 3], working) * (self.white // 255)
        flat = np.empty((*self.shape, channels), self.pixels.dtype)
        for start in range(0, len(flat), _STRIP):
            rows = slice(start, start + _STRIP)
            opacity = self.alpha[rows, :, np.newaxis].astype(working)
            mixed = self.pixels[rows].astype(working) * opacity
            mixed = mixed + behind * (self.white - opacity)
            if self.depth is Depth.FLOAT:
                flat[rows] = mixed / self.white
            else:
                flat[rows] = (mixed + self.white // 2) // self.white
        return replace(self, pixels=flat, alpha=None)

    def gray(self) -> "Frame":
        """Return the picture in grey, by ITU-R BT.601 luma; integers rounded as Pillow does."""
        if self.channels != 3:  # noqa: PLR2004 - only red, green, blue has a luma
            return self
        if self.depth is Depth.FLOAT:
            # Not a product of matrices: its last digit depends on the picture's size.
            red, green, blue = np.array(_LUMA, np.float32) / np.float32(0x10000)
            luma = self.pixels[..., 0] * red + self.pixels[..., 1] * green
            luma = luma + self.pixels[..., 2] * blue
        else:
            weighted = self.pixels.astype(np.uint32) @ np.array(_LUMA, np.uint32)
            luma = ((weighted + 0x8000) >> 16).astype(self.pixels.dtype)
        return replace(self, pixels=luma[..., np.newaxis])

    def as_gray(self, label: str = "picture") -> "Frame":
        """Return the picture in grey, as `gray`; refuse channels that have none."""
        grey = self.gray()
        if grey.channels > 1:
            fault = f"expected one channel, or red, green and blue, got {grey.channels}"
            fail(label, fault, "take one channel of it", ImageError)
        return grey

    def scaled_to(self, depth: Depth) -> "Frame":
        """Return an 8-bit picture with 16 bits a channel (times 257); any other unchanged."""
        if self.depth is not Depth.EIGHT or depth is not Depth.SIXTEEN:
            return self
        wider = np.uint16(257)
        alpha = None if self.alpha is None else self.alpha * wider
        return replace(self, pixels=self.pixels * wider, alpha=alpha)

    def to_pil(self) -> "Image.Image":
        """Return an image of Pillow's; an `ImageError` where that has no mode for it."""
        from PIL import Image

        plain = self.depth is Depth.EIGHT and self.channels in (1, 3)
        if not plain and (self.channels > 1 or self.alpha is not None):
            got = f"{self.channels} channels of {self.pixels.dtype}"
            fault = f"expected 8 bits a channel, or one channel, got {got}"
            fail("picture", fault, "take numpy.asarray of it", ImageError)
        pixels = self.array.astype(self.depth.dtype, copy=False)
        return Image.fromarray(np.ascontiguousarray(pixels))


def picture_of_samples(samples: Pixels) -> Frame:
    """Return the picture of an array (H, W, C) whose last channel of 2 or 4 is alpha."""
    if samples.shape[2] in (2, 4):
        return Frame(samples[..., :-1], samples[..., -1])
    return Frame(samples)


def eight_bits(values: Pixels) -> Pixels:
    """Return pixels as 8 bits to look at: floats are stretched from 0 to 255."""
    depth = Depth.of(values.dtype)
    if depth is not Depth.FLOAT:
        return values if depth is Depth.EIGHT else (values >> 8).astype(np.uint8)
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    least, largest = finite.min(), finite.max()
    return np.asarray(np.rint((finite - least) * (255 / (largest - least or 1))), np.uint8)


class Metadata(Record):
    """What a file says about its pixels."""

    icc: bytes | None = None  # the colour profile
    dpi: tuple[float, float] | None = None  # across and down, in dots per inch
    exif: bytes | None = None  # "Exif\0\0" and a TIFF; without orientation and thumbnail
    subsampling: int | None = None  # of a JPEG's colours: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0
    xmp: bytes | None = None  # Adobe's block of XML, which says that the pixels are upright
    iptc: bytes | None = None  # the records of news agencies (IPTC-IIM)
    comment: bytes | None = None  # a text without a rule
    recipe: str | None = None  # how convcli made the picture, in ASCII
    geo: tuple[tuple[int, Any], ...] = ()  # the tags of GeoTIFF and GDAL, by their numbers
    nodata: str | None = None  # the number of pixels that GDAL calls no data
    ome: str | None = None  # OME-XML, which describes pictures of microscopes


class Timing(Record):
    """How an animation plays."""

    durations: tuple[float, ...]  # of each frame, in milliseconds
    disposals: tuple[int, ...]  # what happens before the next is drawn, as its format counts
    loop: int | None = None  # how often it is played, 0 for ever; None where nothing says it
    still: bool = False  # whether the first frame is only for programs that show no animations


class Picture(Record):
    """The contents of a file: one picture, the frames of an animation, or pages.

    Attributes
    ----------
    frames : tuple of Frame
        At least one.
    metadata : Metadata
        Of the first frame.
    timing : Timing or None
        None where the frames are pages, or one only.
    mode : str
        Pillow's name for the pixels in the file: ``CMYK``.
    notes : tuple of str
        What a person should know about the reading.

    Examples
    --------
    >>> import convcli
    >>> picture = convcli.open([[0, 9], [9, 0]])
    >>> picture.frames[0].shape, picture.array.tolist()
    ((2, 2), [[0, 9], [9, 0]])
    """

    frames: tuple[Frame, ...]
    metadata: Metadata = Metadata()
    timing: Timing | None = None
    mode: str = ""
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str | None:
        """The name of the file format that it came from."""
        return self.frames[0].format

    @property
    def is_animated(self) -> bool:
        """Whether there is more than one frame: of an animation, or pages."""
        return len(self.frames) > 1

    @property
    def array(self) -> Pixels:
        """The first frame, shape (H, W) or (H, W, C); an opacity is the last channel."""
        return self.frames[0].array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pixels:  # noqa: FBT001 - NumPy calls it so
        return np.array(self.array, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        if not self.frames:  # `Result.source` does not keep its pixels.
            return "<Picture without frames>"
        first, count = self.frames[0], len(self.frames)
        (height, width), alpha = first.shape, " + alpha" * (first.alpha is not None)
        size = f"{width} × {height} px, {first.channels} channels{alpha}"
        frames = f", {count} frames" if count > 1 else ""
        return f"<Picture {size}{frames}, {first.pixels.dtype}>"

    def to_pil(self) -> "Image.Image":
        """Return the first frame as an image of Pillow's: see `Frame.to_pil`."""
        return self.frames[0].to_pil()

    def _repr_png_(self) -> bytes:
        """Return the first frame as notebooks show it: of 8 bits, sides of at most 1024."""
        first, alpha = self.frames[0], self.frames[0].alpha
        pixels = first.pixels if first.channels in (1, 3) else first.pixels[..., :1]
        if alpha is not None and first.depth is Depth.FLOAT:
            alpha = np.rint(alpha.clip(0, first.white)).astype(np.uint8)
        alpha = None if alpha is None else eight_bits(alpha)
        image = Frame(eight_bits(pixels), alpha).to_pil()
        image.thumbnail((_MOST_SHOWN, _MOST_SHOWN))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return buffer.getvalue()


_CODE_KNEE, _LIGHT_KNEE = 0.04045, 0.0031308
_SLOPE, _OFFSET, _EXPONENT = 12.92, 0.055, 2.4


def to_linear(codes: NDArray[Any], white: int) -> NDArray[np.float32]:
    """Return the linear light of sRGB values, mirrored at 0; `white` is full light in both."""
    part = np.abs(codes.astype(np.float32)) / np.float32(white)
    bent = ((part + _OFFSET) / (1 + _OFFSET)) ** _EXPONENT
    light = np.where(part <= _CODE_KNEE, part / _SLOPE, bent)
    return _signed(light, codes, white)


def from_linear(light: NDArray[Any], white: int) -> NDArray[np.float32]:
    """Return the sRGB values of linear light: the inverse of `to_linear`, unrounded."""
    part = np.abs(light.astype(np.float32)) / np.float32(white)
    bent = (1 + _OFFSET) * part ** (1 / _EXPONENT) - _OFFSET
    codes = np.where(part <= _LIGHT_KNEE, part * _SLOPE, bent)
    return _signed(codes, light, white)


def _signed(part: NDArray[Any], source: NDArray[Any], white: int) -> NDArray[np.float32]:
    signed: NDArray[np.float32] = np.copysign(part * white, source).astype(np.float32)
    return signed

"""A picture: its pixels, and what its file says about them."""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Depth
from convcli.values import Record, replace

if TYPE_CHECKING:
    from PIL import Image

Pixels: TypeAlias = NDArray[Any]

_LUMA = (19595, 38470, 7471)
"""ITU-R BT.601 luma (0.299, 0.587, 0.114) in 1/65536, as Pillow's mode L."""


class Frame(Record):
    """A picture in memory.

    Attributes
    ----------
    pixels : ndarray of uint8, uint16 or another real dtype, shape (H, W, C)
        Colour channels: 1 (grey) or 3 (red, green, blue); any number from an array.
    alpha : ndarray, shape (H, W), or None
        Opacity, of the same dtype; None where the file has none.
    format : str or None
        The name of the file format that it came from, as in `FORMATS`.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    format: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Size (rows, columns), in pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """Colour channels, alpha not counted."""
        return int(self.pixels.shape[2])

    @property
    def array(self) -> Pixels:
        """The pixels, shape (H, W) or (H, W, C); an opacity is the last channel."""
        if self.alpha is not None:
            return np.dstack([self.pixels, self.alpha])
        return self.pixels[..., 0] if self.channels == 1 else self.pixels

    @property
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

    def gray(self) -> "Frame":
        """Return the picture in grey, by ITU-R BT.601 luma; integers rounded as Pillow does.

        Examples
        --------
        >>> red = np.array([[[255, 0, 0]]], dtype=np.uint8)
        >>> Frame(red).gray().pixels.tolist()
        [[[76]]]
        """
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

    def scaled_to(self, depth: Depth) -> "Frame":
        """Return an 8-bit picture with 16 bits a channel (times 257); any other unchanged."""
        if self.depth is not Depth.EIGHT or depth is not Depth.SIXTEEN:
            return self
        alpha = None if self.alpha is None else _widened(self.alpha)
        return replace(self, pixels=_widened(self.pixels), alpha=alpha)


def _widened(pixels: Pixels) -> Pixels:
    return pixels.astype(np.uint16) * np.uint16(257)


def picture_of_samples(samples: Pixels, format_name: str | None) -> Frame:
    """Return the picture of an array (H, W, C) whose last channel of 2 or 4 is alpha."""
    if samples.shape[2] in (2, 4):
        return Frame(samples[..., :-1], samples[..., -1], format_name)
    return Frame(samples, None, format_name)


class Metadata(Record):
    r"""What a file says about its pixels.

    Attributes
    ----------
    icc : bytes or None
        The colour profile.
    dpi : (float, float) or None
        Resolution across and down, in dots per inch.
    exif : bytes or None
        The camera's notes (``Exif\0\0`` and a TIFF block), without orientation and
        thumbnail.
    subsampling : int or None
        Of a JPEG's colours, as Pillow counts: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
    xmp : bytes or None
        Adobe's block of XML, which says that the pixels are upright.
    iptc : bytes or None
        The records of news agencies (IPTC-IIM).
    comment : bytes or None
        A text without a rule.
    """

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    subsampling: int | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: bytes | None = None


class Timing(Record):
    """How an animation plays.

    Attributes
    ----------
    durations : tuple of float
        How long each frame is shown, in milliseconds.
    disposals : tuple of int
        What happens to each frame before the next is drawn, as its format counts.
    loop : int or None
        How often it is played, 0 for ever; None for once, where the file does not say.
    still : bool
        Whether the first frame is no part of the animation: programs that show no
        animations show it.
    """

    durations: tuple[float, ...]
    disposals: tuple[int, ...]
    loop: int | None = None
    still: bool = False

    def without_still(self) -> "Timing":
        """Return the timing without the first frame, which is no part of the animation."""
        return replace(
            self, durations=self.durations[1:], disposals=self.disposals[1:], still=False
        )


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
        first, count = self.frames[0] if self.frames else None, len(self.frames)
        size = (
            f"{first.shape[1]} × {first.shape[0]} px, {first.channels} channels"
            if first
            else ""
        )
        alpha = " + alpha" if first is not None and first.alpha is not None else ""
        frames = f", {count} frames" if count > 1 else ""
        return f"<Picture {size}{alpha}{frames}, {first.pixels.dtype if first else 'empty'}>"

    def to_pil(self) -> "Image.Image":
        """Return the first frame as an image of Pillow's.

        Raises
        ------
        ImageError
            If Pillow has no mode for it, as for colours of 16 bits.
        """
        from convcli.images.display import pil_image

        return pil_image(self.frames[0])

    def _repr_png_(self) -> bytes:
        """Return the first frame as notebooks show it."""
        from convcli.images.display import notebook_png

        return notebook_png(self.frames[0])


_CODE_KNEE, _LIGHT_KNEE = 0.04045, 0.0031308
_SLOPE, _OFFSET, _EXPONENT = 12.92, 0.055, 2.4


def to_linear(codes: NDArray[Any], white: int) -> NDArray[np.float32]:
    """Return the linear light of sRGB values.

    The result is float32, of the same shape; `white` is full light in both. Negative values
    are mirrored at 0.

    Examples
    --------
    >>> to_linear(np.array([0, 188, 255], np.uint8), 255).round(1).tolist()
    [0.0, 128.1..., 255.0]
    """
    part = np.abs(codes.astype(np.float32)) / np.float32(white)
    bent = ((part + _OFFSET) / (1 + _OFFSET)) ** _EXPONENT
    light = np.where(part <= _CODE_KNEE, part / _SLOPE, bent)
    return _signed(light, codes, white)


def from_linear(light: NDArray[Any], white: int) -> NDArray[np.float32]:
    """Return the sRGB values of linear light: the inverse of `to_linear`, unrounded.

    Examples
    --------
    >>> from_linear(np.array([0.0, 127.5, 255.0]), 255).round(1).tolist()
    [0.0, 187.5..., 255.0]
    """
    part = np.abs(light.astype(np.float32)) / np.float32(white)
    bent = (1 + _OFFSET) * part ** (1 / _EXPONENT) - _OFFSET
    codes = np.where(part <= _LIGHT_KNEE, part * _SLOPE, bent)
    return _signed(codes, light, white)


def _signed(part: NDArray[Any], source: NDArray[Any], white: int) -> NDArray[np.float32]:
    signed: NDArray[np.float32] = np.copysign(part * white, source).astype(np.float32)
    return signed

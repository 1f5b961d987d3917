"""The settings of `apply`."""

from functools import cached_property
from typing import TYPE_CHECKING

from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Edges, Method, Range
from convcli.geometry.window import IntOrPair, Padding
from convcli.values import Record

if TYPE_CHECKING:
    from convcli.pipeline.blend import Mask

LUMA = ("luma",)  # the channels that stand for brightness only


class Options(Record, kw_only=True):
    """How pictures are filtered. In a chain they hold for every step; `range` for the last.

    Attributes
    ----------
    stride, dilation, padding
        As in `convcli.correlate`.
    transposed : bool
        Add up a stamp of the kernel for each pixel, as `convcli.correlate_transposed`.
    output_padding : int
        Rows and columns more at the end of a transposed result.
    border : Border or Edges
        Which values the padding has.
    bias : float, optional
        Added to every value, in addition to the kernel's own bias.
    axis : "x" or "y", optional
        Lay kernels of one row or one column along this axis.
    flip : bool
        Convolve: flip the kernel on both axes first.
    gray : bool
        Make the picture grey before it is filtered.
    range : Range
        How values outside the range of a pixel become pixels.
    depth : Depth, optional
        Of the result; the picture's own otherwise. From 8 to 16 bits, 255 becomes
        65,535. Floats keep their numbers both ways.
    alpha : Alpha
        How transparency is filtered.
    background : (int, int, int), optional
        Lay the picture on this colour first (red, green and blue, 0 to 255): nothing is
        transparent then.
    linear : bool
        Filter in linear light: undo sRGB's transfer function first, and apply it at the end.
    combine : Combine, optional
        How the answers of joined kernels become one; the operator's own rule by default.
    map : int, optional
        The one output map of the last filter bank to compute, counted from 0.
    relu : bool
        Make negative values 0 before they become pixels.
    colormap : Colormap, optional
        Colour each output map; `Range.AUTO` then stretches, or balances where the
        colours diverge.
    direction : bool
        Colour the direction of the gradient by hue, its strength by brightness.
    amount : float
        How much of the filter: original + amount · (filtered - original), from 0 to 10; in
        linear light with `linear`.
    threshold : float
        Differences between filtered and original below it leave the original, in the numbers
        of the pixels (of linear light with `linear`).
    mask : Mask, optional
        How much of the filter each pixel gets: black nothing, white all.
    region : str, optional
        The part of the picture to change, ``"X,Y,WxH"`` in pixels or per cent; the rest stays
        bit for bit.
    channels : tuple of str or int, optional
        The channels to change, of r, g, b, a and numbers; or `LUMA`: brightness only.
    missing : "nan", "alpha", "none" or float, optional
        Which pixels weigh nothing: those that are NaN, transparent, or have this number in
        all channels. The weights of the others are scaled up. A file's own number for no data
        is taken where nothing is given; with "none" no pixel is missing.
    missing_min : float
        The share of the weights, 0 to 1, that must be known: else a pixel stays missing.
    strict : bool
        Treat any remainder of the stride as an error.
    method : Method
        Which of the engine's strategies may be used.
    jobs : int, optional
        Threads; the cores that the process may use where none is given.
    collect_stats : bool
        Look for the smallest and the largest raw value, and count what is clipped, for the
        report. That takes 1.3 of the 24 ms of a JPEG of 2 megapixels.

    Examples
    --------
    >>> Options(stride=2, border=Border.WRAP).stride
    2
    """

    stride: IntOrPair = 1
    padding: Padding = "same"
    dilation: IntOrPair = 1
    transposed: bool = False
    output_padding: int = 0
    border: Border | Edges = Border.ZERO
    bias: float | None = None
    axis: str | None = None
    flip: bool = False
    gray: bool = False
    range: Range = Range.AUTO
    depth: Depth | None = None
    alpha: Alpha = Alpha.AUTO
    background: tuple[int, int, int] | None = None
    linear: bool = False
    combine: Combine | None = None
    map: int | None = None
    relu: bool = False
    colormap: Colormap | None = None
    direction: bool = False
    amount: float = 1.0
    threshold: float = 0.0
    mask: "Mask | None" = None
    region: str | None = None
    channels: tuple[str | int, ...] | None = None
    missing: str | float | None = None
    missing_min: float = 0.0
    strict: bool = False
    method: Method = Method.AUTO
    jobs: int | None = None
    collect_stats: bool = True

    def depth_from(self, source: Depth) -> Depth:
        """Return the depth of the result: colours of a legend have 8 bits."""
        if self.colormap is not None or self.direction:
            return Depth.EIGHT
        return self.depth or source

    @cached_property
    def mixing(self) -> str:
        """How the result is mixed with the original; empty where it is not."""
        parts = [f"amount {self.amount:g}"] * (self.amount != 1)
        parts += [f"threshold {self.threshold:g}"] * (self.threshold > 0)
        parts += [f"mask {self.mask.name}"] if self.mask is not None else []
        parts += [f"region {self.region}"] if self.region is not None else []
        if self.channels is not None:
            light = f" (Y of {'BT.709' if self.linear else 'BT.601'})"
            names = ",".join(map(str, self.channels))
            parts.append(f"channels {names}{light if self.channels == LUMA else ''}")
        return ", ".join(parts)

    @property
    def mask_bytes(self) -> int:
        """The memory that the mask takes."""
        return 0 if self.mask is None else self.mask.nbytes

    @cached_property
    def wants_gray(self) -> bool:
        """Whether the picture is made grey first: a direction has one hue a pixel."""
        return self.gray or self.direction

"""The settings of `apply`."""

from functools import cached_property

from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Method, Range
from convcli.geometry.window import IntOrPair, Padding
from convcli.values import Record


class Options(Record, kw_only=True, cached=True):
    """How pictures are filtered. In a chain they hold for every step; `range` for the last.

    Attributes
    ----------
    stride, dilation, padding
        As in `convcli.correlate`.
    border : Border
        Which values the padding has.
    bias : float, optional
        Added to every value, in addition to the kernel's own bias.
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
    border: Border = Border.ZERO
    bias: float | None = None
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
    def wants_gray(self) -> bool:
        """Whether the picture is made grey first: a direction has one hue a pixel."""
        return self.gray or self.direction

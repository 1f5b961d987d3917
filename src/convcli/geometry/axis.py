"""One axis of a sliding window: sizes and what is left over."""

from typing import TYPE_CHECKING

from convcli.errors import GeometryError
from convcli.records import Record

if TYPE_CHECKING:
    from fractions import Fraction


class Unseen(Record):
    """What a stride leaves over at the end of an axis, in pixels."""

    picture: int
    padding: int

    @property
    def total(self) -> int:
        """All that is left over: (W + p1 + p2 - extent) mod stride."""
        return self.picture + self.padding


class Axis(Record):
    """One axis of a sliding window.

    Parameters
    ----------
    kernel : int
        Number of taps, k.
    stride : int
        Step between two outputs, s, in pixels.
    before, after : int
        Padding at the start and at the end, in pixels.
    dilation : int
        Distance between two taps, d, in pixels.

    Raises
    ------
    GeometryError
        If a tap count, stride or dilation is below 1, or a padding negative.

    Examples
    --------
    >>> Axis(kernel=3, stride=2, before=1, after=1).output_size(7)
    4
    """

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            if getattr(self, name) < 1:
                raise GeometryError(
                    f"{name}: expected a whole number of at least 1, "
                    f"got {getattr(self, name)}: use 1 or more"
                )
        if min(self.before, self.after) < 0:
            raise GeometryError(
                f"padding: expected 0 or more pixels, got {min(self.before, self.after)}: "
                "cut the picture where it should be smaller"
            )

    @property
    def extent(self) -> int:
        """Pixels from the first tap to the last, d(k-1) + 1."""
        return self.dilation * (self.kernel - 1) + 1

    def span(self, size: int) -> int:
        """Return W + p1 + p2 - extent: how far the window can travel.

        Raises
        ------
        GeometryError
            If the axis is empty, or the kernel larger than the padded axis.
        """
        if size < 1:
            raise GeometryError(
                f"size: expected at least 1 pixel, got {size}: use a larger one"
            )
        span = size + self.before + self.after - self.extent
        if span < 0:
            raise GeometryError(
                f"the kernel spans {self.extent} px but the padded image only "
                f"{size + self.before + self.after} px ({size} + {self.before} + "
                f"{self.after}): use a smaller kernel or dilation, or a padding that is "
                f"{-span} px larger in all"
            )
        return span

    def output_size(self, size: int) -> int:
        """Return floor((W + p1 + p2 - d(k-1) - 1)/s) + 1, as torch.

        Raises
        ------
        GeometryError
            If the axis is empty, or the kernel larger than the padded axis.
        """
        return self.span(size) // self.stride + 1

    def exact_output_size(self, size: int) -> "Fraction":
        """Return the magic formula (W - K + 2P)/S + 1 without rounding.

        Examples
        --------
        >>> Axis(kernel=3, stride=3).exact_output_size(7)
        Fraction(7, 3)
        """
        from fractions import Fraction  # noqa: PLC0415 - whole sizes do without

        return Fraction(self.span(size), self.stride) + 1

    def tiles(self, size: int) -> bool:
        """Tell whether the windows end exactly where the padded axis ends."""
        return self.span(size) % self.stride == 0

    def unseen(self, size: int) -> Unseen:
        """Return how much lies behind the last window, picture and padding apart.

        Examples
        --------
        A 3-tap kernel with stride 2 and padding 1 on 8 pixels leaves padding only.

        >>> Axis(kernel=3, stride=2, before=1, after=1).unseen(8)
        Unseen(picture=0, padding=1)
        """
        total = self.span(size) % self.stride
        first = size + self.after - total  # the first position behind the last window
        picture = max(size - max(first, 0), 0)
        return Unseen(picture=picture, padding=total - picture)

    @property
    def gap(self) -> int:
        """Pixels between two windows that neither looks at: stride less extent."""
        return max(self.stride - self.extent, 0)

    def source(self, output: int) -> int:
        """Return the picture position of the first tap of an output (negative: padding)."""
        return output * self.stride - self.before

    def centre(self, output: int) -> int:
        """Return the picture position of the middle tap, (k-1)//2, of an output."""
        return self.source(output) + self.dilation * ((self.kernel - 1) // 2)

"""Receptive fields: what one output of a stack of layers sees."""

from fractions import Fraction

from convcli.geometry.axis import Axis
from convcli.records import Record


class ReceptiveField(Record):
    """What one output of a stack of layers sees, along one axis.

    Attributes
    ----------
    size : int
        Receptive field r, in input pixels.
    jump : int
        Distance j between two neighbouring outputs, in input pixels.
    start : Fraction
        Position of the centre of the first output; the first pixel's centre is 0.

    Notes
    -----
    Each layer does r += d(k-1)·j, start += (d(k-1)/2 - p)·j, then j *= s.

    Examples
    --------
    Two 3×3 layers see as much as one 5×5:

    >>> layer = Axis(kernel=3, before=1, after=1)
    >>> ReceptiveField().through(layer).through(layer).size
    5
    """

    size: int = 1
    jump: int = 1
    start: Fraction = Fraction(0)

    def through(self, axis: Axis) -> "ReceptiveField":
        """Return the receptive field after one more layer."""
        reach = axis.extent - 1
        return ReceptiveField(
            size=self.size + reach * self.jump,
            jump=self.jump * axis.stride,
            start=self.start + (Fraction(reach, 2) - axis.before) * self.jump,
        )

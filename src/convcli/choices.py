"""What a person can choose: the border modes, ranges, depths, methods and their like.

The command line and the library take these very enums. No NumPy is imported here, so that
help pages and completion start fast.
"""

import enum
from typing import TYPE_CHECKING, Any

from convcli.errors import GeometryError

if TYPE_CHECKING:
    import numpy as np


class Border(enum.Enum):
    """How the picture goes on beyond its edge."""

    ZERO = "zero"
    REPLICATE = "replicate"
    REFLECT = "reflect"
    SYMMETRIC = "symmetric"
    WRAP = "wrap"


ALIASES: dict[str, Border] = {
    "constant": Border.ZERO,
    "zeros": Border.ZERO,
    "edge": Border.REPLICATE,
    "nearest": Border.REPLICATE,
    "clamp": Border.REPLICATE,
    "duplicate": Border.REPLICATE,
    "reflect-101": Border.REFLECT,
    "reflect101": Border.REFLECT,
    "circular": Border.WRAP,
    "periodic": Border.WRAP,
    "tile": Border.WRAP,
    "loop": Border.WRAP,
}
"""Names of other tools that mean one mode only (``mirror`` means two, so it is not here)."""


def border_named(name: "str | Border") -> Border:
    """Return the border mode of a name or an alias.

    Parameters
    ----------
    name : str or Border
        A canonical name (``"replicate"``), an alias (``"edge"``) or a member.

    Returns
    -------
    Border

    Raises
    ------
    GeometryError
        If no border mode has that name.

    Examples
    --------
    >>> border_named("edge")
    <Border.REPLICATE: 'replicate'>
    """
    if isinstance(name, Border):
        return name
    key = str(name).strip().lower()
    if key in ALIASES:
        return ALIASES[key]
    if key in {border.value for border in Border}:
        return Border(key)
    known = ", ".join(border.value for border in Border)
    hint = ": use one of these"
    if key == "mirror":
        hint = " ('mirror' is 'reflect' in SciPy and 'symmetric' in ImageMagick: name one)"
    raise GeometryError(f"border: expected one of {known}; got {str(name)!r}{hint}")


class Method(enum.Enum):
    """The kinds of strategies, by the names that a person chooses them with."""

    AUTO = "auto"
    DIRECT = "direct"
    SEPARABLE = "separable"
    GEMM = "gemm"
    FFT = "fft"


class Range(enum.Enum):
    """What becomes of values that a pixel cannot hold (w is white: 255 or 65,535)."""

    AUTO = "auto"
    """`ABS` where every flat area answers 0 (kernels that sum to 0), else `CLIP`."""
    CLIP = "clip"
    """Below 0 becomes 0, above w becomes w."""
    ABS = "abs"
    """The sign is dropped, then `CLIP`."""
    SHIFT = "shift"
    """0 becomes the middle, (w+1)/2, then `CLIP`."""
    STRETCH = "stretch"
    """The smallest value becomes 0, the largest w."""
    BALANCE = "balance"
    """0 becomes the middle, the largest magnitude an end."""


class Alpha(enum.Enum):
    """How transparency and colour are filtered together."""

    AUTO = "auto"
    """`KEEP` for banks, opaque pictures and chains with a kernel that sums to 0, else
    `PREMULTIPLY`."""
    PREMULTIPLY = "premultiply"
    """Colours count by their opacity, which is filtered alike: what is not seen bleeds
    nowhere. A kernel that sums to 0 keeps the opacity as it was."""
    KEEP = "keep"
    """Colours are filtered as if opaque; the opacity stays as it was."""
    FILTER = "filter"
    """The opacity is filtered as if it were one more colour."""


class Colormap(enum.Enum):
    """Which colours stand for small and for large values."""

    GRAY = "gray"
    VIRIDIS = "viridis"
    MAGMA = "magma"
    DIVERGING = "diverging"


class Combine(enum.Enum):
    """How the answers of several kernels become one."""

    MAGNITUDE = "magnitude"
    """The root of the sum of squares: the length of a gradient."""
    MAX = "max"
    """The largest answer, with its sign: of a compass, the best direction."""
    SUM = "sum"
    """All answers added."""
    MEAN = "mean"
    """All answers added, over their number."""
    MIN = "min"
    """The smallest answer, with its sign."""


class Depth(enum.Enum):
    """How a picture's numbers are kept."""

    EIGHT = "8"
    """Whole numbers from 0 to 255 (uint8)."""
    SIXTEEN = "16"
    """Whole numbers from 0 to 65,535 (uint16)."""
    FLOAT = "float"
    """Any numbers, as they are (every other dtype)."""

    @classmethod
    def of(cls, dtype: "np.dtype[Any]") -> "Depth":
        """Return the depth of pixels of that dtype.

        Examples
        --------
        >>> import numpy as np
        >>> Depth.of(np.dtype(np.uint16))
        <Depth.SIXTEEN: '16'>
        """
        native = {"uint8": cls.EIGHT, "uint16": cls.SIXTEEN} if dtype.isnative else {}
        return native.get(dtype.name, cls.FLOAT)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The dtype that files of this depth hold."""
        import numpy as np

        return np.dtype({"8": np.uint8, "16": np.uint16, "float": np.float32}[self.value])

    @property
    def white(self) -> int:
        """The largest pixel: 255 or 65,535. Floats are taken to be on the 8-bit scale."""
        return 65_535 if self is Depth.SIXTEEN else 255


class Sharing(enum.Enum):
    """Which weights of a kernel that is learnt the colour channels share."""

    SHARED = "shared"
    """All channels have one 2-D kernel."""
    CHANNEL = "per-channel"
    """Each channel has a 2-D kernel of its own."""
    MIX = "mix"
    """Each output channel looks at all input channels: a full filter bank."""


class LearningMethod(enum.Enum):
    """How a kernel is learnt."""

    LSTSQ = "lstsq"
    """Solve the normal equations of least squares."""
    SGD = "sgd"
    """Stochastic gradient descent, step by step."""


class Overlap(enum.Enum):
    """Which part of the convolution of two sequences is kept, as in `numpy.convolve`."""

    FULL = "full"
    """All of it: m + n - 1 values."""
    SAME = "same"
    """The middle, as long as the longer sequence."""
    VALID = "valid"
    """Only where the shorter sequence lies within the longer one."""

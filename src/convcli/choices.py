"""What a person can choose: the border modes, ranges, depths, methods and their like.

The command line and the library use the same enums. No NumPy is imported here, so that help
pages and completion start fast.
"""

import enum
import functools
from typing import TYPE_CHECKING, Any

from convcli.errors import GeometryError
from convcli.values import Record

if TYPE_CHECKING:
    import numpy as np


class Border(enum.Enum):
    """Which pixels are read beyond the edge of a picture.

    Examples
    --------
    >>> import convcli
    >>> convcli.apply("box", [[3, 0, 6]], border=convcli.Border.WRAP).array.tolist()
    [[3.0, 3.0, 3.0]]
    """

    ZERO = "zero"
    REPLICATE = "replicate"
    REFLECT = "reflect"
    SYMMETRIC = "symmetric"
    WRAP = "wrap"
    ODD = "odd"
    """`REFLECT`, turned about the value at the edge too: 2 · edge - pixel."""

    @property
    def axes(self) -> "tuple[Border, Border]":
        """The modes of the rows and of the columns: both are this one."""
        return (self, self)


class Edges(Record):
    """A border that has a constant, or a mode for each axis.

    Attributes
    ----------
    value : str
        How it is written: ``constant:128``, ``replicate,wrap``.
    axes : (Border, Border)
        The mode above and below the picture, and that at its sides.
    fill : tuple of float
        The constant of `Border.ZERO`: a number as the pixels have it, or red, green and blue
        from 0 to 255. It is opaque.

    Examples
    --------
    >>> import convcli
    >>> convcli.Options(border=Edges("zero,wrap", (Border.ZERO, Border.WRAP))).border.value
    'zero,wrap'
    """

    value: str
    axes: tuple[Border, Border]
    fill: tuple[float, ...] = (0.0,)


ALIASES: dict[str, Border] = {
    **dict.fromkeys(("constant", "zeros"), Border.ZERO),
    **dict.fromkeys(("edge", "nearest", "clamp", "duplicate"), Border.REPLICATE),
    **dict.fromkeys(("reflect-101", "reflect101"), Border.REFLECT),
    **dict.fromkeys(("circular", "periodic", "tile", "loop"), Border.WRAP),
}
"""Names of other tools that mean one mode only (``mirror`` means two, so it is not here)."""


def border_named(name: "str | Border") -> Border:
    """Return the border mode of a name or an alias, or the mode itself."""
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
    """How a picture is filtered: the kinds of strategies.

    Examples
    --------
    >>> import convcli
    >>> convcli.apply("box:9", [[9] * 9], method="direct").report.steps[0].method
    'direct'
    """

    AUTO = "auto"
    DIRECT = "direct"
    SEPARABLE = "separable"
    GEMM = "gemm"
    FFT = "fft"


class Range(enum.Enum):
    """How results become pixels (w is white: 255 or 65,535).

    Examples
    --------
    >>> import numpy as np, convcli
    >>> row = np.array([[9, 0]], np.uint8)
    >>> convcli.apply([[-1]], row, range=convcli.Range.ABS).array.tolist()
    [[9, 0]]
    """

    AUTO = "auto"
    """`ABS` for kernels that sum to 0, whose results have both signs, else `CLIP`. Colour maps
    stretch or balance, and directions of floats stretch."""
    CLIP = "clip"
    """Below 0 becomes 0, above w becomes w."""
    ABS = "abs"
    """Each value becomes its magnitude, then `CLIP`."""
    SHIFT = "shift"
    """0 becomes the middle, (w+1)/2, then `CLIP`."""
    STRETCH = "stretch"
    """The smallest value becomes 0, the largest w."""
    BALANCE = "balance"
    """0 becomes the middle, the largest magnitude 0 or w."""


class Alpha(enum.Enum):
    """How transparency and colour are filtered together.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> row = np.array([[8, 255], [0, 0]], np.uint8)[np.newaxis]
    >>> convcli.apply("box", row, alpha=convcli.Alpha.KEEP).array[..., 1].tolist()
    [[255, 0]]
    """

    AUTO = "auto"
    """`KEEP` for banks, opaque pictures and chains with a kernel that sums to 0, else
    `PREMULTIPLY`."""
    PREMULTIPLY = "premultiply"
    """Colours are multiplied by their opacity, which is filtered too: colours of transparent
    pixels do not spread. A kernel that sums to 0 leaves the opacity unchanged."""
    KEEP = "keep"
    """Colours are filtered as if they were opaque; the opacity does not change."""
    FILTER = "filter"
    """The opacity is filtered like a further colour."""


class Colormap(enum.Enum):
    """Which colours show small and large values.

    Examples
    --------
    >>> import convcli
    >>> convcli.apply("identity", [[0, 9]], colormap=convcli.Colormap.GRAY).array[0].tolist()
    [[0, 0, 0], [255, 255, 255]]
    """

    GRAY = "gray"
    VIRIDIS = "viridis"
    MAGMA = "magma"
    DIVERGING = "diverging"


_RED_BLUE = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"
RED_BLUE = tuple(tuple(bytes.fromhex(colour)) for colour in _RED_BLUE.split())
"""ColorBrewer's RdBu in eleven colours, from blue (below 0) to red (above 0)."""


class Combine(enum.Enum):
    """How the results of several kernels become one.

    Examples
    --------
    >>> import convcli
    >>> convcli.apply("identity+identity", [[3]], combine=convcli.Combine.SUM).array.tolist()
    [[6.0]]
    """

    MAGNITUDE = "magnitude"
    """The root of the sum of the squares: the length of a gradient."""
    MAX = "max"
    """The largest result, with its sign: of a compass, the best direction."""
    SUM = "sum"
    """The sum of all results."""
    MEAN = "mean"
    """The mean of all results."""
    MIN = "min"
    """The smallest result, with its sign."""


class WeightLayout(enum.Enum):
    """The order of the four axes of a filter bank in a file."""

    OIHW = "oihw"  # outputs, inputs, rows, columns: torch, and convcli
    HWIO = "hwio"  # rows, columns, inputs, outputs: TensorFlow, JAX


EXPORTED = (
    "json", "vips", "imagemagick", "ffmpeg", "svg", "csv", "npy", "npz", "numpy", "torch",
)  # fmt: skip
"""The formats of `convcli.kernels.formats.read` that kernels can be written in, as shown."""


class Depth(enum.Enum):
    """Which numbers the pixels of a picture are.

    Examples
    --------
    >>> import numpy as np, convcli
    >>> white = np.array([[255]], np.uint8)
    >>> convcli.apply("identity", white, depth=convcli.Depth.SIXTEEN).array
    array([[65535]], dtype=uint16)
    """

    EIGHT = "8"
    """Whole numbers from 0 to 255 (uint8)."""
    SIXTEEN = "16"
    """Whole numbers from 0 to 65,535 (uint16)."""
    FLOAT = "float"
    """Any other dtype, unchanged."""

    @classmethod
    @functools.cache
    def of(cls, dtype: "np.dtype[Any]") -> "Depth":
        """Return the depth of pixels of that dtype."""
        native = {"uint8": cls.EIGHT, "uint16": cls.SIXTEEN} if dtype.isnative else {}
        return native.get(dtype.name, cls.FLOAT)

    @functools.cached_property
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

    SHARED = "shared"  # all channels have one 2-D kernel
    CHANNEL = "per-channel"  # each channel has a 2-D kernel of its own
    MIX = "mix"  # each output channel looks at all input channels: a full filter bank


class LearningMethod(enum.Enum):
    """How a kernel is learnt."""

    LSTSQ = "lstsq"  # solve the normal equations of least squares
    SGD = "sgd"  # stochastic gradient descent, step by step


class Overlap(enum.Enum):
    """Which part of the convolution of two sequences is kept, as in `numpy.convolve`."""

    FULL = "full"  # all of it: m + n - 1 values
    SAME = "same"  # the middle, as long as the longer sequence
    VALID = "valid"  # only where the shorter sequence lies within the longer one


class Pyramid(enum.Enum):
    """What becomes of the smaller levels of an OME-Zarr image."""

    KEEP = "keep"  # they are made anew from the result, as many as the image has
    NONE = "none"  # the result has one level


class PlaneChoice(Record, kw_only=True):
    """Which planes of a Zarr array are filtered, and what becomes of smaller levels.

    `axes` has a letter for each axis of an array that does not name them: ``"tczyx"``. `select`
    has axes of which a part is filtered, with its first index and the one after its last.
    """

    axes: str | None = None
    select: tuple[tuple[str, int | None, int | None], ...] = ()
    pyramid: Pyramid = Pyramid.KEEP

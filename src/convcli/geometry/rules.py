"""What other tools make of a size, and the way back: transposed convolutions."""

from convcli.errors import GeometryError
from convcli.geometry.axis import Axis
from convcli.geometry.windows import Pair


def ceil_padding(
    size: int, kernel: int, stride: int = 1, dilation: int = 1, *, lower: bool = False
) -> Pair:
    """Return the padding (before, after) that makes the output ceil(W/S).

    TensorFlow's ``SAME`` and ONNX's ``SAME_UPPER`` put the odd pixel at the end,
    ONNX's ``SAME_LOWER`` at the start. Unlike the padding that torch calls ``same`` it
    depends on the size: max((ceil(W/S) - 1)·S + D(K-1) + 1 - W, 0) in all.

    Parameters
    ----------
    size, kernel, stride, dilation : int
        Of one axis, in pixels.
    lower : bool
        Put the odd pixel at the start.

    Raises
    ------
    GeometryError
        If a number is below 1.

    Examples
    --------
    >>> ceil_padding(224, kernel=3, stride=2)
    (0, 1)
    """
    axis = Axis(kernel, stride, dilation=dilation)
    if size < 1:
        raise GeometryError(f"size: expected at least 1 pixel, got {size}")
    total = max((-(-size // stride) - 1) * stride + axis.extent - size, 0)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def transposed_size(axis: Axis, size: int, output_padding: int = 0) -> int:
    """Return (W - 1)·S + D(K-1) + 1 - P1 - P2 + output padding: a layer run backwards.

    A forward convolution with stride S maps S different widths to the same output; the
    output padding, 0 to S-1, says which of them is wanted (as torch ConvTranspose2d).

    Raises
    ------
    GeometryError
        If the axis is empty, nothing is left, or the output padding is not smaller than
        the stride or the dilation.

    Examples
    --------
    >>> transposed_size(Axis(kernel=3, stride=2, before=1, after=1), 4, output_padding=1)
    8
    """
    if size < 1:
        raise GeometryError(f"size: expected at least 1 pixel, got {size}")
    limit = max(axis.stride, axis.dilation)
    if not 0 <= output_padding < limit:
        raise GeometryError(
            f"output padding: expected 0 to {limit - 1} (below the stride or the dilation), "
            f"got {output_padding}"
        )
    full = (size - 1) * axis.stride + axis.extent + output_padding
    result = full - axis.before - axis.after
    if result < 1:
        raise GeometryError(
            f"the padding takes {axis.before} + {axis.after} px off {full} px and leaves "
            "nothing: use a smaller padding or a larger kernel"
        )
    return result

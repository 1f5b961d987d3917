"""One step of gradient descent, number by number: each gradient is a convolution."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.choices import Depth
from convcli.engine.correlate import correlate, kernel_given
from convcli.engine.transposed import correlate_transposed
from convcli.errors import GeometryError, fail
from convcli.geometry.window import IntOrPair, Padding, Pair, window
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.lessons.pictures import square_around
from convcli.values import Record, fields_of, plain_json

Grid = NDArray[np.float64]


class LearningStep(Record, kw_only=True):
    """One step of gradient descent: all grids are float64.

    `image`, `target`, `kernel` and `bias` are x, t, w and b. `output` is y = x ⋆ w + b, and
    `error` e = y - t: the gradient with respect to y of the loss, ½ Σ e². `kernel_gradient` is
    x ⋆ e, the error as the kernel, its taps a stride apart; `bias_gradient` the sum of e; and
    `image_gradient` is e, correlated with the flipped kernel: what the layer before would learn
    from. `new_kernel` and `new_bias` are w and b minus `rate` times their gradients.
    """

    image: Grid
    target: Grid
    kernel: Grid
    bias: float
    rate: float
    output: Grid
    error: Grid
    loss: float
    kernel_gradient: Grid
    bias_gradient: float
    image_gradient: Grid
    new_kernel: Grid
    new_bias: float
    new_loss: float

    def as_dict(self) -> dict[str, Any]:
        """Return the step as plain JSON values."""
        return dict(plain_json(self))


def learn_step(
    image: ArrayLike,
    target: ArrayLike,
    kernel: ArrayLike | Kernel,
    *,
    bias: float = 0.0,
    rate: float = 0.01,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
) -> LearningStep:
    """Take one step of gradient descent on a 2-D kernel, and keep every number of it.

    Parameters
    ----------
    image, target : array_like, shape (H, W) and (H', W')
        The input, and what the output should be.
    kernel : array_like, Kernel or str
        The 2-D kernel before the step.
    bias : float
        Added to each output, and learnt too.
    rate : float
        Learning rate: how much of the gradient is subtracted.
    stride, padding, dilation
        As for `correlate`; beyond the image are zeros.

    Raises
    ------
    GeometryError
        If the kernel is a bank, or the target has not the size of the output.

    Examples
    --------
    >>> step = learn_step([[1, 2, 3]], [[1, 1]], [[1, 0]], rate=0.1)
    >>> step.error.tolist(), step.kernel_gradient.tolist(), step.image_gradient.tolist()
    ([[0.0, 1.0]], [[2.0, 3.0]], [[0.0, 1.0, 0.0]])
    """
    x, t = (np.asarray(each, np.float64) for each in (image, target))
    start = kernel_given(kernel, None)
    if start.is_bank or x.ndim != 2:  # noqa: PLR2004 - (H, W)
        fault = "one step is shown of a 2-D kernel and grey pixels"
        fail("learn", fault, "use those", GeometryError)
    w, b = start.weights, float(sum(start.bias) + bias)
    slide = window(start.size, stride, padding, dilation)
    settings: Any = fields_of(slide, "stride", "padding", "dilation")
    y = correlate(x, w, bias=b, **settings)
    if t.shape != y.shape:
        fault = f"expected the size of the output, {y.shape}, got {t.shape}"
        fail("target", fault, "cut it", GeometryError)
    e = y - t
    turned = settings | {"stride": slide.dilation, "dilation": slide.stride}
    kernel_gradient = correlate(x, e, **turned)[: w.shape[0], : w.shape[1]]
    left = [axis.unseen(size).total for axis, size in zip(slide.axes, x.shape, strict=True)]
    image_gradient = correlate_transposed(e, w, output_padding=left, **settings)
    slope = float(e.sum())
    new_kernel, new_bias = w - rate * kernel_gradient, b - rate * slope
    after = correlate(x, new_kernel, bias=new_bias, **settings) - t
    return LearningStep(
        image=x,
        target=t,
        kernel=w,
        bias=b,
        rate=rate,
        output=y,
        error=e,
        loss=float((e**2).sum() / 2),
        kernel_gradient=kernel_gradient,
        bias_gradient=slope,
        image_gradient=image_gradient,
        new_kernel=new_kernel,
        new_bias=new_bias,
        new_loss=float((after**2).sum() / 2),
    )


def step_on_crop(
    before: Frame,
    after: Frame,
    start: Kernel | Pair,
    *,
    rate: float,
    at: Pair | None,
    cells: int,
) -> LearningStep:
    """Take a step on a square of two grey pictures; `start` may be the size of a mean."""
    if before.shape != after.shape:
        fault = f"expected the size of the input, {before.shape}, got {after.shape}"
        fail("target", fault, "filter it with padding same", GeometryError)
    kernel = start if isinstance(start, Kernel) else Kernel(np.full(start, 1 / np.prod(start)))
    square = square_around(before.shape, at, cells)
    image = _values(before, before, "picture")[square]
    sides = zip(window(kernel.size).axes, image.shape, square, strict=True)
    rows, columns = (
        slice(part.start + axis.centre(0), part.start + axis.centre(axis.output_size(size)))
        for axis, size, part in sides
    )
    wanted = _values(after, before, "target")[rows, columns]
    return learn_step(image, wanted, kernel, rate=rate)


def _values(frame: Frame, source: Frame, label: str) -> Grid:
    """Return grey pixels of 0 to 1; raw values on the scale of the picture they come from."""
    scale = source if frame.depth is Depth.FLOAT else frame
    white = 1 if scale.depth is Depth.FLOAT else scale.white
    return frame.as_gray(label).pixels[..., 0] / np.float64(white)

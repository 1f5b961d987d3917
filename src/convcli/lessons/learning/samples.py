"""Samples to learn from: the patches of one picture, and the values of another."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from convcli.choices import Sharing
from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import Pair
from convcli.text import counted
from convcli.values import Record

Values = NDArray[np.float64]

_FEWEST = 20
"""Samples for each weight that must remain when clipped values are left out."""

_MOST_WEIGHTS = 1024
"""The most weights of one output. Memory grows with their square. Time grows with their square
for each window, and with their cube for the solution of the equations."""


class Samples(Record):
    """Input channels, and the target values of their "valid" windows.

    `inputs`, shape (I, H, W), is what windows of `size` slide over. `targets`, shape
    (O, H - kh + 1, W - kw + 1), holds the values that should come out. `known`, shape
    (H - kh + 1, W - kw + 1), says where the target was not cut off at 0 or white.
    """

    inputs: Values
    targets: Values
    known: NDArray[np.bool_]
    size: Pair

    @property
    def weights(self) -> int:
        """Weights of one output: I·kh·kw."""
        return len(self.inputs) * self.size[0] * self.size[1]

    def strips(self, windows: int) -> Iterator[slice]:
        """Yield the rows of windows in strips of about `windows` windows, from the top."""
        height, width = self.known.shape
        step = max(windows // width, 1)
        for top in range(0, height, step):
            yield slice(top, min(top + step, height))

    def patches(self, corner: tuple[int, ...], size: tuple[int, ...]) -> Values:
        """Return the patches of a block of windows, shape (I·kh·kw, rows·columns)."""
        windows = sliding_window_view(self.inputs, self.size, axis=(1, 2))
        (y, x), (rows, columns) = corner, size
        block = windows[:, y : y + rows, x : x + columns]
        return block.transpose(0, 3, 4, 1, 2).reshape(self.weights, -1)


class Task(Record):
    """The samples for each kernel (or bank) that is to be learnt, a group for each.

    The samples of a group share their weights. `left_out` is the part of the target's values
    that are left out, because they are 0 or white; `rounded` says whether the target's dtype
    holds whole numbers only.
    """

    groups: tuple[tuple[Samples, ...], ...]
    sharing: Sharing
    left_out: float
    rounded: bool


def task_for(
    source: NDArray[np.generic],
    target: NDArray[np.generic],
    size: Pair,
    sharing: Sharing,
) -> Task:
    """Cut two pictures into samples.

    The source has the shape (H, W, C). The target has the shape (H, W, O), or that of "valid"
    windows, (H - kh + 1, W - kw + 1, O): windows that see padding are not used. Sizes or
    channels that do not fit, and too many weights, are a `GeometryError`; numbers that are not
    finite an `ImageError`.
    """
    inside = _inside(target, source.shape, size)
    for name, values in (("INPUT", source), ("TARGET", inside)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ImageError(f"{name}: expected finite numbers, got NaN or infinity: mend it")
    _check_channels(source.shape[2], inside.shape[2], size, sharing)
    known, left_out = _known(inside, source.shape[2] * size[0] * size[1])
    inputs = np.moveaxis(source, 2, 0).astype(np.float64)
    targets = np.moveaxis(inside, 2, 0).astype(np.float64)
    if sharing is Sharing.MIX:
        groups: tuple[tuple[Samples, ...], ...] = (
            (Samples(inputs, targets, np.asarray(known.all(axis=2)), size),),
        )
    else:
        single = tuple(
            Samples(inputs[c : c + 1], targets[c : c + 1], known[..., c], size)
            for c in range(len(inputs))
        )
        groups = (single,) if sharing is Sharing.SHARED else tuple((one,) for one in single)
    return Task(groups, sharing, left_out, rounded=inside.dtype.kind in "iub")


def _inside(
    target: NDArray[np.generic], shape: tuple[int, ...], size: Pair
) -> NDArray[np.generic]:
    """Return the part of the target whose windows see no padding."""
    valid = (shape[0] - size[0] + 1, shape[1] - size[1] + 1)
    if min(valid) < 1:
        raise GeometryError(
            f"k: expected a kernel that fits into {shape[1]} × {shape[0]} px, got "
            f"{size[1]} × {size[0]}: use a smaller one"
        )
    if target.shape[:2] == valid:
        return target
    if target.shape[:2] != shape[:2]:
        raise GeometryError(
            f"target: expected INPUT's size, {shape[1]} × {shape[0]} px, or {valid[1]} × "
            f"{valid[0]} (--padding valid), got {target.shape[1]} × {target.shape[0]}: make it "
            "from INPUT with stride 1"
        )
    top, left = (size[0] - 1) // 2, (size[1] - 1) // 2
    return target[top : top + valid[0], left : left + valid[1]]


def _check_channels(source: int, target: int, size: Pair, sharing: Sharing) -> None:
    """Refuse channels that do not fit, and more weights for each output than there may be."""
    if sharing is not Sharing.MIX and source != target:
        raise GeometryError(
            f"target: expected {counted(source, 'channel')} as INPUT has, got {target}: use "
            "--gray, or --mix to learn a bank"
        )
    count = size[0] * size[1] * (source if sharing is Sharing.MIX else 1)
    if count > _MOST_WEIGHTS:
        raise GeometryError(
            f"k: expected at most {_MOST_WEIGHTS:,} weights for each output, got {count:,}: "
            "use a smaller kernel"
        )


def _known(values: NDArray[np.generic], weights: int) -> tuple[NDArray[np.bool_], float]:
    """Return which values were not cut off at a limit of their dtype, and the other part."""
    known = np.ones(values.shape, bool)
    if values.dtype.kind not in "iu":
        return known, 0.0
    limits = np.iinfo(str(values.dtype))
    inner = (values != limits.min) & (values != limits.max)
    if inner.all(axis=2).sum() < _FEWEST * weights:
        return known, 0.0
    return inner, 1 - float(inner.mean())

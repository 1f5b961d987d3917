"""Patches and the values that they should become: what `learn` learns from."""

import enum
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convcli.errors import GeometryError, ImageError
from convcli.geometry.window import Pair
from convcli.text import counted
from convcli.values import Record

Values = NDArray[np.float64]

_STRIP_WINDOWS = 2**20
"""Windows that are looked at together."""

_FEWEST = 20
"""Samples a weight that must be left where clipped ones are taken out."""

_MOST_WEIGHTS = 1024
"""Weights of one output at most: memory grows with their square, time with their square for
each window and with their cube for the equations themselves."""


class Sharing(enum.Enum):
    """Which weights the colour channels have."""

    SHARED = "shared"
    """One 2-D kernel for all channels."""
    CHANNEL = "per-channel"
    """Each channel has a 2-D kernel of its own."""
    MIX = "mix"
    """Each output channel looks at all input channels: a full filter bank."""


class Samples(Record):
    """Input planes and the target values over their "valid" windows.

    Attributes
    ----------
    inputs : ndarray of float64, shape (I, H, W)
        What the windows slide over.
    targets : ndarray of float64, shape (O, H - kh + 1, W - kw + 1)
        What should come out.
    known : ndarray of bool, shape (H - kh + 1, W - kw + 1)
        Where the target is what the kernel gave: not cut off at 0 or white.
    size : (int, int)
        Kernel size.
    """

    inputs: Values
    targets: Values
    known: NDArray[np.bool_]
    size: Pair

    @property
    def weights(self) -> int:
        """Weights of one output: I·kh·kw."""
        return len(self.inputs) * self.size[0] * self.size[1]

    def strips(self) -> Iterator[slice]:
        """Yield rows of windows, some at a time, from the top to the bottom."""
        height, width = self.known.shape
        step = max(_STRIP_WINDOWS // width, self.size[0])
        for top in range(0, height, step):
            yield slice(top, min(top + step, height))

    def patches(self, corner: Pair, size: Pair) -> Values:
        """Return the patches of a block of windows, shape (I·kh·kw, rows·columns)."""
        (y, x), (rows, columns) = corner, size
        return np.stack(
            [
                plane[y + i : y + i + rows, x + j : x + j + columns].reshape(-1)
                for plane in self.inputs
                for i in range(self.size[0])
                for j in range(self.size[1])
            ]
        )


class Task(Record):
    """All that is to be learnt: samples for each kernel, and what is known of them.

    Attributes
    ----------
    groups : tuple of (tuple of Samples)
        One group for each kernel (or bank) that is learnt on its own; the samples of a
        group share their weights.
    sharing : Sharing
        How channels share weights.
    left_out : float
        Part of the target's values at 0 or white, which were left out.
    rounded : bool
        Whether the target holds whole numbers only.
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
    """Lay out what is to be learnt from two pictures.

    Parameters
    ----------
    source : ndarray, shape (H, W, C)
        The picture before.
    target : ndarray, shape (H, W, O) or (H - kh + 1, W - kw + 1, O)
        The picture after: of the same size (only windows that see no padding are learnt
        from) or as ``--padding valid`` makes it.
    size : (int, int)
        Kernel size.
    sharing : Sharing
        How channels share weights.

    Raises
    ------
    ConvcliError
        If the sizes or channels do not fit.
    """
    inside = _inside(target, source.shape, size)
    for name, values in (("INPUT", source), ("TARGET", inside)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ImageError(f"{name}: expected finite numbers, got NaN or infinity: mend it")
    _check_channels(source.shape[2], inside.shape[2], sharing)
    _check_weights(size, source.shape[2] if sharing is Sharing.MIX else 1)
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
    """Return the target where the windows see no padding."""
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


def _check_channels(source: int, target: int, sharing: Sharing) -> None:
    if sharing is not Sharing.MIX and source != target:
        raise GeometryError(
            f"target: expected {counted(source, 'channel')} as INPUT has, got {target}: use "
            "--gray, or --mix to learn a bank"
        )


def _check_weights(size: Pair, channels: int) -> None:
    count = size[0] * size[1] * channels
    if count > _MOST_WEIGHTS:
        raise GeometryError(
            f"k: expected at most {_MOST_WEIGHTS:,} weights for each output, got {count:,}: "
            "use a smaller kernel"
        )


def _known(values: NDArray[np.generic], weights: int) -> tuple[NDArray[np.bool_], float]:
    """Tell which values are no limit of their dtype: those may have been cut off."""
    known = np.ones(values.shape, bool)
    if values.dtype.kind not in "iu":
        return known, 0.0
    limits = np.iinfo(str(values.dtype))
    inner = (values != limits.min) & (values != limits.max)
    if inner.all(axis=2).sum() < _FEWEST * weights:
        return known, 0.0
    return inner, 1 - float(inner.mean())

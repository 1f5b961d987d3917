"""One output value, taken apart: patch · kernel, bias, range step, and what it means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.borders import Border, source_indices
from convcli.errors import GeometryError
from convcli.filtering import Alpha, Options, Report, filter_picture
from convcli.geometry import Axis, Pair, window
from convcli.images import Picture
from convcli.kernels import Kernel

Grid = NDArray[np.float64]

_ORTHOGONAL = 0.1
_SIMILAR = 0.5


@dataclass(frozen=True, slots=True)
class Plane:
    """What one input channel contributes.

    Attributes
    ----------
    channel : int
        The input channel.
    patch, weights, products : ndarray of float64, shape (kh, kw)
        What the window sees, the kernel, and the two multiplied.
    """

    channel: int
    patch: Grid
    weights: Grid
    products: Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One output value.

    Attributes
    ----------
    at : (int, int)
        Its place in the output (row, column).
    channel : int
        Its output channel.
    rows, columns : tuple of int
        Where the taps look in the picture; outside of it there is padding.
    padded : ndarray of bool, shape (kh, kw)
        Which taps look at padding.
    border : str
        What the padding holds.
    planes : tuple of Plane
        A 2-D kernel has one, a filter bank one for each input channel.
    bias : float
        What is added to the sum.
    raw : float
        The sum of all products, and the bias.
    range : str
        The range step.
    steps : tuple of (str, float)
        How the raw value becomes the pixel: what is done, and what then is there.
    value : int or float
        What `convcli apply` writes there.
    white : int
        The largest value a pixel can have.
    """

    at: Pair
    channel: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    padded: NDArray[np.bool_]
    border: str
    planes: tuple[Plane, ...]
    bias: float
    raw: float
    range: str
    steps: tuple[tuple[str, float], ...]
    value: float
    white: int

    @property
    def total(self) -> float:
        """The sum of all products: the dot product of patch and kernel."""
        return float(sum(plane.products.sum() for plane in self.planes))

    @property
    def cosine(self) -> float | None:
        """Cosine of the angle between patch and kernel; None where one is all zero."""
        return self._cosine(0.0)

    @property
    def centred_cosine(self) -> float | None:
        """The same with the patch's mean taken off: its pattern alone, not its brightness."""
        mean = float(np.mean([plane.patch.mean() for plane in self.planes]))
        return self._cosine(mean)

    def _cosine(self, mean: float) -> float | None:
        patch = np.concatenate([plane.patch.reshape(-1) for plane in self.planes]) - mean
        weights = np.concatenate([plane.weights.reshape(-1) for plane in self.planes])
        lengths = float(np.linalg.norm(patch) * np.linalg.norm(weights))
        return float(patch @ weights) / lengths if lengths > 0 else None

    @property
    def meaning(self) -> str:
        """What the dot product says of the patch, in words."""
        return meaning_of(self.cosine)

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain JSON values."""
        return {
            "x": self.at[1],
            "y": self.at[0],
            "channel": self.channel,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "border": self.border,
            "padded": self.padded.tolist(),
            "planes": [
                {
                    "channel": plane.channel,
                    "patch": plane.patch.tolist(),
                    "weights": plane.weights.tolist(),
                    "products": plane.products.tolist(),
                }
                for plane in self.planes
            ],
            "sum": self.total,
            "bias": self.bias,
            "raw": self.raw,
            "range": self.range,
            "steps": [{"step": name, "value": value} for name, value in self.steps],
            "value": self.value,
            "cosine": self.cosine,
            "centred_cosine": self.centred_cosine,
            "meaning": self.meaning,
        }


def meaning_of(cosine: float | None) -> str:
    """Say what a cosine means: similar, orthogonal, opposite.

    Examples
    --------
    >>> meaning_of(-0.9)
    'opposite: the patch looks like the negative of the kernel'
    """
    if cosine is None:
        return "no direction: the patch or the kernel is all zero"
    if abs(cosine) < _ORTHOGONAL:
        return "orthogonal: the patch has next to nothing of the kernel's pattern"
    much = "" if abs(cosine) >= _SIMILAR else "somewhat "
    if cosine > 0:
        return f"{much}similar: the patch looks like the kernel"
    return f"{much}opposite: the patch looks like the negative of the kernel"


def explain(
    picture: Picture,
    kernel: Kernel,
    at: Pair,
    options: Options,
    channels: Sequence[int] | None = None,
) -> list[Explanation]:
    """Take one output pixel apart.

    Parameters
    ----------
    picture : Picture
        As for `convcli.filtering.filter_picture`, which is run to get the value. Colours
        are filtered as if opaque: with ``--alpha keep`` where a picture is translucent.
    kernel : Kernel
        The kernel.
    at : (int, int)
        Row and column of the output.
    options : Options
        How the picture is filtered.
    channels : sequence of int, optional
        Output channels; all where none are given.

    Returns
    -------
    list of Explanation, one for each output channel

    Raises
    ------
    GeometryError
        If there is no such output pixel or channel.
    """
    options = replace(options, alpha=Alpha.KEEP)
    applied = filter_picture(picture, [kernel], options)
    _check_place(at, channels, applied.values.shape)
    ready = kernel.flipped() if options.flip else kernel
    ready = ready if options.bias is None else ready.plus_bias(options.bias)
    pixels = (picture.gray() if options.gray else picture).pixels
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    taps = [
        _taps(axis, output, size, options.border)
        for axis, output, size in zip(slide.axes, at, pixels.shape, strict=False)
    ]
    padded = ~np.logical_and.outer(*(t.inside for t in taps))
    patches = _patches(pixels, taps)
    found: list[Explanation] = []
    for channel in range(applied.values.shape[2]) if channels is None else channels:
        planes = _planes(ready, patches, channel)
        bias = _bias(ready, channel)
        raw = float(sum(plane.products.sum() for plane in planes)) + bias
        value = applied.values[at[0], at[1], channel].item()
        mapping = applied.report.range or "none"
        found.append(
            Explanation(
                at=at,
                channel=channel,
                rows=taps[0].positions,
                columns=taps[1].positions,
                padded=padded,
                border=options.border.value,
                planes=planes,
                bias=bias,
                raw=raw,
                range=mapping,
                steps=_steps(raw, value, mapping, picture.white, applied.report),
                value=value,
                white=picture.white,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class _Taps:
    """Where the taps of one axis look, and where the border takes their values from."""

    positions: tuple[int, ...]
    sources: NDArray[np.intp]
    inside: NDArray[np.bool_]


def _taps(axis: Axis, output: int, size: int, border: Border) -> _Taps:
    first = output * axis.stride
    seen = slice(first, first + axis.extent, axis.dilation)
    sources = source_indices(border, size, axis.before, axis.after)[seen]
    positions = np.arange(-axis.before, size + axis.after)[seen]
    inside = (positions >= 0) & (positions < size)
    return _Taps(tuple(positions.tolist()), sources, inside)


def _patches(pixels: NDArray[Any], taps: Sequence[_Taps]) -> Grid:
    """Return what the taps see, shape (kh, kw, C): 0 where the border is a constant."""
    rows, columns = (tap.sources for tap in taps)
    patch = pixels[np.ix_(rows, columns)].astype(np.float64)
    patch[(rows < 0)[:, np.newaxis] | (columns < 0)] = 0
    return patch


def _planes(kernel: Kernel, patches: Grid, channel: int) -> tuple[Plane, ...]:
    if not kernel.is_bank:
        return (_plane(channel, patches[..., channel], kernel.weights),)
    return tuple(
        _plane(index, patches[..., index], kernel.weights[channel, index])
        for index in range(patches.shape[2])
    )


def _plane(channel: int, patch: Grid, weights: Grid) -> Plane:
    return Plane(channel, patch, weights, patch * weights)


def _bias(kernel: Kernel, channel: int) -> float:
    if len(kernel.bias) > 1:
        return kernel.bias[channel]
    return kernel.bias[0] if kernel.bias else 0.0


def _check_place(at: Pair, channels: Sequence[int] | None, shape: tuple[int, ...]) -> None:
    height, width, count = shape
    if not (0 <= at[0] < height and 0 <= at[1] < width):
        raise GeometryError(
            f"at: expected a pixel of the output, x 0 to {width - 1} and y 0 to {height - 1}; "
            f"got {at[1]},{at[0]}: choose one inside"
        )
    if channels is not None and not all(0 <= channel < count for channel in channels):
        raise GeometryError(
            f"channel: expected 0 to {count - 1}, got {', '.join(map(str, channels))}"
        )


def _steps(
    raw: float, value: float, mapping: str, white: int, report: Report
) -> tuple[tuple[str, float], ...]:
    """Say how a raw value becomes a pixel; the last step is what was written."""
    if mapping == "none":
        return ()
    steps: list[tuple[str, float]] = []
    now = raw
    if mapping == "abs":
        now = abs(raw)
        steps.append(("abs: drop the sign", now))
    elif mapping == "shift":
        now = raw + (white + 1) // 2
        steps.append((f"shift: add {(white + 1) // 2}", now))
    elif mapping == "stretch" and report.high > report.low:
        now = (raw - report.low) * white / (report.high - report.low)
        steps.append((f"stretch: {report.low:g} to {report.high:g} become 0 to {white}", now))
    if not 0 <= now <= white:
        steps.append((f"clip: cut off at {0 if now < 0 else white}", value))
    elif now != value:
        steps.append(("round to a whole number, halves to even", value))
    return tuple(steps)

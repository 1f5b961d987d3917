"""How a filtered picture is mixed with the original: how much, where, and in which channels.

There is one rule, ``original + weight · (filtered - original)``. The weight of a value is the
amount × the mask × the region × the channel; where the difference is below the threshold it
is 0. A weight of 0 gives the original and a weight of 1 the filtered value, bit for bit.
"""

import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import ImageError, OptionError, fail
from convcli.images.picture import Frame, from_linear, to_linear
from convcli.images.policy import ReadPolicy
from convcli.images.read import read_picture
from convcli.pipeline.options import LUMA, Options
from convcli.pipeline.steps import INVISIBLE, Region, Shape, Values, as_depth, rescaled
from convcli.storage.urls import is_there, is_url, is_zarr

if TYPE_CHECKING:
    from convcli.pipeline.pipeline import Pipeline

_BT601, _BT709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)  # Y of sRGB; of linear light
_RGB = 3
_NAMES = ("r", "g", "b")
_OPACITY = "a"


class Mask:
    """How much of the filter each pixel gets: weights from 0 to 1, read when first needed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Mask({self.name})"

    @property
    def is_read(self) -> bool:
        """Whether it is in memory."""
        return "weights" in vars(self)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """All weights, shape (H, W)."""
        if is_zarr(self.name):
            raise ImageError(f"{self.name}: a Zarr array is read in blocks: add --tiled")
        frame = read_picture(self.name, reading=ReadPolicy(frame=0)).frames[0]
        return weights_of(frame, self.name)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.weights.shape[0], self.weights.shape[1])

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.weights.nbytes

    def part(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return the weights of a rectangle."""
        return self.weights[rows, columns]


def read_mask(source: Any) -> Mask:
    """Return the mask of a file or an array; a TIFF or a Zarr array is not read yet."""
    if isinstance(source, Mask):
        return source
    if isinstance(source, str | os.PathLike):
        mask = Mask(os.fspath(source))
        has_tiles = is_zarr(mask.name) or mask.name.lower().endswith((".tif", ".tiff"))
        if not (has_tiles and (is_url(mask.name) or is_there(mask.name))):
            _ = mask.weights
        return mask
    array = np.asarray(source)
    if array.dtype.kind not in "biuf" or array.ndim != 2:  # noqa: PLR2004 - (H, W)
        got = f"got {array.dtype} of the shape {array.shape}"
        fault = f"expected an array (H, W) of real numbers, {got}"
        fail("mask", fault, "take one channel of it", ImageError)
    mask = Mask("array")
    mask.weights = weights_of(Frame(array[..., np.newaxis]), mask.name)
    return mask


def weights_of(frame: Frame, name: str) -> NDArray[np.float32]:
    """Return the weights that a mask stands for, (H, W): black is 0, white 1, floats remain."""
    grey = frame.on((0, 0, 0)).as_gray(name).pixels[..., 0]
    white = frame.white if grey.dtype in (np.uint8, np.uint16) else 1
    weights = grey.astype(np.float32) / np.float32(white)
    if not (weights.size and weights.min() >= 0 and weights.max() <= 1):
        fault = "expected a mask of floats from 0 to 1, or of 8 or 16 bits, got other numbers"
        fail(name, fault, "scale them", ImageError)
    return weights


def check_blend(options: Options, before: Shape, after: Shape, *, alpha: bool) -> None:
    """Refuse options of mixing that the picture (`before`) or the result has no use for."""
    if options.colormap is not None or options.direction:
        fault = "expected a result in the picture's colours, got --colormap or --direction"
        fail(options.mixing, fault, "drop one of them", OptionError)
    if before != after:
        sizes = f"{_size(before)}, to mix with it, got {_size(after)}"
        fault = f"expected a result of the picture's size, {sizes}"
        fail(options.mixing, fault, "use stride 1 and padding same", OptionError)
    if options.mask is not None and options.mask.shape != before[:2]:
        rows, columns = options.mask.shape
        got = f"got {columns} × {rows}"
        fault = f"expected the size of the picture, {before[1]} × {before[0]} px, {got}"
        fail(f"mask {options.mask.name}", fault, "scale the mask", ImageError)
    if options.region is not None:
        region_box(options.region, before[:2])
    _chosen(options, before[2], alpha=alpha)


def _size(shape: tuple[int, int, int]) -> str:
    return f"{shape[1]} × {shape[0]} px with {shape[2]} channel{'s' * (shape[2] > 1)}"


def region_box(region: str, shape: tuple[int, int]) -> Region:
    """Return the rows and columns of a region, ``X,Y,WxH``, of a picture (rows, columns)."""
    left, top, width, height = (
        float(text.rstrip("%")) * (size / 100 if text.endswith("%") else 1)
        for text, size in zip(re.split("[,x]", region), shape[::-1] * 2, strict=True)
    )
    # Edges are rounded one by one: regions side by side have neither gaps nor overlaps.
    across, down = (round(left), round(left + width)), (round(top), round(top + height))
    if not (0 <= across[0] < across[1] <= shape[1] and 0 <= down[0] < down[1] <= shape[0]):
        got = f"got x {across[0]} to {across[1]}, y {down[0]} to {down[1]}"
        fault = f"expected a part of the picture, {shape[1]} × {shape[0]} px, {got}"
        fail(f"region {region}", fault, "make it smaller", OptionError)
    return slice(*down), slice(*across)


def _chosen(options: Options, channels: int, *, alpha: bool) -> tuple[NDArray[Any], float]:
    """Return the weight of each colour channel, and that of the opacity: 0 or 1."""
    chosen = options.channels
    if chosen == LUMA and channels not in (1, _RGB):
        fault = f"expected grey, or red, green and blue, for luma; got {channels} channels"
        fail("channels", fault, "name channels of the picture", OptionError)
    if chosen in (None, LUMA):
        return np.ones(channels), 0.0 if chosen == LUMA else 1.0
    names = _NAMES if channels == _RGB else ()
    numbers = [names.index(word) if word in names else word for word in chosen]
    known = (*names, *range(channels), *((_OPACITY,) if alpha else ()))
    for word in numbers:
        if word not in known:
            fault = f"expected some of {', '.join(map(str, known))}, or luma; got {word}"
            fail("channels", fault, "name channels of the picture", OptionError)
    colours = [1.0 * (number in numbers) for number in range(channels)]
    return np.array(colours), 1.0 * (_OPACITY in numbers)


class Blend:
    """Mixes a rectangle (rows, columns) of a result, and its `alpha`, with the original."""

    def __init__(
        self, pipeline: "Pipeline", part: Frame, region: Region, alpha: Values | None
    ) -> None:
        self._options, self._white = pipeline.options, pipeline.depth.white
        depths = (pipeline.source_depth, pipeline.depth)
        self._original = rescaled(part.pixels, *depths)
        chosen, opacity = _chosen(self._options, part.channels, alpha=part.alpha is not None)
        place = _place(self._options, pipeline.output_shape[:2], *region)
        self._weight, self.alpha = place * chosen, pipeline.alpha_at_depth(alpha)
        self._opacities: list[Values] = []  # before, after and mixed, where that is mixed too
        if part.alpha is None or alpha is None or np.array_equal(part.alpha, alpha):
            return
        both = [rescaled(each, *depths)[..., np.newaxis] for each in (part.alpha, alpha)]
        before, after = (each.astype(np.float64) for each in both)
        if opacity:
            self._opacities = [before, after, before + place * (after - before)]
        weight = self._held(place * opacity, after - before)
        mixed = _exact(before, after, before + weight * (after - before), weight)
        self.alpha = as_depth(mixed[..., 0], pipeline.depth, np.dtype(np.float64))

    def _held(self, weight: Values, change: Values) -> Values:
        """Return the weights, with 0 where a difference is below the threshold."""
        if not self._options.threshold:
            return weight
        return np.where(np.abs(change) < self._options.threshold, 0, weight)

    def mixed(self, values: Values) -> Values:
        """Mix values that are mapped to the range of pixels, and not rounded yet."""
        options, white = self._options, self._white
        original = self._original.astype(values.dtype)
        before: Values = to_linear(original, white) if options.linear else original
        after: Values = to_linear(values, white) if options.linear else values
        is_luma = options.channels == LUMA and values.shape[2] == _RGB
        with np.errstate(invalid="ignore", over="ignore"):
            change = after - before
            if is_luma:
                luma = np.array(_BT709 if options.linear else _BT601)
                change = (change * luma).sum(axis=2, keepdims=True)
            weight = self._held(self._weight, change)
            light = self._opaque(before, after, before + weight * change, weight)
            mixed = from_linear(light, white) if options.linear else light
        exact = _exact(original, None if is_luma else values, mixed, weight)
        return exact.astype(values.dtype, copy=False)

    def _opaque(self, before: Values, after: Values, plain: Values, weight: Values) -> Values:
        """Mix colours, as much of each as it is opaque, where the opacity is mixed too."""
        if not self._opacities:
            return plain
        alpha, changed, opacity = self._opacities
        weighed = before * alpha
        weighed = weighed + weight * (after * changed - weighed)
        out: Values = plain.astype(np.float64)
        is_seen = np.broadcast_to(opacity > INVISIBLE, plain.shape)
        np.divide(weighed, opacity, out=out, where=is_seen)
        return out


def _place(options: Options, size: tuple[int, int], rows: slice, columns: slice) -> Values:
    """Return amount × mask × region, shape (rows, columns, 1) or (1, 1, 1)."""
    weights = np.full((1, 1, 1), options.amount, np.float64)
    if options.mask is not None:
        weights = weights * options.mask.part(rows, columns)[..., np.newaxis]
    if options.region is not None:
        down, across = region_box(options.region, size)
        y, x = np.ogrid[rows, columns]
        inside = (down.start <= y) & (y < down.stop) & (across.start <= x) & (x < across.stop)
        weights = weights * inside[..., np.newaxis]
    return weights


def _exact(before: Values, after: Values | None, mixed: Values, weight: Values) -> Values:
    """Put the originals where the weight is 0, and what was filtered, if any, where it is 1."""
    np.copyto(mixed, before, where=weight == 0)
    if after is not None:
        np.copyto(mixed, after, where=weight == 1)
    return mixed

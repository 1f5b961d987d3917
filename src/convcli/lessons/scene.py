"""A crop of a picture, filtered as a picture of its own: what an animation shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convcli.borders import source_indices
from convcli.errors import GeometryError
from convcli.filtering import Options, filter_picture
from convcli.geometry import Pair, Window, window
from convcli.images import Picture
from convcli.kernels import Kernel

_MOST_PADDED = 32
"""The widest crop with its padding: cells of more would be too small to read."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the frames show.

    Attributes
    ----------
    padded : ndarray of float64, shape (H + p1 + p2, W + p1 + p2)
        The crop in grey, with its padding.
    outside : ndarray of bool, same shape
        What of it is padding.
    output : ndarray, shape (H', W')
        The pixels that filtering the crop gives.
    raw : ndarray of float64, shape (H', W')
        The same before the range step.
    kernel : Kernel
        As it slides: flipped where that was asked for.
    window : Window
        How it slides.
    white : int
        The largest value a pixel can have.
    border : str
        What the padding holds.
    """

    padded: NDArray[np.float64]
    outside: NDArray[np.bool_]
    output: NDArray[np.float64]
    raw: NDArray[np.float64]
    kernel: Kernel
    window: Window
    white: int
    border: str


def scene_of(
    picture: Picture, kernel: Kernel, options: Options, at: Pair | None, cells: int
) -> Scene:
    """Cut a crop out of a picture, and filter it as a picture of its own.

    Parameters
    ----------
    picture : Picture
        Shown in grey.
    kernel : Kernel
        A 2-D kernel.
    options : Options
        How the crop is filtered.
    at : (int, int), optional
        Row and column of the crop's middle; the picture's middle where none is given.
        Near an edge the crop moves inwards.
    cells : int
        Rows and columns of the crop.

    Raises
    ------
    GeometryError
        If the place lies outside the picture, the kernel is a bank, or the padding is
        too wide to be shown.
    """
    if kernel.is_bank:
        raise GeometryError("animate: expected a 2-D kernel, got a bank: use one of its slices")
    crop = _crop(picture.gray(), at, cells)
    slide = window(kernel.size, options.stride, options.padding, options.dilation)
    padded, outside = _padded(crop.pixels[..., 0], slide, options)
    if max(padded.shape) > _MOST_PADDED:
        raise GeometryError(
            f"animate: expected at most {_MOST_PADDED} cells with the padding, got "
            f"{max(padded.shape)}: use a smaller kernel, dilation or padding, or fewer --cells"
        )
    done = filter_picture(crop, [kernel], options)
    raw = filter_picture(crop, [kernel], options, raw=True)
    return Scene(
        padded=padded,
        outside=outside,
        output=done.values[..., 0].astype(np.float64),
        raw=raw.values[..., 0].astype(np.float64),
        kernel=kernel.flipped() if options.flip else kernel,
        window=slide,
        white=crop.white,
        border=options.border.value,
    )


def _crop(picture: Picture, at: Pair | None, cells: int) -> Picture:
    height, width = picture.shape
    row, column = at if at is not None else (height // 2, width // 2)
    if not (0 <= row < height and 0 <= column < width):
        raise GeometryError(
            f"at: expected a pixel of the picture, x 0 to {width - 1} and y 0 to {height - 1}; "
            f"got {column},{row}: choose one inside"
        )
    top, left = (
        max(min(place - cells // 2, size - cells), 0)
        for place, size in ((row, height), (column, width))
    )
    return Picture(picture.pixels[top : top + cells, left : left + cells])


def _padded(
    pixels: NDArray[np.generic], slide: Window, options: Options
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rows, columns = (
        source_indices(options.border, size, axis.before, axis.after)
        for axis, size in zip(slide.axes, pixels.shape, strict=True)
    )
    values = pixels[np.ix_(rows, columns)].astype(np.float64)
    values[(rows < 0)[:, np.newaxis] | (columns < 0)] = 0
    outside = np.ones(values.shape, bool)
    outside[
        slide.rows.before : slide.rows.before + pixels.shape[0],
        slide.columns.before : slide.columns.before + pixels.shape[1],
    ] = False
    return values, outside

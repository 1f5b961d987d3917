"""The lessons as functions: kernels by name, sizes, parameters, one pixel, learning."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from convcli.choices import LearningMethod, Sharing
from convcli.errors import GeometryError, OptionError, fail
from convcli.geometry.layers import Layer, convolution_layer
from convcli.geometry.window import IntOrPair, Padding, pair, window
from convcli.settings import (
    choice_from,
    named,
    options_from_words,
    padding_from,
    pair_from,
    point_from,
    whole_number_from,
    with_short_names,
)

if TYPE_CHECKING:
    from convcli.drawing.animation import Animation
    from convcli.lessons.explain import Explanation
    from convcli.lessons.explore import Explorer
    from convcli.lessons.learning.learn import Learnt
    from convcli.library.chains import KernelLike
    from convcli.library.pictures import FilterOptions, PictureLike

    class WindowSettings(TypedDict, total=False):
        """The settings of `output_size`, in words or by the letters of the formula."""

        width: int
        w: int
        kernel_size: IntOrPair
        k: IntOrPair
        stride: IntOrPair
        s: IntOrPair
        padding: Padding
        p: Padding
        dilation: IntOrPair
        d: IntOrPair
        floor: bool


@overload
def output_size(**window: "Unpack[WindowSettings]") -> int: ...


@overload
def output_size(*, height: int, **window: "Unpack[WindowSettings]") -> tuple[int, int]: ...


@overload
def output_size(*, h: int, **window: "Unpack[WindowSettings]") -> tuple[int, int]: ...


@with_short_names  # type: ignore[misc] # it takes the letters for the words
def output_size(
    *,
    width: int,
    height: int | None = None,
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    floor: bool = False,
) -> int | tuple[int, int]:
    """Return the size that a convolution gives: (W - K + 2P)/S + 1, as ``convcli size`` does.

    Parameters
    ----------
    width, height : int
        Of the input, in pixels; without `height` only the width is worked out. The short
        names of the command (`w`, `h`, `k`, `s`, `p`, `d`) are taken, too.
    kernel_size, stride, dilation : int or (int, int)
        Pairs are (rows, columns).
    padding : int, (int, int), "same" or "valid"
        Padding on each side, in pixels.
    floor : bool
        Round down where the windows do not tile the input.

    Returns
    -------
    int, or (int, int)
        The width; or the height and the width, where `height` is given.

    Raises
    ------
    GeometryError
        If the window does not fit, or (without `floor`) the fraction is no whole number.

    Examples
    --------
    >>> output_size(width=7, kernel_size=3, stride=2, padding=1)
    4
    >>> output_size(width=224, height=200, kernel_size=3, padding="same")
    (200, 224)
    """
    slide = window(
        pair_from(kernel_size), pair_from(stride), padding_from(padding), pair_from(dilation)
    )
    down = [] if height is None else [(_whole(height, "height"), slide.rows)]
    sides = [*down, (_whole(width, "width"), slide.columns)]
    for length, axis in sides:
        if not floor and not axis.tiles(length):
            got = f"got {float(axis.exact_output_size(length)):g} for an input of {length}"
            fault = (
                f"expected a whole number, {got}: {axis.unseen(length).total} px are left over"
            )
            fail(
                "size", fault, "choose another stride or padding, or floor=True", GeometryError
            )
    *rows, columns = [axis.output_size(length) for length, axis in sides]
    return (rows[0], columns) if rows else columns


def _whole(value: object, name: str) -> int:
    """Return a whole number, of which text is none."""
    return pair((value, value), name)[0]


@with_short_names
def count_parameters(
    *,
    in_channels: int,
    filters: int,
    kernel_size: IntOrPair,
    groups: int = 1,
    bias: bool = True,
) -> Layer:
    """Count the parameters of a convolution layer, as ``convcli params`` does.

    Parameters
    ----------
    in_channels, filters : int
        Input and output channels.
    kernel_size : int or (int, int)
        Rows and columns; `k` is taken, too.
    groups : int
        Groups that the channels are split into.
    bias : bool
        Whether each filter has a bias.

    Returns
    -------
    Layer
        With `weights`, `biases`, and `total`, their sum.

    Raises
    ------
    GeometryError
        If the channels cannot be split into the groups.

    Examples
    --------
    >>> count_parameters(in_channels=3, filters=64, kernel_size=3).total
    1792
    """
    channels = (_whole(in_channels, "in_channels"), _whole(filters, "filters"))
    size, parts = pair_from(kernel_size), _whole(groups, "groups")
    return convolution_layer(*channels, size, groups=parts, bias=bias)


def explain(
    kernel: "KernelLike",
    picture: "PictureLike",
    at: tuple[int, int],
    *,
    channel: int | None = None,
    **options: "Unpack[FilterOptions]",
) -> "list[Explanation]":
    """Take one output pixel apart, as ``convcli explain`` does.

    Parameters
    ----------
    kernel, picture, **options
        As for `convcli.apply`. Only the first frame of the picture is filtered.
    at : (int, int)
        The output pixel: x columns from the left, y rows from the top.
    channel : int, optional
        The only output channel; without it the first of a bank, else all.

    Returns
    -------
    list of Explanation
        One for each output channel: its patches, products, sums and value.

    Raises
    ------
    ConvcliError
        If there is no such pixel or channel, or an option whose step is not shown.

    Examples
    --------
    >>> explain([[-1, 0, 1]], [[0, 0, 9, 9]], at=(1, 0))[0].value
    9.0
    """
    from convcli.lessons.explain import Explainer
    from convcli.library import chains, pictures

    operand = chains.kernel(kernel)
    if channel is not None:
        channel = named("channel", whole_number_from, channel, 0)
    frame, settings = pictures.open(picture).frames[0], options_from_words(**options)
    return Explainer(operand, frame, settings).at(named("at", point_from, at), channel)


def animate(
    kernel: "KernelLike",
    picture: "PictureLike",
    *,
    at: tuple[int, int] | None = None,
    cells: int = 7,
    delay: int = 400,
    frames: int = 100,
    **options: "Unpack[FilterOptions]",
) -> "Animation":
    """Draw a kernel that slides over a small crop, as ``convcli animate`` does.

    Parameters
    ----------
    kernel, picture
        As for `convcli.apply`; a pooling as ``"max:2"``, too. The first frame is taken.
    at : (int, int), optional
        The middle of the crop: x columns from the left, y rows from the top.
    cells, delay, frames : int
        Rows of the crop (1 to 16), milliseconds of each frame (20 to 10,000), and the most
        frames (1 to 256).
    **options
        `stride`, `padding`, `border`, `dilation`, `transposed`, `output_padding`, `flip` and
        `range` of `convcli.apply`.

    Returns
    -------
    Animation
        ``save("slide.gif")`` writes it; `frames` are its pixels. It moves in a notebook.

    Raises
    ------
    ConvcliError
        If it is not one kernel, a number is out of its range, or an option is not drawn.

    Examples
    --------
    >>> len(animate([[-1, 1]], [[0, 0, 9], [0, 9, 9]], cells=2).frames)
    4
    """
    from convcli.lessons.animate import animation_of
    from convcli.library import chains, pictures

    chains.check_options("animate", "it does not draw", set(options) - _ANIMATED)
    link, *more = chains.kernels_of(kernel)
    if more:
        raise OptionError(f"animate: expected one kernel, got {1 + len(more)}: choose one")
    frame, settings = pictures.open(picture).frames[0], options_from_words(**options)
    place = None if at is None else named("at", point_from, at)
    given = {"cells": (cells, 1, 16), "delay": (delay, 20, 10_000), "frames": (frames, 1, 256)}
    numbers: Any = {n: named(n, whole_number_from, *each) for n, each in given.items()}
    return animation_of(frame, link, settings, at=place, **numbers)


def explore(
    kernel: "KernelLike", picture: "PictureLike", **options: "Unpack[FilterOptions]"
) -> "Explorer":
    """Make the page of ``convcli explore``: it shows itself in a notebook.

    Parameters
    ----------
    kernel, picture
        As for `convcli.apply`. The first frame of the picture is shown: pixels of 8 or 16
        bits, at most 2,100,000.
    **options
        `stride`, `padding`, `border`, `dilation`, `bias`, `flip`, `gray`, `range`, `combine`
        and `background` of `convcli.apply`: the page starts with them.

    Returns
    -------
    Explorer
        ``save("page.html")`` writes the page, which needs no network; `html` is its text.

    Raises
    ------
    ConvcliError
        If the kernel does not fit the picture, or the page does not have an option.

    Examples
    --------
    >>> import numpy as np
    >>> page = explore("sobel-x", np.zeros((4, 5), np.uint8), border="reflect")
    >>> "<canvas>" in page.html
    True
    """
    from convcli.lessons.explore import explorer_of
    from convcli.library import chains, pictures

    chains.check_options("explore", "the page has no", set(options) - _EXPLORED)
    name = str(picture) if isinstance(picture, str | Path) else "picture.png"
    frame = pictures.open(picture).frames[0]
    return explorer_of(chains.kernel(kernel), frame, options_from_words(**options), name)


_WINDOW = {"stride", "padding", "border", "dilation", "flip", "range"}
_ANIMATED = _WINDOW | {"transposed", "output_padding"}
_EXPLORED = _WINDOW | {"bias", "gray", "combine", "background"}
"""The options that the page of `explore` has; a background is laid before it is made."""


@with_short_names
def learn(
    before: "PictureLike",
    after: "PictureLike",
    *,
    kernel_size: IntOrPair = 3,
    gray: bool = False,
    per_channel: bool = False,
    mix: bool = False,
    method: Literal["lstsq", "sgd"] = "lstsq",
    steps: int = 4000,
    seed: int = 0,
) -> "Learnt":
    """Find the kernel and the bias that turn one picture into another.

    Parameters
    ----------
    before, after : Picture, or whatever `convcli.open` takes
        Their first frames; `after` has the size of `before`, or that of ``padding="valid"``.
    kernel_size : int or (int, int)
        Rows and columns of the kernel; `k` is taken, too.
    gray, per_channel, mix, method, steps, seed
        As the options of ``convcli learn``.

    Returns
    -------
    Learnt
        With the `kernel`, which `convcli.apply` takes.

    Raises
    ------
    ConvcliError
        If the pictures do not fit each other, or an option is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> before = np.random.default_rng(0).integers(0, 256, (20, 20))
    >>> after = np.roll(before, 1, axis=1)[1:-1, 1:-1]
    >>> learn(before, after).kernel.weights.round(6).tolist()[1][0]
    1.0
    """
    from convcli.lessons.learning import Schedule, task_for
    from convcli.lessons.learning.learn import learn_task
    from convcli.library import pictures

    if per_channel + mix + gray > 1:
        raise GeometryError("learn: gray, per_channel and mix exclude each other: give one")
    sharing = Sharing.MIX if mix else Sharing.CHANNEL if per_channel else Sharing.SHARED
    frames = [pictures.open(picture).frames[0] for picture in (before, after)]
    source, target = (frame.gray().pixels if gray else frame.pixels for frame in frames)
    task = task_for(source, target, pair_from(kernel_size), sharing)
    schedule = Schedule(
        steps=named("steps", whole_number_from, steps, 1, 1_000_000),
        seed=named("seed", whole_number_from, seed, 0),
    )
    chosen = named("method", functools.partial(choice_from, LearningMethod), method)
    return learn_task(task, schedule if chosen is LearningMethod.SGD else None)

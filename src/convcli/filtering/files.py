"""From a file to a file: where pictures come from and where results go."""

import sys
from collections.abc import Sequence
from pathlib import Path

from convcli.engine import Plan
from convcli.errors import ImageError
from convcli.filtering.filter import Filtered, filter_picture, plan_chain
from convcli.filtering.options import Options
from convcli.filtering.report import Report
from convcli.images import (
    Picture,
    format_for,
    pipe_format,
    read_picture,
    write_array,
    write_picture,
)
from convcli.kernels import Kernel

STANDARD = "-"
"""What stands for standard input or standard output."""

MAP = "{map}"
"""What stands for the number of an output map in a file name."""

_PICTURE_CHANNELS = (1, 3)


def filter_file(
    kernels: Sequence[Kernel], source: str, target: str, options: Options
) -> Report:
    """Filter the picture in a file, and write the result: complete or not at all.

    Parameters
    ----------
    kernels : sequence of Kernel
        The chain.
    source : str
        A path, or ``-`` for standard input.
    target : str
        A path, or ``-`` for standard output. With ``{map}`` in it each output channel
        becomes a grey picture of its own; a ``.npy`` gets the raw floats (H', W', O),
        or (H', W') where there is one channel.
    options : Options
        How.

    Returns
    -------
    Report

    Raises
    ------
    ConvcliError
        If the picture cannot be read, filtered or written.
    """
    raw = Path(target).suffix.lower() == ".npy"
    if not raw and target != STANDARD:
        format_for(target)
    picture = _read(source)
    if not raw and MAP not in target:
        _check_maps(kernels, picture, target)
    filtered = filter_picture(picture, kernels, options, raw=raw)
    _write(filtered, target, raw=raw)
    return filtered.report


def plan_file(kernels: Sequence[Kernel], source: str, options: Options) -> tuple[Plan, ...]:
    """Plan how the picture in a file would be filtered; nothing is computed or written.

    Parameters
    ----------
    kernels, source, options
        As in `filter_file`.

    Returns
    -------
    tuple of Plan, one for each kernel

    Raises
    ------
    ConvcliError
        If the picture cannot be read, or a kernel does not fit it.
    """
    picture = _read(source)
    return plan_chain((picture.gray() if options.gray else picture).pixels, kernels, options)


def _check_maps(kernels: Sequence[Kernel], picture: Picture, target: str) -> None:
    channels = picture.channels
    for kernel in kernels:
        channels = kernel.filters if kernel.is_bank else channels
    if channels not in _PICTURE_CHANNELS:
        raise ImageError(
            f"{target}: expected 1 or 3 output maps for one picture, got {channels}: write a "
            f".npy, or put {MAP} into the name (map-{MAP}.png)"
        )


def _read(source: str) -> Picture:
    if source == STANDARD:
        return read_picture(sys.stdin.buffer, "standard input")
    return read_picture(source)


def _write(filtered: Filtered, target: str, *, raw: bool) -> None:
    channels = filtered.values.shape[2]
    if MAP in target:
        for index, picture in enumerate(filtered.maps()):
            name = target.replace(MAP, str(index))
            if raw:
                write_array(picture.pixels[..., 0], name)
            else:
                write_picture(picture, name, format_for(name))
    elif raw:
        write_array(filtered.values[..., 0] if channels == 1 else filtered.values, target)
    elif target == STANDARD:
        picture = filtered.picture()
        write_picture(picture, sys.stdout.buffer, pipe_format(filtered.format, picture))
    else:
        write_picture(filtered.picture(), target, format_for(target))

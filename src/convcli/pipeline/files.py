"""From a file to a file: where pictures come from and where results go."""

import sys
from collections.abc import Sequence

import numpy as np

from convcli.choices import Range
from convcli.engine.planner import Plan
from convcli.errors import ImageError
from convcli.images.formats import NPY, format_for
from convcli.images.picture import Document, Picture
from convcli.images.policy import ReadPolicy
from convcli.images.read import read_document
from convcli.images.write import Saving, check_format, pipe_format, write_document
from convcli.pipeline.maps import MAP, laid_out, written_channels
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import prepared, working_pixels
from convcli.pipeline.report import Report, together
from convcli.pipeline.run import Filtered, filter_picture
from convcli.pipeline.steps import Operand, plan_chain
from convcli.values import replace

STANDARD = "-"
"""What stands for standard input or standard output."""

_READING, _SAVING = ReadPolicy(), Saving()


def filter_file(
    kernels: Sequence[Operand],
    source: str,
    target: str,
    options: Options,
    *,
    reading: ReadPolicy = _READING,
    saving: Saving = _SAVING,
    kind: str | None = None,
    sheet: bool = False,
) -> Report:
    """Filter the pictures in a file, and write the result: complete or not at all.

    Parameters
    ----------
    kernels : sequence of Kernel
        The chain.
    source : str
        A path, a URL that fsspec knows (``s3://bucket/photo.jpg``), or ``-`` for standard
        input.
    target : str
        The same, or ``-`` for standard output. With ``{map}`` in it each output channel
        becomes a grey picture of its own; a ``.npy`` gets the raw floats (H', W', O),
        or (H', W') where there is one channel; a ``.tif`` a page for each channel where
        there are not 1 or 3.
    options : Options
        How.
    reading, saving : ReadPolicy, Saving
        What is accepted, and how the result is written.
    kind : str, optional
        The name of the output's format; that of its suffix otherwise, and on standard
        output the input's where it can hold the result, else PNG.
    sheet : bool
        Write all output channels as one sheet of labelled tiles.

    Returns
    -------
    Report

    Raises
    ------
    ConvcliError
        If the pictures cannot be read, filtered or written.
    """
    if kind is None and target != STANDARD:
        kind = format_for(target)
    document = read_source(source, reading)
    kind = kind or pipe_kind(document, options)
    raw = kind == NPY and options.depth is None
    for frame in document.frames:
        _check_size(frame, kernels, options, reading.max_pixels)
    channels = written_channels(document, kernels, options, target, kind, sheet=sheet)
    promised = Document(tuple(_promised(frame, channels, options) for frame in document.frames))
    check_format(promised, "standard output" if target == STANDARD else target, kind, saving)
    filtered = [filter_picture(frame, kernels, options, raw=raw) for frame in document.frames]
    # What was read is needed no more: encoders take as much memory again.
    described = replace(document, frames=())
    del document, frame
    return write_filtered(
        filtered, described, target, kind, options, saving=saving, sheet=sheet
    )


def write_filtered(
    filtered: Sequence[Filtered],
    document: Document,
    target: str,
    kind: str,
    options: Options,
    *,
    saving: Saving = _SAVING,
    sheet: bool = False,
) -> Report:
    """Write what came of the frames of a document, with all that its file said.

    Parameters
    ----------
    filtered : sequence of Filtered
        One for each frame.
    document : Document
        What they were made of.
    target, kind, options, saving, sheet
        As in `filter_file`; a kind must be given.

    Returns
    -------
    Report
        On all frames.

    Raises
    ------
    ImageError
        If they cannot be written.
    """
    saving = replace(saving, jobs=saving.jobs or options.jobs)
    if MAP in target:
        _write_each(filtered[0], document, target, kind, saving)
    else:
        result = laid_out(filtered, document, options, kind, sheet=sheet)
        opened = sys.stdout.buffer if target == STANDARD else target
        write_document(result, opened, kind, saving)
    notes = [*document.notes, *_losses(filtered, kind, options)]
    return together([one.report for one in filtered], document.mode, notes)


def plan_file(
    kernels: Sequence[Operand], source: str, options: Options, *, reading: ReadPolicy = _READING
) -> tuple[Plan, ...]:
    """Plan how the first picture in a file would be filtered; nothing is computed or written.

    Parameters
    ----------
    kernels, source, options, reading
        As in `filter_file`.

    Returns
    -------
    tuple of Plan, one for each kernel

    Raises
    ------
    ConvcliError
        If the picture cannot be read, or a kernel does not fit it.
    """
    return plan_picture(kernels, read_source(source, reading).frames[0], options)


def plan_picture(
    kernels: Sequence[Operand], picture: Picture, options: Options
) -> tuple[Plan, ...]:
    """Plan how a picture would be filtered: see `plan_file`."""
    source = prepared(picture, options)
    stages = plan_chain(working_pixels(source, options), kernels, options)
    return tuple(step for stage in stages for step in stage.plans)


def read_source(source: str, reading: ReadPolicy = _READING) -> Document:
    """Read a path, or standard input for ``-``."""
    if source == STANDARD:
        return read_document(sys.stdin.buffer, "standard input", reading)
    return read_document(source, reading=reading)


def _check_size(
    frame: Picture, kernels: Sequence[Operand], options: Options, most: int
) -> None:
    """Refuse a padding that makes a result larger than any picture that would be read."""
    shape = (*frame.shape, 1 if options.wants_gray else frame.channels)
    empty = np.broadcast_to(np.zeros((), frame.pixels.dtype), shape)
    for step in plan_chain(empty, kernels, options):
        rows, columns, _ = step.problem.result_shape
        if rows * columns > max(most, frame.shape[0] * frame.shape[1]):
            raise ImageError(
                f"{step.name}: expected a result of at most {most:,} pixels, got "
                f"{rows * columns:,}: use less padding, or raise --max-pixels"
            )


def pipe_kind(document: Document, options: Options) -> str:
    """Return the format for standard output: the input's where it can hold the result."""
    return pipe_format(document.format, _promised(document.frames[0], 1, options))


def _promised(frame: Picture, channels: int, options: Options) -> Picture:
    """Return one pixel of the depth and the channels that the result will have."""
    depth = options.depth_for(frame)
    return Picture(np.zeros((1, 1, channels), depth.dtype))


def _losses(filtered: Sequence[Filtered], kind: str, options: Options) -> list[str]:
    """Say what the output does not hold, though it was there or asked for."""
    found = []
    if kind == NPY and any(one.report.alpha for one in filtered):
        found.append("the .npy holds the colours only: the transparency is left out")
    if options.range is not Range.AUTO and filtered[0].report.range is None:
        found.append(f"--range {options.range.value} is not used: the output holds raw floats")
    if options.colormap is not None and filtered[0].report.range is None:
        found.append("--colormap is not used: the output holds raw floats")
    return found


def _write_each(
    filtered: Filtered, document: Document, target: str, kind: str, saving: Saving
) -> None:
    # Backwards: where the first is there, all are.
    for index, picture in reversed(list(enumerate(filtered.maps()))):
        one = replace(document, frames=(picture,), timing=None)
        write_document(one, target.replace(MAP, str(index)), kind, saving)

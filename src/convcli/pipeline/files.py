"""From a file to a file: where pictures come from and where results go."""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from convcli.choices import Depth, Range
from convcli.engine.planner import Plan
from convcli.errors import ImageError
from convcli.images.formats import NPY, format_for
from convcli.images.metadata import lost_metadata
from convcli.images.picture import Frame, Picture
from convcli.images.policy import ReadPolicy
from convcli.images.read import read_picture
from convcli.images.write import Saving, check_format, pipe_format, write_picture
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline, SourceInfo, plan_pipeline, plan_steps
from convcli.pipeline.report import Report, combined_report
from convcli.pipeline.run import Filtered, run_pipeline
from convcli.pipeline.steps import Operand
from convcli.values import replace

STANDARD = "-"
"""The name of standard input or standard output."""

MAP = "{map}"
"""The number of an output map in a file name is written in place of this."""

MakePlan: TypeAlias = Callable[..., Pipeline]
"""Plans a run: takes a `SourceInfo`, and ``raw=True`` for raw floats."""

_PICTURE_CHANNELS = (1, 3)
_COLOURS = 3
_PAGED = "TIFF"

_OTHER_FORMS = (
    "write a .npy or .tif",
    f"put {MAP} into the name (map-{MAP}.png)",
    "use --sheet",
)
"""What else can be done with several maps, where the picture is read as a whole."""

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
    kernels : sequence of Kernel or Operator
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
        How the pictures are filtered.
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
    make_plan = functools.partial(plan_pipeline, kernels=kernels, options=options)
    return run_on_file(
        make_plan,
        source,
        target,
        options,
        reading=reading,
        saving=saving,
        kind=kind,
        sheet=sheet,
    )


def run_on_file(
    make_plan: MakePlan,
    source: str,
    target: str,
    options: Options,
    *,
    reading: ReadPolicy = _READING,
    saving: Saving = _SAVING,
    kind: str | None = None,
    sheet: bool = False,
) -> Report:
    """Plan, run and write each picture of a file: what filtering and pooling share.

    Parameters
    ----------
    make_plan : callable
        See `MakePlan`. Called once for all frames that are alike.
    source, target, options, reading, saving, kind, sheet
        As in `filter_file`.
    """
    if kind is None and target != STANDARD:
        kind = format_for(target)
    picture = read_source(source, reading)
    kind = kind or _pipe_kind(picture, options)
    raw = kind == NPY and options.depth is None
    pipelines = _planned(picture, functools.partial(make_plan, raw=raw), reading.max_pixels)
    count = len(picture.frames)
    channels = check_maps(pipelines[0], count, target, kind, sheet=sheet)
    promised = Picture(tuple(_promised(pipeline.depth, channels) for pipeline in pipelines))
    check_format(promised, "standard output" if target == STANDARD else target, kind, saving)
    filtered = list(map(run_pipeline, pipelines, picture.frames))
    # The pixels that were read are freed here: encoders take as much memory again.
    described = replace(picture, frames=())
    del picture
    return write_filtered(
        filtered, described, options, target, kind, saving=saving, sheet=sheet
    )


def write_filtered(
    filtered: Sequence[Filtered],
    described: Picture,
    options: Options,
    target: str,
    kind: str,
    *,
    saving: Saving = _SAVING,
    sheet: bool = False,
) -> Report:
    """Write what came of each frame of a file, with all that the file said.

    Parameters
    ----------
    filtered : sequence of Filtered
        One for each frame.
    described : Picture
        What their file said; its frames are not looked at.
    options, target, kind, saving, sheet
        As in `filter_file`; `check_maps` has found that the maps fit.

    Returns
    -------
    Report
        On all frames.
    """
    saving = replace(saving, jobs=saving.jobs or options.jobs)
    if MAP in target:
        _write_each(filtered[0], described, target, kind, saving)
    else:
        result = _laid_out(filtered, described, options, kind, sheet=sheet)
        opened = sys.stdout.buffer if target == STANDARD else target
        write_picture(result, opened, kind, saving)
    first = filtered[0].report.output_shape
    dropped = lost_metadata(described.metadata, kind, first[2], first[:2])
    lost = [dropped] if dropped and not saving.strip else []
    notes = [*described.notes, *lost, *_losses(filtered, kind, options)]
    return combined_report([one.report for one in filtered], described.mode, notes)


def _planned(picture: Picture, make_plan: MakePlan, max_pixels: int) -> list[Pipeline]:
    """Return the plan for each frame, made once for frames that are alike."""
    plans: dict[Any, Pipeline] = {}
    pipelines = []
    for frame in picture.frames:
        key = (frame.pixels.shape, frame.pixels.dtype, frame.alpha is None)
        if key not in plans:
            plans[key] = make_plan(SourceInfo.of(frame))
            plans[key].check_size(max_pixels)
        pipelines.append(plans[key])
    return pipelines


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
    kernels: Sequence[Operand], frame: Frame, options: Options
) -> tuple[Plan, ...]:
    """Plan how a picture would be filtered: see `plan_file`."""
    info = SourceInfo.of(frame)
    steps = plan_steps(info, info.sample(options), kernels, options)
    return tuple(plan for step in steps for plan in step.plans)


def read_source(source: str, reading: ReadPolicy = _READING) -> Picture:
    """Read a path, or standard input for ``-``."""
    if source == STANDARD:
        return read_picture(sys.stdin.buffer, "standard input", reading)
    return read_picture(source, reading=reading)


def _pipe_kind(picture: Picture, options: Options) -> str:
    """Return the format for standard output: the input's where it can hold the result."""
    depth = options.depth_from(picture.frames[0].depth)
    return pipe_format(picture.format, _promised(depth, 1))


def _promised(depth: Depth, channels: int) -> Frame:
    """Return one pixel with the depth and the channels of the result."""
    return Frame(np.zeros((1, 1, channels), depth.dtype))


def _losses(filtered: Sequence[Filtered], kind: str, options: Options) -> list[str]:
    """Say what the output does not hold, though it was there or asked for."""
    losses = []
    if kind == NPY and any(one.report.alpha for one in filtered):
        losses.append("the .npy holds the colours only: the transparency is left out")
    if options.range is not Range.AUTO and filtered[0].report.range is None:
        losses.append(f"--range {options.range.value} is not used: the output holds raw floats")
    if options.colormap is not None and filtered[0].report.range is None:
        losses.append("--colormap is not used: the output holds raw floats")
    return losses


def _write_each(
    filtered: Filtered, picture: Picture, target: str, kind: str, saving: Saving
) -> None:
    """Write each map into a file of its own, the first one last: where it is, all are."""
    for index, frame in reversed(list(enumerate(filtered.maps()))):
        page = replace(picture, frames=(frame,), timing=None)
        write_picture(page, target.replace(MAP, str(index)), kind, saving)


def check_maps(
    pipeline: Pipeline, frames: int, target: str, kind: str, *, sheet: bool = False
) -> int:
    """Return the channels of each picture that is written; refuse maps that do not fit."""
    options, maps = pipeline.options, pipeline.steps[-1].result_shape[2]
    colored = options.colormap is not None or options.direction
    if sheet and (kind == NPY or MAP in target):
        raise ImageError(f"{target}: expected one picture for --sheet: name it .png")
    many = not _is_single(maps, options)
    if frames > 1 and (sheet or MAP in target or (many and kind == _PAGED)):
        raise ImageError(
            f"{target}: expected one picture to show the maps of, the input has "
            f"{frames} frames: choose one with --frame"
        )
    if many and not (sheet or MAP in target or kind in (NPY, _PAGED)):
        raise _several(maps, options, target, _OTHER_FORMS)
    if sheet or (colored and kind != NPY):
        return _COLOURS
    return 1 if MAP in target or (many and kind == _PAGED) else maps


def _is_single(maps: int, options: Options) -> bool:
    """Whether all maps are one picture: grey, in colours, or one that a colour map colours."""
    return (
        maps == 1 or options.direction or (maps in _PICTURE_CHANNELS and not options.colormap)
    )


def check_single(pipeline: Pipeline, target: str) -> None:
    """Refuse a result whose maps are not one picture."""
    maps = pipeline.steps[-1].result_shape[2]
    if not _is_single(maps, pipeline.options):
        raise _several(maps, pipeline.options, target)


def _several(
    maps: int, options: Options, target: str, others: Sequence[str] = ()
) -> ImageError:
    """Return the error for several maps that do not fit, with what can be done instead."""
    fitting = "1 output map" if options.colormap else "1 or 3 output maps"
    grey = ("make it grey (--gray)",) if options.colormap else ()
    advice = ", ".join((*grey, *others, "or pick one with --map"))
    return ImageError(f"{target}: expected {fitting} for one picture, got {maps}: {advice}")


def _laid_out(
    filtered: Sequence[Filtered],
    picture: Picture,
    options: Options,
    kind: str,
    *,
    sheet: bool,
) -> Picture:
    """Return what one file holds: the pictures, a sheet of all maps, or a page for each."""
    first = filtered[0]
    if sheet:
        from convcli.images.figures import contact_sheet

        maps = first.maps()
        labels = [f"map {number}" for number in range(len(maps))]
        return replace(picture, frames=(contact_sheet(maps, labels),), timing=None)
    count = first.values.shape[2]
    if kind == _PAGED and not _is_single(count, options):
        return replace(picture, frames=tuple(first.maps()), timing=None)
    return replace(picture, frames=tuple(one.frame() for one in filtered))

"""From a file to a file: where pictures come from and where results go."""

import functools
import sys
from collections.abc import Sequence

import numpy as np

from convcli.choices import Depth
from convcli.engine.pooling import Pooling
from convcli.errors import ImageError
from convcli.images.formats import FORMATS, JSON, NPY, RAW, format_for, has_suffix, obstacle
from convcli.images.metadata import lost_metadata
from convcli.images.picture import Frame, Header, Picture
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from convcli.images.write import Saving, check_format, pipe_format, write_picture
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline, plan_pipeline
from convcli.pipeline.report import Report, combined_report
from convcli.pipeline.run import Filtered, run_pipeline
from convcli.pipeline.steps import Link, Values
from convcli.storage.atomic import is_stream
from convcli.storage.urls import FRAME, MAP, has_number, numbered
from convcli.values import replace

STANDARD = "-"
"""The name of standard input or standard output."""

_COLOURS = 3
_GIF_COLOURS = 256

_OTHER_FORMS = (
    "write a .npy or .tif",
    f"put {MAP} into the name (map-{MAP}.png)",
    "use --sheet",
)
"""What else can be done with several maps, where the picture is read as a whole."""

_READING, _SAVING, _FIRST_FRAME = ReadPolicy(), Saving(), ReadPolicy(frame=0)


def filter_file(
    kernels: Sequence[Link | Pooling],
    source: str,
    target: str,
    options: Options,
    *,
    reading: ReadPolicy = _READING,
    saving: Saving = _SAVING,
    file_format: str | None = None,
    sheet: bool = False,
) -> Report:
    """Filter or pool the picture in a file, and write the result: complete or not at all.

    `source` and `target` are paths, URLs that fsspec knows, or ``-`` for standard input and
    output. With ``{map}`` in `target` each output channel becomes a grey picture of its own; a
    ``.npy`` gets the raw floats (H', W', O), or (H', W') where there is one channel; a ``.tif``
    a page for each channel where there are not 1 or 3. `sheet` writes all channels as one sheet
    of labelled tiles. `file_format` is the name of the output's format. Without it the suffix
    decides; standard output gets the format of the input where that can hold the result, else
    PNG.
    """
    # The name of a pipe says nothing of its format.
    is_pipe = target == STANDARD or (is_stream(target) and not has_suffix(target))
    if file_format is None and not is_pipe:
        file_format = format_for(target)
    picture = read_source(source, reading)
    first = picture.frames[0]
    if file_format is None:
        promised = _promised(options.depth_from(first.depth), 1)
        file_format = pipe_format(picture.format, promised)
    options, raw = _fitted(options, first.depth, first.channels, file_format, saving)
    picture, options = without_nodata(picture, kernels, options)
    pipelines = plan_frames(picture, kernels, options, raw=raw)
    for pipeline in pipelines:
        pipeline.check_size(reading.max_pixels)
    _check_written(pipelines, target, file_format, saving, sheet=sheet)
    filtered = list(map(run_pipeline, pipelines, picture.frames))
    # The pixels that were read are freed here: encoders take as much memory again.
    described = replace(picture, frames=())
    del picture
    return write_filtered(
        filtered, described, options, target, file_format, saving, sheet=sheet
    )


def write_filtered(  # noqa: PLR0917 - two callers
    filtered: Sequence[Filtered],
    described: Picture,
    options: Options,
    target: str,
    file_format: str,
    saving: Saving,
    *,
    sheet: bool,
) -> Report:
    """Write the results for all frames of a picture; `described` is it without its frames."""
    saving = replace(saving, jobs=saving.jobs or options.jobs)
    described = _placed(described, filtered, options, saving, sheet=sheet)
    groups = {target: filtered}
    if has_number(target, FRAME):
        described = replace(described, timing=None)
        groups = {numbered(target, FRAME, number): [one] for number, one in enumerate(filtered)}
    # The first file is written last: where it is, all are.
    for name, group in reversed(groups.items()):
        layout = _layout(group[0].values.shape[2], options, name, file_format, sheet=sheet)
        pictures = enumerate(_laid_out(group, described, layout))
        for number, picture in reversed(list(pictures)):
            opened = numbered(name, MAP, number) if layout == "files" else name
            write_picture(
                picture, sys.stdout.buffer if name == STANDARD else opened, file_format, saving
            )
    shape = filtered[0].report.output_shape
    dropped = lost_metadata(described.metadata, file_format, shape)
    lost = [dropped] if dropped and not saving.strip else []
    notes = [*described.notes, *lost, *_losses(filtered, file_format)]
    return combined_report([one.report for one in filtered], described.mode, notes)


def without_nodata(
    picture: Picture, kernels: Sequence[Link | Pooling], options: Options
) -> tuple[Picture, Options]:
    """Let pixels that the file calls no data be missing, or note why not: see `with_nodata`."""
    metadata = picture.metadata
    if metadata.nodata is None or (len(picture.frames) > 1 and options.missing is None):
        return picture, options
    from convcli.pipeline.alpha import with_nodata

    refusal = "a pooling looks at all" if isinstance(kernels[0], Pooling) else ""
    options, nodata, note = with_nodata(options, metadata.nodata, picture.frames[0], refusal)
    notes = (*picture.notes, note) if note else picture.notes
    described = replace(picture, metadata=replace(metadata, nodata=nodata), notes=notes)
    return described, options


def _placed(
    picture: Picture,
    filtered: Sequence[Filtered],
    options: Options,
    saving: Saving,
    *,
    sheet: bool,
) -> Picture:
    """Return a picture whose metadata hold for the places of the result's pixels."""
    metadata = saving.kept(picture.metadata)
    if not (metadata.geo or metadata.nodata or metadata.ome):
        return picture
    from convcli.images.codecs.tiff_extras import metadata_after

    turned = "a sheet has other pixels" if sheet else ""
    windows = [step.window for step in filtered[0].report.steps]
    turned = turned or ("a transposed result has other pixels" if options.transposed else "")
    metadata, notes = metadata_after(metadata, windows, frames=len(filtered), turned=turned)
    return replace(picture, metadata=metadata, notes=(*picture.notes, *notes))


def plan_frames(
    picture: Picture, kernels: Sequence[Link | Pooling], options: Options, *, raw: bool
) -> list[Pipeline]:
    """Return the plan for each frame, made once for frames that are alike."""
    plan = functools.cache(lambda info: plan_pipeline(info, kernels, options, raw=raw))
    return [plan(frame.header) for frame in picture.frames]


def check_file(
    kernels: Sequence[Link],
    source: str,
    target: str,
    options: Options,
    *,
    reading: ReadPolicy = _READING,
    saving: Saving = _SAVING,
    file_format: str | None = None,
    sheet: bool = False,
) -> Pipeline | None:
    """Check that a file can be filtered and its result be written, from the file's header.

    Pixels are read only where the output cannot hold transparency: they may all be opaque. What
    would be done to the first picture is returned; None where the header cannot be read.
    """
    file_format = file_format or format_for(target)
    planned = plan_file(kernels, source, options, reading, saving, file_format)
    if planned is None:
        return None
    header, pipeline = planned
    pipeline.check_size(reading.max_pixels)
    frame = _check_written([pipeline] * header.frames, target, file_format, saving, sheet=sheet)
    if pipeline.info.alpha and not FORMATS[file_format].alpha and file_format not in RAW:
        picture = read_source(source, reading)
        if any(each.is_translucent for each in picture.frames):
            seen = replace(frame, alpha=np.zeros((1, 1), frame.pixels.dtype))
            check_format(Picture((seen,)), target, file_format, saving)
    return pipeline


def plan_file(  # noqa: PLR0917 - two callers
    kernels: Sequence[Link],
    source: str,
    options: Options,
    reading: ReadPolicy,
    saving: Saving,
    file_format: str,
) -> tuple[Header, Pipeline] | None:
    """Plan a file from its header, which is returned, too; None where it cannot be read."""
    header = header_of(source, reading)
    if header is None:
        return None
    depth, channels = Depth.of(header.dtype), header.shape[2]
    options, raw = _fitted(options, depth, channels, file_format, saving)
    return header, plan_pipeline(header, kernels, options, raw=raw)


def _check_written(
    pipelines: Sequence[Pipeline], target: str, file_format: str, saving: Saving, *, sheet: bool
) -> Frame:
    """Check that the frames of a file can be written; return a pixel like those of the last."""
    label = "standard output" if target == STANDARD else target
    together = [[each] for each in pipelines] if has_number(target, FRAME) else [pipelines]
    for group in together:
        channels = check_maps(group[0], len(group), target, file_format, sheet=sheet)
        frames = tuple(_promised(pipeline.depth, channels) for pipeline in group)
        check_format(Picture(frames), label, file_format, saving)
    return frames[-1]


def _fitted(
    options: Options, depth: Depth, channels: int, file_format: str, saving: Saving
) -> tuple[Options, bool]:
    """Return the options, and whether the format gets raw floats.

    If the depth is to be fitted, the options have one that the format can hold.
    """
    raw = file_format in RAW and options.depth is None
    if not saving.fit_depth or options.depth is not None:
        return options, raw
    channels = 1 if channels == 1 or options.wants_gray else _COLOURS
    for fitting in (options.depth_from(depth), Depth.SIXTEEN, Depth.EIGHT):
        if not obstacle(_promised(fitting, channels), file_format):
            return replace(options, depth=fitting), raw
    return options, raw


def read_source(source: str, reading: ReadPolicy = _READING) -> Picture:
    """Read the picture of a path or a URL, or of standard input for ``-``."""
    if source == STANDARD:
        return read_picture(sys.stdin.buffer, "standard input", reading)
    return read_picture(source, reading=reading)


def read_first_frame(source: str, reading: ReadPolicy = _FIRST_FRAME) -> Frame:
    """Read the first frame of a path, of a URL, or of standard input for ``-``."""
    return read_source(source, reading).frames[0]


def _promised(depth: Depth, channels: int) -> Frame:
    """Return a frame of one pixel, with the depth and the channels of the result."""
    return Frame(np.zeros((1, 1, channels), depth.dtype))


def _losses(filtered: Sequence[Filtered], file_format: str) -> list[str]:
    """Say what the output does not hold, though the input had it."""
    losses = []
    if file_format in RAW and any(result.report.alpha for result in filtered):
        losses.append(
            f"the .{file_format.lower()} holds the colours only: the transparency is left out"
        )
    if file_format not in RAW and any(_loses_digits(result.values) for result in filtered):
        losses.append(
            f"the {file_format} holds floats of 32 bits: values are rounded to 7 digits; "
            "a .npy keeps all"
        )
    in_colour = [r.values for r in filtered if r.values.shape[2] == _COLOURS]
    if file_format == "GIF" and any(
        Frame(values).to_pil().getcolors(_GIF_COLOURS) is None for values in in_colour
    ):
        losses.append("the GIF holds 256 colours a frame: others become the nearest of them")
    return losses


def _loses_digits(values: Values) -> bool:
    """Tell whether floats of 64 bits change where they are written with 32."""
    if values.dtype != np.float64:
        return False
    return not np.array_equal(values.astype(np.float32), values, equal_nan=True)


def check_maps(
    pipeline: Pipeline, frames: int, target: str, file_format: str, *, sheet: bool = False
) -> int:
    """Return the channels of each frame that is written; refuse maps that do not fit."""
    options, maps = pipeline.options, pipeline.steps[-1].result_shape[2]
    layout = _layout(maps, options, target, file_format, sheet=sheet)
    if sheet and (file_format in RAW or has_number(target, MAP)):
        raise ImageError(f"{target}: expected one picture for --sheet: name it .png")
    if frames > 1 and layout in ("sheet", "files", "pages"):
        raise ImageError(
            f"{target}: expected one picture to show the maps of, the input has "
            f"{frames} frames: choose one with --frame, or put {FRAME} into the name"
        )
    if not layout:
        raise _several(maps, options, target, _OTHER_FORMS)
    colored = options.colormap is not None or options.direction
    if sheet or (colored and file_format not in RAW):
        return _COLOURS
    return 1 if layout in ("files", "pages") else maps


def _layout(
    maps: int, options: Options, target: str, file_format: str, *, sheet: bool = False
) -> str:
    """Say how maps are written: as a sheet, files, pages, a picture; empty if not at all."""
    if sheet:
        return "sheet"
    if has_number(target, MAP):
        return "files"
    if _is_single(maps, options) or file_format in (NPY, JSON):
        return "picture"
    return "pages" if file_format == "TIFF" else ""


def _is_single(maps: int, options: Options) -> bool:
    """Whether all maps are one picture: grey, in colours, or one that a colour map colours."""
    return maps == 1 or options.direction or (maps == _COLOURS and not options.colormap)


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


def _laid_out(filtered: Sequence[Filtered], picture: Picture, layout: str) -> list[Picture]:
    """Return what each file holds: all frames, a sheet or pages of all maps, or one map."""
    first = filtered[0]
    if layout == "picture":
        return [replace(picture, frames=tuple(result.frame() for result in filtered))]
    maps = first.maps()
    if layout == "sheet":
        from convcli.images.figures import contact_sheet

        maps = [contact_sheet(maps, [f"map {number}" for number in range(len(maps))])]
    pages = [(each,) for each in maps] if layout == "files" else [tuple(maps)]
    return [replace(picture, frames=frames, timing=None) for frames in pages]

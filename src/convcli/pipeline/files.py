"""From a file to a file: where pictures come from and where results go."""

import functools
import os
import sys
from collections.abc import Callable, Sequence

import numpy as np

from convcli.choices import Depth
from convcli.engine.pooling import Pooling
from convcli.errors import ImageError, fail
from convcli.images.formats import FORMATS, JSON, NPY, RAW, format_for, obstacle
from convcli.images.metadata import lost_metadata
from convcli.images.picture import Frame, Picture
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from convcli.images.write import Saving, check_format, pipe_format, write_picture
from convcli.pipeline.alpha import with_nodata
from convcli.pipeline.options import Options
from convcli.pipeline.pipeline import Pipeline, plan_pipeline
from convcli.pipeline.report import Report, combined_report
from convcli.pipeline.run import Filtered, run_pipeline
from convcli.pipeline.steps import Link
from convcli.storage.atomic import is_stream
from convcli.storage.urls import FRAME, MAP, has_number, numbered
from convcli.values import Record, replace

STANDARD = "-"  # the name of standard input or standard output
_COLOURS = 3
_GIF_COLOURS = 256


class FileFilter(Record, kw_only=True):
    """How files are filtered or pooled, and how the results are written."""

    kernels: tuple[Link | Pooling, ...]
    options: Options
    reading: ReadPolicy = ReadPolicy()
    saving: Saving = Saving()
    file_format: str | None = None  # the name of the output's format; else its suffix decides
    sheet: bool = False  # whether all channels are written as one sheet of labelled tiles

    def filter_file(self, source: str, target: str) -> Report:
        """Filter the picture of a path, a URL or ``-``; write it complete, or not at all."""
        # The name of a pipe says nothing of its format: it gets the input's, or PNG.
        is_pipe = target == STANDARD or (is_stream(target) and not os.path.splitext(target)[1])
        output = None if is_pipe and self.file_format is None else self.output(target)
        picture = read_source(source, self.reading)
        first = picture.frames[0]
        if output is None:
            promised = _promised(self.options.depth_from(first.depth), 1)
            output = self.output(target, pipe_format(picture.format, promised))
        options, raw = output.fitted(self.options, first.depth, first.channels)
        check = functools.partial(output.check, max_pixels=self.reading.max_pixels)
        result = filter_picture(picture, self.kernels, options, raw=raw, check=check)
        # The pixels that were read are freed here: encoders take as much memory again.
        del picture, first
        return output.write(*result)

    def output(self, target: str, file_format: str | None = None) -> "FileOutput":
        """Return what is written to a target, which may have a format of its own."""
        file_format = file_format or self.file_format or format_for(target)
        return FileOutput(target, file_format, self.saving, self.sheet)

    def planned(self, source: str, output: "FileOutput") -> Pipeline | None:
        """Plan a file from its header; None where that cannot be read."""
        header = header_of(source, self.reading)
        if header is None:
            return None
        options, raw = output.fitted(self.options, Depth.of(header.dtype), header.shape[2])
        return plan_pipeline(header, self.kernels, options, raw=raw)

    def check_file(self, source: str, target: str) -> Pipeline | None:
        """Check that a file can be filtered and written; return the plan of its header."""
        output = self.output(target)
        pipeline, file_format = self.planned(source, output), output.file_format
        if pipeline is None:
            return None
        frame = output.check([pipeline] * pipeline.info.frames, self.reading.max_pixels)
        if pipeline.info.alpha and not FORMATS[file_format].alpha and file_format not in RAW:
            # All pixels may be opaque.
            picture = read_source(source, self.reading)
            if any(each.is_translucent for each in picture.frames):
                seen = replace(frame, alpha=np.zeros((1, 1), frame.pixels.dtype))
                check_format(Picture((seen,)), target, file_format, self.saving)
        return pipeline


class FileOutput(Record):
    """Where results go, and how they are written: `sheet` is for all maps as one picture."""

    target: str
    file_format: str
    saving: Saving = Saving()
    sheet: bool = False

    def fitted(self, options: Options, depth: Depth, channels: int) -> tuple[Options, bool]:
        """Return the options, with a depth that fits if asked for; whether raw floats come."""
        raw = self.file_format in RAW and options.depth is None
        if not self.saving.fit_depth or options.depth is not None:
            return options, raw
        channels = 1 if channels == 1 or options.wants_gray else _COLOURS
        for fitting in (options.depth_from(depth), Depth.SIXTEEN, Depth.EIGHT):
            if not obstacle(_promised(fitting, channels), self.file_format):
                return replace(options, depth=fitting), raw
        return options, raw

    def check(self, pipelines: Sequence[Pipeline], max_pixels: int) -> Frame:
        """Check that the frames of a file can be written; return a pixel of the last."""
        for pipeline in pipelines:
            pipeline.check_size(max_pixels)
        label = "standard output" if self.target == STANDARD else self.target
        each_alone = has_number(self.target, FRAME)
        for group in [[each] for each in pipelines] if each_alone else [pipelines]:
            channels = self.check_maps(group[0], len(group))
            frames = tuple(_promised(pipeline.depth, channels) for pipeline in group)
            check_format(Picture(frames), label, self.file_format, self.saving)
        return frames[-1]

    def check_maps(self, pipeline: Pipeline, frames: int) -> int:
        """Return the channels of each frame that is written; refuse maps that do not fit."""
        options, target = pipeline.options, self.target
        is_raw, layout = self.file_format in RAW, self._layout(pipeline)
        if self.sheet and (is_raw or has_number(target, MAP)):
            raise ImageError(f"{target}: expected one picture for --sheet: name it .png")
        if frames > 1 and layout in ("sheet", "files", "pages"):
            fault = f"expected one picture to show the maps of, the input has {frames} frames"
            remedy = f"choose one with --frame, or put {FRAME} into the name"
            fail(target, fault, remedy, ImageError)
        if self.sheet or (options.colormap is not None and not is_raw):
            return _COLOURS
        return 1 if layout in ("files", "pages") else pipeline.steps[-1].result_shape[2]

    def _layout(self, pipeline: Pipeline) -> str:
        """Say how maps are written: as a sheet, files, pages or a picture; refuse all else."""
        if self.sheet:
            return "sheet"
        if has_number(self.target, MAP):
            return "files"
        if self.file_format == "TIFF" and not _is_single(pipeline):
            return "pages"
        if self.file_format not in (NPY, JSON):
            name = f"put {MAP} into the name (map-{MAP}.png)"
            advice = f"write a .npy or .tif, {name}, use --sheet, "
            check_single(pipeline, self.target, advice)
        return "picture"

    def write(
        self, filtered: Sequence[Filtered], described: Picture, pipeline: Pipeline
    ) -> Report:
        """Write what `filter_picture` returns."""
        options = pipeline.options
        saving = replace(self.saving, jobs=self.saving.jobs or options.jobs)
        described = self._placed(described, pipeline, len(filtered))
        groups, layout = {self.target: filtered}, self._layout(pipeline)
        if has_number(self.target, FRAME):
            described = replace(described, timing=None)
            groups = {numbered(self.target, FRAME, n): [one] for n, one in enumerate(filtered)}
        # The first file is written last: where it is, all are.
        for name, group in reversed(groups.items()):
            pictures = enumerate(_laid_out(group, described, layout))
            for number, picture in reversed(list(pictures)):
                opened = numbered(name, MAP, number) if layout == "files" else name
                stream = sys.stdout.buffer if name == STANDARD else opened
                write_picture(picture, stream, self.file_format, saving)
        shape = filtered[0].report.output_shape
        dropped = lost_metadata(described.metadata, self.file_format, shape)
        lost = [dropped] if dropped and not saving.strip else []
        notes = [*described.notes, *lost, *_losses(filtered, self.file_format)]
        return combined_report([one.report for one in filtered], described.mode, notes)

    def _placed(self, picture: Picture, pipeline: Pipeline, frames: int) -> Picture:
        """Return a picture whose metadata hold for the places of the result's pixels."""
        metadata = picture.metadata
        if self.saving.strip or not (metadata.geo or metadata.nodata or metadata.ome):
            return picture
        from convcli.images.codecs.tiff_extras import metadata_after

        turned = "a transposed result has other pixels" if pipeline.options.transposed else ""
        turned = "a sheet has other pixels" if self.sheet else turned
        windows = [step.summary.window for step in pipeline.steps]
        kept = self.saving.kept(metadata)
        metadata, notes = metadata_after(kept, windows, frames=frames, turned=turned)
        return replace(picture, metadata=metadata, notes=(*picture.notes, *notes))


def filter_picture(
    picture: Picture,
    kernels: Sequence[Link | Pooling],
    options: Options,
    *,
    raw: bool = False,
    check: Callable[[Sequence[Pipeline]], object] = len,  # may refuse the plans of all frames
) -> tuple[tuple[Filtered, ...], Picture, Pipeline]:
    """Return the results for all frames, the picture without frames, and the first plan."""
    metadata, frames = picture.metadata, picture.frames
    if metadata.nodata is not None and (len(frames) == 1 or options.missing is not None):
        refusal = "a pooling looks at all" if isinstance(kernels[0], Pooling) else ""
        options, nodata, notes = with_nodata(options, metadata.nodata, frames[0], refusal)
        metadata = replace(metadata, nodata=nodata)
        picture = replace(picture, metadata=metadata, notes=(*picture.notes, *notes))
    plan = functools.cache(lambda info: plan_pipeline(info, kernels, options, raw=raw))
    pipelines = [plan(frame.header) for frame in frames]  # one for frames that are alike
    check(pipelines)
    filtered = tuple(map(run_pipeline, pipelines, frames))
    return filtered, replace(picture, frames=()), pipelines[0]


def read_source(source: str, reading: ReadPolicy) -> Picture:
    """Read the picture of a path or a URL, or of standard input for ``-``."""
    if source == STANDARD:
        return read_picture(sys.stdin.buffer, "standard input", reading)
    return read_picture(source, reading=reading)


def read_first_frame(source: str, reading: ReadPolicy | None = None) -> Frame:
    """Read the first frame of a path, of a URL, or of standard input for ``-``."""
    return read_source(source, reading or ReadPolicy(frame=0)).frames[0]


def _promised(depth: Depth, channels: int) -> Frame:
    """Return a frame of one pixel, with the depth and the channels of the result."""
    return Frame(np.zeros((1, 1, channels), depth.dtype))


def _losses(filtered: Sequence[Filtered], file_format: str) -> list[str]:
    """Say what the output does not hold, though the input had it."""
    losses = []
    if file_format in RAW and any(result.report.alpha for result in filtered):
        kept = f"the .{file_format.lower()} holds the colours only"
        losses.append(f"{kept}: the transparency is left out")
    wide = [r.values for r in filtered if file_format not in RAW and r.values.dtype == "f8"]
    if any(not np.array_equal(v.astype(np.float32), v, equal_nan=True) for v in wide):
        kept = f"the {file_format} holds floats of 32 bits"
        losses.append(f"{kept}: values are rounded to 7 digits; a .npy keeps all")
    in_colour = [r.values for r in filtered if r.values.shape[2] == _COLOURS]
    counted = (Frame(values).to_pil().getcolors(_GIF_COLOURS) for values in in_colour)
    if file_format == "GIF" and any(colours is None for colours in counted):
        losses.append("the GIF holds 256 colours a frame: others become the nearest of them")
    return losses


def _is_single(pipeline: Pipeline) -> bool:
    """Whether all maps are one picture: grey, in colours, or one that a colour map colours."""
    maps = pipeline.steps[-1].result_shape[2]
    return maps == 1 or (maps == _COLOURS and not pipeline.options.colormap)


def check_single(pipeline: Pipeline, target: str, advice: str = "") -> None:
    """Refuse a result whose maps are not one picture, with more `advice` on what to do."""
    maps, colormap = pipeline.steps[-1].result_shape[2], pipeline.options.colormap
    if _is_single(pipeline):
        return
    fitting = "1 output map" if colormap else "1 or 3 output maps"
    grey = "make it grey (--gray), " * bool(colormap)
    fault = f"expected {fitting} for one picture, got {maps}"
    fail(target, fault, f"{grey}{advice}or pick one with --map", ImageError)


def _laid_out(filtered: Sequence[Filtered], picture: Picture, layout: str) -> list[Picture]:
    """Return what each file holds: all frames, a sheet or pages of all maps, or one map."""
    first = filtered[0]
    if layout == "picture":
        return [replace(picture, frames=tuple(result.frame() for result in filtered))]
    maps = first.maps()
    if layout == "sheet":
        from convcli.drawing.figures import contact_sheet

        maps = [contact_sheet(maps, [f"map {number}" for number in range(len(maps))])]
    pages = [(each,) for each in maps] if layout == "files" else [tuple(maps)]
    return [replace(picture, frames=frames, timing=None) for frames in pages]

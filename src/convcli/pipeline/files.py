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
from convcli.values import Record, replace

STANDARD = "-"  # the name of standard input or standard output
_COLOURS = 3
_GIF_COLOURS = 256

_OTHER_FORMS = (  # for several maps, where the picture is read as a whole
    "write a .npy or .tif",
    f"put {MAP} into the name (map-{MAP}.png)",
    "use --sheet",
)

_FIRST_FRAME = ReadPolicy(frame=0)


class FileFilter(Record, kw_only=True):
    """How files are filtered or pooled, and how the results are written.

    Without a `file_format` the suffix decides; standard output gets the format of the input
    where that can hold the result, else PNG.
    """

    kernels: tuple[Link | Pooling, ...]
    options: Options
    reading: ReadPolicy = ReadPolicy()
    saving: Saving = Saving()
    file_format: str | None = None  # the name of the output's format
    sheet: bool = False  # whether all channels are written as one sheet of labelled tiles

    def filter_file(self, source: str, target: str) -> Report:
        """Filter the picture of a path, a URL or ``-``; write it complete, or not at all.

        With ``{map}`` in `target` each output channel becomes a grey picture of its own, in a
        ``.tif`` a page where there are not 1 or 3; a ``.npy`` gets raw floats (H', W'[, O]).
        """
        # The name of a pipe says nothing of its format.
        is_pipe = target == STANDARD or (is_stream(target) and not has_suffix(target))
        output = None if is_pipe and self.file_format is None else self.output(target)
        picture = read_source(source, self.reading)
        first = picture.frames[0]
        if output is None:
            promised = _promised(self.options.depth_from(first.depth), 1)
            output = self.output(target, pipe_format(picture.format, promised))
        options, raw = output.fitted(self.options, first.depth, first.channels)
        picture, options = without_nodata(picture, self.kernels, options)
        pipelines = plan_frames(picture, self.kernels, options, raw=raw)
        for pipeline in pipelines:
            pipeline.check_size(self.reading.max_pixels)
        output.check(pipelines)
        filtered = list(map(run_pipeline, pipelines, picture.frames))
        # The pixels that were read are freed here: encoders take as much memory again.
        described = replace(picture, frames=())
        del picture, first
        return output.write(filtered, described, options)

    def output(self, target: str, file_format: str | None = None) -> "FileOutput":
        """Return what is written to a target, which may have a format of its own."""
        file_format = file_format or self.file_format or format_for(target)
        return FileOutput(target, file_format, self.saving, self.sheet)

    def planned(self, source: str, output: "FileOutput") -> tuple[Header, Pipeline] | None:
        """Plan a file from its header, which is returned, too; None where it cannot be read."""
        header = header_of(source, self.reading)
        if header is None:
            return None
        options, raw = output.fitted(self.options, Depth.of(header.dtype), header.shape[2])
        return header, plan_pipeline(header, self.kernels, options, raw=raw)

    def check_file(self, source: str, target: str) -> Pipeline | None:
        """Check by its header that a file can be filtered and written; return the first plan.

        It is None where the header cannot be read. Pixels are read only where the output cannot
        hold transparency: they may all be opaque.
        """
        output = self.output(target)
        planned = self.planned(source, output)
        if planned is None:
            return None
        header, pipeline = planned
        pipeline.check_size(self.reading.max_pixels)
        frame, file_format = output.check([pipeline] * header.frames), output.file_format
        if pipeline.info.alpha and not FORMATS[file_format].alpha and file_format not in RAW:
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

    def check(self, pipelines: Sequence[Pipeline]) -> Frame:
        """Check that the frames of a file can be written; return a pixel of the last."""
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
        maps = pipeline.steps[-1].result_shape[2]
        is_raw, layout = self.file_format in RAW, self._layout(maps, options)
        if self.sheet and (is_raw or has_number(target, MAP)):
            raise ImageError(f"{target}: expected one picture for --sheet: name it .png")
        if frames > 1 and layout in ("sheet", "files", "pages"):
            raise ImageError(
                f"{target}: expected one picture to show the maps of, the input has "
                f"{frames} frames: choose one with --frame, or put {FRAME} into the name"
            )
        if not layout:
            raise _several(maps, options, target, _OTHER_FORMS)
        colored = options.colormap is not None or options.direction
        if self.sheet or (colored and not is_raw):
            return _COLOURS
        return 1 if layout in ("files", "pages") else maps

    def _layout(self, maps: int, options: Options) -> str:
        """Say how maps are written: as a sheet, files, pages, a picture; empty if not so."""
        if self.sheet:
            return "sheet"
        if has_number(self.target, MAP):
            return "files"
        if _is_single(maps, options) or self.file_format in (NPY, JSON):
            return "picture"
        return "pages" if self.file_format == "TIFF" else ""

    def write(
        self, filtered: Sequence[Filtered], described: Picture, options: Options
    ) -> Report:
        """Write the results for all frames; `described` is their picture without its frames."""
        saving = replace(self.saving, jobs=self.saving.jobs or options.jobs)
        described = self._placed(described, filtered, options)
        groups = {self.target: filtered}
        if has_number(self.target, FRAME):
            described = replace(described, timing=None)
            groups = {numbered(self.target, FRAME, n): [one] for n, one in enumerate(filtered)}
        # The first file is written last: where it is, all are.
        for name, group in reversed(groups.items()):
            layout = self._layout(group[0].values.shape[2], options)
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

    def _placed(
        self, picture: Picture, filtered: Sequence[Filtered], options: Options
    ) -> Picture:
        """Return a picture whose metadata hold for the places of the result's pixels."""
        metadata = picture.metadata
        if self.saving.strip or not (metadata.geo or metadata.nodata or metadata.ome):
            return picture
        from convcli.images.codecs.tiff_extras import metadata_after

        turned = "a transposed result has other pixels" if options.transposed else ""
        turned = "a sheet has other pixels" if self.sheet else turned
        windows = [step.window for step in filtered[0].report.steps]
        kept = self.saving.kept(metadata)
        metadata, notes = metadata_after(kept, windows, frames=len(filtered), turned=turned)
        return replace(picture, metadata=metadata, notes=(*picture.notes, *notes))


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


def plan_frames(
    picture: Picture, kernels: Sequence[Link | Pooling], options: Options, *, raw: bool
) -> list[Pipeline]:
    """Return the plan for each frame, made once for frames that are alike."""
    plan = functools.cache(lambda info: plan_pipeline(info, kernels, options, raw=raw))
    return [plan(frame.header) for frame in picture.frames]


def read_source(source: str, reading: ReadPolicy) -> Picture:
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
    narrow = values.astype(np.float32) if values.dtype == np.float64 else values
    return not (narrow is values or np.array_equal(narrow, values, equal_nan=True))


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

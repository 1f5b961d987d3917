"""From pictures to a file or a pipe: encoded in memory, then written in one go."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from convcli.errors import ImageError, fail
from convcli.images.formats import DEFAULT_LEVEL, FORMATS, RAW, Format, obstacle
from convcli.images.metadata import check_recipe
from convcli.images.picture import Frame, Metadata, Picture, Timing
from convcli.storage.atomic import replacing
from convcli.values import Record, replace

if TYPE_CHECKING:
    from pathlib import Path

_COLOUR_ONLY = ("QOI", "WEBP")  # formats that hold red, green and blue only
_RANGES = {"quality": (1, 100), "compress_level": (0, 9)}


class Saving(Record):
    """How pictures are written. A number that is out of its range is an `ImageError`."""

    quality: int | None = None  # 1 to 100; None for the default of the format
    compress_level: int | None = None  # zlib's, 0 to 9, for PNG and TIFF
    strip: bool = False  # write no profile, resolution and EXIF
    fit_depth: bool = False  # write fewer bits where the format has not so many
    jobs: int | None = None  # threads that compress a PNG; None for all cores
    recipe: str | None = None  # how the picture is made, which its metadata keep

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                fault = f"expected {least} to {most}, got {value}"
                fail(name, fault, "choose one of these", ImageError)

    def kept(self, metadata: Metadata) -> Metadata:
        """Return what is written of the metadata of the input: its recipe is another's."""
        kept = Metadata() if self.strip else metadata
        return kept if kept.recipe == self.recipe else replace(kept, recipe=self.recipe)


_DEFAULTS = Saving()


def pipe_format(source: str | None, frame: Frame) -> str:
    """Return the format for standard output: the input's where it keeps all, else PNG."""
    if source is None or source not in FORMATS or obstacle(frame, source):
        return "PNG"
    return source


def write_picture(
    picture: Picture | Frame,
    target: "str | Path | BinaryIO",
    format_name: str,
    saving: Saving = _DEFAULTS,
) -> None:
    """Write one frame or all to a path, a URL or an open stream: complete, or not at all."""
    if isinstance(picture, Frame):
        picture = Picture((picture,))
    label = target if isinstance(target, str | os.PathLike) else "standard output"
    check_format(picture, str(label), format_name, saving)
    try:
        parts = _encoded(picture, format_name, saving)
    except ImageError as error:
        raise ImageError(f"{label}: {error}") from None
    _write(parts, target)


def check_format(picture: Picture, label: str, format_name: str, saving: Saving) -> None:
    """Check that a format can hold all of a document, and has the settings."""
    entry = FORMATS[format_name]
    if len(picture.frames) > 1 and not entry.frames:
        fault = f"{format_name} holds one frame, the input has {len(picture.frames)}"
        remedy = "write .gif, .png, .webp or .tif, or choose one with --frame"
        fail(label, fault, remedy, ImageError)
    for frame in picture.frames:
        if problem := obstacle(frame, format_name):
            raise ImageError(f"{label}: {problem}")
    if saving.recipe is not None:
        check_recipe(saving.recipe, format_name, label)
    if saving.quality is not None and entry.quality is None:
        fail(label, f"{format_name} has no quality to set", "leave --quality out", ImageError)
    if saving.compress_level is not None and not entry.levels:
        fault = f"{format_name} has no level to set"
        fail(label, fault, "leave --compress-level out", ImageError)


def _write(parts: Sequence[bytes | memoryview], target: "str | Path | BinaryIO") -> None:
    if isinstance(target, str | os.PathLike):
        with replacing(target) as file:
            file.writelines(parts)
        return
    try:
        # In one call: if it fails, a buffered stream must not keep a part for later. An
        # unbuffered pipe takes as much as fits, and returns how much that was.
        left = memoryview(b"".join(parts))
        while left:
            left = left[target.write(left) :]
        target.flush()
    except BrokenPipeError:
        raise  # the reader has gone: that is no failure to report
    except OSError as error:
        fault = f"cannot be written: {error.strerror or type(error).__name__}"
        fail("standard output", fault, "make room, or write elsewhere", ImageError)


def _encoded(
    picture: Picture, format_name: str, saving: Saving
) -> Sequence[bytes | memoryview]:
    """Return the parts of a file; each codec is imported where it is used."""
    frames: Sequence[Frame] = picture.frames
    metadata, timing = saving.kept(picture.metadata), picture.timing
    if format_name in RAW:
        from convcli.images.codecs.numbers import matrix_bytes

        return [matrix_bytes(replace(frames[0], alpha=None).array, format_name)]
    if format_name == "TIFF":
        from convcli.images.codecs.tiff import tiff_bytes

        level = DEFAULT_LEVEL if saving.compress_level is None else saving.compress_level
        return [tiff_bytes(frames, metadata, level)]
    if format_name == "PPM":
        from convcli.images.codecs.numbers import netpbm_parts

        return [part for frame in frames for part in netpbm_parts(frame)]
    frames = _alike(frames, FORMATS[format_name])
    if timing is None and len(frames) > 1:
        # Pages become an animation of a second each.
        timing = Timing((1000.0,) * len(frames), (0,) * len(frames), loop=0)
    if format_name == "PNG":
        from convcli.images.codecs.png import png_bytes

        alike = Picture(frames, metadata, timing)
        return png_bytes(alike, saving.compress_level, saving.jobs)
    if timing is not None and timing.still:
        frames = frames[1:]
        timing = Timing(timing.durations[1:], timing.disposals[1:], timing.loop)
    if format_name == "GIF":
        from convcli.images.codecs.gif import gif_bytes

        return [gif_bytes(frames, timing)]
    from convcli.images.codecs.pillow import pillow_bytes

    settings = _settings(FORMATS[format_name], metadata, timing, saving)
    return [pillow_bytes(frames, format_name, metadata, settings)]


def _settings(
    entry: Format, metadata: Metadata, timing: Timing | None, saving: Saving
) -> dict[str, Any]:
    settings = dict(entry.settings)
    if entry.quality is not None:
        quality = saving.quality or entry.quality
        settings |= {"quality": quality} if quality else {"lossless": True}
    if entry.name == "JPEG":
        settings["subsampling"] = metadata.subsampling or 0
    if timing is not None and entry.frames:
        settings["duration"] = [round(duration) for duration in timing.durations]
        settings["loop"] = 1 if timing.loop is None else timing.loop
    return settings


def _alike(frames: Sequence[Frame], entry: Format) -> tuple[Frame, ...]:
    """Return frames with equal channels, and with alpha where a format holds what one has."""
    size, *others = {frame.shape for frame in frames}
    if others:
        raise ImageError(f"{entry.name} holds frames of one size, these differ: write .tif")
    channels = max(frame.channels for frame in frames)
    if entry.name in _COLOUR_ONLY:
        channels = max(channels, 3)
    has_alpha = entry.alpha and any(frame.alpha is not None for frame in frames)
    alike = []
    for frame in frames:
        opaque = np.broadcast_to(frame.pixels.dtype.type(frame.white), size)
        alpha = opaque if frame.alpha is None else frame.alpha
        colours = np.broadcast_to(frame.pixels, (*size, channels))
        alike.append(Frame(colours, alpha if has_alpha else None))
    return tuple(alike)

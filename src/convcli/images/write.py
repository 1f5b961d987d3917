"""From pictures to a file or a pipe: encoded in memory, then written in one go."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from convcli.errors import ImageError
from convcli.images.formats import DEFAULT_LEVEL, FORMATS, RAW, Format, obstacle
from convcli.images.picture import Frame, Metadata, Picture, Timing
from convcli.storage.atomic import replacing
from convcli.values import Record, replace

if TYPE_CHECKING:
    from pathlib import Path

_COLOUR_ONLY = ("QOI", "WEBP")  # formats that hold red, green and blue only
_RANGES = {"quality": (1, 100), "compress_level": (0, 9)}


class Saving(Record, kw_only=True):
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
                raise ImageError(
                    f"{name}: expected {least} to {most}, got {value}: choose one of these"
                )

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


def write_frame(
    frame: Frame, target: "str | Path | BinaryIO", format_name: str, saving: Saving = _DEFAULTS
) -> None:
    """Write one picture; parameters and errors are those of `write_picture`."""
    write_picture(Picture((frame,)), target, format_name, saving)


def write_picture(
    picture: Picture,
    target: "str | Path | BinaryIO",
    format_name: str,
    saving: Saving = _DEFAULTS,
) -> None:
    """Write all frames to a path, a URL or an open stream: complete, or not at all."""
    label = target if isinstance(target, str | os.PathLike) else "standard output"
    check_format(picture, str(label), format_name, saving)
    metadata = saving.kept(picture.metadata)
    if metadata is not picture.metadata:
        picture = replace(picture, metadata=metadata)
    try:
        parts = _encoded(picture, format_name, saving)
    except ImageError as error:
        raise ImageError(f"{label}: {error}") from None
    _write(parts, target)


def check_format(picture: Picture, label: str, format_name: str, saving: Saving) -> None:
    """Check that a format can hold all of a document, and has the settings."""
    entry = FORMATS[format_name]
    if len(picture.frames) > 1 and not entry.frames:
        raise ImageError(
            f"{label}: {format_name} holds one frame, the input has {len(picture.frames)}: "
            "write .gif, .png, .webp or .tif, or choose one with --frame"
        )
    for frame in picture.frames:
        problem = obstacle(frame, format_name) or _overflow(frame, format_name)
        if problem:
            raise ImageError(f"{label}: {problem}")
    if saving.recipe is not None:
        from convcli.images.metadata import check_recipe

        check_recipe(saving.recipe, format_name, label)
    if saving.quality is not None and entry.quality is None:
        raise ImageError(f"{label}: {format_name} has no quality to set: leave --quality out")
    if saving.compress_level is not None and not entry.levels:
        raise ImageError(
            f"{label}: {format_name} has no level to set: leave --compress-level out"
        )


def _overflow(frame: Frame, format_name: str) -> str:
    """Say that numbers are too large for the 32-bit floats of a file; empty where they fit."""
    if frame.pixels.dtype != np.float64 or format_name in RAW:
        return ""
    largest = np.finfo(np.float32).max
    sizes = np.abs(frame.pixels)
    if not ((sizes > largest) & np.isfinite(sizes)).any():
        return ""
    return f"{format_name} holds 32-bit floats, up to {largest:.3g}: write .npy"


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
        reason = error.strerror or type(error).__name__
        raise ImageError(
            f"standard output: cannot be written: {reason}: make room, or write elsewhere"
        ) from None


def _encoded(
    picture: Picture, format_name: str, saving: Saving
) -> Sequence[bytes | memoryview]:
    """Return the parts of a file; each codec is imported where it is used."""
    frames: Sequence[Frame] = picture.frames
    metadata, timing = picture.metadata, picture.timing
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

        alike = replace(picture, frames=frames, timing=timing)
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
    opaque = not entry.alpha or all(frame.alpha is None for frame in frames)
    alike = []
    for frame in frames:
        alpha = None if opaque else frame.alpha
        if alpha is None and not opaque:
            alpha = np.full(size, frame.white, frame.pixels.dtype)
        alike.append(Frame(np.broadcast_to(frame.pixels, (*size, channels)), alpha))
    return tuple(alike)

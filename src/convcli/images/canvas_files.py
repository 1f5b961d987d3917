"""Drawings as files: still ones as PNG, moving ones as GIF, APNG or WebP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.errors import ImageError
from convcli.images.canvas import Canvas
from convcli.storage import replacing

_GIF_COLOURS = 256

_FORMATS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}


def check_canvas_target(target: str | Path, *, moving: bool) -> str:
    """Return the format that a drawing's file name stands for.

    Raises
    ------
    ImageError
        If it is none that can hold it.
    """
    suffix = Path(target).suffix.lower()
    allowed = _FORMATS if moving else {".png": "PNG"}
    if suffix in allowed:
        return allowed[suffix]
    names = " or ".join([", ".join(list(allowed)[:-1]), list(allowed)[-1]]).removeprefix(" or ")
    raise ImageError(f"{target}: expected a name that ends in {names}: rename it")


def write_canvas(canvas: Canvas, target: str | Path) -> None:
    """Write a drawing as PNG: complete, or not at all.

    Raises
    ------
    ImageError
        If the target is no .png or cannot be written.
    """
    kind = check_canvas_target(target, moving=False)
    with replacing(target) as file:
        canvas.image.save(file, kind, optimize=True)


def write_frames(
    frames: Sequence[Canvas], durations: Sequence[int], target: str | Path
) -> None:
    """Write an animation as GIF, APNG or WebP, by the name's suffix; it goes on for ever.

    Parameters
    ----------
    frames : sequence of Canvas
        At least one, all of one size.
    durations : sequence of int
        How long each is shown, in milliseconds.
    target : str or Path
        Replaced in one step.

    Raises
    ------
    ImageError
        If the suffix is no such format's, or the target cannot be written.
    """
    kind = check_canvas_target(target, moving=True)
    images = [frame.image for frame in frames]
    settings: dict[str, Any] = {"save_all": True, "duration": list(durations), "loop": 0}
    if kind == "GIF":
        images = _one_palette(images)
        settings |= {"optimize": False, "disposal": 1}
    if kind == "WEBP":
        settings["lossless"] = True
    with replacing(target) as file:
        images[0].save(file, kind, append_images=images[1:], **settings)


def _one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Give all frames one palette of their commonest colours, so that nothing flickers.

    Pillow's own quantizer looks at the upper bits of a colour only: white became grey.
    """
    frames = [_packed(image) for image in images]
    counts = np.bincount(frames[-1].reshape(-1), minlength=1 << 24)
    for frame in frames:
        counts[frame] = np.maximum(counts[frame], 1)
    colours = np.flatnonzero(counts)
    kept = colours[np.argsort(-counts[colours], kind="stable")[:_GIF_COLOURS]]
    palette, known = _unpacked(kept).astype(np.int64), _unpacked(colours).astype(np.int64)
    table = np.zeros(1 << 24, np.uint8)
    table[colours] = [((palette - colour) ** 2).sum(axis=1).argmin() for colour in known]
    return [_with_palette(table[frame], _unpacked(kept)) for frame in frames]


def _packed(image: Image.Image) -> NDArray[np.int64]:
    """Return each pixel's colour as one number, red·2^16 + green·2^8 + blue."""
    packed: NDArray[np.int64] = np.asarray(image).astype(np.int64) @ np.array(
        [1 << 16, 1 << 8, 1]
    )
    return packed


def _unpacked(colours: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)


def _with_palette(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    return image

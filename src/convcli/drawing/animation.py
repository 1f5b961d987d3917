"""Drawings that follow each other, as files: a moving picture, numbered PNGs, or one sheet."""

import io
import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.drawing.canvas import Canvas, write_canvas
from convcli.drawing.figures import in_rows, page_of
from convcli.errors import ImageError, fail
from convcli.images.formats import format_for, is_matrix_name
from convcli.images.picture import Frame
from convcli.images.write import write_picture
from convcli.storage.atomic import replacing
from convcli.values import Record

_SUFFIXES = {
    ".gif": "gif", ".png": "apng", ".apng": "apng", ".webp": "webp", ".mp4": "mp4"
}  # fmt: skip
_STREAMED = ("gif", "apng", "webp")
# How drawings are written: moving pictures, a PNG for each, or all on one PNG.
FORMS = (*dict.fromkeys(_SUFFIXES.values()), "frames", "strip")
NUMBERS = "numbers"  # the form of a .csv, .txt or .json: the raw numbers that fill


def animation_form(target: str | Path, form: str | None = None) -> str:
    """Return one of `FORMS` or `NUMBERS`: what is asked for, or else what the suffix says."""
    if form is None and is_matrix_name(str(target)):
        return NUMBERS
    suffix = Path(target).suffix.lower()
    found = form or _SUFFIXES.get(suffix)
    if str(target) == "-":
        if found not in _STREAMED:
            raise ImageError("-: expected a gif, apng or webp to send on: add --format gif")
        return found
    allowed = [name for name, each in _SUFFIXES.items() if each == found]
    allowed = {"frames": [".png", ""], "strip": [".png"]}.get(found or "", allowed)
    if found is None or suffix not in allowed:
        *others, last = filter(None, allowed or _SUFFIXES)
        names = f"{', '.join(others)} or {last}" if others else last
        raise ImageError(f"{target}: expected a name that ends in {names}: rename it")
    if found == "mp4" and shutil.which("ffmpeg") is None:
        fault = "expected the program ffmpeg, which makes .mp4; it is not installed"
        fail(target, fault, "install it, or write a .gif or .webp", ImageError)
    return found


class Animation(Record, kw_only=True):
    """Drawings of one size that follow each other; a notebook shows them as they move."""

    drawings: tuple[Canvas, ...]
    durations: tuple[int, ...]  # in milliseconds
    output: NDArray[np.float64]  # (rows, columns, maps), the raw numbers that fill

    @property
    def frames(self) -> list[NDArray[np.uint8]]:
        """The drawings as pixels in RGB, shape (H, W, 3)."""
        return [np.asarray(drawing.image) for drawing in self.drawings]

    def save(self, target: str | Path, format: str | None = None) -> list[str]:  # noqa: A002 - as the option
        """Write it as the suffix says, or in a form of ``--format``; return the files' names.

        A .csv, .txt or .json gets the raw numbers instead. What cannot be written is an
        `ImageError`.
        """
        form = animation_form(target, format)
        if form == "frames":
            return _write_numbered(self.drawings, Path(target))
        if form == NUMBERS:
            write_picture(Frame(self.output), target, format_for(target))
        elif form == "strip":  # in rows, to be read like a page: about as wide as high
            shape = self.drawings[0].height / self.drawings[0].width
            across = max(round(math.sqrt(len(self.drawings) * shape)), 1)
            write_canvas(page_of([in_rows(self.drawings, across)]), target)
        elif form == "mp4":
            _write_mp4(self.encoded("apng"), target)
        else:
            with replacing(target) as file:
                file.write(self.encoded(form))
        return [str(target)]

    def encoded(self, form: str) -> bytes:
        """Return the bytes of a ``gif``, ``apng`` or ``webp``."""
        images, file = [drawing.image for drawing in self.drawings], io.BytesIO()
        settings: dict[str, Any] = {"save_all": True, "duration": [*self.durations], "loop": 0}
        if form == "gif":
            from convcli.images.codecs.gif import with_shared_palette

            images = with_shared_palette(self.frames)
            settings |= {"optimize": False, "disposal": 1}
        if form == "webp":
            settings["lossless"] = True
        # Not `write_picture`, which writes each frame whole: Pillow writes what changes, in
        # half of the bytes and a third of the time.
        name = "PNG" if form == "apng" else form.upper()
        images[0].save(file, name, append_images=images[1:], **settings)
        return file.getvalue()

    def __repr__(self) -> str:
        return f"Animation of {len(self.drawings)} frames: save(path) writes it"

    def _repr_png_(self) -> bytes:
        """Return an animated PNG, as notebooks show it."""
        return self.encoded("apng")


def _write_numbered(frames: Sequence[Canvas], target: Path) -> list[str]:
    """Write a PNG for each drawing: FOLDER/01.png, or NAME-01.png of NAME.png."""
    if not target.suffix:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f"{target}: cannot be made: {error.strerror}") from None
    start = f"{target}/" if not target.suffix else f"{target.with_suffix('')}-"
    digits = len(str(len(frames)))
    names = [f"{start}{number:0{digits}}.png" for number in range(1, len(frames) + 1)]
    for frame, name in zip(frames, names, strict=True):
        write_canvas(frame, name)
    return names


_RATE = 25  # pictures a second of a video


def _write_mp4(apng: bytes, target: str | Path) -> None:
    """Let ffmpeg make a video of an animated PNG."""
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white"
    with tempfile.TemporaryDirectory(prefix="convcli-") as folder:
        steps, video = Path(folder, "steps.apng"), Path(folder, "video.mp4")
        steps.write_bytes(apng)
        words = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(steps)]
        words += ["-vf", f"fps={_RATE},{even}", "-pix_fmt", "yuv420p"]
        words += ["-movflags", "+faststart", str(video)]
        made = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - our words
        if made.returncode:
            reason = made.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise ImageError(f"{target}: ffmpeg failed ({reason}): write a .gif or .webp")
        with replacing(target) as whole:
            whole.write(video.read_bytes())

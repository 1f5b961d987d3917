"""Read kernels from text, files and pictures, and write them, in every known format."""

import contextlib
import mimetypes
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcli.choices import WeightLayout
from convcli.errors import ConvcliError, KernelError, SpecError
from convcli.kernels.formats.arrays import NPY, NPZ, SAFETENSORS
from convcli.kernels.formats.base import ArrayFormat, Format, Tensor, TextFormat, fail
from convcli.kernels.formats.json_text import JSON, NUMPY, TORCH
from convcli.kernels.formats.programs import CSV, FFMPEG, IMAGEMAGICK, SVG, VIPS
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel
from convcli.values import Record, replace

FORMATS: dict[str, Format] = {  # in the order in which they are shown: that of `EXPORTED`
    form.name: form
    for form in (JSON, VIPS, IMAGEMAGICK, FFMPEG, SVG, CSV, NPY, NPZ, NUMPY, TORCH, SAFETENSORS)
}

_SUFFIXES = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}

_PICTURE = "image:"  # what the name of a picture begins with that is used as a kernel
_STANDARD = "-"  # standard input as a kernel
_TENSOR = "::"  # what separates a file from the name of an array in it

_MAX_BYTES = 40 * MAX_WEIGHTS  # no text is longer: 25 characters a number, and white space


# ------------------------------------------------------------------ which format it is


def is_file(text: str) -> bool:
    """Tell whether a specification means a file: by its form, or because the file exists."""
    path = Path(text.partition(_TENSOR)[0])
    if text == _STANDARD:
        return True
    if text.startswith(_PICTURE) or _format_of(path) is not None:
        return not is_inline(text)
    pathlike = "/" in text or "\\" in text or "." in text
    return pathlike and not is_inline(text) and file_exists(text)


def file_exists(text: str) -> bool:
    """Tell whether the file that a specification means exists."""
    path = Path(text.partition(_TENSOR)[0].removeprefix(_PICTURE))
    try:
        return text == _STANDARD or path.exists()
    except (OSError, ValueError):
        return False


def is_inline(text: str) -> bool:
    """Tell whether a text is itself a kernel in one of the text formats."""
    return _recognised(text) is not None


def _format_of(path: Path) -> Format | None:
    return _SUFFIXES.get(path.suffix.lower())


def _recognised(text: str) -> TextFormat | None:
    forms = (form for form in FORMATS.values() if isinstance(form, TextFormat))
    return next((form for form in forms if form.recognises(text)), None)


# ------------------------------------------------------------------ text


def read_inline(text: str) -> Kernel | None:
    """Return the kernel that a text is; None if it is in no known format."""
    form = _recognised(text)
    if form is None:
        return None
    try:
        return parse_kernel(text, "inline kernel", form=form)
    except KernelError as error:
        raise SpecError(str(error)) from None


def parse_kernel(
    text: str, source: str, name: str | None = None, *, form: TextFormat = JSON
) -> Kernel:
    """Return the kernel of a text, called `source` in messages, and where it gets no name."""
    try:
        kernel = form.parse(text)
    except KernelError as error:
        raise KernelError(f"{source}: {error}") from None
    has_name = kernel.name not in ("", "kernel")
    return replace(kernel, name=kernel.name if has_name else name or source)


def export(kernel: Kernel, name: str) -> str | bytes:
    """Return a kernel in the format of that name: text, or bytes for files of arrays."""
    form = FORMATS.get(name)
    if form is None or form.write is None:
        known = ", ".join(entry.name for entry in FORMATS.values() if entry.write)
        raise KernelError(f"{name}: expected one of {known}")
    return form.write(kernel)


# ------------------------------------------------------------------ files


def read_kernel(path: str | Path, layout: WeightLayout = WeightLayout.OIHW) -> Kernel:
    """Read a kernel from FILE, FILE::NAME (an array in it), image:FILE (a picture) or ``-``.

    The suffix or the text tells the format. A kernel without a name is called as its file.
    """
    text = str(path)
    if text == _STANDARD:
        return _read_standard_input()
    if text.startswith(_PICTURE):
        return _kernel_of_picture(text.removeprefix(_PICTURE))
    name, _, tensor = text.partition(_TENSOR)
    file = Path(name)
    form = _format_of(file)
    if isinstance(form, ArrayFormat):
        with _named_errors(file), file.open("rb"):
            return form.read(file, tensor, layout)
    if tensor:
        raise KernelError(f"{name}: expected a .npz or .safetensors before ::, got another")
    with _named_errors(file), file.open("rb") as opened:
        data = opened.read(_MAX_BYTES + 1)
    text = _decoded(data, str(file))
    form = form or _recognised(text)
    if form is None:
        raise KernelError(
            f"{file}: expected a kernel, got none of {', '.join(FORMATS)}: check the file"
        )
    return parse_kernel(text, str(file), file.stem, form=form)


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into an error that names the file."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fail(f"{path}: the kernel file cannot be read", reason, "check the path")
    except ConvcliError as error:
        raise KernelError(f"{path}: {error}") from None


def _read_standard_input() -> Kernel:
    if sys.stdin.isatty():
        raise KernelError(
            "kernel -: expected a kernel on standard input, got a terminal: pipe it"
        )
    text = _decoded(sys.stdin.buffer.read(_MAX_BYTES + 1), "standard input")
    form = _recognised(text)
    if form is None:
        raise KernelError(
            "standard input: expected a kernel as JSON or as rows of numbers, got "
            f"{text[:40]!r}: check what is piped in"
        )
    return parse_kernel(text, "standard input", form=form)


def _decoded(data: bytes, source: str) -> str:
    """Return the text of a file of this name; one that is too large is a `KernelError`."""
    if len(data) > _MAX_BYTES:
        raise KernelError(
            f"{source}: expected at most {MAX_WEIGHTS:,} weights, got a file of more than "
            f"{_MAX_BYTES:,} bytes: split the bank"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if (mimetypes.guess_type(source)[0] or "").startswith("image/"):
            raise KernelError(
                f"{source}: expected a kernel file, got a picture: write image:{source} to "
                "look for it as a patch"
            ) from None
        raise KernelError(
            f"{source}: expected UTF-8 text, got another encoding at byte {error.start}: "
            "save the file as UTF-8"
        ) from None


def _kernel_of_picture(path: str) -> Kernel:
    """Return a picture, in grey, as a kernel of mean 0 and length 1: brightness is nothing."""
    from convcli.images.read import read_frame

    pixels = read_frame(path).gray().pixels[..., 0].astype(np.float64)
    flat = pixels - pixels.mean()
    length = float(np.sqrt((flat**2).sum()))
    if not flat.any() or np.ptp(pixels) == 0:
        raise KernelError(
            f"{path}: expected a picture with a pattern, got one brightness all over: "
            "choose a patch that has edges"
        )
    description = "answers where this patch appears"
    return Kernel(flat / length, name=f"{_PICTURE}{path}", description=description)


class Archive(Record):
    """A file of several arrays, and those that may be kernels, in the order of the file."""

    path: str
    tensors: tuple[Tensor, ...]


def archive_at(text: str) -> Archive | None:
    """Return what a file of several arrays holds; None if a text does not mean one."""
    path = Path(text)
    form = _format_of(path)
    if _TENSOR in text or not isinstance(form, ArrayFormat) or form.tensors is None:
        return None
    with _named_errors(path), path.open("rb"):
        return Archive(text, tuple(form.tensors(path)))

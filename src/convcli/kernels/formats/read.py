"""Read kernels from text, files and pictures, and write them, in every known format."""

import contextlib
import mimetypes
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcli.choices import WeightLayout
from convcli.errors import ConvcliError, KernelError, fail
from convcli.kernels.formats.arrays import NPY, NPZ, SAFETENSORS, ArrayFormat, Tensor
from convcli.kernels.formats.base import TextFormat
from convcli.kernels.formats.json_text import JSON, NUMPY, TORCH
from convcli.kernels.formats.programs import PROGRAMS
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel
from convcli.values import Record, replace

FORMATS: dict[str, TextFormat | ArrayFormat] = {  # in the order of `EXPORTED`, as shown
    form.name: form for form in (JSON, *PROGRAMS, NPY, NPZ, NUMPY, TORCH, SAFETENSORS)
}

_SUFFIXES = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}

_PICTURE = "image:"  # what the name of a picture begins with that is used as a kernel
_STANDARD = "-"  # standard input as a kernel
_TENSOR = "::"  # what separates a file from the name of an array in it

_MAX_BYTES = 40 * MAX_WEIGHTS  # no text is longer: 25 characters a number, and white space


# ------------------------------------------------------------------ which format it is


def is_file(text: str) -> bool:
    """Tell whether a specification means a file: by its form, or because the file exists."""
    if text == _STANDARD:
        return True
    if recognised(text):
        return False
    if text.startswith(_PICTURE) or _format_of(Path(text.partition(_TENSOR)[0])):
        return True
    return any(sign in text for sign in "/\\.") and file_exists(text)


def file_exists(text: str) -> bool:
    """Tell whether the file that a specification means exists."""
    path = Path(text.partition(_TENSOR)[0].removeprefix(_PICTURE))
    try:
        return text == _STANDARD or path.exists()
    except (OSError, ValueError):
        return False


def _format_of(path: Path) -> TextFormat | ArrayFormat | None:
    return _SUFFIXES.get(path.suffix.lower())


def recognised(text: str) -> TextFormat | None:
    """Return the format in which a text is itself a kernel; None for other texts."""
    forms = (form for form in FORMATS.values() if isinstance(form, TextFormat))
    return next((form for form in forms if form.looks and form.looks.match(text)), None)


def parse_kernel(
    text: str,
    source: str,
    name: str = "",
    form: TextFormat = JSON,
    fault: type[KernelError] = KernelError,
) -> Kernel:
    """Return the kernel of a text, called `source` in messages, and where it gets no name."""
    try:
        kernel = form.parse(text)
    except KernelError as error:
        raise fault(f"{source}: {error}") from None
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
    if text.startswith(_PICTURE):
        return _kernel_of_picture(text.removeprefix(_PICTURE))
    name, _, tensor = text.partition(_TENSOR)
    file, is_piped = Path(name), text == _STANDARD
    form = _format_of(file)
    if isinstance(form, ArrayFormat):
        with _named_errors(file), file.open("rb"):
            return form.read(file, tensor, layout)
    if tensor:
        raise KernelError(f"{name}: expected a .npz or .safetensors before ::, got another")
    source = "standard input" if is_piped else str(file)
    words = _decoded(_data_of(name), source)
    form = form or recognised(words)
    if form is None:
        if is_piped:
            fault = f"expected a kernel as JSON or as rows of numbers, got {words[:40]!r}"
            fail(source, fault, "check what is piped in")
        fail(source, f"expected a kernel, got none of {', '.join(FORMATS)}", "check the file")
    return parse_kernel(words, source, source if is_piped else file.stem, form=form)


def _data_of(name: str) -> bytes:
    """Return the bytes of a file, or of standard input: at most one more than are taken."""
    if name != _STANDARD:
        with _named_errors(Path(name)), Path(name).open("rb") as opened:
            return opened.read(_MAX_BYTES + 1)
    if sys.stdin.isatty():
        fail("kernel -", "expected a kernel on standard input, got a terminal", "pipe it")
    return sys.stdin.buffer.read(_MAX_BYTES + 1)


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


def _decoded(data: bytes, source: str) -> str:
    """Return the text of a file of this name; one that is too large is a `KernelError`."""
    if len(data) > _MAX_BYTES:
        got = f"got a file of more than {_MAX_BYTES:,} bytes"
        fail(source, f"expected at most {MAX_WEIGHTS:,} weights, {got}", "split the bank")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if (mimetypes.guess_type(source)[0] or "").startswith("image/"):
            remedy = f"write image:{source} to look for it as a patch"
            fail(source, "expected a kernel file, got a picture", remedy)
        fault = f"expected UTF-8 text, got another encoding at byte {error.start}"
        fail(source, fault, "save the file as UTF-8")


def _kernel_of_picture(path: str) -> Kernel:
    """Return a picture, in grey, as a kernel of mean 0 and length 1: brightness is nothing."""
    from convcli.images.read import read_picture

    pixels = read_picture(path).frames[0].as_gray(path).pixels[..., 0].astype(np.float64)
    flat = pixels - pixels.mean()
    # A power of two leaves all bits; the squares of very large numbers would be infinite.
    flat = np.ldexp(flat, -np.frexp(np.abs(flat).max(initial=0))[1])
    length = float(np.sqrt((flat**2).sum()))
    if np.ptp(pixels) == 0:
        fault = "expected a picture with a pattern, got one brightness all over"
        fail(path, fault, "choose a patch that has edges")
    return Kernel(flat / length, None, _PICTURE + path, "answers where this patch appears")


class Archive(Record):
    """A file of several arrays, and those that may be kernels, in the order of the file."""

    path: str
    tensors: tuple[Tensor, ...]


def archive_at(text: str) -> Archive | None:
    """Return what a file of several arrays holds; None if a text does not mean one."""
    path = Path(text)
    form = _format_of(path)
    if _TENSOR in text or not isinstance(form, ArrayFormat) or not form.dimensions:
        return None
    with _named_errors(path), path.open("rb"):
        return Archive(text, form.tensors(path))

"""The formats of kernels, and how a kernel is read from text, a file or a picture."""

import mimetypes
from pathlib import Path

import numpy as np

from convcli.errors import ConvcliError, KernelError, SpecError
from convcli.kernels.formats.arrays import NPY, NPZ
from convcli.kernels.formats.base import (
    MOST_BYTES,
    ArrayFormat,
    Format,
    Tensor,
    TextFormat,
    fail,
)
from convcli.kernels.formats.ffmpeg import FFMPEG
from convcli.kernels.formats.imagemagick import IMAGEMAGICK
from convcli.kernels.formats.json_text import JSON
from convcli.kernels.formats.safetensors import SAFETENSORS
from convcli.kernels.formats.source import NUMPY, TORCH
from convcli.kernels.formats.svg import SVG
from convcli.kernels.formats.vips import VIPS
from convcli.kernels.kernel import MAX_WEIGHTS, Kernel, WeightLayout
from convcli.values import Record

PREFIX = "image:"


def kernel_of_picture(path: str) -> Kernel:
    """Return a picture as a kernel of mean 0 and length 1.

    The picture is made grey first. Its mean is taken off, so that brightness does not
    count, and it is divided by the root of the sum of squares: no other kernel of that
    size and length answers the patch more strongly (Cauchy-Schwarz inequality).

    Parameters
    ----------
    path : str
        The picture's file.

    Returns
    -------
    Kernel
        Of the picture's size.

    Raises
    ------
    ImageError
        If the picture cannot be read.
    KernelError
        If it is all of one brightness, or too large.
    """
    from convcli.images.read import read_picture

    pixels = read_picture(path).gray().pixels[..., 0].astype(np.float64)
    flat = pixels - pixels.mean()
    length = float(np.sqrt((flat**2).sum()))
    if not flat.any() or np.ptp(pixels) == 0:
        raise KernelError(
            f"{path}: expected a picture with a pattern, got one brightness all over: "
            "choose a patch that has edges"
        )
    return Kernel(
        flat / length, name=f"{PREFIX}{path}", description="answers where this patch appears"
    )


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        JSON,
        VIPS,
        IMAGEMAGICK,
        FFMPEG,
        SVG,
        NPY,
        NPZ,
        NUMPY,
        TORCH,
        SAFETENSORS,
    )
}
"""All formats by name, in the order in which they are shown."""

_SUFFIXES = {suffix: entry for entry in FORMATS.values() for suffix in entry.suffixes}


def format_of(path: Path) -> Format | None:
    """Return the format that a file's suffix stands for; None where it stands for none."""
    return _SUFFIXES.get(path.suffix.lower())


def recognised(text: str) -> TextFormat | None:
    """Return the format that a text is written in; None where it is none of them."""
    for entry in FORMATS.values():
        if isinstance(entry, TextFormat) and entry.recognises(text):
            return entry
    return None


def export(kernel: Kernel, name: str) -> str | bytes:
    r"""Return a kernel in a format: text, or bytes for files of arrays.

    Raises
    ------
    KernelError
        If the format is unknown, only read, or cannot hold the kernel.

    Examples
    --------
    >>> export(Kernel([[0, 1, 0]]), "imagemagick")
    '3x1:0,1,0\n'
    """
    form = FORMATS.get(name)
    if form is None or form.write is None:
        known = ", ".join(entry.name for entry in FORMATS.values() if entry.write)
        raise KernelError(f"{name}: expected one of {known}")
    return form.write(kernel)


TENSOR = "::"
"""What parts a file from the name of an array in it."""


def is_file(text: str) -> bool:
    """Whether a specification means a file, by its form or because there is one."""
    path = Path(text.partition(TENSOR)[0])
    if text.startswith(PREFIX) or format_of(path) is not None:
        return not is_inline(text)
    pathlike = "/" in text or "\\" in text or "." in text
    return pathlike and not is_inline(text) and _exists(path)


def file_exists(text: str) -> bool:
    """Whether the file that a specification means is there."""
    return _exists(Path(text.partition(TENSOR)[0].removeprefix(PREFIX)))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_inline(text: str) -> bool:
    """Whether a text is itself a kernel in one of the text formats."""
    return recognised(text) is not None


def read_inline(text: str) -> Kernel:
    """Return the kernel that a text is.

    Raises
    ------
    SpecError
        If it is none.
    """
    found = recognised(text)
    if found is None:
        fail("inline kernel", "expected a kernel in a known format", "write [[1, 2], [3, 4]]")
    try:
        return parse_kernel(text, "inline kernel", form=found)
    except KernelError as error:
        raise SpecError(str(error)) from None


def parse_kernel(
    text: str, source: str, name: str | None = None, *, form: TextFormat = JSON
) -> Kernel:
    """Parse a kernel from text, JSON unless another format is given.

    Parameters
    ----------
    text : str
        The kernel.
    source : str
        What messages call the text: a file's path, or ``inline kernel``.
    name : str, optional
        The kernel's name where the text gives none; `source` otherwise.
    form : TextFormat
        Its format.

    Returns
    -------
    Kernel

    Raises
    ------
    KernelError
        If the text is no kernel.

    Examples
    --------
    >>> parse_kernel('{"weights": [[1, 2, 1]], "divisor": 4}', "demo").weights.tolist()
    [[0.25, 0.5, 0.25]]
    """
    try:
        kernel = form.parse(text)
    except KernelError as error:
        raise KernelError(f"{source}: {error}") from None
    given = kernel.name not in ("", "kernel")
    title = kernel.name if given else name or source
    return Kernel(kernel.weights, kernel.bias or None, title, kernel.description)


def read_kernel(path: str | Path, layout: WeightLayout = WeightLayout.OIHW) -> Kernel:
    """Read a kernel from a file; its format is known by the suffix or by its text.

    Parameters
    ----------
    path : str or Path
        The file, of an array in it ``FILE::NAME``, or ``image:FILE``.
    layout : WeightLayout
        Order of the axes of banks in files of arrays.

    Returns
    -------
    Kernel
        Named after the file where the file gives no name.

    Raises
    ------
    KernelError
        If the file cannot be read or does not hold a kernel; the message names the
        file, the place in it and the remedy.
    """
    text = str(path)
    if text.startswith(PREFIX):
        return kernel_of_picture(text.removeprefix(PREFIX))
    file, _, tensor = text.partition(TENSOR)
    form = format_of(Path(file))
    if isinstance(form, ArrayFormat):
        return _read_array(form, Path(file), tensor, layout)
    if tensor:
        raise KernelError(f"{file}: expected a .npz or .safetensors before ::, got another")
    return _read_text(form, Path(file))


def _read_array(form: ArrayFormat, path: Path, tensor: str, layout: WeightLayout) -> Kernel:
    try:
        with path.open("rb"):
            return form.read(path, tensor, layout)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    except ConvcliError as error:
        raise KernelError(f"{path}: {error}") from None


def _unreadable(path: Path, error: OSError | ValueError) -> KernelError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return KernelError(f"{path}: the kernel file cannot be read: {reason}: check the path")


def _read_text(form: TextFormat | None, path: Path) -> Kernel:
    text = _text_of(path)
    known = form or recognised(text)
    if known is None:
        names = ", ".join(name for name in FORMATS)
        raise KernelError(f"{path}: expected a kernel, got none of {names}: check the file")
    return parse_kernel(text, str(path), path.stem, form=known)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(data) > MOST_BYTES:
        raise KernelError(
            f"{path}: expected at most {MAX_WEIGHTS:,} weights, got a file of more than "
            f"{MOST_BYTES:,} bytes: split the bank"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if (mimetypes.guess_type(path)[0] or "").startswith("image/"):
            raise KernelError(
                f"{path}: expected a kernel file, got a picture: write image:{path} to look "
                "for it as a patch"
            ) from None
        raise KernelError(
            f"{path}: expected UTF-8 text, got another encoding at byte {error.start}: "
            "save the file as UTF-8"
        ) from None


class Archive(Record):
    """A file of several arrays, and those that may be kernels.

    Attributes
    ----------
    path : str
        The file.
    tensors : tuple of Tensor
        In the file's order.
    """

    path: str
    tensors: tuple[Tensor, ...]


def archive_at(text: str) -> Archive | None:
    """Return what a file of several arrays holds; None where the text means no such file.

    Raises
    ------
    KernelError
        If the file cannot be read.
    """
    path = Path(text)
    form = format_of(path)
    if TENSOR in text or not isinstance(form, ArrayFormat) or form.tensors is None:
        return None
    try:
        with path.open("rb"):
            return Archive(text, tuple(form.tensors(path)))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    except KernelError as error:
        raise KernelError(f"{path}: {error}") from None

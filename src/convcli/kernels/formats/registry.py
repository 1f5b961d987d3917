"""The registry of formats: one line each."""

from pathlib import Path

from convcli.errors import KernelError
from convcli.kernels.formats.arrays import NPY, NPZ
from convcli.kernels.formats.base import Format, TextFormat
from convcli.kernels.formats.ffmpeg import FFMPEG
from convcli.kernels.formats.imagemagick import IMAGEMAGICK
from convcli.kernels.formats.json_text import JSON
from convcli.kernels.formats.safetensors import SAFETENSORS
from convcli.kernels.formats.source import NUMPY, TORCH
from convcli.kernels.formats.svg import SVG
from convcli.kernels.formats.vips import VIPS
from convcli.kernels.kernel import Kernel

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

"""ImageMagick's kernel string: ``3x3:-1,0,1 -2,0,2 -1,0,1``.

Its `-morphology Correlate` slides the kernel as written; `-morphology Convolve` and
`-convolve` flip it (ImageMagick Examples, "Convolution of Images"). ``nan`` and ``-``
are pixels that do not count: weight 0. ``+X+Y`` names the weight over the pixel.
"""

import re

from convcli.kernels.formats.base import (
    TextFormat,
    centred,
    fail,
    grid_of,
    lines,
    number,
    single,
    split_numbers,
)
from convcli.kernels.kernel import Kernel

_STRING = re.compile(
    r"\s*(?P<w>\d{1,5})(?:x(?P<h>\d{1,5}))?(?:\+(?P<x>\d{1,5})\+(?P<y>\d{1,5}))?"
    r"\s*(?P<flags>[@<>%^!]*)\s*:(?P<body>.*)",
    re.DOTALL,
)


def _write(kernel: Kernel) -> str:
    weights, _ = single(kernel, "imagemagick", bias=False)
    rows, columns = kernel.size
    return f"{columns}x{rows}:{' '.join(lines(weights, ','))}\n"


def _parse(text: str) -> Kernel:
    found = _STRING.fullmatch(text)
    if found is None:
        fail("", f"expected a kernel string, got {text.strip()[:40]!r}", "write 3x3:0,1,0 …")
    if found["flags"]:
        fault = f"the flags {found['flags']!r} make further kernels"
        fail("kernel string", fault, "drop them, and turn it with @45 or scale it here")
    columns = int(found["w"])
    rows = int(found["h"] or columns)
    if ":" in found["body"]:
        fail("kernel string", "expected one kernel, got several", "give one at a time")
    grid = grid_of([_weight(word) for word in split_numbers(found["body"])], rows, columns)
    row, column = int(found["y"] or (rows - 1) // 2), int(found["x"] or (columns - 1) // 2)
    if row >= rows or column >= columns:
        fail("kernel string", f"the origin +{column}+{row} lies outside", "mend it")
    return Kernel(centred(grid, row, column))


def _weight(word: str) -> float:
    return 0.0 if word.lower() in ("nan", "-") else number(word, "weights")


IMAGEMAGICK = TextFormat(
    "imagemagick",
    'ImageMagick: convert in.png -morphology Correlate "3x3:…" out.png',
    (".kernel",),
    lambda text: _STRING.fullmatch(text) is not None,
    _parse,
    _write,
)

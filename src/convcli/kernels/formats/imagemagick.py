"""ImageMagick's kernel string: ``3x3:-1,0,1 -2,0,2 -1,0,1``.

Its `-morphology Correlate` slides the kernel as written; `-morphology Convolve` and
`-convolve` flip it (ImageMagick Examples, "Convolution of Images"). ``nan`` and ``-`` mean
that a pixel is ignored: weight 0. ``+X+Y`` is the place of the weight over the pixel.
"""

import re

from convcli.kernels.formats import base
from convcli.kernels.kernel import Kernel

_STRING = re.compile(
    r"\s*(?P<w>\d{1,5})(?:x(?P<h>\d{1,5}))?(?:\+(?P<x>\d{1,5})\+(?P<y>\d{1,5}))?"
    r"\s*(?P<flags>[@<>%^!]*)\s*:(?P<body>.*)",
    re.DOTALL,
)


def _write(kernel: Kernel) -> str:
    base.single_bias(kernel, "imagemagick", has_bias=False)
    rows, columns = kernel.size
    return f"{columns}x{rows}:{' '.join(base.lines(kernel.weights, ','))}\n"


def _parse(text: str) -> Kernel:
    match = _STRING.fullmatch(text)
    if match is None:
        fault = f"expected a kernel string, got {text.strip()[:40]!r}"
        base.fail("", fault, "write 3x3:0,1,0 …")
    if match["flags"]:
        fault = f"the flags {match['flags']!r} make further kernels"
        base.fail("kernel string", fault, "drop them, and turn it with @45 or scale it here")
    columns = int(match["w"])
    rows = int(match["h"] or columns)
    if ":" in match["body"]:
        base.fail("kernel string", "expected one kernel, got several", "give one at a time")
    values = [_weight(word) for word in base.split_numbers(match["body"])]
    grid = base.grid_of(values, rows, columns)
    row, column = int(match["y"] or (rows - 1) // 2), int(match["x"] or (columns - 1) // 2)
    if row >= rows or column >= columns:
        base.fail("kernel string", f"the origin +{column}+{row} lies outside", "mend it")
    return Kernel(base.centred(grid, row, column))


def _weight(word: str) -> float:
    return 0.0 if word.lower() in ("nan", "-") else base.number(word, "weights")


IMAGEMAGICK = base.TextFormat(
    "imagemagick",
    'ImageMagick: convert in.png -morphology Correlate "3x3:…" out.png',
    (".kernel",),
    lambda text: _STRING.fullmatch(text) is not None,
    _parse,
    _write,
)

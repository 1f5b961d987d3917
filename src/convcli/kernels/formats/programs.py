"""Kernels as text for other programs: libvips, ImageMagick, ffmpeg, SVG, tables."""

import re
import xml.etree.ElementTree as ET

import numpy as np

from convcli.errors import KernelError, fail
from convcli.kernels.formats import base
from convcli.kernels.kernel import Kernel, Weights
from convcli.text import split_numbers, words_of_rows

# ------------------------------------------------------------------ libvips

# Its text matrix is ``width height scale offset``, then the rows. `vips conv` correlates,
# divides by the scale and adds the offset (libvips reference, "Convolution" and
# "vips_matrixload"). Of the two middle weights of an even size, the later lies over the pixel:
# even sizes are written with a further row or column of zeros.


def _write_vips(kernel: Kernel) -> str:
    bias = base.single_bias(kernel, "vips")
    numbers, divisor = base.over_divisor(kernel)
    grid = base.odd_sized(numbers)
    rows, columns = grid.shape
    head = f"{columns} {rows} {base.plain(divisor)} {base.plain(bias)}"
    return "\n".join([head, *base.lines(grid)]) + "\n"


def _parse_vips(text: str) -> Kernel:
    head, _, body = text.strip().partition("\n")
    numbers = base.numbers(head, "line 1")
    if len(numbers) not in (2, 4):
        fault = f"expected 2 or 4 numbers, got {len(numbers)}"
        fail("line 1", fault, "write width, height, scale and offset")
    columns, rows, scale, offset = (*numbers, 1.0, 0.0)[:4]
    if scale == 0:
        fail("line 1", "expected a scale other than 0, got 0", "use the sum, or 1")
    if not (columns.is_integer() and rows.is_integer() and min(columns, rows) > 0):
        fail("line 1", f"expected whole sizes above 0, got {head.strip()!r}", "mend them")
    values = base.numbers(body, "weights")
    grid = base.grid_of(values, int(rows), int(columns)) / scale
    return Kernel(base.centred(grid, int(rows) // 2, int(columns) // 2), offset or None)


# ------------------------------------------------------------------ ImageMagick

# Its kernel string is ``3x3:-1,0,1 -2,0,2 -1,0,1``. `-morphology Correlate` slides it as it is
# written, `-morphology Convolve` and `-convolve` flip it (ImageMagick Examples, "Convolution of
# Images"). ``nan`` and ``-`` mean that a pixel is ignored: weight 0. ``+X+Y`` is the place of
# the weight over the pixel.

_STRING = re.compile(
    r"\s*(?P<w>\d{1,5})(?:x(?P<h>\d{1,5}))?(?:\+(?P<x>\d{1,5})\+(?P<y>\d{1,5}))?"
    r"\s*+(?P<flags>[@<>%^!]*+)\s*+:(?P<body>.*)",
    re.DOTALL,
)


def _write_imagemagick(kernel: Kernel) -> str:
    base.single_bias(kernel, "imagemagick", has_bias=False)
    rows, columns = kernel.size
    return f"{columns}x{rows}:{' '.join(base.lines(kernel.weights, ','))}\n"


def _parse_imagemagick(text: str) -> Kernel:
    match = _STRING.fullmatch(text)
    if match is None:
        fault = f"expected a kernel string, got {text.strip()[:40]!r}"
        fail("", fault, "write 3x3:0,1,0 …")
    if match["flags"]:
        fault = f"the flags {match['flags']!r} make further kernels"
        fail("kernel string", fault, "drop them, and turn it with @45 or scale it here")
    columns = int(match["w"])
    rows = int(match["h"] or columns)
    if ":" in match["body"]:
        fail("kernel string", "expected one kernel, got several", "give one at a time")
    values = [
        0.0 if word.lower() in ("nan", "-") else base.number(word, "weights")
        for word in split_numbers(match["body"])
    ]
    grid = base.grid_of(values, rows, columns)
    row, column = int(match["y"] or (rows - 1) // 2), int(match["x"] or (columns - 1) // 2)
    if row >= rows or column >= columns:
        fail("kernel string", f"the origin +{column}+{row} lies outside", "mend it")
    return Kernel(base.centred(grid, row, column))


# ------------------------------------------------------------------ ffmpeg

# Its filter `convolution`, whose coefficients are whole numbers, slides the matrix as written,
# multiplies by ``rdiv`` and adds ``bias`` (FFmpeg Filters Documentation, "convolution"). It
# takes squares of 3, 5 or 7, or one row or column of up to 49. Version 5.1 divides by the sum
# of the matrix, whatever ``rdiv`` says (measured): do not use it where the sum is not 0 or 1.

_SQUARES = (3, 5, 7)
_LONGEST = 49
_FFMPEG = re.compile(r"\s*(convolution\s*=|0m\s*=)")


def _write_ffmpeg(kernel: Kernel) -> str:
    bias = base.single_bias(kernel, "ffmpeg")
    if kernel.integer_form is None:
        fault = "ffmpeg takes whole numbers over one divisor, this kernel has no such form"
        fail(kernel.name, fault, "round it, or use binomial for a blur")
    if bias < 0:
        fail(kernel.name, f"ffmpeg takes no bias below 0, got {bias:g}", "drop the bias")
    numbers, divisor = base.over_divisor(kernel)
    grid, mode = _fitted(numbers, kernel.name)
    matrix = " ".join(base.plain(value) for value in grid.ravel())
    rdiv = f"1/{base.plain(divisor)}" if divisor != 1 else "1"
    settings = [f"m='{matrix}'", f"rdiv={rdiv}"]
    settings += [f"bias={base.plain(bias)}"] if bias else []
    settings += [f"mode={mode}"] if mode != "square" else []
    parts = [f"{plane}{setting}" for setting in settings for plane in "012"]
    return f"convolution={':'.join(parts)}\n"


def _fitted(grid: Weights, name: str) -> tuple[Weights, str]:
    """Pad with zeros to a size that ffmpeg takes; return the mode too."""
    grid = base.odd_sized(grid)
    rows, columns = grid.shape
    if 1 in grid.shape and _SQUARES[-1] < max(rows, columns) <= _LONGEST:
        return grid, "row" if rows == 1 else "column"
    side = next((side for side in _SQUARES if side >= max(rows, columns)), 0)
    if not side:
        fault = (
            f"ffmpeg takes up to 7×7, or one row or column of up to 49; got {rows}×{columns}"
        )
        fail(name, fault, "use a smaller kernel, or its separable factors")
    above, left = (side - rows) // 2, (side - columns) // 2
    return np.pad(grid, [(above, above), (left, left)]), "square"


def _parse_ffmpeg(text: str) -> Kernel:
    body = text.strip().partition("convolution=")[2] or text.strip()
    options: dict[str, str] = {}
    for index, part in enumerate(body.replace("'", "").replace('"', "").split(":")):
        name, equals, value = part.partition("=")
        options[name.strip() if equals else f"{index}m"] = (value if equals else name).strip()
    values = base.numbers(options.get("0m", ""), "0m")
    grid = _divided(_shaped(values, options), options.get("0rdiv", "0"))
    bias = base.number(options.get("0bias", "0"), "0bias")
    for plane in "12":
        if options.get(f"{plane}m", options.get("0m")) != options.get("0m"):
            fail(f"{plane}m", "expected the same matrix as 0m, got another", "give one")
    return Kernel(grid, bias or None)


def _shaped(values: list[float], options: dict[str, str]) -> Weights:
    mode = options.get("0mode", "square")
    if mode in ("row", "1"):
        return base.grid_of(values, 1, len(values))
    if mode in ("column", "2"):
        return base.grid_of(values, len(values), 1)
    side = next((side for side in _SQUARES if side**2 == len(values)), 0)
    if not side:
        fail("0m", f"expected 9, 25 or 49 numbers, got {len(values)}", "mend the matrix")
    return base.grid_of(values, side, side)


def _divided(grid: Weights, rdiv: str) -> Weights:
    above, slash, below = rdiv.partition("/")
    factor, divisor = base.number(above, "0rdiv"), base.number(below, "0rdiv") if slash else 1.0
    if divisor == 0:
        fail("0rdiv", "expected a divisor other than 0, got 0", "mend it")
    if factor == 0:
        # The default of ffmpeg: divide by the sum, unless it is 0.
        factor, divisor = 1.0, float(grid.sum()) or 1.0
    return grid * factor / divisor


# ------------------------------------------------------------------ SVG

# Its element `feConvolveMatrix` convolves: the matrix is the kernel, turned by 180°. Each
# result is Σ source(x - targetX + j, y - targetY + i) · matrix(order - 1 - j, …) over the
# divisor, plus bias × white (Filter Effects Module Level 1, "feConvolveMatrix").

_WHITE = 255
_TAG = "feConvolveMatrix"


def _write_svg(kernel: Kernel) -> str:
    bias = base.single_bias(kernel, "svg")
    grid, divisor = base.over_divisor(kernel)
    rows, columns = kernel.size
    attributes = {
        # By default SVG filters in linear light, and other programs do not.
        "color-interpolation-filters": "sRGB",
        "order": f"{columns} {rows}",
        "kernelMatrix": "  ".join(base.lines(grid[::-1, ::-1])),
        "divisor": base.plain(divisor),
        "bias": base.plain(bias / _WHITE),
        "targetX": str((columns - 1) // 2),
        "targetY": str((rows - 1) // 2),
        "edgeMode": "none",
        "preserveAlpha": "true",
    }
    return ET.tostring(ET.Element(_TAG, attributes), encoding="unicode") + "\n"


def _parse_svg(text: str) -> Kernel:
    element = _element(text)
    order = [_whole(word, "order") for word in split_numbers(element.get("order", "3"))]
    if len(order) not in (1, 2):
        fail("order", f"expected 1 or 2 numbers, got {len(order)}", "write the size, as 3")
    columns, rows = order[0], order[-1]
    values = base.numbers(element.get("kernelMatrix", ""), "kernelMatrix")
    matrix = base.grid_of(values, rows, columns)
    divisor = base.number(element.get("divisor", "0"), "divisor") or float(matrix.sum()) or 1.0
    target = _target(element, "targetY", rows), _target(element, "targetX", columns)
    grid = base.centred(matrix[::-1, ::-1] / divisor, *target)
    bias = base.number(element.get("bias", "0"), "bias") * _WHITE
    return Kernel(grid, bias or None)


def _element(text: str) -> ET.Element:
    if "<!" in text.replace("<!--", ""):
        # A document type may define entities whose text grows without limit.
        fail("", "expected SVG without a document type, got one", "remove the <!…> lines")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without a document type nothing grows
    except ET.ParseError as error:
        line, column = error.position
        fail(f"line {line}, column {column + 1}", "not well-formed XML", "mend it there")
    except (ValueError, LookupError) as error:
        fault = f"not well-formed XML: {' '.join(str(error).split())[:80]}"
        fail("", fault, "save it as UTF-8, and mend it")
    elements = [e for e in root.iter() if e.tag.rpartition("}")[2] == _TAG]
    if len(elements) != 1:
        fail("", f"expected one {_TAG}, got {len(elements)}", "keep one of them")
    return elements[0]


def _target(element: ET.Element, name: str, size: int) -> int:
    at = _whole(element.get(name, str(size // 2)), name)
    if at >= size:
        fail(name, f"expected at most {size - 1}, got {at}", "mend it")
    return at


def _whole(text: str, place: str) -> int:
    if not (text.isascii() and text.isdigit()):
        fail(place, f"expected a whole number, got {text[:40]!r}", "mend it")
    return int(text[:9])


# ------------------------------------------------------------------ rows of numbers

# CSV, what `numpy.savetxt` writes, a block copied from a table.

# Nothing is tried twice: that would take a minute for 20,000 digits before a letter.
_NUMBER = r"[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?"
_PART = rf"{_NUMBER}(?:/{_NUMBER})?"
_GAP = r"(?:[\s,;]|#.*+)++"  # with comments, which reach up to the end of their line
_ROWS = re.compile(rf"(?:\s|#.*+)*+{_PART}(?:{_GAP}{_PART})++(?:{_GAP})?\Z")


def _write_csv(kernel: Kernel) -> str:
    base.single_bias(kernel, "csv", has_bias=False)
    return "\n".join(base.lines(kernel.weights, ",")) + "\n"


def _value(word: str, place: str) -> float:
    """Return a number or a fraction, as 1/9."""
    above, slash, below = word.partition("/")
    divisor = base.number(below, place) if slash else 1.0
    if divisor == 0:
        fail(place, f"expected a fraction, got {word}", "divide by another number")
    return base.number(above, place) / divisor


def _parse_csv(text: str) -> Kernel:
    rows = [
        [_value(word, f"line {count}") for word in words]
        for count, words in words_of_rows(text, "", KernelError).items()
    ]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1:
        shown = ", ".join(map(str, lengths)) or "none"
        fault = f"expected rows of as many numbers each, got {shown}"
        fail("rows", fault, "mend the rows")
    values = [value for row in rows for value in row]
    return Kernel(base.grid_of(values, len(rows), lengths[0]))


PROGRAMS = (
    # A matrix of libvips is numbers alone, which may be anything: only the suffix tells.
    base.TextFormat("vips", (".mat",), None, _parse_vips, _write_vips),
    base.TextFormat(
        "imagemagick", (".kernel",), _STRING, _parse_imagemagick, _write_imagemagick
    ),
    base.TextFormat("ffmpeg", (".ffmpeg",), _FFMPEG, _parse_ffmpeg, _write_ffmpeg),
    base.TextFormat("svg", (".svg", ".xml"), re.compile(r"\s*<"), _parse_svg, _write_svg),
    base.TextFormat("csv", (".csv",), _ROWS, _parse_csv, _write_csv),
)

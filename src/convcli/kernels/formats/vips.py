"""The text matrix of libvips: ``width height scale offset``, then the rows.

`vips conv` correlates, divides by the scale and adds the offset (libvips reference,
"Convolution" and "vips_matrixload"). Of an even size it has the later of the two middle
weights over the pixel, so that even sizes are written with a row or column of zeros more.
"""

from convcli.kernels.formats.base import (
    TextFormat,
    centred,
    fail,
    grid_of,
    lines,
    number,
    odd_sized,
    over_divisor,
    plain,
    single,
    split_numbers,
)
from convcli.kernels.kernel import Kernel


def _write(kernel: Kernel) -> str:
    weights, bias = single(kernel, "vips", bias=True)
    numbers, divisor = over_divisor(weights, kernel)
    grid = odd_sized(numbers)
    rows, columns = grid.shape
    head = f"{columns} {rows} {plain(divisor)} {plain(bias)}"
    return "\n".join([head, *lines(grid)]) + "\n"


def _parse(text: str) -> Kernel:
    head, _, body = text.strip().partition("\n")
    numbers = [number(word, "line 1") for word in split_numbers(head)]
    if len(numbers) not in (2, 4):
        fault = f"expected 2 or 4 numbers, got {len(numbers)}"
        fail("line 1", fault, "write width, height, scale and offset")
    columns, rows, scale, offset = (*numbers, 1.0, 0.0)[:4]
    if scale == 0:
        fail("line 1", "expected a scale other than 0, got 0", "use the sum, or 1")
    if not (columns.is_integer() and rows.is_integer() and min(columns, rows) > 0):
        fail("line 1", f"expected whole sizes above 0, got {head.strip()!r}", "mend them")
    values = [number(word, "weights") for word in split_numbers(body)]
    grid = grid_of(values, int(rows), int(columns)) / scale
    return Kernel(centred(grid, int(rows) // 2, int(columns) // 2), offset or None)


VIPS = TextFormat(
    "vips",
    "libvips matrix: vips conv in.png out.png kernel.mat",
    (".mat",),
    # Bare numbers may be anything: only the suffix tells.
    lambda _: False,
    _parse,
    _write,
)

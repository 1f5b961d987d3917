"""The text matrix of libvips: ``width height scale offset``, then the rows.

`vips conv` correlates, divides by the scale and adds the offset (libvips reference,
"Convolution" and "vips_matrixload"). Of the two middle weights of an even size, the later
lies over the pixel: even sizes are written with a further row or column of zeros.
"""

from convcli.kernels.formats import base
from convcli.kernels.kernel import Kernel


def _write(kernel: Kernel) -> str:
    bias = base.single_bias(kernel, "vips")
    numbers, divisor = base.over_divisor(kernel)
    grid = base.odd_sized(numbers)
    rows, columns = grid.shape
    head = f"{columns} {rows} {base.plain(divisor)} {base.plain(bias)}"
    return "\n".join([head, *base.lines(grid)]) + "\n"


def _parse(text: str) -> Kernel:
    head, _, body = text.strip().partition("\n")
    numbers = base.numbers(head, "line 1")
    if len(numbers) not in (2, 4):
        fault = f"expected 2 or 4 numbers, got {len(numbers)}"
        base.fail("line 1", fault, "write width, height, scale and offset")
    columns, rows, scale, offset = (*numbers, 1.0, 0.0)[:4]
    if scale == 0:
        base.fail("line 1", "expected a scale other than 0, got 0", "use the sum, or 1")
    if not (columns.is_integer() and rows.is_integer() and min(columns, rows) > 0):
        base.fail("line 1", f"expected whole sizes above 0, got {head.strip()!r}", "mend them")
    values = base.numbers(body, "weights")
    grid = base.grid_of(values, int(rows), int(columns)) / scale
    return Kernel(base.centred(grid, int(rows) // 2, int(columns) // 2), offset or None)


VIPS = base.TextFormat(
    "vips",
    "libvips matrix: vips conv in.png out.png kernel.mat",
    (".mat",),
    # Numbers alone may be anything: only the suffix tells.
    lambda _: False,
    _parse,
    _write,
)

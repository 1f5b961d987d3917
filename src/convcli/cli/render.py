"""All of rich: the tables and grids that people read.

A terminal gets colour and its own width. A pipe gets plain text that is never cut.
"""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from convcli.kernels import CATALOGUE, Entry, Kernel

if TYPE_CHECKING:
    from convcli.filtering import Report, Step

_ENDLESS = 10_000
"""Columns of a pipe: wide enough that no table is ever cut."""

_MILLION = 1e6

_NARROWEST = 16
"""Columns of a terminal that a table's last column needs at the least."""

_PLAIN = ("", "L", "LA", "RGB", "RGBA")
"""Modes that are filtered as they are, with 8 bits or 16."""

_SHOWN = 9
"""The most rows and columns of a kernel that are shown as a grid."""

_SHADES = ("#2166ac", "#4393c3", "#92c5de", "#f7f7f7", "#f4a582", "#d6604d", "#b2182b")
"""Blue below 0, red above: ColorBrewer's RdBu, readable to the colour-blind."""


def show(*parts: RenderableType, to_stderr: bool = False) -> None:
    """Print to standard output, or to standard error."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream.isatty():
        Console(file=stream, highlight=False).print(*parts, sep="\n")
        return
    plain = Console(file=io.StringIO(), width=_ENDLESS, highlight=False, force_terminal=False)
    with plain.capture() as captured:
        plain.print(*parts, sep="\n")
    lines = captured.get().splitlines()
    stream.write("".join(f"{line.rstrip()}\n" for line in lines))
    stream.flush()


def show_table(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
) -> None:
    """Print a table; columns named in `numbers` stand to the right.

    On a terminal the last column is wrapped where it has to be; a terminal that is too
    narrow even for that gets each row as a block of lines.
    """
    body = [tuple(row) for row in rows]
    if not _has_room(headings, body):
        show(Text(title, style="bold"), *_blocks(headings, body))
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for index, heading in enumerate(headings):
        right = index in numbers
        last = index == len(headings) - 1
        side: JustifyMethod = "right" if right else "left"
        table.add_column(heading, justify=side, no_wrap=not last, overflow="fold")
    for row in body:
        table.add_row(*(Text(cell) for cell in row))
    show(table)


def _has_room(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    if not sys.stdout.isatty():
        return True
    widths = [max(map(cell_len, column)) for column in zip(headings, *rows, strict=True)]
    gaps = 3 * len(widths) + 1
    return sum(widths[:-1]) + min(widths[-1], _NARROWEST) + gaps <= Console().width


def _blocks(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Text | Table]:
    for row in rows:
        facts = Table.grid(padding=(0, 2))
        facts.add_column(no_wrap=True)
        facts.add_column(overflow="fold")
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            facts.add_row(f"  {heading}", Text(cell))
        yield Text(row[0], style="bold")
        yield facts


def show_facts(
    title: str, facts: Iterable[tuple[str, str]], *, to_stderr: bool = False
) -> None:
    """Print what is known of one thing, a line each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(value))
    show(Text(title, style="bold cyan"), table, to_stderr=to_stderr)


def show_report(report: "Report", source: str, target: str, *, to_stderr: bool) -> None:
    """Print what filtering did."""
    facts = [
        ("input", _size(report.input_shape) + _origin(report)),
        ("output", _size(report.output_shape) + _kept(report)),
        *(fact for step in report.steps for fact in _step(step, report)),
        ("raw values", f"{_short(report.low)} to {_short(report.high)}"),
        ("pixels", _pixels(report)),
        ("time", f"{1000 * report.seconds:.1f} ms"),
    ]
    show_facts(f"{source} → {target}", facts, to_stderr=to_stderr)


def _size(shape: tuple[int, int, int]) -> str:
    rows, columns, channels = shape
    return f"{columns} × {rows} px, {channels} channel{'s' * (channels > 1)}"


def _origin(report: "Report") -> str:
    """Say what is not plain about the input: more frames, a mode that was converted."""
    frames = f", {report.frames} frames" if report.frames > 1 else ""
    return frames + (f", from {report.mode}" if report.mode not in _PLAIN else "")


def _kept(report: "Report") -> str:
    alpha = f" + alpha ({report.alpha_way})" if report.alpha else ""
    return alpha + {"8": "", "16": ", 16 bits", "float": ", floats"}[report.depth]


def _step(step: "Step", report: "Report") -> list[tuple[str, str]]:
    shape = _times(step.weights)
    return [
        ("kernel", f"{step.kernel} ({shape}), method {step.method} ({step.strategy})"),
        ("window", f"{_window(step)}, border {report.border}"),
    ]


def _window(step: "Step") -> str:
    slide = step.window
    (top, bottom), (left, right) = slide.padding
    sides = {top, bottom, left, right}
    padding = f"{top}" if len(sides) == 1 else f"{top}+{bottom} rows, {left}+{right} columns"
    parts = [f"stride {_pair(slide.stride)}", f"padding {padding}"]
    if slide.dilation != (1, 1):
        parts.append(f"dilation {_pair(slide.dilation)}")
    return ", ".join(parts)


def _pair(value: tuple[int, int]) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]}×{value[1]}"


def _pixels(report: "Report") -> str:
    if report.range is None:
        return "none: raw floats"
    return f"range {report.range}, {100 * report.clipped:.2f} % clipped"


def show_catalogue() -> None:
    """Print all named kernels."""
    rows = [_row(entry) for entry in CATALOGUE.values()]
    show_table(
        "Kernels", ("name", "size", "sum", "what the sum says", "use"), rows, numbers=(2,)
    )


def _row(entry: Entry) -> tuple[str, ...]:
    kernel = entry.kernel()
    parameters = ",".join(parameter.name for parameter in entry.parameters)
    name = f"{entry.name}[:{parameters}]" if parameters else entry.name
    size = _times(kernel.size)
    return (name, size, _short(kernel.sum), kernel.effect.value, entry.description)


def show_kernel(kernel: Kernel) -> None:
    """Print one kernel: its grid in colour, and what can be read from it."""
    grid = kernel.weights.reshape(-1, *kernel.size)[0]
    rows, columns = (_middle(length) for length in kernel.size)
    scale = float(abs(grid).max()) or 1.0
    cells = [[_tidy(value) for value in line] for line in grid[rows, columns].tolist()]
    width = max(len(cell) for line in cells for cell in line) + 2
    table = Table.grid(padding=0)
    for values, line in zip(grid[rows, columns] / scale, cells, strict=True):
        table.add_row(*(_cell(v, cell, width) for v, cell in zip(values, line, strict=True)))
    show_facts(kernel.name, _read(kernel))
    show(Text(), table, *_what_is_shown(kernel, rows, columns))


def _what_is_shown(kernel: Kernel, rows: slice, columns: slice) -> list[Text]:
    notes: list[Text] = []
    if kernel.is_bank:
        notes.append(Text(f"The first of {kernel.filters * kernel.channels} slices."))
    shown = (rows.stop - rows.start, columns.stop - columns.start)
    if shown != kernel.size:
        notes.append(Text(f"The middle {_times(shown)} of {_times(kernel.size)}."))
    return notes


def _read(kernel: Kernel) -> list[tuple[str, str]]:
    facts = [("what", kernel.description)] if kernel.description else []
    entry = CATALOGUE.get(kernel.name.partition(":")[0])
    if entry is not None:
        facts += [(p.name, f"{p.about} ({p.unit}; {p.range})") for p in entry.parameters]
        facts.append(("source", entry.source))
    facts.append(("size", _times(kernel.weights.shape)))
    facts.append(("sum", f"{_short(kernel.sum)}: {kernel.effect.value}"))
    if kernel.bias:
        facts.append(("bias", ", ".join(_short(value) for value in kernel.bias)))
    if not kernel.is_bank:
        separable = " (separable: a column times a row)" if kernel.rank == 1 else ""
        facts.append(("rank", f"{kernel.rank}{separable}"))
        facts.append(("symmetry", ", ".join(kernel.symmetries) or "none"))
    matters = "changes the result" if kernel.flip_matters else "changes nothing"
    facts.append(("--flip", matters))
    return facts


def _middle(length: int) -> slice:
    start = max(length - _SHOWN, 0) // 2
    return slice(start, min(start + _SHOWN, length))


def _cell(value: float, text: str, width: int) -> Text:
    """Return a coloured cell; `value` is between -1 and 1."""
    shade = _SHADES[round((value + 1) / 2 * (len(_SHADES) - 1))]
    ink = "black" if shade in _SHADES[2:5] else "white"
    return Text(f"{text:>{width - 1}} ", style=f"{ink} on {shade}")


def _tidy(value: float) -> str:
    """Return a weight with 3 digits that matter and no leading zero."""
    return f"{value:.3g}".replace("0.", ".", 1) if 0 < abs(value) < 1 else _short(value)


def _short(value: float) -> str:
    """Return a number with at most 4 digits that matter, whole numbers whole."""
    return f"{value:.0f}" if abs(value) < _MILLION and value == round(value) else f"{value:.4g}"


def _times(lengths: Sequence[int]) -> str:
    return "×".join(str(length) for length in lengths)

"""An explanation as words and as a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Combine
from convcli.images.drawing import QUIET, Canvas, Cell, diverging, grey
from convcli.lessons.explain.explanation import Explanation, KernelAnswer, Plane, meaning_of
from convcli.lessons.pictures import finite, middle
from convcli.text import short, tight

Facts = list[tuple[str, str]]


def title_of(one: Explanation) -> str:
    """Return which output value this is."""
    name = f", {one.name}" if one.name else ""
    return f"output x = {one.at[1]}, y = {one.at[0]}{name}"


def grid_title(one: Explanation, plane: Plane) -> str:
    """Return what the first grid of a plane holds."""
    if plane.channel is None:
        return "opacity"
    return "patch × opacity" if one.is_weighted else "patch"


def facts_of(one: Explanation) -> list[tuple[str, Facts]]:
    """Return the facts of each kernel and those of the value, each under its title."""
    last = [*_value(one), *_padding(one)]
    if one.combine is None:
        (part,) = one.parts
        before, after = arithmetic(part), _similarity(part)
        return [
            ("", [("looks at", _looks_at(one)), *before, *_value(one), *after, *_padding(one)])
        ]
    answers = [(part.kernel, [*arithmetic(part), *_similarity(part)]) for part in one.parts]
    combined = (one.combine.value, combination(one))
    return [*answers, ("together", [("looks at", _looks_at(one)), combined, *last])]


def arithmetic(part: KernelAnswer) -> Facts:
    """Return how a kernel's answer comes about."""
    facts = [("sum", short(part.total))]
    answer = part.total
    if part.opacity is not None and part.seen is not None:
        seen = f"{short(part.opacity.products.sum())} / {short(part.weights_sum)}"
        facts.append(("opacity", f"{seen} = {short(part.seen)}: its sum over the kernel's sum"))
        facts.append(("colour", _colour(part)))
        answer = part.colour
    if part.bias:
        facts.append(("bias", f"{short(answer)} + {short(part.bias)} = {short(part.raw)}"))
    return facts


def _colour(part: KernelAnswer) -> str:
    if part.is_unseen:
        return "0: there is nothing to see here"
    return f"{short(part.total)} / {short(part.seen or 1)} = {short(part.colour)}"


def combination(one: Explanation) -> str:
    """Return how the answers of several kernels become one, with the numbers filled in."""
    answers = [short(part.raw) for part in one.parts]
    if one.combine is Combine.MAGNITUDE:
        squares = " + ".join(f"({a})²" if a.startswith("-") else f"{a}²" for a in answers)
        return f"√({squares}) = {short(one.raw)}"
    if one.combine in (Combine.MAX, Combine.MIN):
        which = "largest" if one.combine is Combine.MAX else "smallest"
        return f"the {which} of {', '.join(answers)} = {short(one.raw)}"
    added = " + ".join(f"({a})" if a.startswith("-") else a for a in answers)
    if one.combine is Combine.MEAN:
        return f"({added}) / {len(answers)} = {short(one.raw)}"
    return f"{added} = {short(one.raw)}"


def _value(one: Explanation) -> Facts:
    facts = [(f"range {one.range}", f"{name} → {short(value)}") for name, value in one.steps]
    facts.append(("value", f"{short(one.value)}, as apply writes it"))
    if one.alpha is not None and one.opacity is not None:
        facts.append(("alpha", f"{one.alpha}: the opacity becomes {short(one.opacity)}"))
    return facts


def _similarity(part: KernelAnswer) -> Facts:
    cosine = "" if part.cosine is None else f"cosine {two_places(part.cosine)}, "
    facts = [("means", f"{cosine}{part.meaning}")]
    centred = part.centred_cosine
    if part.weights_sum == 0 and centred is not None:
        text = meaning_of(centred).partition(":")[0]
        facts.append(
            ("pattern", f"cosine {two_places(centred)} without the mean brightness: {text}")
        )
    return facts


def two_places(value: float) -> str:
    """Return a number with 2 decimals; -0.00 is 0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def _padding(one: Explanation) -> Facts:
    if not one.padded.any():
        return []
    count = int(one.padded.sum())
    seen = f"{count} of {one.padded.size} taps see it, in brackets (border {one.border})"
    return [("padding", seen)]


def _looks_at(one: Explanation) -> str:
    return f"{_span('column', one.columns)}, {_span('row', one.rows)} of the picture"


def _span(name: str, positions: tuple[int, ...]) -> str:
    if len(positions) == 1:
        return f"{name} {positions[0]}"
    step = positions[1] - positions[0]
    every = f" (every {step} px)" if step > 1 else ""
    return f"{name}s {positions[0]} to {positions[-1]}{every}"


_SIDE = 52
_GAP, _MARGIN, _HEAD, _LINE = 56, 24, 26, 28
_MOST = 12
"""Channels that are drawn, each on a row: a drawing of 200 is 40,000 pixels tall."""

_NARROWEST = 720


def draw(explanations: Sequence[Explanation]) -> Canvas:
    """Draw explanations below each other, a row of grids for each channel that takes part.

    Of more than 12 output channels, or input channels, the first 12 are drawn.
    """
    count, explanations = len(explanations), explanations[:_MOST]
    part = explanations[0].padded[_shown(explanations[0])]
    width = 2 * _MARGIN + 3 * part.shape[1] * _SIDE + 3 * _GAP + 2 * _SIDE
    row = _HEAD + part.shape[0] * _SIDE + _MARGIN
    rows = sum(len(_rows(one)) for one in explanations)
    lines = sum(len(_lines(one)) + 1 for one in explanations)
    height = _MARGIN + rows * row + (lines + (count > _MOST)) * _LINE
    canvas = Canvas(max(width, _NARROWEST), height)
    top = _MARGIN
    for one in explanations:
        for number, (name, plane) in enumerate(_rows(one)):
            _draw_plane(canvas, top + _HEAD, one, plane)
            _heads(canvas, top, (name, grid_title(one, plane)), part.shape[1])
            if number == _value_row(one):
                _draw_value(canvas, top + _HEAD, one)
            top += row
        top = _caption(canvas, top, one) + _LINE
    if count > _MOST:
        rest = f"the first {_MOST} of {count} channels; --channel draws any other"
        canvas.text((_MARGIN, top - _LINE // 2), rest, 16, colour=QUIET)
    return canvas


def _shown(one: Explanation) -> tuple[slice, slice]:
    return (middle(one.padded.shape[0]), middle(one.padded.shape[1]))


def _rows(one: Explanation) -> list[tuple[str, Plane]]:
    """Return the planes in the order in which they are drawn, and what each is called."""
    found: list[tuple[str, Plane]] = []
    for part in one.parts:
        prefix = [part.kernel] if one.combine is not None else []
        drawn = part.planes[:_MOST]
        planes = [*drawn, *([part.opacity] if part.opacity else [])]
        found += [(", ".join([*prefix, *([p.name] if p.name else [])]), p) for p in planes]
    return found


def _value_row(one: Explanation) -> int:
    """Return the row that the value stands beside: the last of the colours."""
    return len(_rows(one)) - 1 - (one.parts[-1].opacity is not None)


def _heads(canvas: Canvas, top: int, names: tuple[str, str], columns: int) -> None:
    """Say above the grids what they are; the name of the row comes first."""
    name, patch = names
    first = patch if name in ("", patch) else f"{name}: {patch}"
    wide = columns * _SIDE
    for index, text in enumerate((first, "kernel", "products")):
        x = _MARGIN + index * (wide + _GAP)
        canvas.text((x, top + _HEAD // 2), text, 16, colour=QUIET, width=wide + _GAP - 6)


def _draw_plane(canvas: Canvas, top: int, one: Explanation, plane: Plane) -> None:
    part = _shown(one)
    patch, weights, products = (g[part] for g in (plane.patch, plane.weights, plane.products))
    wide, half = patch.shape[1] * _SIDE, top + patch.shape[0] * _SIDE // 2
    white = 1 if plane.channel is None else one.white
    x = _MARGIN
    canvas.grid((x, top), _grey_cells(patch / white, patch, one.padded[part]), _SIDE)
    x += wide + _GAP
    canvas.times((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _cells(weights), _SIDE)
    x += wide + _GAP
    canvas.equals((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _cells(products), _SIDE)


def _draw_value(canvas: Canvas, top: int, one: Explanation) -> None:
    rows, columns = one.padded[_shown(one)].shape
    x = _MARGIN + 3 * (columns * _SIDE + _GAP)
    half = top + rows * _SIDE // 2
    canvas.arrow((x - _GAP // 2, half), 22)
    cell = Cell(grey(one.value / one.white), short(one.value), framed=True)
    canvas.grid((x, half - _SIDE), [[cell]], 2 * _SIDE)


def _grey_cells(
    levels: NDArray[np.float64], values: NDArray[np.float64], padded: NDArray[np.bool_]
) -> list[list[Cell]]:
    return [
        [
            Cell(grey(levels[y, x]), tight(values[y, x]), padded=bool(padded[y, x]))
            for x in range(values.shape[1])
        ]
        for y in range(values.shape[0])
    ]


def _cells(values: NDArray[np.float64]) -> list[list[Cell]]:
    known = finite(values)
    levels = known / (float(np.abs(known).max()) or 1.0)
    return [
        [Cell(diverging(level), tight(value)) for level, value in zip(*pair, strict=True)]
        for pair in zip(levels.tolist(), values.tolist(), strict=True)
    ]


def _caption(canvas: Canvas, top: int, one: Explanation) -> int:
    """Write what the grids give; return where that ends."""
    width = canvas.image.width - 2 * _MARGIN
    lines = _lines(one)
    for index, line in enumerate(lines):
        last = index == len(lines) - 1
        size, colour = (16, QUIET) if last else (20, (0, 0, 0))
        canvas.text((_MARGIN, top + 8), line, size, colour=colour, width=width)
        top += _LINE
    return top


def _lines(one: Explanation) -> list[str]:
    steps = "".join(f", {name} → {short(value)}" for name, value in one.steps)
    if one.combine is None:
        (part,) = one.parts
        *first, last = _sums(part)
        return [*first, f"{last}{steps}", _meaning(part), _notes(one)]
    answers = [
        f"{part.kernel}: {'; '.join(_sums(part))}; {_meaning(part)}" for part in one.parts
    ]
    return [*answers, f"{one.combine.value} {combination(one)}{steps}", _notes(one)]


def _sums(part: KernelAnswer) -> list[str]:
    """Return the arithmetic on one line, or on two where there is an opacity."""
    words = [f"{name} {text.partition(':')[0]}" for name, text in arithmetic(part)]
    words[0] = words[0].replace("sum", "sum of the products")
    if part.opacity is None:
        return ["; ".join(words)]
    return ["; ".join(words[:2]), "; ".join(words[2:])]


def _meaning(part: KernelAnswer) -> str:
    return (
        f"{'' if part.cosine is None else f'cosine {two_places(part.cosine)}, '}{part.meaning}"
    )


def _notes(one: Explanation) -> str:
    notes = title_of(one)
    if one.padded.any():
        count = int(one.padded.sum())
        notes += f"; {count} of {one.padded.size} taps see padding ({one.border}): green frames"
    planes = len(one.parts[0].planes)
    if planes > _MOST:
        notes += f"; the first {_MOST} of {planes} input channels are drawn"
    if one.is_weighted:
        notes += "; colours count by their opacity"
    return notes

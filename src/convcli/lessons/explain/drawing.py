"""An explanation as words and as a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convcli.choices import Combine
from convcli.images.drawing import QUIET, Canvas, Cell, diverging, grey
from convcli.lessons.explain.explanation import Explanation, KernelAnswer, Plane
from convcli.lessons.pictures import finite, middle
from convcli.text import short, tight

Facts = list[tuple[str, str]]


def title_of(answer: Explanation) -> str:
    """Return the place and the channel of the output value."""
    name = f", {answer.name}" if answer.name else ""
    return f"output x = {answer.at[1]}, y = {answer.at[0]}{name}"


def grid_title(answer: Explanation, plane: Plane) -> str:
    """Return the title of the first grid of a plane."""
    if plane.channel is None:
        return "opacity"
    if answer.spread is not None:
        return "pixels and zeros"
    return "patch × opacity" if answer.is_weighted else "patch"


def facts_about(answer: Explanation) -> list[tuple[str, Facts]]:
    """Return the facts about each kernel and about the value, each list with its title."""
    place, last = ("looks at", _looks_at(answer)), [*_value(answer), *_padding(answer)]
    if answer.combine is None:
        (part,) = answer.parts
        words = _similarity(answer, part)
        return [("", [place, *_arithmetic(part), *_value(answer), *words, *_padding(answer)])]
    kernels = [
        (part.kernel, [*_arithmetic(part), *_similarity(answer, part)]) for part in answer.parts
    ]
    combined = (answer.combine.value, _combination(answer))
    return [*kernels, ("together", [place, combined, *last])]


def _arithmetic(part: KernelAnswer) -> Facts:
    """Return the sum, the division by the opacity and the bias, with their numbers."""
    facts = [("sum", short(part.total))]
    value = part.total
    if part.opacity is not None and part.filtered_opacity is not None:
        quotient = f"{short(part.opacity.products.sum())} / {short(part.weights_sum)}"
        opacity = f"{quotient} = {short(part.filtered_opacity)}"
        facts.append(("opacity", f"{opacity}: its sum over the kernel's sum"))
        facts.append(("colour", _colour(part)))
        value = part.colour
    if part.bias:
        facts.append(("bias", f"{short(value)} + {short(part.bias)} = {short(part.raw)}"))
    return facts


def _colour(part: KernelAnswer) -> str:
    if part.is_invisible:
        return "0: there is nothing to see here"
    return f"{short(part.total)} / {short(part.filtered_opacity or 1)} = {short(part.colour)}"


def _combination(answer: Explanation) -> str:
    """Return the formula that combines the answers of several kernels, with its numbers."""
    answers = [short(part.raw) for part in answer.parts]
    if answer.combine is Combine.MAGNITUDE:
        squares = " + ".join(f"({a})²" if a.startswith("-") else f"{a}²" for a in answers)
        return f"√({squares}) = {short(answer.raw)}"
    if answer.combine in (Combine.MAX, Combine.MIN):
        which = "largest" if answer.combine is Combine.MAX else "smallest"
        return f"the {which} of {', '.join(answers)} = {short(answer.raw)}"
    added = " + ".join(f"({a})" if a.startswith("-") else a for a in answers)
    if answer.combine is Combine.MEAN:
        return f"({added}) / {len(answers)} = {short(answer.raw)}"
    return f"{added} = {short(answer.raw)}"


def _value(answer: Explanation) -> Facts:
    title = f"range {answer.range}"
    facts = [(title, f"{name} → {short(value)}") for name, value in answer.steps]
    facts.append(("value", f"{short(answer.value)}, as apply writes it"))
    if answer.alpha is not None and answer.opacity is not None:
        facts.append(("alpha", f"{answer.alpha}: the opacity becomes {short(answer.opacity)}"))
    return facts


def _similarity(answer: Explanation, part: KernelAnswer) -> Facts:
    if answer.spread is not None:
        return []
    return [("means", words)] if (words := _meaning(part)) else []


def _two_places(value: float) -> str:
    """Return a number with 2 decimals, without the sign of -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def _padding(answer: Explanation) -> Facts:
    if not answer.padded.any():
        return []
    taps = f"{int(answer.padded.sum())} of {answer.padded.size} taps see"
    if answer.spread is None:
        return [("padding", f"{taps} it, in brackets (border {answer.border})")]
    stamp = "each pixel adds the kernel, as it is written, to the output: here it is flipped"
    return [("zeros", f"{taps} them, in brackets: they are no pixels"), ("stamp", stamp)]


def _looks_at(answer: Explanation) -> str:
    place = f"{_span('column', answer.columns)}, {_span('row', answer.rows)} of the picture"
    if answer.spread is None:
        return place
    down, across = answer.spread
    every = f"{down}" if down == across else f"{across} across and {down} down"
    return f"{place} with zeros between its pixels, which are {every} apart"


def _span(name: str, positions: tuple[int, ...]) -> str:
    if len(positions) == 1:
        return f"{name} {positions[0]}"
    step = positions[1] - positions[0]
    every = f" (every {step} px)" if step > 1 else ""
    return f"{name}s {positions[0]} to {positions[-1]}{every}"


_SIDE = 52
"""Pixels of a cell."""

_GAP, _MARGIN, _HEAD, _LINE = 56, 24, 26, 28
_MOST = 12
"""The most channels that are drawn: 200 of them would be 40,000 pixels tall."""

_NARROWEST = 720


def draw_explanations(explanations: Sequence[Explanation]) -> Canvas:
    """Draw explanations below each other, with a row of grids for each input channel.

    Of more than 12 output channels, or input channels, the first 12 are drawn.
    """
    count, explanations = len(explanations), explanations[:_MOST]
    part = explanations[0].padded[_shown(explanations[0])]
    width = 2 * _MARGIN + 3 * part.shape[1] * _SIDE + 3 * _GAP + 2 * _SIDE
    row = _HEAD + part.shape[0] * _SIDE + _MARGIN
    rows = sum(len(_rows(answer)) for answer in explanations)
    lines = sum(len(_lines(answer)) + 1 for answer in explanations)
    height = _MARGIN + rows * row + (lines + (count > _MOST)) * _LINE
    canvas = Canvas(max(width, _NARROWEST), height)
    top = _MARGIN
    for answer in explanations:
        _draw_sum(canvas, top + _HEAD, answer, row)
        for name, plane in _rows(answer):
            _draw_plane(canvas, top + _HEAD, answer, plane)
            _heads(
                canvas, top, (name, grid_title(answer, plane) + _cropped(answer)), part.shape[1]
            )
            top += row
        top = _caption(canvas, top, answer) + _LINE
    if count > _MOST:
        rest = f"the first {_MOST} of {count} channels; --channel draws any other"
        canvas.text((_MARGIN, top - _LINE // 2), rest, 16, colour=QUIET)
    return canvas


def _cropped(answer: Explanation) -> str:
    """Say of a large kernel that only its middle is drawn."""
    whole, part = answer.padded.shape, answer.padded[_shown(answer)].shape
    if whole == part:
        return ""
    return f": the middle {part[0]}×{part[1]} of {whole[0]}×{whole[1]} is drawn"


def _shown(answer: Explanation) -> tuple[slice, slice]:
    return (middle(answer.padded.shape[0]), middle(answer.padded.shape[1]))


def _rows(answer: Explanation) -> list[tuple[str, Plane]]:
    """Return the planes that are drawn, in order, each with its name."""
    rows: list[tuple[str, Plane]] = []
    for part in answer.parts:
        kernel = part.kernel if answer.combine is not None else ""
        planes = [*part.planes[:_MOST], *([part.opacity] if part.opacity else [])]
        rows += [(", ".join(filter(None, (kernel, p.name))), p) for p in planes]
    return rows


def _value_row(answer: Explanation) -> int:
    """Return the row that the value is drawn beside: the last of the colours."""
    return len(_rows(answer)) - 1 - (answer.parts[-1].opacity is not None)


def _heads(canvas: Canvas, top: int, names: tuple[str, str], columns: int) -> None:
    """Write the titles of the grids above them, the first with the name of the row."""
    name, patch = names
    first = patch if name in ("", patch) else f"{name}: {patch}"
    wide = columns * _SIDE
    for index, text in enumerate((first, "kernel", "products")):
        x = _MARGIN + index * (wide + _GAP)
        canvas.text((x, top + _HEAD // 2), text, 16, colour=QUIET, width=wide + _GAP - 6)


def _draw_plane(canvas: Canvas, top: int, answer: Explanation, plane: Plane) -> None:
    part = _shown(answer)
    patch, weights, products = (g[part] for g in (plane.patch, plane.weights, plane.products))
    wide, half = patch.shape[1] * _SIDE, top + patch.shape[0] * _SIDE // 2
    white = 1 if plane.channel is None else answer.white
    x = _MARGIN
    canvas.grid((x, top), _patch_cells(patch, white, answer.padded[part]), _SIDE)
    x += wide + _GAP
    canvas.times((x - _GAP // 2, half), 18)
    canvas.grid((x, top), _signed_cells(weights, _largest(answer, "weights")), _SIDE)
    x += wide + _GAP
    canvas.equals((x - _GAP // 2, half), 18)
    largest = _largest(answer, "products") if plane.channel is not None else 0.0
    canvas.grid((x, top), _signed_cells(products, largest), _SIDE)


def _largest(answer: Explanation, name: str) -> float:
    """Return the largest size of a weight or a product in all rows: their one scale."""
    grids = [getattr(plane, name) for part in answer.parts for plane in part.planes]
    return max(float(np.abs(finite(grid)).max()) for grid in grids)


def _draw_sum(canvas: Canvas, top: int, answer: Explanation, row: int) -> None:
    """Draw what joins the rows: a + between them, a bracket around them, and the value."""
    rows, columns = answer.padded[_shown(answer)].shape
    x = _MARGIN + 3 * (columns * _SIDE + _GAP)
    bottom = top + _value_row(answer) * row + rows * _SIDE
    half = (top + bottom) // 2
    for number in _added(answer):
        canvas.plus((x - _GAP - _SIDE // 2, top + number * row - (_HEAD + _MARGIN) // 2), 18)
    if _value_row(answer):
        canvas.bracket((x - _GAP + 8, top), bottom, 10)
        if answer.combine is not None:
            canvas.text((x, half - _SIDE - 16), answer.combine.value, 16, colour=QUIET)
    canvas.arrow((x - _GAP // 2 + 6, half), 22)
    cell = Cell(grey(answer.value / answer.white), short(answer.value), framed=True)
    canvas.grid((x, half - _SIDE), [[cell]], 2 * _SIDE)


def _added(answer: Explanation) -> list[int]:
    """Return the rows whose products are added to those of the row above."""
    summed = answer.combine in (Combine.SUM, Combine.MEAN)
    planes = [
        (number, index)
        for number, part in enumerate(answer.parts)
        for index in range(min(len(part.planes), _MOST) + (part.opacity is not None))
    ]
    opacities = [len(part.planes[:_MOST]) for part in answer.parts]
    return [
        place
        for place, (number, index) in enumerate(planes)
        if place and index < opacities[number] and (index or (summed and answer.alpha is None))
    ]


def _patch_cells(
    patch: NDArray[np.float64], white: int, padded: NDArray[np.bool_]
) -> list[list[Cell]]:
    return [
        [Cell(grey(v / white), tight(v), padded=out) for v, out in zip(*lines, strict=True)]
        for lines in zip(patch.tolist(), padded.tolist(), strict=True)
    ]


def _signed_cells(values: NDArray[np.float64], largest: float) -> list[list[Cell]]:
    scale = largest or float(np.abs(finite(values)).max()) or 1.0
    levels = finite(values) / scale
    return [
        [Cell(diverging(level), tight(value)) for level, value in zip(*lines, strict=True)]
        for lines in zip(levels.tolist(), values.tolist(), strict=True)
    ]


def _caption(canvas: Canvas, top: int, answer: Explanation) -> int:
    """Write the lines below the grids; return the top of what follows."""
    width = canvas.image.width - 2 * _MARGIN
    lines = _lines(answer)
    for index, line in enumerate(lines):
        last = index == len(lines) - 1
        size, colour = (16, QUIET) if last else (20, (0, 0, 0))
        canvas.text((_MARGIN, top + 8), line, size, colour=colour, width=width)
        top += _LINE
    return top


def _lines(answer: Explanation) -> list[str]:
    steps = "".join(f", {name} → {short(value)}" for name, value in answer.steps)
    if answer.combine is None:
        (part,) = answer.parts
        *first, last = _sums(part)
        words = [text for _, text in _similarity(answer, part)]
        return [*first, f"{last}{steps}", *words, _notes(answer)]
    answers = []
    for part in answer.parts:
        words = [*_sums(part), *(text for _, text in _similarity(answer, part))]
        answers.append(f"{part.kernel}: {'; '.join(words)}")
    return [*answers, f"{answer.combine.value} {_combination(answer)}{steps}", _notes(answer)]


def _sums(part: KernelAnswer) -> list[str]:
    """Return the arithmetic on one line, or on two lines where there is an opacity."""
    words = [f"{name} {text.partition(':')[0]}" for name, text in _arithmetic(part)]
    words[0] = words[0].replace("sum", "sum of the products")
    if part.opacity is None:
        return ["; ".join(words)]
    return ["; ".join(words[:2]), "; ".join(words[2:])]


def _meaning(part: KernelAnswer) -> str:
    """Return the verdict on patch and kernel; empty for a kernel that averages."""
    cosine = part.centred_cosine if part.sums_to_zero else part.cosine
    if part.meaning is None or cosine is None:
        return part.meaning or ""
    without = " without the mean brightness" if part.sums_to_zero else ""
    return f"cosine {_two_places(cosine)}{without}, {part.meaning}"


def _notes(answer: Explanation) -> str:
    notes = title_of(answer)
    if answer.padded.any():
        taps = f"{int(answer.padded.sum())} of {answer.padded.size} taps"
        seen = f"padding ({answer.border})" if answer.spread is None else "zeros, no pixels"
        notes += f"; {taps} see {seen}: green frames"
    planes = len(answer.parts[0].planes)
    if planes > _MOST:
        notes += f"; the first {_MOST} of {planes} input channels are drawn"
    if answer.is_weighted:
        notes += "; colours count by their opacity"
    return notes

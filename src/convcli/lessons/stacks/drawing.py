"""Drawings of a stack: sheets of maps, and receptive fields on the picture."""

import base64
import html
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.drawing import figures
from convcli.drawing.canvas import ACCENT, Canvas, Colour, enlarged
from convcli.geometry.window import Pair
from convcli.images.picture import Frame
from convcli.lessons.stacks.fields import EffectiveField, Field
from convcli.lessons.stacks.run import Activation, Maps
from convcli.storage.atomic import replacing

# ------------------------------------------------------------------ maps as pictures

_SMALLEST, _SQUARE, _ACROSS = 96, 12, 64
"""The least side of a map on a sheet, the side of a single value, both in pixels, and how many
single values stand in a row."""

_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Maps</title>'
    "<style>body{font:16px sans-serif;margin:2em;max-width:70em}img{max-width:100%;"
    "image-rendering:pixelated}@media(prefers-color-scheme:dark){body{background:#181818;"
    "color:#eee}}</style><h1>What each layer answers</h1>\n"
    "<p>Maps with the most energy come first. Each is black at its lowest value and white at "
    "its highest; the number below counts maps from 0.</p>"
)


def sheet_of(layer: Activation, top: int | None) -> Frame:
    """Draw the maps of a layer, the strongest first; single values become squares, in rows."""
    if layer.values.shape[:2] == (1, 1):
        values = layer.values.ravel()
        width = min(values.size, _ACROSS)
        filled = np.pad(values, (0, -values.size % width), mode="minimum")
        return figures.enlarged_frame(_stretched(filled.reshape(-1, width)), _SQUARE)
    chosen = layer.strongest(top or layer.values.shape[2])
    maps = [_large_enough(_stretched(layer.values[..., index])) for index in chosen]
    return figures.contact_sheet(maps, [str(index) for index in chosen])


def _stretched(values: Maps) -> Frame:
    low, high = float(values.min()), float(values.max())
    levels = (values - low) * (255 / (high - low or 1.0))
    return Frame(np.rint(levels).astype(np.uint8)[..., np.newaxis])


def _large_enough(frame: Frame) -> Frame:
    return figures.enlarged_frame(frame, max(-(-_SMALLEST // max(frame.shape)), 1))


def with_maps(
    layers: Iterable[Activation], folder: str, source: Frame, only: int | None, top: int | None
) -> Iterator[Activation]:
    """Pass layers on; write a sheet of maps of each, or of `only` one; at the end a page."""
    target, given = Path(folder), figures.eight_bit_png(_large_enough(source))
    parts = [_HEAD, _section("input", "", given)]
    target.mkdir(parents=True, exist_ok=True)
    classes: list[tuple[int, float]] = []
    for layer in layers:
        if only in (None, layer.number):
            data = figures.eight_bit_png(sheet_of(layer, top))
            name = f"{layer.number:02}-{layer.row.spec.layer_type}.png"
            with replacing(target / name) as file:
                file.write(data)
            low, high = layer.values.min(), layer.values.max()
            facts = f"{' × '.join(map(str, layer.values.shape))}, {low:.4g} to {high:.4g}"
            parts.append(_section(f"{layer.number} {layer.row.spec.text}", facts, data))
        classes = layer.top_classes()
        yield layer
    if classes:
        lines = (f"<li>class {number}: {100 * part:.2f} %" for number, part in classes)
        parts += ["<h2>Top classes, counted from 0</h2><ol>", *lines, "</ol>"]
    with replacing(target / "index.html") as file:
        file.write(("\n".join(parts) + "</html>\n").encode())


def _section(title: str, facts: str, data: bytes) -> str:
    image, safe = base64.b64encode(data).decode(), html.escape(title)
    return (
        f"<section><h2>{safe}</h2><p>{html.escape(facts)}</p>"
        f'<img alt="maps of {safe}" src="data:image/png;base64,{image}"></section>'
    )


# ------------------------------------------------------------------ receptive fields

_SIDE, _SHADE = 420, 0.4
_REACH: Colour = (60, 170, 255)
_AROUND = 1.5  # the part of a field's sides that is drawn, in sides


def draw_field(field: Field, frame: Frame) -> Frame:
    """Draw a picture, cut to the input, with the field of a unit framed and the rest darker."""
    pixels, seen = figures.fitted(frame, *field.source), field.middle()
    shown = (pixels * _SHADE).astype(np.uint8)
    shown[seen] = pixels[seen]
    return _page(_framed(shown, (0, 0), {ACCENT: seen}), field.facts())


def draw_effective(found: EffectiveField) -> Frame:
    """Draw what a unit can see (orange frame), and beside it what moves it (blue: 95 %)."""
    field, energy = found.field, found.energy
    view = field.middle(_AROUND)
    corner, inside = (view[0].start, view[1].start), field.middle()
    seen, moved = np.zeros(energy.shape), np.sqrt(energy / energy.max())
    seen[inside], both = 1, {ACCENT: inside, _REACH: found.reach()}
    panels = [
        [_framed(levels[view] * 255, corner, frames), figures.text_block([("", title)], _SIDE)]
        for title, levels, frames in (
            ("what it can see (orange frame)", seen, {ACCENT: inside}),
            ("what moves it (blue frame: 95 %)", moved, both),
        )
    ]
    return _page(figures.beside([figures.below(panel) for panel in panels]), found.facts())


def _framed(
    levels: NDArray[Any], corner: Pair, frames: dict[Colour, tuple[slice, slice]]
) -> Canvas:
    """Draw enlarged pixels of 0 to 255, the first at a corner, with frames around parts."""
    scale = max(-(-_SIDE // max(levels.shape[:2])), 1)
    large = enlarged(np.rint(levels).astype(np.uint8), scale)
    picture = Canvas(large.width, large.height)
    picture.image.paste(large, (0, 0))
    for colour, parts in frames.items():
        (top, bottom), (left, right) = (
            ((part.start - first) * scale, (part.stop - first) * scale - 1)
            for part, first in zip(parts, corner, strict=True)
        )
        if top <= bottom and left <= right:
            picture.pen.rectangle((left, top, right, bottom), outline=colour, width=3)
    return picture


def _page(picture: Canvas, facts: str) -> Frame:
    lines = [("", line) for line in facts.splitlines()]
    return figures.page_of([picture, figures.text_block(lines, picture.width)]).frame()

"""The maps of a network as pictures: a sheet for each layer, and one page with all of them."""

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from convcli.images.figures import contact_sheet, enlarged_frame, png_bytes
from convcli.images.picture import Frame
from convcli.lessons.stacks.run import Activation, Maps
from convcli.storage.atomic import replacing

_SMALLEST = 96
"""Pixels that a map has at least on a sheet."""

_STYLE = (
    "body{font:16px sans-serif;margin:2em;max-width:70em}img{max-width:100%;"
    "image-rendering:pixelated}@media(prefers-color-scheme:dark){body{background:#181818;"
    "color:#eee}}"
)


def sheet_of(layer: Activation, top: int | None) -> Frame:
    """Draw the maps of a layer, the strongest first; each is stretched from black to white.

    A layer of single values becomes one row of squares.
    """
    if layer.values.shape[:2] == (1, 1):
        return enlarged_frame(_stretched(layer.values[0, :, 0][np.newaxis]), _SMALLEST // 12)
    chosen = layer.strongest(top or layer.values.shape[2])
    scale = max(-(-_SMALLEST // max(layer.values.shape[:2])), 1)
    maps = [enlarged_frame(_stretched(layer.values[..., index]), scale) for index in chosen]
    return contact_sheet(maps, [str(index) for index in chosen])


def _stretched(values: Maps) -> Frame:
    low, high = float(values.min()), float(values.max())
    levels = (values - low) * (255 / (high - low or 1.0))
    return Frame(np.rint(levels).astype(np.uint8)[..., np.newaxis])


class MapsFolder:
    """Writes the sheets of layers, one by one, and at the end the page that shows all."""

    def __init__(self, folder: str, source: Frame, top: int | None) -> None:
        self._folder, self._top = Path(folder), top
        self._folder.mkdir(parents=True, exist_ok=True)
        self._parts = [self._part("input", "", png_bytes(source))]

    def add(self, layer: Activation) -> None:
        """Write a layer's sheet."""
        name = f"{layer.number:02}-{re.sub('[^a-z0-9]+', '-', layer.row.spec.layer_type)}.png"
        data = png_bytes(sheet_of(layer, self._top))
        with replacing(self._folder / name) as file:
            file.write(data)
        rows, columns, maps = layer.values.shape
        facts = (
            f"{rows} × {columns} × {maps}, {layer.values.min():.4g} to {layer.values.max():.4g}"
        )
        self._parts.append(self._part(f"{layer.number} {layer.row.spec.text}", facts, data))

    def finish(self) -> None:
        """Write the page."""
        body = "\n".join(self._parts)
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Maps</title>'
            f"<style>{_STYLE}</style><h1>What each layer answers</h1>\n{body}</html>\n"
        )
        with replacing(self._folder / "index.html") as file:
            file.write(page.encode())

    @staticmethod
    def _part(title: str, facts: str, data: bytes) -> str:
        image = base64.b64encode(data).decode()
        safe = html.escape(title)
        return (
            f"<section><h2>{safe}</h2><p>{html.escape(facts)}</p>"
            f'<img alt="maps of {safe}" src="data:image/png;base64,{image}"></section>'
        )


def top_classes(layer: Activation, count: int = 5) -> Iterator[tuple[int, float]]:
    """Yield the largest values of the last layer with their numbers, as parts of 1.

    Values that are not a softmax's get one.
    """
    values = layer.values.ravel().astype(np.float64)
    if layer.row.spec.layer_type != "softmax":
        powers = np.exp(values - values.max())
        values = powers / powers.sum()
    for index in np.argsort(-values, kind="stable")[:count]:
        yield int(index), float(values[index])

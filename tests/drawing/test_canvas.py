"""The canvas and figures of cells: texts stay where they belong."""

import numpy as np
import pytest

from convcli.drawing.canvas import Canvas, Cell, spelled
from convcli.drawing.figures import cell_block


def test_signs_that_the_font_lacks_are_spelled() -> None:
    assert spelled("2π·σx·σy, 45° → Ré") == "2*pi*sigma_x*sigma_y, 45 deg -> Re"


@pytest.mark.parametrize("framed", [False, True])
def test_digits_of_16_bits_stay_within_their_cell(framed: bool) -> None:  # noqa: FBT001
    side = 56
    pictures = []
    for text in ("", "58111"):
        canvas = Canvas(side + 1, side + 1)
        canvas.grid((0, 0), [[Cell((255, 255, 255), text, framed=framed)]], side)
        pictures.append(np.asarray(canvas.image).astype(int))
    columns = np.flatnonzero((pictures[0] != pictures[1]).any(axis=(0, 2)))
    edge = 6 if framed else 1
    assert columns.size
    assert edge < columns.min()
    assert columns.max() < side - edge


def test_numbers_of_a_figure_stay_within_their_cells() -> None:
    side, colors = 40, np.full((1, 3, 3), 255, np.uint8)
    blank, numbers = (
        np.asarray(cell_block(colors, [[text] * 3], side).image).astype(int)
        for text in ("", "-.0965")
    )
    places = np.flatnonzero((blank != numbers).any(axis=(0, 2))) % side
    assert places.size
    assert places.min() >= 2
    assert places.max() <= side - 2

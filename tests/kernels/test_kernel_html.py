"""A notebook shows a kernel as a table whose colours tell the signs of its weights."""

import re

import numpy as np

from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from

CELL = re.compile(r'<td style="background:rgb\((\d+),(\d+),(\d+)\)[^"]*">([^<]*)</td>')


def html(kernel: Kernel) -> str:
    shown = kernel._repr_html_()
    assert isinstance(shown, str)
    return shown


def cells(kernel: Kernel) -> list[tuple[str, tuple[int, ...]]]:
    return [(text, tuple(map(int, rgb))) for *rgb, text in CELL.findall(html(kernel))]


def test_name_description_and_weights_are_shown() -> None:
    shown = html(kernel_from("sobel-x"))
    assert "<b>sobel-x</b> (3×3): vertical edges: brighter to the right" in shown
    texts = [text for text, _ in cells(kernel_from("sobel-x"))]
    assert texts == ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]
    assert shown.count("<tr>") == 3


def test_negative_is_blue_zero_white_positive_red() -> None:
    colours = dict(cells(Kernel([[-4, -1, 0, 1, 4]])))
    assert colours["0"] == (255, 255, 255)
    for text, strongest in (("-4", 2), ("-1", 2), ("1", 0), ("4", 0)):
        assert max(colours[text]) == colours[text][strongest]
    assert sum(colours["-4"]) < sum(colours["-1"]) < 3 * 255
    assert sum(colours["4"]) < sum(colours["1"]) < 3 * 255


def test_all_zero_is_white() -> None:
    assert cells(Kernel([[0, 0]])) == [("0", (255, 255, 255))] * 2


def test_names_and_descriptions_are_escaped() -> None:
    shown = html(Kernel([[1]], name="<script>", description='a & "b" <i>'))
    assert "<script>" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;" in shown
    assert "a &amp; &quot;b&quot; &lt;i&gt;" in shown


def test_a_bank_shows_its_shape_and_its_first_slices() -> None:
    bank = Kernel(np.arange(54.0).reshape(3, 2, 3, 3), bias=[1, 2, 3], name="bank")
    shown = html(bank)
    assert "<b>bank</b> (3×2×3×3)" in shown
    assert "bias 1, 2, 3" in shown
    labels = re.findall(r"<caption>(.*?)</caption>", shown)
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert labels == [f"filter {output}, channel {channel}" for output, channel in places]
    assert "… of 6 slices" in shown
    assert len(cells(bank)) == 4 * 9


def test_a_large_kernel_shows_its_middle() -> None:
    grid = np.zeros((101, 3))
    grid[50] = 7
    shown = html(Kernel(grid))
    assert "(101×3)" in shown
    assert "<caption>the middle 15×3</caption>" in shown
    assert [text for text, _ in cells(Kernel(grid))].count("7") == 3
    assert len(html(kernel_from("box:2047"))) < 50_000

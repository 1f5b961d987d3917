"""The explorer's page: what it is made of, and what Chromium computes and shows in it."""

import contextlib
import html
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import convcli
from convcli.lessons.explore import MOST_PIXELS
from support.browser import Browser, Output
from support.commands import PHOTOS, done, refusal, save

RNG = np.random.default_rng(5)
COLOURS = RNG.integers(0, 256, (17, 22, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (15, 19), np.uint16)
BANK = RNG.integers(-4, 5, (4, 3, 3, 2)).astype(float)

WHOLE = ["sobel-x", "box", "laplacian", "sharpen", "blur", "smooth-more", "contour", "detail",
         "pillow-emboss", "sobel", "kirsch", "roberts-1", "high-pass"]  # fmt: skip
"""Kernels of whole numbers over one divisor, and operators of such kernels."""

REAL = ["gaussian", "unsharp", "frei-chen-1", "log", "frei-chen"]
"""Kernels whose weights are not whole numbers over a divisor."""

BORDERS = ("zero", "replicate", "reflect", "symmetric", "wrap")
STRIDES, DILATIONS = ("1", "2", "3x2"), ("1", "2")
RANGES = ("auto", "clip", "abs", "shift", "stretch", "balance")

Settings = dict[str, Any]


def matrix(kernels: list[str]) -> Iterator[Settings]:
    """Yield every border, stride, dilation and range, each with the next of all others.

    The lengths of their cycles have no divisor in common with 6, so that each range meets all.
    """
    others = zip(
        itertools.cycle(kernels),
        itertools.cycle(("same", "valid", "2", "1x3", "same")),
        itertools.cycle((False, True, False, False, True)),
        itertools.cycle(("0", "12.5", "0", "-3", "0", "0.1", "0")),
        strict=False,
    )
    cases = itertools.product(BORDERS, STRIDES, DILATIONS, RANGES)
    for case, (kernel, padding, flip, bias) in zip(cases, others, strict=False):
        border, stride, dilation, range_ = case
        yield {
            "kernel": kernel, "border": border, "stride": stride, "dilation": dilation,
            "range": range_, "padding": padding, "flip": flip, "bias": bias,
        }  # fmt: skip


def applied(settings: Settings, picture: NDArray[Any], kernel: Any = None) -> NDArray[Any]:
    """Return what `apply` answers to the settings, shape (H, W, C)."""
    options = {name: value for name, value in settings.items() if name not in ("kernel", "map")}
    options["bias"] = float(options.pop("bias", 0)) or None
    result = convcli.apply(
        kernel if kernel is not None else settings["kernel"], picture, **options
    )
    return np.atleast_3d(result.array)


def answered(
    cases: Iterable[Settings], picture: NDArray[Any]
) -> tuple[list[Settings], list[NDArray[Any]]]:
    """Return settings with what `apply` answers, without windows larger than the picture."""
    kept, answers = [], []
    for each in cases:
        with contextlib.suppress(convcli.GeometryError):
            answers.append(applied(each, picture))
            kept.append(each)
    return kept, answers


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let NumPy compute: where another test has loaded numba, it would add up otherwise."""
    monkeypatch.setenv("CONVCLI_FAST", "never")


@pytest.fixture
def explore(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Write a page, and open it in a window of 1280 × 800 pixels."""

    def call(kernel: Any, picture: Any, **options: Any) -> Browser:
        target = tmp_path / "page.html"
        convcli.explore(kernel, picture, **options).save(target)
        browser.resize(1280, 800)
        browser.open(target)
        return browser

    return call


# ------------------------------------------------------------------ every pixel


@pytest.mark.parametrize("picture", [COLOURS, DEEP], ids=["colours", "16 bits"])
def test_every_pixel_equals_apply(
    explore: Callable[..., Browser], picture: NDArray[Any]
) -> None:
    cases, answers = answered(matrix(WHOLE), picture)
    assert len(cases) > 150
    found = explore("sobel-x", picture).outputs(*cases, dtype=picture.dtype)
    for settings, output, expected in zip(cases, found, answers, strict=True):
        assert not output.problem
        np.testing.assert_array_equal(output.pixels, expected, str(settings))


@pytest.mark.parametrize("rank", [1, 2, 9])
def test_large_kernels_are_exact_as_columns_and_rows_and_as_lines(
    explore: Callable[..., Browser], rank: int
) -> None:
    factors = np.random.default_rng(rank).integers(-9, 10, (2, 9, rank))
    grid = (factors[0] @ factors[1].T) / 32
    browser = explore(grid, COLOURS)
    cases: list[Settings] = [
        {"range": "shift", "stride": stride, "dilation": dilation, "border": "reflect"}
        for stride, dilation in (("1", "1"), ("3x2", "1"), ("1", "2"))
    ]
    for settings, output in zip(cases, browser.outputs(*cases), strict=True):
        expected = applied(settings, COLOURS, grid)
        np.testing.assert_array_equal(output.pixels, expected, str(settings))


def same_but_marked(settings: Settings, output: Output, expected: NDArray[Any]) -> float:
    """Check that only marked pixels differ, by one, and return the part that is marked."""
    away = np.abs(output.pixels.astype(int) - expected)
    assert away.max() <= 1, settings
    assert not away[output.sure].any(), settings
    return float(1 - output.sure.mean())


@pytest.mark.parametrize(
    ("picture", "most"), [(COLOURS, 0.001), (DEEP, 0.1)], ids=["colours", "16 bits"]
)
def test_inexact_sums_differ_only_where_the_page_says_so(
    explore: Callable[..., Browser], picture: NDArray[Any], most: float
) -> None:
    # Sums of 32-bit floats have 256 times less room between the levels of 16 bits.
    cases, answers = answered(matrix(REAL), picture)
    found = explore("sobel-x", picture).outputs(*cases, dtype=picture.dtype)
    marked = []
    for settings, output, expected in zip(cases, found, answers, strict=True):
        assert output.is_exact == (settings["stride"] != "1")
        marked.append(same_but_marked(settings, output, expected))
    assert np.mean(marked) < most


def test_what_numba_may_round_otherwise_is_marked(
    explore: Callable[..., Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVCLI_FAST", "always")
    photo = np.random.default_rng(3).integers(0, 256, (200, 300), np.uint8)
    browser = explore("frei-chen-1", photo)
    (output,) = browser.outputs({"stride": "2", "border": "wrap"})
    expected = applied({"stride": "2", "border": "wrap"}, photo, "frei-chen-1")
    differ = np.flatnonzero((output.pixels != expected)[..., 0])
    near = browser.run(
        "return arguments[0].map((i) => isNearTie(page.result, 0, i))", differ.tolist()
    )
    assert all(near)


def test_a_page_without_webassembly_gives_the_same(explore: Callable[..., Browser]) -> None:
    cases, answers = answered(itertools.islice(matrix([*WHOLE, *REAL]), 0, None, 7), COLOURS)
    browser = explore("sobel-x", COLOURS)
    browser.run("Lanes.made = {}; delete globalThis.WebAssembly")
    for settings, output, expected in zip(cases, browser.outputs(*cases), answers, strict=True):
        assert same_but_marked(settings, output, expected) < 0.01
    assert browser.run("return Lanes.of(8).memory") is None


@pytest.mark.parametrize(
    "kernel", ["gaussian:2", "log", "unsharp", "motion:9,30", "5×5", "15×15"]
)
def test_of_a_picture_with_real_weights_hardly_a_pixel_is_marked(
    explore: Callable[..., Browser], kernel: str
) -> None:
    size = int(kernel.partition("×")[2] or 0)
    weights = np.random.default_rng(size).normal(0.2, 1, (size, size)) / max(size**2, 1)
    given = weights if size else convcli.kernel(kernel)
    photo = np.asarray(Image.open(PHOTOS / "coffee.png"))[100:220, 200:360]
    browser = explore(given, photo)
    cases: list[Settings] = [
        {"border": border, "stride": stride, "dilation": dilation, "range": range_}
        for border, stride, dilation, range_ in (
            ("reflect", "1", "1", "clip"),
            ("wrap", "1", "2", "abs"),
            ("zero", "1", "1", "shift"),
            ("replicate", "1", "1", "stretch"),
            ("symmetric", "2x3", "1", "balance"),
            ("reflect", "2", "2", "auto"),
        )
    ]
    marked = []
    for settings, output in zip(cases, browser.outputs(*cases), strict=True):
        marked.append(same_but_marked(settings, output, applied(settings, photo, given)))
        if settings["stride"] != "1":
            assert output.is_exact
            assert marked.pop() == 0
    assert np.mean(marked[:3]) < 0.001
    assert marked[3] < 0.01  # the ends of the range are in doubt, too


@pytest.mark.parametrize(
    ("border", "picture"),
    [
        ("odd", COLOURS),
        ("odd", DEEP),
        ("constant:9", COLOURS),
        ("replicate,odd", COLOURS),
        ("wrap,constant:200", COLOURS),
    ],
    ids=["odd", "odd, 16 bits", "constant", "two modes", "mode and constant"],
)
def test_borders_with_a_constant_or_two_modes(
    explore: Callable[..., Browser], border: str, picture: NDArray[Any]
) -> None:
    browser = explore("sobel-x", picture, border=border)
    cases: list[Settings] = [
        {"kernel": kernel, "stride": stride, "padding": padding, "range": range_, "bias": bias}
        for kernel, stride, padding, bias in (
            ("sobel-x", "1", "9", "0"), ("box", "2", "same", "3"), ("sobel", "1", "20x30", "0"),
            ("blur", "3x2", "same", "0.5"), ("gaussian", "1", "9", "0"),
            ("gaussian", "2", "same", "0"), ("frei-chen", "1", "1", "1"),
            ("gaussian", "2", "valid", "0"),
        )
        for range_ in RANGES
    ]  # fmt: skip
    for settings, output in zip(
        cases, browser.outputs(*cases, dtype=picture.dtype), strict=True
    ):
        expected = applied({**settings, "border": border}, picture)
        marked = same_but_marked(settings, output, expected)
        assert marked == 0 or "odd" in border or settings["kernel"] in REAL
        assert marked < 0.02 or picture is DEEP, settings
    assert f"--border {border}" in browser.text("#command")


def test_a_border_of_a_colour(explore: Callable[..., Browser]) -> None:
    browser = explore("box", COLOURS, border="constant:#ff8000")
    colour, grey = browser.outputs({}, {"gray": True})
    expected = convcli.apply("box", COLOURS, border="constant:#ff8000").array
    np.testing.assert_array_equal(colour.pixels, expected)
    assert "a colour needs a picture in colour" in grey.problem


def test_a_bank_shows_each_of_its_maps(explore: Callable[..., Browser]) -> None:
    browser = explore(BANK, COLOURS)
    cases: list[Settings] = [
        {"range": range_, "stride": stride, "map": number, "border": "wrap", "bias": "2"}
        for range_ in RANGES
        for stride in ("1", "2")
        for number in range(4)
    ]
    for settings, output in zip(cases, browser.outputs(*cases), strict=True):
        # All maps share one range: the map alone would be stretched by its own extent.
        expected = applied(settings, COLOURS, BANK)[..., settings["map"]]
        np.testing.assert_array_equal(output.pixels[..., 0], expected, str(settings))
    # The channels and how they sum: three planes, and the sum of their three sums.
    browser.outputs({"kernel": "as given", "stride": "1", "bias": "2"})
    browser.run("goTo(4, 5); showSums()")
    sums = [int(text.replace("−", "-")) for text in _texts(browser, ".plane .total")]
    patch = np.pad(COLOURS.astype(int), ((1, 1), (0, 1), (0, 0)))[5:8, 4:6]
    by_hand = [int((patch[..., i] * BANK[0, i]).sum()) for i in range(3)]
    assert sums == by_hand
    assert "input channel 1, green" in browser.text("#sums")
    total = f"= {sum(by_hand)}".replace("-", "−")
    assert total in browser.text("#chain")


def _texts(browser: Browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
    texts: list[str] = browser.run(script, selector)
    return texts


def test_grey_and_a_photograph(explore: Callable[..., Browser]) -> None:
    photo = np.asarray(Image.open(PHOTOS / "coffee.png"))
    browser = explore("sobel-x", photo)
    colour, gray = browser.outputs({"gray": False}, {"gray": True})
    np.testing.assert_array_equal(colour.pixels, convcli.apply("sobel-x", photo).array)
    grey = convcli.apply("sobel-x", photo, gray=True).array
    np.testing.assert_array_equal(gray.pixels[..., 0], grey)


def test_colours_below_an_opacity_are_those_of_alpha_keep(
    explore: Callable[..., Browser],
) -> None:
    picture = np.dstack([COLOURS, COLOURS[..., 0]])
    browser = explore("box", picture)
    (output,) = browser.outputs({})
    expected = convcli.apply("box", picture, alpha="keep").array[..., :3]
    np.testing.assert_array_equal(output.pixels, expected)
    assert browser.text("#command").endswith(" --alpha keep")


def test_the_window_and_the_size_of_what_is_set(explore: Callable[..., Browser]) -> None:
    browser = explore("box:3", COLOURS, stride=2, padding=((0, 1), (2, 3)), border="wrap")
    (output,) = browser.outputs({})
    expected = convcli.apply(
        "box:3", COLOURS, stride=2, padding=((0, 1), (2, 3)), border="wrap"
    ).array
    np.testing.assert_array_equal(output.pixels, expected)
    assert "--padding 0,3,1,2" in browser.text("#command")
    # (22 - 3 + 2 + 3)/2 + 1 = 13, (17 - 3 + 0 + 1)/2 + 1 = 8.5
    assert "width: (22 − 3 + 2 + 3) / 2 + 1 = 13" in browser.text("#formulas")
    assert "height: (17 − 3 + 0 + 1) / 2 + 1 = 8.5, rounded down: 8" in browser.text(
        "#formulas"
    )


# ------------------------------------------------------------------ what a person does


def test_pointer_keys_and_pins(explore: Callable[..., Browser]) -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    browser = explore([[0, 1], [2, 0]], picture, padding="valid")
    zoom = browser.run("return $('output').zoom")
    browser.point("#output", 3.5 * zoom, 2.5 * zoom)
    browser.until("$('place').textContent === 'Output x = 3, y = 2'")
    # The patch is 95 100 / 135 140 (a pixel is 40·y + 5·x): 100 + 2 · 135.
    assert _texts(browser, ".plane .grid:first-child td") == ["95", "100", "135", "140"]
    assert browser.text("#chain") == "sum 370 → clip: cut off at 255 → pixel 255"
    # Over the input the window has the pointer in its middle tap, at (k - 1)//2.
    zoom = browser.run("return $('input').zoom")
    browser.point("#input", 1.5 * zoom, 0.5 * zoom)
    browser.until("$('place').textContent === 'Output x = 1, y = 0'")
    # A click pins; the pointer then moves nothing, and a second click lets go.
    browser.point("#output", 0.5 * zoom, 0.5 * zoom).click().perform()
    browser.point("#output", 4.5 * zoom, 3.5 * zoom)
    assert browser.run("return [page.at.x, page.at.y, page.pinned]") == [0, 0, True]
    browser.point("#output", 0.5 * zoom, 0.5 * zoom).click().perform()
    browser.point("#output", 4.5 * zoom, 3.5 * zoom)
    assert browser.run("return [page.at.x, page.at.y, page.pinned]") == [4, 3, False]
    assert browser.problems() == []


def test_all_of_it_by_keyboard(explore: Callable[..., Browser]) -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    browser = explore("sobel-x", picture, border="replicate")
    reached = []
    for _ in range(30):
        browser.keys("\ue004")  # Tab
        reached.append(browser.run("return document.activeElement.id"))
    assert {"kernel", "stride", "padding", "border", "flip", "zoom", "play", "input", "rows",
            "output"} <= set(reached)  # fmt: skip
    browser.run("$('input').focus()")
    browser.keys("\ue011", "\ue015", "\ue014")  # Home, down, right
    assert browser.run("return [page.at.x, page.at.y]") == [1, 4]
    browser.until("$('spoken').textContent.startsWith('Output x 1, y 4: sum 40')")
    browser.keys(" ")
    assert browser.run("return page.pinned")
    browser.keys("\ue00c")  # Escape
    assert not browser.run("return page.pinned")
    browser.run("goTo(0, 0)")
    browser.keys("\ue007")  # Enter: the window slides to the end
    assert browser.text("#play") == "Stop"
    browser.until("page.at.x + page.at.y > 0")
    browser.keys("\ue007")
    assert browser.text("#play") == "Play"
    # Each weight has a name, and is edited in place.
    browser.run("document.querySelector('#weights input').focus()")
    assert browser.run("return document.activeElement.ariaLabel") == "weight, row 1, column 1"
    browser.keys("\ue003" * 2, "1/4")  # two backspaces for -1
    assert browser.run("return page.kernels[0].weights[0]") == 0.25


def test_weights_are_edited_and_chosen(explore: Callable[..., Browser]) -> None:
    browser = explore("sobel-x", COLOURS)
    weight = browser.find("#weights input")
    weight.clear()
    weight.send_keys("3.5")
    browser.run("settle()")
    edited = [[3.5, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    shown = browser.outputs({"kernel": "kept"})  # the form as it is would be asked for
    assert len(shown) == 1
    weight = browser.find("#weights input")
    weight.clear()
    weight.send_keys("3.5")
    browser.run("settle()")
    pixels = browser.run("return page.result.pixels.map((plane) => [...plane])")
    expected = convcli.apply(edited, COLOURS).array.transpose(2, 0, 1).reshape(3, -1)
    np.testing.assert_array_equal(pixels, expected)
    # The command that the page names gives the same picture.
    assert "[[3.5,0,1],[-2,0,2],[-1,0,1]]" in browser.text("#command")
    weight.send_keys("x")
    assert 'expected a number, got "3.5x"' in browser.text("#problem")
    browser.run("$('kernel').value = [...$('kernel').options].find("
                "(o) => o.text === 'box').value;"
                "$('kernel').dispatchEvent(new Event('change')); settle()")  # fmt: skip
    assert browser.text("#problem") == ""
    assert len(_texts(browser, "#weights input")) == 9
    rows = browser.find("#rows")
    rows.clear()
    rows.send_keys("5")
    browser.run("settle()")
    grid = np.pad(np.full((3, 3), 1 / 9), ((1, 1), (0, 0)))
    pixels = browser.run("return page.result.pixels.map((plane) => [...plane])")
    expected = convcli.apply(grid, COLOURS).array.transpose(2, 0, 1).reshape(3, -1)
    np.testing.assert_array_equal(pixels, expected)


def test_what_does_not_fit_is_said_and_the_output_stays(
    explore: Callable[..., Browser],
) -> None:
    fits = {"stride": "1", "padding": "same", "bias": "0", "dilation": "1"}
    slips: list[tuple[Settings, str]] = [
        ({"stride": "0"}, "stride: expected a whole number of at least 1"),
        ({"stride": "two"}, 'got "two"'),
        ({"padding": "-1"}, "padding: expected same, valid"),
        ({"bias": "much"}, "bias: expected a number"),
        ({"dilation": "90", "padding": "valid"}, "The kernel spans 181"),
    ]
    cases = [case for slip, _ in slips for case in (fits, fits | slip)]
    found = explore("sobel-x", COLOURS).outputs(*cases)
    for (_, words), before, after in zip(slips, found[::2], found[1::2], strict=True):
        assert before.problem == ""
        assert words in after.problem
        np.testing.assert_array_equal(after.pixels, before.pixels)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_nothing_is_wider_than_the_window_and_all_texts_are_legible(
    explore: Callable[..., Browser], width: int, *, dark: bool
) -> None:
    browser = explore(BANK, COLOURS)
    browser.resize(width, 844, dark=dark)
    browser.run("dispatchEvent(new Event('resize'))")
    browser.until("document.querySelector('.plane .of')")  # drawn with the next frame
    assert browser.run("return document.documentElement.scrollWidth") <= width
    texts = ("h1", "h1 small", ".hint", "label", "h2", "#chain", "#chain b", "figcaption span",
             "#kernel-says", ".plane .of", "caption", "pre", "#formulas")  # fmt: skip
    for selector in texts:
        ink, ground = browser.run(
            "let e = document.querySelector(arguments[0]);"
            "const ink = getComputedStyle(e).color; let ground;"
            "do { ground = getComputedStyle(e).backgroundColor; e = e.parentElement }"
            "while (/, 0\\)$/.test(ground) && e); return [ink, ground]",
            selector,
        )
        assert _contrast(ink, ground) >= 4.5, (selector, ink, ground)  # WCAG 2, level AA
    browser.resize(1280, 800)


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_notebook_shows_it_in_a_frame(browser: Browser, tmp_path: Path) -> None:
    shown = convcli.explore("sobel-x", COLOURS)._repr_html_()
    target = tmp_path / "notebook.html"
    target.write_text(f"<!doctype html><body data-ready='yes'>{shown}</body>", "utf-8")
    browser.open(target)
    inner = "document.querySelector('iframe').contentDocument"
    browser.until(f"{inner}?.body?.dataset.ready === 'yes'")
    place = browser.run(f"return {inner}.getElementById('place').textContent")
    assert place == "Output x = 11, y = 8"


# ------------------------------------------------------------------ the page itself


def test_the_page_needs_nothing_else_and_is_small(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    said = done("explore", "sobel-x", PHOTOS / "camera.png", "-o", target, "--json")
    page = target.read_text("utf-8")
    assert json.loads(said) == {"target": str(target), "bytes": target.stat().st_size}
    assert not re.search(r"""(src|href)=["']|https?://|@import|url\(""", page)
    without = re.sub(r'"data":"[^"]*"', "", page)
    assert len(without.encode()) <= 120_000


def test_names_cannot_end_the_script(tmp_path: Path) -> None:
    source = save(tmp_path / "a<script>&.png", np.zeros((3, 3)))
    page = convcli.explore("[[1]]", source).html
    assert "a<script>" not in page
    assert html.escape("a<script>&.png") in page


def test_a_page_is_not_replaced_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = save(tmp_path / "a.png", np.zeros((3, 3)))
    assert done("explore", "box", source).startswith("explore.html: ")
    said = refusal("explore", "box", source, status=2)
    assert said.startswith("explore.html: it exists already: name a page with -o")
    done("explore", "box", source, "-o", "explore.html", "--quiet")
    assert done("explore", "box", source, "-o", "-").startswith("<!doctype html>")
    said = refusal("explore", "box", source, "-o", "a.png", status=2)
    assert "expected a page that ends in .html" in said


@pytest.mark.parametrize(
    ("kernel", "pixels", "words"),
    [
        ("box", np.zeros((3, 3), np.float32), "expected pixels of 8 or 16 bits, got float32"),
        ("box", np.zeros((1500, 1500), np.uint8), f"at most {MOST_PIXELS:,} pixels"),
        ("box:65", np.zeros((3, 3), np.uint8), "at most 63 rows and columns"),
        (np.ones((2, 3, 3, 3)), np.zeros((3, 3), np.uint8), "channels: the bank expects 3"),
    ],
)
def test_what_the_page_cannot_hold(kernel: Any, pixels: NDArray[Any], words: str) -> None:
    with pytest.raises(convcli.ConvcliError, match=re.escape(words)):
        convcli.explore(kernel, pixels)


def test_options_that_the_page_does_not_have() -> None:
    with pytest.raises(convcli.OptionError, match="the page has no linear"):
        convcli.explore("box", COLOURS, linear=True)

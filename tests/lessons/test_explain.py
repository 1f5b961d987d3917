import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convcli
from convcli.choices import Border, Range
from convcli.geometry.window import Padding
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from
from convcli.lessons.explain import Explainer
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame
from support.commands import cells

Ask = Callable[..., Any]
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def edge(tmp_path: Path) -> str:
    """A vertical edge, 6 × 4: dark to the left of x = 3, 100 from there on."""
    pixels = np.zeros((4, 6), np.uint8)
    pixels[:, 3:] = 100
    path = tmp_path / "edge.png"
    Image.fromarray(pixels).save(path)
    return str(path)


def test_a_vertical_edge_by_hand(ask: Ask, edge: str) -> None:
    (one,) = ask("explain", "sobel-x", edge, "--at", "2,1")["channels"]
    (plane,) = one["planes"]
    assert plane["patch"] == [[0, 0, 100]] * 3
    assert plane["products"] == [[0, 0, 100], [0, 0, 200], [0, 0, 100]]
    assert (one["sum"], one["raw"], one["range"], one["value"]) == (400, 400, "abs", 255)
    # patch · kernel = 400, lengths 100·√3 and √12: 400 / (100·6)
    assert one["cosine"] == pytest.approx(2 / 3)
    assert one["meaning"].startswith("similar")


def test_sums_are_shown_so_that_they_round_as_the_text_says(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    Image.fromarray(np.array([[57441, 5196], [5947, 40840]], np.uint16)).save(
        tmp_path / "deep.png"
    )
    words = ["explain", "[[0.3,0.2],[0.1,0.3]]", str(tmp_path / "deep.png"), "--at", "0,0"]
    text = run(*words).stdout
    # 17232.3 + 1039.2 + 594.7 + 12252 = 31118.2
    assert "17232   1039" in text
    assert "sum          31118.2\n" in text
    assert "halves to even → 31118\n" in text
    # Not 103.5, which would be rounded to 104.
    assert "103.496\n" in run("explain", "[[0.1]]", "[[1034.96]]", "--at", "0,0").stdout


def test_flat_is_orthogonal_and_the_other_edge_opposite(ask: Ask, edge: str) -> None:
    (flat,) = ask("explain", "sobel-x", edge, "--at", "4,1")["channels"]
    assert flat["cosine"] == 0
    assert flat["centred_cosine"] is None  # less its mean, a flat patch is all zero
    assert flat["meaning"].startswith("no direction: the patch is flat")
    (back,) = ask("explain", "sobel-x", edge, "--at", "2,1", "--flip")["channels"]
    assert back["cosine"] == pytest.approx(-2 / 3)
    assert back["meaning"].startswith("opposite")
    (dark,) = ask("explain", "sobel-x", edge, "--at", "1,1")["channels"]
    assert dark["cosine"] is None


def test_there_is_one_verdict_and_none_of_an_average(
    run: Callable[..., Any], ask: Ask, edge: str
) -> None:
    text = run("explain", "sobel-x", edge, "--at", "2,1").stdout
    # patch less its mean: -100/3, -100/3, 200/3 a row; 400 / (√12 · 100·√2) = 0.816
    assert text.count("cosine") == 1
    assert "cosine 0.82 without the mean brightness, similar" in text
    assert ask("explain", "box:3", edge, "--at", "2,1")["channels"][0]["meaning"] is None
    assert "means" not in run("explain", "box:3", edge, "--at", "2,1").stdout


def test_padding_is_told(ask: Ask, edge: str) -> None:
    (one,) = ask("explain", "box:3", edge, "--at", "5,0")["channels"]
    assert one["padded"] == [[True] * 3, [False, False, True], [False, False, True]]
    assert one["columns"] == [4, 5, 6]
    assert one["rows"] == [-1, 0, 1]
    assert one["value"] == 44  # 400/9 = 44.4
    (other,) = ask("explain", "box:3", edge, "--at", "5,0", "--border", "edge")["channels"]
    assert other["value"] == 100


PADDINGS: list[Padding] = ["same", "valid", 3]
WINDOWS = tuple(itertools.product(Border, [1, 2, 3], PADDINGS, [1, 2]))
MAPPINGS = (Range.CLIP, Range.ABS, Range.SHIFT, Range.STRETCH)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["sobel-x", "[[0.3,-1.2],[0.7,0.4],[2,0.1]]"])
def test_the_value_is_what_apply_writes_for_every_window(spec: str) -> None:
    """Ranges come in turn: what a raw value becomes does not depend on where it was summed."""
    chance = np.random.default_rng(6)
    picture = Frame(chance.integers(0, 256, (9, 11, 3)).astype(np.uint8))
    kernel = kernel_from(spec)
    for number, (border, stride, padding, dilation) in enumerate(WINDOWS):
        options = Options(
            border=border,
            stride=stride,
            padding=padding,
            dilation=dilation,
            range=MAPPINGS[number // 2 % len(MAPPINGS)],
            bias=1.5,
        )
        applied = filter_frame(picture, [kernel], options)
        floats = filter_frame(picture, [kernel], options, raw=True).values
        height, width = applied.values.shape[:2]
        explainer = Explainer(kernel, picture, options)
        for y, x in {(0, 0), (height - 1, width - 1), (height // 2, width // 3)}:
            for one in explainer.at((y, x)):
                assert one.value == applied.values[y, x, one.channel]
                assert one.raw == pytest.approx(floats[y, x, one.channel], abs=1e-3)
                last = one.steps[-1][1] if one.steps else one.raw
                assert last == pytest.approx(one.value, abs=0.01)


def test_a_bank_sums_over_its_channels() -> None:
    chance = np.random.default_rng(7)
    picture = Frame(chance.integers(0, 256, (5, 5, 3)).astype(np.uint8))
    kernel = kernel_from("[[[[1,2]],[[3,4]],[[5,6]]],[[[0,0]],[[0,1]],[[0,0]]]]")
    (one,) = Explainer(kernel, picture, Options(padding="valid")).at((2, 2), 0)
    left, right = picture.pixels[2, 2].astype(int), picture.pixels[2, 3].astype(int)
    assert one.raw == left @ [1, 3, 5] + right @ [2, 4, 6]
    assert len(one.parts[0].planes) == 3


def test_the_library_makes_no_output_that_apply_would_not(
    ask: Ask, run: Callable[..., Any], sample: Callable[[str], str], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    options = ["--stride", "3", "--dilation", "2", "--border", "wrap"]
    run("apply", "sharpen", sample("coffee.png"), str(out), "--quiet", *options)
    found = ask("explain", "sharpen", sample("coffee.png"), "--at", "199,0", *options)
    with Image.open(out) as picture:
        assert tuple(one["value"] for one in found["channels"]) == picture.getpixel((199, 0))


def test_text_shows_the_grids_and_says_what_they_mean(
    run: Callable[..., Any], edge: str
) -> None:
    text = run("explain", "sobel-x", edge, "--at", "0,0", "--bias", "3").stdout
    lines = [line.split() for line in text.splitlines()]
    assert ["(0)", "0", "0", "×", "-2", "0", "2", "=", "0", "0", "0"] in lines
    assert ["bias", "0 + 3 = 3"] in cells(text)
    assert "5 of 9 taps see it, in brackets (border zero)" in text


def test_an_explanation_is_written_as_numbers(
    run: Callable[..., Any], refuse: Callable[..., str], tmp_path: Path
) -> None:
    grid, at = "[[1,2,3],[4,5,6],[7,8,9]]", ("--at", "1,1")
    table, document = str(tmp_path / "products.csv"), str(tmp_path / "all.json")
    run("explain", "sobel-x", grid, table, *at)
    assert Path(table).read_text() == "-1,0,3\n-8,0,12\n-7,0,9\n"
    printed = run("explain", "sobel-x", grid, document, *at, "--json").stdout
    assert json.loads(Path(document).read_text()) == json.loads(printed)
    assert "expected one grid" in refuse("explain", "sobel", grid, table, *at)
    twice = refuse("explain", "sobel-x", grid, "a.png", *at, "--png", "b.png")
    assert "OUTPUT is given twice (a.png, b.png)" in twice


def test_large_kernels_show_their_middle(
    run: Callable[..., Any], sample: Callable[[str], str]
) -> None:
    text = run("explain", "gaussian:3", sample("camera.png"), "--at", "100,100").stdout
    assert "The middle 7×7 of 25×25." in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "6,0"], "x 0 to 5 and y 0 to 3; got 6,0"),
        (["--at", "-1,0"], "got -1,0"),
        (["--at", "3,0", "--stride", "2"], "x 0 to 2 and y 0 to 1"),
        (["--at", "1"], "expected two whole numbers as X,Y"),
        (["--at", "1,1", "--channel", "1"], "channel: expected 0 to 0, got 1"),
        (["--at", "1,1", "--png", "x.jpg"], "ends in .png"),
    ],
)
def test_nonsense_is_refused(
    refuse: Callable[..., str], edge: str, words: list[str], said: str
) -> None:
    assert said in refuse("explain", "sobel-x", edge, *words)


@pytest.fixture
def glass(tmp_path: Path) -> str:
    """9 × 7 pixels of all colours and opacities, one corner of them not to be seen at all."""
    pixels = np.random.default_rng(8).integers(0, 256, (7, 9, 4)).astype(np.uint8)
    pixels[:3, :3, 3] = 0
    path = tmp_path / "glass.png"
    Image.fromarray(pixels).save(path)
    return str(path)


SPECS = ("box:3", "sharpen", "sobel-x", "[[0.3,-1.2],[0.7,0.4]]")
WAYS = ("auto", "premultiply", "keep", "filter")
STEPS = tuple(itertools.product("12", "12"))


@pytest.mark.slow
@pytest.mark.parametrize("alpha", WAYS)
@pytest.mark.parametrize("spec", SPECS)
def test_transparent_pixels_are_those_that_apply_writes(
    ask: Ask, run: Callable[..., Any], glass: str, spec: str, alpha: str
) -> None:
    """Each border has all four steps with each kernel, and with each way."""
    out = Path(glass).with_name("out.png")
    turn = WAYS.index(alpha) + SPECS.index(spec)
    for number, border in enumerate(Border):
        stride, dilation = STEPS[(turn + number) % len(STEPS)]
        words = ["--border", border.value, "--stride", stride, "--dilation", dilation]
        words += ["--alpha", alpha, "--bias", "3"]
        run("apply", spec, glass, str(out), "-q", *words)
        with Image.open(out) as picture:
            written = np.asarray(picture)
        for y, x in {(0, 0), (1, 1), (written.shape[0] - 1, written.shape[1] // 2)}:
            found = ask("explain", spec, glass, "--at", f"{x},{y}", *words)["channels"]
            values = [one["value"] for one in found]
            assert [*values, found[0]["opacity_value"]] == written[y, x].tolist()
            for one in found:
                last = one["steps"][-1]["value"] if one["steps"] else one["raw"]
                assert last == pytest.approx(one["value"], abs=0.01)


def test_colours_count_by_their_opacity_by_hand(
    ask: Ask, run: Callable[..., Any], tmp_path: Path
) -> None:
    path = str(tmp_path / "two.png")
    Image.fromarray(np.array([[[200, 255], [100, 51]]], np.uint8)).save(path)
    words = ["explain", "[[0.5,0.5]]", path, "--at", "0,0", "-p", "valid"]
    (one,) = ask(*words)["channels"]
    # (200·1 + 100·0.2)/2 = 110 of an opacity of (1 + 0.2)/2 = 0.6: 183.33
    assert one["planes"][0]["patch"] == [[200, 20]]
    assert one["sum"] == 110
    assert one["seen"] == pytest.approx(0.6)
    assert one["raw"] == pytest.approx(110 / 0.6)
    assert (one["value"], one["opacity_value"]) == (183, 153)
    text = run(*words).stdout
    rows = [" ".join(row) for row in cells(text)]
    assert [row for row in rows if row.startswith("opacity 0.6 / 1 = 0.6")]
    assert [row for row in rows if row.startswith("colour 110 / 0.6 = 183.3")]
    assert "patch × opacity" in text


OPERATORS = [
    ("sobel", []),
    ("kirsch", []),
    ("sobel-x+sobel-y", ["--combine", "mean", "--flip"]),
    ("sobel-x+box:5", ["--combine", "min", "--stride", "2"]),
    ("sobel-x+sobel-y@45", ["--combine", "sum", "--border", "wrap", "--range", "balance"]),
    ("sobel", ["--bias", "7", "--dilation", "2", "--range", "stretch"]),
]


@pytest.mark.parametrize(("spec", "words"), OPERATORS)
def test_an_operator_is_its_parts_and_their_combination(
    ask: Ask, run: Callable[..., Any], tmp_path: Path, spec: str, words: list[str]
) -> None:
    source, out, floats = (str(tmp_path / name) for name in ("in.png", "out.png", "out.npy"))
    pixels = np.random.default_rng(9).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(source)
    run("apply", spec, source, out, "-q", *words)
    unmapped = words[:-2] if "--range" in words else words
    run("apply", spec, source, floats, "-q", *unmapped)
    with Image.open(out) as picture:
        written = np.asarray(picture)
    for x, y in [(0, 0), (2, 3)]:
        found = ask("explain", spec, source, "--at", f"{x},{y}", *words)["channels"]
        assert [one["value"] for one in found] == written[y, x].tolist()
        for one, raw in zip(found, np.load(floats)[y, x], strict=True):
            assert one["raw"] == pytest.approx(raw, abs=1e-3)


def test_a_gradient_by_hand(ask: Ask, run: Callable[..., Any], tmp_path: Path) -> None:
    path = str(tmp_path / "corner.png")
    Image.fromarray(np.array([[0, 0, 0], [0, 0, 0], [0, 0, 10]], np.uint8)).save(path)
    (one,) = ask("explain", "sobel", path, "--at", "1,1")["channels"]
    assert one["combine"] == "magnitude"
    assert [(part["kernel"], part["raw"]) for part in one["parts"]] == [
        ("sobel-x", 10),
        ("sobel-y", 10),
    ]
    assert one["raw"] == pytest.approx(200**0.5)
    assert one["value"] == 14
    text = run("explain", "sobel", path, "--at", "1,1").stdout
    assert ["magnitude", "√(10² + 10²) = 14.14"] in cells(text)


def test_numbers_that_are_none(ask: Ask, run: Callable[..., Any], tmp_path: Path) -> None:
    path = str(tmp_path / "nan.npy")
    np.save(path, np.array([[1, np.nan], [3, np.inf]], np.float32))
    (one,) = ask("explain", "box:3", path, "--at", "0,0")["channels"]
    assert one["planes"][0]["patch"][1] == [0, 1, None]
    assert one["value"] is None
    drawn = str(tmp_path / "nan.png")
    result = run("explain", "box:3", path, "--at", "0,0", "--png", drawn)
    assert result.exit_code == 0, result.output
    assert "nan" in result.stdout
    assert "inf" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["box:3", "bank.npy"])
def test_a_drawing_of_many_channels_stays_one_that_can_be_looked_at(
    run: Callable[..., Any], tmp_path: Path, kernel: str
) -> None:
    """The same grids for 13 channels as for 60, and a line that says so."""
    heights = []
    for channels in (12, 13, 60):
        np.save(tmp_path / "deep.npy", np.ones((5, 5, channels), np.float32))
        np.save(tmp_path / "bank.npy", np.ones((1, channels, 3, 3)))
        spec = str(tmp_path / kernel) if kernel.endswith("npy") else kernel
        drawn = tmp_path / f"{channels}.png"
        words = ("explain", spec, str(tmp_path / "deep.npy"), "--at", "2,2")
        result = run(*words, "--json", "--png", str(drawn))
        assert result.exit_code == 0, result.output
        with Image.open(drawn) as picture:
            heights.append(picture.height)
    assert heights[0] <= heights[1] == heights[2] < heights[0] + 40


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("explain", "box:3", "PICTURE", "--at", "0,0"),
        ("equivariance", "box:3", "PICTURE"),
        ("borders", "box:3", "PICTURE"),
        ("learn", "PICTURE", "PICTURE"),
        ("find", "box:3", "PICTURE"),
        ("animate", "box:3", "PICTURE", "OUT", "--frames", "2"),
    ],
)
def test_what_a_refusal_advises_is_an_option_of_the_command(
    run: Callable[..., Any], refuse: Callable[..., str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A limit that can be raised, pages of which one can be chosen."""
    path = tmp_path / "pages.tif"
    noise = np.random.default_rng(1).integers(1, 255, (2, 30, 40)).astype(np.uint8)
    pages = [Image.fromarray(page) for page in noise]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    places = {"PICTURE": str(path), "OUT": str(tmp_path / "out.gif")}
    call = [places.get(word, word) for word in words]
    assert "raise --max-pixels" in refuse(*call, "--max-pixels", "1199")
    for frame in ("0", "1"):
        result = run(*call, "--max-pixels", "1200", "--frame", frame)
        assert result.exit_code == 0, result.output
    assert "expected a frame of 0 to 1" in refuse(*call, "--frame", "2")


def test_transposed_sums_are_those_of_torch() -> None:
    for number, found in enumerate(json.loads((GOLDEN / "transposed.json").read_text())):
        channels, filters, size, settings = found["case"]
        if settings.pop("groups", 1) > 1:
            continue  # apply has no groups
        rng = np.random.default_rng(number)
        image = rng.normal(size=(6, 7, channels))
        weights, bias = rng.normal(size=(channels, filters, *size)), rng.normal(size=filters)
        more = settings.pop("output_padding", 0)
        options = Options(
            transposed=True,
            output_padding=more,
            stride=settings["stride"],
            padding=tuple(settings["padding"])
            if isinstance(settings["padding"], list)
            else settings["padding"],
            dilation=tuple(settings.get("dilation", (1, 1))),
        )
        explainer = Explainer(Kernel(weights), Frame(image), options)
        assert list(explainer.shape) == found["shape"]
        for index, expected in enumerate(found["every_fifth"]):
            row, column, channel = np.unravel_index(5 * index, explainer.shape)
            (one,) = explainer.at((int(row), int(column)), int(channel))
            assert one.raw + bias[channel] == pytest.approx(expected, abs=1e-6)
            assert one.value == pytest.approx(one.raw)


def test_a_transposed_pixel_by_hand(ask: Ask, run: Callable[..., Any]) -> None:
    words = ["explain", "[[1,2,3],[4,5,6],[7,8,9]]", "[[1,2],[3,4]]", "--at", "2,1"]
    words += ["--transposed", "--stride", "2", "--padding", "0", "--range", "clip"]
    (one,) = ask(*words)["channels"]
    # Stamps of 1 and 2, two pixels apart, meet in column 2: 1·6 + 2·4.
    assert (one["sum"], one["spread"]) == (14, [2, 2])
    assert one["value"] == pytest.approx(14)
    assert one["padded"] == [[True] * 3, [False, True, False], [True] * 3]
    text = run(*words).stdout
    assert "means" not in text
    assert "7 of 9 taps see them, in brackets" in text


@pytest.mark.parametrize(
    "more", [{"linear": True}, {"amount": 0.5}, {"relu": True}, {"map": 0}, {"missing": 0}]
)
def test_steps_that_are_not_shown_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(convcli.OptionError, match="it does not show"):
        convcli.explain("box:3", np.ones((4, 4), np.uint8), (1, 1), **more)


def test_a_background_is_seen_by_the_window() -> None:
    glass = np.zeros((3, 3, 4), np.uint8)
    one, *_ = convcli.explain("box:3", glass, (1, 1), background="white", depth=16)
    assert one.value == 65_535
    assert one.parts[0].planes[0].patch.tolist() == [[65_535] * 3] * 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kernel", ["sobel-x", "box", "[[1,1,-1]]"])
def test_infinite_pixels_are_explained_without_a_warning(kernel: str) -> None:
    pixels = np.ones((5, 5, 1))
    pixels[2, 1:4, 0] = [np.inf, np.nan, np.inf]
    (found,) = Explainer(kernel_from(kernel), Frame(pixels)).at((2, 2))
    assert np.isnan(found.raw)
    assert found.parts[0].planes[0].products.shape == kernel_from(kernel).size

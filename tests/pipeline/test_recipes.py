"""Recipes: what is written is read back, and repeats a run bit for bit."""

import json
import tomllib
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
from PIL import Image

import convcli
from convcli import choices
from convcli.cli.app import main
from convcli.errors import ConvcliError
from convcli.pipeline.recipe import OPTION_NAMES, Recipe, recipe_from
from support import commands
from support.schemas import validator

PHOTO = np.random.default_rng(6).integers(0, 256, (20, 30, 3), dtype=np.uint8)
WEIGHTS = [[0.1, 1 / 3, 0.7], [2.0, -1e-7, 1.0], [0.0, 0.5, 0.25]]


def run(*line: object) -> None:
    main([str(word) for word in line], prog_name="convcli", standalone_mode=False)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("in.png")
    Path("mine.json").write_text(json.dumps({"weights": WEIGHTS, "bias": 0.1, "name": "é"}))
    Image.fromarray(PHOTO[..., 0]).save("mask.png")
    return tmp_path / "in.png"


SCHEMA = validator("recipe")

RUNS = {
    "a name": ["gaussian:2@90", "--border", "replicate,wrap"],
    "a file": ["mine.json", "--then", "relu", "--then", "max:2", "--stride", "2x1"],
    "options": ["sharpen", "--padding", "0,1,2,3", "--border", "constant:#ff8800"],
    "joined": ["mine.json+box:3", "--combine", "sum", "--range", "stretch", "--times", "2"],
    "an operator": ["sobel", "--gray", "--flip", "--range", "abs"],
    "mixed": ["box:5", "--amount", "0.3", "--mask", "mask.png", "--channels", "r,2"],
    "region": ["box:5", "--region", "10%,2,50%x9", "--bias", "1e-05"],
    "missing": ["box:5", "--missing", "3", "--missing-min", "0.25"],
    "colours": ["mine.json", "--background", "red", "--linear", "--depth", "16"],
}


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS.keys())
def test_replay_is_the_same_bit_for_bit(words: list[str], photo: Path) -> None:
    kernel, *options = words
    run("apply", kernel, photo, "a.png", *options, "-q", "--save-recipe", "r.toml", "--record")
    Path("mine.json").unlink()
    text = Path("r.toml").read_text("ascii")
    SCHEMA.validate(tomllib.loads(text))
    run("apply", "--recipe", "r.toml", photo, "b.png", "-q", "--record")
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()
    recipe = convcli.recipe("a.png")
    assert str(recipe) == text
    ours = convcli.apply(recipe, photo).array
    if "16" not in words:  # Pillow has no colours of 16 bits
        np.testing.assert_array_equal(ours, np.asarray(Image.open("a.png")))


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tif", "out.webp"])
def test_metadata_holds_the_recipe(
    name: str, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("apply", "mine.json", photo, name, "-q", "--record", "--save-recipe", "r.toml")
    text = Path("r.toml").read_text()
    capsys.readouterr()
    run("recipe", name)
    assert capsys.readouterr().out == text
    with Image.open(name) as image:
        exif = image.getexif().get_ifd(0x8769).get(0x9286)
        held = {"out.png": image.info.get("convcli recipe")}.get(name, exif)
    if name == "out.tif":
        with tifffile.TiffFile(name) as tiff:
            held = tiff.pages[0].tags["ImageDescription"].value  # type: ignore[union-attr]
    text = text.rstrip() if name == "out.tif" else text  # tifffile strips it
    assert held in (text, b"ASCII\0\0\0" + text.encode())
    run("apply", "box:3", name, "next.png", "-q")
    with pytest.raises(ConvcliError, match="no recipe"):
        convcli.recipe("next.png")


def test_a_tiled_run_keeps_it(photo: Path) -> None:
    tifffile.imwrite("in.tif", PHOTO, tile=(16, 16))
    run("apply", "box:3", "in.tif", "out.tif", "--tiled", "-q", "--record")
    assert convcli.recipe("out.tif").kernel == "box:size=3"
    with pytest.raises(ConvcliError, match="no place for a recipe"):
        run("apply", "box:3", photo, "out.gif", "-q", "--record")
    assert not Path("out.gif").exists()


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize("words", [(), ("--tiled", "--frame", "1")])
def test_it_takes_the_place_of_ome_xml(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    channels = {"axes": "CYX"}
    tifffile.imwrite("in.tif", PHOTO.transpose(2, 0, 1), tile=(16, 16), ome=True,
                     photometric="minisblack", metadata=channels)  # fmt: skip
    run("apply", "box:3", "in.tif", "out.tif", "-q", "--record", *words)
    assert "the OME-XML is dropped: the recipe (--record)" in capsys.readouterr().err
    assert convcli.recipe("out.tif").kernel == "box:size=3"


def test_the_command_line_wins_and_the_environment_does_not(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("r.toml").write_text('recipe = 1\nkernel = "box:5"\n[options]\nborder = "wrap"\n')
    main(["apply", "--recipe", "r.toml", str(photo), "a.png", "-q", "--border", "edge"],
         prog_name="convcli", standalone_mode=False)  # fmt: skip
    run("apply", "box:5", photo, "b.png", "-q", "--border", "edge")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    monkeypatch.setenv("CONVCLI_APPLY_BORDER", "reflect")
    monkeypatch.setenv("CONVCLI_APPLY_STRIDE", "3")
    main(["apply", "--recipe", "r.toml", str(photo), "c.png", "-q"], prog_name="convcli",
         standalone_mode=False, auto_envvar_prefix="CONVCLI")  # fmt: skip
    monkeypatch.delenv("CONVCLI_APPLY_BORDER")
    monkeypatch.delenv("CONVCLI_APPLY_STRIDE")
    run("apply", "box:5", photo, "d.png", "-q", "--border", "wrap")
    assert Path("c.png").read_bytes() == Path("d.png").read_bytes()


def test_the_schema_knows_each_option_and_each_word() -> None:
    known = SCHEMA.schema["properties"]["options"]["properties"]
    assert set(known) == OPTION_NAMES
    for name in ("range", "alpha", "combine", "colormap", "method", "depth"):
        words = {member.value for member in getattr(choices, name.capitalize())}
        assert set(map(str, known[name]["enum"])) == words
    for border in choices.Border:
        SCHEMA.validate(
            {"recipe": 1, "kernel": "box", "options": {"border": f"wrap,{border.value}"}}
        )


@pytest.mark.parametrize(
    "document",
    [
        {"kernel": "box"},
        {"recipe": 2, "kernel": "box"},
        {"recipe": 1, "kernel": "box", "times": 0},
        {"recipe": 1, "kernel": "box", "colour": 1},
        {"recipe": 1, "kernel": "box", "options": {"jobs": 2}},
        {"recipe": 1, "kernel": "box", "options": {"border": "mirror"}},
        {"recipe": 1, "kernel": "box", "options": {"region": "1,2"}},
    ],
)
def test_the_schema_refuses_what_is_no_recipe(document: dict[str, Any]) -> None:
    assert not SCHEMA.is_valid(document)


def test_results_of_the_library_have_a_recipe(photo: Path) -> None:
    chain = [convcli.Kernel(WEIGHTS, name="mine"), "relu"]
    options: Any = {"border": "wrap", "mask": "mask.png", "channels": "luma"}
    first = convcli.apply(chain, photo, times=2, **options)
    bare = convcli.apply([WEIGHTS, "relu"], photo, times=2, **options)
    np.testing.assert_array_equal(bare.array, first.array)
    first.recipe.save("r.toml")
    first.save("a.png", record=True)
    SCHEMA.validate(tomllib.loads(Path("r.toml").read_text()))
    for source in ("r.toml", Path("a.png"), first.recipe):
        again = convcli.apply(photo, recipe=source)
        np.testing.assert_array_equal(again.array, first.array)
        assert str(again.recipe) == str(first.recipe)
    run("apply", "--recipe", "r.toml", photo, "b.png", "-q")
    np.testing.assert_array_equal(np.asarray(Image.open("b.png")), first.array)
    changed = convcli.apply(photo, recipe="r.toml", border="edge").recipe
    assert changed.options["border"] == "replicate"


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize(("times", "expected"), [({}, 8.0), ({"times": 1}, 2.0)])
def test_times_that_are_given_win(times: dict[str, Any], expected: float) -> None:
    """A kernel of 2, three times, makes 8 of 1; once it makes 2."""
    doubled = convcli.Recipe("[[2]]", times=3)
    assert convcli.apply([[1.0]], recipe=doubled, **times).array.tolist() == [[expected]]
    assert convcli.apply(doubled, [[1.0]], **times).recipe.times == times.get("times", 3)
    doubled.save("r.toml")
    Path("one.csv").write_text("1")
    words = [f"--times={count}" for count in times.values()]
    run("apply", "--recipe", "r.toml", "one.csv", "out.csv", "-q", *words)
    assert float(Path("out.csv").read_text()) == expected


def test_batches_and_tiles_of_the_library_keep_it(photo: Path) -> None:
    convcli.apply_files("mine.json", photo, "out", times=2, record=True)
    expected = convcli.apply("mine.json", photo, times=2)
    assert str(convcli.recipe("out/in.png")) == str(expected.recipe)
    np.testing.assert_array_equal(np.asarray(Image.open("out/in.png")), expected.array)
    tifffile.imwrite("in.tif", PHOTO, tile=(16, 16))
    convcli.apply_tiled("mine.json", "in.tif", "out.tif", times=2, record=True)
    assert str(convcli.recipe("out.tif")) == str(expected.recipe)
    np.testing.assert_array_equal(convcli.open("out.tif").array, expected.array)


def test_a_recipe_has_its_kernel(photo: Path) -> None:
    with pytest.raises(ConvcliError, match="the picture alone"):
        convcli.apply("box", photo, recipe="r.toml")
    with pytest.raises(ConvcliError, match="a kernel and a picture"):
        convcli.apply(photo)
    with pytest.raises(ConvcliError, match="one of pool"):
        convcli.pool("max", photo).recipe.save("r.toml")


def test_library_options_change_a_recipe() -> None:
    recipe = Recipe("box:3", ("relu",), 2, {"border": "wrap"})
    ours = convcli.apply(recipe, PHOTO, border="edge").array
    theirs = convcli.apply("box:3", PHOTO, then="relu", times=2, border="edge").array
    np.testing.assert_array_equal(ours, theirs)


REFUSED: dict[str, str] = {
    "kernel = 3": "recipe = 1",
    "recipe = 2\nkernel = 'box'": "got 2",
    "recipe = 1\nkernel = 3": "a text as kernel",
    "recipe = 1\nkernel = 'box'\nthen = 'relu'": "a list of texts",
    "recipe = 1\nkernel = 'box'\ntimes = 'two'": "a whole number",
    "recipe = 1\nkernel = 'box'\ncolour = 1": "unknown key",
    "recipe = 1\nkernel = 'box'\n[options]\nbordr = 'wrap'": "expected options of",
    "recipe = 1\nkernel = 'box'\n[options]\njobs = 3": "expected options of",
    "recipe = ": "no recipe",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_what_is_no_recipe(text: str, photo: Path) -> None:
    with pytest.raises(ConvcliError, match=REFUSED[text]):
        recipe_from(text)
    Path("r.toml").write_text(text)
    with pytest.raises((ConvcliError, click.ClickException)):
        run("apply", "--recipe", "r.toml", photo, "out.png")
    assert not Path("out.png").exists()


def test_an_option_that_makes_no_sense_names_the_file(photo: Path) -> None:
    Path("r.toml").write_text('recipe = 1\nkernel = "box"\n[options]\nborder = "mirror"')
    with pytest.raises(ConvcliError, match=r"r\.toml: border"):
        run("apply", "--recipe", "r.toml", photo, "out.png")


def test_a_mask_that_is_no_file_is_refused() -> None:
    from convcli.pipeline.recipe import recipe_of
    from convcli.settings import options_from_words

    options: Any = options_from_words(mask=np.ones((2, 2)))
    with pytest.raises(ConvcliError, match="a mask from a file"):
        recipe_of([convcli.kernel("box")], 1, options)


@pytest.mark.parametrize(
    "words",
    [("out.gif", "--depth", "16"), ("bad.png", "--out-dir", "out"), ("-o", "no/out.png")],
)
def test_a_run_that_fails_leaves_no_recipe(words: tuple[str, ...], photo: Path) -> None:
    Path("bad.png").write_bytes(b"no picture")
    ended = commands.run("apply", "box", photo, *words, "-q", "--save-recipe", "r.toml")
    assert ended.exit_code == 1
    assert not Path("r.toml").exists()


@pytest.mark.parametrize("name", ["no/r.toml", ".", ""])
def test_nothing_is_filtered_for_a_recipe_that_cannot_be_saved(name: str, photo: Path) -> None:
    for words in (("out.png",), ("--out-dir", "out")):
        ended = commands.run("apply", "box", photo, *words, "--save-recipe", name)
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "cannot be written" in ended.stderr
        assert not Path("out.png").exists()
        assert not Path("out").exists()


def test_a_recipe_needs_no_kernel(photo: Path) -> None:
    commands.done("apply", "box", photo, "a.png", "-q", "--save-recipe", "r.toml")
    Path("list").write_text(f"{photo}\n")
    again = ("apply", "--recipe", "r.toml")
    commands.done(*again, "--files-from", "list", "--out-dir", "out", "-q")
    assert commands.load(Path("out") / photo.name) == commands.load(Path("a.png"))
    assert commands.refusal(*again, status=2).startswith("Missing argument 'INPUT'")
    assert commands.refusal(*again, photo, status=2).startswith("Missing argument 'OUTPUT'")


def test_a_recipe_does_not_go_to_standard_output(photo: Path) -> None:
    ended = commands.run("apply", "box", photo, "out.png", "--save-recipe", "-")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "the name of a file to write" in ended.stderr
    assert not Path("out.png").exists()


def test_a_run_that_ends_well_leaves_its_recipe(photo: Path) -> None:
    for words in (("--out-dir", "out"), ("out.png",), ("out.png", "--on-exists", "skip")):
        commands.done("apply", "box", photo, *words, "-q", "--save-recipe", "r.toml")
        assert recipe_from(Path("r.toml").read_text()).kernel == "box"
        Path("r.toml").unlink()

"""What a command line says where an option has no use, or nothing happened."""

import json
from pathlib import Path

import numpy as np
import pytest

from support.commands import cells, done, load, refusal, run, save


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in.png", [[10, 20], [30, 40]])
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "box", "in.png", "out.png"),
        ("apply", "sobel", "in.png", "out.png", "--then", "box"),
        ("find", "box", "in.png"),
        ("kernels", "box"),
        ("kernels",),
    ],
)
def test_a_layout_without_a_bank_is_refused(folder: Path, words: tuple[str, ...]) -> None:
    line = refusal(*words, "--layout", "hwio", status=2)
    assert "--layout is for filter banks, and no kernel is one: drop it" in line
    assert not (folder / "out.png").exists()


def test_a_layout_of_a_bank_counts(folder: Path) -> None:
    """Two maps of one channel, whose only weights are 1 and 2: (rows, columns, in, out)."""
    np.save(folder / "bank.npy", np.array([[[[1, 2]]]]))
    done("apply", "bank.npy", "in.png", "{map}.png", "--layout", "hwio")
    assert load(folder / "0.png") == [[10, 20], [30, 40]]
    assert load(folder / "1.png") == [[20, 40], [60, 80]]


@pytest.mark.parametrize("more", [("--on-exists", "overwrite"), ("-o", "out.png")])
def test_a_picture_that_is_replaced_on_purpose_needs_no_warning(
    folder: Path, more: tuple[str, ...]
) -> None:
    save(folder / "out.png", [[1, 2]])
    words = ("in.png", *(() if "-o" in more else ("out.png",)), *more)
    assert run("apply", "[[2]]", *words).stderr == "replaced out.png\n"


def test_the_same_command_again_needs_no_warning(folder: Path) -> None:
    save(folder / "out.png", [[1, 2]])
    words = ("apply", "[[2]]", "in.png", "out.png")
    assert "was another picture beside INPUT" in run(*words).stderr
    assert run(*words).stderr == "replaced out.png\n"


@pytest.mark.parametrize(
    "words",
    [("sobel-x", "in.png", "b.png"), ("sobel-x", "in.png"), ("k.json", "in.png", "b.png")],
)
def test_a_kernel_beside_a_recipe_is_refused(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "k.json").write_text("[[1]]")
    done("apply", "[[2]]", "in.png", "a.png", "--save-recipe", "r.toml")
    line = refusal("apply", "--recipe", "r.toml", *words, status=2)
    assert f"the kernel is the recipe's, and '{words[0]}' would be INPUT: leave it out" in line
    done("apply", "--recipe", "r.toml", "in.png", "b.png")
    assert load(folder / "b.png") == [[20, 40], [60, 80]]


def test_a_plan_and_a_preview_count_the_same_tiles(folder: Path) -> None:
    words = ("apply", "gaussian:9", "large.tif", "out.tif", "--tiled", "--jobs", "2")
    save(folder / "large.tif", np.zeros((900, 1200)))
    planned = json.loads(done(*words, "--plan", "--json"))
    *_, last = done(*words, "--dry-run", "--json").splitlines()
    assert json.loads(last)["summary"]["plan"] == planned["plans"]


@pytest.mark.slow
def test_a_preview_of_a_retry_lists_what_failed_and_runs_nothing(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    words = ("apply", "[[2]]", "in.png", "bad.png", "--out-dir", "out")
    assert run(*words, "--manifest", "run.jsonl").exit_code == 1
    before = (folder / "run.jsonl").read_bytes()
    save(folder / "bad.png", [[7]])
    shown = done("retry", "run.jsonl", "--dry-run")
    assert ["bad.png", "write", "out/bad.png"] in [row[:3] for row in cells(shown)]
    assert not (folder / "out" / "bad.png").exists()
    assert (folder / "run.jsonl").read_bytes() == before


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("kernel", "said"), [("identity", "none"), ("[[10]]", "50.00 %"), ("[[6.4]]", "25.00 %")]
)
def test_what_is_clipped(kernel: str, said: str) -> None:
    """Of 10, 20, 30 and 40 times 6.4 only 256 is above 255; ten times, 300 and 400 are."""
    shown = done("apply", kernel, "in.png", "out.png")
    assert [row[1] for row in cells(shown) if row[0] == "clipped"] == [said]


def test_a_small_share_is_not_shown_as_none(folder: Path) -> None:
    save(folder / "many.png", np.pad(np.full((1, 1), 9), ((0, 199), (0, 199))))
    shown = done("apply", "[[30]]", "many.png", "out.png")
    assert [row[1] for row in cells(shown) if row[0] == "clipped"] == ["0.01 %"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("kernel", ["[1,2,1]", "1 2 1", '{"weights": [1, 2, 1]}'])
def test_a_flat_list_is_a_kernel_of_one_row(kernel: str) -> None:
    words = ("apply", kernel, "[[1,2],[3,4]]", "--json")
    assert json.loads(done(*words))["result"] == [[4, 5], [10, 11]]
    assert json.loads(done(*words, "--axis", "y"))["result"] == [[5, 8], [7, 10]]


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "box:3", "in.png", "out.png", "--save-recipe", "in.png"),
        ("apply", "box:3", "in.png", "out.png", "--save-recipe", "out.png"),
        ("apply", "box:3", "in.png", "out.png", "--compare", "in.png"),
        ("apply", "box:3", "in.png", "out.png", "--compare", "./out.png"),
        ("find", "box:3", "in.png", "--mark", "in.png"),
        ("explain", "box:3", "in.png", "--at", "1,1", "--png", "in.png"),
        ("explain", "box:3", "in.png", "in.png", "--at", "1,1"),
        ("borders", "box:3", "in.png", "--png", "in.png"),
        ("animate", "box:3", "in.png", "in.png", "--cells", "2", "--at", "1,1"),
        ("stack", "--in", "8x8x1", "conv:1,k3", "--run", "in.png", "--unit", "1:0@1,1",
         "--png", "in.png"),
    ],
)  # fmt: skip
def test_no_drawing_replaces_a_picture_of_the_run(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path("in.png"), np.full((9, 9), 7))
    before = Path("in.png").read_bytes()
    assert "is a picture of this run itself" in refusal(*words, status=2)
    assert Path("in.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


@pytest.mark.parametrize("more", [(), ("--json",), ("--png", "k.png"), ("--schema",)])
def test_a_kernel_is_written_to_a_file_by_export_alone(
    folder: Path, more: tuple[str, ...]
) -> None:
    line = refusal("kernels", "sobel-x", "-o", "k.json", *more, status=2)
    assert line.startswith("--output belongs to --export: add that, or drop --output")
    assert [path.name for path in folder.iterdir()] == ["in.png"]
    done("kernels", "sobel-x", "--export", "json", "-o", "k.json")
    assert json.loads((folder / "k.json").read_text())["weights"][1] == [-2, 0, 2]


@pytest.mark.parametrize("option", ["--sheet", "--colormap=diverging"])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_printed_grids_are_no_sheet_and_have_no_heat(
    folder: Path, option: str, more: tuple[str, ...]
) -> None:
    line = refusal("apply", "box", "[[1,2],[3,4]]", option, *more, status=2)
    name = option.partition("=")[0]
    assert line.startswith(f"{name} is for a picture that is written: name OUTPUT, or drop it")
    assert [path.name for path in folder.iterdir()] == ["in.png"]

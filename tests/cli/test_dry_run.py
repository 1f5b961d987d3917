"""--dry-run: what it lists is what a run does; and nothing is written."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.commands import cells, done, process, refusal, run, save

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.jpg", "sub/c.png", ".hidden.png", ".dir/d.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        save(tmp_path / "photos" / name, np.full((40, 50, 3), 7))
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "photos" / "bad.png").write_text("no picture")
    return tmp_path


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def listed(*words: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any], int]:
    """Return what a dry run lists for each input, its summary, and its status."""
    ended = run("apply", "[[2]]", *words, "--dry-run", "--json")
    *lines, last = map(json.loads, ended.stdout.splitlines())
    assert ended.stderr == ""
    return {line.pop("source"): line for line in lines}, last["summary"], ended.exit_code


@pytest.mark.parametrize("recursive", [(), ("--recursive",)])
def test_what_is_listed_is_what_is_done(folder: Path, recursive: tuple[str, ...]) -> None:
    words = ("photos", "gone.png", "--out-dir", "photos/out", *recursive)
    before = tree(folder)
    files, summary, status = listed(*words)
    assert tree(folder) == before
    written = {line["target"] for line in files.values() if line["action"] == "write"}
    assert written == {"photos/out/a.png", "photos/out/b.jpg"} | (
        {"photos/out/sub/c.png"} if recursive else set()
    )
    failed = {name: line["reason"] for name, line in files.items() if line["action"] == "fail"}
    assert failed["gone.png"] == "no such file: check the path"
    assert "expected a picture" in failed["photos/bad.png"]
    left = {name: line["reason"] for name, line in files.items() if line["target"] is None}
    expected = {
        "photos/notes.txt": ".txt is no picture that is read",
        "photos/.hidden.png": "hidden",
        "photos/.dir": "hidden",
    }
    if not recursive:
        expected["photos/sub"] = "a folder: --recursive looks into it"
    assert left == expected
    assert (summary["write"], summary["fail"]) == (len(written), 2)
    # A picture takes its 6,000 bytes at least four times; one is in work on each core.
    assert files["photos/a.png"]["memory_bytes"] > 24_000
    assert summary["memory_bytes"] >= files["photos/a.png"]["memory_bytes"]
    assert summary["plan"][0]["strategy"]
    real = run("apply", "[[2]]", *words, "-q")
    assert real.exit_code == status == 1
    assert {str(path) for path in Path("photos/out").rglob("*.*")} == written
    files, _, _ = listed(*words, "--on-exists", "skip")
    assert {files[name]["action"] for name in ("photos/a.png", "photos/b.jpg")} == {"skip"}
    files, _, _ = listed(*words, "--on-exists", "overwrite")
    assert files["photos/a.png"]["action"] == "replace"
    assert files.get("photos/out", {}).get("reason") == "the folder of the outputs"


def test_a_dry_run_refuses_what_a_run_refuses(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.png").touch()
    words = ("apply", "box", "photos", "--out-dir", "out")
    assert refusal(*words, "--dry-run", status=2) == refusal(*words, status=2)
    words = ("apply", "box", "photos/a.png", "out/a.png", "-n")
    assert refusal(*words, "--dry-run", status=1) == refusal(*words, status=1)


def test_one_picture(folder: Path) -> None:
    before = tree(folder)
    files, summary, status = listed("photos/a.png", "out.png")
    assert files["photos/a.png"]["action"] == "write"
    assert (summary["write"], status) == (1, 0)
    files, _, status = listed("photos/a.png", "photos/b.jpg", "--depth", "16")
    assert (files["photos/a.png"]["action"], status) == ("fail", 1)
    assert "JPEG cannot hold 16 bits" in files["photos/a.png"]["reason"]
    assert "INPUT itself" in refusal("apply", "box", "photos/a.png", "photos", status=2)
    assert tree(folder) == before


@pytest.mark.parametrize("preview", ["--dry-run", "--plan"])
@pytest.mark.parametrize("target", [("out.png",), ("--out-dir", "out")])
def test_no_recipe_is_written(folder: Path, preview: str, target: tuple[str, ...]) -> None:
    before = tree(folder)
    words = ("apply", "box", "photos/a.png", *target, preview, "--save-recipe", "box.toml")
    assert run(*words).exit_code == 0
    assert tree(folder) == before


def test_a_zarr_that_is_there_is_replaced(folder: Path) -> None:
    save(folder / "in.tif", np.zeros((60, 50)))
    done("apply", "box", "in.tif", "out.zarr", "-q")
    files, _, status = listed("in.tif", "out.zarr")
    assert (files["in.tif"]["action"], status) == ("replace", 0)


def test_a_plan_of_blocks_refuses_what_a_run_refuses(folder: Path) -> None:
    save(folder / "in.tif", np.zeros((60, 50)))
    words = ("apply", "box", "in.tif", "nowhere/out.tif", "--tiled")
    assert refusal(*words, "--plan", status=1) == refusal(*words, status=1)
    refusal("apply", "box", "in.tif", "out.zarr", "--compare", "page.png", status=2)
    assert not (folder / "out.zarr").exists()


def test_a_picture_in_blocks(folder: Path) -> None:
    save(folder / "in.tif", np.zeros((600, 500, 3)))
    before = tree(folder)
    files, summary, _ = listed("in.tif", "out.tif", "--tiled")
    assert files["in.tif"]["action"] == "write"
    assert summary["memory_bytes"] > 600 * 500 * 3
    assert tree(folder) == before


@pytest.mark.parametrize("words", [(), ("--tiled",)])
def test_an_output_that_cannot_be_written(folder: Path, words: tuple[str, ...]) -> None:
    save(folder / "in.tif", np.zeros((60, 50, 3)))
    ended = run("apply", "box", "in.tif", "nowhere/out.tif", "--dry-run", "--json", *words)
    preview = json.loads(ended.stdout.splitlines()[0])
    assert (ended.exit_code, preview["action"]) == (1, "fail")
    assert "nowhere does not exist: make it first" in preview["reason"]


def test_a_table_in_a_pipe_is_plain(folder: Path) -> None:
    words = ("apply", "box", "photos", "--out-dir", "out", "--dry-run")
    ended = process(*words, folder=folder, COLUMNS="20")
    assert ended.stderr == b""
    lines = ended.stdout.decode()
    assert "\x1b" not in lines
    rows = cells(lines)
    assert rows[0] == ["Nothing is written: write 2, fail 1, leave out 4"]
    assert ["photos/a.png", "write", "out/a.png"] in [row[:3] for row in rows]
    assert ["photos/notes.txt", "leave out", "-", "-"] in [row[:4] for row in rows]
    assert ["Plan for box"] in rows
    assert not Path("out").exists()


def test_the_plan_of_the_first_file_of_a_batch(folder: Path) -> None:
    ended = run("apply", "box", "photos", "--out-dir", "out", "--plan", "--json", "--jobs", "1")
    single = run("apply", "box", "photos/a.png", "out.png", "--plan", "--json", "--jobs", "1")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == json.loads(single.stdout)
    assert not (folder / "out").exists()
    line = refusal("apply", "box", "photos/bad.png", "--out-dir", "out", "--plan", status=1)
    assert line == "out: expected a picture to plan for, got none"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "photos" / "pipe.png")
    os.mkfifo(folder / "named.png")
    files, _, _ = listed("photos", "named.png", "--out-dir", "out")
    assert files["named.png"]["action"] == "write"
    assert files["photos/pipe.png"]["reason"] == "a pipe"

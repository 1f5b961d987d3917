"""`convcli apply --out-dir`, as a shell runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.commands import (
    PHOTOS,
    cells,
    command,
    done,
    environment,
    load,
    process,
    refusal,
    run,
    save,
)
from support.terminal import shown

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make three pictures of one row in a folder of the working folder."""
    (tmp_path / "photos").mkdir()
    for number in (1, 2, 3):
        save(tmp_path / "photos" / f"{number}.png", [[number, 10 * number]])
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def outputs(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# ------------------------------------------------------------------ what is made


def test_files_folders_and_patterns_go_into_one_folder(photos: Path) -> None:
    save(Path("4.png"), [[4, 40]])
    save(Path("5.png"), [[5, 50]])
    text = done(
        "apply", "[[2]]", photos, "[4-9].png", "--out-dir", "a/b", "--name", "x{stem}.png"
    )
    assert outputs(Path("a/b")) == [f"x{number}.png" for number in (1, 2, 3, 4, 5)]
    assert load(Path("a/b/x3.png")) == [[6, 60]]
    assert text.splitlines()[0] == "5 files → a/b"
    assert [row for row in cells(text) if row[-1] == "files"] == [
        ["done", "5", "files"],
        ["skipped", "0", "files"],
        ["failed", "0", "files"],
    ]


@pytest.mark.parametrize("name", ["rocket.jpg", "coffee.png"])
def test_a_batch_of_one_is_a_single_run_byte_for_byte(name: str, tmp_path: Path) -> None:
    words = ("--border", "reflect", "--quality", "80", "--format", "jpg", "-q")
    process("apply", "gaussian:2", PHOTOS / name, tmp_path / "one.jpg", *words)
    process("apply", "gaussian:2", PHOTOS / name, "--out-dir", tmp_path / "many", *words)
    (made,) = (tmp_path / "many").iterdir()
    assert made.read_bytes() == (tmp_path / "one.jpg").read_bytes()


def test_recursion_makes_the_same_tree(photos: Path) -> None:
    for place in ("x", "x/y"):
        (photos / place).mkdir()
        save(photos / place / "1.png", [[7, 8]])
    done("apply", "[[2]]", photos, "--recursive", "--out-dir", photos / "out", "-q")
    made = ["1.png", "2.png", "3.png", "x/1.png", "x/y/1.png"]
    assert outputs(photos / "out") == made
    # The outputs, which are in the same tree, are no inputs of the next run.
    words = ("--recursive", "--out-dir", photos / "out", "--on-exists", "overwrite", "-q")
    done("apply", "[[2]]", photos, *words)
    assert outputs(photos / "out") == made


def test_each_map_of_a_bank_has_a_file(photos: Path) -> None:
    np.save("bank.npy", np.ones((5, 1, 1, 1)))
    done("apply", "bank.npy", photos, "--out-dir", "out", "--name", "{stem}/{map}.png", "-q")
    assert outputs(Path("out")) == [f"{n}/{m}.png" for n in (1, 2, 3) for m in range(5)]


def test_the_format_gives_the_suffix(photos: Path) -> None:
    done("apply", "[[1]]", photos, "--out-dir", "out", "--format", "tiff", "-q")
    assert outputs(Path("out")) == ["1.tif", "2.tif", "3.tif"]


@pytest.mark.parametrize("end", [b"\n", b"\0"])
def test_odd_names_from_a_list(end: bytes, tmp_path: Path) -> None:
    names = [
        "a b.png",
        "-dash.png",
        "grüße 世界.png",
        "'\"$(x).png",
        "*.png",
        "x" * 251 + ".png",
    ]
    names += ["two\nlines.png"] if end == b"\0" else []
    raw = [os.fsencode(name) for name in names]
    if sys.platform == "linux":  # Other systems take no names that are no text.
        raw.append(b"\xff\xfe.png")
    tiny = save(tmp_path / "tiny.png", [[1, 2]]).read_bytes()
    for name in raw:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(tiny)
    (tmp_path / "tiny.png").unlink()
    words = ("apply", "[[2]]", "--files-from", "-", "--out-dir", "out", "--json")
    ended = process(*words, stdin=end.join(raw) + end, folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, b"")
    made = {os.fsencode(path.name) for path in (tmp_path / "out").iterdir()}
    assert made == set(raw)
    assert {line["target"] for line in lines(ended.stdout.decode())[:-1]} == {
        f"out/{os.fsdecode(name)}" for name in raw
    }


def test_names_after_two_dashes(photos: Path) -> None:
    Path("-1.png").write_bytes((photos / "1.png").read_bytes())
    done("apply", "[[2]]", "--out-dir", "out", "-q", "--", "-1.png")
    assert load(Path("out/-1.png")) == [[2, 20]]


# ------------------------------------------------------------------ what goes wrong


def test_one_bad_file_stops_no_other(photos: Path) -> None:
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:40])
    result = run("apply", "[[2]]", photos, "nowhere.png", "--out-dir", "out")
    assert result.exit_code == 1
    assert outputs(Path("out")) == ["1.png", "3.png"]
    assert ["failed", "2", "files"] in cells(result.stdout)
    table = [line.split(maxsplit=1) for line in result.stdout.splitlines() if ".png" in line]
    assert {row[0] for row in table} == {str(photos / "2.png"), "nowhere.png"}
    assert result.stderr.startswith("Error: 2 of 4 files failed; the first: ")
    assert len(result.stderr.splitlines()) == 1


def test_fail_fast_starts_no_more(photos: Path) -> None:
    words = ("apply", "[[2]]", "nowhere.png", photos, "--jobs", "1", "--out-dir", "out")
    result = run(*words, "--fail-fast")
    assert result.exit_code == 1
    assert ["not started", "3", "files"] in cells(result.stdout)
    assert outputs(Path("out")) == []


def test_json_has_a_line_a_file_and_a_summary(photos: Path) -> None:
    result = run("apply", "[[2]]", photos, "nowhere.png", "--out-dir", "out", "--json")
    *each, last = lines(result.stdout)
    by_source = {Path(line["source"]).name: line for line in each}
    assert sorted(by_source) == ["1.png", "2.png", "3.png", "nowhere.png"]
    assert by_source["1.png"]["status"] == "done"
    assert by_source["1.png"]["target"] == "out/1.png"
    assert by_source["1.png"]["raw"] == {"min": 2.0, "max": 20.0}
    assert by_source["1.png"]["megapixels"] == 2e-6
    assert by_source["nowhere.png"]["reason"] == "no such file: check the path"
    summary = last["summary"]
    counts = {name: summary[name] for name in ("files", "done", "skipped", "failed")}
    assert counts == {"files": 4, "done": 3, "skipped": 0, "failed": 1}
    assert summary["megapixels"] == 6e-6


def test_warnings_are_said_once_for_all_files(photos: Path) -> None:
    result = run("apply", "[[1]]", photos, "-s", "1x4", "--out-dir", "out", "-q")
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("Warning: 3 files: stride 4 leaves")


def test_quiet_leaves_errors(photos: Path) -> None:
    result = run("apply", "[[1]]", photos, "no.png", "--out-dir", "out", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    reason = "no such file: check the path"
    assert result.stderr == f"Error: 1 of 4 files failed; the first: no.png: {reason}\n"


# ------------------------------------------------------------------ what exists


def test_outputs_that_exist_stop_all_before_anything_runs(photos: Path) -> None:
    Path("out").mkdir()
    Path("out/3.png").write_bytes(b"old")
    said = refusal("apply", "[[2]]", photos, "--out-dir", "out", status=2)
    assert said.startswith("out/3.png: the output exists: use --on-exists skip or overwrite")
    assert outputs(Path("out")) == ["3.png"]


def test_skip_goes_on_where_it_was(photos: Path) -> None:
    Path("out").mkdir()
    Path("out/3.png").write_bytes(b"old")
    text = done("apply", "[[2]]", photos, "--out-dir", "out", "--on-exists", "skip")
    assert ["done", "2", "files"] in cells(text)
    assert ["skipped", "1", "files"] in cells(text)
    assert Path("out/3.png").read_bytes() == b"old"
    again = done("apply", "[[2]]", photos, "--out-dir", "out", "--on-exists", "skip", "--json")
    assert lines(again)[-1]["summary"]["skipped"] == 3


def test_overwrite_replaces_even_the_inputs(photos: Path) -> None:
    words = ("--out-dir", photos, "--on-exists", "overwrite", "-q")
    done("apply", "[[2]]", photos, *words)
    assert load(photos / "1.png") == [[2, 20]]
    done("apply", "[[2]]", photos, *words)
    assert load(photos / "1.png") == [[4, 40]]
    assert len(outputs(photos)) == 3


# ------------------------------------------------------------------ wrong usage


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("1.png", "2.png", "3.png"), ("--out-dir", "1.png … 3.png")),
        (("*.png", "out.png"), ("*.png", "--out-dir")),
        (("1.png", "2.png", "--recursive"), ("--recursive", "--out-dir")),
        (("1.png", "2.png", "--name", "{stem}.png"), ("--name", "--out-dir")),
        (("--files-from", "list"), ("--files-from", "--out-dir")),
        (("--out-dir", "out"), ("INPUT",)),
        (("1.png", "--out-dir", ""), ("--out-dir",)),
        (("-", "--out-dir", "out"), ("--files-from -",)),
        (("1.png", "--out-dir", "out", "--name", "{no}.png"), ("'{no}'",)),
        (("1.png", "--out-dir", "out", "--name", ""), ("--name ''",)),
        (("1.png", "--out-dir", "out", "--name", "x.zarr"), ("got the suffix '.zarr'",)),
        (("1.png", "--out-dir", "out", "--memory", "lots"), ("4G", "'lots'")),
        (("1.png", "--out-dir", "out", "--memory", "0"), ("4G", "'0'")),
        (("1.png", "--out-dir", "out", "--memory", "9" * 400), ("4G", "'999")),
        (("--files-from", "nowhere", "--out-dir", "out"), ("nowhere", "cannot be read")),
        (("1.png", "a/1.png", "--out-dir", "out"), ("1.png and a/1.png", "out/1.png")),
        (("1.png", "--out-dir", "1.png"), ("1.png", "the folder cannot be made")),
        (("empty", "--out-dir", "out"), ("empty", "got none", "--recursive")),
        (("no*.png", "--out-dir", "out"), ("no*.png", "got none")),
    ],
)
@pytest.mark.usefixtures("photos")
def test_wrong_usage_runs_nothing(words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    Path("empty").mkdir()
    Path("1.png").write_bytes(b"")
    line = refusal("apply", "box", *words, status=2)
    assert [part for part in parts if part not in line] == []
    assert not Path("out").exists()


def test_more_jobs_than_cores_are_not_used(photos: Path) -> None:
    result = run("apply", "box", photos, "--out-dir", "out", "--jobs", "1000", "-q")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: --jobs 1000: this process may use ")


def test_memory_may_have_units(photos: Path) -> None:
    for size in ("1G", "0.5 GiB", "512m", "1073741824"):
        done("apply", "box", photos, "--out-dir", f"out{size}", "--memory", size, "-q")
    result = run("apply", "box", photos, "--out-dir", "out", "--memory", "1", "-q")
    assert result.exit_code == 2
    assert "a picture that takes at most 1 byte of memory, got one of about" in result.stderr


# ------------------------------------------------------------------ disks


def test_a_full_disk_in_the_middle_leaves_no_half(tmp_path: Path) -> None:
    import resource

    # The limit on the size of files stands for a disk that is full: both end a write early.
    noise = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    save(tmp_path / "1.png", [[1, 2]])
    save(tmp_path / "2.png", noise)
    save(tmp_path / "3.png", [[3, 4]])
    words = ("apply", "identity", "1.png", "2.png", "3.png", "--out-dir", "out", "--json")
    ended = subprocess.run(
        command(*words),
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert ended.returncode == 1
    failed = [line for line in lines(ended.stdout.decode())[:-1] if line["status"] == "failed"]
    assert [line["source"] for line in failed] == ["2.png"]
    assert "cannot be written: File too large" in failed[0]["reason"]
    assert sorted(os.listdir(tmp_path / "out")) == ["1.png", "3.png"]  # noqa: PTH208 - hidden files too
    assert b"Traceback" not in ended.stderr


def test_a_name_that_gets_too_long_fails_alone(photos: Path) -> None:
    long = "x" * 251 + ".png"
    Path(long).write_bytes((photos / "1.png").read_bytes())
    result = run(
        "apply", "box", photos, long, "--out-dir", "out", "--name", "{stem}-e.png", "-q"
    )
    assert result.exit_code == 1
    assert "File name too long" in result.stderr
    assert len(outputs(Path("out"))) == 3


def test_an_output_folder_that_is_a_file_fails_each(photos: Path) -> None:
    Path("out").mkdir()
    Path("out/1").write_bytes(b"")
    words = ("--out-dir", "out", "--name", "{stem}/x.png", "-q")
    result = run("apply", "box", photos, *words)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 1 of 3 files failed; the first: ")
    assert outputs(Path("out")) == ["2/x.png", "3/x.png"]


# ------------------------------------------------------------------ progress


def test_a_pipe_gets_no_progress_unless_it_is_asked_for(photos: Path) -> None:
    words = ("apply", "box", photos, "--out-dir", "out", "-q", "--on-exists", "overwrite")
    assert process(*words).stderr == b""
    plain = process(*words, "--progress", "plain").stderr.decode()
    assert plain.splitlines()[-1].startswith("3/3 files, 0:00:00 left, 0.0 MP, ")
    assert b"3/3 files" in process(*words, "--progress", "bar").stderr


@pytest.mark.parametrize("columns", [40, 80])
def test_a_terminal_gets_a_bar_and_a_table_that_fit(photos: Path, columns: int) -> None:
    text = shown(("apply", "box", str(photos), "no.png", "--out-dir", "out"), columns, photos)
    assert "0/4 files" in text
    # The bar is cleared, and the cursor shown again.
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "no such file" in text


def test_names_cannot_steer_a_terminal(photos: Path) -> None:
    name = "red\x1b]0;\n.png"
    result = run("apply", "box", photos, name, "--out-dir", "out")
    assert "red\\x1b]0;\\n.png" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr

"""The manifest of a batch: what it says is so, and a run goes on where it says one ended."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.commands import command, done, environment, load, refusal, run, save
from support.held import Held


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number, name in enumerate("abc"):
        save(tmp_path / "in" / f"{name}.png", [[number, 9]])
    (tmp_path / "in" / "d.png").write_bytes(b"no picture")
    return tmp_path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


WORDS = ("apply", "[[2]]", "in", "--out-dir", "out", "--manifest", "run.jsonl", "-q")


def test_each_line_says_what_is_there(folder: Path) -> None:
    assert run(*WORDS).exit_code == 1
    _, *rest = lines(folder / "run.jsonl")
    assert len(rest) == 4
    for line in rest:
        made = folder / line["output"]
        data = made.read_bytes() if made.exists() else b""
        assert line["size"] == len(data)
        expected = f"sha256:{hashlib.sha256(data).hexdigest()}" if data else ""
        assert line["checksum"] == expected
        assert line["status"] == ("done" if data else "failed")
        assert bool(line["reason"]) == (not data)


def test_a_run_goes_on_and_a_half_line_is_dropped(folder: Path) -> None:
    run(*WORDS)
    manifest = folder / "run.jsonl"
    kept = [line for line in manifest.read_text().splitlines() if "b.png" not in line]
    manifest.write_text("\n".join(kept) + '\n{"input": "in/b.p')
    (folder / "out" / "b.png").unlink()
    (folder / "out" / "a.png").unlink()  # It is not asked for.
    save(folder / "in" / "d.png", [[7, 7]])
    done(*WORDS)
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "b.png",
        "c.png",
        "d.png",
    ]
    assert len(lines(manifest)) == len(kept) + 2


def test_retry_runs_what_failed_from_any_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*WORDS)
    (folder / "out" / "a.png").unlink()
    save(folder / "in" / "d.png", [[7, 8]])
    monkeypatch.chdir("/")
    done("retry", folder / "run.jsonl")
    assert load(folder / "out" / "d.png") == [[14, 16]]
    assert not (folder / "out" / "a.png").exists()
    assert done("retry", folder / "run.jsonl") == "no file failed: there is nothing to run\n"


def test_what_is_no_manifest(folder: Path) -> None:
    (folder / "other.jsonl").write_text("a\nb")
    line = refusal("retry", "other.jsonl", status=2)
    assert line.endswith("expected a manifest, got another file: name a new one")
    assert (folder / "other.jsonl").read_text() == "a\nb"
    assert "no such manifest" in refusal("retry", "none.jsonl", status=2)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["error", "skip", "overwrite"])
def test_a_second_run_onto_the_same_outputs(folder: Path, rule: str) -> None:
    """It is refused while the first lives, unless it is to overwrite."""
    (folder / "in" / "d.png").unlink()
    held = Held(folder / "in" / "a.png")
    words = ("apply", "[[2]]", "--out-dir", "out", "-q")
    with subprocess.Popen(command(*words, "in/a.png"), env=environment()) as first:
        held.await_reader()
        with subprocess.Popen(
            command(*words, *("in/a.png", "in/b.png"), "--on-exists", rule),
            env=environment(),
            stderr=subprocess.PIPE,
        ) as second:
            if rule == "overwrite":
                held.release()
            assert second.stderr is not None
            said = second.stderr.read().decode()
        assert second.returncode == (rule != "overwrite")
        if rule != "overwrite":
            assert said.startswith("Error: another run (process ")
            held.release()
    assert first.returncode == 0
    assert load(folder / "out" / "a.png") == [[0, 18]]
    assert (folder / "out" / "b.png").exists() == (rule == "overwrite")
    assert [name for name in os.listdir("out") if name.startswith(".")] == []  # noqa: PTH208

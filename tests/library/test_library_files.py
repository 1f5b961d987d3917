"""Many files, and large ones, from Python: the same bytes as by the command."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convcli
from support.commands import PHOTOS, load, process, save


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "more/c.png", "d.jpg")):
        pixels = np.arange(number, number + 48).reshape(4, 4, 3)
        save(tmp_path / "photos" / name, pixels)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("sources", "words", "options"),
    [
        ("photos", (), {}),
        ("photos", ("--recursive",), {"recursive": True}),
        (["photos/*.png"], ("--name", "{stem}-2{suffix}"), {"name": "{stem}-2{suffix}"}),
        (
            ["photos/a.png", "photos/d.jpg"],
            ("--format", "jpg", "--quality", "50", "--border", "wrap", "--jobs", "1"),
            {"format": "jpg", "quality": 50, "border": "wrap", "jobs": 1},
        ),
    ],
)
@pytest.mark.slow
def test_a_batch_is_what_the_command_makes(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    sources: str | list[str],
    words: Sequence[str],
    options: dict[str, object],
) -> None:
    monkeypatch.chdir(photos)
    named = [sources] if isinstance(sources, str) else sources
    process("apply", "gaussian:1", *named, "--out-dir", "one", *words, folder=photos)
    summary = convcli.apply_files("gaussian:1", sources, "other", **options)  # type: ignore[arg-type]
    assert tree(photos / "other") == tree(photos / "one") != {}
    assert summary.ended == len(tree(photos / "one"))
    assert (summary.failures, summary.return_code) == ([], 0)


def test_one_bad_file_is_in_the_summary(photos: Path) -> None:
    (photos / "photos" / "b.png").write_bytes(b"no picture")
    seen = []
    summary = convcli.apply_files(
        "[[2]]",
        [photos / "photos" / "a.png", photos / "photos" / "b.png"],
        photos / "out",
        progress=lambda outcome, summary: seen.append((outcome.job.source, summary.ended)),
    )
    (failure,) = summary.failures
    assert Path(failure.job.source).name == "b.png"
    assert "expected a picture" in failure.reason
    assert sorted(ended for _, ended in seen) == [1, 2]
    assert [path.name for path in (photos / "out").iterdir()] == ["a.png"]


def test_what_exists_is_an_error_or_skipped_or_replaced(photos: Path) -> None:
    (photos / "out").mkdir()
    save(photos / "out" / "a.png", [[7]])
    folder = photos / "photos"
    with pytest.raises(convcli.BatchError, match="the output exists"):
        convcli.apply_files("[[2]]", folder, photos / "out")
    assert not (photos / "out" / "b.png").exists()
    convcli.apply_files("[[2]]", folder, photos / "out", on_exists="skip")
    assert load(photos / "out" / "a.png") == [[7]]
    convcli.apply_files("[[2]]", folder, photos / "out", on_exists="overwrite")
    assert load(photos / "out" / "a.png") != [[7]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_exists": "ask"}, "on_exists: expected one of error, skip, overwrite; got 'ask'"),
        ({"memory": "much"}, "expected an amount of memory"),
        ({"border": "none"}, "border: "),
        ({"name": "{year}{suffix}"}, "{year}"),
    ],
)
def test_wrong_options_run_nothing(photos: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(convcli.ConvcliError, match=said):
        convcli.apply_files("box", photos / "photos", photos / "out", **options)  # type: ignore[arg-type]
    assert not (photos / "out").exists()


SCRIPT = """\
import sys, threading, convcli
print("started", flush=True)
go_on = threading.Event()
threading.Thread(target=go_on.wait).start()  # with a thread, processes are not forked
summary = convcli.apply_files("[[2]]", sys.argv[1], sys.argv[2], jobs=2)
go_on.set()
print(summary.ended, summary.failures)
"""


@pytest.mark.slow
def test_a_script_without_a_guard_runs_once(photos: Path) -> None:
    path = photos / "script.py"
    path.write_text(SCRIPT)
    words = [sys.executable, str(path), str(photos / "photos"), str(photos / "out")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.stdout.splitlines(), ended.stderr) == (["started", "3 []"], "")


# ------------------------------------------------------------------ larger than memory


@pytest.mark.slow
def test_a_tiled_picture_is_what_the_command_makes(tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    with Image.open(PHOTOS / "chelsea.png") as photo:
        photo.save(source)
    words = ("apply", "gaussian:2", source, tmp_path / "one.tif", "--tiled", "--then", "box")
    process(*words, "--border", "wrap", "--compress-level", "1", "-q")
    counts = []
    report = convcli.apply_tiled(
        "gaussian:2",
        source,
        tmp_path / "other.tif",
        then="box",
        border="wrap",
        memory="1M",
        compress_level=1,
        progress=lambda done, total, _: counts.append((done, total)),
    )
    assert (tmp_path / "other.tif").read_bytes() == (tmp_path / "one.tif").read_bytes()
    assert report.output_shape == (300, 451, 3)
    assert counts[-1][0] == counts[-1][1] >= 1
    whole = convcli.apply(["gaussian:2", "box"], source, border="wrap").array
    assert np.array_equal(np.asarray(convcli.open(tmp_path / "other.tif")), whole)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(convcli.BatchError, match="nowhere"):
        convcli.apply_tiled("box", "a.zarr", tmp_path / "b.zarr", cluster="nowhere")

"""{frame} in the name of an output: a file for each frame of an animation, or page."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convcli
from support.commands import done, load, refusal, run, save


@pytest.fixture
def animation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    frames = [Image.fromarray(np.full((2, 3), 10 * n, np.uint8)) for n in range(1, 13)]
    path = tmp_path / "in.tif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


@pytest.mark.parametrize("name", ["out-{frame}.png", "{frame:03}.bmp", "{frame:1}.npy"])
def test_each_frame_has_its_file(animation: Path, name: str) -> None:
    done("apply", "[[2]]", animation, name)
    for number in range(12):
        path = Path(name.format(frame=number))
        array = np.load(path) if path.suffix == ".npy" else np.array(load(path))
        assert array.tolist() == [[20 * (number + 1)] * 3] * 2
    assert len(list(Path().iterdir())) == 13


def test_frames_are_those_that_ffmpeg_extracts(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((16, 16, 3), 20 * n, np.uint8)) for n in range(1, 4)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    words = ["ffmpeg", "-v", "error", "-i", "in.gif", "-start_number", "0", "ff-%d.png"]
    subprocess.run(words, cwd=tmp_path, check=True)
    done("apply", "identity", tmp_path / "in.gif", tmp_path / "out-{frame}.png")
    for number in range(3):
        with Image.open(tmp_path / f"ff-{number}.png") as theirs:
            ours = np.array(load(tmp_path / f"out-{number}.png"))
            assert np.array_equal(ours[..., :3], np.asarray(theirs.convert("RGB")))


def test_maps_of_each_frame(animation: Path) -> None:
    np.save("bank.npy", np.array([1, 2, 3]).reshape(3, 1, 1, 1))
    done("apply", "bank.npy", animation, "{frame}-{map}.png")
    assert load(Path("1-2.png")) == [[60] * 3] * 2
    assert len(list(Path().glob("*-*.png"))) == 36
    done("apply", "bank.npy", animation, "sheet-{frame}.png", "--sheet")
    assert len(list(Path().glob("sheet-*.png"))) == 12


def test_the_other_files_are_written_before_the_first(animation: Path) -> None:
    Path("out-0.png").mkdir()
    assert "out-0.png" in refusal("apply", "box", animation, "out-{frame}.png", status=1)
    assert Path("out-11.png").exists()


def test_numbered_files_that_exist(animation: Path) -> None:
    done("apply", "[[2]]", animation, "out-{frame}.png")
    again = run("apply", "[[2]]", animation, "out-{frame}.png", "-q", "-n")
    assert again.exit_code == 1
    assert again.stderr.startswith("Error: out-{frame}.png: the output exists: name another")


def test_frames_in_a_batch(animation: Path) -> None:
    save(Path("one.png"), [[7]])
    words = ("--out-dir", "out", "--name", "{stem}/{frame}.png", "-q")
    done("apply", "[[2]]", animation, "one.png", *words)
    assert load(Path("out/in/4.png")) == [[100] * 3] * 2
    assert sorted(path.name for path in Path("out/one").iterdir()) == ["0.png"]
    summary = convcli.apply_files("[[2]]", animation, "py", name="{stem}-{frame}.png")
    assert summary.return_code == 0
    assert load(Path("py/in-4.png")) == [[100] * 3] * 2


@pytest.mark.parametrize(
    ("name", "said"),
    [("{stem}{frame}.png", "frame 1 of a1 is not frame 11"), ("{fram}.png", "got '{fram}'")],
)
def test_names_of_a_batch_that_could_be_mistaken(animation: Path, name: str, said: str) -> None:
    words = ("--out-dir", "out", "--name", name)
    assert said in refusal("apply", "box", animation, *words, status=2)


@pytest.mark.parametrize(
    "name", ["{fram}.png", "{stem}-{frame}.png", "{}.png", "a{map}{x}.png"]
)
def test_an_unknown_field_is_refused(animation: Path, name: str) -> None:
    line = refusal("apply", "box", animation, name, status=2)
    assert "expected {map} or {frame}, got {" in line
    assert "got {" in refusal("pool", "max", animation, name, status=2)
    with pytest.raises(convcli.ImageError, match=r"expected \{map\} or \{frame\}"):
        convcli.apply("box", animation).save(name)


def test_from_python(animation: Path) -> None:
    convcli.apply("[[2]]", animation).save("py-{frame}.png")
    assert load(Path("py-3.png")) == [[80] * 3] * 2
    Path("{odd}").mkdir()
    convcli.apply("[[2]]", animation).save("{odd}/{frame}.png")
    assert Path("{odd}/11.png").exists()


def test_not_block_by_block(animation: Path) -> None:
    words = ("apply", "box", animation, "out-{frame}.tif", "--tiled", "--frame", "0")
    assert "expected one file" in refusal(*words, status=1)

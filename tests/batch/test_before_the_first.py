"""What is wrong for all files of a batch is found before the first of them, and said once."""

from pathlib import Path

import numpy as np
import pytest

from support.commands import done, load, mode, process, refusal, run, save
from support.s3_server import Bucket

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    clear = np.full((4, 4, 4), 100)
    for name in ("a.png", "b.png"):
        save(tmp_path / "photos" / name, clear)
    save(tmp_path / "deep.png", [[1, 60_000]], np.uint16)
    save(tmp_path / "plain.png", [[1, 2]])
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "nowhere: no such folder or file: check the path"),
        (("nowhere/",), "nowhere/: no such folder or file"),
        (("photos", "--name", "{stem}"), "--name {stem}: expected a name with a suffix"),
        (("photos", "--name", "all/{parent}-{stem}"), "expected a name with a suffix"),
        (("photos", "--memory", "1K"), "takes at most 1024 bytes of memory, got one of about"),
        (("photos", "--format", "jpg"), "JPEG cannot hold transparency"),
        (("photos", "--name", "{stem}.bmp"), "BMP cannot hold transparency"),
        (("deep.png", "--format", "jpg"), "JPEG cannot hold 16 bits"),
        (("plain.png", "--format", "jpg", "--depth", "16"), "JPEG cannot hold 16 bits"),
        (("plain.png", "--format", "png", "--depth", "float"), "PNG cannot hold floats"),
        (("plain.png", "--format", "png", "--quality", "50"), "PNG has no quality to set"),
        (("plain.png", "--name", "{stem}-{map}.npy", "--sheet"), "--sheet"),
    ],
)
def test_what_holds_for_all_files_is_wrong_usage(
    photos: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in refusal("apply", "box", *words, "--out-dir", "out", status=2)
    assert not (photos / "out").exists()


def test_a_bank_that_fits_no_file(photos: Path) -> None:
    np.save(photos / "bank.npy", np.ones((2, 7, 3, 3)))
    line = refusal("apply", "bank.npy", "photos", "--out-dir", "out", status=2)
    assert "(the same for 1 more)" in line


def test_what_holds_for_some_files_fails_for_those(photos: Path) -> None:
    result = run("apply", "box", "photos", "plain.png", "--out-dir", "out", "--format", "jpg")
    assert result.exit_code == 1
    assert "2 of 3 files failed; the first: photos/" in result.stderr
    assert [path.name for path in (photos / "out").iterdir()] == ["plain.jpg"]


def test_many_faulty_files_do_not_stop_a_good_one(photos: Path) -> None:
    (photos / "many").mkdir()
    for number in range(25):
        save(photos / "many" / f"{number:02}.png", np.full((2, 2, 4), 100))
    save(photos / "many" / "good.png", [[1, 2]])
    result = run("apply", "box", "many", "--out-dir", "out", "--format", "jpg", "-q")
    assert "25 of 26 files failed" in result.stderr
    assert [path.name for path in (photos / "out").iterdir()] == ["good.jpg"]


def test_an_opaque_alpha_is_no_transparency(photos: Path) -> None:
    save(photos / "photos" / "c.png", np.full((4, 4, 4), 255))
    result = run("apply", "box", "photos", "--out-dir", "out", "--format", "jpg", "-q")
    assert "2 of 3 files failed" in result.stderr


def test_files_whose_outputs_are_there_are_not_looked_at(photos: Path) -> None:
    (photos / "out").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (photos / "out" / name).touch()
    words = ("photos", "--out-dir", "out", "--format", "jpg", "--on-exists", "skip", "-q")
    assert done("apply", "box", *words) == ""


def test_a_bucket_or_a_folder_of_it_that_is_not_there(tmp_path: Path, bucket: Bucket) -> None:
    absent = f"{bucket.url('')[:-1]}-none"
    for url, status, why in (
        (bucket.url("photos"), 2, "no such folder, prefix or file: check the URL"),
        (f"{absent}/photos", 1, "cannot be read: no such bucket: check the URL"),
        (f"{absent}/*.png", 1, "cannot be read: no such bucket: check the URL"),
    ):
        words = ("apply", "box", url, "--out-dir", tmp_path / "out")
        ended = process(*words, **bucket.settings)
        assert ended.stderr.decode() == f"Error: {url}: {why}\n"
        assert ended.returncode == status


# ------------------------------------------------------------------ what is asked for instead


def test_a_background_makes_all_fit(photos: Path) -> None:
    words = ("--out-dir", "out", "--format", "bmp", "--background", "white", "-q")
    done("apply", "identity", "photos", *words)
    # 100 of 255 opaque: (100 · 100 + 255 · 155) / 255 = 194.2.
    assert load(photos / "out" / "a.bmp")[0][0] == [194, 194, 194]


def test_fewer_bits_are_written_where_that_is_asked_for(photos: Path) -> None:
    words = ("deep.png", "plain.png", "--out-dir", "out", "--fit-depth", "-q", "--format")
    done("apply", "identity", *words, "bmp")
    # 60,000 / 257 = 233.46.
    assert load(photos / "out" / "deep.bmp") == [[0, 233]]
    done("apply", "identity", *words, "png")
    assert load(photos / "out" / "deep.png") == [[1, 60_000]]
    assert (mode(photos / "out" / "deep.png"), mode(photos / "out" / "plain.png")) == (
        "I;16",
        "L",
    )
    colour = np.full((2, 2, 3), 60_000, np.uint16)
    np.save(photos / "colour.npy", colour)
    done("apply", "identity", "colour.npy", "one.jp2", "--fit-depth", "-q")
    assert load(photos / "one.jp2")[0][0] == [233, 233, 233]

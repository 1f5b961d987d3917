"""`convcli apply` on one picture that is filtered block by block."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import convcli
from convcli.pipeline.options import Options
from support.commands import (
    PHOTOS,
    begun,
    command,
    done,
    environment,
    load,
    pixels,
    refusal,
    run,
)
from support.held import Held, wait_for
from support.scenes import picture, read, tifffile, whole, write_tiff, write_zarr

SIZE = (900, 1_300)


@pytest.fixture
def scan(tmp_path: Path) -> str:
    return write_tiff(tmp_path / "scan.tif", picture(SIZE), tile=(256, 256))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["gaussian:2"], ["sobel", "--direction"], ["sobel-x", "--colormap", "diverging"]]
)
def test_the_report_is_that_of_the_whole(words: list[str], scan: str, tmp_path: Path) -> None:
    one, other = (tmp_path / name for name in ("whole.tif", "tiled.tif"))
    kernel, *more = words
    blocks = ("--tiled", "--memory", "4M")
    reports = [
        json.loads(done("apply", kernel, scan, one, "--json", *more)),
        json.loads(done("apply", kernel, scan, other, "--json", *blocks, *more)),
    ]
    assert reports[1]["rim_shows"] is None
    for report in reports:
        del report["target"], report["milliseconds"], report["rim_shows"]
    assert reports[0] == reports[1]
    np.testing.assert_array_equal(pixels(one), pixels(other))


def test_a_photograph(tmp_path: Path) -> None:
    photo = min(PHOTOS.glob("*.png"))
    values = np.asarray(tifffile.imread(write_photo(photo, tmp_path / "in.tif")))
    done("apply", "sobel", tmp_path / "in.tif", tmp_path / "out.zarr", "--border", "reflect")
    done("apply", "sobel", photo, tmp_path / "out.png", "--border", "reflect")
    result = read(str(tmp_path / "out.zarr"))
    assert result.shape[:2] == values.shape[:2]
    assert result.tolist() == load(tmp_path / "out.png")


def write_photo(photo: Path, path: Path) -> Path:
    write_tiff(path, np.asarray(load(photo), np.uint8), tile=(64, 64))
    return path


@pytest.mark.slow
def test_the_same_file_comes_out_each_time(scan: str, tmp_path: Path) -> None:
    outputs = [tmp_path / f"{jobs}.tif" for jobs in ("1", "2", "3")]
    for path in outputs:
        done("apply", "box:5", scan, path, "--tiled", "--jobs", path.stem, "--memory", "4M")
    once, *others = (path.read_bytes() for path in outputs)
    assert all(data == once for data in others)


def test_a_picture_above_the_limit_is_let_in_by_tiles_only(scan: str, tmp_path: Path) -> None:
    words = ("apply", "box:3", scan, tmp_path / "out.tif", "--max-pixels", "9999")
    assert refusal(*words, status=1).endswith("or use 'convcli apply --tiled'")
    done(*words, "--tiled")
    expected = whole(np.asarray(tifffile.imread(scan)), ["box:3"], Options()).values
    np.testing.assert_array_equal(read(str(tmp_path / "out.tif")), expected[..., 0])


def test_the_plan_says_blocks_halo_tiles_and_memory(scan: str, tmp_path: Path) -> None:
    words = ("apply", "gaussian:2", scan, tmp_path / "out.tif", "--tiled", "--plan")
    plan = json.loads(done(*words, "--json", "--memory", "8M", "--jobs", "2"))
    blocks = plan["blocks"]
    assert plan["chunk"] == plan["input_chunk"] == {"width": 256, "height": 256}
    assert plan["memory_bytes"] <= 8 * 2**20
    across = -(-SIZE[1] // plan["block"]["width"])
    assert blocks == -(-SIZE[0] // plan["block"]["height"]) * across
    assert plan["halo"]["height"] >= 16
    assert [step["strategy"] for step in plan["plans"]] == ["separable"]
    text = done(*words)
    for word in ("blocks", "halo", "tiles", "memory", "Plan for gaussian:sigma=2"):
        assert word in text
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.slow
def test_progress_in_plain_lines(scan: str, tmp_path: Path) -> None:
    result = run(
        "apply", "sobel-x", scan, tmp_path / "out.tif", "--tiled", "--quiet",
        "--progress", "plain", "--memory", "4M", "--range", "stretch",
    )  # fmt: skip
    last = result.stderr.splitlines()[-1]
    count, total = last.split()[0].split("/")
    assert count == total
    assert last.split()[1] == "blocks,"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("-", "out.tif", "--tiled"), 2, "from a file to a file"),
        (("in.tif", "-", "--tiled"), 2, "from a file to a file"),
        (("in.tif", "out.tif", "--tiled", "--sheet"), 2, "--sheet needs the whole picture"),
        (("in.tif", "out.tif", "--tiled", "--direction"), 2, "that answer two directions"),
        (("rgb.tif", "out.zarr", "--colormap", "magma"), 1, "expected 1 output map"),
        (
            ("in.tif", "out.tif", "--tiled", "--direction", "--colormap", "magma"),
            1,
            "--direction: expected a picture in its own colours to write",
        ),
        (("in.tif", "--tiled", "--out-dir", "out"), 2, "--tiled is for one picture"),
        (("in.tif", "out.tif", "--progress", "plain"), 2, "is for many pictures"),
        (("in.tif", "out.png", "--tiled"), 1, "expected a .tif or .zarr"),
        (("none.tif", "out.tif", "--tiled"), 1, "none.tif: no such file: check the path"),
    ],
)
def test_what_cannot_be(
    words: tuple[str, ...],
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiff(tmp_path / "in.tif", picture((90, 90)))
    write_tiff(tmp_path / "rgb.tif", picture((90, 90, 3)))
    assert said in refusal("apply", "box:3", *words, status=status)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif", "rgb.tif"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_a_full_disk_is_one_line_and_leaves_nothing(target: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing fails in the middle."""
    source = write_zarr(tmp_path / "in.zarr", picture(SIZE), (600, 700))
    words = command("apply", "sharpen", source, tmp_path / target)
    limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "-", *words]
    result = subprocess.run(
        limited, capture_output=True, text=True, check=False, env=environment()
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path / target}: cannot be written: File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["in.zarr"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_an_interrupt_leaves_what_was_there(target: str, tmp_path: Path) -> None:
    source = write_zarr(tmp_path / "in.zarr", picture((900, 900)), (128, 128))
    done("apply", "box:3", source, tmp_path / target, "--padding", "valid")
    before = read(str(tmp_path / target))
    held = Held(tmp_path / "in.zarr" / "c" / "6" / "6")
    words = ("apply", "gaussian:9", source, tmp_path / target, "--memory", "1M")
    with begun(*words, stderr=subprocess.PIPE) as process:
        held.await_reader()
        wait_for(lambda: any(tmp_path.glob(".convcli-*")))
        process.send_signal(signal.SIGINT)
        held.release()
        _, said = process.communicate()
    assert (process.returncode, said.strip()) == (130, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.zarr", target]
    np.testing.assert_array_equal(read(str(tmp_path / target)), before)


@pytest.mark.slow
def test_a_second_interrupt_leaves_nothing_either(tmp_path: Path) -> None:
    """A block that is at work is still written, and removed after that."""
    source = write_zarr(tmp_path / "in.zarr", picture((900, 900)), (128, 128))
    held = Held(tmp_path / "in.zarr" / "c" / "6" / "6")
    words = ("apply", "box:3", source, tmp_path / "out.zarr", "--memory", "1M")
    with begun(*words, stderr=subprocess.PIPE) as process:
        held.await_reader()
        for _ in range(20):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        held.release()
        _, said = process.communicate()
    assert (process.returncode, said.strip()) == (130, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["in.zarr"]


@pytest.mark.slow
def test_convcli_need_not_be_installed(tmp_path: Path) -> None:
    """It runs from a checkout, beside packages that are: no metadata say its version."""
    packages, source = tmp_path / "packages", write_tiff(tmp_path / "in.tif", picture((90, 80)))
    packages.mkdir()
    for entry in Path(np.__file__).parents[1].iterdir():
        if not entry.name.startswith("convcli-"):
            (packages / entry.name).symlink_to(entry)
    path = os.pathsep.join([str(Path(convcli.__file__).parents[1]), str(packages)])
    for words, said in (
        (("apply", "box:3", source, tmp_path / "out.tif", "--tiled", "-q"), ""),
        (("--version",), "convcli 0+unknown"),
    ):
        line = [sys.executable, "-S", *command(*words)[1:]]
        ended = subprocess.run(
            line, capture_output=True, check=False, text=True, env=environment(PYTHONPATH=path)
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith(said)
    assert read(str(tmp_path / "out.tif")).shape == (90, 80)

"""Large outputs that a stopped run has left: `--resume` goes on with them."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from convcli.storage.atomic import remove_abandoned, temporary_name
from support.commands import Words, begun, done, environment, process, refusal, run, script
from support.dask_cluster import Cluster
from support.held import Held, contents, wait_for
from support.s3_server import Bucket
from support.scenes import picture, read, write_tiff, write_zarr

SIZE = (700, 300)
WORDS = ("--memory", "500K", "--jobs", "1", "--padding", "valid")

Stop = Callable[..., None]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return Path(write_zarr(tmp_path / "in.zarr", picture(SIZE), (128, 128)))


def killed(source: Path, target: Path, *words: Words, sign: int = signal.SIGKILL) -> int:
    """Stop a run while it writes the last row of blocks; return the blocks in its journal."""
    chunk = source / "c" / "5" / "2"
    held = Held(chunk)
    line = ("apply", "gaussian:2", source, target, *WORDS, *words)
    with begun(*line, stdout=subprocess.DEVNULL) as running:
        held.await_reader()
        while not lines_left(target.parent):  # It only looks at the picture.
            held.release()
            held = Held(chunk)
            held.await_reader()
        wait_for(lambda: lines_left(target.parent) > 2)
        running.send_signal(sign)
        if sign != signal.SIGKILL:
            held.release()
        running.wait()
    if sign == signal.SIGKILL:
        held.release()
    return lines_left(target.parent) - 1


def lines_left(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob(".convcli-*.journal"))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".convcli-"))


def same(one: Path, other: Path) -> bool:
    if one.is_file():
        return one.read_bytes() == other.read_bytes()
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(other) for path in other.rglob("*") if path.is_file()
    )
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_a_killed_run_is_gone_on_with(suffix: str, source: Path, tmp_path: Path) -> None:
    """What the written blocks are made of is damaged meanwhile: none is read again."""
    folder = tmp_path / "out"
    folder.mkdir()
    expected, target = tmp_path / f"expected{suffix}", folder / f"out{suffix}"
    words = ("--range", "stretch", "--json")
    whole = json.loads(done("apply", "gaussian:2", source, expected, *WORDS, *words))
    count = killed(source, target, *words)
    assert not target.exists()
    for name in (source / "c" / "0").iterdir():
        name.write_bytes(b"no chunk")
    said = run("apply", "gaussian:2", source, target, *WORDS, *words, "--resume")
    resumed = json.loads(said.stdout)
    assert f"went on after {count} blocks of a stopped run" in said.stderr
    assert resumed["raw"] == whole["raw"]
    assert same(expected, target)
    assert left(folder) == []


@pytest.mark.slow
def test_an_interrupted_run_leaves_its_blocks_if_it_may_resume(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "out.tif"
    target.parent.mkdir()
    assert killed(source, target, "--resume", sign=signal.SIGINT) > 2
    assert len(left(target.parent)) == 2
    assert run("apply", "gaussian:2", source, target, *WORDS, "--resume").exit_code == 0
    done("apply", "gaussian:2", source, tmp_path / "whole.tif", *WORDS)
    assert same(tmp_path / "whole.tif", target)


@pytest.mark.slow
def test_what_differs_is_one_line_and_nothing_is_lost(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "out.tif"
    target.parent.mkdir()
    count = killed(source, target)
    before = contents(target.parent)
    for kernel, words, said in (
        ("gaussian:3", (), "the kernel is not that"),
        ("gaussian:2", ("--border", "wrap"), "one of the options is not that"),
        ("gaussian:2", ("--compress-level", "9"), "one of the options is not that"),
        ("gaussian:2", ("--quiet",), "the choice of --quiet is not that"),
    ):
        line = refusal("apply", kernel, source, target, *WORDS, *words, "--resume", status=1)
        assert said in line
        assert f"has written {count} blocks" in line
    os.utime(source / "zarr.json", (1, 1))
    line = refusal("apply", "gaussian:2", source, target, *WORDS, "--resume", status=1)
    assert "the content of the input is not that" in line
    assert contents(target.parent) == before
    said = run("apply", "gaussian:2", source, target, *WORDS).stderr
    assert "--resume" not in said, "it could not have gone on"
    assert left(target.parent) == []


@pytest.mark.slow
def test_another_mask_is_noticed(source: Path, tmp_path: Path) -> None:
    target, mask = tmp_path / "out" / "out.tif", tmp_path / "mask.tif"
    target.parent.mkdir()
    tifffile.imwrite(mask, np.full(SIZE, 255, np.uint8), tile=(128, 128))
    words = ("--padding", "same", "--mask", mask)
    killed(source, target, *words)
    tifffile.imwrite(mask, np.zeros(SIZE, np.uint8), tile=(128, 128))
    line = refusal("apply", "gaussian:2", source, target, *WORDS, *words, "--resume", status=1)
    assert "the content of the mask is not that of the stopped run" in line


@pytest.mark.slow
def test_without_resume_it_begins_again_and_says_what_could_be(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "out.tif"
    target.parent.mkdir()
    count = killed(source, target)
    said = run("apply", "gaussian:2", source, target, *WORDS).stderr
    assert f"had written {count} blocks: --resume would have kept them" in said
    assert [path.name for path in target.parent.iterdir()] == ["out.tif"]


@pytest.mark.slow
def test_a_damaged_tile_is_computed_again(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "out.tif"
    target.parent.mkdir()
    killed(source, target)
    (partial,) = target.parent.glob("*.tmp")
    (journal,) = target.parent.glob("*.journal")
    *_, start, length, _ = json.loads(journal.read_bytes().splitlines()[2])["tiles"][0]
    with partial.open("r+b") as file:
        file.seek(start)
        file.write(bytes(length))
    with journal.open("ab") as file:
        file.write(b'{"stats": [0, ')
    said = run("apply", "gaussian:2", source, target, *WORDS, "--resume").stderr
    done("apply", "gaussian:2", source, tmp_path / "whole.tif", *WORDS)
    assert same(tmp_path / "whole.tif", target)
    assert "went on after" in said


def test_where_there_is_nothing_to_resume(tmp_path: Path) -> None:
    source = write_tiff(tmp_path / "in.tif", picture((90, 90)))
    done("apply", "box:3", source, tmp_path / "out.tif", "--tiled", "--resume")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif", "out.tif"]
    line = refusal("apply", "box:3", source, tmp_path / "new.tif", "--resume", status=2)
    assert "add --tiled" in line
    line = refusal("apply", "box:3", source, "--out-dir", tmp_path, "--resume", status=2)
    assert "--manifest" in line


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_on_a_cluster(cluster: Cluster, suffix: str, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / f"out{suffix}"
    target.parent.mkdir()
    killed(source, target, "--cluster", cluster.address)
    for name in (source / "c" / "0").iterdir():
        shutil.copy(name, tmp_path / f"kept-{name.name}")
        name.write_bytes(b"no chunk")
    line = ("apply", "gaussian:2", source, target, *WORDS)
    ended = process(*line, "--cluster", cluster.address, "--resume")
    assert ended.returncode == 0, ended.stderr
    for name in (source / "c" / "0").iterdir():
        shutil.copy(tmp_path / f"kept-{name.name}", name)
    done("apply", "gaussian:2", source, tmp_path / f"whole{suffix}", *WORDS)
    np.testing.assert_array_equal(read(str(target)), read(str(tmp_path / f"whole{suffix}")))
    assert left(target.parent) == []


KILLED_BETWEEN = """\
import os, signal, sys
from convcli.cli.app import main

rename = os.rename

def renamed(source, target):
    if target == os.path.realpath(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)

os.rename = renamed
main(["apply", *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("next_run", ["in place", "another", "resumed", "read"])
def test_an_old_folder_that_was_renamed_away_gets_its_name_back(
    next_run: str, tmp_path: Path
) -> None:
    """The run is killed when the old output has another name, and the new one has not its."""
    target = Path(write_zarr(tmp_path / "out" / "a.zarr", picture((40, 50)), (16, 16)))
    before = Path(shutil.copytree(target, tmp_path / "before.zarr"))
    tiff = write_tiff(tmp_path / "a.tif", picture((40, 50)))
    done("apply", "box", target, tmp_path / "expected.zarr")
    for _ in range(1 + (next_run == "in place")):
        ended = script(KILLED_BETWEEN, "box", target, target, "--quiet")
        assert ended.returncode == -signal.SIGKILL
        assert not target.exists()
    if next_run == "another":
        done("apply", "box", tiff, target.parent / "b.tif", "--tiled")
        assert same(target, before)
        assert sorted(path.name for path in target.parent.iterdir()) == ["a.zarr", "b.tif"]
    elif next_run == "read":
        done("apply", "box", target, tmp_path / "b.zarr")
        assert same(target, before)
        assert same(tmp_path / "b.zarr", tmp_path / "expected.zarr")
    else:
        resume = ["--resume"] if next_run == "resumed" else []
        again = run("apply", "box", target, target, "--quiet", *resume)
        assert again.exit_code == 0
        assert same(target, tmp_path / "expected.zarr")
        assert [path.name for path in target.parent.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(("rule", "status"), [("skip", 0), ("error", 1)])
def test_an_old_folder_that_was_renamed_away_counts_as_an_output(
    rule: str, status: int, tmp_path: Path
) -> None:
    """A run was killed between the renames: what it left is seen before another decides."""
    target = Path(write_zarr(tmp_path / "a.zarr", picture((40, 50)), (16, 16)))
    before = shutil.copytree(target, tmp_path / "before.zarr")
    aside = tmp_path / f"{temporary_name().replace(f'-{os.getpid()}-', '-1-')}.aside"
    aside.mkdir()
    target.rename(aside / "a.zarr")
    assert run("apply", "box", before, target, "--on-exists", rule).exit_code == status
    assert same(target, before)
    assert not aside.exists()


def test_an_old_folder_that_has_a_successor_goes(tmp_path: Path) -> None:
    """A run that is killed after both renames has left the old output; it is half removed."""
    target = Path(write_zarr(tmp_path / "a.zarr", picture((40, 50)), (16, 16)))
    before = sorted(path for path in tmp_path.rglob("*"))
    aside = tmp_path / f"{temporary_name().replace(f'-{os.getpid()}-', '-1-')}.aside"
    shutil.copytree(target, aside / "a.zarr")
    (aside / "a.zarr" / "zarr.json").unlink()
    remove_abandoned(str(tmp_path))
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("replaces", [False, True])
def test_in_a_store(replaces: bool, bucket: Bucket, source: Path, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    """The journal stands beside the output, and what was there before stays until the end."""
    target, line = bucket.url("out.zarr"), ("apply", "gaussian:2", source)
    if replaces:
        small = Path(write_zarr(tmp_path / "small.zarr", picture((9, 9)), (9, 9)))
        for part in ("zarr.json", "c/0/0"):
            bucket.put(f"out.zarr/{part}", (small / part).read_bytes())
    before = {key: bucket.get(key) for key in bucket.keys()}  # noqa: SIM118 - no dict
    held = Held(source / "c" / "5" / "2")
    env = environment(**bucket.settings)
    words = (*line, target, *WORDS, "--resume")
    with begun(*words, stdout=subprocess.DEVNULL, env=env) as running:
        held.await_reader()
        running.send_signal(signal.SIGINT)
        held.release()
    assert {key: bucket.get(key) for key in before} == before
    written = bucket.get("out.zarr.journal").count(b"\n") - 1
    assert written > 2
    if replaces:
        other = ("apply", "box:5", source, target, *WORDS, "--resume")
        said = process(*other, **bucket.settings).stderr
        assert b"the kernel is not that of the stopped run" in said
    kept = {name: name.read_bytes() for name in (source / "c" / "0").iterdir()}
    for name in kept:
        name.write_bytes(b"no chunk")
    resumed = process(*line, target, *WORDS, "--resume", **bucket.settings)
    assert f"went on after {written} blocks".encode() in resumed.stderr
    for name, data in kept.items():
        name.write_bytes(data)
    done(*line, tmp_path / "whole.zarr", *WORDS)
    whole = [path for path in (tmp_path / "whole.zarr").rglob("*") if path.is_file()]
    expected = {path.relative_to(tmp_path / "whole.zarr").as_posix(): path for path in whole}
    assert set(bucket.keys()) == {f"out.zarr/{name}" for name in expected}
    for key, path in expected.items():
        assert bucket.get(f"out.zarr/{key}") == path.read_bytes()


@pytest.mark.slow
@pytest.mark.servers
def test_what_is_left_in_a_store_goes_when_another_run_begins(
    bucket: Bucket, source: Path
) -> None:
    target = bucket.url("out.zarr")
    held = Held(source / "c" / "5" / "2")
    words = ("apply", "gaussian:2", source, target, *WORDS, "--resume")
    with begun(*words, env=environment(**bucket.settings)) as running:
        held.await_reader()
        running.send_signal(signal.SIGINT)
        held.release()
    said = process("apply", "gaussian:2", source, target, *WORDS, **bucket.settings)
    assert b"--resume would have kept them" in said.stderr
    assert all(key.startswith("out.zarr/") for key in bucket.keys())  # noqa: SIM118 - no dict
    tiff = process("apply", "box", source, bucket.url("o.tif"), "--resume", **bucket.settings)
    assert b"--resume: expected an output on a disk, or a .zarr in a store" in tiff.stderr

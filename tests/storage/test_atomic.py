"""An output is complete or as it was, never half, and nothing is left lying about."""

import functools
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli.errors import ConvcliError, ImageError
from convcli.images.picture import Frame
from convcli.images.write import write_picture
from convcli.storage import atomic
from convcli.storage.atomic import remove_abandoned, replacing, temporary_name

PICTURE = Frame(np.full((2, 3, 1), 7, np.uint8))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(target: Path, fault: BaseException) -> None:
    with replacing(target) as file:
        file.write(b"new, but only ha")
        raise fault


@pytest.mark.parametrize(
    "fault",
    [ValueError("x"), ImageError("x"), KeyboardInterrupt(), MemoryError(), OSError(5, "x")],
)
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, fault: BaseException
) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    expected = ImageError if isinstance(fault, OSError) else type(fault)
    with pytest.raises(expected):
        write_half(target, fault)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.png"]


def test_a_failure_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(ConvcliError):
        write_half(tmp_path / "out.png", ConvcliError())
    assert names(tmp_path) == []


def test_the_old_file_is_whole_until_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    with replacing(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
        assert len(names(tmp_path)) == 2
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["out.png"]


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    plain, target = tmp_path / "plain", tmp_path / "out.png"
    plain.touch()
    with replacing(target) as file:
        file.write(b"new")
    assert target.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_of_the_old_file_is_kept(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    target.chmod(mode)
    before = stat.S_IMODE(target.stat().st_mode)
    write_picture(PICTURE, target, "PNG")
    assert stat.S_IMODE(target.stat().st_mode) == before
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "there" / "real.png", tmp_path / "link.png"
    real.parent.mkdir()
    real.write_bytes(b"old")
    link.symlink_to(Path("there") / "real.png")
    write_picture(PICTURE, link, "PNG")
    assert link.is_symlink()
    assert link.readlink() == Path("there") / "real.png"
    assert real.read_bytes().startswith(b"\x89PNG")
    assert names(real.parent) == ["real.png"]
    assert names(tmp_path) == ["link.png", "there"]


def test_a_link_to_nothing_yet_makes_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to("later.png")
    write_picture(PICTURE, link, "PNG")
    assert link.is_symlink()
    assert (tmp_path / "later.png").read_bytes().startswith(b"\x89PNG")


def test_the_target_may_have_the_longest_name(tmp_path: Path) -> None:
    """255 bytes: a temporary name made from it would be too long."""
    target = tmp_path / ("x" * 251 + ".png")
    write_picture(PICTURE, target, "PNG")
    assert names(tmp_path) == [target.name]


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be written"):
        write_picture(PICTURE, tmp_path / ("x" * 300 + ".png"), "PNG")
    assert names(tmp_path) == []


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    target = tmp_path / "absent" / "out.png"
    with pytest.raises(ImageError) as raised:
        write_picture(PICTURE, target, "PNG")
    said = str(raised.value)
    assert said.startswith(f"{target}: cannot be written: the folder ")
    assert said.endswith("absent does not exist: make it first")


def test_a_folder_as_target(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.mkdir()
    said = f"{target}: cannot be written: it is a folder: name a file in it"
    with pytest.raises(ImageError, match=f"^{re.escape(said)}$"):
        write_picture(PICTURE, target, "PNG")
    with pytest.raises(ImageError, match=f"^{re.escape(said)}$"):
        write_picture(PICTURE, target, "NPY")
    assert names(tmp_path) == ["out.png"]


@pytest.mark.parametrize("target", ["out/", "./out.png/", "memory://folder/", "memory://"])
def test_the_name_of_a_folder_that_is_not_there(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = f"{target}: cannot be written: it is a folder: name a file in it"
    with pytest.raises(ImageError, match=f"^{re.escape(said)}$"):
        write_picture(PICTURE, target, "PNG")
    assert names(tmp_path) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "out.png"
    with pytest.raises(ImageError) as raised:
        write_picture(PICTURE, target, "PNG")
    assert str(raised.value).startswith(f"{target}: cannot be written: ")


def test_a_device_is_written_and_not_replaced() -> None:
    write_picture(PICTURE, os.devnull, "PNG")
    assert not Path(os.devnull).is_file()


def test_the_readers_of_the_old_file_keep_it(tmp_path: Path) -> None:
    """The same path may be input and output: an open old file stays whole."""
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        write_picture(PICTURE, target, "PNG")
        assert reader.read() == b"old"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_stays(
    tmp_path: Path,
) -> None:
    code = (
        "import sys; from convcli.storage.atomic import replacing\n"
        "from convcli.scale.tiled.journal import Journal\n"
        "with replacing(sys.argv[1], Journal('', '', {})) as file:\n"
        "    file.write(b'half'); file.flush(); print(flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "out.tif")]
    start = functools.partial(
        subprocess.Popen, words, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with start() as killed, start() as alive:
        for each in (killed, alive):
            assert each.stdout is not None
            each.stdout.readline()
        killed.kill()
        # It has ended, but its parent has not asked how: it is still in the list of processes.
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert len(list(tmp_path.iterdir())) == 2
        foreign = tmp_path / ".convcli-00000000-1-1-0123456789abcdef.tmp"
        foreign.touch()
        remove_abandoned(str(tmp_path))
        left = {path.name for path in tmp_path.iterdir()} - {foreign.name}
        assert [f"-{alive.pid}-" in name for name in left] == [True]
        alive.communicate()
    assert (tmp_path / "out.tif").read_bytes() == b"half"


def test_a_process_killed_before_it_made_the_folder_left_nothing(tmp_path: Path) -> None:
    remove_abandoned(str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def of_a_killed_process() -> str:
    return temporary_name().replace(f"-{os.getpid()}-", "-1-")


def test_a_process_that_dies_while_its_files_are_looked_at_leaves_what_has_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lived when its journal was looked at, and does not when its output is."""
    name = of_a_killed_process()
    left = [name, f"{name}.journal"]
    for each in left:
        (tmp_path / each).touch()
    monkeypatch.setattr(atomic, "is_abandoned", lambda each: not each.endswith(".journal"))
    remove_abandoned(str(tmp_path), with_journals=False)
    assert names(tmp_path) == left


def test_what_cannot_be_put_back_keeps_nothing_else_from_being_removed(tmp_path: Path) -> None:
    folder, others = tmp_path / "out", tmp_path / "others"
    for each in (folder, others):
        each.mkdir()
    (others / "a.txt").touch()
    kept = [f"{of_a_killed_process()}.aside" for _ in range(2)]
    (folder / kept[0]).symlink_to(others)
    (folder / kept[1]).touch()
    for _ in range(20):
        (folder / of_a_killed_process()).touch()
    remove_abandoned(str(folder))
    assert names(folder) == sorted(kept)
    assert names(others) == ["a.txt"], "a link is another's"

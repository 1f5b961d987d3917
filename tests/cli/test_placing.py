"""OUTPUT that is there already, OUTPUT as an option, and outputs that are no plain files."""

import glob
import io
import itertools
import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import begun, command, environment, load, process, refusal, run, save
from support.waiting import PATIENCE

pytestmark = pytest.mark.slow

PROGRAM = shlex.join([sys.executable, "-m", "convcli"])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "two").mkdir()
    save(tmp_path / "two" / "1.png", [[10, 20, 30]])
    save(tmp_path / "two" / "2.png", [[1, 2, 3]])
    return tmp_path


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("convcli", PROGRAM)],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )


def typed(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of which a shell fills in the names of files alone, without one."""
    found = (sorted(glob.glob(word, root_dir=folder)) or [word] for word in shlex.split(line))  # noqa: PTH207 - as they are written
    ended = process(*list(itertools.chain(*found))[1:], folder=folder)
    texts = (ended.stdout.decode(), ended.stderr.decode())
    return subprocess.CompletedProcess(line, ended.returncode, *texts)


# ------------------------------------------------------------------ what is there already


def test_a_glob_of_two_files_says_what_it_replaces(photos: Path) -> None:
    ended = typed("convcli apply '[[2]]' two/*.png", photos)
    assert ended.returncode == 0
    warning = "Warning: two/2.png was another picture beside INPUT, and is replaced: name"
    assert ended.stderr.splitlines()[0] == "replaced two/2.png"
    assert ended.stderr.splitlines()[1].startswith(warning)
    assert load(photos / "two" / "2.png") == [[20, 40, 60]]
    quiet = typed("convcli apply '[[3]]' two/*.png -q", photos)
    assert quiet.stderr.startswith(warning)
    assert len(quiet.stderr.splitlines()) == 1


def test_the_same_command_may_be_run_twice(photos: Path) -> None:
    line = "convcli apply '[[2]]' two/1.png two/new.png"
    assert typed(line, photos).stderr == ""
    again = typed(line, photos)
    assert (again.returncode, again.stderr) == (0, "replaced two/new.png\n")
    assert typed(f"{line} -q", photos).stderr == ""
    assert load(photos / "two" / "new.png") == [[20, 40, 60]]


@pytest.mark.parametrize("words", [("-n",), ("--no-clobber",), ("--on-exists", "error")])
@pytest.mark.parametrize("name", ["apply '[[2]]'", "pool max"])
def test_nothing_is_replaced_where_that_is_asked_for(
    photos: Path, name: str, words: tuple[str, ...]
) -> None:
    (photos / "two" / "1.png").write_bytes(b"never read")
    ended = typed(f"convcli {name} two/*.png {' '.join(words)}", photos)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: two/2.png: the output exists: ")
    assert len(ended.stderr.splitlines()) == 1
    assert load(photos / "two" / "2.png") == [[1, 2, 3]]


def test_an_output_that_is_there_may_be_skipped(photos: Path) -> None:
    ended = typed("convcli apply '[[2]]' two/*.png --on-exists skip", photos)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == "skipped two/1.png: two/2.png exists\n"
    ended = typed("convcli apply '[[2]]' two/*.png --on-exists skip --json", photos)
    assert json.loads(ended.stdout)["status"] == "skipped"
    assert load(photos / "two" / "2.png") == [[1, 2, 3]]
    typed("convcli apply '[[2]]' two/1.png two/3.png --on-exists skip", photos)
    assert load(photos / "two" / "3.png") == [[20, 40, 60]]


def test_two_rules_that_differ_are_refused(photos: Path) -> None:
    words = ("apply", "box", photos, photos / "out.png", "-n", "--on-exists", "overwrite")
    assert "use one" in refusal(*words, status=2)


def test_no_clobber_holds_for_a_batch(photos: Path) -> None:
    words = ("apply", "box", photos / "two", "--out-dir", photos / "two", "-n")
    assert "the output exists" in refusal(*words, status=2)


@pytest.mark.parametrize("option", ["-o", "--output"])
def test_output_as_an_option(photos: Path, option: str) -> None:
    two = photos / "two"
    ended = run("apply", "[[2]]", two / "1.png", option, two / "2.png", "--json")
    assert ended.stderr == f"replaced {two / '2.png'}\n"
    assert json.loads(ended.stdout)["replaced"] is True
    assert load(two / "2.png") == [[20, 40, 60]]
    ended = run("pool", "max", two / "1.png", "--k", "1x3", option, two / "3.png", "--json")
    assert ended.stderr == ""
    assert "replaced" not in json.loads(ended.stdout)
    assert load(two / "3.png") == [[30]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.png", "b.png", "-o", "c.png"), "OUTPUT is given twice"),
        (("-o", "c.png"), "Missing argument"),
        (("a.png", "-o", "c.png", "--out-dir", "out"), "--output is for one picture"),
    ],
)
def test_output_twice_or_without_an_input(words: tuple[str, ...], said: str) -> None:
    assert said in refusal("apply", "box", *words, status=2)


# ------------------------------------------------------------------ no plain files


@pytest.mark.parametrize(
    "words",
    ["apply box two/1.png -", "apply box two/1.png - -q", "size --w 7 --k 3", "kernels --json"],
)
def test_a_closed_standard_output_is_an_error(photos: Path, words: str) -> None:
    ended = shell(f"convcli {words} >&-", photos)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: standard output")
    assert len(ended.stderr.splitlines()) == 1


def test_a_closed_standard_output_that_is_not_used_is_none(photos: Path) -> None:
    ended = shell("convcli apply '[[2]]' two/1.png out.png -q >&-", photos)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert load(photos / "out.png") == [[20, 40, 60]]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_standard_output_by_its_other_names(photos: Path, name: str) -> None:
    words = ("apply", "[[2]]", "two/1.png", name)
    with (photos / "all").open("ab") as file:
        os.write(file.fileno(), b"before\n")
        with begun(*words, stdout=file, folder=photos) as running:
            assert running.wait() == 0
        os.write(file.fileno(), b"after\n")
    data = (photos / "all").read_bytes()
    assert data.startswith(b"before\n\x89PNG")
    assert data.endswith(b"after\n")
    piped = process(*words, folder=photos)
    assert piped.returncode == 0
    for picture in (data.removeprefix(b"before\n"), piped.stdout):
        with Image.open(io.BytesIO(picture)) as image:
            assert np.asarray(image).tolist() == [[20, 40, 60]]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix")
@pytest.mark.parametrize("kind", ["", " --format png"])
def test_a_process_of_the_shell_gets_the_picture(photos: Path, kind: str) -> None:
    line = f"convcli apply '[[2]]' two/1.png >(cat > copy){kind} -q; wait $!"
    assert shell(line, photos).stderr == ""
    assert load(photos / "copy") == [[20, 40, 60]]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_an_open_file_goes_on_where_it_is(photos: Path) -> None:
    line = "exec 7> all; echo before >&7; convcli apply '[[2]]' two/1.png /proc/self/fd/7 -n -q"
    assert shell(line, photos).stderr == ""
    assert (photos / "all").read_bytes().startswith(b"before\n\x89PNG")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other pipes")
def test_a_named_pipe_stays_a_pipe(photos: Path) -> None:
    pipe, read = photos / "pipe.png", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    ended = process("apply", "[[2]]", photos / "two" / "1.png", pipe, "-n", "-q")
    reader.join(PATIENCE)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert pipe.is_fifo()
    with Image.open(io.BytesIO(read[0])) as image:
        assert np.asarray(image).tolist() == [[20, 40, 60]]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other devices")
def test_a_device_is_written_and_stays(photos: Path) -> None:
    words = command("apply", "[[2]]", photos / "two" / "1.png", "/dev/full", "--format", "png")
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: /dev/full: cannot be written: No space left")

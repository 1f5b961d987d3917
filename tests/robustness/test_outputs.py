"""Outputs that cannot be written: one line, the old file unharmed, nothing left behind."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convcli.cli.app import main
from support.commands import PHOTOS
from support.waiting import PATIENCE

PROGRAM = [sys.executable, "-m", "convcli"]
NOBODY = 65_534


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["apply", "identity", *map(str, arguments)])


def refused(done: Result, *said: str) -> None:
    assert done.exit_code == 1, done.output
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    for part in said:
        assert part in lines[0]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    Image.new("L", (60, 60), 70).save(tmp_path / "in.png")
    (tmp_path / "out.png").write_bytes(b"old")
    yield tmp_path
    assert not list(tmp_path.glob(".convcli-*")), "a temporary file was left"


def test_a_missing_folder(folder: Path) -> None:
    refused(run(folder / "in.png", folder / "none" / "o.png"), "none does not exist: make it")


def test_an_output_that_is_a_folder(folder: Path) -> None:
    (folder / "dir.png").mkdir()
    assert run(folder / "in.png", folder / "dir.png").exit_code == 0
    assert [path.name for path in (folder / "dir.png").iterdir()] == ["in.png"]


def test_a_file_in_place_of_a_folder(folder: Path) -> None:
    refused(run(folder / "in.png", folder / "in.png" / "o.png"), "cannot be written")


@pytest.mark.parametrize("name", ["out", "out.xyz", "out.docx", "out."])
def test_a_name_without_a_known_suffix(name: str, folder: Path) -> None:
    refused(run(folder / "in.png", folder / name), "expected a picture format", "--format")


def test_a_read_only_target(folder: Path) -> None:
    (folder / "out.png").chmod(0o444)
    refused(run(folder / "in.png", folder / "out.png"), "it is read-only: make it writable")
    assert (folder / "out.png").read_bytes() == b"old"


def test_a_folder_without_permission() -> None:
    # As nobody, where the tests are root's: root may write everywhere.
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name)
        Image.new("L", (8, 8)).save(closed / "in.png")
        run(closed / "in.png", closed / "warm.png")
        closed.chmod(0o555)
        me = os.geteuid()
        if me == 0:
            os.seteuid(NOBODY)
        try:
            done = run(closed / "in.png", closed / "o.png")
        finally:
            os.seteuid(me)
            closed.chmod(0o755)
        refused(done, "no permission: check the folder's mode")
        assert sorted(path.name for path in closed.iterdir()) == ["in.png", "warm.png"]


@pytest.mark.slow
def test_a_full_disk_harms_nothing(folder: Path) -> None:
    # A limit on the size of files stands for the disk: the write fails half-way.
    code = (
        "import resource, signal, sys;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from convcli.cli.app import main; main(sys.argv[1:])"
    )
    source = str(PHOTOS / "coffee.png")
    for target in ("out.png", "new.tif"):
        command = [sys.executable, "-c", code, "apply", "box:3", source, str(folder / target)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert b"cannot be written: File too large" in done.stderr
    assert (folder / "out.png").read_bytes() == b"old"
    assert not (folder / "new.tif").exists()


def test_a_full_device_on_standard_output(folder: Path) -> None:
    for command in (
        ["apply", "identity", str(folder / "in.png"), "-"],
        ["size", "--w", "7", "--k", "3"],
    ):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*PROGRAM, *command],
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
                timeout=PATIENCE,
            )
        assert done.returncode == 1
        assert b"No space left on device" in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_failure_to_filter_harms_nothing(folder: Path) -> None:
    refused(run(folder / "in.png", folder / "out.png", "-p", "valid", "-s", "7", "--strict"))
    assert (folder / "out.png").read_bytes() == b"old"


def test_links_are_followed_and_stay_links(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "real.png").write_bytes(b"old")
    (folder / "link.png").symlink_to("deep/real.png")
    assert run(folder / "in.png", folder / "link.png").exit_code == 0
    assert (folder / "link.png").is_symlink()
    with Image.open(folder / "deep" / "real.png") as image:
        assert image.size == (60, 60)


def test_a_link_to_nothing_makes_its_target(folder: Path) -> None:
    (folder / "link.png").symlink_to("new.png")
    assert run(folder / "in.png", folder / "link.png").exit_code == 0
    assert (folder / "link.png").is_symlink()
    assert (folder / "new.png").is_file()


def test_links_in_a_circle_are_an_error(folder: Path) -> None:
    (folder / "a.png").symlink_to("b.png")
    (folder / "b.png").symlink_to("a.png")
    refused(run(folder / "in.png", folder / "a.png"), "cannot be written")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_mode_is_kept(mode: int, folder: Path) -> None:
    (folder / "out.png").chmod(mode)
    assert run(folder / "in.png", folder / "out.png").exit_code == 0
    assert stat.S_IMODE((folder / "out.png").stat().st_mode) == mode


def test_a_new_file_gets_the_usual_mode(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run(folder / "in.png", folder / "new.png").exit_code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "new.png").stat().st_mode) == 0o640


def test_a_file_may_be_filtered_in_place(folder: Path) -> None:
    assert run(folder / "in.png", folder / "in.png", "--bias", "5").exit_code == 0
    with Image.open(folder / "in.png") as image:
        assert image.getpixel((3, 3)) == 75


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error_to_speak_of(folder: Path) -> None:
    big = np.random.default_rng(0).integers(0, 256, (900, 900)).astype(np.uint8)
    Image.fromarray(big).save(folder / "big.png")
    program = f"{sys.executable} -m convcli"
    for command in (f"{program} apply identity big.png -", f"{program} kernels --json"):
        done = subprocess.run(  # noqa: S602 - a shell makes the pipe
            f"{command} | head -c 10 > /dev/null",
            shell=True,
            cwd=folder,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert b"Traceback" not in done.stderr
        assert b"Exception" not in done.stderr
        assert b"Error" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_clean_up(number: signal.Signals, status: int, folder: Path) -> None:
    # The program is held where half of the output is written.
    code = (
        "import signal, sys, time; from convcli.images import write as writing\n"
        "slow = writing.replacing;\n"
        # A shell starts what runs in the background deaf to the interrupt.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import contextlib\n"
        "@contextlib.contextmanager\n"
        "def held(target):\n"
        "    with slow(target) as file:\n"
        "        file.write(b'half'); file.flush(); print('writing', flush=True)\n"
        "        time.sleep(600); yield file\n"
        "writing.replacing = held\n"
        "from convcli.cli.app import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "apply", "box:3"]
    process = subprocess.Popen(
        [*command, str(folder / "in.png"), str(folder / "out.png")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    assert list(folder.glob(".convcli-*")), "the temporary file is there now"
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == status
    assert b"Traceback" not in errors
    assert (folder / "out.png").read_bytes() == b"old"


def test_an_interrupt_while_it_starts_is_quiet() -> None:
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'click': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from convcli.__main__ import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (130, b"")


@pytest.mark.slow
def test_standard_output_that_is_a_terminal_is_refused(folder: Path) -> None:
    master, slave = os.openpty()
    try:
        done = subprocess.run(
            [*PROGRAM, "apply", "identity", str(folder / "in.png"), "-"],
            stdout=slave,
            stderr=subprocess.PIPE,
            check=False,
            timeout=PATIENCE,
        )
        waiting = subprocess.run(
            [*PROGRAM, "apply", "identity", "-", str(folder / "o.png")],
            stdin=slave,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    finally:
        os.close(master)
        os.close(slave)
    assert (done.returncode, waiting.returncode) == (2, 2)
    assert b"standard output is a terminal: name a file, or use a pipe" in done.stderr
    assert b"standard input is a terminal: name a file, or use a pipe" in waiting.stderr


def test_a_folder_that_takes_no_files(folder: Path) -> None:
    if not Path("/proc/self").is_dir():  # Only some systems have such a folder.
        return
    refused(run(folder / "in.png", "/proc/o.png"), "the folder /proc takes no files: choose")


def test_a_name_that_is_too_long_is_said_once(folder: Path) -> None:
    name = f"{'a' * 300}.png"
    for words in ((name, folder / "o.png"), (folder / "in.png", folder / name)):
        done = run(*words)
        refused(done, "File name too long")
        assert done.stderr.count("aaa.png") == 1
        assert "Errno" not in done.stderr

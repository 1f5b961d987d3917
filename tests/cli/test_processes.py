"""The program as a shell runs it: pipes, exit statuses, streams."""

import io
import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import PHOTOS, cells, command, environment, load, process, save, script

CAMERA, COFFEE = PHOTOS / "camera.png", PHOTOS / "coffee.png"
ESCAPE = b"\x1b"


@pytest.fixture
def row(tmp_path: Path) -> Path:
    return save(tmp_path / "in.png", [[10, 20, 30]])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


# ------------------------------------------------------------------ exit statuses


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("size", "--w", "7", "--k", "3"), 0),
        (("size", "--w", "7", "--k", "3", "--s", "3"), 1),
        (("size", "--w", "3", "--k", "7"), 1),
        (("size", "--w", "7"), 2),
        (("apply", "box", "nowhere.png", "out.png"), 1),
        (("apply", "boxx", "nowhere.png", "out.png"), 2),
        (("kernels", "nowhere.json"), 2),
        (("params", "--in", "3"), 2),
        ((), 2),
    ],
)
def test_exit_status(words: tuple[str, ...], status: int) -> None:
    ended = process(*words)
    assert ended.returncode == status
    assert b"Traceback" not in ended.stderr
    if status and words and b"=" not in ended.stdout:
        assert ended.stdout == b""
        assert ended.stderr.startswith(b"Error: ")
        assert len(ended.stderr.splitlines()) == 1


def test_version() -> None:
    ended = process("--version", anew=True)
    assert ended.stdout.decode().startswith(f"convcli {version('convcli')}\n")
    assert (ended.returncode, ended.stderr) == (0, b"")


# ------------------------------------------------------------------ pictures in pipes


@pytest.mark.slow
def test_two_programs_in_a_pipe(tmp_path: Path, row: Path, out: Path) -> None:
    # (10, 20, 30) · 2, then the difference to the right: 20, 20, -60.
    first = command("apply", "[[2]]", row, "-", "--quiet")
    second = command("apply", "[[-1,1]]", "-", out)
    with subprocess.Popen(first, stdout=subprocess.PIPE, env=environment()) as sender:
        ended = subprocess.run(
            second, stdin=sender.stdout, capture_output=True, check=False, env=environment()
        )
        assert sender.stdout is not None
        sender.stdout.close()
    assert (sender.returncode, ended.returncode, ended.stderr) == (0, 0, b"")
    assert load(out) == [[20, 20, 60]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]


def test_the_report_goes_to_stderr_where_the_picture_goes_to_stdout(row: Path) -> None:
    ended = process("apply", "[[2]]", "-", "-", stdin=row.read_bytes())
    assert ended.returncode == 0
    with Image.open(io.BytesIO(ended.stdout)) as image:
        assert image.format == "PNG"
        assert np.asarray(image).tolist() == [[20, 40, 60]]
    lines = ended.stderr.decode().splitlines()
    assert lines[0] == "- → -"
    assert ["input", "3 × 1 px", "1 channel"] in cells(ended.stderr.decode())


def test_quiet_leaves_the_picture_alone_in_both_streams(row: Path) -> None:
    ended = process("apply", "[[2]]", row, "-", "-q")
    assert ended.stdout.startswith(b"\x89PNG")
    assert ended.stderr == b""


def test_json_goes_to_stderr_where_the_picture_goes_to_stdout(row: Path) -> None:
    ended = process("apply", "[[2]]", row, "-", "--json")
    assert ended.stdout.startswith(b"\x89PNG")
    assert json.loads(ended.stderr)["target"] == "-"


def test_all_colours_of_a_photograph_come_through_a_pipe() -> None:
    words = ("apply", "identity", "-", "-", "-q")
    ended = process(*words, stdin=COFFEE.read_bytes(), anew=True)
    with Image.open(io.BytesIO(ended.stdout)) as made, Image.open(COFFEE) as photograph:
        np.testing.assert_array_equal(np.asarray(made), np.asarray(photograph))


# ------------------------------------------------------------------ text in pipes


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("kernels",),
        ("kernels", "gaussian:2"),
        ("params", "--in", "3", "--filters", "64", "--k", "3", "--w", "32"),
        ("size", "--w", "8", "--k", "3", "--s", "2"),
        ("apply", "gaussian:sigma=2,radius=6", str(CAMERA), "out.npy", "--border", "replicate"),
    ],
)
def test_text_in_a_pipe_is_plain_and_uncut(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = process(*words, folder=tmp_path, COLUMNS="20", TERM="xterm-256color")
    lines = ended.stdout.decode().splitlines()
    assert ended.stderr == b""
    assert ESCAPE not in ended.stdout
    assert max(len(line) for line in lines) > 30
    assert [line for line in lines if "…" in line or line != line.rstrip()] == []


def test_a_table_in_a_pipe_has_one_line_a_row_however_long() -> None:
    lines = process("kernels", "--long", COLUMNS="40").stdout.decode().splitlines()
    (binomial,) = [line for line in lines if "binomial" in line]
    assert len(binomial) > 80
    assert binomial.endswith("weights")


@pytest.mark.slow
def test_errors_and_warnings_in_a_pipe_are_plain(row: Path, out: Path) -> None:
    assert ESCAPE not in process("kernels", "sobl-x").stderr
    warned = process("apply", "[[1]]", row, out, "-s", "1x4").stderr
    assert warned.startswith(b"Warning: stride 4")
    assert ESCAPE not in warned


@pytest.mark.parametrize(
    "words", [("kernels", "--json"), ("size", "--w", "7", "--k", "3", "--json")]
)
def test_json_is_one_line_whatever_the_looks_asked_for(words: tuple[str, ...]) -> None:
    ended = process(*words, FORCE_COLOR="1", COLUMNS="20")
    assert ended.stderr == b""
    assert ended.stdout.count(b"\n") == 1
    json.loads(ended.stdout)


def test_an_encoding_without_the_signs_does_not_fail() -> None:
    ended = process("kernels", "gaussian:1", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.isascii()


# ------------------------------------------------------------------ broken pipes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [
        (("apply", "box", str(COFFEE), "-", "--quiet"), ""),
        (("apply", "box", str(COFFEE), "-", "--quiet"), "1"),
        (("kernels",), ""),
        (("kernels", "--json"), ""),
        (("size", "--w", "7", "--k", "3"), ""),
        (("--help",), ""),
    ],
)
def test_a_reader_that_leaves_is_no_reason_for_noise(
    words: tuple[str, ...], unbuffered: str
) -> None:
    # As `convcli … | head -c 10` where head has gone: the picture is larger than a pipe.
    with subprocess.Popen(
        command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHONUNBUFFERED=unbuffered),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        if words[0] == "apply":
            assert len(os.read(running.stdout.fileno(), 10)) == 10
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


STREAMS = "import sys; sys.{0} = None; from convcli.cli.app import main; main(sys.argv[1:])"
"""A process started with a stream closed (`>&-`), or without a console, has None there."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "words"),
    [
        ("stdout", ("kernels",)),
        ("stdout", ("size", "--w", "7", "--k", "3")),
        ("stdout", ("apply", "box", str(CAMERA), "-")),
        ("stdin", ("apply", "box", "-", "out.png")),
        ("stderr", ("apply", "box", "nowhere.png", "out.png")),
    ],
)
def test_a_closed_stream_is_no_reason_for_a_traceback(
    tmp_path: Path, stream: str, words: tuple[str, ...]
) -> None:
    ended = script(STREAMS.format(stream), *words, folder=tmp_path)
    assert ended.returncode in (0, 1)
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [("kernels",), ("size", "--w", "7", "--k", "3"), ("apply", "box", str(CAMERA), "-")],
)
def test_a_full_disk_is_one_line(words: tuple[str, ...]) -> None:
    full = Path("/dev/full")
    if not full.exists():  # Only Linux has a device that is always full.
        return
    with full.open("wb") as device:
        ended = subprocess.run(
            command(*words),
            stdout=device,
            stderr=subprocess.PIPE,
            check=False,
            env=environment(),
        )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert b"No space left" in ended.stderr
    assert b": make room, or write elsewhere" in ended.stderr


# ------------------------------------------------------------------ environment


def test_an_option_set_by_environment(row: Path, out: Path) -> None:
    # 10 + 10 + 20 at the left edge, where zero would give 10 + 20.
    process("apply", "[[1,1,1]]", row, out, anew=True, CONVCLI_APPLY_BORDER="replicate")
    assert load(out) == [[40, 60, 80]]


# ------------------------------------------------------------------ our own bugs


BUG = """\
import sys
from convcli.cli.app import main
from convcli.geometry.window import Axis
Axis.span = lambda axis, size: [][size]
main(["size", "--w", "7", "--k", "3"])
"""


def test_a_bug_is_one_line_that_asks_for_a_report() -> None:
    ended = script(BUG)
    assert (ended.returncode, ended.stdout) == (70, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "Error: this is a bug in convcli: IndexError: list index out of range"
    )
    assert "please report it" in line
    assert "CONVCLI_TRACEBACK" in line


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("", False)])
def test_the_traceback_of_a_bug_is_shown_where_it_is_asked_for(
    value: str, *, shown: bool
) -> None:
    ended = script(f"import os; os.environ['CONVCLI_TRACEBACK'] = {value!r}\n{BUG}")
    assert ended.returncode == 70
    assert ("Traceback (most recent call last):" in ended.stderr) is shown
    assert ended.stderr.splitlines()[-1].startswith(
        "Error: this is a bug in convcli: IndexError"
    )


def test_the_help_names_the_variable_that_shows_a_traceback() -> None:
    assert b"CONVCLI_TRACEBACK=1" in process("--help").stdout

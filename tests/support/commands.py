"""What the tests of the command line share: starting it, and pictures of a few pixels."""

import functools
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

import convcli
from convcli.cli.app import main
from support.forks import Forked, Stream, can_fork
from support.schemas import validator

Words: TypeAlias = str | Path
Running: TypeAlias = "subprocess.Popen[bytes] | Forked"

PHOTOS = Path(__file__).parents[2] / "sample_images"

_PERSONAL = ("CONVCLI_", "_CONVCLI_")
_LOOKS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "PYTHONUNBUFFERED")


_REPLACED = re.compile(r"replaced |Warning: .* was another picture beside INPUT")


def is_personal(name: str) -> bool:
    """Tell whether an environment variable would change what the program does."""
    return (name.startswith(_PERSONAL) and name != "CONVCLI_FAST") or name in _LOOKS


def run(
    *words: Words, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> Result:
    """Run the program inside this process; a batch in a fork, whose workers are forks then.

    Beside threads, as pytest has some, each worker would be a new process.
    """
    arguments = [str(word) for word in words]
    if "--out-dir" in arguments and "--dry-run" not in arguments:
        return _run_batch(*arguments, stdin=stdin or b"", env=env or {})
    without = dict.fromkeys(filter(is_personal, os.environ))
    settings: dict[str, str | None] = {**without, **(env or {})}
    return CliRunner().invoke(main, arguments, prog_name="convcli", input=stdin, env=settings)


def _run_batch(*words: str, stdin: bytes, env: Mapping[str, str]) -> Result:
    ended = process(*words, stdin=stdin, **env)  # type: ignore[arg-type] # they are variables
    if "--json" in words:
        for line in ended.stdout.splitlines():
            validator("apply").validate(json.loads(line))
    status, output = ended.returncode, ended.stdout + ended.stderr
    left = SystemExit(status) if status else None
    return Result(CliRunner(), ended.stdout, ended.stderr, output, None, status, left)


def done(
    *words: Words, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run the program, which must do its work; that it replaces a file is all that it says."""
    result = run(*words, stdin=stdin, env=env)
    said = [line for line in result.stderr.splitlines() if not _REPLACED.match(line)]
    assert (result.exit_code, said) == (0, [])
    return result.stdout


def refusal(*words: Words, status: int, stdin: bytes | None = None) -> str:
    """Run the program, which must fail with one line on standard error; return the line."""
    result = run(*words, stdin=stdin)
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.endswith("\n")
    assert len(result.stderr.splitlines()) == 1
    return result.stderr.removeprefix("Error: ").removesuffix("\n")


def cells(text: str) -> list[list[str]]:
    """Return the cells of each line of a table, which two blanks or more part."""
    return [re.split(" {2,}", line.strip()) for line in text.splitlines()]


def save(path: Path, pixels: Any, dtype: Any = np.uint8) -> Path:
    """Write pixels (H, W) or (H, W, C) as a picture; return its path."""
    Image.fromarray(np.array(pixels, dtype)).save(path)
    return path


def pixels(path: Path) -> "np.ndarray[Any, Any]":
    """Return a picture's pixels as an array."""
    with Image.open(path) as image:
        return np.asarray(image)


def load(path: Path) -> Any:
    """Return the pixels of a small picture as lists."""
    return pixels(path).tolist()


def mode(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would change looks or settings."""
    kept = {name: value for name, value in os.environ.items() if not is_personal(name)}
    return {**kept, "PYTHONUTF8": "1", **more}


def command(*words: Words) -> list[str]:
    """Return the command line of a real process."""
    return [sys.executable, "-m", "convcli", *(str(word) for word in words)]


def process(
    *words: Words,
    stdin: bytes = b"",
    folder: Path | None = None,
    anew: bool = False,
    **more: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a process of its own, in pipes; `more` is its environment.

    It is a fork where `begun` starts one, unless it is started `anew`.
    """
    line, env, pipe = command(*words), environment(**more), subprocess.PIPE
    if anew:
        return subprocess.run(
            line, input=stdin, capture_output=True, check=False, cwd=folder, env=env
        )
    with begun(*words, stdin=pipe, stdout=pipe, stderr=pipe, folder=folder, env=env) as running:
        output, said = running.communicate(stdin)
    return subprocess.CompletedProcess(line, running.wait(), output, said)


def begun(
    *words: Words,
    code: str = "",
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    start_new_session: bool = False,
) -> Running:
    """Start the program: as a fork of a process that has loaded it, where one can be had.

    Lines of Python may take its place as the `code`: they get its words. Workers of this
    machine are started by a new process: how, Dask asks once, at its import.
    """
    env = environment() if env is None else env
    settings: dict[str, Any] = {
        "stdin": stdin,
        "stdout": stdout,
        "stderr": stderr,
        "cwd": folder,
        "env": env,
        "start_new_session": start_new_session,
    }
    _, _, module, *texts = command(*words)
    if not can_fork(env, environment()) or any(text.startswith("local:") for text in texts):
        line = [sys.executable, "-c", code] if code else command()
        return subprocess.Popen([*line, *texts], bufsize=0, **settings)
    loaded = [*program_modules()]
    loaded += CLUSTER_MODULES if "--cluster" in texts else []
    loaded += ["s3fs"] if "AWS_ENDPOINT_URL" in env else []
    loaded += ["zarr"] if any(".zarr" in text for text in texts) else []
    return Forked(texts, module="" if code else module, code=code, loaded=loaded, **settings)


CLUSTER_MODULES = ["distributed", "convcli.scale.flight", "zarr"]
"""What a run on a cluster imports."""

_FORMATS = ["PIL.JpegImagePlugin", "PIL.PngImagePlugin", "tifffile"]


@functools.cache
def program_modules() -> list[str]:
    """Return all modules of convcli that import neither Dask nor numba, and some of formats."""
    found = pkgutil.walk_packages(convcli.__path__, "convcli.")
    others = re.compile(r"__main__|compiled_|scale\.(admission|flight)$")
    return [*(one.name for one in found if not others.search(one.name)), *_FORMATS]


def script(
    code: str, *words: Words, folder: Path | None = None, anew: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a few lines of Python as a process of their own, in pipes; `words` are its own.

    It is a fork where `begun` starts one, unless it is started `anew`, as it must be where it
    counts which modules it has loaded, or all of its memory.
    """
    line, pipe = [sys.executable, "-c", code, *map(str, words)], subprocess.PIPE
    if anew:
        return subprocess.run(
            line, capture_output=True, check=False, cwd=folder, env=environment(), text=True
        )
    with begun(*words, code=code, stdout=pipe, stderr=pipe, folder=folder) as running:
        output, said = (stream.decode() for stream in running.communicate())
    return subprocess.CompletedProcess(line, running.wait(), output, said)


def gradient(rows: int, columns: int) -> NDArray[np.uint8]:
    """Return a picture whose pixels all differ: 1, 2, 3 … row by row."""
    return np.arange(1, rows * columns + 1, dtype=np.uint8).reshape(rows, columns)

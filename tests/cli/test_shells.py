"""Completion in bash, zsh and fish, through a real terminal."""

import os
import select
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from support.commands import environment
from support.waiting import PATIENCE

pytestmark = pytest.mark.slow

if sys.platform == "win32":
    pytest.skip("openpty opens no terminals on Windows", allow_module_level=True)

SHELLS = {
    "bash": (["--norc", "--noprofile"], 'eval "$(_CONVCLI_COMPLETE=bash_source convcli)"'),
    "zsh": (
        ["-f"],
        'autoload -Uz compinit; compinit -u; eval "$(_CONVCLI_COMPLETE=zsh_source convcli)"',
    ),
    "fish": (["--no-config"], "_CONVCLI_COMPLETE=fish_source convcli | source"),
}
"""How each shell starts without a person's settings, and what switches completion on."""


def _until(terminal: int, word: str) -> str:
    """Return what a terminal shows until a word is there."""
    text, end = "", time.monotonic() + PATIENCE
    while word not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            text += os.read(terminal, 65_536).decode(errors="replace")
    return text


@pytest.mark.skipif(not all(map(shutil.which, SHELLS)), reason="a shell is not installed")
@pytest.mark.parametrize("shell", SHELLS)
def test_what_follows_a_kernel_is_completed(shell: str, tmp_path: Path) -> None:
    import pty

    words, switch = SHELLS[shell]
    arrays = {f"conv{n}.weight": np.zeros((1, 1, 3, 3), np.float32) for n in (1, 2)}
    save_file(arrays, tmp_path / "model.safetensors")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        os.execvpe(shell, [shell, *words], environment(TERM="xterm", PATH=paths))  # noqa: S606
    try:
        os.write(terminal, f"{switch}; echo rea''dy\n".encode())
        assert "ready" in _until(terminal, "ready")
        os.write(terminal, b"convcli apply sobel-x@\t\t")
        assert "transpose" in _until(terminal, "transpose")
        os.write(terminal, b"\x15convcli apply gaussian:\t\t")
        assert "sigma=1" in _until(terminal, "sigma=1")
        os.write(terminal, b"\x15convcli apply model.safetensors::\t\t\t")
        assert "conv1.weight" in _until(terminal, "conv1.weight")
        # A field that is begun is completed where it stands, also behind other letters.
        os.write(terminal, b"\x15convcli apply box in.gif 'out-{fr\t\t\t")
        assert "frame:03" in _until(terminal, "frame:03")
        os.write(terminal, b"\x15convcli apply box in.gif --out-dir out --name 'x-{st\t")
        assert "em}" in _until(terminal, "em}")
        # Without quotes, zsh and fish take a brace for their own.
        os.write(terminal, b"\x03\x15convcli apply box in.gif x-{\t\t\x15echo en''d\n")
        assert "x-{frame\\}" not in _until(terminal, "end")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)

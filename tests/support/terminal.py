"""Run the program at a real terminal, and take what it writes there apart."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from support.commands import command, environment

_FORKS = """\
import gc, importlib, json, os, pkgutil, sys, termios
import convcli.cli
from convcli.cli.app import main
for found in pkgutil.iter_modules(convcli.cli.__path__, "convcli.cli."):
    importlib.import_module(found.name)
gc.freeze()
columns, *shows = json.loads(sys.argv[1])
texts = []
for words in shows:
    child, terminal = os.forkpty()
    if not child:
        termios.tcsetwinsize(0, (24, columns))
        sys.stdin = open(0, closefd=False)
        sys.stdout, sys.stderr = (open(to, "w", closefd=False) for to in (1, 2))
        main(words, prog_name="convcli")
    text = b""
    try:
        while more := os.read(terminal, 65_536):
            text += more
    except OSError:  # On Linux the end of a terminal is an error.
        pass
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 1, 2), (words, status, text)
    texts.append(text.decode())
print(json.dumps(texts))
"""
"""Forks itself for each command, at a terminal of its own: modules are loaded once."""

STYLE = re.compile(r"\x1b\[([0-9;]*)m")
"""An escape that sets colours, or makes letters bold."""


def all_shown(shows: Sequence[tuple[str, ...]], columns: int, folder: Path) -> list[str]:
    """Run the program at as many terminals as there are commands; return what each shows."""
    ended = subprocess.run(
        [sys.executable, "-c", _FORKS, json.dumps([columns, *shows])],
        stdout=subprocess.PIPE,
        check=True,
        cwd=folder,
        env=environment(TERM="xterm-256color"),
    )
    return [text.replace("\r\n", "\n") for text in json.loads(ended.stdout)]


def shown(
    words: tuple[str, ...], columns: int, folder: Path, keys: bytes = b"", **more: str
) -> str:
    """Run the program at a terminal of so many columns; return all that it writes there."""
    return played(words, columns, folder, [("", keys)], **more)


def played(
    words: tuple[str, ...],
    columns: int,
    folder: Path,
    play: Sequence[tuple[str, bytes]],
    **more: str,
) -> str:
    """Run the program at a terminal, and press keys: each when a text has come since the last.

    Returns all that the program writes there.
    """
    import termios  # Windows has none.

    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with subprocess.Popen(
        command(*words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment(**{"TERM": "xterm-256color", **more}),
    ) as running:
        os.close(theirs)
        text, seen, left = b"", 0, list(play)
        while True:
            while left and left[0][0].encode() in text[seen:]:
                seen = len(text)
                os.write(ours, left.pop(0)[1])
            if not (more_text := _read(ours)):
                break
            text += more_text
        os.close(ours)
    assert running.returncode in (0, 1, 2)
    return text.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # On Linux the end of a terminal is an error.
        return b""


def plain(text: str) -> str:
    return STYLE.sub("", text)


def colours(text: str) -> list[str]:
    """Return the escapes that set a colour; bold and plain are none."""
    codes = [code for style in STYLE.findall(text) for code in style.split(";")]
    return [code for code in codes if re.fullmatch(r"[349]\d|10\d", code)]

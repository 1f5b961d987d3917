"""Run the program at a real terminal, and take what it writes there apart."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from support.commands import begun, environment

STYLE = re.compile(r"\x1b\[([0-9;]*)m")
"""An escape that sets colours, or makes letters bold."""


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
    with begun(
        *words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        folder=folder,
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

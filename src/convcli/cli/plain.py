"""Plain text for people: broken at blanks where a terminal ends, left as it is in a pipe."""

import sys

import click


def say(text: str, *, newline: bool = True) -> None:
    """Print lines of text; a terminal gets none that is wider than it."""
    click.echo(wrapped(text) if sys.stdout.isatty() else text, nl=newline)


def wrapped(text: str, width: int | None = None) -> str:
    r"""Return lines broken at blanks, so that each has at most `width` columns.

    Parameters
    ----------
    text : str
        Lines; what is broken off stands as far in as its line did.
    width : int, optional
        In columns; the terminal's where none is given.

    Examples
    --------
    >>> wrapped("  one two three", 12)
    '  one two\n  three'
    """
    if width is None:
        import shutil  # noqa: PLC0415 - with its archives it takes 2 ms

        width = shutil.get_terminal_size().columns
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    if len(click.unstyle(line)) <= width:
        return line
    return click.wrap_text(line.strip(), width, indent, indent)

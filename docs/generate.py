"""What the documents' cog blocks call: the program's own words, run and pasted.

Refresh all documents with ``cog -P -r -I docs README.md docs/*.md``.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_TIME = re.compile(r"^(time +)[\d.]+ ms$", re.MULTILINE)


def run(*commands: str) -> str:
    """Run commands as a reader would type them, and return them with what they print.

    Parameters
    ----------
    *commands : str
        As ``convcli size --w 7 --k 3``; each is run in a scratch folder that has the
        sample images. Times are shown as …, so that a document is the same everywhere.

    Returns
    -------
    str
        A fenced console block.
    """
    shown = [part for command in commands for part in (f"$ {command}", _output(command))]
    body = "\n".join(part for part in shown if part)
    return f"```console\n{body}\n```"


def help_page(command: str) -> str:
    """Return the help page of a command, as a fenced block."""
    return f"```text\n{_output(f'convcli {command} --help')}\n```"


def kernel_table() -> str:
    """Return the catalogue as a Markdown table."""
    from convcli.kernels import CATALOGUE  # noqa: PLC0415 - cog loads this file before the path

    lines = ["| kernel | size | sum | what the sum says | use | source |", "|" + "---|" * 6]
    for entry in CATALOGUE.values():
        kernel = entry.kernel()
        parameters = ",".join(p.name for p in entry.parameters)
        name = f"`{entry.name}:{parameters}`" if parameters else f"`{entry.name}`"
        size = "×".join(str(length) for length in kernel.size)
        facts = (f"{kernel.sum:g}", kernel.effect.value, entry.description, entry.source)
        lines.append(f"| {' | '.join((name, size, *facts))} |")
    return "\n".join(lines)


def _output(command: str) -> str:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    words = [sys.executable, "-m", *shlex.split(command)]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(_ROOT / "sample_images", Path(scratch, "sample_images"))
        done = subprocess.run(  # noqa: S603 - the documents' own commands
            words,
            cwd=scratch,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    return _TIME.sub(r"\1… ms", (done.stdout + done.stderr).strip())

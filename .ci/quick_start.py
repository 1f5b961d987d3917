"""Print the two commands of README's quick start, a line each."""

import re
import sys
from pathlib import Path

_BLOCKS = 2


def commands(text: str) -> list[str]:
    """Return the `sh` blocks of the section "Quick start": exactly two, one line each."""
    section = text.split("\n## Quick start\n", 1)[1].split("\n## ", 1)[0]
    blocks = [block.strip() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]
    if len(blocks) != _BLOCKS or any("\n" in block for block in blocks):
        raise SystemExit(f"expected {_BLOCKS} sh blocks of one line each, got {blocks}")
    return blocks


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text("utf-8")
    sys.stdout.write("\n".join([*commands(text), ""]))

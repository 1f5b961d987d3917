"""Run the program over every file of a folder, and count what became of each.

The hard corpus is Pillow's own test images, which come with its source package::

    pip download --no-binary :all: --no-deps pillow
    tar -xzf pillow-*.tar.gz
    python tests/corpus/run_corpus.py pillow-*/Tests/images

Each file is filtered by a process of its own, with a limit of time and of memory. Exit
status 1 where any of them ends with a traceback, a crash or a time-out, says more than one
line of error, or leaves anything but its output behind.
"""

import argparse
import collections
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 120
_MEMORY = 6 * 2**30

_KINDS = {
    "no picture": r"got something else|got an empty file|no file name",
    "format is off": r"files are off",
    "too many pixels": r"--max-pixels",
    "truncated": r"truncated|--allow-truncated",
    "frames differ": r"frames of one size",
    "damaged or not supported": r"cannot be read",
}
"""Reasons for a refusal, by what its line says."""

_GOOD = ("filtered", "filtered, with a warning", "refused")


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    kind: str
    line: str


def outcome(path: Path) -> Outcome:
    """Filter one file in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "convcli", "apply", "gaussian:1", str(path)]
        try:
            done = subprocess.run(
                [*command, f"{folder}/out.tif", "--quiet"],
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                preexec_fn=_limit_memory,
            )
        except subprocess.TimeoutExpired:
            return Outcome("time-out", "")
        left = sorted(path.name for path in Path(folder).iterdir())
    error = done.stderr.decode("utf-8", "replace")
    wanted = ["out.tif"] if done.returncode == 0 else []
    if left != wanted:
        return Outcome("wrong files left", f"{left}; {error}")
    return _judged(done.returncode, error)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _judged(status: int, error: str) -> Outcome:
    lines = error.splitlines()
    if "Traceback" in error:
        return Outcome("traceback", lines[-1])
    if status == 0:
        return _of_success(lines)
    if status != 1 or len(lines) != 1 or not error.startswith("Error: "):
        return Outcome(f"status {status}, {len(lines)} lines", error)
    reasons = (kind for kind, pattern in _KINDS.items() if re.search(pattern, error))
    return Outcome(f"refused: {next(reasons, 'other')}", error.strip())


def _of_success(lines: list[str]) -> Outcome:
    if any(not line.startswith("Warning: ") for line in lines):
        return Outcome("stray output", " ".join(lines))
    return Outcome("filtered, with a warning" if lines else "filtered", " ".join(lines))


def main() -> int:
    """Print the counts, and each line of a refusal with --list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true", help="print each file's outcome")
    arguments = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    bad = 0
    for path in sorted(p for p in arguments.folder.rglob("*") if p.is_file()):
        found = outcome(path)
        counts[found.kind] += 1
        worse = not found.kind.startswith(_GOOD)
        bad += worse
        if arguments.list or worse:
            print(
                f"{path.relative_to(arguments.folder)}: {found.kind}: {found.line}", flush=True
            )
    for kind, count in sorted(counts.items()):
        print(f"{count:5} {kind}")
    print(f"{counts.total():5} files, {bad} of them wrongly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""A hundred plausible slips: the status of each, and the answer, are in a golden file.

``tests/golden/slips.txt`` is made anew by ``python tests/cli/test_slips.py`` from its own
command lines, and looked at before it is kept.
"""

from pathlib import Path

import pytest

from support.commands import run

GOLDEN = Path(__file__).parents[1] / "golden" / "slips.txt"


def slips() -> list[tuple[str, str]]:
    """Return each command line of the golden file, and what is said of it."""
    lines = GOLDEN.read_text("utf-8").splitlines()
    return list(zip(lines[::2], lines[1::2], strict=True))


def answer(line: str) -> str:
    """Return the status of a command line, and what it says."""
    result = run(*line.removeprefix("$ convcli ").split())
    assert result.stdout == ""
    return f"{result.exit_code}: {result.stderr.rstrip()}"


def test_there_are_a_hundred() -> None:
    assert len({line for line, _ in slips()}) >= 100


@pytest.mark.parametrize(("line", "expected"), slips())
def test_a_slip_is_told_what_was_meant(
    line: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert answer(line) == expected
    assert expected.startswith("2: Error: ")
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    text = "".join(f"{line}\n{answer(line)}\n" for line, _ in slips())
    GOLDEN.write_text(text, "utf-8")

"""The version of a file is the same for machines that see its time rounded down."""

import os
from pathlib import Path

import pytest

from convcli.storage.ranges import ranges_of


@pytest.mark.parametrize(
    ("version", "is_same"),
    [
        ("9 1700000000123456789", True),
        ("9 1700000000123456700", True),  # SMB counts in 100 ns
        ("9 1700000000000000000", True),  # SFTP in seconds
        ("9 1700000000123456788", False),
        ("8 1700000000123456789", False),
    ],
)
def test_times_are_compared_in_the_coarser_unit(
    tmp_path: Path, version: str, *, is_same: bool
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(bytes(9))
    os.utime(path, ns=(0, 1700000000123456789))
    opened = ranges_of(str(path))
    assert opened.is_version(version) is is_same

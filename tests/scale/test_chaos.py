"""The short form of the chaos run: a few faults, and everything is as it must be."""

from pathlib import Path

import pytest

from support.chaos import chaos

pytest.importorskip("distributed", reason="--cluster needs the extra cluster")


@pytest.mark.slow
@pytest.mark.servers
def test_a_batch_among_workers_that_fail(tmp_path: Path) -> None:
    faults = chaos(tmp_path, pictures=60, minutes=0.05, workers=2, pause=0.5, seed=1)
    assert faults["scheduler killed"] == 1
    assert faults["answered with 503"] >= 1
    assert sum(faults.values()) - faults["requests"] >= 4

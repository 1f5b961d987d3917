"""One cluster of two workers for all tests that leave it as it was."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import PHOTOS, process
from support.dask_cluster import Cluster, dask_cluster
from support.held import Held, contents, release
from support.s3_server import Bucket

_COUNT = 60
_HELD = 8
"""More than a cluster of two workers is sent before anything is known."""


@pytest.fixture(scope="session")
def cluster(s3_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="--cluster needs the extra cluster")
    settings = Bucket("none", s3_address).settings
    with dask_cluster(tmp_path_factory.mktemp("cluster"), 2, **settings) as running:
        yield running


@pytest.fixture
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a scheduler without workers: each test starts its own."""
    with dask_cluster(tmp_path_factory.mktemp("lonely"), 0) as running:
        yield running


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures that all differ."""
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(PHOTOS / "rocket.jpg") as opened:
        pixels = np.asarray(opened)
    for index in range(_COUNT):
        turned = np.roll(pixels, 7 * index, axis=1)
        Image.fromarray(turned[::2, ::2]).save(folder / f"{index:03}.jpg", quality=90)
    return folder


@pytest.fixture
def held(photos: Path, tmp_path: Path) -> Iterator[tuple[Path, list[Held]]]:
    """Return the same folder, of which more files cannot be read yet than are sent at first."""
    folder = tmp_path / "held"
    folder.mkdir()
    for path in photos.iterdir():
        shutil.copy(path, folder)
    waiting = [Held(folder / f"{index:03}.jpg") for index in range(_HELD)]
    yield folder, waiting
    release(waiting)


@pytest.fixture(scope="session")
def expected(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what a batch on this machine makes of them."""
    out = tmp_path_factory.mktemp("expected")
    ended = process("apply", "gaussian:2", photos, "--out-dir", out, "-q")
    assert ended.returncode == 0
    return contents(out)

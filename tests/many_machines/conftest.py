"""One cluster of two workers for all tests that leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.support import PHOTOS, process
from dask_cluster import Cluster, dask_cluster
from s3_server import Bucket

COUNT = 60


@pytest.fixture(scope="session")
def cluster(s3_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="--cluster needs the extra cluster")
    settings = Bucket("none", s3_address).settings
    with dask_cluster(tmp_path_factory.mktemp("cluster"), 2, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures that all differ."""
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(PHOTOS / "rocket.jpg") as opened:
        pixels = np.asarray(opened)
    for index in range(COUNT):
        turned = np.roll(pixels, 7 * index, axis=1)
        Image.fromarray(turned).save(folder / f"{index:03}.jpg", quality=90)
    return folder


@pytest.fixture(scope="session")
def expected(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what a batch on this machine makes of them."""
    out = tmp_path_factory.mktemp("expected")
    ended = process("apply", "gaussian:2", photos, "--out-dir", out, "-q")
    assert ended.returncode == 0
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}

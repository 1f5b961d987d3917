"""Parts that are compressed on their own join to one stream: zlib itself reads it back."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convcli.images.codecs.png import part_of, stream_of
from convcli.images.picture import Frame, Metadata, Picture
from convcli.images.write import Saving, write_picture


@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE])
@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("sizes", [(0,), (1,), (70_000, 0, 3), (65_521, 65_521, 200_001)])
def test_parts_join(sizes: tuple[int, ...], level: int, strategy: int) -> None:
    """Adler-32 counts modulo 65,521."""
    rng = np.random.default_rng(7)
    blocks = [rng.integers(0, 256, size, np.uint8) for size in sizes]
    before, parts = b"", []
    for index, block in enumerate(blocks):
        dictionary, last = before[-(2**15) :], index == len(blocks) - 1
        parts.append(part_of([block], level, strategy, dictionary=dictionary, last=last))
        before += block.tobytes()
    assert zlib.decompress(stream_of(parts)) == before


def test_a_part_repeats_what_stands_before_it() -> None:
    noise = np.random.default_rng(8).integers(0, 256, 30_000, np.uint8)
    alone = part_of([noise], 9, zlib.Z_DEFAULT_STRATEGY)
    again = part_of([noise], 9, zlib.Z_DEFAULT_STRATEGY, dictionary=noise.tobytes())
    assert len(again[0]) < len(alone[0]) / 50


@pytest.mark.parametrize("level", [None, 9])
@pytest.mark.parametrize("kind", ["photograph", "text"])
def test_a_png_is_the_same_on_any_number_of_threads(
    kind: str, level: int | None, tmp_path: Path
) -> None:
    """Of segments: 900×700 in colour are 1.9 MB."""
    rng = np.random.default_rng(9)
    values = rng.integers(0, 256, (900, 700, 3), np.uint8)
    if kind == "text":
        values = np.tile(rng.integers(0, 2, (9, 7, 3), np.uint8) * 255, (100, 100, 1))
    document = Picture((Frame(values),), Metadata())
    files = []
    for jobs in (1, 2, 3):
        path = tmp_path / f"{jobs}.png"
        write_picture(document, path, "PNG", Saving(compress_level=level, jobs=jobs))
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]
    with Image.open(tmp_path / "1.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), values)

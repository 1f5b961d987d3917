"""Ways in which tifffile writes a TIFF: read to the last bit, or refused on one line.

The expected numbers are those that tifffile's own reader returns, with imagecodecs' decoders;
what a photometric interpretation makes of them is worked out by hand. Here each three settings
meet once; `tests/corpus/run_corpus.py --tiff-matrix` runs every combination.
"""

import collections
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from convcli.scale.tiled.tiff import open_tiff
from support.foreign import random_samples, tiff_bytes_of
from support.tiff_cases import sampled_tiffs, verdict


@pytest.mark.slow
def test_right_or_refused(tmp_path: Path) -> None:
    counts: collections.Counter[str] = collections.Counter()
    wrong = []
    for case, data in sampled_tiffs():
        judged = verdict(case, data)
        counts[judged] += 1
        same = counts.total() % 3 or same_in_blocks(data, tmp_path / "in.tif")
        wrong += [case] if judged == "wrong" or not same else []
    assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"
    assert counts["right"] > 250, counts
    assert counts["refused"] > 250, counts


def same_in_blocks(data: bytes, path: Path) -> bool:
    """Tell whether what --tiled would read is a part of the whole; True if it reads nothing."""
    path.write_bytes(data)
    with contextlib.suppress(ImageError):
        source = open_tiff(str(path))
        found = source.read(slice(3, source.shape[0]), slice(2, source.shape[1] - 1))
        whole = read_picture(path).frames[0].samples[3:, 2:-1]
        same = np.array_equal(found, whole, equal_nan=whole.dtype.kind == "f")
        return same and found.dtype == whole.dtype
    return True


@pytest.mark.parametrize("dtype", ["u2", "u4", "f2", "f8", "i1"])
def test_the_header_tells_what_is_read(dtype: str, tmp_path: Any) -> None:
    data = tiff_bytes_of(random_samples(dtype, (21, 35, 3)), photometric="rgb")
    assert data is not None
    (tmp_path / "in.tif").write_bytes(data)
    header = header_of(tmp_path / "in.tif", ReadPolicy())
    frame = read_picture(tmp_path / "in.tif").frames[0]
    assert header is not None
    assert header.shape == frame.pixels.shape
    assert header.dtype == frame.pixels.dtype

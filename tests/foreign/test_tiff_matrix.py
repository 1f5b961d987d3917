"""Ways in which tifffile writes a TIFF: read to the last bit, or refused on one line.

The expected numbers are those that tifffile's own reader returns, with imagecodecs' decoders;
what a photometric interpretation makes of them is worked out by hand. Here each three settings
meet once; `tests/corpus/run_corpus.py --tiff-matrix` runs every combination.
"""

import collections
from typing import Any

import pytest

from convcli.images.policy import ReadPolicy
from convcli.images.read import header_of, read_picture
from support.foreign import random_samples, tiff_bytes_of
from support.tiff_cases import sampled_tiffs, verdict


@pytest.mark.slow
def test_right_or_refused() -> None:
    counts: collections.Counter[str] = collections.Counter()
    wrong = []
    for case, data in sampled_tiffs():
        judged = verdict(case, data)
        counts[judged] += 1
        wrong += [case] if judged == "wrong" else []
    assert not wrong, f"{len(wrong)} wrong: {wrong[:5]}"
    assert counts["right"] > 250, counts
    assert counts["refused"] > 250, counts


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

"""Every way in which tifffile writes a TIFF: read to the last bit, or refused on one line.

The expected numbers are those that tifffile's own reader returns, with imagecodecs' decoders;
what a photometric interpretation makes of them is worked out here.
"""

import io
import itertools
from typing import Any

import numpy as np
import pytest
import tifffile

from convcli.errors import ImageError
from convcli.images.read import header_of, read_picture
from support.foreign import random_samples, tiff_bytes_of

DTYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "?")
PHOTOMETRICS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4, "cielab": 3}
COMPRESSIONS = (None, "adobe_deflate", "lzw", "packbits", "lzma", "zstd", "lerc")
PREDICTORS = {
    "u": (False, 2),
    "i": (False, 2),
    "f": (False, 2, 3),
    "c": (False,),
    "b": (False,),
}
EXTRAS = {"none": (0, None), "alpha": (1, ["unassalpha"]), "bands": (2, [0, 0])}
PLACES: tuple[dict[str, Any], ...] = (
    {},
    {"tile": (16, 16)},
    {"planarconfig": "separate"},
    {"planarconfig": "separate", "tile": (16, 16)},
    {"rowsperstrip": 5},
)
CONTENT_CHANGED = {"separated", "cielab"}
"""Interpretations whose colours become RGB: compared with formulas elsewhere."""


def cases(dtype: str) -> "itertools.product[Any]":
    return itertools.product(
        "<>", COMPRESSIONS, PREDICTORS[np.dtype(dtype).kind], PHOTOMETRICS, EXTRAS, PLACES
    )


def expected(data: bytes, photometric: str) -> np.ndarray[Any, Any]:
    """Return the samples (H, W, S) as tifffile reads them, with white as the largest number."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        stored = page.asarray()
        if stored.ndim == 2:
            stored = stored[..., np.newaxis]
        elif int(page.planarconfig) == 2:
            stored = np.moveaxis(stored, 0, 2)
    if photometric == "miniswhite":
        white = 1 if stored.dtype == bool else np.iinfo(stored.dtype).max
        stored[..., 0] = white - stored[..., 0]
    samples: np.ndarray[Any, Any] = stored
    return samples


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_or_refused(dtype: str) -> None:
    counts = {"right": 0, "refused": 0}
    wrong = []
    for case in cases(dtype):
        order, compression, predictor, photometric, extra, place = case
        more, extrasamples = EXTRAS[extra]
        samples = random_samples(dtype, (21, 35, PHOTOMETRICS[photometric] + more))
        data = tiff_bytes_of(
            samples,
            byteorder=order,
            compression=compression,
            predictor=predictor,
            photometric=photometric,
            extrasamples=extrasamples,
            **place,
        )
        if data is None:
            continue  # tifffile does not write it either
        try:
            picture = read_picture(io.BytesIO(data), "in.tif")
        except ImageError as error:
            message = str(error)
            wrong += [case] if "\n" in message or "PNG" in message else []
            counts["refused"] += 1
            continue
        frame = picture.frames[0]
        got = frame.samples
        if photometric in CONTENT_CHANGED:
            continue
        want = expected(data, photometric)
        if want.dtype == bool:
            want = want * np.uint8(255)
        if got.shape != want.shape or not np.array_equal(got, want):
            wrong.append(case)
        counts["right"] += 1
    assert not wrong, f"{len(wrong)} wrong: {wrong[:500:5]}"
    assert (counts["right"] > 100) == (dtype != "c8"), counts


@pytest.mark.parametrize("dtype", ["u2", "u4", "f2", "f8", "i1"])
def test_the_header_tells_what_is_read(dtype: str, tmp_path: Any) -> None:
    data = tiff_bytes_of(random_samples(dtype, (21, 35, 3)), photometric="rgb")
    assert data is not None
    (tmp_path / "in.tif").write_bytes(data)
    from convcli.images.policy import ReadPolicy

    header = header_of(tmp_path / "in.tif", ReadPolicy())
    frame = read_picture(tmp_path / "in.tif").frames[0]
    assert header is not None
    assert header.shape == frame.pixels.shape
    assert header.dtype == frame.pixels.dtype

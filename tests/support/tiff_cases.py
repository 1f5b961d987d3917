"""Every way in which tifffile writes a TIFF, what is read from it, and a sample of them."""

import io
import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tifffile

from convcli.errors import ImageError
from convcli.images.read import read_picture
from support.foreign import random_samples, tiff_bytes_of

DTYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "?")
_PHOTOMETRICS = {"minisblack": 1, "miniswhite": 1, "rgb": 3, "separated": 4, "cielab": 3}
_COMPRESSIONS = (None, "adobe_deflate", "lzw", "packbits", "lzma", "zstd", "lerc")
_PREDICTORS = {"u": (1, 2), "i": (1, 2), "f": (1, 2, 3), "c": (1,), "b": (1,)}
_EXTRAS: dict[str, tuple[int, list[Any] | None]] = {
    "none": (0, None),
    "alpha": (1, ["unassalpha"]),
    "bands": (2, [0, 0]),
}
_PLACES: dict[str, dict[str, Any]] = {
    "one strip": {},
    "tiles": {"tile": (16, 16)},
    "planes": {"planarconfig": "separate"},
    "planes of tiles": {"planarconfig": "separate", "tile": (16, 16)},
    "strips": {"rowsperstrip": 5},
}
_CONTENT_CHANGED = {"separated", "cielab"}
"""Interpretations whose colours become RGB: compared with formulas elsewhere."""
_TRIES = 3
"""Cases tried for three settings that tifffile may not write at all."""


class TiffCase(NamedTuple):
    """One combination of settings."""

    dtype: str
    byteorder: str
    compression: str | None
    predictor: int
    photometric: str
    extra: str
    place: str

    def written(self) -> bytes | None:
        """Return the file; None where tifffile does not write this combination."""
        more, extrasamples = _EXTRAS[self.extra]
        return tiff_bytes_of(
            random_samples(self.dtype, (21, 35, _PHOTOMETRICS[self.photometric] + more)),
            byteorder=self.byteorder,
            compression=self.compression,
            # The size of lzma's memory, not its format, follows from the level: 5 ms a segment.
            compressionargs={"level": 0} if self.compression == "lzma" else None,
            predictor=self.predictor,
            photometric=self.photometric,
            extrasamples=extrasamples,
            **_PLACES[self.place],
        )

    def triples(self) -> set[Any]:
        """Return each three settings of this case, with their places."""
        return set(itertools.combinations(enumerate(self), 3))


def tiff_cases(dtype: str) -> Iterator[TiffCase]:
    """Yield every combination for one sample type."""
    predictors = _PREDICTORS[np.dtype(dtype).kind]
    yield from itertools.starmap(
        TiffCase,
        itertools.product(
            (dtype,), "<>", _COMPRESSIONS, predictors, _PHOTOMETRICS, _EXTRAS, _PLACES
        ),
    )


def sampled_tiffs() -> Iterator[tuple[TiffCase, bytes]]:
    """Yield cases in which each three settings meet that tifffile can write together."""
    cases = [case for dtype in DTYPES for case in tiff_cases(dtype)]
    random.Random(0).shuffle(cases)  # noqa: S311 - the same order each time
    tries: dict[Any, int] = {}
    for case in cases:
        new = [it for it in case.triples() if tries.get(it, 0) < _TRIES]
        if new and (data := case.written()) is not None:
            tries |= dict.fromkeys(case.triples(), _TRIES)
            yield case, data
        else:
            tries |= {it: tries.get(it, 0) + 1 for it in new}


def verdict(case: TiffCase, data: bytes) -> str:
    """Return "right", "refused" or "wrong" for what is read from a file."""
    try:
        got = read_picture(io.BytesIO(data), "in.tif").frames[0].samples
    except ImageError as error:
        return "wrong" if "\n" in str(error) or "PNG" in str(error) else "refused"
    if case.photometric in _CONTENT_CHANGED:
        return "right"
    wanted = _expected(data, case.photometric)
    same = got.shape == wanted.shape and np.array_equal(got, wanted)
    return "right" if same else "wrong"


def _expected(data: bytes, photometric: str) -> np.ndarray[Any, Any]:
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
    return stored * np.uint8(255) if stored.dtype == bool else np.asarray(stored)

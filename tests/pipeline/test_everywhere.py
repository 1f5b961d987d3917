"""Each option alike from the command line, in batches, in tiles, through pipes and in Python.

The table has an option a row; each is tried on 8 and 16 bits, floats, opacity and frames, and
all ways give the same bits as `convcli.apply`.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import convcli
from support.commands import done

RNG = np.random.default_rng(23)
SIZE = (20, 34)


def noise(dtype: str, *channels: int) -> NDArray[Any]:
    if dtype == "f4":
        return RNG.random((*SIZE, *channels)).astype("f4")
    return RNG.integers(0, np.iinfo(dtype).max, (*SIZE, *channels), dtype, endpoint=True)


PHOTOS = {
    "8 bits": noise("u1", 3),
    "16 bits": noise("u2", 3),
    "grey": noise("u1"),
    "floats": noise("f4", 3),
    "opacity": noise("u1", 4),
    "frames": noise("u1", 3),
}
FRAMES = [noise("u1", 3) for _ in range(2)]

OPTIONS: dict[str, dict[str, Any]] = {
    "amount": {"amount": 1.75},
    "threshold": {"threshold": 0.2},
    "mask": {"mask": "mask.tif"},
    "region": {"region": "10%,3,50%x9"},
    "channels": {"channels": "0"},
    "luma": {"channels": "luma"},
    "border": {"border": "replicate,wrap"},
    "constant": {"border": "constant:1"},
    "odd": {"border": "odd"},
    "padding": {"padding": "2,0,1,3"},
    "chain": {"then": ["relu", "max:2"]},
    "times": {"times": 3},
    "missing": {"missing": 1.0, "missing_min": 0.25},
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("mask.tif", RNG.integers(0, 256, SIZE, np.uint8), tile=(16, 16))


def saved(kind: str) -> str:
    """Write a picture as a TIFF; return its name."""
    photo = PHOTOS[kind]
    if kind == "frames":
        first, second = map(Image.fromarray, FRAMES)
        first.save("in.tif", save_all=True, append_images=[second])
        return "in.tif"
    settings: dict[str, Any] = {} if photo.ndim == 2 else {"photometric": "rgb"}
    if kind == "opacity":
        settings["extrasamples"] = ["unassalpha"]
    tifffile.imwrite("in.tif", photo, tile=(16, 16), **settings)
    return "in.tif"


def words_of(options: dict[str, Any]) -> list[str]:
    """Return options as words of the command line."""
    return [
        f"--{name.replace('_', '-')}={each}"
        for name, value in options.items()
        for each in (value if isinstance(value, list) else [value])
    ]


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        *itertools.product(PHOTOS, ("mask", "luma")),
        *itertools.product(("8 bits", "floats"), OPTIONS),
    ],
)
def test_all_ways_give_the_same_bits(kind: str, option: str) -> None:
    name, options = saved(kind), OPTIONS[option]
    words = words_of(options)
    expected = convcli.apply("gaussian:1", name, **options).arrays
    ways = ["one.tif", "many/in.tif", "piped.tif", "again.tif"]
    done("apply", "gaussian:1", name, "one.tif", "-q", "--save-recipe", "r.toml", *words)
    done("apply", "gaussian:1", name, "--out-dir", "many", "-q", *words)
    piped = Path("in.tif").read_bytes()
    done("apply", "gaussian:1", "-", "piped.tif", "-q", *words, stdin=piped)
    done("apply", "--recipe", "r.toml", name, "again.tif", "-q")
    if kind != "frames":
        ways.append("tiles.tif")
        done("apply", "gaussian:1", name, "tiles.tif", "--tiled", "-q", *words)
    for way in ways:
        ours = [frame.array for frame in convcli.open(way).frames]
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=way)
    again = convcli.apply(name, recipe="r.toml").arrays
    np.testing.assert_array_equal(again[0], expected[0])


@pytest.mark.parametrize("kind", PHOTOS)
def test_what_must_hold_for_each_picture(kind: str) -> None:
    name, white = saved(kind), np.ones(SIZE, bool)

    def filtered(**options: Any) -> NDArray[Any]:
        return convcli.apply("gaussian:1", name, **options).array

    original, whole = convcli.open(name).array, filtered()
    np.testing.assert_array_equal(filtered(amount=0), original.astype(whole.dtype))
    np.testing.assert_array_equal(filtered(amount=1), whole)
    np.testing.assert_array_equal(filtered(mask=white), whole)
    np.testing.assert_array_equal(filtered(mask=~white), original.astype(whole.dtype))
    left, right = filtered(region="0,0,13x100%"), filtered(region="13,0,21x100%")
    np.testing.assert_array_equal(np.hstack([left[:, :13], right[:, 13:]]), whole)
    np.testing.assert_array_equal(left[:, 13:], original[:, 13:].astype(whole.dtype))

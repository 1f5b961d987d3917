"""Each option alike from the command line, in batches, in tiles, through pipes and in Python.

The table has an option a row; each is tried on 8 and 16 bits, floats, opacity and frames, and
all ways give the same bits as `convcli.apply`.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import convcli
from support.commands import done, script

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
MASK = RNG.integers(0, 256, SIZE, np.uint8)

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


CASES = sorted(
    {
        *itertools.product(PHOTOS, ("mask", "luma")),
        *itertools.product(("8 bits", "floats"), OPTIONS),
    }
)

BATCHES = """\
import json, os, sys
from convcli.cli.app import main
for folder, words in json.loads(sys.argv[1]):
    os.chdir(folder)
    main(words, standalone_mode=False)
"""
"""Runs one batch after another. No other thread lives there, so each batch can be forked."""


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filter each picture in a batch with each option; return the folder of their folders."""
    folder, runs = tmp_path_factory.mktemp("batches"), []
    for kind in PHOTOS:
        (folder / kind).mkdir()
        save(folder / kind, kind)
    for kind, option in CASES:
        words = ["apply", "gaussian:1", "in.tif", "--out-dir", option, "-q"]
        runs.append((str(folder / kind), words + words_of(OPTIONS[option])))
    script(BATCHES, json.dumps(runs)).check_returncode()
    return folder


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(folder: Path, kind: str) -> None:
    """Write a picture and a mask as TIFFs."""
    tifffile.imwrite(folder / "mask.tif", MASK, tile=(16, 16))
    photo = PHOTOS[kind]
    if kind == "frames":
        first, second = map(Image.fromarray, FRAMES)
        first.save(folder / "in.tif", save_all=True, append_images=[second])
        return
    settings: dict[str, Any] = {} if photo.ndim == 2 else {"photometric": "rgb"}
    if kind == "opacity":
        settings["extrasamples"] = ["unassalpha"]
    tifffile.imwrite(folder / "in.tif", photo, tile=(16, 16), **settings)


def saved(kind: str) -> str:
    """Write a picture into the working folder; return its name."""
    save(Path(), kind)
    return "in.tif"


def words_of(options: dict[str, Any]) -> list[str]:
    """Return options as words of the command line."""
    return [
        f"--{name.replace('_', '-')}={each}"
        for name, value in options.items()
        for each in (value if isinstance(value, list) else [value])
    ]


@pytest.mark.parametrize(("kind", "option"), CASES)
def test_all_ways_give_the_same_bits(kind: str, option: str, batches: Path) -> None:
    name, options = saved(kind), OPTIONS[option]
    words = words_of(options)
    expected = convcli.apply("gaussian:1", name, **options).arrays
    ways: list[Path | str] = [
        "one.tif",
        batches / kind / option / "in.tif",
        "piped.tif",
        "again.tif",
    ]
    done("apply", "gaussian:1", name, "one.tif", "-q", "--save-recipe", "r.toml", *words)
    piped = Path("in.tif").read_bytes()
    done("apply", "gaussian:1", "-", "piped.tif", "-q", *words, stdin=piped)
    done("apply", "--recipe", "r.toml", name, "again.tif", "-q")
    if kind != "frames":
        ways.append("tiles.tif")
        done("apply", "gaussian:1", name, "tiles.tif", "--tiled", "-q", *words)
    for way in ways:
        ours = [frame.array for frame in convcli.open(way).frames]
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=str(way))
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

"""Masks of pictures that are filtered block by block: each block reads its own part."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

import convcli
from convcli.errors import ImageError
from convcli.pipeline.blend import Mask

RNG = np.random.default_rng(4)
SIZE = (70, 90)
PHOTO = RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, SIZE, dtype=np.uint8)

MASKS: dict[str, NDArray[Any]] = {
    "8 bits": GREY,
    "16 bits": RNG.integers(0, 65536, SIZE, dtype=np.uint16),
    "floats": RNG.random(SIZE).astype(np.float32),
    "colours": RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8),
    "opacity": RNG.integers(0, 256, (*SIZE, 4), dtype=np.uint8),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("in.tif", PHOTO, photometric="rgb", tile=(16, 32))


def write_tiff(name: str, mask: NDArray[Any], **layout: Any) -> None:
    colour = mask.ndim > 2
    more: dict[str, Any] = {"extrasamples": ["unassalpha"]} if mask.shape[2:] == (4,) else {}
    photometric = "rgb" if colour else "minisblack"
    tifffile.imwrite(name, mask, photometric=photometric, **layout, **more)


def write_zarr(name: str) -> None:
    made = zarr.create_array(name, shape=GREY.shape, chunks=(16, 16), dtype=GREY.dtype)
    made[:] = GREY


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("layout", [{"tile": (32, 16)}, {"rowsperstrip": 7}])
def test_a_tiled_run_equals_one_in_memory(kind: str, layout: dict[str, Any]) -> None:
    write_tiff("mask.tif", MASKS[kind], **layout)
    whole = convcli.apply("gaussian:2", PHOTO, mask="mask.tif", amount=1.5).array
    assert not np.array_equal(whole, convcli.apply("gaussian:2", PHOTO, amount=1.5).array)
    convcli.apply_tiled("gaussian:2", "in.tif", "out.tif", mask="mask.tif", amount=1.5)
    np.testing.assert_array_equal(convcli.open("out.tif").array, whole)


@pytest.mark.parametrize("name", ["mask.tif", "mask.zarr"])
def test_it_is_never_read_as_a_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = convcli.apply("box:5", PHOTO, mask=GREY).array
    if name == "mask.tif":
        write_tiff(name, GREY, tile=(16, 16))
    else:
        write_zarr(name)

    def refuse(mask: Mask) -> None:
        raise AssertionError(mask)

    monkeypatch.setattr(Mask, "weights", property(refuse))
    report = convcli.apply_tiled("box:5", "in.tif", "out.tif", mask=name)
    assert report.mixed == f"mask {name}"
    np.testing.assert_array_equal(convcli.open("out.tif").array, whole)


def test_what_has_no_tiles_is_read_as_a_whole() -> None:
    Image.fromarray(GREY).save("mask.png")
    whole = convcli.apply("box:5", PHOTO, mask=GREY).array
    convcli.apply_tiled("box:5", "in.tif", "out.tif", mask="mask.png")
    np.testing.assert_array_equal(convcli.open("out.tif").array, whole)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((70, 91), np.uint8), r"90 × 70 px, got 91 × 70"),
        (np.full(SIZE, 1.5, np.float32), "floats from 0 to 1"),
    ],
)
def test_a_mask_that_does_not_fit_leaves_no_output(mask: NDArray[Any], said: str) -> None:
    write_tiff("mask.tif", mask, tile=(16, 16))
    with pytest.raises(ImageError, match=said):
        convcli.apply_tiled("box:5", "in.tif", "out.tif", mask="mask.tif")
    assert not Path("out.tif").exists()


def test_a_zarr_array_is_for_tiles() -> None:
    write_zarr("mask.zarr")
    with pytest.raises(ImageError, match=r"mask\.zarr: a Zarr array .* add --tiled"):
        convcli.apply("box:5", PHOTO, mask="mask.zarr")


def test_a_turned_mask_is_upright() -> None:
    turned = np.ascontiguousarray(GREY.T)
    tifffile.imwrite("mask.tif", turned, tile=(16, 16), extratags=[(274, 3, 1, 6, True)])
    whole = convcli.apply("box:5", PHOTO, mask="mask.tif").array
    convcli.apply_tiled("box:5", "in.tif", "out.tif", mask="mask.tif")
    np.testing.assert_array_equal(convcli.open("out.tif").array, whole)


def test_a_file_that_is_no_mask_is_named() -> None:
    Path("mask.tif").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"mask\.tif"):
        convcli.apply_tiled("box:5", "in.tif", "out.tif", mask="mask.tif")

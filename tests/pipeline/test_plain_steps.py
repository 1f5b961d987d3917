"""Steps without weights: relu, abs, means and maxima, against NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import convcli
from convcli.cli.app import main
from convcli.errors import ConvcliError

PHOTO = np.random.default_rng(3).integers(0, 256, (26, 35, 3), dtype=np.uint8)


def run(*line: object) -> None:
    main([str(word) for word in line], prog_name="convcli", standalone_mode=False)


def test_a_chain_is_a_small_network() -> None:
    out = convcli.apply("sobel-x", PHOTO, then=["relu", "max:2", "abs", "pool:3"], raw=True)
    edges = np.maximum(convcli.apply("sobel-x", PHOTO, raw=True).array, 0)
    largest = edges[:26, :34].reshape(13, 2, 17, 2, 3).max(axis=(1, 3))
    means = largest[:12, :15].reshape(4, 3, 5, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(out.array, means, rtol=1e-6)
    assert out.array.dtype == np.float32
    assert [step.kernel for step in out.report.steps] == [
        "sobel-x", "relu", "max pooling", "abs", "average pooling"
    ]  # fmt: skip
    assert len(out.warnings) == 3


def test_abs_and_relu_as_pixels(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    raw = convcli.apply("sobel-x", PHOTO, raw=True).array
    for step, values in {"abs": np.abs(raw), "relu": np.maximum(raw, 0)}.items():
        run(*("apply", "sobel-x", tmp_path / "in.png", tmp_path / f"{step}.png", "--quiet"),
            *("--then", step, "--range", "clip"))  # fmt: skip
        out = np.asarray(Image.open(tmp_path / f"{step}.png"))
        np.testing.assert_array_equal(out, np.clip(values, 0, 255).astype(np.uint8))


def test_tiles_equal_the_whole(tmp_path: Path) -> None:
    photo = np.random.default_rng(4).integers(0, 256, (90, 100, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", photo, tile=(16, 16))
    chain = ["gaussian:1", "max:2", "laplacian4", "relu", "pool:2", "box:3"]
    convcli.apply_tiled(chain, tmp_path / "in.tif", tmp_path / "out.tif")
    whole = convcli.apply(chain, photo).array
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), whole)


def test_transparency() -> None:
    photo = np.zeros((2, 2, 4), np.uint8)
    photo[0, 0] = (200, 100, 0, 255)
    mean = convcli.apply("identity", photo, then="pool:2").array
    assert mean.tolist() == [[[200, 100, 0, 64]]]
    assert convcli.apply("identity", photo, then="max:2").array[0, 0, :3].tolist() == [
        200,
        100,
        0,
    ]
    filtered: Any = convcli.apply("identity", photo, then="pool:2", alpha="filter").array
    assert filtered.tolist() == [[[50, 25, 0, 64]]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max", [[5.0, 7.0], [13.0, 15.0]]),
        ("maxpool", [[5.0, 7.0], [13.0, 15.0]]),
        ("avgpool", [[2.5, 4.5], [10.5, 12.5]]),
    ],
)
def test_a_pooling_has_a_name_that_means_the_same_in_a_chain_and_in_a_stack(
    name: str, values: list[list[float]]
) -> None:
    grid = np.arange(16.0).reshape(4, 4)
    assert convcli.apply("identity", grid, then=f"{name}:2").array.tolist() == values
    (layer,) = convcli.run_stack([f"{name}:2"], grid[..., np.newaxis], "")
    assert np.squeeze(layer.values).tolist() == values


def test_a_map_of_the_last_bank_is_taken_before_the_steps_that_follow() -> None:
    bank = np.random.default_rng(1).normal(size=(4, 3, 3, 3))
    one = convcli.apply(bank, PHOTO, then=["relu", "max:2"], map=2, raw=True).array
    every = convcli.apply(bank, PHOTO, then=["relu", "max:2"], raw=True).array
    np.testing.assert_allclose(one, every[..., 2], rtol=1e-4, atol=1e-3)


def test_refusals() -> None:
    for kernel, then, words in (
        ("relu", (), "expected a kernel in the chain"),
        ("box", "pool:40", "pool:40: "),
        ("box", "pool:0", "no kernel is called"),
    ):
        with pytest.raises(ConvcliError, match=words):
            convcli.apply(kernel, PHOTO, then=then)
    with pytest.raises(ConvcliError):
        convcli.apply("sobel", PHOTO, then="relu", direction=True)
    with pytest.raises(ConvcliError, match="no one opacity"):
        convcli.apply("box", np.zeros((4, 4, 4), np.uint8), then="max:2", alpha="premultiply")


def test_a_direction_does_not_see_the_colour_of_transparent_pixels() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (9, 8, 4)).astype(np.uint8)
    picture[2:5, 3:6, 3] = 0
    bare = np.where(picture[..., 3:] == 0, 0, picture)
    seen, plain = (
        convcli.apply("sobel", each, direction=True, alpha="premultiply").array
        for each in (picture, bare)
    )
    np.testing.assert_array_equal(seen, plain)


def test_relu_leaves_no_negative_strength_of_a_direction() -> None:
    options: dict[str, Any] = {"direction": True, "combine": "max"}
    cut = convcli.apply("sobel", PHOTO, range="clip", **options).array
    relu = convcli.apply("sobel", PHOTO, range="abs", relu=True, **options).array
    np.testing.assert_array_equal(relu, cut)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_raw_values_of_which_none_is_finite_have_no_extent(
    value: float, tmp_path: Path
) -> None:
    flat = np.full((2, 3), value, np.float32)
    report = convcli.apply("[[1]]", flat, depth=8).report
    assert (report.raw_values, report.as_dict()["raw"]) == (
        "none finite",
        {"min": None, "max": None},
    )
    np.save(tmp_path / "in.npy", flat)
    # What it prints is held against the schema.
    run("apply", "[[1]]", tmp_path / "in.npy", tmp_path / "out.png", "--depth", "8", "--json")


def test_a_quarter_of_the_strengths_of_an_edge_is_clipped() -> None:
    edge = np.repeat([[0, 0, 0, 0, 255, 255, 255, 255]], 5, axis=0).astype(np.uint8)
    result = convcli.apply("sobel", edge, direction=True, border="replicate")
    assert result.report.clipped == 0.25

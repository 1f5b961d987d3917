"""Block by block, from file to file: equal to the whole to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.choices import Alpha, Colormap, Depth, Range, border_named
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from convcli.pipeline.report import Report
from support import cases
from support.scenes import (
    SMALL,
    filter_large,
    operands,
    picture,
    read,
    whole,
    write_tiff,
    write_zarr,
)

SHAPE = (131, 181, 3)
TILE = (64, 80)
"""Three tiles down and three across: one has others on each side of it."""

rng = np.random.default_rng(5)
BANK = Kernel(rng.normal(size=(3, 3, 5, 5)), name="bank")
MANY = Kernel(rng.normal(size=(7, 3, 3, 3)), name="many")
DENSE = Kernel(rng.normal(size=(7, 7)), name="dense")
HUGE = Kernel(rng.normal(size=(45, 38)), name="huge")

KERNELS: dict[str, list[Any]] = {
    "whole numbers": ["sobel-x"],
    "a divisor": ["box:7"],
    "separable": ["gaussian:2"],
    "dense": [DENSE],
    "Fourier transforms": [HUGE],
    "an operator": ["sobel"],
    "a chain": ["gaussian:1", "laplacian8"],
    "a bank": [BANK],
}

SETTINGS: dict[str, dict[str, Any]] = {
    "stride": {"stride": (3, 2)},
    "valid": {"padding": "valid"},
    "a wide padding": {"padding": (60, 70), "border": border_named("reflect")},
    "dilation": {"dilation": (2, 3)},
    "grey": {"gray": True},
    "linear": {"linear": True},
    "bias and relu": {"bias": -30.0, "relu": True},
    "8 to 16 bits": {"depth": Depth.SIXTEEN},
    "raw floats": {"depth": Depth.FLOAT},
    "shift": {"range": Range.SHIFT},
    "stretch": {"range": Range.STRETCH},
    "balance": {"range": Range.BALANCE, "stride": 2},
}


def seen(report: Report) -> tuple[float, float, float]:
    return (report.low, report.high, report.clipped)


@pytest.mark.slow
@pytest.mark.parametrize("border", cases.BORDERS)
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_and_borders(name: str, border: str, tmp_path: Path) -> None:
    values, options = picture(SHAPE), Options(border=border_named(border), jobs=2)
    source = write_tiff(tmp_path / "in.tif", values, tile=TILE)
    target = str(tmp_path / "out.tif")
    report = filter_large(operands(KERNELS[name]), source, target, options, memory=SMALL)
    expected = whole(values, KERNELS[name], options)
    np.testing.assert_array_equal(read(target), expected.values)
    assert seen(report) == seen(expected.report)


@pytest.mark.slow
@pytest.mark.parametrize("kernels", [["sobel-x"], ["gaussian:1", "sharpen"]], ids=str)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name: str, kernels: list[Any], tmp_path: Path) -> None:
    values, options = picture(SHAPE, seed=2), Options(**SETTINGS[name])
    source = write_zarr(tmp_path / "in.zarr", values, TILE)
    target = str(tmp_path / "out.zarr")
    report = filter_large(operands(kernels), source, target, options, memory=SMALL)
    expected = whole(values, kernels, options)
    result = read(target)
    np.testing.assert_array_equal(result.reshape(expected.values.shape), expected.values)
    assert result.dtype == expected.values.dtype
    assert seen(report) == seen(expected.report)
    assert report.steps == expected.report.steps


@pytest.mark.parametrize("way", Alpha)
@pytest.mark.parametrize(
    "kernels", [["gaussian:2"], ["sobel-y"], ["sharpen", "box:3"]], ids=str
)
def test_transparency(way: Alpha, kernels: list[Any], tmp_path: Path) -> None:
    values, options = picture((150, 211, 4)), Options(alpha=way, stride=2)
    source = write_tiff(tmp_path / "in.tif", values, extrasamples=["unassalpha"])
    target = str(tmp_path / "out.tif")
    report = filter_large(operands(kernels), source, target, options, memory=SMALL)
    expected = whole(values, kernels, options, alpha=True)
    assert expected.alpha is not None
    np.testing.assert_array_equal(read(target)[..., :3], expected.values)
    np.testing.assert_array_equal(read(target)[..., 3], expected.alpha)
    assert report.alpha_policy == expected.report.alpha_policy


def test_an_opaque_picture_stays_as_it_is_where_a_translucent_one_does_not(
    tmp_path: Path,
) -> None:
    """What --alpha auto means is known when all of the opacity was looked at."""
    values = picture((150, 211, 4))
    values[..., 3] = 255
    source = write_tiff(tmp_path / "in.tif", values, extrasamples=["unassalpha"])
    for opacity, way in ((255, "keep"), (254, "premultiply")):
        values[149, 210, 3] = opacity
        source = write_tiff(tmp_path / "in.tif", values, extrasamples=["unassalpha"])
        report = filter_large(
            operands(["box:3"]), source, str(tmp_path / "out.tif"), Options(), memory=SMALL
        )
        assert report.alpha_policy == way


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_depths(dtype: str, channels: int, tmp_path: Path) -> None:
    values = picture((190, 260, channels), dtype)
    source = write_tiff(tmp_path / "in.tif", values[..., 0] if channels == 1 else values)
    for target in ("out.tif", "out.zarr"):
        path = str(tmp_path / target)
        filter_large(operands([DENSE]), source, path, Options(), memory=SMALL)
        expected = whole(values, [DENSE], Options()).values
        np.testing.assert_array_equal(read(path).reshape(expected.shape), expected)


def test_float_noise_and_nan_stay_where_they_are(tmp_path: Path) -> None:
    values = picture((150, 900, 1), "float32")
    values[70:73, 400:500] = np.nan
    values[3, 3] = np.inf
    source = write_tiff(tmp_path / "in.tif", values[..., 0])
    target = str(tmp_path / "out.tif")
    report = filter_large(operands([DENSE]), source, target, Options(), memory=SMALL)
    expected = whole(values, [DENSE], Options())
    np.testing.assert_array_equal(read(target)[..., np.newaxis], expected.values)
    assert seen(report) == seen(expected.report)


def test_many_maps_are_channels_of_an_array_and_pages_of_a_tiff(tmp_path: Path) -> None:
    values, options = picture(), Options(depth=Depth.FLOAT)
    source = write_zarr(tmp_path / "in.zarr", values)
    expected = whole(values, [MANY], options).values
    for target in ("out.zarr", "out.tif"):
        filter_large([MANY], source, str(tmp_path / target), options, memory=SMALL)
    np.testing.assert_array_equal(read(str(tmp_path / "out.zarr")), expected)
    pages = read(str(tmp_path / "out.tif"))
    np.testing.assert_array_equal(pages, np.moveaxis(expected, 2, 0))


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("memory", [1, 2**22, None])
def test_neither_threads_nor_blocks_change_a_bit(
    jobs: int, memory: int | None, tmp_path: Path
) -> None:
    values = picture((400, 601, 1))
    source = write_zarr(tmp_path / "in.zarr", values, (130, 201))
    target = str(tmp_path / "out.zarr")
    filter_large(operands([HUGE]), source, target, Options(jobs=jobs), memory=memory)
    np.testing.assert_array_equal(read(target), whole(values, [HUGE], Options()).values)


COLOURED: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "heat": (["sobel"], {"colormap": Colormap.MAGMA}),
    "two colours": (["laplacian"], {"colormap": Colormap.DIVERGING}),
    "heat of what is clipped": (
        ["sobel-x"],
        {"colormap": Colormap.VIRIDIS, "range": Range.ABS, "relu": True},
    ),
    "directions": (["sobel"], {"direction": True}),
    "directions after a step": (["gaussian:1", "scharr"], {"direction": True, "stride": 2}),
    "stretched directions": (
        ["kirsch"],
        {"direction": True, "range": Range.STRETCH, "linear": True},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "samples", "dtype"),
    [
        (name, samples, ("uint8", "uint16")[(number + samples) % 2])
        for number, name in enumerate(COLOURED)
        for samples in (1, 3, 4)
    ],
)
def test_colours_of_answers(name: str, samples: int, dtype: str, tmp_path: Path) -> None:
    (kernels, settings), alpha = COLOURED[name], samples == 4
    values = picture((*SHAPE[:2], samples), dtype)
    options = Options(**settings, gray=True)
    extra: dict[str, Any] = {"extrasamples": ["unassalpha"]} if alpha else {}
    stored = values[..., 0] if samples == 1 else values
    source = write_tiff(tmp_path / "in.tif", stored, tile=TILE, **extra)
    expected = whole(values, kernels, options, alpha=alpha)
    coloured = expected.frame()
    for target in ("out.tif", "out.zarr"):
        made = str(tmp_path / target)
        report = filter_large(operands(kernels), source, made, options, memory=SMALL)
        np.testing.assert_array_equal(read(made)[..., :3], coloured.pixels)
        if coloured.alpha is not None:
            np.testing.assert_array_equal(read(made)[..., 3], coloured.alpha)
        assert seen(report) == seen(expected.report)
        assert report.legend == expected.report.legend
        assert report.output_shape == expected.report.output_shape
        assert report.input_shape == expected.report.input_shape

"""TIFFs of GDAL and of microscopes keep what they are; codecs that imagecodecs decodes."""

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import convcli
from convcli.errors import ConvcliError
from convcli.scale.tiled.copies import shrunk
from support.commands import Words, run, script
from support.scenes import picture, tifffile

GEO = Path(__file__).parents[1] / "golden"
KEYS = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, 1)
TAGS = {
    "scale": 33_550,
    "tie": 33_922,
    "matrix": 34_264,
    "keys": 34_735,
    "nodata": 42_113,
    "rpc": 50_844,
}


def tag(path: Path, name: str) -> Any:
    with tifffile.TiffFile(path) as file:
        return file.pages[0].tags.valueof(TAGS[name])


def apply(*words: Words) -> list[str]:
    """Run the command; return its warnings."""
    result = run("apply", *words, "--quiet", "--on-exists", "overwrite")
    assert result.exit_code == 0, result.stderr
    return [re.sub("^Warning: ", "", line) for line in result.stderr.splitlines()]


# ------------------------------------------------------------------ maps


@pytest.mark.parametrize("tiled", [(), ("--tiled",)])
def test_a_cog_of_gdal_stays_a_map(tiled: tuple[str, ...], tmp_path: Path) -> None:
    """`cog.json` is what rasterio says of the input, and said of these outputs."""
    said, target = json.loads((GEO / "cog.json").read_text()), tmp_path / "out.tif"
    warnings = apply("gaussian:2", GEO / "cog.tif", target, *tiled)
    assert "pixels of 0 weigh nothing: they are no data" in warnings
    with tifffile.TiffFile(GEO / "cog.tif") as before, tifffile.TiffFile(target) as after:
        old, new = before.pages[0], after.pages[0]
        for number in (33_550, 33_922, 34_735, 34_737, 42_112, 42_113):
            assert new.tags.valueof(number) == old.tags.valueof(number)
        sizes = [page.shape for page in after.pages]
        kinds = [page.is_reduced for page in after.pages]
    if tiled:
        assert sizes == [(300, 420), (150, 210), (75, 105)]
        assert kinds == [False, True, True]
        assert said["overviews"] == [2, 4]
    else:
        assert sizes == [(300, 420)]
        assert any("smaller copies" in line for line in warnings)
    filtered = tifffile.imread(target)
    heights = tifffile.imread(GEO / "cog.tif")
    assert heights[60, 100] == 0
    expected = convcli.apply("gaussian:2", np.asarray(heights), missing=0).array
    np.testing.assert_array_equal(filtered, expected)


def test_what_an_output_has_no_place_for_is_said(tmp_path: Path) -> None:
    warnings = apply("box:3", GEO / "cog.tif", tmp_path / "out.zarr")
    assert "dropped, for the Zarr does not hold it: georeference, nodata value" in warnings
    assert any("smaller copies of the picture are left out" in line for line in warnings)
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        file.write(picture((90, 70)), tile=(32, 32), metadata=None)
        file.write(picture((90, 70)) > 99, subfiletype=4, metadata=None)
    for words in ((), ("--tiled",)):
        warnings = apply("box:3", tmp_path / "in.tif", tmp_path / "out.tif", *words)
        assert any("mask" in line for line in warnings)
        assert tifffile.imread(tmp_path / "out.tif").shape == (90, 70)


def test_overviews_are_means_of_what_is_known(tmp_path: Path) -> None:
    apply("identity", GEO / "cog.tif", tmp_path / "out.tif", "--tiled")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        full, half, quarter = (page.asarray().astype(float) for page in file.pages)
        assert file.pages[1].tags.valueof(TAGS["nodata"]) == "0"
    for large, small in ((full, half), (half, quarter)):
        known = np.where(large == 0, np.nan, large)
        height, width = small.shape
        padded = np.full((2 * height, 2 * width), np.nan)
        padded[: large.shape[0], : large.shape[1]] = known
        squares = padded.reshape(height, 2, width, 2).swapaxes(1, 2).reshape(height, width, 4)
        some = ~np.isnan(squares).all(axis=2)
        np.testing.assert_array_equal(small[some], np.rint(np.nanmean(squares[some], axis=1)))
        assert not small[~some].any()


@pytest.mark.parametrize("tiled", [(), ("--tiled",)])
@pytest.mark.parametrize(
    ("words", "scale", "corner"),
    [
        (("sobel-x", "--stride", "2"), 20.0, (599_995.0, 5_700_005.0)),
        (("box:3", "--padding", "valid"), 10.0, (600_010.0, 5_699_990.0)),
        (("box:2", "--stride", "2", "--padding", "valid"), 20.0, (600_000.0, 5_700_000.0)),
        (("box:3", "--stride", "2", "--then", "box:3"), 40.0, (599_985.0, 5_700_015.0)),
    ],
)
def test_the_places_of_pixels_are_true(
    words: tuple[str, ...],
    scale: float,
    corner: tuple[float, float],
    tiled: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """By hand: the first pixel lies where the middle of the first window lies."""
    target = tmp_path / "out.tif"
    apply(*words, GEO / "cog.tif", target, *tiled)
    across, down, *_ = tag(target, "scale")
    x, y, _, east, north, _ = tag(target, "tie")
    assert (across, down) == (scale, scale)
    assert (east - x * across, north + y * down) == corner


def test_matrices_and_points(tmp_path: Path) -> None:
    matrix = (10.0, 1.0, 0.0, 500.0, 2.0, -10.0, 0.0, 900.0, *(0.0,) * 7, 1.0)
    points = (*KEYS[:-1], 2)
    for keys, start in ((KEYS, -0.5), (points, 0.0)):
        tifffile.imwrite(
            tmp_path / "in.tif",
            picture((60, 60)),
            extratags=[(34_264, 12, 16, matrix), (34_735, 3, len(keys), keys)],
            metadata=None,
        )
        apply("box:3", tmp_path / "in.tif", tmp_path / "out.tif", "--stride", "2")
        moved = np.array(tag(tmp_path / "out.tif", "matrix")).reshape(4, 4)
        old = np.array(matrix).reshape(4, 4)
        for place in ((0, 0), (7, 3)):
            was = old @ [2 * place[0] + start, 2 * place[1] + start, 0, 1]
            np.testing.assert_allclose(moved @ [*place, 0, 1], was)


@pytest.mark.parametrize("tiled", [(), ("--tiled",)])
def test_control_points_and_polynomials(tiled: tuple[str, ...], tmp_path: Path) -> None:
    """By hand: row r of the input is row (r - 1) / 2 of the output, from middle to middle."""
    points = (10.5, 20.5, 0.0, 7.0, 50.0, 0.0, 30.5, 40.5, 0.0, 7.5, 50.5, 0.0)
    model = (-1.0, -1.0, 31.0, 21.0, 50.0, 7.0, 80.0, 60.0, 40.0, *(0.5,) * 83)
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    tags = [(33_922, 12, 12, points), (34_735, 3, len(KEYS), KEYS), (50_844, 12, 92, model)]
    tifffile.imwrite(source, picture((60, 60)), extratags=tags, metadata=None)
    apply("box:3", source, target, *tiled)
    assert (tag(target, "tie"), tag(target, "rpc")) == (points, model)
    apply("box:3", source, target, "--stride", "2", "--padding", "valid", *tiled)
    # Corners: the first output lies on the middle of the second pixel, which is 1.5.
    assert tag(target, "tie")[:2] == (10.0 / 2, 20.0 / 2)
    assert tag(target, "rpc") == (-1, -1, 15, 10, 50, 7, 80, 30, 20, *(0.5,) * 83)


def test_no_data_that_cannot_be_left_out_is_no_data_no_longer(tmp_path: Path) -> None:
    target = tmp_path / "out.tif"
    for words in (("--missing", "none"), ("--amount", "0.5"), ("--tiled", "--missing", "none")):
        warnings = apply("box:3", GEO / "cog.tif", target, *words)
        assert any("which are no data, are filtered" in line for line in warnings)
        assert tag(target, "nodata") is None
    run("pool", "max", GEO / "cog.tif", target, "--quiet", "--on-exists", "overwrite")
    assert tag(target, "nodata") is None
    warnings = apply("box:3", GEO / "cog.tif", tmp_path / "out.png")
    assert "dropped, for the PNG does not hold it: georeference, nodata value" in warnings


def test_edges_beside_no_data_are_no_data(tmp_path: Path) -> None:
    apply("sobel-x", GEO / "cog.tif", tmp_path / "out.tif", "--tiled", "--border", "replicate")
    filtered = tifffile.imread(tmp_path / "out.tif")
    # Heights are 0 in rows 40 to 89 and columns 60 to 199; beyond them they rise slowly.
    assert not filtered[39:91, 59:201].any()
    assert filtered[:38].max() == 4


@pytest.mark.parametrize("tiled", [(), ("--tiled",)])
def test_no_data_of_floats(tiled: tuple[str, ...], tmp_path: Path) -> None:
    values = picture((100, 120), "float32")
    for text, number in (("-9999", -9999.0), ("nan", math.nan)):
        values[10:30, 20:50] = number
        tifffile.imwrite(
            tmp_path / "in.tif",
            values,
            tile=(32, 32),
            extratags=[(42_113, 2, 0, text)],
            metadata=None,
        )
        apply("box:3", tmp_path / "in.tif", tmp_path / "out.tif", *tiled)
        filtered = tifffile.imread(tmp_path / "out.tif")
        assert np.array_equal(filtered[15:25, 25:45], np.full((10, 20), number), equal_nan=True)
        assert tag(tmp_path / "out.tif", "nodata") == text
        seen = values[8:11, 33:36].astype(float)
        np.testing.assert_allclose(filtered[9, 34], seen[:2].mean(), rtol=1e-5)


@pytest.mark.parametrize("tiled", [(), ("--tiled",)])
@pytest.mark.parametrize(
    ("depths", "before", "after"),
    [
        (("uint16", "8"), "65535", "255"),
        (("uint8", "16"), "1", "257"),
        (("float32", "8"), "-9999", "0"),
        (("float32", "8"), "nan", None),
        (("uint8", "float"), "255", "255"),
    ],
)
def test_no_data_follow_the_depth(
    depths: tuple[str, str],
    before: str,
    after: str | None,
    tiled: tuple[str, ...],
    tmp_path: Path,
) -> None:
    dtype, depth = depths
    values = np.full((64, 64), 100, dtype)
    values[10:40, 10:40] = float(before)
    tifffile.imwrite(
        tmp_path / "in.tif",
        values,
        tile=(32, 32),
        extratags=[(42_113, 2, 0, before)],
        metadata=None,
    )
    apply("box:3", tmp_path / "in.tif", tmp_path / "out.tif", "--depth", depth, *tiled)
    assert tag(tmp_path / "out.tif", "nodata") == after
    if after is not None:
        assert tifffile.imread(tmp_path / "out.tif")[20, 20] == float(after)


# ------------------------------------------------------------------ microscopes


def ome(path: Path) -> dict[str, str]:
    """Return what OME-XML says of the pixels, and check it as tifffile reads it."""
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        pages = sum(not page.is_reduced for page in file.pages)
        root = ET.fromstring(file.ome_metadata)  # noqa: S314 - it is our own
        (series,) = file.series
        found = root.find(".//{*}Pixels")
        assert found is not None
        sizes = [int(found.attrib[f"Size{axis}"]) for axis in "TCZYX"]
        assert math.prod(series.shape) == math.prod(sizes)
        assert math.prod(sizes[:3]) == pages * file.pages[0].samplesperpixel
        names = [each.get("Name", "") for each in root.iter() if each.tag.endswith("Channel")]
        return {**found.attrib, "names": ",".join(names), "levels": str(len(series.levels))}


def write_ome(path: Path, values: Any, axes: str, **settings: Any) -> Path:
    names = [f"dye {number}" for number in range(values.shape[axes.index("C")])]
    facts = {
        "axes": axes,
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.5,
    }
    if "S" not in axes:
        facts["Channel"] = {"Name": names}
    tifffile.imwrite(
        path,
        values,
        ome=True,
        metadata=facts,
        photometric="minisblack",
        tile=(32, 32),
        **settings,
    )
    return path


def test_ome_tiff_of_several_channels(tmp_path: Path) -> None:
    source = write_ome(tmp_path / "in.ome.tif", picture((3, 90, 70), "uint16"), "CYX")
    apply("gaussian:1", source, tmp_path / "all.ome.tif")
    said = ome(tmp_path / "all.ome.tif")
    assert (said["SizeX"], said["SizeY"], said["SizeC"]) == ("70", "90", "3")
    assert said["names"] == "dye 0,dye 1,dye 2"
    assert (said["Type"], said["PhysicalSizeXUnit"]) == ("uint16", "µm")
    for tiled in ((), ("--tiled",)):
        apply(
            "gaussian:1", source, tmp_path / "one.ome.tif", "--frame", "1", "--stride", "2",
            "--depth", "8", *tiled,
        )  # fmt: skip
        said = ome(tmp_path / "one.ome.tif")
        assert (said["SizeX"], said["SizeY"], said["SizeC"]) == ("35", "45", "1")
        assert (said["names"], said["Type"]) == ("dye 1", "uint8")
        assert (said["PhysicalSizeX"], said["PhysicalSizeY"]) == ("0.5", "1.0")


def test_levels_within_a_page_come_out_within_it(tmp_path: Path) -> None:
    values = picture((200, 160), "uint8")
    with tifffile.TiffWriter(tmp_path / "in.ome.tif", ome=True) as file:
        settings: dict[str, Any] = {"tile": (32, 32), "photometric": "minisblack"}
        file.write(values, subifds=2, metadata={"axes": "YX"}, **settings)
        file.write(values[::2, ::2], subfiletype=1, **settings)
        file.write(values[::4, ::4], subfiletype=1, **settings)
    apply("identity", tmp_path / "in.ome.tif", tmp_path / "out.ome.tif", "--tiled")
    assert ome(tmp_path / "out.ome.tif")["levels"] == "3"
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        levels = [level.asarray() for level in file.series[0].levels]
    np.testing.assert_array_equal(levels[0], values)
    means = values.reshape(100, 2, 80, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(levels[1], np.rint(means))
    assert levels[2].shape == (50, 40)
    assert any(
        "smaller" in line
        for line in apply("identity", tmp_path / "in.ome.tif", tmp_path / "o.tif")
    )


def test_ome_xml_of_maps_and_of_damage(tmp_path: Path) -> None:
    source = write_ome(tmp_path / "in.ome.tif", picture((1, 90, 70)), "CYX")
    bank = tmp_path / "bank.npy"
    np.save(bank, np.ones((4, 1, 3, 3)) / 9)
    for tiled in ((), ("--tiled",)):
        apply(bank, source, tmp_path / "maps.ome.tif", *tiled)
        assert ome(tmp_path / "maps.ome.tif")["SizeC"] == "4"
    sizes = '<OME><Image><Pixels SizeX="9" SizeC="many"/></Image></OME>'
    for text in ("<OME><Image>", sizes, '<!DOCTYPE a [<!ENTITY b "c">]><OME><Image/></OME>'):
        tifffile.imwrite(
            tmp_path / "bad.tif", picture((90, 70)), description=text, metadata=None
        )
        warnings = apply("box:3", tmp_path / "bad.tif", tmp_path / "out.tif")
        assert any("OME-XML" in line for line in warnings)


# ------------------------------------------------------------------ reduced copies, codecs


def test_opacity_weighs_in_reduced_copies() -> None:
    """By hand: one opaque pixel of 200 among three that are clear, then all clear."""
    samples = np.zeros((2, 4, 2), np.uint8)
    samples[0, 0] = 200, 255
    samples[1, 1] = 90, 0
    assert shrunk(samples, 2, alpha=True).tolist() == [[[200, 64], [0, 0]]]


CODECS: dict[str, dict[str, Any]] = {
    "zstd": {"predictor": True},
    "lerc": {},
    "webp": {"compressionargs": {"lossless": True}},
    "jpeg": {},
    "lzw": {"predictor": True},
}


@pytest.mark.parametrize("name", CODECS)
def test_codecs(name: str, tmp_path: Path) -> None:
    slope = (np.add.outer(np.arange(200), np.arange(150)) % 256).astype(np.uint8)
    values = np.dstack([slope, slope[::-1], slope[:, ::-1]])
    tifffile.imwrite(
        tmp_path / "in.tif", values, tile=(64, 64), photometric="rgb", compression=name,
        metadata=None, **CODECS[name],
    )  # fmt: skip
    stored = tifffile.imread(tmp_path / "in.tif")
    for tiled in ((), ("--tiled",)):
        apply("identity", tmp_path / "in.tif", tmp_path / "out.tif", *tiled)
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), stored)


WITHOUT = """\
import sys
sys.modules["imagecodecs"] = None
from convcli.cli.app import main
try:
    main(["apply", "box:3", *sys.argv[1:], "-q"], standalone_mode=False)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_imagecodecs_the_message_names_it(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", picture((90, 70)), compression="lerc", metadata=None)
    for tiled in ([], ["--tiled"]):
        said = script(WITHOUT, "in.tif", "out.tif", *tiled, folder=tmp_path, anew=True).stdout
        assert "pip install" in said
        assert "Traceback" not in said
    target = tmp_path / "map.tif"
    words = (GEO / "cog.tif", target, "--tiled")
    assert not script(WITHOUT, *words, folder=tmp_path, anew=True).stdout
    with_it = tmp_path / "with.tif"
    apply("box:3", GEO / "cog.tif", with_it, "--tiled")
    np.testing.assert_array_equal(tifffile.imread(target), tifffile.imread(with_it))


def test_pages_are_counted_without_reduced_copies() -> None:
    assert len(convcli.open(GEO / "cog.tif").frames) == 1
    with pytest.raises(ConvcliError, match="a frame of 0 to 0, got 1"):
        convcli.open(GEO / "cog.tif", frame=1)


def test_the_axes_of_an_imagej_stack_are_dropped_with_a_warning(tmp_path: Path) -> None:
    stack = np.zeros((2, 3, 8, 9), np.uint8)
    told = "dropped: what ImageJ says of channels, slices and frames"
    for pixels, axes, count in ((stack, "TCYX", 1), (stack[0, 0], "YX", 0)):
        tifffile.imwrite(tmp_path / "in.tif", pixels, imagej=True, metadata={"axes": axes})
        assert apply("box", tmp_path / "in.tif", "-o", tmp_path / "o.tif") == [told] * count
        assert tifffile.imread(tmp_path / "o.tif").size == pixels.size

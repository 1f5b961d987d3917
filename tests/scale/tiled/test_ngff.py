"""Images of OME-Zarr that ome-zarr-py has written, and arrays whose axes have names.

The outputs for both images were read once with ome-zarr-py 0.18.0, and held against the models
of ome-zarr-models 1.7, which check every rule of NGFF 0.4 and 0.5; here zarr reads them.
"""

import itertools
import json
import math
import shutil
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.choices import PlaneChoice, Pyramid, Range
from convcli.errors import ConvcliError, OptionError
from convcli.pipeline.options import Options
from convcli.settings import select_from
from support.commands import done, process, refusal
from support.dask_cluster import Cluster
from support.s3_server import Bucket
from support.scenes import (
    Values,
    filter_large,
    operands,
    picture,
    plan_large,
    read,
    tifffile,
    write_zarr,
    zarr,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "ngff.zip"
IMAGES = ("five-04.zarr", "four-05.zarr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(tmp_path)
    return tmp_path


def blurred(values: Values) -> Values:
    """Filter each plane: no two planes have a pixel in common."""
    size = (0,) * (values.ndim - 2) + (3, 3)
    means = ndimage.uniform_filter(values.astype(float), size, mode="constant")
    return np.asarray(np.rint(means).astype(values.dtype))


def means(values: Values, factors: tuple[int, ...]) -> Values:
    """Return the means of whole cells; what is left over at the ends goes."""
    kept = values[tuple(slice(s // f * f) for s, f in zip(values.shape, factors, strict=True))]
    cells = [(s // f, f) for s, f in zip(values.shape, factors, strict=True)]
    split = kept.reshape(tuple(itertools.chain(*cells)))
    return np.asarray(np.rint(split.mean(tuple(range(1, split.ndim, 2)))).astype(values.dtype))


def filtered(source: Path | str, target: Path | str, choice: str = "", **settings: Any) -> Any:
    pyramid = settings.pop("pyramid", Pyramid.KEEP)
    axes = settings.pop("axes", None)
    planes = PlaneChoice(axes=axes, select=select_from(choice), pyramid=pyramid)
    options = settings.pop("options", Options(jobs=2))
    kernels = operands(settings.pop("kernels", ["box:3"]))
    return filter_large(kernels, str(source), str(target), options, planes=planes, **settings)


def told(place: Path) -> dict[str, Any]:
    attributes = zarr.open_group(str(place), mode="r").attrs.asdict()
    found: dict[str, Any] = attributes.get("ome", attributes)
    return found


def names(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def arrays(place: Path | str) -> list[Any]:
    group = zarr.open_group(str(place), mode="r")
    return [group[name] for name in sorted(group.array_keys())]


def same_arrays(one: Path | str, other: Path | str) -> None:
    for made, expected in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(made[...], expected[...])


# ------------------------------------------------------------------ every plane, every level


@pytest.mark.parametrize("name", IMAGES)
def test_every_plane_and_level_of_an_image(name: str, folder: Path) -> None:
    source, target = folder / name, folder / "out.zarr"
    report = filtered(source, target)
    before, after = arrays(source), arrays(target)
    expected = blurred(before[0][...])
    assert report.frames == math.prod(expected.shape[:-2])
    factors = (1,) * (expected.ndim - 3) + ((1, 2, 2) if "04" in name else (2, 2, 2))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new[...], expected)
        assert new.metadata.to_dict() == old.metadata.to_dict()
        expected = means(expected, factors)
    assert names(target) == names(source)
    old, new = told(source), told(target)
    assert report.smaller == f"{len(before) - 1} more, of means of " + (
        "2 × 2 pixels" if "04" in name else "2 × 2 × 2 pixels"
    )
    scales = new["multiscales"][0]
    assert (scales.pop("type"), scales.pop("metadata")["method"]) == ("mean", "convcli apply")
    assert new == old


def test_the_command_and_the_library(folder: Path) -> None:
    source = folder / "four-05.zarr"
    words = ("apply", "box:3", source, folder / "a.zarr", "--select", "c=1:3,z=2")
    report = json.loads(done(*words, "--pyramid", "none", "--json"))
    assert (report["frames"], report["input"]["channels"]) == (2, 1)
    convcli.apply_tiled("box:3", source, folder / "b.zarr", select="c=1:3,z=2", pyramid="none")
    same_arrays(folder / "a.zarr", folder / "b.zarr")
    expected = blurred(zarr.open_array(str(source / "s0"), mode="r")[...])[1:3, 2:3]
    np.testing.assert_array_equal(arrays(folder / "a.zarr")[0][...], expected)
    shown = done("apply", "box:3", source, folder / "c.zarr")
    assert "of means of 2 × 2 × 2 pixels" in " ".join(shown.split())
    assert "12 frames" in shown


def test_a_part_has_the_metadata_of_that_part(folder: Path) -> None:
    filtered(folder / "five-04.zarr", folder / "out.zarr", "t=1,c=1:3,z=1:")
    facts = told(folder / "out.zarr")
    assert [each["label"] for each in facts["omero"]["channels"]] == ["GFP", "RFP"]
    assert facts["omero"]["rdefs"] == {"defaultT": 0, "defaultZ": 0, "model": "color"}
    first, second, _ = facts["multiscales"][0]["datasets"]
    assert first["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 1, 2, 0.5, 0.25]},
        {"type": "translation", "translation": [1, 1, 2, 0, 0]},
    ]
    # It lies where the same plane did: one second, one channel and one plane further.
    before = told(folder / "five-04.zarr")["multiscales"][0]["datasets"][1]
    old, new = (
        each["coordinateTransformations"][1]["translation"] for each in (before, second)
    )
    np.testing.assert_allclose(np.subtract(new, old), [1, 1, 2, 0, 0])


@pytest.mark.parametrize(
    ("settings", "scale", "translation"),
    [
        ({"stride": 2}, [1.0, 0.5], [0.0, 0.0]),
        ({"padding": "valid"}, [0.5, 0.25], [0.5, 0.25]),
        ({"padding": "valid", "stride": (3, 1)}, [1.5, 0.25], [0.5, 0.25]),
    ],
)
def test_pixels_lie_where_they_were(
    settings: dict[str, Any], scale: list[float], translation: list[float], folder: Path
) -> None:
    options = Options(**settings)
    filtered(
        folder / "four-05.zarr", folder / "out.zarr", options=options, pyramid=Pyramid.NONE
    )
    (level,) = told(folder / "out.zarr")["multiscales"][0]["datasets"]
    found = [each[each["type"]][2:] for each in level["coordinateTransformations"]]
    assert found == [scale, translation]


def test_one_plane_is_as_thick_in_each_level(folder: Path) -> None:
    """It lies where it lay: no other is averaged with it."""
    filtered(folder / "four-05.zarr", folder / "out.zarr", "z=3")
    for level in told(folder / "out.zarr")["multiscales"][0]["datasets"]:
        scale, translation = (
            each[each["type"]][1] for each in level["coordinateTransformations"]
        )
        assert (scale, translation) == (2, 6)


def test_levels_of_odd_sizes_after_a_stride(folder: Path) -> None:
    """A level of half a size that was rounded down is rounded down again."""
    filtered(folder / "five-04.zarr", folder / "out.zarr", options=Options(stride=2))
    shapes = [level.shape[-2:] for level in arrays(folder / "out.zarr")]
    assert shapes == [(10, 13), (5, 6), (2, 3)]


def test_a_level_that_was_rounded_up_has_means_of_what_is_there(tmp_path: Path) -> None:
    values = picture((5, 7), "uint16")
    image(tmp_path / "in.zarr", values, (3, 4))
    filtered(tmp_path / "in.zarr", tmp_path / "out.zarr", kernels=["identity"])
    last = arrays(tmp_path / "out.zarr")[1][...]
    assert last.shape == (3, 4)
    assert last[2, 3] == values[4, 6]
    assert last[0, 3] == round(values[0:2, 6].mean())


def image(place: Path, values: Values, *shapes: tuple[int, ...], **more: Any) -> str:
    """Write an image of version 0.5 by hand, with empty smaller levels."""
    axes = [{"name": name, "type": "space"} for name in "zyx"[-values.ndim :]]
    sizes = [values.shape, *shapes]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [values.shape[-1] / size[-1]] * values.ndim}
            ],
        }
        for level, size in enumerate(sizes)
    ]
    multiscale = {"axes": axes, "datasets": datasets}
    facts = {"version": "0.5", "multiscales": [multiscale], **more}
    group = zarr.create_group(str(place), attributes={"ome": facts})
    for level, size in enumerate(sizes):
        group.create_array(str(level), shape=size, dtype=values.dtype, chunks=size)
    group["0"][...] = values
    return str(place)


def test_a_level_by_its_path_is_an_image_of_one_level(folder: Path) -> None:
    filtered(folder / "five-04.zarr/s1", folder / "out.zarr")
    (made,) = arrays(folder / "out.zarr")
    expected = blurred(zarr.open_array(str(folder / "five-04.zarr/s1"), mode="r")[...])
    np.testing.assert_array_equal(made[...], expected)
    old, new = (told(folder / name) for name in ("five-04.zarr", "out.zarr"))
    assert new["multiscales"][0]["datasets"] == old["multiscales"][0]["datasets"][1:2]
    assert new["omero"] == old["omero"]


def test_the_field_of_a_plate(folder: Path) -> None:
    filtered(folder / "plate-05.zarr/A/1/0", folder / "out.zarr")
    expected = blurred(arrays(folder / "plate-05.zarr/A/1/0")[0][...])
    np.testing.assert_array_equal(arrays(folder / "out.zarr")[0][...], expected)


def test_one_plane_becomes_a_tiff(folder: Path) -> None:
    source = folder / "five-04.zarr"
    with pytest.raises(ConvcliError, match=r"one plane for a \.tif, got 2 × 3 × 2: choose one"):
        filtered(source, folder / "out.tif")
    filtered(source, folder / "out.tif", "t=1,c=2,z=0")
    expected = blurred(zarr.open_array(str(source / "s0"), mode="r")[1, 2, 0])
    np.testing.assert_array_equal(tifffile.imread(folder / "out.tif"), expected)


def test_one_extent_for_all_planes(folder: Path) -> None:
    """Stretched planes stay comparable: the darkest of all is black, the brightest white."""
    options = Options(range=Range.STRETCH)
    filtered(folder / "four-05.zarr", folder / "out.zarr", options=options, kernels=["[[2]]"])
    made = arrays(folder / "out.zarr")[0][...]
    values = arrays(folder / "four-05.zarr")[0][...].astype(float)
    expected = np.rint((values - values.min()) / np.ptp(values) * 65_535)
    np.testing.assert_allclose(made, expected, atol=1)
    assert (made.min(), made.max()) == (0, 65_535)


# ------------------------------------------------------------------ axes, and what is kept


def plain(place: Path, values: Values, **settings: Any) -> Any:
    array = zarr.create_array(str(place), shape=values.shape, dtype=values.dtype, **settings)
    array[...] = values
    return array


@pytest.mark.parametrize("axes", ["cyx", "yxc", "xyz", "ctyx"])
def test_arrays_whose_axes_have_names(axes: str, tmp_path: Path) -> None:
    lengths = {"y": 21, "x": 30, "c": 3, "z": 2, "t": 2}
    values = picture(tuple(lengths[axis] for axis in axes))
    chunks = tuple({"y": 8, "x": 7}.get(axis, 2) for axis in axes)
    plain(tmp_path / "in.zarr", values, chunks=chunks, dimension_names=tuple(axes))
    plain(tmp_path / "bare.zarr", values, chunks=chunks)
    filtered(tmp_path / "in.zarr", tmp_path / "out.zarr")
    filtered(tmp_path / "bare.zarr", tmp_path / "said.zarr", axes=axes)
    size = tuple(3 if axis in "yx" else 0 for axis in axes)
    expected = np.rint(ndimage.uniform_filter(values.astype(float), size, mode="constant"))
    for name in ("out.zarr", "said.zarr"):
        made = zarr.open_array(str(tmp_path / name), mode="r")
        np.testing.assert_array_equal(made[...], expected)
        assert (made.chunks, made.metadata.dimension_names) == (chunks, tuple(axes))


KEPT: dict[str, dict[str, Any]] = {
    "shards, their index first": {
        "chunks": (1, 4, 8),
        "shards": {"shape": (2, 8, 16), "index_location": "start"},
    },
    "shards of several planes": {"chunks": (2, 4, 8), "shards": (4, 8, 16)},
    "codecs": {
        "chunks": (1, 8, 8),
        "compressors": [zarr.codecs.BloscCodec(cname="lz4"), zarr.codecs.Crc32cCodec()],
        "filters": [zarr.codecs.TransposeCodec(order=(2, 0, 1))],
        "serializer": zarr.codecs.BytesCodec(endian="big"),
    },
    "names of chunks, a fill value": {
        "chunks": (1, 8, 8),
        "chunk_key_encoding": {"name": "v2", "separator": "."},
        "fill_value": 7,
    },
    "version 2": {
        "chunks": (2, 8, 8),
        "zarr_format": 2,
        "order": "F",
        "attributes": {"_ARRAY_DIMENSIONS": ["z", "y", "x"], "units": "counts"},
    },
}


@pytest.mark.parametrize("name", KEPT)
def test_what_describes_an_array_is_kept(name: str, tmp_path: Path) -> None:
    settings = dict(KEPT[name])
    if settings.get("zarr_format") != 2:
        settings["dimension_names"] = ("z", "y", "x")
    values = picture((3, 21, 30), "uint16")
    before = plain(tmp_path / "in.zarr", values, **settings)
    filtered(tmp_path / "in.zarr", tmp_path / "out.zarr", memory=1)
    after = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    np.testing.assert_array_equal(after[...], blurred(values))
    assert after.metadata.to_dict() == before.metadata.to_dict()
    assert names(tmp_path / "out.zarr") == names(tmp_path / "in.zarr")


def test_an_image_whose_axes_have_other_names(folder: Path) -> None:
    """NGFF says in which order axes are, not what they are called."""
    source = folder / "four-05.zarr"
    axes = told(source)["multiscales"][0]["axes"]
    scales = told(source)["multiscales"]
    for axis, name in zip(axes, ("stain", "depth", "down", "across"), strict=True):
        axis["name"] = name
    changed(source, multiscales=[{**scales[0], "axes": axes}, scales[0]])
    report = filtered(source, folder / "out.zarr", "depth=1:,stain=1")
    expected = blurred(arrays(source)[0][...])[1:2, 1:]
    (channel,) = told(folder / "out.zarr")["omero"]["channels"]
    assert channel["label"] == "GFP"
    np.testing.assert_array_equal(arrays(folder / "out.zarr")[0][...], expected)
    assert "of several images in it only the first" in report.warnings[0]


def test_other_numbers_have_no_filters_of_the_old(tmp_path: Path) -> None:
    numcodecs = pytest.importorskip("numcodecs", reason="needs the extra cluster")
    values = picture((2, 21, 30), "uint16")
    settings = {"zarr_format": 2, "filters": [numcodecs.Delta("<u2")], "fill_value": 3}
    plain(tmp_path / "in.zarr", values, chunks=(1, 8, 8), **settings)
    options = Options(depth=convcli.Depth.FLOAT)
    report = filtered(tmp_path / "in.zarr", tmp_path / "out.zarr", axes="zyx", options=options)
    assert "filters of its numbers are not kept" in report.warnings[0]
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    assert (made.dtype, made.filters, made.fill_value) == (np.float32, (), 3)
    expected = ndimage.uniform_filter(values.astype(float), (0, 3, 3), mode="constant")
    np.testing.assert_allclose(made[...], expected, rtol=1e-6)


def test_no_block_touches_the_shard_of_another(tmp_path: Path) -> None:
    shape, shards = (5, 70, 90), (2, 16, 32)
    zarr.create_array(
        str(tmp_path / "in.zarr"), shape=shape, chunks=(1, 8, 8), shards=shards, dtype="uint8"
    )
    planes = PlaneChoice(axes="zyx", select=select_from("z=1:"))
    source = str(tmp_path / "in.zarr")
    for memory in (1, 2**16, 2**30):
        tiling = plan_large(
            operands(["box:3"]), source, "out.zarr", Options(), memory=memory, planes=planes
        )
        seen = [
            tuple(range(part.start // unit, -(-part.stop // unit)))
            for region in tiling.blocks.all()
            for part, unit in zip(region, shards, strict=True)
        ]
        blocks = [set(itertools.product(*seen[at : at + 3])) for at in range(0, len(seen), 3)]
        assert len(blocks) == tiling.blocks.count
        assert sum(map(len, blocks)) == len(set().union(*blocks)) == 2 * 5 * 3


@pytest.mark.slow
def test_memory_is_flat_and_estimated(tmp_path: Path) -> None:
    shards = {"chunks": (1, 192, 192), "shards": (8, 384, 384)}
    values, options = picture((16, 384, 768), "uint16"), Options(jobs=1)
    for name, planes in (("in.zarr", 16), ("long.zarr", 16_000)):
        shape, axes = (planes, 384, 768), ("z", "y", "x")
        zarr.create_array(
            str(tmp_path / name), shape=shape, dtype="uint16", dimension_names=axes, **shards
        )
    zarr.open_array(str(tmp_path / "in.zarr"))[...] = values
    source, kernels = str(tmp_path / "in.zarr"), operands(["gaussian:2"])
    plans = [
        plan_large(kernels, str(tmp_path / name), "out.zarr", options, memory=1)
        for name in ("in.zarr", "long.zarr")
    ]
    # To overwrite: what other runs on this machine have claimed is not read then.
    target = str(tmp_path / "out.zarr")
    # Of the second run, for the first imports modules, whose memory is not estimated.
    filter_large(kernels, source, target, options, memory=1, overwrite=True)
    tracemalloc.start()
    filter_large(kernels, source, target, options, memory=1, overwrite=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < plans[0].memory_bytes == plans[1].memory_bytes < 3 * peak


# ------------------------------------------------------------------ stores, workers

PARTS = {"five-04.zarr": "t=1,c=1:,z=1", "four-05.zarr": "c=1:,z=1:"}
"""Of each image as much as has several planes: each chunk of it is a request to a store."""


@pytest.mark.servers
@pytest.mark.parametrize("name", PARTS)
def test_in_a_store(
    name: str, bucket: Bucket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in bucket.settings.items():
        monkeypatch.setenv(key, value)
    for path in names(folder / name):
        bucket.put(f"in.zarr/{path}", (folder / name / path).read_bytes())
    filtered(folder / name, folder / "out.zarr", PARTS[name])
    # A killed run left a chunk, the next is whole, and another takes its place.
    bucket.put("out.zarr/s0/c/9", b"left")
    for end in ("", "/"):
        filtered(bucket.url(f"in.zarr{end}"), bucket.url(f"out.zarr{end}"), PARTS[name])
        found = {key for key in bucket.keys() if key.startswith("out.zarr/")}  # noqa: SIM118 - no dict
        assert found == {f"out.zarr/{path}" for path in names(folder / "out.zarr")}
    for path in names(folder / "out.zarr"):
        assert bucket.get(f"out.zarr/{path}") == (folder / "out.zarr" / path).read_bytes()


@pytest.mark.servers
@pytest.mark.parametrize("place", ["disk", "store"])
@pytest.mark.parametrize("name", PARTS)
def test_on_a_cluster(
    name: str, place: str, cluster: Cluster, bucket: Bucket, folder: Path
) -> None:
    filtered(folder / name, folder / "local.zarr", PARTS[name])
    words = ("apply", "box:3", folder / name, "--cluster", cluster.address, "-q")
    target = folder / "out.zarr" if place == "disk" else bucket.url("out.zarr")
    ended = process(*words, "--select", PARTS[name], "-o", target, **bucket.settings)
    assert (ended.returncode, ended.stderr) == (0, b"")
    for path in names(folder / "local.zarr"):
        expected = (folder / "local.zarr" / path).read_bytes()
        made = (
            (folder / "out.zarr" / path).read_bytes()
            if place == "disk"
            else bucket.get(f"out.zarr/{path}")
        )
        assert made == expected


# ------------------------------------------------------------------ what is refused


def changed(place: Path, **facts: Any) -> Path:
    """Write other facts into an image of version 0.5."""
    head = json.loads((place / "zarr.json").read_text())
    head["attributes"]["ome"] |= facts
    (place / "zarr.json").write_text(json.dumps(head))
    return place


def unknown_codec(folder: Path) -> Path:
    head = folder / "labelled-05.zarr/s0/zarr.json"
    head.write_text(head.read_text().replace("zstd", "packbitz"))
    return head.parents[1]


def without_level(folder: Path) -> Path:
    shutil.rmtree(folder / "four-05.zarr/s1")
    return folder / "four-05.zarr"


REFUSED: dict[str, tuple[Any, str]] = {
    "a plate": (
        lambda f: f / "plate-05.zarr",
        "got a plate of 1 wells: open one field of one, as {}/plate-05.zarr/A/1/0",
    ),
    "a well": (lambda f: f / "plate-05.zarr/A/1", "got a well of 1 fields: open one, as"),
    "labels": (
        lambda f: f / "labelled-05.zarr/labels",
        "got labels, which number objects: open {}/labelled-05.zarr",
    ),
    "the labels of one kind": (
        lambda f: f / "labelled-05.zarr/labels/cells",
        "got labels, which number objects: open {}/labelled-05.zarr",
    ),
    "another version": (
        lambda f: changed(f / "four-05.zarr", version="0.6"),
        "expected OME-Zarr 0.4 or 0.5, got 0.6: write it anew as that",
    ),
    "no datasets": (
        lambda f: changed(f / "four-05.zarr", multiscales=[{"axes": []}]),
        "expected axes and datasets in its multiscales",
    ),
    "a codec that nobody knows": (
        unknown_codec,
        "codec: 'packbitz': install the package that has it",
    ),
    "a level that is not there": (without_level, "expected an array at s1, which its multi"),
    "a group": (
        lambda f: Path(zarr.create_group(str(f / "g.zarr")).store.root),
        "an image of OME-Zarr with multiscales, got a group (empty): name an array in it",
    ),
    "levels of odd factors": (
        lambda f: Path(image(f / "odd.zarr", picture((9, 9)), (6, 6))),
        "the level 1 of (6, 6) is no whole part of (9, 9) before: use --pyramid none",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_images_that_are_refused(name: str, folder: Path) -> None:
    make, said = REFUSED[name]
    source = make(folder)
    with pytest.raises(ConvcliError) as caught:
        filtered(source, folder / "out.zarr")
    assert said.format(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "out.zarr").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("in.zarr", "o.zarr"), "got none: say them, as --axes yxc (or cyx)"),
        (("in.zarr", "o.zarr", "--axes", "yx"), "the 3 axes of (4, 5, 6)"),
        (("in.zarr", "o.zarr", "--axes", "yyx"), "expected a letter for each axis"),
        (("five-04.zarr", "o.zarr", "--axes", "zcyx"), "its axes are t, c, z, y, x: leave it"),
        (
            ("five-04.zarr", "o.zarr", "--select", "q=0"),
            "has t (0 to 1), c (0 to 2), z (0 to 1)",
        ),
        (
            ("five-04.zarr", "o.zarr", "--select", "y=0"),
            "has t (0 to 1), c (0 to 2), z (0 to 1)",
        ),
        (("five-04.zarr", "o.zarr", "--select", "t=2"), "got t=2:3"),
        (("five-04.zarr", "o.zarr", "--select", "c=2:9"), "got c=2:9"),
        (("five-04.zarr", "o.zarr", "--select", "t"), "expected an index, or FIRST:END"),
        (("five-04.zarr", "o.zarr", "--pyramid", "some"), "is not one of 'keep', 'none'"),
        (("in.tif", "o.zarr", "--select", "t=0"), "--select: expected a .zarr, got"),
        (("in.tif", "o.tif", "--axes", "yx"), "--axes is for a .zarr: leave it out"),
        (("in.tif", "--out-dir", "o", "--select", "t=0"), "--select is for one .zarr"),
    ],
)
def test_wrong_usage(
    words: tuple[str, ...], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    plain(folder / "in.zarr", picture((4, 5, 6)))
    tifffile.imwrite(folder / "in.tif", picture((20, 20)))
    before = sorted(path.name for path in folder.iterdir())
    assert said in refusal("apply", "box:3", *words, status=2)
    assert sorted(path.name for path in folder.iterdir()) == before


BANK = json.dumps([[[[0, 0, 0], [0, 1, 0], [0, 0, 0]]], [[[1 / 9] * 3] * 3]])
"""Two maps of each plane: itself, and its means."""


def test_maps_become_channels_beside_those_that_are_there(folder: Path) -> None:
    source, target = folder / "four-05.zarr", folder / "out.zarr"
    filtered(source, target, "c=1:,z=1:", kernels=[BANK])
    before, after = arrays(source), arrays(target)
    values = before[0][1:, 1:]
    expected = np.stack([values, blurred(values)], axis=1).reshape(-1, *values.shape[1:])
    assert after[0].chunks == before[0].chunks
    for level in after:
        np.testing.assert_array_equal(level[...], expected)
        expected = means(expected, (1, 2, 2, 2))
    old, new = (told(place)["omero"]["channels"] for place in (source, target))
    names = [f"{each['label']} map {number}" for each in old[1:] for number in (0, 1)]
    assert [each["label"] for each in new] == names
    assert [each["color"] for each in new] == [each["color"] for each in old[1:] for _ in "01"]


def test_colours_become_channels(folder: Path) -> None:
    settings: Any = {"colormap": convcli.Colormap.MAGMA, "range": Range.CLIP}
    options, source, target = Options(**settings), folder / "four-05.zarr", folder / "out.zarr"
    filtered(source, target, options=options, pyramid=Pyramid.NONE)
    made = arrays(target)[0][...]
    plane = zarr.open_array(str(source / "s0"), mode="r")[1, 2]
    expected = convcli.apply("box:3", plane, **settings).array
    np.testing.assert_array_equal(np.moveaxis(made[3:6, 2], 0, -1), expected)
    channels = told(target)["omero"]["channels"]
    assert [each["label"] for each in channels[3:6]] == ["GFP red", "GFP green", "GFP blue"]
    assert [each["color"] for each in channels[3:6]] == ["FF0000", "00FF00", "0000FF"]
    assert {each["window"]["end"] for each in channels} == {np.iinfo(made.dtype).max}
    filtered(source, folder / "out.tif", "c=0,z=0", options=options)
    assert tifffile.imread(folder / "out.tif").shape == (20, 32, 3)


def test_maps_get_an_axis_where_there_are_no_channels(tmp_path: Path) -> None:
    values = picture((4, 6, 8))
    source = image(tmp_path / "in.zarr", values, (2, 3, 4))
    filtered(source, tmp_path / "out.zarr", kernels=[BANK])
    expected = np.stack([values, blurred(values)])
    for level in arrays(tmp_path / "out.zarr"):
        np.testing.assert_array_equal(level[...], expected)
        expected = means(expected, (1, 2, 2, 2))
    facts = told(tmp_path / "out.zarr")
    multiscale = facts["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "z", "y", "x"]
    assert multiscale["axes"][0]["type"] == "channel"
    scales = [each["coordinateTransformations"][0]["scale"] for each in multiscale["datasets"]]
    assert scales == [[1, 1, 1, 1], [1, 2, 2, 2]]
    assert [each["label"] for each in facts["omero"]["channels"]] == ["map 0", "map 1"]
    assert facts["omero"]["channels"][0]["window"] == {
        "min": 0, "start": 0, "end": 255, "max": 255,
    }  # fmt: skip
    blurs = filtered(tmp_path / "out.zarr", tmp_path / "again.zarr")
    assert blurs.frames == 8


@pytest.mark.parametrize("version", [2, 3])
def test_maps_of_an_array_whose_planes_are_times(version: int, tmp_path: Path) -> None:
    values = picture((3, 9, 10))
    named: dict[str, Any] = {"dimension_names": ("t", "y", "x")}
    if version == 2:
        named = {"attributes": {"_ARRAY_DIMENSIONS": ["t", "y", "x"]}}
    plain(tmp_path / "in.zarr", values, chunks=(2, 4, 4), zarr_format=version, **named)
    filtered(tmp_path / "in.zarr", tmp_path / "out.zarr", kernels=[BANK])
    made = zarr.open_array(str(tmp_path / "out.zarr"), mode="r")
    np.testing.assert_array_equal(made[...], np.stack([values, blurred(values)], axis=1))
    assert made.chunks == (2, 1, 4, 4)
    assert filtered(tmp_path / "out.zarr", tmp_path / "b.zarr", "t=1").frames == 2


def test_what_else_is_in_an_image_stays(folder: Path) -> None:
    """An image takes the place of another, not of one with labels, nor of a level."""
    source, labelled = folder / "four-05.zarr", folder / "labelled-05.zarr"
    with pytest.raises(ConvcliError, match="a folder with other things in it"):
        filtered(source, labelled)
    with pytest.raises(ConvcliError, match="it is a level of the image"):
        filtered(write_zarr(folder / "in.zarr", picture((9, 9))), folder / "five-04.zarr/s1")
    report = filtered(labelled, folder / "out.zarr")
    assert "labels is left out" in report.warnings[0]
    expected = blurred(arrays(source)[0][...])
    filtered(source, source)
    np.testing.assert_array_equal(arrays(source)[0][...], expected)


def test_bad_words_in_python(folder: Path) -> None:
    for word, value in (("axes", "yyx"), ("select", "t:0"), ("pyramid", "half")):
        with pytest.raises(OptionError, match=f"{word}: "):
            convcli.apply_tiled("box", folder / "a.zarr", folder / "o.zarr", **{word: value})  # type: ignore[arg-type]


def test_what_comes_from_a_tiff_has_names(tmp_path: Path) -> None:
    """So what is written is read again, without --axes."""
    tifffile.imwrite(
        tmp_path / "in.tif", picture((40, 50, 3)), photometric="rgb", tile=(16, 16)
    )
    filtered(tmp_path / "in.tif", tmp_path / "a.zarr")
    filtered(tmp_path / "a.zarr", tmp_path / "b.zarr")
    made = zarr.open_array(str(tmp_path / "b.zarr"), mode="r")
    assert made.metadata.dimension_names == ("y", "x", "c")
    assert read(str(tmp_path / "b.zarr")).shape == (40, 50, 3)

"""What files are read and written, and what of them is refused in one line."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from convcli.errors import ConvcliError
from convcli.images.read import read_picture
from convcli.images.write import Saving
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from convcli.scale.tiled.copies import mean_of, shrunk
from convcli.scale.tiled.tiff import TiffSource, open_tiff
from support.commands import environment, process, refusal, run
from support.scenes import (
    SMALL,
    Values,
    filter_large,
    operands,
    picture,
    plan_large,
    read,
    tifffile,
    whole,
    write_tiff,
    write_zarr,
    zarr,
)

LAYOUTS: dict[str, dict[str, Any]] = {
    "tiles of any size": {"tile": (48, 32)},
    "no compression": {"compression": None},
    "a predictor": {"predictor": True},
    "plane by plane": {"planarconfig": "separate"},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "strips": {"tile": None, "rowsperstrip": 9},
    "one piece": {"tile": None, "compression": None},
    "strips that follow": {"tile": None, "compression": None, "rowsperstrip": 9},
    "one piece, plane by plane": {
        "tile": None,
        "compression": None,
        "planarconfig": "separate",
        "byteorder": ">",
    },
}


def filtered(source: str, target: str | Path, **settings: Any) -> Any:
    return filter_large(
        operands(["box:3"]), source, str(target), Options(), memory=SMALL, **settings
    )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_a_tiff(name: str, dtype: str, tmp_path: Path) -> None:
    values = picture((130, 170, 3), dtype)
    stored = np.moveaxis(values, 2, 0) if "planarconfig" in LAYOUTS[name] else values
    settings = dict(LAYOUTS[name])
    order = settings.pop("byteorder", "<")
    source = write_tiff(tmp_path / "in.tif", stored, **settings, byteorder=order)
    filtered(source, tmp_path / "out.tif")
    expected = whole(values, ["box:3"], Options()).values
    np.testing.assert_array_equal(read(str(tmp_path / "out.tif")), expected)


@pytest.mark.parametrize("planes", [1, 2])
def test_a_large_piece_is_read_in_strips_of_a_mebibyte(planes: int, tmp_path: Path) -> None:
    values = picture((1500, 900, 3), "uint16")
    stored = np.moveaxis(values, 2, 0) if planes == 2 else values
    settings = {"tile": None, "compression": None, "byteorder": ">", "planarconfig": planes}
    path = write_tiff(tmp_path / "in.tif", stored, **settings, photometric="rgb")
    source = open_tiff(path)
    assert source.chunk == (2**20 // (900 * 3 * 2), 900)
    found = source.read(slice(150, 1490), slice(7, 890))
    np.testing.assert_array_equal(found, values[150:1490, 7:890])


def test_strips_with_room_after_each_are_no_larger_strips(tmp_path: Path) -> None:
    """Each of four strips of 10 rows of 10 pixels is said to have 150 bytes: 50 are filling."""
    rows = np.arange(400, dtype=np.uint8).reshape(4, 100)
    data = np.pad(rows, ((0, 0), (0, 50))).tobytes()
    path = tmp_path / "in.tif"
    strips = {"tile": None, "compression": None, "rowsperstrip": 10, "metadata": None}
    write_tiff(path, np.zeros((40, 10), np.uint8), **strips)
    with tifffile.TiffFile(path) as file:
        offsets, counts = (file.pages[0].tags[tag].valueoffset for tag in (273, 279))
        dtype = {3: "<u2", 4: "<u4"}[int(file.pages[0].tags[279].dtype)]
    made = bytearray(path.read_bytes())
    places = np.arange(4) * 150 + len(made)
    made[offsets : offsets + 16] = places.astype("<u4").tobytes()
    made[counts : counts + 4 * int(dtype[2])] = np.full(4, 150, dtype).tobytes()
    path.write_bytes(bytes(made) + data)
    source = open_tiff(str(path))
    found = source.read(slice(0, 40), slice(0, 10))
    np.testing.assert_array_equal(found.ravel(), rows.ravel())


def test_the_result_is_that_of_apply_without_tiles(tmp_path: Path) -> None:
    """Pillow reads what was written as it reads any other TIFF."""
    source = write_tiff(tmp_path / "in.tif", picture((150, 210, 3)))
    filtered(source, tmp_path / "out.tif")
    untiled = read_picture(source).frames[0].pixels
    frame = read_picture(tmp_path / "out.tif").frames[0]
    np.testing.assert_array_equal(frame.pixels, whole(untiled, ["box:3"], Options()).values)


def test_the_output_has_the_tiles_of_the_input(tmp_path: Path) -> None:
    source = write_tiff(tmp_path / "in.tif", picture((300, 400)), tile=(32, 112))
    filtered(source, tmp_path / "out.tif")
    filtered(source, tmp_path / "out.zarr")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].chunks == (32, 112)
    assert zarr.open_array(str(tmp_path / "out.zarr")).chunks == (32, 112)


def test_of_strips_and_odd_chunks_the_output_has_usual_tiles(tmp_path: Path) -> None:
    source = write_tiff(tmp_path / "in.tif", picture((600, 700)), tile=None)
    filtered(source, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].chunks == (512, 512)


def test_what_a_tiff_says_of_itself_is_kept(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = write_tiff(
        tmp_path / "in.tif",
        picture((150, 210, 3)),
        resolution=(200, 100),
        resolutionunit="INCH",
        description="A street in Ghent",
        iccprofile=profile,
        metadata=None,
    )
    filtered(source, tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as opened:
        assert opened.info["dpi"] == (200, 100)
        assert opened.info["icc_profile"] == profile
        assert opened.getexif()[0x010E] == "A street in Ghent"
    filtered(source, tmp_path / "bare.tif", saving=Saving(strip=True))
    with Image.open(tmp_path / "bare.tif") as opened:
        assert "dpi" not in opened.info or opened.info["dpi"] == (1, 1)
        assert "icc_profile" not in opened.info


def test_a_smaller_copy_in_the_file_is_no_page(tmp_path: Path) -> None:
    values = picture((130, 170, 3))
    with tifffile.TiffWriter(tmp_path / "in.tif") as file:
        file.write(values, tile=(64, 64), photometric="rgb", metadata=None)
        file.write(values[::2, ::2], tile=(64, 64), photometric="rgb", subfiletype=1)
    filtered(str(tmp_path / "in.tif"), tmp_path / "out.tif")
    expected = whole(values, ["box:3"], Options()).values
    np.testing.assert_array_equal(read(str(tmp_path / "out.tif")), expected)


def test_one_page_of_several_is_taken(tmp_path: Path) -> None:
    values = picture((3, 130, 170))
    source = write_tiff(tmp_path / "in.tif", values, metadata=None)
    with pytest.raises(ConvcliError, match="one page, got 3: choose one with --frame"):
        filtered(source, tmp_path / "out.tif")
    filtered(source, tmp_path / "out.tif", frame=2)
    expected = whole(values[2], ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(str(tmp_path / "out.tif")), expected)


def test_a_fourth_sample_that_is_nothing_is_left_out(tmp_path: Path) -> None:
    values = picture((130, 170, 4))
    source = write_tiff(tmp_path / "in.tif", values, extrasamples=["unspecified"])
    filtered(source, tmp_path / "out.tif")
    expected = whole(values[..., :3], ["box:3"], Options()).values
    np.testing.assert_array_equal(read(str(tmp_path / "out.tif")), expected)


def test_a_flat_array_stays_flat(tmp_path: Path) -> None:
    values = picture((130, 170))
    source = write_zarr(tmp_path / "in.zarr", values)
    filtered(source, tmp_path / "out.zarr")
    expected = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(str(tmp_path / "out.zarr")), expected)


def test_an_older_array_and_one_in_a_group_are_read(tmp_path: Path) -> None:
    values = picture((130, 170))
    group = zarr.open_group(str(tmp_path / "in.zarr"), mode="w", zarr_format=2)
    group.create_array("0", shape=values.shape, chunks=(50, 60), dtype="uint8")[...] = values
    filtered(f"{tmp_path}/in.zarr/0", tmp_path / "out.tif")
    expected = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(str(tmp_path / "out.tif")), expected)


@pytest.mark.parametrize("name", ["in.tif", "in.zarr"])
def test_a_url_of_a_file_is_its_path(name: str, tmp_path: Path) -> None:
    values = picture((130, 170))
    write = write_zarr if name.endswith("zarr") else write_tiff
    write(tmp_path / name, values)
    expected = whole(values, ["box:3"], Options()).values[..., 0]
    for out in ("out.tif", "out.zarr"):
        filtered((tmp_path / name).as_uri(), (tmp_path / out).as_uri())
        np.testing.assert_array_equal(read(str(tmp_path / out)), expected)


def test_an_array_takes_the_place_of_another(tmp_path: Path) -> None:
    """Also of the input itself: it is read to its end before."""
    values = picture((130, 170))
    source = write_zarr(tmp_path / "in.zarr", values)
    filtered(source, Path(source))
    once = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(source), once)
    assert names_in(tmp_path) == ["in.zarr"]


def test_a_tiff_takes_the_place_of_its_input(tmp_path: Path) -> None:
    values = picture((130, 170))
    source = write_tiff(tmp_path / "in.tif", values)
    filtered(source, Path(source))
    once = whole(values, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(read(source), once)
    assert names_in(tmp_path) == ["in.tif"]


READ_IN_TILES: dict[str, tuple[Any, dict[str, Any]]] = {
    "multiplied by opacity": (
        picture((99, 80, 4), "uint16"),
        {"extrasamples": ["assocalpha"]},
    ),
    "black as white": (picture((99, 80), "uint16"), {"photometric": "miniswhite"}),
    "inks of 16 bits": (picture((99, 80, 4), "uint16"), {"photometric": "separated"}),
    "whole numbers of 32 bits": (picture((99, 80)).astype(np.int32) - 99, {}),
    "many bands": (picture((99, 80, 5)), {"extrasamples": [0] * 4, "planarconfig": 1}),
    "an opacity between bands": (
        picture((99, 80, 6)),
        {"photometric": "rgb", "extrasamples": [2, 0, 0]},
    ),
    "a sample without a meaning": (picture((99, 80, 4)), {"extrasamples": [0]}),
}


@pytest.mark.parametrize("name", READ_IN_TILES)
def test_what_is_read_whole_is_read_in_tiles(name: str, tmp_path: Path) -> None:
    values, settings = READ_IN_TILES[name]
    source = write_tiff(tmp_path / "in.tif", values, **settings)
    for number, words in enumerate([(), ("--tiled",)]):
        target = tmp_path / f"{number}.tif"
        done = run("apply", "box:3", source, target, "--depth", "float", *words)
        assert done.exit_code == 0, done.stderr
        assert ("no stated meaning" in done.stderr) == (name == "a sample without a meaning")
    whole, tiled = (read_picture(tmp_path / name).frames for name in ("0.tif", "1.tif"))
    for one, other in zip(whole, tiled, strict=True):
        np.testing.assert_array_equal(one.array, other.array)


def make_tiff(path: Path, **settings: Any) -> str:
    return write_tiff(path / "in.tif", picture((130, 170, 3)), **settings)


def make_zarr(path: Path, values: Any) -> str:
    return write_zarr(path / "in.zarr", values)


def make_group(path: Path) -> str:
    group = zarr.open_group(str(path / "in.zarr"), mode="w")
    group.create_array("first", shape=(4, 4), dtype="uint8")
    return str(path / "in.zarr")


def make_text(path: Path) -> str:
    (path / "in.tif").write_text("II but no TIFF")
    return str(path / "in.tif")


def make_odd(path: Path, said: str, instead: str) -> str:
    """Make an array of which `zarr.json` has another text somewhere."""
    source = make_zarr(path, picture((99, 99)))
    facts = Path(source) / "zarr.json"
    text = " ".join(facts.read_text().split())
    assert said in text
    facts.write_text(text.replace(said, instead))
    return source


REFUSED: dict[str, tuple[Any, str]] = {
    "no TIFF": (make_text, "expected a TIFF or a .zarr to filter block by block"),
    "a missing TIFF": (lambda path: f"{path}/none.tif", "no such file"),
    "a missing array": (lambda path: f"{path}/none.zarr", "expected a Zarr array, found none"),
    "a folder": (str, "got a folder"),
    "a group": (make_group, "got a group (first): name an array in it, as"),
    "four axes": (lambda p: make_zarr(p, picture((4, 9, 9, 3))), "say them, as --axes czyx"),
    "chunks of nothing": (
        lambda p: make_odd(p, '"chunk_shape": [ 100, 110 ]', '"chunk_shape": [0, 110]'),
        "expected at least one pixel, got the shape (99, 99) in chunks of (0, 110)",
    ),
    "more than can be": (
        lambda p: make_odd(p, '"shape": [ 99, 99 ]', '"shape": [99, 99999999999999]'),
        "expected at most 1,099,511,627,776 pixels",
    ),
    "a filling that is no pixel": (
        lambda p: make_odd(p, '"fill_value": 0', '"fill_value": 999'),
        "the picture cannot be read",
    ),
    "complex numbers": (
        lambda p: make_zarr(p, np.ones((9, 9), "complex64")),
        "real numbers of at most 64 bits, got complex64",
    ),
    "a turned picture": (
        lambda p: make_tiff(p, extratags=[(274, 3, 1, 6, True)]),
        "got orientation 6",
    ),
    "associated alpha": (
        lambda p: write_tiff(p / "in.tif", picture((99, 99, 4)), extrasamples=["assocalpha"]),
        "with associated alpha is not read block by block",
    ),
    "black and white": (
        lambda p: write_tiff(p / "in.tif", picture((99, 99)) > 99),
        "samples of 1 bits is not read block by block: filter it whole, without --tiled",
    ),
    "a volume": (
        lambda p: write_tiff(
            p / "in.tif", picture((3, 64, 64)), volumetric=True, tile=(1, 64, 64)
        ),
        "with 3 layers is not read block by block",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_inputs_that_are_refused(name: str, tmp_path: Path) -> None:
    make, said = REFUSED[name]
    with pytest.raises(ConvcliError) as caught:
        filtered(make(tmp_path), tmp_path / "out.tif")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("target", "settings", "said"),
    [
        ("out.png", {}, "expected a .tif or .zarr"),
        ("out-{map}.tif", {}, "expected one file for all maps"),
        ("out.tif", {"saving": Saving(quality=9)}, "has no quality"),
        ("out.zarr", {"saving": Saving(compress_level=9)}, "Zarr has no quality and no level"),
        ("out.zarr", {"file_format": "TIFF"}, "expected a .tif for --format"),
        ("none/out.zarr", {}, "does not exist: make it first"),
        ("none/out.tif", {}, "does not exist: make it first"),
        ("full.zarr", {}, "a folder with other things in it"),
        ("file.zarr", {}, "it is a file"),
        ("array.zarr/out.zarr", {}, "array.zarr is one output with all that is in it"),
    ],
)
def test_outputs_that_are_refused(
    target: str, settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    source = make_tiff(tmp_path)
    (tmp_path / "full.zarr").mkdir()
    (tmp_path / "full.zarr" / "diary.txt").write_text("dear diary")
    (tmp_path / "file.zarr").write_text("a file")
    write_zarr(tmp_path / "array.zarr", picture((9, 9)), (9, 9))
    with pytest.raises(ConvcliError) as caught:
        filtered(source, tmp_path / target, **settings)
    assert said in str(caught.value)
    assert names_in(tmp_path) == ["array.zarr", "file.zarr", "full.zarr", "in.tif"]


def test_a_read_only_array_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is renamed into another one only by those who may write in it."""
    target = write_zarr(tmp_path / "a.zarr", picture((9, 9)), (9, 9))
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != target)  # also for root
    with pytest.raises(ConvcliError, match=r"a\.zarr: cannot be written: it is read-only"):
        filtered(make_tiff(tmp_path), target, progress=pytest.fail)
    assert names_in(tmp_path) == ["a.zarr", "in.tif"]


def test_a_padding_that_makes_a_huge_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConvcliError, match="use less padding, or raise --max-pixels"):
        filter_large(
            operands(["box:3"]), make_tiff(tmp_path), "out.tif", Options(padding=50_000)
        )


def changed(path: Path, tag: int, value: int) -> str:
    """Write a number of 16 bits over the value of a tag of the only page."""
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].tags[tag].valueoffset
    data = path.read_bytes()
    path.write_bytes(data[:offset] + value.to_bytes(2, "little") + data[offset + 2 :])
    return str(path)


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        (256, 0, "TIFF without pixels"),
        (256, 60_000, "file is truncated"),
        (257, 60_000, "file is truncated"),
        (322, 0, "TIFF without pixels"),
        (262, 77, "with photometric 77 is not read block by block: filter it whole"),
        (259, 77, "with compression 77 is not read block by block"),
    ],
)
def test_a_directory_that_is_wrong(tag: int, value: int, said: str, tmp_path: Path) -> None:
    """No memory is taken for a result of a size that is not there."""
    path = Path(write_tiff(tmp_path / "in.tif", picture((90, 100, 3))))
    with pytest.raises(ConvcliError, match=said):
        plan_large(operands(["box:3"]), changed(path, tag, value), "out.tif", Options())


def test_strips_of_which_some_are_nowhere(tmp_path: Path) -> None:
    strips = {"tile": None, "rowsperstrip": 16, "compression": "zlib"}
    path = Path(write_tiff(tmp_path / "in.tif", picture((90, 100, 3)), **strips))
    with pytest.raises(ConvcliError, match="file is truncated"):
        plan_large(operands(["box:3"]), changed(path, 257, 60_000), "out.tif", Options())


def test_a_tiff_without_a_page_is_one_line(tmp_path: Path) -> None:
    source = Path(make_tiff(tmp_path))
    data = source.read_bytes()
    source.write_bytes(data[:4] + b"\xff\xff\xff\x7f" + data[8:])
    ended = process("apply", "box", source, tmp_path / "out.tif", "--tiled")
    assert ended.stderr.decode() == (
        f"Error: {source}: the picture cannot be read: TIFF tag 256 is missing or damaged: "
        "get a whole copy of it\n"
    )
    assert (ended.returncode, ended.stdout) == (1, b"")


READ = """
import pickle, sys
from convcli.errors import ImageError
source = pickle.loads(sys.stdin.buffer.read())
try:
    source.read(slice(0, 9), slice(0, 9))
except ImageError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "said"),
    [(0, "expected a TIFF or a .zarr"), (4, "the picture cannot be read: TIFF tag 256")],
)
def test_damage_in_another_process_is_the_same_line(
    place: int, said: str, tmp_path: Path
) -> None:
    """What stays open is told of at the exit."""
    path = Path(make_tiff(tmp_path))
    source = open_tiff(str(path))
    sent = pickle.dumps(source)
    data, times = path.read_bytes(), path.stat()
    path.write_bytes(data[:place] + b"\xff\xff\xff\x7f" + data[place + 4 :])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    words = [sys.executable, "-W", "always::ResourceWarning", "-c", READ]
    ended = subprocess.run(
        words, input=sent, capture_output=True, check=True, env=environment()
    )
    assert ended.stderr.decode() == ""
    assert ended.stdout.decode().startswith(f"{path}: {said}")
    assert ended.stdout.count(b"\n") == 1


def sent_to(path: Path) -> tuple[Values, TiffSource]:
    """Return what a TIFF holds, and its source as another process gets it."""
    source = open_tiff(str(path))
    sent = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
    return read(str(path)), sent


def test_another_picture_in_its_place_is_not_read(tmp_path: Path) -> None:
    """Its size is the same, and its time another: half of a result would be of it."""
    settings = {"tile": None, "compression": None}
    path = Path(write_tiff(tmp_path / "in.tif", picture((40, 50)), **settings))
    other = Path(write_tiff(tmp_path / "new.tif", picture((40, 50), seed=1), **settings))
    size, time = path.stat().st_size, path.stat().st_mtime_ns
    os.utime(other, ns=(time, time + 2 * 10**9))
    _, source = sent_to(path)
    other.replace(path)
    assert path.stat().st_size == size
    said = rf"{re.escape(str(path))}: another file has taken its place: run it again"
    with pytest.raises(ConvcliError, match=said):
        source.read(slice(0, 9), slice(0, 9))


def test_a_file_that_is_longer_is_another(tmp_path: Path) -> None:
    """Some programs set the time of what they copy to that of the first."""
    path = Path(write_tiff(tmp_path / "in.tif", picture((40, 50))))
    times = path.stat()
    _, source = sent_to(path)
    write_tiff(path, picture((400, 500)))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ConvcliError, match="another file has taken its place"):
        source.read(slice(0, 9), slice(0, 9))


@pytest.mark.parametrize("step", [1, 100, 10**9])
def test_the_same_file_is_read_by_a_machine_that_cuts_its_time(
    step: int, tmp_path: Path
) -> None:
    """Another machine sees another number of the file too: here a copy has one."""
    path = Path(write_tiff(tmp_path / "in.tif", picture((40, 50))))
    time = 1_700_000_000_123_456_789
    os.utime(path, ns=(time, time))
    values, source = sent_to(path)
    copied = Path(shutil.copy(path, tmp_path / "copied.tif"))
    os.utime(copied, ns=(time, time // step * step))
    copied.replace(path)
    found = source.read(slice(0, 40), slice(0, 50))
    np.testing.assert_array_equal(found[..., 0], values)


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_truncated_tiff_is_one_line_and_leaves_nothing(keep: float, tmp_path: Path) -> None:
    source = Path(make_tiff(tmp_path))
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ConvcliError, match="file is truncated"):
        filtered(str(source), tmp_path / "out.tif")
    assert names_in(tmp_path) == ["in.tif"]


def test_a_damaged_chunk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    source = Path(make_zarr(tmp_path, picture((250, 250))))
    (source / "c" / "1" / "1").write_bytes(b"no chunk")
    with pytest.raises(ConvcliError, match="the picture cannot be read"):
        filtered(str(source), tmp_path / "out.zarr")
    assert names_in(tmp_path) == ["in.zarr"]


def test_blocks_fit_into_the_memory_that_is_given(tmp_path: Path) -> None:
    """A picture of a million pixels a side is planned at once, from its header alone."""
    zarr.create_array(
        str(tmp_path / "in.zarr"),
        shape=(10**6, 10**6, 3),
        chunks=(512, 512, 3),
        dtype="uint8",
        dimension_names=("y", "x", "c"),
    )
    kernel = Kernel(np.random.default_rng(1).normal(size=(31, 31)))
    for memory in (2**26, 2**28, 2**30):
        tiling = plan_large(
            [kernel], str(tmp_path / "in.zarr"), "out.zarr", Options(jobs=2), memory=memory
        )
        assert tiling.memory_bytes <= memory
        assert tiling.blocks.shape[0] % 512 == tiling.blocks.shape[1] % 512 == 0
        assert tiling.blocks.count >= (10**12 * 3 * 4) // memory


def test_tiled_floats_in_colour_are_read_whole_and_in_parts(tmp_path: Path) -> None:
    """As renderers write them."""
    path = tmp_path / "tiled.tif"
    values = np.random.default_rng(3).random((32, 32, 3)).astype(np.float32)
    tifffile.imwrite(path, values, tile=(16, 16), photometric="rgb")
    np.testing.assert_array_equal(read_picture(path).array, values)
    filter_large([Kernel([[1.0]])], str(path), str(tmp_path / "out.tif"), Options())
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.asarray(), values)


def test_results_that_floats_of_32_bits_do_not_hold_are_refused(tmp_path: Path) -> None:
    """They would be infinite in the file, which holds other values beside them."""
    values = np.full((40, 40), 1.5)
    values[33, 2] = -1e39
    tifffile.imwrite(tmp_path / "in.tif", values, tile=(16, 16))
    words = ("apply", "identity", tmp_path / "in.tif", tmp_path / "out.tif", "--tiled")
    said = refusal(*words, status=1)
    assert said.endswith("got larger ones: write a .zarr, which holds them")
    assert not (tmp_path / "out.tif").exists()
    values[33, 2] = -1e38
    tifffile.imwrite(tmp_path / "in.tif", values, tile=(16, 16))
    assert run(*words).exit_code == 0
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "out.tif"), values.astype(np.float32)
    )


def test_channels_beside_each_other_have_no_empty_list_of_copies(tmp_path: Path) -> None:
    values = np.random.default_rng(4).integers(0, 256, (5, 40, 40)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="minisblack", planarconfig=2)
    words = ("identity", tmp_path / "in.tif", tmp_path / "out.tif", "--tiled", "-q")
    assert run("apply", *words).exit_code == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        np.testing.assert_array_equal(file.asarray(), values)
        assert all("SubIFDs" not in page.tags for page in file.pages)


def test_copies_are_means_of_squares_that_may_be_smaller_at_an_end() -> None:
    assert shrunk(np.array([[[1], [3], [9]]], np.uint8), 2).tolist() == [[[2], [9]]]
    values = np.array([[1, 2, 9], [3, 4, 11]], np.uint8)
    assert mean_of(values, (2, 2)).tolist() == [[2, 10]]  # 2.5 is rounded to even

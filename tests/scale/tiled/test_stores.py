"""Pictures larger than memory that stand in stores: read in parts, complete or absent."""

import pickle
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.choices import Range
from convcli.errors import ConvcliError
from convcli.pipeline.options import Options
from convcli.scale.tiled.tiff import open_tiff
from support.commands import begun, environment, process
from support.held import Held
from support.s3_server import Bucket
from support.scenes import (
    filter_large,
    operands,
    picture,
    plan_large,
    whole,
    write_tiff,
    write_zarr,
    zarr,
)
from support.web_servers import Served, file_server, refusing

pytestmark = pytest.mark.servers

SIZE = (300, 400, 3)
ABOVE_A_PART = (3_600, 3_600)
"""Noise of 13 MB: more than is sent to a store at once, also when it is smoothed."""

MEMORY = 2**20
"""Enough for a block of a few tiles."""

LAYOUTS: dict[str, dict[str, Any]] = {
    "tiles": {},
    "BigTIFF, big-endian": {"bigtiff": True, "byteorder": ">"},
    "plane by plane": {"planarconfig": "separate"},
    "strips": {"tile": None, "rowsperstrip": 9},
    "one piece": {"tile": None, "compression": None},
}


@pytest.fixture
def store(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in bucket.settings.items():
        monkeypatch.setenv(name, value)
    return bucket


def filtered(source: str, target: str | Path, **settings: Any) -> Any:
    return filter_large(
        operands(["box:3"]), source, str(target), Options(jobs=2), memory=MEMORY, **settings
    )


def put_tree(bucket: Bucket, folder: Path) -> str:
    """Put a folder's files into a bucket under its name; return the URL."""
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put(path.relative_to(folder.parent).as_posix(), path.read_bytes())
    return bucket.url(folder.name)


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in files}


def objects(bucket: Bucket, beginning: str = "") -> dict[str, bytes]:
    return {key: bucket.get(key) for key in bucket.keys() if key.startswith(beginning)}  # noqa: SIM118 - no dict


def put_tiff(bucket: Bucket, path: Path, values: Any, **settings: Any) -> str:
    return bucket.put(path.name, Path(write_tiff(path, values, **settings)).read_bytes())


# ------------------------------------------------------------------ equal to what files give


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tiff_of_a_store_is_filtered_as_a_file_is(
    name: str, store: Bucket, tmp_path: Path
) -> None:
    values, settings = picture(SIZE, "uint16"), LAYOUTS[name]
    stored = np.moveaxis(values, 2, 0) if "planarconfig" in settings else values
    url = put_tiff(store, tmp_path / "in.tif", stored, **settings)
    filtered(str(tmp_path / "in.tif"), tmp_path / "file.tif")
    filtered(url, tmp_path / "object.tif")
    assert (tmp_path / "object.tif").read_bytes() == (tmp_path / "file.tif").read_bytes()


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_is_written_to_a_store_is_what_files_get(
    jobs: int, store: Bucket, tmp_path: Path
) -> None:
    options = Options(range=Range.STRETCH, jobs=jobs)
    url = put_tiff(store, tmp_path / "in.tif", picture(SIZE))
    for out in ("out.tif", "out.zarr"):
        for source, target in (
            (str(tmp_path / "in.tif"), tmp_path / out),
            (url, store.url(out)),
        ):
            filter_large(
                operands(["sobel", "gaussian:1"]), source, str(target), options, memory=MEMORY
            )
    assert store.get("out.tif") == (tmp_path / "out.tif").read_bytes()
    assert objects(store, "out.zarr") == tree(tmp_path / "out.zarr")


def test_through_the_memory_of_this_process() -> None:
    fsspec = pytest.importorskip("fsspec", reason="URLs need the extra cluster")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    values = picture((300, 400))
    zarr.create_array("memory://in.zarr", data=values, chunks=(100, 100))
    filtered("memory://in.zarr", "memory://middle.tif")
    filtered("memory://middle.tif", "memory://out.zarr")
    once = whole(values, ["box:3"], Options()).values[..., 0]
    twice = whole(once, ["box:3"], Options()).values[..., 0]
    np.testing.assert_array_equal(zarr.open_array("memory://out.zarr", mode="r")[...], twice)


def test_an_array_takes_the_place_of_another_and_of_its_input(
    store: Bucket, tmp_path: Path
) -> None:
    url = put_tree(store, Path(write_zarr(tmp_path / "in.zarr", picture((200, 210)))))
    larger = put_tree(store, Path(write_zarr(tmp_path / "old.zarr", picture((310, 120)))))
    filtered(str(tmp_path / "in.zarr"), tmp_path / "in.zarr")
    for target in (larger, url):
        filtered(url, target)
    assert objects(store, "in.zarr") == tree(tmp_path / "in.zarr")
    expected = {f"old{name[2:]}": data for name, data in tree(tmp_path / "in.zarr").items()}
    assert objects(store, "old.zarr") == expected
    assert len(store.keys()) == 2 * len(expected)


def test_chunks_that_a_killed_run_left_are_no_part_of_the_next(
    store: Bucket, tmp_path: Path
) -> None:
    """Of zeros no chunk is written: what stood there would be read."""
    store.put("out.zarr/c/0/0", b"left")
    source = write_zarr(tmp_path / "in.zarr", np.zeros((100, 110), np.uint8))
    filtered(source, store.url("out.zarr"))
    filtered(source, tmp_path / "out.zarr")
    assert objects(store) == tree(tmp_path / "out.zarr")


# ------------------------------------------------------------------ in parts


def test_a_file_is_opened_once(tmp_path: Path) -> None:
    """Its last byte tells that the server sends parts; its directory is at the beginning."""
    path = Path(write_tiff(tmp_path / "in.tif", picture(SIZE)))
    size = path.stat().st_size
    with file_server(Served({"/in.tif": path.read_bytes()})) as served:
        url, box = f"{served.address}/in.tif", operands(["box:3"])
        filter_large(box, url, str(tmp_path / "o.tif"), Options(jobs=1), memory=2**26)
    last, header, *tiles = served.asked
    assert (last, header) == ((size - 1, 1), (0, 2**16))
    assert sum(count for _, count in tiles) < size


def test_only_parts_are_asked_for(tmp_path: Path) -> None:
    """None is larger than what a block reads, and all are hardly more than the file."""
    path = Path(write_tiff(tmp_path / "in.tif", picture((3_000, 3_000)), tile=(256, 256)))
    size = path.stat().st_size
    with file_server(Served({"/in.tif": path.read_bytes()})) as served:
        url = f"{served.address}/in.tif"
        plan_large(operands(["box:3"]), url, "out.tif", Options())
        header = sum(count for _, count in served.asked)
        assert header < 2**19 < size / 16
        served.asked.clear()
        box, options = operands(["box:3"]), Options(jobs=2)
        filter_large(box, url, str(tmp_path / "web.tif"), options, memory=2**26)
    assert max(count for _, count in served.asked) < 2**23 < size
    assert size * 0.9 < sum(count for _, count in served.asked) < size * 1.6
    filtered(str(path), tmp_path / "out.tif")
    assert (tmp_path / "web.tif").read_bytes() == (tmp_path / "out.tif").read_bytes()


def test_a_server_that_sends_all_of_a_file_is_refused(tmp_path: Path) -> None:
    data = Path(write_tiff(tmp_path / "in.tif", picture(SIZE))).read_bytes()
    with file_server(Served({"/in.tif": data}, sends_parts=False)) as served:
        with pytest.raises(ConvcliError, match="got one that sends all of it: copy the file"):
            filtered(f"{served.address}/in.tif", tmp_path / "out.tif")
        with pytest.raises(ConvcliError, match=r"none\.tif: cannot be read: no such file"):
            filtered(f"{served.address}/none.tif", tmp_path / "out.tif")


# ------------------------------------------------------------------ what goes wrong


def test_another_picture_in_its_place_is_noticed(store: Bucket, tmp_path: Path) -> None:
    url = put_tiff(store, tmp_path / "in.tif", picture(SIZE))
    opened = open_tiff(url)
    opened.check_unchanged()
    sent = pickle.dumps(opened)
    put_tiff(store, tmp_path / "in.tif", picture(SIZE, seed=1))
    with pytest.raises(ConvcliError, match="another file has taken its place: run it again"):
        pickle.loads(sent).read(slice(0, 9), slice(0, 9))  # noqa: S301 - our own
    with pytest.raises(ConvcliError, match="another file has taken its place meanwhile"):
        opened.check_unchanged()


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_a_truncated_object_is_one_line_and_leaves_nothing(
    target: str, store: Bucket, tmp_path: Path
) -> None:
    data = Path(write_tiff(tmp_path / "in.tif", picture(SIZE))).read_bytes()
    source = store.put("in.tif", data[: len(data) // 2])
    with pytest.raises(ConvcliError, match="the file is truncated") as caught:
        filtered(source, store.url(target))
    assert "\n" not in str(caught.value)
    assert store.keys() == ["in.tif"]


def test_a_fault_leaves_the_old_array(store: Bucket, tmp_path: Path) -> None:
    put_tree(store, Path(write_zarr(tmp_path / "out.zarr", picture((40, 50)))))
    folder = Path(write_zarr(tmp_path / "in.zarr", picture((250, 250))))
    (folder / "c" / "1" / "1").write_bytes(b"no chunk")
    with pytest.raises(ConvcliError, match="the picture cannot be read"):
        filtered(str(folder), store.url("out.zarr"))
    assert objects(store) == tree(tmp_path / "out.zarr")


@pytest.mark.parametrize(
    ("kept", "target", "said"),
    [
        ("full.zarr/diary.txt", "full.zarr", "a folder with other things in it"),
        ("file.zarr", "file.zarr", "it is a file"),
        ("a.txt", "scan[1].zarr", r"a URL without \* \? and \["),
    ],
)
def test_other_things_stay(
    kept: str, target: str, said: str, store: Bucket, tmp_path: Path
) -> None:
    store.put(kept, b"dear diary")
    with pytest.raises(ConvcliError, match=said):
        filtered(write_tiff(tmp_path / "in.tif", picture(SIZE)), store.url(target))
    assert objects(store) == {kept: b"dear diary"}


def test_a_bucket_is_no_array(store: Bucket, tmp_path: Path) -> None:
    bucket = Bucket(f"{store.name}.zarr", store.endpoint).make()
    with pytest.raises(ConvcliError, match="it is a bucket: name a folder in it"):
        filtered(write_tiff(tmp_path / "in.tif", picture(SIZE)), f"s3://{bucket.name}")
    assert bucket.keys() == []


@pytest.mark.parametrize("target", ["out.tif", "out.zarr"])
def test_a_bucket_that_is_not_there(target: str, store: Bucket, tmp_path: Path) -> None:
    """It is looked up first: of this picture no pixel is there."""
    source = write_tiff(tmp_path / "in.tif", picture(SIZE), tile=None, compression=None)
    Path(source).write_bytes(Path(source).read_bytes()[: 2**10])
    url = f"{store.url('')[:-1]}-none/{target}"
    with pytest.raises(ConvcliError, match="bucket or folder does not exist: make it first"):
        filtered(source, url)


@pytest.mark.parametrize(
    ("source", "target"),
    [("s3:tif", "o.tif"), ("s3:zarr", "o.tif"), ("in.tif", "s3:tif"), ("in.tif", "s3:zarr")],
)
def test_without_credentials(source: str, target: str, bucket: Bucket, tmp_path: Path) -> None:
    """An output is looked up first: of this picture the second half is gone."""
    data = Path(write_tiff(tmp_path / "in.tif", picture(SIZE))).read_bytes()
    (tmp_path / "in.tif").write_bytes(data[: len(data) // 2])
    places = [place.replace("s3:", bucket.url("x.")) for place in (source, target)]
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    settings = {**bucket.settings, **nobody}
    ended = asked(places, settings, tmp_path)
    (line,) = ended.stderr.decode().splitlines()
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert "Unable to locate credentials: check the URL, the credentials" in line
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


def asked(
    words: list[str], settings: dict[str, Any], folder: Path
) -> "subprocess.CompletedProcess[bytes]":
    return process("apply", "box:3", *words, "--tiled", folder=folder, **settings)


def refused(bucket: Bucket, pattern: str, source: str, target: str) -> str:
    """Run the program where a server forbids some requests; return what it says."""
    with refusing(bucket.endpoint, pattern) as address:
        settings = {**bucket.settings, "AWS_ENDPOINT_URL": address}
        ended = asked([source, bucket.url(target)], settings, Path())
    (line,) = ended.stderr.decode().splitlines()
    assert (ended.returncode, ended.stdout) == (1, b"")
    return line


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what is written to a store in more than one part, or in some tens of chunks."""
    folder = tmp_path_factory.mktemp("sources")
    large = picture(ABOVE_A_PART)
    return {
        "out.tif": write_tiff(folder / "large.tif", large, tile=(512, 512)),
        "out.zarr": write_tiff(folder / "small.tif", large[:600, :700]),
    }


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("out.tif", "POST .*uploads"),
        ("out.tif", "PUT .*partNumber=2"),
        ("out.tif", "POST .*uploadId="),
        ("out.zarr", "PUT .*/c/5/5"),
        ("out.zarr", "PUT .*/zarr.json"),
    ],
)
def test_a_store_that_refuses_in_the_middle_keeps_nothing(
    target: str, pattern: str, bucket: Bucket, sources: dict[str, str]
) -> None:
    line = refused(bucket, pattern, sources[target], target)
    assert line.startswith(f"Error: {bucket.url(target)}")
    assert "cannot be written: no permission: An error occurred (AccessDenied)" in line
    assert line.endswith("check the credentials")
    assert bucket.keys() == bucket.uploads() == []


def test_where_the_copying_fails_the_new_array_is_named(bucket: Bucket, tmp_path: Path) -> None:
    source = write_tiff(tmp_path / "in.tif", picture(SIZE))
    filtered(source, tmp_path / "new.zarr")
    put_tree(bucket, Path(write_zarr(tmp_path / "out.zarr", picture(SIZE))))
    line = refused(bucket, r"PUT /[^/]+/out\.zarr/c/1/1", source, "out.zarr")
    place = line.rpartition("; the new one is complete at ")[2]
    name = place.rpartition("/")[2]
    expected = tree(tmp_path / "new.zarr")
    found = {f"new.zarr{key[len(name) :]}": it for key, it in objects(bucket, name).items()}
    assert found == expected
    assert "out.zarr/zarr.json" not in bucket.keys()  # noqa: SIM118 - no dict


@pytest.mark.parametrize("is_there", [False, True])
def test_an_interrupt_leaves_what_was_there(
    is_there: bool,  # noqa: FBT001
    bucket: Bucket,
    tmp_path: Path,
) -> None:
    if is_there:
        put_tree(bucket, Path(write_zarr(tmp_path / "out.zarr", picture((40, 50)))))
    before = objects(bucket)
    source = write_zarr(tmp_path / "in.zarr", picture((700, 700)), (128, 128))
    held = Held(tmp_path / "in.zarr" / "c" / "5" / "5")
    # By one thread: what stands before the chunk that is held is written when it is read.
    words = ("apply", "box:3", source, bucket.url("out.zarr"), "--memory", "1M", "--jobs", "1")
    env = environment(**bucket.settings)
    with begun(*words, stderr=subprocess.PIPE, env=env) as running:
        held.await_reader()
        assert len(bucket.keys()) > len(before)
        running.send_signal(signal.SIGINT)
        held.release()
        _, said = running.communicate()
    assert (running.returncode, said.strip()) == (130, b"")
    assert objects(bucket) == before

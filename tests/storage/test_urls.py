"""URLs are read and written as paths are: the same bytes, complete or absent, clear errors."""

import contextlib
import io
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.images.picture import Frame
from convcli.images.policy import ReadPolicy
from convcli.images.read import read_picture
from convcli.images.write import write_picture
from convcli.kernels.spec import kernel_from
from convcli.pipeline.files import FileFilter
from convcli.pipeline.options import Options
from convcli.storage import urls
from convcli.storage.atomic import replacing
from convcli.storage.urls import (
    PART,
    is_folder,
    is_there,
    is_url,
    local_path,
    matching,
    put_file,
    size_of,
)
from support.commands import PHOTOS, command, environment, process, refusal, save, script
from support.s3_server import Bucket
from support.web_servers import refusing

fsspec = pytest.importorskip("fsspec", reason="URLs need the extra cluster")

PHOTO = PHOTOS / "rocket.jpg"
PICTURE = Frame(np.full((2, 3, 1), 7, np.uint8))


@pytest.fixture
def memory() -> Any:
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    return store


def local_result(folder: Path) -> bytes:
    target = folder / "expected.png"
    assert process("apply", "sobel-x", PHOTO, target, "-q").returncode == 0
    return target.read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s3://bucket/a.png", True),
        ("gs://bucket/a.png", True),
        ("memory://a.png", True),
        ("simplecache::s3://bucket/a.png", True),
        ("a.png", False),
        ("/a//b.png", False),
        ("c://a.png", False),
        ("model.safetensors::conv1", False),
        ("1s3://a.png", False),
        ("", False),
        (Path("s3://a.png"), False),
    ],
)
def test_what_is_a_url(name: str | Path, expected: bool) -> None:  # noqa: FBT001
    assert is_url(name) is expected


def test_a_file_url_is_a_path() -> None:
    assert local_path("file:///a b/c.png") == "/a b/c.png"
    assert local_path("memory://c.png") is None


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("store", ["path", "memory"])
def test_paths_and_urls_are_looked_up_alike(store: str, tmp_path: Path) -> None:
    folder = str(tmp_path) if store == "path" else "memory://folder"
    for name in ("a.png", "b.png", "c.jpg"):
        with fsspec.open(f"{folder}/{name}", "wb") as file:
            file.write(b"12345")
    assert is_there(f"{folder}/a.png")
    assert not is_there(f"{folder}/d.png")
    assert is_folder(folder)
    assert not is_folder(f"{folder}/a.png")
    assert size_of(f"{folder}/a.png") == 5
    assert [name.rpartition("/")[2] for name in matching(f"{folder}/*.png")] == [
        "a.png",
        "b.png",
    ]
    with pytest.raises((OSError, ImageError)):
        size_of(f"{folder}/d.png")


def test_a_store_without_prefixes_is_asked_for_one_folder() -> None:
    """As SFTP: it takes no other parameters. Folders in the folder are not looked into."""
    asked: list[str] = []

    class Plain(fsspec.spec.AbstractFileSystem):  # type: ignore[name-defined, misc]
        protocol, cachable = "plain", False

        def ls(self, path: str, detail: bool = False) -> list[dict[str, Any]]:  # noqa: FBT001, FBT002, ARG002
            asked.append(path)
            kinds = {"sub": "directory", ".convcli-a": "file", "b": "file"}
            return [{"name": f"{path}/{name}", "type": kinds[name]} for name in kinds]

    fsspec.register_implementation("plain", Plain, clobber=True)
    assert list(urls.files_in("plain://a/b", prefix=".convcli-")) == [".convcli-a"]
    assert asked == ["a/b"]


# ------------------------------------------------------------------ memory


def test_through_memory_and_back(memory: Any) -> None:
    memory.pipe("/in.jpg", PHOTO.read_bytes())
    work = FileFilter(kernels=(kernel_from("sobel-x"),), options=Options())
    work.filter_file("memory://in.jpg", "memory://out.npy")
    work.filter_file(str(PHOTO), "memory://also.npy")
    assert memory.cat("/out.npy") == memory.cat("/also.npy")
    assert is_there("memory://out.npy")
    assert not is_there("memory://absent.npy")


def test_each_map_has_its_object(memory: Any, tmp_path: Path) -> None:
    bank = kernel_from("[[[[1]], [[0]], [[0]]], [[[0]], [[1]], [[0]]]]")
    source = save(tmp_path / "in.png", [[[1, 2, 3]]])
    work = FileFilter(kernels=(bank,), options=Options())
    work.filter_file(str(source), "memory://map-{map}.png")
    maps = [read_picture(f"memory://map-{index}.png").frames[0] for index in (0, 1)]
    assert [each.pixels.tolist() for each in maps] == [[[[1]]], [[[2]]]]
    assert sorted(memory.ls("/", detail=False)) == ["/map-0.png", "/map-1.png"]


def write_half(target: str) -> None:
    with replacing(target) as file:
        file.write(b"new, but only ha")
        raise KeyboardInterrupt


def test_a_failure_leaves_the_old_object(memory: Any) -> None:
    memory.pipe("/out.png", b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half("memory://out.png")
    assert memory.cat("/out.png") == b"old"
    write_picture(PICTURE, "memory://out.png", "PNG")
    assert read_picture("memory://out.png").frames[0].pixels.tolist() == PICTURE.pixels.tolist()


def test_an_object_larger_than_the_limit_is_not_read(
    memory: Any,
) -> None:
    memory.pipe("/in.png", bytes(70 * 2**20))
    with pytest.raises(ImageError, match=r"^memory://in\.png: expected at most [0-9,]+ bytes"):
        read_picture("memory://in.png", reading=ReadPolicy(max_pixels=1)).frames[0]


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("memory://absent.png", "cannot be read: no such file: check the URL"),
        ("file:///absent.png", "no such file: check the path"),
        (
            "xyz://absent.png",
            (
                "expected a path, or a URL of a store that fsspec knows (s3, gs, file, "
                "memory …): Protocol not known: xyz"
            ),
        ),
    ],
)
def test_a_source_that_cannot_be_read(tmp_path: Path, source: str, said: str) -> None:
    target = tmp_path / "out.png"
    assert refusal("apply", "box", source, target, status=1) == f"{source}: {said}"
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def nobody_listens() -> Iterator[str]:
    """Yield the address of a port that is taken, so that no other process listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.servers
@pytest.mark.parametrize(
    ("words", "done"),
    [
        (("{url}.png", "out.png"), "read"),
        (("{url}.tif", "out.tif", "--tiled"), "read"),
        (("{url}.zarr", "out.tif"), "read"),
        (("{url}.png", "--out-dir", "out"), "looked up"),
        ((str(PHOTO), "{url}.png"), "written"),
    ],
)
def test_a_server_that_is_not_there(
    words: tuple[str, ...], done: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with nobody_listens() as address:
        said = refusal(
            "apply",
            "box",
            *(word.format(url=f"http://{address}/in") for word in words),
            status=1,
        )
    assert said.endswith(
        f": cannot be {done}: the server cannot be reached: Connection refused: check its name "
        "and port, that it runs, and the network"
    )


@pytest.mark.servers
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "no permission: check the credentials"),
        (404, "no such file: check the URL"),
        (
            500,
            (
                "the server answers 500 Internal Server Error: check the URL, the credentials "
                "and the network"
            ),
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_what_a_server_answers(
    suffix: str, status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls, "retries", lambda: urls.Retries(busy=2, first_seconds=0.01))
    tiled = ["--tiled"] if suffix == "tif" else []
    with refusing("http://127.0.0.1:0", "", status) as address:
        url, out = f"{address}/in.{suffix}", tmp_path / f"out.{suffix}"
        found = refusal("apply", "box", url, out, *tiled, status=1)
    assert found == f"{url}: cannot be read: {said}"


def test_a_folder_is_no_picture(memory: Any) -> None:
    memory.pipe("/folder/in.png", b"")
    with pytest.raises(ImageError, match=re.escape("memory://folder: cannot be read: ")):
        read_picture("memory://folder").frames[0]


WITHOUT = """\
import sys
sys.modules[sys.argv.pop(1)] = None
from convcli.cli.app import main
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("fsspec", "URLs need the package fsspec: pip install '.[cluster]'"),
        ("s3fs", "its store needs another package: Install s3fs to access S3"),
    ],
)
def test_a_package_that_is_missing(missing: str, said: str) -> None:
    words = ("apply", "box", "s3://bucket/in.png", "out.png")
    ended = script(WITHOUT, missing, *words, anew=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"Error: s3://bucket/in.png: {said}\n"


# ------------------------------------------------------------------ S3


def asked(
    source: str | Path, target: str | Path, settings: dict[str, Any]
) -> subprocess.CompletedProcess[bytes]:
    return process("apply", "sobel-x", source, target, "-q", **settings)


@pytest.mark.parametrize("key", ["in.jpg", "folder/a b ü -?#%20*[x].jpg", "-" + "x" * 900])
def test_an_object_store_gives_and_takes_what_a_file_does(
    bucket: Bucket, tmp_path: Path, key: str
) -> None:
    source, target = bucket.put(key, PHOTO.read_bytes()), bucket.url("made/out.png")
    ended = asked(source, target, bucket.settings)
    lost = b"Warning: dropped, for the PNG does not hold it: comment\n"
    assert (ended.returncode, ended.stderr) == (0, lost)
    assert bucket.get("made/out.png") == local_result(tmp_path)
    assert sorted(bucket.keys()) == sorted([key, "made/out.png"])


class Stopped(io.BytesIO):
    """A file of which the end is never read: the person has lost patience."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > PART:
            raise KeyboardInterrupt
        return super().read(size)


def test_an_upload_that_is_stopped_leaves_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.settings.items():
        monkeypatch.setenv(name, value)
    data = bytes(3 * PART)
    put_file(bucket.url("whole"), io.BytesIO(data))
    assert bucket.get("whole") == data
    with pytest.raises(KeyboardInterrupt):
        put_file(bucket.url("half"), Stopped(data))
    assert (bucket.keys(), bucket.uploads()) == (["whole"], [])


@pytest.mark.slow
def test_a_large_output_waits_where_there_is_no_room(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    words = command("apply", "box:3", noise(tmp_path), "memory://out.tif", "--tiled")
    limited = ["bash", "-c", 'ulimit -f 1000; exec "$@"', "-", *words]
    ended = subprocess.run(
        limited,
        capture_output=True,
        check=False,
        text=True,
        env=environment(TMPDIR=str(tmp_path)),
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"Error: memory://out.tif: cannot be written: it waits in {tmp_path} until it is sent: "
        "File too large: name another folder with TMPDIR\n"
    )
    left = {path.name: path for path in tmp_path.iterdir()}
    claims = left.pop(next(name for name in left if name.startswith("convcli-claims")))
    assert (list(left), list(claims.iterdir())) == (["in.tif"], [])


def noise(folder: Path) -> Path:
    """Return a TIFF of more bytes than are kept in memory on their way to a store."""
    tifffile = pytest.importorskip("tifffile", reason="--tiled needs the extra cluster")
    values = np.random.default_rng(0).integers(0, 256, (3_600, 3_600), np.uint8)
    tifffile.imwrite(folder / "in.tif", values, tile=(512, 512))
    return folder / "in.tif"


def s3_refusal(source: str | Path, target: str | Path, settings: dict[str, str]) -> str:
    ended = asked(source, target, settings)
    lines = ended.stderr.decode().splitlines()
    assert (ended.returncode, ended.stdout, len(lines)) == (1, b"", 1)
    return lines[0]


def test_what_an_object_store_refuses(bucket: Bucket, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    said = s3_refusal(bucket.url("absent.png"), out, bucket.settings)
    assert (
        said
        == f"Error: {bucket.url('absent.png')}: cannot be read: no such file: check the URL"
    )
    said = s3_refusal(PHOTO, "s3://no-such-bucket/out.png", bucket.settings)
    assert said == (
        "Error: s3://no-such-bucket/out.png: cannot be written: the bucket or folder does not "
        "exist: make it first"
    )
    empty = bucket.put("empty.png", b"")
    assert s3_refusal(empty, out, bucket.settings) == (
        f"Error: {empty}: expected a picture, got an empty file: make it again"
    )
    assert bucket.keys() == ["empty.png"]
    assert list(tmp_path.iterdir()) == []


def test_without_credentials(bucket: Bucket, tmp_path: Path) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    said = s3_refusal(bucket.url("in.png"), "out.png", {**bucket.settings, **nobody})
    assert said == (
        f"Error: {bucket.url('in.png')}: cannot be read: Unable to locate credentials: "
        "check the URL, the credentials and the network"
    )


@pytest.mark.servers
def test_an_object_store_that_is_not_there() -> None:
    with nobody_listens() as address:
        settings = Bucket("bucket", f"http://{address}").settings
        said = s3_refusal("s3://bucket/in.png", "out.png", settings | {"AWS_MAX_ATTEMPTS": "1"})
    assert said == (
        "Error: s3://bucket/in.png: cannot be read: the server cannot be reached: Could not "
        f'connect to the endpoint URL: "http://{address}/bucket/in.png": check its name and '
        "port, that it runs, and the network"
    )

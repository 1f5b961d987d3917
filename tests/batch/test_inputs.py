"""Which files a batch is made of, what their outputs are called, what is refused."""

import hashlib
import io
import os
from pathlib import Path

import pytest

from convcli.batch.inputs import Inputs, Template, read_list
from convcli.batch.job import FileJob
from convcli.batch.places import size_and_checksum
from convcli.errors import BatchError

PNG = ".png".__eq__


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with pictures in folders, and be in it."""
    for name in ("b.png", "a.PNG", "notes.txt", ".hidden.png", "sub/a.png", "sub/deep/c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("tree")
def test_a_folder_stands_for_the_pictures_in_it() -> None:
    assert list(Inputs(["photos"], PNG).find()) == [
        ("photos/a.PNG", ""),
        ("photos/b.png", ""),
    ]


def test_recursion_keeps_the_tree(tree: Path) -> None:
    (tree / "photos" / "circle").symlink_to(tree / "photos")
    assert list(Inputs(["photos"], PNG, recursive=True).find()) == [
        ("photos/a.PNG", ""),
        ("photos/b.png", ""),
        ("photos/sub/a.png", "sub"),
        ("photos/sub/deep/c.png", os.path.join("sub", "deep")),  # noqa: PTH118 - a string
    ]


@pytest.mark.usefixtures("tree")
def test_the_outputs_folder_is_no_input() -> None:
    names = list(Inputs(["photos"], PNG, recursive=True, excluded="photos/sub").find())
    assert [source for source, _ in names] == ["photos/a.PNG", "photos/b.png"]


@pytest.mark.usefixtures("tree")
def test_patterns_go_through_folders_in_order() -> None:
    assert [source for source, _ in Inputs(["photos/**/*.png"], PNG).find()] == [
        "photos/b.png",
        "photos/sub/a.png",
        "photos/sub/deep/c.png",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_pipes_are_taken_where_they_are_named_only(tree: Path) -> None:
    os.mkfifo(tree / "photos" / "pipe.png")
    for name in ("photos", "photos/*.[pP]*"):
        found = [source for source, _ in Inputs([name], lambda s: s == ".png").find()]
        assert "photos/b.png" in found
        assert "photos/pipe.png" not in found
    assert list(Inputs(["photos/pipe.png"], PNG).find()) == [("photos/pipe.png", "")]


@pytest.mark.parametrize("name", ["photos", "photos/*.png"])
def test_a_link_to_nothing_is_taken_so_that_reading_it_says_so(name: str, tree: Path) -> None:
    (tree / "photos" / "gone.png").symlink_to("nowhere.png")
    assert ("photos/gone.png", "") in list(Inputs([name], PNG).find())


def test_an_output_is_measured_wherever_it_is(tree: Path) -> None:
    """Of 500 bytes, on a disk and in the memory of the process."""
    fsspec = pytest.importorskip("fsspec", reason="needs the extra urls")
    (tree / "a.png").write_bytes(b"hello" * 100)
    fsspec.filesystem("memory").pipe_file("/measured/a.png", b"hello" * 100)
    checksum = f"sha256:{hashlib.sha256(b'hello' * 100).hexdigest()}"
    for place in ("a.png", "memory://measured/a.png"):
        assert size_and_checksum(place) == (500, checksum)


def test_a_file_whose_name_is_a_pattern_is_that_file(tree: Path) -> None:
    (tree / "a[1].png").write_bytes(b"")
    (tree / "a1.png").write_bytes(b"")
    assert list(Inputs(["a[1].png"], PNG).find()) == [("a[1].png", "")]


def test_files_are_taken_as_they_are_named_though_they_be_missing() -> None:
    assert list(Inputs(["nowhere.xyz"], PNG).find()) == [("nowhere.xyz", "")]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("empty", ("got none", "--recursive")),
        ("photos/*.gif", ("match", "got none")),
        ("-", ("--files-from -",)),
        ("", ("name a file",)),
    ],
)
def test_names_that_stand_for_nothing_are_refused(
    tree: Path, name: str, parts: tuple[str, ...]
) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(BatchError) as caught:
        list(Inputs([name], PNG).find())
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_folder_that_cannot_be_read_is_refused(tree: Path) -> None:
    closed = tree / "photos" / "sub"
    closed.chmod(0)
    try:
        if os.access(closed, os.R_OK):  # Nothing is closed to the superuser.
            return
        with pytest.raises(BatchError, match="cannot be read"):
            list(Inputs(["photos"], PNG, recursive=True).find())
    finally:
        closed.chmod(0o755)


# ------------------------------------------------------------------ lists


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a.png\nb c.png\n\n-x.png", ["a.png", "b c.png", "-x.png"]),
        (b"a.png\r\nb.png\r\n", ["a.png", "b.png"]),
        (b"two\nlines.png\0b.png\r\0", ["two\nlines.png", "b.png\r"]),
        ("grüße.png\n".encode(), ["grüße.png"]),
        (b"\xff.png\n", [os.fsdecode(b"\xff.png")]),
        (b"-\n", ["./-"]),
        (b"", []),
    ],
)
def test_lists(data: bytes, names: list[str]) -> None:
    assert list(read_list(io.BytesIO(data))) == names


def test_a_list_longer_than_a_block_has_every_name_once() -> None:
    names = [f"{'x' * (n % 200)}{n}.png" for n in range(5000)]
    data = io.BytesIO("\n".join(names).encode())
    assert list(read_list(data)) == names


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("text", "kind", "source", "target"),
    [
        ("{stem}{suffix}", None, "photos/a.b.jpg", "out/a.b.jpg"),
        ("{stem}{suffix}", "WEBP", "photos/a.b.jpg", "out/a.b.webp"),
        ("{stem}-edges.png", None, "a.jpg", "out/a-edges.png"),
        ("{parent}-{stem}{suffix}", None, "/photos/a.jpg", "out/photos-a.jpg"),
        ("{parent}/{stem}-{map}.png", None, "/photos/a.jpg", "out/photos/a-{map}.png"),
        ("{stem}.png", None, "photos/{parent}.jpg", "out/{parent}.png"),
        ("{stem}.png", None, "noend", "out/noend.png"),
        ("{stem}.dat", "PNG", "a.jpg", "out/a.dat"),
        ("v1.{stem}", None, "photo.png.jpg", "out/v1.photo.png"),
        ("{stem}.{parent}", None, "png/a.jpg", "out/a.png"),
    ],
)
def test_templates(text: str, kind: str | None, source: str, target: str) -> None:
    assert Template(text, kind).job(source, "out") == FileJob(source, target)


@pytest.mark.usefixtures("tree")
def test_the_folder_of_an_input_is_its_real_one() -> None:
    name = Template("{parent}-{stem}.png").job("photos/sub/../b.png", "out").target
    assert name == "out/photos-b.png"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{stm}.png", "'{stm}'"),
        ("{stem.png", "'{stem.png'"),
        ("stem}.png", "'}'"),
        ("{}.png", "'{}'"),
        ("../{stem}.png", "--out-dir"),
        ("/tmp/{stem}.png", "--out-dir"),  # noqa: S108 - it must not be written to
        ("{stem}/", "--out-dir"),
        ("", "--out-dir"),
        ("{stem}.xyz", "--name {stem}.xyz: expected a picture format that can be written"),
        ("{stem}{map}.png", "{map}"),
        ("{stem}1{map}.png", "{map}"),
        ("{map}{stem}.png", "{map}"),
    ],
)
def test_bad_templates(text: str, said: str) -> None:
    with pytest.raises(BatchError) as caught:
        Template(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["a{map}.png", "{frame:03}.png"])
def test_a_name_that_would_number_its_output_is_refused(name: str) -> None:
    with pytest.raises(BatchError, match="which number outputs"):
        Template().job(name, "out")
    assert Template("b{suffix}").job("{stem}.png", "out").target == os.path.join("out", "b.png")  # noqa: PTH118

"""`convcli apply`: files that are complete or untouched, and pictures it cannot take."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.commands import PHOTOS, done, gradient, load, mode, refusal, run, save

CAMERA = PHOTOS / "camera.png"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "in.png", [[10, 20, 30]])


def test_input_and_output_may_be_the_same_file(tmp_path: Path, source: Path) -> None:
    done("apply", "[[2]]", source, source)
    assert load(source) == [[20, 40, 60]]
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_an_existing_output_is_replaced(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    done("apply", "[[2]]", source, target)
    assert load(target) == [[20, 40, 60]]


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".png", "PNG"),
        (".PNG", "PNG"),
        (".tif", "TIFF"),
        (".tiff", "TIFF"),
        (".bmp", "BMP"),
        (".pgm", "PPM"),
        (".jpg", "JPEG"),
        (".jpeg", "JPEG"),
        (".webp", "WEBP"),
        (".gif", "GIF"),
    ],
)
def test_the_suffix_names_the_format(
    tmp_path: Path, source: Path, suffix: str, kind: str
) -> None:
    target = tmp_path / f"out{suffix}"
    done("apply", "[[2]]", source, target)
    with Image.open(target) as image:
        assert image.format == kind
        assert image.size == (3, 1)


@pytest.mark.parametrize("name", ["out", "out.xyz", "out.", "out.doc"])
def test_a_name_without_a_picture_format_is_refused(
    tmp_path: Path, source: Path, name: str
) -> None:
    line = refusal("apply", "box", source, tmp_path / name, status=1)
    assert str(tmp_path / name) in line
    assert ".png" in line
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


FAILURES = {
    "kernel too large": ("in.png", "out.png", ("box:9", "-p", "valid")),
    "bank that does not fit": ("in.png", "out.png", ("[[[[1]],[[1]]]]",)),
    "two maps": ("in.png", "out.png", ("[[[[1]]],[[[1]]]]",)),
    "strict": ("in.png", "out.png", ("[[1]]", "-s", "4", "--strict")),
    "no such input": ("missing.png", "out.png", ("box",)),
    "input that is no picture": ("notes.doc", "out.png", ("box",)),
    "input cut short": ("cut.png", "out.png", ("box",)),
    "no memory": ("in.png", "out.png", ("box", "-p", "999999999")),
    "transparency in a JPEG": ("clear.png", "out.jpg", ("box",)),
    "16 bits in a JPEG": ("deep.png", "out.jpg", ("box",)),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_leaves_an_existing_output_as_it_was(tmp_path: Path, case: str) -> None:
    save(tmp_path / "in.png", [[10, 20, 30]])
    save(tmp_path / "clear.png", [[[10, 20, 30, 0]]])
    save(tmp_path / "deep.png", [[1000]], np.uint16)
    (tmp_path / "notes.doc").write_text("no picture", encoding="utf-8")
    (tmp_path / "cut.png").write_bytes(CAMERA.read_bytes()[:30_000])
    given, wanted, (kernel, *options) = FAILURES[case]
    target = tmp_path / wanted
    target.write_bytes(b"precious")
    before = sorted(tmp_path.iterdir())

    line = refusal("apply", kernel, tmp_path / given, target, *options, status=1)

    assert ": " in line
    assert target.read_bytes() == b"precious"
    assert sorted(tmp_path.iterdir()) == before


def test_a_failure_leaves_the_input_as_it_was_where_it_is_the_output(source: Path) -> None:
    before = source.read_bytes()
    refusal("apply", "box:9", source, source, "-p", "valid", status=1)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("missing.png", ("missing.png", "no such file")),
        ("folder", ("folder", "a folder")),
        ("notes.doc", ("notes.doc", "expected a picture")),
        ("empty.png", ("empty.png", "expected a picture")),
        ("cut.png", ("cut.png", "truncated")),
    ],
)
def test_an_input_that_is_no_picture_is_named(
    tmp_path: Path, name: str, parts: tuple[str, ...]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.doc").write_text("no picture", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.png").write_bytes(CAMERA.read_bytes()[:30_000])
    line = refusal("apply", "box", tmp_path / name, tmp_path / "out.png", status=1)
    assert [part for part in parts if part not in line] == []


def test_an_empty_name_is_not_taken_for_a_folder(tmp_path: Path, source: Path) -> None:
    # An unset shell variable: convcli apply box "$PHOTO" out.png
    line = refusal("apply", "box", "", tmp_path / "out.png", status=2)
    assert "a folder" not in line
    assert "INPUT" in line or "''" in line
    line = refusal("apply", "box", source, "", status=2)
    assert "OUTPUT" in line or "''" in line


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, source: Path) -> None:
    line = refusal("apply", "box", source, tmp_path / "no" / "out.png", status=1)
    assert f"folder {tmp_path / 'no'} does not exist" in line
    assert not (tmp_path / "no").exists()


def test_an_output_that_is_a_folder_is_written_into(tmp_path: Path, source: Path) -> None:
    (tmp_path / "out.png").mkdir()
    for name in ("out.png", "out.png/"):
        done("apply", "[[2]]", source, f"{tmp_path}/{name}")
    done(
        "pool", "max", source, tmp_path / "out.png", "--format", "webp", "--k", "1", "--s", "1"
    )
    assert sorted(path.name for path in (tmp_path / "out.png").iterdir()) == [
        "in.png",
        "in.webp",
    ]
    assert load(tmp_path / "out.png" / "in.png") == [[20, 40, 60]]


def test_a_folder_gets_no_picture_without_a_name(tmp_path: Path, source: Path) -> None:
    line = refusal("apply", "box", "-", tmp_path, status=2, stdin=source.read_bytes())
    assert "standard input has no name" in line
    assert "INPUT itself" in refusal("apply", "box", source, tmp_path, status=2)
    assert load(source) == [[10, 20, 30]]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path, source: Path) -> None:
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    try:
        link.symlink_to(real)
    except OSError:  # Windows lets only some users make links.
        return
    done("apply", "[[2]]", source, link)
    assert link.is_symlink()
    assert load(real) == [[20, 40, 60]]


@pytest.mark.parametrize(
    "name", ["with space.png", "größe-日本.png", "-dash.png", "[b]x[/b].png"]
)
def test_odd_names_are_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "made"
    folder.mkdir()
    if "/" in name:
        (folder / name).parent.mkdir()
    target = f"made/{name}"
    assert target in done("apply", "[[2]]", source, target)
    assert load(tmp_path / target) == [[20, 40, 60]]


def test_a_transparent_picture_that_is_opaque_all_over_fits_a_jpeg(tmp_path: Path) -> None:
    opaque = save(tmp_path / "in.png", [[[10, 20, 30, 255]] * 8] * 8)
    done("apply", "box", opaque, tmp_path / "out.jpg")
    assert mode(tmp_path / "out.jpg") == "RGB"


@pytest.mark.parametrize(
    ("name", "pixels", "dtype", "parts"),
    [
        ("out.jpg", [[[1, 2, 3, 0]]], np.uint8, ("JPEG", "transparency", ".png")),
        ("out.jpg", [[1000]], np.uint16, ("JPEG", "16 bits", ".png")),
    ],
)
def test_a_format_that_would_lose_something_is_refused(
    tmp_path: Path, name: str, pixels: object, dtype: type, parts: tuple[str, ...]
) -> None:
    given = save(tmp_path / "in.png", pixels, dtype)
    line = refusal("apply", "identity", given, tmp_path / name, status=1)
    assert [part for part in parts if part not in line] == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(gradient(2, 2) > 2), [[0, 0], [255, 255]]),
        (
            Image.fromarray(gradient(2, 2)).convert("P"),
            [[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]],
        ),
    ],
)
def test_bilevel_becomes_gray_and_a_palette_colour(
    tmp_path: Path, image: Image.Image, expected: object
) -> None:
    image.save(tmp_path / "in.png")
    done("apply", "identity", tmp_path / "in.png", tmp_path / "out.png")
    assert load(tmp_path / "out.png") == expected


def test_a_photograph_in_jpeg_is_filtered(tmp_path: Path) -> None:
    done("apply", "--strip", "sobel-x", PHOTOS / "rocket.jpg", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert (image.size, image.mode) == ((640, 427), "RGB")


@pytest.mark.parametrize(
    ("kind", "signature"),
    [
        ("JPEG", b"\xff\xd8"),
        ("TIFF", b"II"),
        ("BMP", b"BM"),
        ("PPM", b"P5"),
        ("GIF", b"GIF89a"),
    ],
)
def test_a_pipe_goes_on_in_the_format_that_came(kind: str, signature: bytes) -> None:
    picture = io.BytesIO()
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(picture, kind)
    result = run("apply", "identity", "-", "-", "-q", stdin=picture.getvalue())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.startswith(signature)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n", b"\x00" * 100])
def test_standard_input_that_is_no_picture(tmp_path: Path, data: bytes) -> None:
    target = tmp_path / "out.png"
    line = refusal("apply", "box", "-", target, status=1, stdin=data)
    assert line.startswith("standard input: ")
    assert "picture" in line
    assert not target.exists()

"""What a JPEG says beside its pixels: carried over, or named in one warning."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, IptcImagePlugin

from convcli.cli.app import main

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6" dc:title="a"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x78\x00\x07caption" + b"\x1c\x02\x50\x00\x02me"
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)


def jpeg(path: Path, *, xmp: bytes = XMP) -> None:
    """Write a JPEG with XMP, IPTC in Photoshop's frame, and a comment."""
    block = b"8BIM\x04\x04\0\0" + len(IPTC).to_bytes(4, "big") + IPTC + bytes(len(IPTC) % 2)
    body = b"Photoshop 3.0\0" + block
    extra = b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body
    Image.fromarray(PIXELS).save(path, xmp=xmp, comment=b"hello", extra=extra)


def filtered(source: Path, target: Path) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["apply", "--json", "box:1", str(source), str(target)])
    assert done.exit_code == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp", "avif"])
def test_xmp_is_carried_over_and_says_upright(suffix: str, tmp_path: Path) -> None:
    jpeg(tmp_path / "in.jpg")
    filtered(tmp_path / "in.jpg", tmp_path / f"out.{suffix}")
    with Image.open(tmp_path / f"out.{suffix}") as image:
        image.load()
        xmp = image.info["xmp"]
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    assert xmp == XMP.replace(b'Orientation="6"', b'Orientation="1"')


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_iptc_is_carried_over(suffix: str, tmp_path: Path) -> None:
    jpeg(tmp_path / "in.jpg")
    report = filtered(tmp_path / "in.jpg", tmp_path / f"out.{suffix}")
    with Image.open(tmp_path / f"out.{suffix}") as image:
        records = IptcImagePlugin.getiptcinfo(image)
    assert records == {(2, 120): b"caption", (2, 80): b"me"}
    assert report["warnings"] == (
        [] if suffix == "jpg" else ["dropped, for the TIFF does not hold it: comment"]
    )


def test_a_comment_is_carried_over(tmp_path: Path) -> None:
    jpeg(tmp_path / "in.jpg")
    filtered(tmp_path / "in.jpg", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["comment"] == b"hello"


def test_one_warning_names_all_that_is_dropped(tmp_path: Path) -> None:
    jpeg(tmp_path / "in.jpg")
    report = filtered(tmp_path / "in.jpg", tmp_path / "out.bmp")
    assert report["warnings"] == ["dropped, for the BMP does not hold it: XMP, IPTC, comment"]
    done = CliRunner().invoke(
        main,
        ["apply", "--strip", "-q", "box:1", str(tmp_path / "in.jpg"), str(tmp_path / "b.bmp")],
    )
    assert done.stderr == ""


def test_a_second_picture_is_said_to_be_left_out(tmp_path: Path) -> None:
    first = Image.fromarray(PIXELS)
    first.save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=[first, first])
    report = filtered(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert report["warnings"] == ["2 further pictures in the file: only the first is read"]


def test_a_gain_map_goes_with_the_xmp_that_describes_it(tmp_path: Path) -> None:
    jpeg(tmp_path / "in.jpg", xmp=b'<x hdrgm:Version="1.0"/>')
    report = filtered(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert report["warnings"] == ["the gain map, and the XMP that describes it, are dropped"]
    assert b"hdrgm" not in (tmp_path / "out.jpg").read_bytes()


def test_a_tiff_keeps_xmp_and_iptc(tmp_path: Path) -> None:
    tags = {700: XMP, 33723: IPTC}
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "TIFF", tiffinfo=tags)
    (tmp_path / "in.tif").write_bytes(buffer.getvalue())
    filtered(tmp_path / "in.tif", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["xmp"] == XMP.replace(b'"6"', b'"1"')
        assert IptcImagePlugin.getiptcinfo(image) == {(2, 120): b"caption", (2, 80): b"me"}

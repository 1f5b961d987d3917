"""Animations, pages and pipes."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageSequence

from convcli.cli.app import main
from support import commands
from support.commands import PHOTOS, refusal
from support.opening import opened


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["apply", *map(str, arguments)])


def apply(*arguments: str | Path) -> Result:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done


def moving(count: int = 5, *, clear: bool = True) -> list[Image.Image]:
    """A square that moves over transparency, or over grey."""
    frames = []
    for index in range(count):
        ground = (0, 0, 0, 0) if clear else (90, 90, 90, 255)
        image = Image.new("RGBA", (40, 30), ground)
        image.paste((220, 40, 20, 255), (index * 6, 8, index * 6 + 12, 20))
        frames.append(image)
    return frames


def composed(path: Path) -> list[np.ndarray]:
    with opened(path) as image:
        return [np.asarray(f.convert("RGBA")) for f in ImageSequence.Iterator(image)]


def seen(pixels: np.ndarray) -> np.ndarray:
    """What a viewer shows: no colour where there is no opacity."""
    return np.where(pixels[..., 3:] > 0, pixels, 0)


@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("disposal", [1, 2, 3])
def test_gifs_play_on(disposal: int, clear: bool, tmp_path: Path) -> None:  # noqa: FBT001
    frames = moving(clear=clear)
    durations = [100, 250, 40, 300, 1000]
    if not clear:
        disposal = 1
    frames[0].save(
        tmp_path / "in.gif",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=4,
        disposal=disposal,
    )
    before = composed(tmp_path / "in.gif")
    done = apply("identity", tmp_path / "in.gif", tmp_path / "out.gif", "--alpha", "keep")
    assert "5 frames" in done.output
    with opened(tmp_path / "out.gif") as out:
        assert out.n_frames == 5  # type: ignore[attr-defined]
        assert out.info["loop"] == 4
        for index, frame in enumerate(ImageSequence.Iterator(out)):
            assert frame.info["duration"] == durations[index]
            assert frame.disposal_method == disposal  # type: ignore[attr-defined]
    for one, other in zip(before, composed(tmp_path / "out.gif"), strict=True):
        np.testing.assert_array_equal(seen(one), seen(other))


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("blend", [0, 1])
def test_apngs_play_on(disposal: int, blend: int, tmp_path: Path) -> None:
    frames = moving()
    frames[0].save(
        tmp_path / "in.png",
        save_all=True,
        append_images=frames[1:],
        duration=[100, 200, 300, 400, 35],
        loop=2,
        disposal=disposal,
        blend=blend,
    )
    before = composed(tmp_path / "in.png")
    apply("identity", tmp_path / "in.png", tmp_path / "out.png", "--alpha", "keep")
    with opened(tmp_path / "out.png") as out:
        assert out.n_frames == 5  # type: ignore[attr-defined]
        assert out.info["loop"] == 2
        for frame, wanted in zip(
            ImageSequence.Iterator(out), (100, 200, 300, 400, 35), strict=True
        ):
            assert frame.info["duration"] == pytest.approx(wanted)
            assert int(frame.info["disposal"]) == disposal
    for one, other in zip(before, composed(tmp_path / "out.png"), strict=True):
        np.testing.assert_array_equal(seen(one), seen(other))


def test_an_apngs_still_picture_stays_one(tmp_path: Path) -> None:
    frames = moving(3, clear=False)
    still = Image.new("RGBA", (40, 30), "blue")
    still.save(
        tmp_path / "in.png",
        save_all=True,
        append_images=frames,
        default_image=True,
        duration=100,
    )
    apply("identity", tmp_path / "in.png", tmp_path / "out.png")
    with opened(tmp_path / "out.png") as out:
        assert out.info["default_image"] is True
        assert out.n_frames == 4  # type: ignore[attr-defined]
        assert out.convert("RGB").getpixel((5, 5)) == (0, 0, 255)
    apply("identity", tmp_path / "in.png", tmp_path / "out.gif")
    with opened(tmp_path / "out.gif") as out:
        assert out.n_frames == 3  # type: ignore[attr-defined]


def test_webps_play_on(tmp_path: Path) -> None:
    frames = moving()
    durations = [100, 200, 300, 400, 500]
    frames[0].save(
        tmp_path / "in.webp",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=7,
        lossless=True,
    )
    before = composed(tmp_path / "in.webp")
    apply("identity", tmp_path / "in.webp", tmp_path / "out.webp", "--alpha", "keep")
    got = composed(tmp_path / "out.webp")
    for one, other in zip(before, got, strict=True):
        np.testing.assert_array_equal(seen(one), seen(other))
    with opened(tmp_path / "out.webp") as out:
        assert out.info["loop"] == 7
        times = [
            (frame.load(), frame.info["duration"])[1] for frame in ImageSequence.Iterator(out)
        ]
    assert times == durations


def test_each_frame_is_filtered_as_it_would_be_alone(tmp_path: Path) -> None:
    frames = moving(4, clear=False)
    frames[0].save(tmp_path / "in.png", save_all=True, append_images=frames[1:], duration=100)
    apply("box:5", tmp_path / "in.png", tmp_path / "all.png")
    for index, frame in enumerate(composed(tmp_path / "all.png")):
        frames[index].save(tmp_path / "one.png")
        apply("box:5", tmp_path / "one.png", tmp_path / "filtered.png")
        np.testing.assert_array_equal(
            frame, np.asarray(opened(tmp_path / "filtered.png").convert("RGBA"))
        )


def test_pages_keep_their_own_sizes_and_modes(tmp_path: Path) -> None:
    pages = [
        Image.new("RGB", (20, 10), "red"),
        Image.new("L", (7, 9), 50),
        Image.fromarray(np.full((5, 6), 40_000, np.uint16)),
    ]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    done = apply("identity", tmp_path / "in.tif", tmp_path / "out.tif")
    assert "3 frames" in done.output
    with opened(tmp_path / "out.tif") as out:
        for page, wanted in zip(ImageSequence.Iterator(out), pages, strict=True):
            assert (page.mode, page.size) == (wanted.mode, wanted.size)
            np.testing.assert_array_equal(np.asarray(page), np.asarray(wanted))


def test_pages_of_many_sizes_fit_no_animation(tmp_path: Path) -> None:
    pages = [Image.new("L", (20, 10)), Image.new("L", (7, 9))]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    done = run("identity", tmp_path / "in.tif", tmp_path / "out.gif")
    assert done.exit_code == 1
    assert "frames of one size" in done.output


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "npy"])
def test_formats_without_frames_say_so(suffix: str, tmp_path: Path) -> None:
    frames = moving(clear=False)
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    done = run("identity", tmp_path / "in.gif", tmp_path / f"out.{suffix}")
    assert done.exit_code == 1
    assert "holds one frame, the input has 5" in done.output
    assert "--frame" in done.output
    assert not (tmp_path / f"out.{suffix}").exists()
    apply("identity", tmp_path / "in.gif", tmp_path / f"out.{suffix}", "--frame", "3")


def test_frame_picks_one(tmp_path: Path) -> None:
    frames = moving(clear=False)
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    apply("identity", tmp_path / "in.gif", tmp_path / "out.png", "--frame", "2")
    with opened(tmp_path / "out.png") as out:
        assert not getattr(out, "is_animated", False)
        np.testing.assert_array_equal(
            np.asarray(out.convert("RGB")), np.asarray(frames[2])[..., :3]
        )
    done = run("identity", tmp_path / "in.gif", tmp_path / "out.png", "--frame", "5")
    assert done.exit_code == 1
    assert "expected a frame of 0 to 4, got 5" in done.output


def test_maps_of_an_animation_are_refused(tmp_path: Path) -> None:
    frames = moving(clear=False)
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:])
    done = run("identity", tmp_path / "in.gif", tmp_path / "map-{map}.png")
    assert done.exit_code == 1
    assert "choose one with --frame" in done.output


def test_an_animation_passes_a_pipe(tmp_path: Path) -> None:
    frames = moving(clear=False)
    frames[0].save(
        tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=70, loop=0
    )
    out = piped((tmp_path / "in.gif").read_bytes(), "box:3", "-", "-")
    image = Image.open(io.BytesIO(out))
    assert (image.format, image.n_frames) == ("GIF", 5)  # type: ignore[attr-defined]


def gif_of_a_photograph() -> tuple[bytes, list[int]]:
    """Five crops of a photograph as Pillow writes them, and where each frame begins."""
    with opened(PHOTOS / "camera.png") as photo:
        crops = [photo.convert("L").crop((9 * n, 40, 9 * n + 48, 76)) for n in range(5)]
    buffer = io.BytesIO()
    crops[0].save(buffer, "GIF", save_all=True, append_images=crops[1:], duration=80)
    data = buffer.getvalue()
    starts = [at for at in range(len(data)) if data.startswith(b"\x21\xf9\x04", at)]
    assert len(starts) == len(crops)
    assert b";" in data[starts[0] : starts[1]]  # the end mark's byte, among the pixels
    return data, starts


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_a_gif_that_was_cut_loses_no_frame_in_silence(way: str, tmp_path: Path) -> None:
    whole, starts = gif_of_a_photograph()
    between, in_the_pixels = starts[1:], [(start + len(whole)) // 2 for start in starts]
    for length in (*between, *in_the_pixels, starts[3] + 5, len(whole) - 1):
        (tmp_path / "in.gif").write_bytes(whole[:length])
        source, data = (tmp_path / "in.gif", None) if way == "file" else ("-", whole[:length])
        target = tmp_path / "out.tif"
        said = refusal("apply", "identity", source, target, status=1, stdin=data)
        assert said.endswith("file is truncated: --allow-truncated reads what there is"), length
        assert not target.exists()


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_a_gif_that_was_cut_between_frames_is_read_so_far_on_request(
    way: str, tmp_path: Path
) -> None:
    whole, starts = gif_of_a_photograph()
    (tmp_path / "in.gif").write_bytes(whole[: starts[3]])
    source = tmp_path / "in.gif" if way == "file" else "-"
    words = ("apply", "identity", source, tmp_path / "out.tif", "--allow-truncated")
    assert commands.run(*words, stdin=whole[: starts[3]]).exit_code == 0
    (tmp_path / "whole.gif").write_bytes(whole)
    np.testing.assert_array_equal(
        composed(tmp_path / "out.tif"), composed(tmp_path / "whole.gif")[:3]
    )


def piped(data: bytes, *arguments: str) -> bytes:
    command = [sys.executable, "-m", "convcli", "apply", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
def test_a_pipe_goes_on_in_the_inputs_format(kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    assert Image.open(io.BytesIO(piped(buffer.getvalue(), "box:3", "-", "-"))).format == kind


def test_a_pipe_falls_back_to_png() -> None:
    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "XBM")
    assert Image.open(io.BytesIO(piped(buffer.getvalue(), "box:3", "-", "-"))).format == "PNG"


def test_format_decides_on_a_pipe_and_in_a_file(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    out = piped(buffer.getvalue(), "box:3", "-", "-", "--format", "jpg")
    assert Image.open(io.BytesIO(out)).format == "JPEG"
    apply("box:3", PHOTOS / "camera.png", tmp_path / "out.dat", "--format", "tiff")
    assert opened(tmp_path / "out.dat").format == "TIFF"


def test_an_unknown_format_is_a_wrong_usage(tmp_path: Path) -> None:
    done = run("box:3", PHOTOS / "camera.png", tmp_path / "o", "--format", "docx")
    assert done.exit_code == 2
    assert "expected a format that can be written" in done.output


@pytest.mark.slow
def test_a_chain_of_processes_is_a_chain(tmp_path: Path) -> None:
    data = (PHOTOS / "camera.png").read_bytes()
    piped(piped(data, "gaussian:2", "-", "-"), "sobel-x", "-", str(tmp_path / "out.png"))
    apply("gaussian:2", PHOTOS / "camera.png", tmp_path / "one.png")
    apply("sobel-x", tmp_path / "one.png", tmp_path / "two.png")
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize(("photo", "is_said"), [("chelsea.png", True), ("camera.png", False)])
def test_colours_that_a_gif_has_no_room_for_are_said(
    photo: str, *, is_said: bool, tmp_path: Path
) -> None:
    done = apply("identity", PHOTOS / photo, tmp_path / "out.gif", "--quiet")
    assert ("holds 256 colours" in done.output) == is_said


def test_an_apng_that_promises_more_frames_than_it_has_is_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    first, *others = map(Image.fromarray, pixels)
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=others)
    data, promise = bytearray(buffer.getvalue()), struct.pack(">II", 4, 0)
    at = data.index(b"acTL") + 4
    data[at : at + 12] = promise + struct.pack(">I", zlib.crc32(b"acTL" + promise))
    (tmp_path / "in.png").write_bytes(data)
    for words in ((), ("--allow-truncated",)):
        done = run("identity", tmp_path / "in.png", tmp_path / "out.png", *words)
        assert done.exit_code == 1
        assert "cannot be read: " in done.output
        assert not (tmp_path / "out.png").exists()

"""`convcli find`: the strongest answers, against OpenCV and by hand."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from convcli.cli.app import main
from convcli.errors import GeometryError, KernelError
from convcli.images.picture import Frame
from convcli.kernels.kernel import Kernel
from convcli.kernels.spec import kernel_from
from convcli.lessons.find import find_matches
from support.commands import PHOTOS

RANDOM = np.random.default_rng(8)


def gray(pixels: Any) -> Frame:
    return Frame(np.asarray(pixels, np.uint8)[..., np.newaxis])


def camera() -> NDArray[np.uint8]:
    with Image.open(PHOTOS / "camera.png") as photo:
        return np.asarray(photo.convert("L"))


def run(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def patch_kernel(pixels: NDArray[np.uint8]) -> Kernel:
    flat = pixels - pixels.mean()
    return Kernel(flat / np.linalg.norm(flat))


def test_a_patch_finds_itself_with_score_1() -> None:
    pixels = camera()
    best, second = find_matches(
        gray(pixels), patch_kernel(pixels[90:115, 210:250]), top=2, normalized=True
    )
    assert (best.left, best.top, best.width, best.height) == (210, 90, 40, 25)
    assert list(best.centre) == [229.5, 102]
    assert best.score == pytest.approx(1, abs=1e-9)
    assert second.score < 0.9


@pytest.mark.parametrize("size", [(25, 40), (8, 8), (3, 64)])
def test_scores_are_opencvs(size: tuple[int, int]) -> None:
    pixels = camera()
    patch = pixels[90 : 90 + size[0], 210 : 210 + size[1]]
    theirs = cv2.matchTemplate(pixels, patch, cv2.TM_CCOEFF_NORMED)
    for match in find_matches(gray(pixels), patch_kernel(patch), top=8, normalized=True):
        assert match.score == pytest.approx(float(theirs[match.top, match.left]), abs=2e-3)


def test_the_best_are_opencvs_best() -> None:
    pixels = camera()
    patch = pixels[200:231, 100:121]
    theirs = cv2.matchTemplate(pixels, patch, cv2.TM_CCOEFF_NORMED)
    widest = ndimage.maximum_filter(theirs, (31, 21), mode="constant", cval=-1)
    peaks = np.sort(theirs[theirs >= widest])[::-1][:5]
    ours = [m.score for m in find_matches(gray(pixels), patch_kernel(patch), normalized=True)]
    np.testing.assert_allclose(ours, peaks, atol=2e-3)


def test_brightness_and_contrast_do_not_matter_when_normalised() -> None:
    pixels = camera()
    dim = np.rint(pixels * 0.4 + 50).astype(np.uint8)
    (best,) = find_matches(
        gray(dim), patch_kernel(pixels[90:115, 210:250]), top=1, normalized=True
    )
    assert (best.left, best.top) == (210, 90)
    assert best.score == pytest.approx(1, abs=1e-3)


def test_raw_scores_are_the_answers() -> None:
    pixels = RANDOM.integers(0, 256, (20, 30))
    kernel = kernel_from("sobel-x")
    answers = ndimage.correlate(pixels.astype(float), kernel.weights)[1:-1, 1:-1]
    first, *_ = find_matches(gray(pixels), kernel, top=3)
    assert first.score == answers.max()
    assert answers[first.top, first.left] == answers.max()


def test_the_bias_counts() -> None:
    pixels = gray(np.eye(5) * 9)
    (best,) = find_matches(pixels, Kernel([[2]], 5), top=1)
    assert best.score == 23


def test_of_near_ones_the_strongest_stands_for_all() -> None:
    pixels = np.zeros((9, 30))
    pixels[4, [3, 4, 5, 20]] = [50, 90, 60, 70]
    matches = find_matches(gray(pixels), Kernel(np.pad([[1.0]], 2)), top=9)
    strong = [(m.centre, m.score) for m in matches if m.score > 0]
    assert strong == [((4, 4), 90), ((20, 4), 70)]


def test_places_are_apart_by_more_than_half_a_kernel() -> None:
    pixels = RANDOM.integers(0, 256, (60, 80))
    matches = find_matches(gray(pixels), kernel_from("gaussian:1"), top=40)
    for index, one in enumerate(matches):
        for other in matches[:index]:
            assert abs(one.left - other.left) > 4 or abs(one.top - other.top) > 4
            assert other.score >= one.score


def test_a_flat_picture_is_like_nothing() -> None:
    flat = gray(np.full((40, 50), 77))
    matches = find_matches(flat, patch_kernel(camera()[90:115, 210:250]), normalized=True)
    assert {m.score for m in matches} == {0}


def test_a_flat_part_beside_a_loud_one_is_like_nothing() -> None:
    pixels = np.full((90, 120), 3)
    pixels[60:, 80:] = RANDOM.integers(0, 256, (30, 40))
    matches = find_matches(
        gray(pixels), patch_kernel(camera()[90:98, 210:218]), top=50, normalized=True
    )
    assert all(abs(m.score) <= 1 for m in matches)
    assert all(m.score == 0 for m in matches if m.left < 70 and m.top < 50)


def test_a_kernel_as_large_as_the_picture() -> None:
    pixels = camera()[:30, :40]
    (only,) = find_matches(gray(pixels), patch_kernel(pixels), normalized=True)
    assert (only.left, only.top) == (0, 0)
    assert only.score == pytest.approx(1)


@pytest.mark.parametrize(
    ("kernel", "normalized", "kind", "words"),
    [
        (Kernel(np.ones((30, 3))), False, GeometryError, "3 × 30 px: cut a smaller patch"),
        (Kernel(np.ones((1, 3, 2, 2))), False, KernelError, "2-D kernel to find"),
        (Kernel(np.ones((3, 3))), True, KernelError, "weights that differ"),
    ],
)
def test_what_cannot_be_found(
    kernel: Kernel, *, normalized: bool, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        find_matches(gray(np.ones((20, 20))), kernel, normalized=normalized)


def test_the_command_marks_and_lists(tmp_path: Path) -> None:
    with Image.open(PHOTOS / "chelsea.png") as photo:
        photo.convert("RGB").crop((150, 70, 210, 130)).save(tmp_path / "eye.png")
    out = tmp_path / "marked.png"
    words = ["find", f"image:{tmp_path / 'eye.png'}", PHOTOS / "chelsea.png", "--normalized"]
    found = json.loads(run(*words, "--top", 2, "--mark", out, "--json").stdout)
    best = found["matches"][0]
    assert (best["left"], best["top"], best["width"], best["height"]) == (150, 70, 60, 60)
    assert best["score"] == pytest.approx(1, abs=1e-6)
    assert len(found["matches"]) == 2
    with Image.open(out) as image, Image.open(PHOTOS / "chelsea.png") as photo:
        assert image.size == photo.size
        changed = (np.asarray(image) != np.asarray(photo)).any(axis=2)
    # The frame is drawn around the place, never over it.
    assert changed[66:70, 150:210].any()
    assert not changed[71:129, 151:209].any()
    table = run(*words, "--top", 1).stdout
    assert "150, 70" in table
    assert "60 × 60" in table


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["sobel", PHOTOS / "camera.png"], 2, "expected one kernel, got 2"),
        (["sobel-x", "missing.png"], 1, "no such file"),
        (["sobel-x", PHOTOS / "camera.png", "--top", "0"], 2, "0"),
        (["sobel-x", PHOTOS / "camera.png", "--mark", "x.nosuch"], 1, "picture format"),
        (["image:missing.png", PHOTOS / "camera.png"], 1, "missing.png: no such file"),
        (["box", PHOTOS / "camera.png", "--normalized"], 2, "drop --normalized"),
    ],
)
def test_failures_in_one_line(words: list[object], status: int, message: str) -> None:
    result = run("find", *words)
    assert result.exit_code == status
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_flat_patch(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 90).save(tmp_path / "flat.png")
    result = run("find", f"image:{tmp_path / 'flat.png'}", PHOTOS / "camera.png")
    assert result.exit_code == 2
    assert "one brightness all over" in result.stderr


@pytest.mark.parametrize("scale", [2.0**-600, 1.0, 2.0**600])
def test_a_patch_of_numbers_whose_squares_no_float_holds(scale: float, tmp_path: Path) -> None:
    np.save(tmp_path / "patch.npy", np.array([[0, 1], [0, 1]]) * scale)
    weights = kernel_from(f"image:{tmp_path / 'patch.npy'}").kernels[0].weights
    assert weights.tolist() == [[-0.5, 0.5], [-0.5, 0.5]]  # mean 0, length 1


def test_a_patch_beyond_the_limit_of_weights(tmp_path: Path) -> None:
    Image.fromarray(RANDOM.integers(0, 256, (2100, 2100), dtype=np.uint8)).save(
        tmp_path / "huge.png"
    )
    result = run("find", f"image:{tmp_path / 'huge.png'}", PHOTOS / "camera.png")
    assert result.exit_code == 2
    assert "at most 4,194,304" in result.stderr


def test_a_long_title_is_not_cut_in_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / f"{'long ' * 30}.png"
    Image.fromarray(camera()[:64, :64]).save(path)
    assert f"sobel-x in {path}\n" in run("find", "sobel-x", path).stdout

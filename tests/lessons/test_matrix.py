"""Small matrices: as pictures of apply, and the matrix that a convolution is."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli.images.codecs.numbers import matrix_bytes, read_matrix
from convcli.images.picture import Frame
from convcli.images.policy import ReadPolicy
from convcli.kernels.spec import kernel_from
from convcli.lessons.matrix import convolution_matrix
from convcli.pipeline.options import Options
from convcli.pipeline.run import filter_frame
from convcli.settings import border_from
from support.commands import PHOTOS, done, refusal

Run = Callable[..., Any]
NUMBERS = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_homework_needs_no_picture(run: Run) -> None:
    words = ["apply", "[[1,0],[0,-1]]", json.dumps(NUMBERS), "--padding", "valid"]
    text = run(*words).stdout
    assert [line.split() for line in text.splitlines()] == [
        ["input"], ["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"], [],
        ["kernel"], ["1", "0"], ["0", "-1"], [],
        ["result"], ["-4", "-4"], ["-4", "-4"], [],
    ]  # fmt: skip
    assert json.loads(run(*words, "--json").stdout)["result"] == [[-4, -4], [-4, -4]]


def test_standard_input_may_be_a_matrix_to_look_at() -> None:
    for text in (b"1,2,3\n4,5,6\n7,8,9\n", b"1 2 3\n4 5 6\n7 8 9", str(NUMBERS).encode()):
        said = done("apply", "[[1,0],[0,-1]]", "-", "--padding", "valid", stdin=text)
        assert said.endswith(" result\n -4  -4\n -4  -4\n\n")
        assert "result\n 5  6\n 8  9\n" in done("pool", "max", "-", "--s", "1", stdin=text)
    photo = (PHOTOS / "camera.png").read_bytes()
    assert "'OUTPUT'" in refusal("apply", "box:3", "-", status=2, stdin=photo)
    assert "both -" in refusal("apply", "-", "-", status=2, stdin=b"[[1]]")


@pytest.mark.parametrize("suffix", [".csv", ".txt", ".json"])
def test_files_hold_raw_numbers(run: Run, tmp_path: Path, suffix: str) -> None:
    def numbers(path: Path) -> Any:
        text = path.read_text()
        return json.loads(text) if suffix == ".json" else np.loadtxt(path, delimiter=",")

    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    rows = "1 2 3\n4 5 6\n7 8 9\n"
    source.write_text(json.dumps(NUMBERS) if suffix == ".json" else f"# a table\n{rows}")
    assert run("apply", "box:3", str(source), str(target)).exit_code == 0
    assert list(numbers(target)[1]) == pytest.approx([27 / 9, 45 / 9, 33 / 9], abs=1e-14)
    assert run("pool", "max", str(source), str(target), "--s", "1").exit_code == 0
    assert np.array_equal(numbers(target), [[5, 6], [8, 9]])
    one = json.loads(run("explain", "[[2]]", str(source), "--at", "2,1", "--json").stdout)
    assert one["channels"][0]["value"] == 12


def test_text_keeps_its_form_and_all_digits() -> None:
    for text in (b"-1\n-2.5\n", b"[[0.1,2]]\n", b"1,nan,-inf\n", b"[[1,null]]\n"):
        (frame,) = read_matrix(io.BytesIO(text), "standard input", ReadPolicy()).frames
        written = matrix_bytes(frame.pixels[..., 0], str(frame.format))
        assert written == text


def test_a_number_that_is_too_large_is_no_infinity(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1e400,1\n")
    for given in ("[[1e400,1]]", str(tmp_path / "in.csv")):
        ended = run("apply", "box:3", given)
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "expected numbers below 1e308" in ended.stderr


def test_a_photograph_becomes_numbers(run: Run, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 200]], np.uint8)).save(tmp_path / "a.png")
    target = tmp_path / "out.csv"
    assert run("apply", "[[1,0,-1]]", str(tmp_path / "a.png"), str(target)).exit_code == 0
    assert target.read_text() == "-200,0\n"


def test_pool_prints_a_matrix_and_writes_one(
    run: Run, ask: Callable[..., Any], tmp_path: Path
) -> None:
    given = "[[1,2,3],[4,5,6]]"
    said = run("pool", "max", given, "--k", "1x2", "--stride", "1").output
    assert "result\n 2  3\n 5  6" in said
    told = ask("pool", "average", given, "--k", "2", "--stride", "1")
    assert (told["input"], told["result"]) == ([[1, 2, 3], [4, 5, 6]], [[3, 4]])
    for suffix, text in ((".csv", "5,6\n"), (".txt", "5,6\n"), (".json", "[[5,6]]\n")):
        target = tmp_path / f"out{suffix}"
        run("pool", "max", given, str(target), "--k", "2", "--stride", "1")
        assert target.read_text() == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[1,2],[3]]", "rows of one length"),
        ("[[1,2", "mend the brackets"),
        ('[[1,"2"]]', "expected numbers"),
        ("[[null,true,[]]]", "rows of one length"),
        (f"[[1,{10**30}]]", "whole numbers up to 2^53"),
        ("1,2\n3,x", "rows of numbers"),
        ("1,5;2,5\n3,5;4,5", "write 1.5 for 1,5"),
        ("", "rows of numbers"),
        ("[[]]", "rows of numbers"),
        ("[1,2]", "rows of numbers"),
        ("[" * 100_000, "mend the brackets"),
    ],
)
def test_nonsense_is_one_line(
    refuse: Callable[..., str], tmp_path: Path, text: str, words: str
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(text)
    assert words in refuse("apply", "box:3", str(source), str(target))
    assert not target.exists()


@pytest.mark.parametrize(
    "text",
    ["1;2\n3;4", "1 2;\n3 4;\n", "1,2;\n3,4", "1 2;3 4", "1,2;3,4", "1\t2\r\n3\t4 # end"],
)
def test_lines_are_rows_and_so_are_parts_of_a_single_line(text: str) -> None:
    (frame,) = read_matrix(io.BytesIO(text.encode()), "in.csv", ReadPolicy()).frames
    assert frame.array.tolist() == [[1, 2], [3, 4]]


def test_json_does_not_hide_an_infinite_number(
    refuse: Callable[..., str], tmp_path: Path
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.json"
    source.write_text("1,-inf\n")
    said = refuse("apply", "identity", str(source), str(target))
    assert "JSON has no infinite numbers: write .csv or .npy" in said
    assert not target.exists()


def test_a_slip_in_an_inline_matrix_is_no_missing_file(refuse: Callable[..., str]) -> None:
    for text in ("[[1,2],[3,nan]]", "[[1,x]]", "[[1 2],[3 4]]"):
        assert "expected a matrix" in refuse("apply", "box:3", text)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("sobel-x", {}),
    ("[[1,2],[3,4]]", {"padding": "valid"}),
    ("box:3", {"stride": (2, 2), "border": border_from("replicate")}),
    ("[[1,2,3]]", {"dilation": (1, 2), "border": border_from("wrap"), "flip": True}),
]


@pytest.mark.parametrize(("kernel", "settings"), CASES)
def test_product_with_the_flattened_input_is_apply(
    kernel: str, settings: dict[str, Any]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 1)).astype(float)
    options = Options(**settings)
    found = convolution_matrix(kernel_from(kernel), (5, 6), options)
    applied = filter_frame(Frame(pixels), [kernel_from(kernel)], options, raw=True)
    product = (found.weights @ pixels.ravel()).reshape(found.output)
    np.testing.assert_allclose(product, applied.values[..., 0], atol=1e-9)


def test_matrix_by_hand(run: Run, tmp_path: Path) -> None:
    words = ["matrix", "[[1,2]]", "--w", "3", "--h", "1", "--padding", "valid"]
    found = json.loads(run(*words, "--json").stdout)
    assert found["matrix"] == [[1, 2, 0], [0, 1, 2]]
    assert (found["entries"], found["connected"], found["free"]) == (6, 4, 2)
    found = json.loads(run(*words, "--transposed", "--json").stdout)
    assert found["matrix"] == [[1, 0], [2, 1], [0, 2]]
    assert run(*words, "--png", str(tmp_path / "m.png")).exit_code == 0
    with Image.open(tmp_path / "m.png") as drawn:
        top = drawn.height - 16 - 2 * 40 - 1  # two rows of cells, above the margin
        assert drawn.getpixel((16 + 3, top + 3)) == (178, 24, 43)  # the first weight
        assert drawn.getpixel((16 + 80 + 3, top + 3)) == (255, 255, 255)  # no weight


def test_weights_that_meet_no_pixel_are_not_counted(run: Run) -> None:
    # By hand: one row of pixels, with zeros around, meets the middle row of the kernel only.
    row = json.loads(run("matrix", "box:3", "--w", "4", "--h", "1", "--json").stdout)
    assert (row["entries"], row["connected"], row["free"]) == (16, 10, 3)
    point = run("matrix", "box:3", "--w", "1", "--h", "1").stdout
    assert "1 repeat the 1 weights: 100 % are free" in point
    copied = ["matrix", "box:3", "--w", "2", "--h", "1", "--border", "replicate", "--json"]
    assert json.loads(run(*copied).stdout)["free"] <= 4


def test_a_matrix_too_large_is_refused(refuse: Callable[..., str]) -> None:
    assert "at most 4,000,000 entries" in refuse("matrix", "box:3", "--w", "1000")

"""`convcli apply`: stride, padding, border, dilation, and what a stride leaves over."""

from pathlib import Path
from typing import Any

import pytest

from support.commands import done, gradient, load, refusal, run, save

ROW = [[10, 20, 30, 40]]
GRID = [[10, 20, 30, 40], [50, 60, 70, 80], [90, 100, 110, 120]]

TWO_TO_THE_LEFT = "[[1,0,0,0,0]]"
"""Each output is the pixel two places to the left: what the border put there is seen."""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


def filtered(tmp_path: Path, pixels: Any, kernel: str, *options: str) -> Any:
    source, target = save(tmp_path / "in.png", pixels), tmp_path / "out.png"
    done("apply", kernel, source, target, *options)
    return load(target)


@pytest.mark.parametrize(
    ("border", "left"),
    [
        ("zero", [0, 0]),
        ("constant", [0, 0]),
        ("zeros", [0, 0]),
        ("replicate", [10, 10]),
        ("edge", [10, 10]),
        ("nearest", [10, 10]),
        ("clamp", [10, 10]),
        ("duplicate", [10, 10]),
        ("REPLICATE", [10, 10]),
        ("reflect", [30, 20]),
        ("reflect-101", [30, 20]),
        ("reflect101", [30, 20]),
        ("symmetric", [20, 10]),
        ("wrap", [30, 40]),
        ("circular", [30, 40]),
        ("periodic", [30, 40]),
        ("tile", [30, 40]),
        ("loop", [30, 40]),
    ],
)
def test_border_goes_on_as_its_name_says(tmp_path: Path, border: str, left: list[int]) -> None:
    made = filtered(tmp_path, ROW, TWO_TO_THE_LEFT, "--border", border)
    assert made == [[*left, 10, 20]]


def test_border_is_zero_where_none_is_named(tmp_path: Path) -> None:
    assert filtered(tmp_path, ROW, TWO_TO_THE_LEFT) == [[0, 0, 10, 20]]


def test_border_of_two_meanings_is_refused_with_both(tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "in.png", ROW)
    line = refusal("apply", "box", source, out, "--border", "mirror", status=2)
    assert "'mirror' is 'reflect' in SciPy and 'symmetric' in ImageMagick" in line


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("same", [[30, 60, 90, 70]]),
        ("valid", [[60, 90]]),
        ("0", [[60, 90]]),
        ("0x1", [[30, 60, 90, 70]]),
        ("0×2", [[10, 30, 60, 90, 70, 40]]),
        ("1", [[0, 0, 0, 0], [30, 60, 90, 70], [0, 0, 0, 0]]),
        ("1x0", [[0, 0], [60, 90], [0, 0]]),
    ],
)
def test_padding_is_pixels_a_side_rows_by_columns(
    tmp_path: Path, padding: str, expected: list[list[int]]
) -> None:
    assert filtered(tmp_path, ROW, "[[1,1,1]]", "-p", padding) == expected


def test_same_puts_the_odd_pixel_at_the_end(tmp_path: Path) -> None:
    assert filtered(tmp_path, ROW, "[[1,1]]") == [[30, 50, 70, 40]]
    assert filtered(tmp_path, ROW, "[[1,0,0,1]]") == [[30, 50, 20, 30]]


@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        ("1", [[20, 30], [60, 70], [100, 110]]),
        ("2", [[20], [100]]),
        ("1x2", [[20], [60], [100]]),
        ("2x1", [[20, 30], [100, 110]]),
    ],
)
def test_stride_is_rows_by_columns(
    tmp_path: Path, out: Path, stride: str, expected: list[list[int]]
) -> None:
    source = save(tmp_path / "in.png", GRID)
    run("apply", "[[0,1,0]]", source, out, "-p", "valid", "--stride", stride)
    assert load(out) == expected


def test_same_with_a_stride_gives_the_size_divided_and_rounded_up(tmp_path: Path) -> None:
    made = filtered(tmp_path, gradient(5, 6), "identity", "-s", "2")
    assert made == [[1, 3, 5], [13, 15, 17], [25, 27, 29]]


@pytest.mark.parametrize("dilation", ["2", "2x2", "1x2"])
def test_dilation_spreads_the_taps(tmp_path: Path, dilation: str) -> None:
    row = [[10, 20, 30, 40, 90]]
    assert filtered(tmp_path, row, "[[-1,0,1]]", "-p", "valid", "-d", dilation) == [[80]]
    # With padding "same" of 2: 30-0, 40-0, 90-10, 0-20, 0-30, all without sign.
    made = filtered(tmp_path, row, "[[-1,0,1]]", "--dilation", dilation)
    assert made == [[30, 40, 80, 20, 30]]


# ------------------------------------------------------------ what a stride leaves over


@pytest.mark.parametrize(
    ("shape", "stride", "warnings"),
    [
        ((3, 4), "2", ["stride 2 leaves the last column of the picture (x = 3) unseen"]),
        ((4, 3), "2", ["stride 2 leaves the last row of the picture (y = 3) unseen"]),
        (
            (1, 7),
            "4",
            ["stride 4 leaves the last 2 columns of the picture (x = 5 to 6) unseen"],
        ),
        (
            (8, 9),
            "5x6",
            [
                "stride 5 leaves the last 2 rows of the picture (y = 6 to 7) unseen",
                "stride 6 leaves the last 2 columns of the picture (x = 7 to 8) unseen",
            ],
        ),
    ],
)
def test_unseen_rows_and_columns_are_named(
    tmp_path: Path, out: Path, shape: tuple[int, int], stride: str, warnings: list[str]
) -> None:
    source = save(tmp_path / "in.png", gradient(*shape))
    result = run("apply", "[[1]]", source, out, "-s", stride, "-q")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "".join(f"Warning: {warning}\n" for warning in warnings)


@pytest.mark.parametrize("padding", ["1", "same"])
@pytest.mark.parametrize("width", [4, 6, 8])
def test_a_remainder_of_padding_alone_is_no_warning(
    tmp_path: Path, width: int, padding: str
) -> None:
    made = filtered(tmp_path, gradient(width, width), "identity", "-s", "2", "-p", padding)
    assert len(made[0]) == width // 2


def test_a_warning_says_which_step_of_a_chain(tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "in.png", gradient(1, 7))
    # 7 columns give 4, which leave the fourth over.
    result = run("apply", "[[1]]", source, out, "--then", "[[1]]", "-s", "1x2", "-q")
    assert result.stderr == (
        "Warning: stride 2 leaves the last column of step 2's input (x = 3) unseen\n"
    )
    assert load(out) == [[1, 5]]


@pytest.mark.parametrize(("kernel", "padding"), [("[[1]]", "0"), ("box", "1")])
def test_strict_refuses_any_remainder(
    tmp_path: Path, out: Path, kernel: str, padding: str
) -> None:
    source = save(tmp_path / "in.png", gradient(4, 4))
    line = refusal("apply", kernel, source, out, "-s2", "-p", padding, "--strict", status=1)
    assert "4 rows" in line
    assert "--strict" in line
    assert not out.exists()


def test_strict_is_content_with_windows_that_tile(tmp_path: Path) -> None:
    made = filtered(tmp_path, gradient(5, 5), "identity", "-s", "2", "-p", "1", "--strict")
    assert made == [[1, 3, 5], [11, 13, 15], [21, 23, 25]]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--stride", "0"),
        ("--stride", "-1"),
        ("--stride", "1.5"),
        ("--stride", "2x"),
        ("--stride", "2x2x2"),
        ("--padding", "-1"),
        ("--padding", "sam"),
        ("--padding", "1x"),
        ("--dilation", "0"),
        ("--dilation", "two"),
        ("--border", "mirrored"),
        ("--range", "wrap"),
        ("--bias", "much"),
    ],
)
def test_a_bad_value_is_wrong_usage(tmp_path: Path, out: Path, option: str, value: str) -> None:
    source = save(tmp_path / "in.png", ROW)
    line = refusal("apply", "box", source, out, option, value, status=2)
    assert option in line
    assert f"'{value}'" in line
    assert line.endswith("(see 'convcli apply --help')")


def test_a_kernel_larger_than_the_padded_picture_is_refused(tmp_path: Path, out: Path) -> None:
    source = save(tmp_path / "in.png", GRID)
    line = refusal("apply", "box:5", source, out, "-p", "valid", status=1)
    assert "5 px" in line
    assert "3 px" in line
    assert "smaller kernel" in line

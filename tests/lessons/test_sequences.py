import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.lessons.sequences import (
    CHEAPER_BY_FFT,
    convolve_exactly,
    operations,
)
from support.commands import cells

Ask = Callable[..., Any]
WHOLE = st.lists(st.integers(-(10**60), 10**60), min_size=1, max_size=30)


@given(WHOLE, WHOLE)
def test_the_fft_is_exact_for_whole_numbers_of_any_size(a: list[int], b: list[int]) -> None:
    exact = convolve_exactly(a, b, fft=True)
    # a big number in base 2^1000 multiplies by the same convolution: Python's own product
    base = 1 << 1000
    product = sum(x * base**i for i, x in enumerate(a)) * sum(
        x * base**i for i, x in enumerate(b)
    )
    assert sum(x * base**i for i, x in enumerate(exact)) == product
    assert exact == convolve_exactly(a, b, fft=False)


@pytest.mark.slow
@given(st.lists(st.fractions(), min_size=1, max_size=8), st.lists(st.fractions(), min_size=1))
def test_both_ways_agree_on_fractions(a: list[Fraction], b: list[Fraction]) -> None:
    assert convolve_exactly(a, b, fft=True) == convolve_exactly(a, b, fft=False)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("lengths", [(3, 2), (2, 5), (6, 6), (7, 4), (1, 1)])
def test_modes_are_numpys(ask: Ask, mode: str, lengths: tuple[int, int]) -> None:
    a, b = (list(range(2, 2 + length)) for length in lengths)
    words = [",".join(map(str, values)) for values in (a, b)]
    assert (
        ask("conv1d", *words, "--mode", mode)["result"]
        == np.convolve(
            a,
            b,
            mode,  # type: ignore[call-overload]
        ).tolist()
    )


def test_a_polynomial_product(run: Callable[..., Any]) -> None:
    # (1 + x)² = 1 + 2x + x²; the constant stands first
    assert run("conv1d", "1,1", "1,1", "--as", "polynomial", "-q").stdout == "1 + 2x + x²\n"
    text = run("conv1d", "1,-2", "0,1/3", "--as", "polynomial").stdout
    assert "(1 - 2x) · ((1/3)x) = (1/3)x - (2/3)x²" in text


def test_fractions_that_become_whole_are_written_so(run: Callable[..., Any]) -> None:
    # (1 + ½x)(2 + 2x) = 2 + 3x + x²
    result = run("conv1d", "1,1/2", "2,2", "--as", "polynomial", "-q")
    assert result.stdout == "2 + 3x + x²\n"
    assert json.loads(run("conv1d", "1/2", "2,4", "--json").stdout)["result"] == [1, 2]


def test_long_multiplication_carries(ask: Ask) -> None:
    document = ask("conv1d", "123", "45", "--as", "digits")
    assert document["result"] == [15, 22, 13, 4]
    assert document["carries"] == [0, 1, 2, 1]
    assert document["product"] == str(123 * 45)


@pytest.mark.parametrize(("a", "b"), [("0", "0"), ("99", "99"), ("1000", "0007"), ("5", "5")])
def test_long_multiplication_of_odd_cases(run: Callable[..., Any], a: str, b: str) -> None:
    assert run("conv1d", a, b, "--as", "digits", "-q").stdout.strip() == str(int(a) * int(b))


@pytest.mark.slow
def test_a_hundred_thousand_digits_are_exact(run: Callable[..., Any], tmp_path: Path) -> None:
    # (10^n - 1)² = 99…9800…01
    n = 100_000
    path = tmp_path / "nines.txt"
    path.write_text("9" * n)
    result = run("conv1d", f"@{path}", f"@{path}", "--as", "digits", "--quiet")
    assert result.stdout.strip() == "9" * (n - 1) + "8" + "0" * (n - 1) + "1"


def test_the_sum_of_two_dice(ask: Ask) -> None:
    distribution = ask("conv1d", "6", "6", "--as", "dice")["distribution"]
    ways = {total: 6 - abs(total - 7) for total in range(2, 13)}
    assert distribution == {str(t): str(Fraction(w, 36)) for t, w in ways.items()}
    assert distribution["8"] == "5/36"


def test_a_loaded_die(ask: Ask) -> None:
    document = ask("conv1d", "0.5,1/4,1/4", "2", "--as", "dice")
    assert document["distribution"] == {"2": "1/4", "3": "3/8", "4": "1/4", "5": "1/8"}


def test_the_table_shows_products_and_diagonals(run: Callable[..., Any]) -> None:
    lines = run("conv1d", "1,2,3", "4,5").stdout.splitlines()
    assert [line.split() for line in lines[1:5]] == [
        ["4", "5"],
        ["1", "4", "5"],
        ["2", "8", "10"],
        ["3", "12", "15"],
    ]
    assert any(line.split() == ["[1]", "1·5", "+", "2·4", "=", "13"] for line in lines)
    assert "result: 4, 13, 22, 15" in lines


def test_numbers_beyond_python_s_limit_of_digits(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("1" + "0" * 5000)
    document = json.dumps(
        ask("conv1d", f"@{path}", "3", "--quiet", "--as", "digits")["product"]
    )
    assert document == '"3' + "0" * 5000 + '"'


def test_decimals_are_exact(ask: Ask) -> None:
    assert ask("conv1d", "0.1,0.2", "0.3")["result"] == ["3/100", "3/50"]


def test_a_negative_sequence_is_no_option(run: Callable[..., Any]) -> None:
    assert "-1·(-3) " in run("conv1d", "-1,2", "-3").stdout
    assert run("conv1d", "-1,2", "-3", "-q").stdout == "3,-6\n"


def test_standard_input(run: Callable[..., Any]) -> None:
    assert run("conv1d", "-", "1,1", "-q", text="2 3\n").stdout == "2,5,3\n"


def test_operation_counts_by_hand() -> None:
    count = operations(100, 100)
    assert count.direct == 100 * 100 + (100 * 100 - 199)
    assert count.transform == 256
    assert count.fft == 3 * 5 * 256 * 8 + 6 * 256


def test_dice_have_faces_and_a_total(run: Callable[..., Any]) -> None:
    text = run("conv1d", "6", "6", "--as", "dice", "--total", "8").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[1] == ["1", "2", "3", "4", "5", "6"]
    assert [line[0] for line in lines[2:8]] == ["1", "2", "3", "4", "5", "6"]
    assert "total 8: probability 5/36" in text


def test_the_fft_in_numbers(run: Callable[..., Any]) -> None:
    text = run("conv1d", "1,2,3", "4,5", "--method", "fft").stdout
    # by hand, for k = 1: 1 - 2i - 3 = -2 - 2i; 4 - 5i; their product -18 + 2i
    assert ["1", "-2 - 2i", "4 - 5i", "-18 + 2i"] in cells(text)
    assert "inverse transform: 4, 13, 22, 15" in text


def test_numbers_that_no_float_holds_have_no_transforms(run: Callable[..., Any]) -> None:
    result = run("conv1d", "1e400", "2", "--method", "fft")
    assert result.exit_code == 0
    assert "The transforms are not shown" in result.stdout


def test_the_fft_pays_where_its_count_is_smaller(run: Callable[..., Any]) -> None:
    runs = CHEAPER_BY_FFT
    for n in range(1, 4100):
        count = operations(n, n)
        inside = any(a <= n and (b is None or n <= b) for a, b in runs)
        assert inside == (count.fft < count.direct)
    # 128·128: 2·128² - 255 = 32,513 operations directly; 15·256·8 + 6·256 = 32,256 by the FFT
    ones = ",".join(["1"] * 128)
    text = run("conv1d", ones, ones).stdout
    assert ["direct", "32,513", "2·128·128 - 255"] in cells(text)
    assert ["FFT", "32,256", "three transforms of N = 256: 15·256·8 + 6·256"] in cells(text)
    assert "the FFT is cheaper here" in text
    assert "n = 128, 191 to 256, and for all from 284 on" in text


def test_one_operation_is_one(run: Callable[..., Any]) -> None:
    assert ["direct", "1", "2·1·1 - 1"] in cells(run("conv1d", "3", "4").stdout)


@pytest.mark.parametrize("faces", [6, 16])
def test_tables_that_fit_are_shown_to_their_last_row(
    run: Callable[..., Any], faces: int
) -> None:
    text = run("conv1d", str(faces), str(faces), "--as", "dice").stdout
    rolls = re.findall(r"^  (\d+) +1/", text, re.MULTILINE)
    assert rolls == [str(n) for n in range(2, 2 * faces + 1)]
    assert "…" not in text
    assert "left out" not in text


def test_all_carries_are_shown(run: Callable[..., Any]) -> None:
    digits = "9" * 16
    lines = run("conv1d", digits, digits, "--as", "digits").stdout.splitlines()
    shown = [line.split() for line in lines[lines.index("Carries") :] if "10^" in line]
    assert "".join(row[-2] for row in reversed(shown)) == str(int(digits) ** 2)


def test_what_does_not_fit_is_counted(run: Callable[..., Any]) -> None:
    digits = "9" * 20
    text = run("conv1d", digits, digits, "--as", "digits").stdout
    assert "the first 16 × 16 of 20 × 20" in text
    assert "the first 32 of 39 diagonals; 7 are left out" in text
    assert "the first 32 of 40 carries; 8 are left out" in text
    assert "9·9 + … (1 more)" in text
    assert "… (4 more)" in text


@pytest.mark.parametrize(
    ("mode", "places"), [("same", ["[0]", "[1]", "[2]"]), ("valid", ["[1]", "[2]"])]
)
def test_modes_show_the_diagonals_that_they_keep(
    run: Callable[..., Any], mode: str, places: list[str]
) -> None:
    lines = run("conv1d", "1,2,3", "4,5", "--mode", mode).stdout.splitlines()
    assert f"Diagonals, summed: {len(places)} of 4" in lines
    assert [line.split()[0] for line in lines if line.strip().startswith("[")] == places
    assert any(line.split() == ["[1]", "1·5", "+", "2·4", "=", "13"] for line in lines)


def test_a_long_polynomial_is_one_line_in_a_pipe(run: Callable[..., Any]) -> None:
    ones = ",".join(["1"] * 4000)
    lines = run("conv1d", ones, "1,1", "--as", "polynomial").stdout.splitlines()
    (product,) = [line for line in lines if line.startswith("(1 + x")]
    assert product.endswith("+ 2x³⁹⁹⁹ + x⁴⁰⁰⁰")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["", "1"], "empty sequence: write it as 1,2,3"),
        ([",", "1"], "empty sequence"),
        (["1,x", "1"], "got 'x'"),
        (["1/0", "1"], "a denominator other than 0"),
        (["nan", "1"], "got 'nan'"),
        (["1e99999999", "1"], "exponent"),
        (["1.5", "2", "--as", "digits"], "expected a whole number like 123"),
        (["1/2,1/3", "6", "--as", "dice"], "sum to 1, got 5/6"),
        (["3/2,-1/2", "6", "--as", "dice"], "no negative probability"),
        (["0", "6", "--as", "dice"], "a die of 1 or more faces"),
        (["@nowhere", "1"], "nowhere: cannot be read"),
        (["-", "-"], "standard input holds one of them"),
        (["1", "2", "--as", "dice", "--mode", "same"], "--mode is for sequences"),
    ],
)
def test_nonsense_is_refused(refuse: Callable[..., str], words: list[str], said: str) -> None:
    assert said in refuse("conv1d", *words)

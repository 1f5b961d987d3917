"""Specifications: names, parameters, near misses."""

import re
import time
from pathlib import Path

import pytest

from convcli.errors import KernelError, SpecError
from convcli.kernels.catalogue.entry import entry_named
from convcli.kernels.operator import Operator
from convcli.kernels.spec import kernel_from, operand_from


@pytest.mark.parametrize(
    ("spec", "same_as"),
    [
        ("box", "box:3"),
        ("box:5", "box:size=5"),
        ("gaussian", "gaussian:1"),
        ("gaussian:2", "gaussian:sigma=2"),
        ("gaussian:2.0,6", "gaussian:sigma=2,radius=6"),
        ("gaussian:2,radius=6", "gaussian:radius=6,sigma=2"),
        ("gaussian:2", "gaussian:2,8"),
        ("gaussian:radius=4", "gaussian:1"),
        ("gaussian:1e0", "gaussian"),
        (" gaussian : sigma = 2 , radius = 6 ", "gaussian:2,6"),
        ("SOBEL-X", "sobel-x"),
        ("[[-1,0,1],[-2,0,2],[-1,0,1]]", "sobel-x"),
        (' {"weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "divisor": 16} ', "binomial"),
    ],
)
def test_two_ways_to_say_the_same(spec: str, same_as: str) -> None:
    kernel, same = kernel_from(spec), kernel_from(same_as)
    assert kernel.weights.tolist() == same.weights.tolist()
    assert kernel.bias == same.bias


def test_a_path_to_json(tmp_path: Path) -> None:
    path = tmp_path / "My Kernel.JSON"
    path.write_text("[[1, 2], [3, 4]]")
    kernel = kernel_from(str(path))
    assert kernel.weights.tolist() == [[1, 2], [3, 4]]
    assert kernel.name == "My Kernel"


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("sobelx", "sobel-x"),
        ("sobl-x", "sobel-x"),
        ("gausian:2", "gaussian"),
        ("guassian", "gaussian"),
        ("sharpn", "sharpen"),
        ("laplacian-4", "laplacian4"),
        ("prewit-y", "prewitt-y"),
        ("Embos", "emboss"),
    ],
)
def test_a_misspelt_name_suggests_the_nearest(misspelt: str, meant: str) -> None:
    with pytest.raises(SpecError) as raised:
        kernel_from(misspelt)
    said = str(raised.value)
    assert repr(misspelt.partition(":")[0]) in said
    assert "did you mean" in said
    assert meant in said


@pytest.mark.parametrize("name", ["zzz", "", "17"])
def test_a_name_near_none_points_to_the_list(name: str) -> None:
    with pytest.raises(SpecError, match="'convcli kernels' lists them"):
        entry_named(name)


@pytest.mark.parametrize("name", ["./kernel.png", "nosuch.jpg", "kernels/mine", "sobel-x.txt"])
def test_a_name_like_that_of_a_missing_file_says_so(name: str) -> None:
    with pytest.raises(SpecError, match="if it is a file, there is none of that name"):
        kernel_from(name)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("box:", "box: expected parameters after ':', got nothing: drop the ':'"),
        ("box:two", "box: expected a whole number for size (pixels), got 'two'"),
        ("box:2.5", "box: expected a whole number for size (pixels), got '2.5'"),
        ("box:,", "box: expected a whole number for size (pixels), got ''"),
        ("gaussian:nan", "gaussian: expected a number for sigma (pixels), got 'nan'"),
        ("gaussian:inf", "gaussian: expected a number for sigma (pixels), got 'inf'"),
        ("gaussian:1e999", "gaussian: expected a number for sigma (pixels), got '1e999'"),
        ("gaussian:sigma=", "gaussian: expected a number for sigma (pixels), got ''"),
        ("gaussian:sigma=big", "gaussian: expected a number for sigma (pixels), got 'big'"),
        ("gaussian:siga=2", "gaussian: no parameter is called 'siga': it takes sigma, radius"),
        ("gaussian:=2", "gaussian: no parameter is called '': it takes sigma, radius"),
        ("gaussian:1,2,3", "gaussian: no place for '3': it takes sigma, radius"),
        ("gaussian:1,sigma=2", "gaussian: sigma is given twice: give it once"),
        ("sobel-x:3", "sobel-x: no place for '3': it takes no parameters"),
        ("sobel-x:size=3", "sobel-x: no parameter is called 'size': it takes no parameters"),
    ],
)
def test_parameters_that_are_wrong(spec: str, said: str) -> None:
    with pytest.raises(SpecError) as raised:
        kernel_from(spec)
    assert str(raised.value) == said


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(KernelError, match=r"nowhere\.json: the kernel file cannot be read"):
        kernel_from("nowhere.json")


@pytest.mark.parametrize(
    ("spec", "limit"),
    [
        ("+".join(["sobel-x"] * 65), "64 kernels joined by +, got 65"),
        ("+".join(["sobel-x"] * 1100), "64 kernels joined by +, got 1,100"),
        ("@" * 100_000, "64 modifiers, got 100,000"),
        ("<svg" + "+a@" * 30_000, "64 modifiers"),
        ("box" + "@45" * 65, "64 modifiers, got 65"),
        ("box:." + "1" * 100_000, "16,384 characters"),
        ("+a" * 50_000, "64 kernels"),
        ("3 3: " + "1 " * 50_000 + "+box", "16,384 characters"),
    ],
)
def test_a_specification_that_no_person_writes_is_refused_at_once(
    spec: str, limit: str
) -> None:
    start = time.process_time()
    with pytest.raises(SpecError, match=re.escape(f"expected at most {limit}")):
        operand_from(spec)
    assert time.process_time() - start < 1


def test_as_many_terms_and_modifiers_as_are_allowed() -> None:
    operator = operand_from("+".join(["sobel-x@negate"] * 64))
    assert isinstance(operator, Operator)
    assert len(operator.kernels) == 64
    assert (
        kernel_from("box" + "@90" * 64).weights.tolist() == kernel_from("box").weights.tolist()
    )


def test_an_inline_kernel_may_be_longer_than_a_name() -> None:
    assert kernel_from("[[" + "1," * 20_000 + "1]]").size == (1, 20_001)
    assert kernel_from("301x101: " + "1," * 30_400 + "1").size == (101, 301)

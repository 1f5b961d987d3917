import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from support.commands import PHOTOS, process

CAMERA = PHOTOS / "camera.png"


def test_every_kernel_has_a_name_and_a_description() -> None:
    listed = json.loads(process("kernels", "--json").stdout)
    named = {one["name"]: one["description"] for one in listed}
    assert convcli.kernels() == named


def test_the_function_kernels_stays_one_when_its_package_is_imported() -> None:
    code = "import convcli.kernels.spec; print(len(convcli.kernels()) > 50)"
    assert python("-c", code) == "True\n"


def test_a_kernel_by_name_or_weights() -> None:
    assert isinstance(convcli.kernel("sobel"), convcli.Operator)
    assert convcli.kernel([[1, 2]]) == convcli.Kernel([[1, 2]])


@pytest.mark.parametrize(
    "size", [{"w": 7, "k": 3, "s": 2, "p": 1}, {"w": 32, "k": 5, "p": "same"}]
)
def test_sizes_are_those_of_the_command(size: dict[str, int | str]) -> None:
    words = [word for name, value in size.items() for word in (f"--{name}", str(value))]
    assert convcli.output_size(**size) == int(process("size", *words, "-q").stdout)  # type: ignore[call-overload]


def test_a_size_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(convcli.GeometryError, match=r"got 16\.5"):
        convcli.output_size(width=32, kernel_size=3, stride=2, padding=1)
    assert convcli.output_size(width=32, kernel_size=3, stride=2, padding=1, floor=True) == 16


def test_parameters_by_hand() -> None:
    layer = convcli.count_parameters(in_channels=3, filters=64, kernel_size=3)
    assert (layer.weights, layer.biases, layer.total) == (1728, 64, 1792)


def test_one_pixel_is_explained_as_by_the_command() -> None:
    printed = process("explain", "sobel-x", CAMERA, "--at", "302,228", "--json").stdout
    expected = json.loads(printed)["channels"]
    explained = convcli.explain("sobel-x", CAMERA, at=(302, 228))
    assert [one.as_dict() for one in explained] == expected


def test_a_kernel_is_learnt_from_what_it_made() -> None:
    after = convcli.apply("scharr-x", CAMERA, raw=True).array
    learnt = convcli.learn(CAMERA, after)
    expected = np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]])
    assert np.allclose(learnt.kernel.weights, expected, atol=1e-6)


def test_a_stack_is_counted_as_by_the_command(tmp_path: Path) -> None:
    expected = json.loads(process("stack", "--preset", "vgg16", "--json").stdout)
    assert convcli.stack("vgg16").as_dict() == expected
    path = tmp_path / "own.json"
    path.write_text('{"in": "32x32x3", "layers": ["conv:64,k3,p1"]}')
    assert convcli.stack(str(path)).parameters == 1792
    assert convcli.stack(["conv:64,k3,p1"], size=(32, 32, 3)).parameters == 1792
    with pytest.raises(convcli.GeometryError, match="expected the input's size"):
        convcli.stack("conv:64,k3,p1")


SCRIPT = str(Path(__file__).with_name("user_script.py"))


def python(*words: str) -> str:
    """Run Python in a process of its own, which must say nothing on standard error."""
    ended = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    return ended.stdout


def test_a_script_that_uses_all_of_it_runs(tmp_path: Path) -> None:
    printed = python(SCRIPT, str(PHOTOS / "chelsea.png"), str(tmp_path / "out.png"))
    assert printed == f"{convcli.__version__} (150, 451, 3) 4 (9, 7) 224 224 (4, 4, 4)\n"


def test_a_script_that_uses_all_of_it_is_typed(pytestconfig: pytest.Config) -> None:
    # What has not changed since the last run of the tests is not read again.
    kept = pytestconfig.cache.mkdir("mypy")
    words = ["--strict", "--cache-dir", str(kept), "--config-file="]
    assert python("-m", "mypy", *words, SCRIPT).startswith("Success")


def test_the_library_loads_nothing_before_it_is_used() -> None:
    heavy = "{'numpy', 'PIL', 'click', 'rich'}"
    assert python("-c", f"import sys, convcli; print({heavy} & set(sys.modules))") == "set()\n"


ARRAY = np.zeros((300, 300))
LIBRARY: Any = convcli
"""The library as somebody uses it whose program is not typed."""


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: LIBRARY.stack(Path("a.json")), "Geometry", "layers: expected text, or a list"),
        (lambda: LIBRARY.stack(ARRAY), "Geometry", "layers: expected text, or a list"),
        (lambda: LIBRARY.stack("relu", 32), "Geometry", "in: expected rows x columns"),
        (lambda: LIBRARY.receptive_field("relu", 5, "8x8"), "Geometry", "unit: expected layer"),
        (lambda: LIBRARY.output_size(w="7", k=3), "Geometry", "width: expected a whole number"),
        (lambda: LIBRARY.output_size(w=[7, 8], k=3), "Geometry", "width: expected a whole"),
        (lambda: LIBRARY.output_size(w=ARRAY, k=3), "Geometry", "width: expected a whole"),
        (lambda: LIBRARY.output_size(w=7, h=7.5, k=3), "Geometry", "height: expected a whole"),
        (
            lambda: LIBRARY.count_parameters(in_channels="3", filters=8, kernel_size=3),
            "Geometry",
            "in_channels: expected a whole number, got '3'",
        ),
        (lambda: LIBRARY.pool(ARRAY, "max"), "Option", "pooling: expected 'max' or 'average'"),
        (lambda: LIBRARY.apply("box", ARRAY, range=ARRAY), "Option", "is not one of 'auto'"),
        (lambda: LIBRARY.explain("box", [[1]], at=3), "Option", "at: expected two whole"),
        (lambda: LIBRARY.animate("box", [[1]], at=ARRAY), "Option", "at: expected two whole"),
    ],
)
def test_a_wrong_kind_of_value_is_refused_in_one_short_line(
    call: Callable[[], object], error: str, said: str
) -> None:
    with pytest.raises(getattr(convcli, f"{error}Error"), match=re.escape(said)) as raised:
        call()
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 170


def test_an_array_of_several_lines_is_quoted_whole_where_it_is_short() -> None:
    with pytest.raises(convcli.OptionError) as caught:
        LIBRARY.explain("box", [[1]], at=np.arange(10).reshape(5, 2))
    assert str(caught.value).endswith("got array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]])")


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    for options in ({"bias": np.eye(3)}, {"border": "a\n  b"}):
        with pytest.raises(convcli.ConvcliError) as caught:
            convcli.apply("box", [[1, 2]], **options)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: LIBRARY.learn(p, p, method="newton"), "method: 'newton' is not one of"),
        (lambda p: LIBRARY.learn(p, p, steps=0), "steps: expected a whole number from 1"),
        (lambda p: LIBRARY.learn(p, p, seed=-1), "seed: expected a whole number of at least 0"),
        (lambda p: LIBRARY.animate("box", p, frames=0), "frames: expected a whole number from"),
        (lambda p: LIBRARY.animate("box", p, cells=17), "cells: expected a whole number from"),
        (lambda p: LIBRARY.animate("box", p, delay="x"), "delay: expected a whole number from"),
        (lambda p: LIBRARY.explain("box", p, at=(0, 0), channel=1.5), "channel: expected a wh"),
        (lambda p: LIBRARY.find("box", p, top=0), "top: expected a whole number of at least 1"),
        (lambda p: LIBRARY.apply("box", p, times=0), "times: expected a whole number from 1"),
    ],
)
def test_numbers_have_the_limits_of_the_command(call: Callable[..., Any], words: str) -> None:
    with pytest.raises(convcli.ConvcliError, match=words):
        call(np.ones((5, 5), np.uint8))

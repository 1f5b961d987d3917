"""Every refusal says what was expected, what came, and what to do, on one line."""

import re
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.errors import ConvcliError, GeometryError, ImageError, KernelError

IMAGE = np.zeros((5, 6), np.uint8)
COLOUR = np.zeros((5, 6, 3), np.uint8)
BOX = np.ones((3, 3))

REMEDY = re.compile(
    r"[:;,(] (?:or )?(?:add|check|choose|convert|crop|drop|give|leave|make|mend|name|pad|pass"
    r"|pick|reduce|remove|repeat|replace|scale|set|split|stack|take|transpose|use|write)\b"
)
"""A clause that starts with what to do."""


def message(kind: type[ConvcliError], image: Any, weights: Any, **settings: Any) -> str:
    with pytest.raises(kind) as raised:
        convcli.correlate(image, weights, **settings)
    said = str(raised.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("kind", "image", "weights", "settings", "expected_came"),
    [
        (GeometryError, IMAGE, np.ones((3, 7)), {}, ("7 px", "6 px")),
        (GeometryError, IMAGE, np.ones((7, 3)), {"padding": (0, 9)}, ("7 px", "5 px")),
        (GeometryError, IMAGE, BOX, {"dilation": 3}, ("7 px", "5 px")),
        (GeometryError, COLOUR, np.ones((1, 1, 3, 3)), {}, ("1", "3")),
        (GeometryError, IMAGE, np.ones((1, 3, 3, 3)), {}, ("3", "1")),
        (GeometryError, COLOUR, np.ones((2, 2, 3, 3)), {"groups": 2}, ("4", "3")),
        (GeometryError, np.zeros((5, 5, 4)), np.ones((3, 2, 3, 3)), {"groups": 2}, ("3", "2")),
        (GeometryError, IMAGE, BOX, {"stride": 0}, ("at least 1", "0")),
        (GeometryError, IMAGE, BOX, {"stride": (1, -2)}, ("at least 1", "-2")),
        (GeometryError, np.zeros((0, 5)), BOX, {}, ("at least one", "(0, 5")),
        (GeometryError, np.zeros((5, 0)), BOX, {}, ("at least one", "(5, 0")),
        (GeometryError, np.zeros((5, 5, 0)), BOX, {}, ("at least one", "(5, 5, 0)")),
        (KernelError, IMAGE, [[1, np.nan]], {}, ("finite", "nan")),
        (KernelError, IMAGE, [[1], [-np.inf]], {}, ("finite", "-inf")),
        (KernelError, IMAGE, BOX, {"bias": [1, 2]}, ("one number", "2")),
        (KernelError, COLOUR, BOX, {"bias": [1, 2]}, ("3", "2")),
        (KernelError, COLOUR, np.ones((2, 3, 3, 3)), {"bias": [1, 2, 3]}, ("2", "3")),
        (KernelError, IMAGE, BOX, {"bias": [[1]]}, ("one number", "(1, 1)")),
        (ImageError, IMAGE.astype(complex), BOX, {}, ("integers", "complex128")),
    ],
)
def test_expected_came_and_remedy(
    kind: type[ConvcliError],
    image: Any,
    weights: Any,
    settings: dict[str, Any],
    expected_came: tuple[str, str],
) -> None:
    said = message(kind, image, weights, **settings)
    expected, came = expected_came
    assert said.index(expected) != said.rindex(came), f"the same words of: {said}"
    assert REMEDY.search(said), f"no remedy in: {said}"


@pytest.mark.parametrize(
    ("kind", "settings", "known", "came"),
    [
        (GeometryError, {"border": "banana"}, "replicate", "'banana'"),
        (GeometryError, {"border": "mirror"}, "symmetric", "'mirror'"),
        (GeometryError, {"padding": "SAME"}, "'same'", "'SAME'"),
        (ConvcliError, {"method": "magic"}, "direct", "'magic'"),
        (ImageError, {"dtype": "banana"}, "dtype", "'banana'"),
        (ImageError, {"dtype": "complex64"}, "integer", "complex64"),
        (ImageError, {"dtype": bool}, "integer", "bool"),
        (ImageError, {"dtype": object}, "integer", "object"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(
    kind: type[ConvcliError], settings: dict[str, Any], known: str, came: str
) -> None:
    said = message(kind, IMAGE, BOX, **settings)
    assert "expected" in said
    assert known in said
    assert came in said


@pytest.mark.parametrize(
    ("settings", "came"),
    [
        ({"stride": 1.5}, "1.5"),
        ({"stride": "2"}, "'2'"),
        ({"stride": True}, "True"),
        ({"stride": (1, 1, 1)}, "(1, 1, 1)"),
        ({"stride": None}, "None"),
        ({"dilation": 0}, "0"),
        ({"dilation": 0.5}, "0.5"),
        ({"padding": -1}, "-1"),
        ({"padding": (0, -3)}, "-3"),
        ({"padding": ((1, 2, 3), 0)}, "(1, 2, 3)"),
        ({"padding": (1, 2, 3)}, "(1, 2, 3)"),
        ({"padding": 0.5}, "0.5"),
        ({"padding": None}, "None"),
        ({"groups": 0}, "0"),
        ({"groups": -1}, "-1"),
        ({"groups": 2}, "2"),
        ({"groups": 1.5}, "1.5"),
        ({"groups": "2"}, "'2'"),
        ({"fill": np.nan}, "nan"),
        ({"fill": np.inf}, "inf"),
        ({"fill": "black"}, "black"),
        ({"fill": None}, "None"),
    ],
)
def test_settings_of_a_wrong_form(settings: dict[str, Any], came: str) -> None:
    said = message(GeometryError, IMAGE, BOX, **settings)
    assert "expected" in said
    assert came in said


@pytest.mark.parametrize(
    ("image", "came"),
    [
        (np.zeros(5), "1 dimension"),
        (np.zeros((1, 2, 3, 4)), "4 dimensions"),
        (3, "0 dimensions"),
        ([[1, 2], [3]], "ragged"),
        ([["black", "white"]], "<U5"),
        (np.array([[None]]), "object"),
        (np.zeros((5, 5), "M8[s]"), "datetime64"),
    ],
)
def test_images_that_are_none(image: Any, came: str) -> None:
    said = message(ConvcliError, image, BOX)
    assert said.startswith("image: expected")
    assert came in said


@pytest.mark.parametrize(
    ("weights", "came"),
    [
        ([1, 2, 1], "1 dimension"),
        (np.ones((1, 3, 3)), "3 dimensions"),
        (np.ones((0, 3)), "(0, 3)"),
        (np.ones((2, 0, 3, 3)), "(2, 0, 3, 3)"),
        ([[1, 2], [3]], "ragged"),
        ([["1"]], "<U1"),
        ([[1j]], "complex128"),
        (None, "object"),
        (np.broadcast_to(1.0, (2049, 2048)), "4,196,352"),
    ],
)
def test_weights_that_are_none(weights: Any, came: str) -> None:
    said = message(KernelError, IMAGE, weights)
    assert said.startswith("weights: expected")
    assert came in said


@pytest.mark.parametrize("bias", ["x", 1j, [1, None], np.nan, [np.inf], [[1], [1, 2]]])
def test_a_bias_that_is_no_number(bias: Any) -> None:
    said = message(KernelError, IMAGE, BOX, bias=bias)
    assert said.startswith("bias: expected")


@pytest.mark.parametrize("pair", [[2, 1], np.array([2, 1]), (np.int64(2), np.uint8(1))])
def test_pairs_may_be_lists_and_arrays(pair: Any) -> None:
    """A size that came out of NumPy goes in again."""
    assert convcli.correlate(IMAGE, BOX, stride=pair).shape == (2, 4)
    assert convcli.correlate(IMAGE, BOX, padding=pair).shape == (7, 6)
    assert convcli.correlate(IMAGE, np.ones((2, 2)), dilation=pair).shape == (3, 5)


def test_the_place_of_the_first_bad_weight_is_named() -> None:
    bank = np.ones((2, 1, 2, 2))
    bank[1, 0, 1, 0] = np.nan
    assert "weights[1][0][1][0]" in message(KernelError, IMAGE, bank)


def test_convolve_refuses_alike() -> None:
    with pytest.raises(KernelError, match=r"weights\[0\]\[1\]: expected a finite number"):
        convcli.convolve(IMAGE, [[1, np.nan]])


def test_all_errors_are_one_family() -> None:
    for kind in (GeometryError, ImageError, KernelError, convcli.SpecError):
        assert issubclass(kind, ConvcliError)


@pytest.mark.parametrize(
    "settings",
    [
        {"stride": 1.5},
        {"padding": -1},
        {"padding": "some"},
        {"dilation": 0},
        {"bias": np.nan},
        {"bias": "x"},
        {"groups": 0},
        {"fill": np.inf},
        {"border": "none"},
        {"dtype": "bits"},
        {"jobs": "x"},
        {"jobs": 1.5},
        {"jobs": True},
        {"jobs": 0},
    ],
)
def test_each_message_ends_with_what_to_do(settings: dict[str, Any]) -> None:
    text = message(ConvcliError, np.ones((4, 4)), np.ones((3, 3)), **settings)
    place, _, remedy = text.rpartition(": ")
    assert place.startswith(f"{next(iter(settings))}: expected ")
    assert remedy.split()[0] in {"use", "give", "round", "cut", "leave", "replace"}


@pytest.mark.parametrize("weights", [[1, 2, 1], [[1j]], [["a"]], np.ones((0, 3))])
def test_weights_of_a_wrong_form_come_with_the_remedy(weights: Any) -> None:
    text = message(KernelError, np.ones((4, 4)), weights)
    assert text.rpartition(": ")[2].split()[0] in {"write", "take", "add"}


@pytest.mark.parametrize("value", [True, 1.0, (1.0, 1), (True, 1)])
@pytest.mark.parametrize("setting", ["stride", "dilation", "padding"])
def test_what_equals_a_valid_setting_is_refused_after_it_too(setting: str, value: Any) -> None:
    """What was planned before is looked up, and Python takes True, 1.0 and 1 for the same."""
    plain: Any = (1, 1) if isinstance(value, tuple) else 1
    convcli.correlate(np.ones((4, 4)), np.ones((3, 3)), **{setting: plain})
    with pytest.raises(GeometryError):
        convcli.correlate(np.ones((4, 4)), np.ones((3, 3)), **{setting: value})


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        ([[1.0, 2.0]], {"padding": 10**8}),
        (np.zeros((1, 1, 300)), {"padding": 10**8}),
    ],
)
def test_what_no_memory_holds(image: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(convcli.ImageError, match="not enough memory: use a smaller"):
        convcli.correlate(image, [[1]], **settings)


def test_a_transposed_result_that_no_memory_holds() -> None:
    with pytest.raises(convcli.ImageError, match="not enough memory: use a smaller"):
        convcli.correlate_transposed(np.ones((2, 2)), [[1]], stride=10**8)

"""Frozen values with named fields."""

import functools
import inspect
import pickle

import pytest

from convcli.values import Record, asdict, replace


class Crop(Record):
    """A part of a picture, for these tests."""

    left: int
    right: int
    label: str = "whole"

    def __post_init__(self) -> None:
        if self.right < self.left:
            raise ValueError("expected left before right")

    @property
    def width(self) -> int:
        """How wide it is."""
        return self.right - self.left


class Told(Record, kw_only=True):
    """Made by name only; a field without a default may follow one with it."""

    left: int = 3
    right: int


def test_fields_are_given_by_position_or_name() -> None:
    crop = Crop(2, right=9)
    assert (crop.left, crop.right, crop.label, crop.width) == (2, 9, "whole", 7)
    assert repr(crop) == "Crop(left=2, right=9, label='whole')"
    assert asdict(Told(right=4)) == {"left": 3, "right": 4}


@pytest.mark.parametrize(
    ("values", "named", "got"),
    [
        ((), {}, "()"),
        ((1, 2, "a", "b"), {}, "(1, 2, 'a', 'b')"),
        ((1, 2), {"left": 1}, "(1, 2, left=…)"),
        ((1, 2), {"top": 1}, "(1, 2, top=…)"),
    ],
)
def test_what_does_not_fit_is_refused(
    values: tuple[object, ...], named: dict[str, object], got: str
) -> None:
    with pytest.raises(TypeError) as caught:
        Crop(*values, **named)  # type: ignore[arg-type]
    expected = "(left: int, right: int, label: str = 'whole')"
    assert str(caught.value) == f"Crop: expected {expected}, got {got}"


def test_keywords_only_means_just_that() -> None:
    with pytest.raises(TypeError, match="expected"):
        Told(1, 2)  # type: ignore[call-arg]


def test_a_record_does_not_change() -> None:
    crop = Crop(2, 9)
    with pytest.raises(AttributeError, match="left cannot be changed"):
        crop.left = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="left cannot be removed"):
        del crop.left
    with pytest.raises(AttributeError):
        crop.top = 3


def test_records_are_equal_by_their_fields_and_kind() -> None:
    assert Crop(2, 9) == Crop(2, 9, "whole")
    assert Crop(2, 9) != Crop(2, 8)
    assert Told(left=2, right=9) != Crop(2, 9)
    assert {Crop(2, 9): "found"}[Crop(2, 9)] == "found"


def test_a_change_makes_another_record_which_is_checked_again() -> None:
    crop = Crop(2, 9)
    assert replace(crop, left=5) == Crop(5, 9)
    assert crop == Crop(2, 9)
    with pytest.raises(ValueError, match="left before right"):
        replace(crop, right=0)


def _sent(record: Record) -> object:
    return pickle.loads(pickle.dumps(record))  # noqa: S301 - our own


def test_records_travel_to_other_processes() -> None:
    assert _sent(Crop(2, 9, "part")) == Crop(2, 9, "part")
    assert _sent(Told(right=9)) == Told(right=9)


def test_help_shows_the_fields() -> None:
    assert list(inspect.signature(Crop).parameters) == ["left", "right", "label"]
    kinds = {field.kind for field in inspect.signature(Told).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


class Squared(Record):
    side: int

    @functools.cached_property
    def area(self) -> list[int]:
        """A new list each time that it is made."""
        return [self.side**2]


def test_what_a_record_caches_is_its_own_and_stays_behind() -> None:
    square, other = Squared(3), Squared(3)
    assert square.area == [9]
    assert square.area is square.area
    assert square == other
    assert hash(square) == hash(other)
    sent = pickle.loads(pickle.dumps(square))  # noqa: S301 - our own
    assert "area" not in vars(sent)
    assert sent.area == [9]
    with pytest.raises(AttributeError, match="frozen"):
        square.side = 4  # type: ignore[misc]


class Pixel(Record):
    x: int
    y: int = 0


class Coloured(Pixel):
    colour: str = "red"


class Moved(Pixel):
    """Adds nothing but what it does."""

    def left(self) -> int:
        """Return where it would be."""
        return self.x - 1


def test_a_record_that_inherits_has_all_fields() -> None:
    assert (Coloured(1).x, Coloured(1).y, Coloured(1).colour) == (1, 0, "red")
    assert Coloured(1, 2, "blue") == Coloured(x=1, y=2, colour="blue")
    assert replace(Coloured(1), y=5) == Coloured(1, 5)
    assert Coloured(1) != Pixel(1)
    assert repr(Moved(3)) == "Moved(x=3, y=0)"
    assert Moved(3).left() == 2
    assert _sent(Coloured(1, 2)) == Coloured(1, 2)
    with pytest.raises(
        TypeError, match=r"expected \(x: int, y: int = 0, colour: str = 'red'\)"
    ):
        Coloured()  # type: ignore[call-arg]

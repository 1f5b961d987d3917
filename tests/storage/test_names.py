"""What a name means: a path, a URL, a pattern, a numbered output."""

import pytest

from convcli.storage import urls
from convcli.storage.urls import FRAME, MAP


@pytest.mark.parametrize(
    ("name", "is_url", "is_pattern", "is_zarr"),
    [
        ("photo.jpg", False, False, False),
        ("s3://bucket/photo.jpg", True, False, False),
        ("filecache::s3://bucket/a.tif", True, False, False),
        ("C://photo.jpg", False, False, False),
        ("*.jpg", False, True, False),
        ("page[0-9].png", False, True, False),
        ("[draft.png", False, False, False),
        ("scan.zarr", False, False, True),
        ("scan.zarr/0", False, False, True),
        ("scan.zarr.tif", False, False, False),
    ],
)
def test_names(name: str, *, is_url: bool, is_pattern: bool, is_zarr: bool) -> None:
    found = urls.is_url(name), urls.is_pattern(name), urls.is_zarr(name)
    assert found == (is_url, is_pattern, is_zarr)
    assert is_url or urls.local_path(name) == name


@pytest.mark.parametrize(
    ("target", "field", "seventh"),
    [
        ("a-{frame:03}.png", FRAME, "a-007.png"),
        ("a-{frame}.png", FRAME, "a-7.png"),
        ("a-{map}-{frame}.png", MAP, "a-7-{frame}.png"),
        ("out.png", MAP, "out.png"),
    ],
)
def test_numbered_outputs(target: str, field: str, seventh: str) -> None:
    assert urls.numbered(target, field, 7) == seventh
    assert urls.has_number(target, field) == (seventh != target)
    expected = target.replace("{frame:03}", "000").replace("{frame}", "0").replace("{map}", "0")
    assert urls.first_output(target) == expected


def test_a_field_that_means_nothing() -> None:
    assert urls.unknown_field("a-{frame}-{mop}.png") == "{mop}"
    assert urls.unknown_field("{x}/map-{map}.png") is None

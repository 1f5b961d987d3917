"""Paths and URLs are joined, and taken apart, alike."""

from pathlib import Path

import pytest

from convcli.batch.places import name_parts, place_below


def test_names_are_put_below_a_place() -> None:
    assert place_below("s3://bucket/out", "", "a.png") == "s3://bucket/out/a.png"
    assert place_below("s3://bucket/out/", "b", "a.png") == "s3://bucket/out/b/a.png"
    assert place_below("out", "", "a.png") == "out/a.png"


def test_the_parts_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "summer").mkdir()
    monkeypatch.chdir(tmp_path / "summer")
    for place in ("/photos/summer/a.b.jpg", "s3://bucket/summer/a.b.jpg", "a.b.jpg"):
        assert name_parts(place) == ("summer", "a.b", ".jpg")
    for place in ("./a.jpg", "x/../a.jpg", "../summer/a.jpg", "/summer//a.jpg"):
        assert name_parts(place) == ("summer", "a", ".jpg")
    assert name_parts("/summer/.hidden") == ("summer", ".hidden", "")
    assert name_parts("/summer/noend") == ("summer", "noend", "")

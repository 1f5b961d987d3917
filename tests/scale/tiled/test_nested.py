"""No array is made inside another; of the folders that an array is in none is listed."""

import json
from pathlib import Path
from typing import Any

import pytest

from convcli.batch.manifest import claimed
from convcli.batch.places import output_key
from convcli.errors import ConvcliError
from convcli.pipeline.options import Options
from support.commands import process, script
from support.s3_server import Bucket
from support.scenes import filter_large, operands, picture, write_tiff, write_zarr, zarr
from support.web_servers import refusing

LISTED = """
import sys

listed = []
sys.addaudithook(
    lambda event, words: listed.append(str(words[0]))
    if event in ("os.listdir", "os.scandir")
    else None
)
from convcli.cli.app import main

main(["apply", "box:3", *sys.argv[1:], "--quiet"], standalone_mode=False)
print("\\n".join(listed))
"""
"""Runs the program, and prints which folders it has listed."""


def filtered(folder: Path, target: str | Path) -> Any:
    source = write_tiff(folder / "in.tif", picture((120, 130)))
    return filter_large(operands(["box:3"]), source, str(target), Options(jobs=1))


def refused(folder: Path, target: str | Path, array: str | Path) -> None:
    with pytest.raises(ConvcliError) as caught:
        filtered(folder, target)
    assert str(caught.value) == (
        f"{target}: cannot be written: {array} is one output with all that is in it: "
        "name a folder elsewhere"
    )


def group(place: str | Path, **arrays: Any) -> None:
    opened = zarr.create_group(str(place))
    for name, values in arrays.items():
        opened.create_array(name, data=values)


@pytest.mark.parametrize("array", ["a.zarr", "plain", "group.zarr/0"])
@pytest.mark.parametrize("below", ["out.zarr", "c/out.zarr", "c/0/b.zarr/out.zarr"])
def test_an_array_on_disk(array: str, below: str, tmp_path: Path) -> None:
    group(tmp_path / "group.zarr")
    write_zarr(tmp_path / array, picture((9, 9)), (9, 9))
    before = sorted((tmp_path / array).rglob("*"))
    refused(tmp_path, tmp_path / array / below, tmp_path / array)
    assert sorted((tmp_path / array).rglob("*")) == before


def test_an_array_of_the_older_version(tmp_path: Path) -> None:
    zarr.create_array(
        str(tmp_path / "a.zarr"), data=picture((9, 9)), chunks=(9, 9), zarr_format=2
    )
    refused(tmp_path, tmp_path / "a.zarr/b/out.zarr", tmp_path / "a.zarr")


@pytest.mark.parametrize("below", ["out.zarr", "c/out.zarr", "c/0/b.zarr/out.zarr/"])
def test_an_array_in_the_memory_of_this_process(below: str, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="URLs need the extra cluster")
    store = fsspec.filesystem("memory").store
    store.clear()
    array = "memory://b/array.zarr"
    zarr.create_array(array, data=picture((9, 9)), chunks=(9, 9))
    before = sorted(store)
    refused(tmp_path, f"{array}/{below}", array)
    assert sorted(store) == before


@pytest.mark.parametrize("below", ["out.zarr", "c/out.zarr"])
def test_an_array_in_a_bucket(
    below: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.settings.items():
        monkeypatch.setenv(name, value)
    facts = {"zarr_format": 3, "node_type": "array"}
    array = bucket.put("a.zarr/zarr.json", json.dumps(facts).encode()).rpartition("/")[0]
    refused(tmp_path, f"{array}/{below}", array)
    assert bucket.keys() == ["a.zarr/zarr.json"]


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_group_takes_more_arrays(place: str, tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="URLs need the extra cluster")
    above = f"{tmp_path}/g.zarr" if place == "disk" else "memory://groups/g.zarr"
    group(above, first=picture((9, 9)))
    filtered(tmp_path, f"{above}/second")
    names = sorted(zarr.open_group(above, mode="r").array_keys())
    assert names == ["first", "second"]


def test_two_processes_write_each_to_its_own_memory(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="URLs need the extra cluster")
    source = write_tiff(tmp_path / "in.tif", picture((120, 130)))
    for target, status in (("memory://claimed.zarr", 0), (f"{tmp_path}/claimed.zarr", 1)):
        with claimed([output_key(target)], overwrite=False):
            assert process("apply", "box:3", source, target, "--tiled").returncode == status


def test_a_group_whose_facts_may_not_be_read(bucket: Bucket, tmp_path: Path) -> None:
    """Who may write below it need not be allowed to look at it."""
    source = write_tiff(tmp_path / "in.tif", picture((120, 130)))
    with refusing(bucket.endpoint, r"(GET|HEAD) /[^/]+/g\.zarr/(zarr\.json|\.zarray)") as at:
        settings = {**bucket.settings, "AWS_ENDPOINT_URL": at}
        words = ("apply", "box:3", source, bucket.url("g.zarr/0"), "--tiled", "--quiet")
        ended = process(*words, **settings)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert "g.zarr/0/zarr.json" in bucket.keys()  # noqa: SIM118 - no dict


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in", "in.zarr"])
def test_the_folder_that_an_array_is_in_is_listed_for_leftovers_alone(
    name: str, tmp_path: Path
) -> None:
    source = write_tiff(tmp_path / "in.tif", picture((120, 130)))
    folder = tmp_path / name
    folder.mkdir(mode=0o311)
    ended = script(LISTED, source, folder / "out.zarr", folder=tmp_path.parent)
    assert (ended.returncode, ended.stderr) == (0, "")
    # Once for leftovers, once for a run that was stopped.
    assert ended.stdout.splitlines().count(str(folder)) <= 2
    assert zarr.open_array(str(folder / "out.zarr"), mode="r").shape == (120, 130)
    folder.chmod(0o755)


@pytest.mark.parametrize("facts", [[{"datasets": [{}]}], [{"datasets": 3}], [7], {"a": 1}])
def test_what_others_say_of_levels_is_no_fault_of_ours(facts: Any, tmp_path: Path) -> None:
    """An array is replaced, whatever its attributes say; a group of no known levels stays."""
    said = {"attributes": {"ome": {"multiscales": facts}}}
    for name in ("array", "group"):
        (tmp_path / f"{name}.zarr").mkdir()
        text = json.dumps({"node_type": name, **said})
        (tmp_path / f"{name}.zarr" / "zarr.json").write_text(text)
    filtered(tmp_path, tmp_path / "array.zarr")
    assert zarr.open_array(str(tmp_path / "array.zarr"), mode="r").shape == (120, 130)
    with pytest.raises(ConvcliError, match="a folder with other things in it"):
        filtered(tmp_path, tmp_path / "group.zarr")

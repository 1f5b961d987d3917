"""Jobs are listed on the disk, and refused where they would get into each other's way."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.batch import places, run
from convcli.batch.job import FileJob
from convcli.batch.places import same_file_key
from convcli.batch.run import JobList
from convcli.errors import BatchError
from support.commands import script

LISTED = """\
import sys
from pathlib import Path
from convcli.batch.job import FileJob
from convcli.batch.run import JobList
jobs = (FileJob(f"/in/{n}.png", f"/out/{n}.png") for n in range(int(sys.argv[1])))
with JobList(jobs) as listing:
    listing.check(may_exist=False)
    sum(1 for _ in listing)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""
"""Prints the peak of a process that lists and checks so many jobs."""

LIMITED = """\
import resource
import sys
from convcli.cli.app import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
main(sys.argv[1:], prog_name="convcli")
"""
"""The program, where no file may have more than a tenth of a megabyte."""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a picture in a folder, and be in it."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(jobs: list[FileJob], *, may_exist: bool = True) -> str:
    with JobList(jobs) as listing, pytest.raises(BatchError) as caught:
        listing.check(may_exist=may_exist)
    return str(caught.value)


def test_a_listing_gives_its_jobs_back_as_often_as_asked() -> None:
    odd = ["a b", "two\nlines", "grüße", os.fsdecode(b"\xff"), "-", "x" * 255]
    jobs = [FileJob(f"{n}{name}", f"out/{name}") for name in odd for n in range(500)]
    with JobList(iter(jobs)) as listing:
        assert len(listing) == 3000
        first, second = iter(listing), iter(listing)
        assert next(first) == next(second) == jobs[0]
        assert list(listing) == jobs
        assert list(first) == jobs[1:]


@pytest.mark.usefixtures("tree")
def test_two_inputs_with_one_output_are_refused() -> None:
    said = refused([FileJob("x/a.png", "out/a.png"), FileJob("y/a.png", "./out/../out/a.png")])
    assert said.startswith("x/a.png and y/a.png would both be written to ")


@pytest.mark.usefixtures("tree")
def test_an_input_that_is_given_twice_is_refused() -> None:
    assert "photos/./b.png: the input is given twice" in refused(
        [FileJob("photos/b.png", "out/b.png"), FileJob("photos/./b.png", "out/b.png")]
    )


def test_a_link_to_a_folder_hides_no_collision(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "photos")
    assert "would both" in refused(
        [FileJob("1.png", "link/a.png"), FileJob("2.png", "photos/a.png")]
    )


@pytest.mark.usefixtures("tree")
def test_an_output_that_is_another_input_is_refused() -> None:
    said = refused([FileJob("a.png", "b.png"), FileJob("b.png", "c.png")])
    assert said.startswith("b.png: the output of a.png is another input")


@pytest.mark.usefixtures("tree")
def test_an_output_that_is_its_own_input_is_no_collision() -> None:
    with JobList([FileJob("photos/b.png", "photos/b.png")]) as listing:
        listing.check(may_exist=True)


def test_outputs_that_exist_are_refused_and_counted(tree: Path) -> None:
    (tree / "gone.png").symlink_to("nowhere")
    jobs = [
        FileJob(str(n), name) for n, name in enumerate(["photos/b.png", "x.png", "gone.png"])
    ]
    said = refused(jobs, may_exist=False)
    assert said.startswith("photos/b.png: the output exists (and 1 more outputs)")


def test_the_first_map_stands_for_all(tree: Path) -> None:
    (tree / "a-0.png").write_bytes(b"")
    assert "exists" in refused([FileJob("a.png", "a-{map}.png")], may_exist=False)


def test_names_differ_as_the_disk_says(tree: Path) -> None:
    # On most disks of Linux A is not a; on those of Windows and macOS it is.
    folds = (tree / "PHOTOS").exists()
    assert (same_file_key("photos/B.png") == same_file_key("photos/b.png")) is folds


# ------------------------------------------------------------------ any number of jobs

NAMES = st.sampled_from(["/x/a", "/x/b", "/x/c", "/x/y/../a", "/x/./b", "/y/a"])


def expected(jobs: list[FileJob]) -> str:
    """Say, by comparing each job with each, how a refusal begins; empty where there is none."""
    same = {name: os.path.normpath(name) for job in jobs for name in (job.source, job.target)}
    for later, job in enumerate(jobs):
        for first in jobs[:later]:
            if same[first.target] == same[job.target]:
                if same[first.source] == same[job.source]:
                    return f"{job.source}: the input is given twice"
                return f"{first.source} and {job.source} would both be written to {job.target}"
    for job in jobs:
        others = {same[other.source] for other in jobs} - {same[job.source]}
        if same[job.target] in others:
            return f"{job.target}: the output of {job.source} is another input"
    return ""


@given(st.lists(st.builds(FileJob, NAMES, NAMES), max_size=5))
def test_refusals_are_those_of_comparing_each_job_with_each(jobs: list[FileJob]) -> None:
    wanted, said = expected(jobs), ""
    with JobList(jobs) as listing:
        try:
            listing.check(may_exist=True)
        except BatchError as error:
            said = str(error)
    assert (said.startswith(wanted), bool(said)) == (True, bool(wanted))


@pytest.mark.slow
def test_collisions_are_found_far_apart() -> None:
    jobs = [FileJob(f"/in/{n}", f"/out/{n}") for n in range(20_000)]
    assert "/in/7 and /other would both" in refused([*jobs, FileJob("/other", "/out/7")])
    assert "/in/19999: the output of /other is" in refused(
        [FileJob("/other", "/in/19999"), *jobs]
    )
    assert "/in/3: the input is given twice" in refused([*jobs, *jobs[3:]])


def test_collisions_are_found_in_more_folders_than_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "_MOST_FOLDERS", 2)
    jobs = [FileJob(f"/in/{n}/a", f"/out/{n}/a") for n in range(9)]
    assert refused([*jobs, FileJob("/in/9/a", "/out/0/a")]).startswith("/in/0/a and /in/9/a")
    said = refused([*jobs, FileJob("/in/9/a", "/in/0/a")])
    assert said.startswith("/in/0/a: the output of /in/9/a is another input")


def test_outputs_beside_their_inputs_are_compared_as_they_come() -> None:
    jobs = [FileJob(f"/in/{n:03}.png", f"/in/{n:03}-soft.png") for n in range(100)]
    with JobList(jobs) as listing:
        listing.check(may_exist=True)
    said = refused([*jobs, FileJob("/in/x.png", "/in/007.png")])
    assert said.startswith("/in/007.png: the output of /in/x.png is another input")
    said = refused([FileJob("/a/x.png", "/in/007.png"), *jobs])
    assert said.startswith("/in/007.png: the output of /a/x.png is another input")
    said = refused([*jobs, FileJob("/in/x.png", "/in/007-soft.png")])
    assert said.startswith("/in/007.png and /in/x.png would both be written to ")


def test_existing_outputs_are_found_in_a_folder_of_more_names_than_are_remembered(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "photos" / "c.png").write_bytes(b"")
    jobs = [FileJob(name, f"photos/{name}") for name in ("a.png", "b.png", "c.png")]
    for most in (1, 100):
        monkeypatch.setattr(places, "_MOST_NAMES", most)
        said = refused(jobs, may_exist=False)
        assert said.startswith("photos/b.png: the output exists (and 1 more outputs)")


def test_an_empty_list_has_no_jobs() -> None:
    with JobList([]) as listing:
        listing.check(may_exist=False)
        assert (len(listing), list(listing)) == (0, [])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from Linux's /proc")
def test_memory_does_not_grow_with_the_jobs() -> None:
    def peak(jobs: int) -> int:
        ran = script(LISTED, str(jobs), anew=True)
        ran.check_returncode()
        return int(ran.stdout)

    # The jobs would take 25 MB; a MiB of the list is held, and four are sorted at a time.
    assert peak(100_000) - peak(1_000) < 7_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="Linux limits the size of files")
def test_a_disk_without_room_for_the_list_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("".join(f"{n}.png\n" for n in range(20_000)))
    words = ["apply", "box", "--files-from", "list", "--out-dir", "out"]
    ran = script(LIMITED, *words, folder=tmp_path, anew=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Error: the list of files cannot be kept on the disk: ")
    assert len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()

"""Clusters that cannot do the work say why on one line; a file that kills workers is found."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import begun, environment, process, refusal, save, script
from support.dask_cluster import HASTY, Cluster, hurry
from support.held import Held, contents
from support.s3_server import Bucket
from support.waiting import PATIENCE

pytestmark = pytest.mark.servers

pytest.importorskip("distributed", reason="--cluster needs the extra cluster")

WITHOUT = """\
import sys
sys.modules["distributed"] = None
from convcli.cli.app import main
main(sys.argv[1:])
"""

LISTENING = """\
import logging, sys
from convcli.scale.cluster import connected
with connected(sys.argv[1], 0):
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    print(len(names), [n for n in names if logging.getLogger(n).isEnabledFor(logging.ERROR)])
"""


def said(code: str, *words: str | Path) -> str:
    """Run the program by other means, which must fail with one line; return that."""
    ended = script(code, *words)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
    return ended.stderr.removeprefix("Error: ").removesuffix("\n")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "in.png", [[10, 20, 30]])


@pytest.mark.parametrize("address", ["", "local:0", "local:x", "localhost", "tcp://host", "4"])
def test_what_is_no_address(source: Path, address: str) -> None:
    line = refusal("apply", "box", source, "--out-dir", "o", "--cluster", address, status=2)
    assert "expected tcp://HOST:PORT of a Dask scheduler, or local:N, got" in line


def test_options_of_a_batch_need_a_folder(source: Path) -> None:
    line = refusal("apply", "box", source, "o.png", "--cluster", "local:2", status=2)
    assert line.startswith("--cluster is for many pictures: add --out-dir DIR")


def test_without_the_extra(source: Path, tmp_path: Path) -> None:
    words = ("apply", "box", source, "--out-dir", tmp_path / "o", "--cluster", "local:2")
    assert said(WITHOUT, *words) == (
        "--cluster needs the package distributed: pip install '.[cluster]'"
    )


def test_a_scheduler_that_does_not_answer(source: Path, tmp_path: Path) -> None:
    words = ("apply", "box", source, "--out-dir", tmp_path / "o", "--cluster")
    line = said(HASTY, *words, "tcp://127.0.0.1:1")
    assert line.startswith("tcp://127.0.0.1:1: no scheduler answers: Timed out")
    assert line.endswith("check the address, and that `dask scheduler` runs there")


def test_encryption_without_certificates(source: Path, tmp_path: Path) -> None:
    words = ("apply", "box", source, "--out-dir", tmp_path / "o", "--cluster")
    line = said(HASTY, *words, "tls://127.0.0.1:1")
    assert line.startswith("tls://127.0.0.1:1: tls:// needs certificates")


def test_a_cluster_without_workers(lonely: Cluster, source: Path, tmp_path: Path) -> None:
    words = ("apply", "box", source, "--out-dir", tmp_path / "o", "--cluster")
    assert said(HASTY, *words, lonely.address) == (
        f"{lonely.address}: the cluster has no workers: start some with "
        f"`dask worker {lonely.address}`"
    )


def test_nothing_that_dask_logs_stands_in_a_report(cluster: Cluster) -> None:
    number, loud = script(LISTENING, cluster.address).stdout.split(maxsplit=1)
    assert int(number) > 10
    assert loud == "[]\n"


def test_a_worker_that_does_not_see_the_paths(lonely: Cluster, tmp_path: Path) -> None:
    """Each process has a working folder of its own: what one sees there, no other does."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    save(here / "in.png", [[1]])
    lonely.start_worker(folder=there)
    cwd = Path("/proc/self/cwd")
    if not cwd.exists():  # Only Linux has such a name.
        return
    words = ("apply", "box", "--cluster", lonely.address, "--out-dir")
    for unseen, out, name in (
        (cwd / "in.png", here / "out", cwd / "in.png"),
        (cwd / "out", cwd / "out", here / "in.png"),
    ):
        ended = process(*words, out, name, folder=here)
        assert ended.returncode == 1
        line = ended.stderr.decode()
        assert line.startswith("Error: the worker tcp://127.0.0.1:")
        assert f" does not see {unseen}, this machine does: share the folder" in line
        assert len(line.splitlines()) == 1
    assert list(there.iterdir()) == list((here / "out").iterdir()) == []


def test_a_worker_that_does_not_see_the_store(
    lonely: Cluster, source: Path, bucket: Bucket
) -> None:
    """A token is put into the store: the worker cannot read it, and it is gone at the end."""
    lonely.settings["AWS_EC2_METADATA_DISABLED"] = "true"
    lonely.start_worker()
    words = ("apply", "box", source, "--out-dir", bucket.url("out"), "--cluster")
    ended = process(*words, lonely.address, **bucket.settings)
    line = ended.stderr.decode()
    assert (ended.returncode, len(line.splitlines())) == (1, 1)
    assert f" does not see {bucket.url('out')}, this machine does (s3://" in line
    assert line.endswith("): give it the same access to the store\n")
    assert bucket.keys() == []


def test_a_worker_of_another_version(
    lonely: Cluster, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "other" / "convcli-99.dist-info" / "METADATA"
    facts.parent.mkdir(parents=True)
    facts.write_text("Metadata-Version: 2.1\nName: convcli\nVersion: 99\n")
    monkeypatch.syspath_prepend(tmp_path / "other")
    lonely.start_worker()
    words = ("apply", "box", source, "--out-dir", tmp_path / "o", "--cluster", lonely.address)
    ended = process(*words)
    assert ended.returncode == 1
    assert b" has convcli 99, here is " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_late_workers_are_admitted_or_refused_and_a_hung_one_is_left_aside(
    lonely: Cluster, photos: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """Another disk or another version gets no file; the files of a stopped one go elsewhere."""
    out, facts = tmp_path / "out", tmp_path / "other" / "numpy-9.dist-info" / "METADATA"
    out.mkdir()
    facts.parent.mkdir(parents=True)
    facts.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9\n")
    first, held = lonely.start_worker(), Held(photos_copy(photos, tmp_path / "in") / "059.jpg")
    named = sorted((tmp_path / "in").iterdir())  # a pipe in a folder is left alone
    words: list[str | Path] = ["apply", "gaussian:2", *named, "--out-dir", out]
    words += ["--json", "--cluster", lonely.address, "--timeout", "1"]
    with begun(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        lonely.start_worker(hidden=out)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(facts.parents[1])
            lonely.start_worker()
        held.await_reader()
        os.kill(first, signal.SIGSTOP)
        lonely.start_worker()
        held.release()
        rest, errors = running.communicate(timeout=PATIENCE)
    os.kill(first, signal.SIGCONT)
    assert running.returncode == 0, errors
    summary = json.loads(rest.splitlines()[-1])["summary"]
    assert summary["done"] == len(expected)
    notices = errors.decode().splitlines()
    assert summary["notices"] == [line.removeprefix("Warning: ") for line in notices]
    seen, version, hung = notices
    assert f" does not see {out}, this machine does" in seen
    assert " has numpy 9, here is " in version
    assert " was left aside: " in hung
    made = contents(out)
    assert {name: made[name] for name in made if not name.startswith(".convcli-")} == expected


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told_in_one_line(
    lonely: Cluster, held: tuple[Path, list[Held]], tmp_path: Path
) -> None:
    lonely.start_worker()
    named = sorted(held[0].iterdir())
    words: list[str | Path] = ["apply", "gaussian:2", *named, "--out-dir", tmp_path / "out"]
    words += ["--cluster", lonely.address]
    with begun(*words, code=HASTY, stderr=subprocess.PIPE) as running:
        held[1][0].await_reader()
        lonely.processes[0].kill()
        _, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == 1
    assert errors.decode() == (
        f"Error: {lonely.address}: the scheduler went away: when it is there again, go on with "
        "--on-exists skip\n"
    )


def photos_copy(photos: Path, folder: Path) -> Path:
    shutil.copytree(photos, folder)
    return folder


@pytest.mark.slow
def test_a_worker_that_hangs_before_the_run_is_not_waited_for(
    lonely: Cluster, source: Path, tmp_path: Path
) -> None:
    hung, _ = lonely.start_worker(), lonely.start_worker()
    hurry(lonely)
    os.kill(hung, signal.SIGSTOP)
    words = ("apply", "box", source, "--out-dir", tmp_path / "o", "--timeout", "1")
    ended = process(*words, "--cluster", lonely.address, "-q")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert contents(tmp_path / "o").keys() == {"in.png"}


def test_a_file_that_kills_its_workers_fails_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "poison"):
        save(tmp_path / f"{name}.png", [[1, 2, 3]])
    poisoned = Path(__file__).parents[1] / "support" / "poisoned.py"
    ended = subprocess.run(
        [sys.executable, poisoned, tmp_path],
        capture_output=True,
        check=False,
        text=True,
        env=environment(),
    )
    lines = sorted(ended.stdout.splitlines())
    assert lines[:4] == [f"{name} done " for name in "abcd"]
    assert lines[4].startswith("poison failed ")
    assert lines[4].endswith(" workers died while they were at it")
    assert len(list((tmp_path / "out").iterdir())) == 4

"""Numbers beyond all sense, and a system that gives little: one line, or fewer threads."""

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli.batch import local
from convcli.batch.job import BatchJob, FileJob, Status
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE, Entry
from convcli.kernels.kernel import Kernel
from convcli.pipeline.options import Options
from support.commands import PHOTOS, command, load, process, refusal, save, script

pytestmark = pytest.mark.slow

HUGE = "1" * 310


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kernels", f"box:{HUGE}"), "box: expected size"),
        (("kernels", "box:" + "1" * 5000), "box: expected a whole number for size"),
        (("size", "--w", HUGE, "--k", "3"), "--width"),
        (("size", "--w", "7", "--k", HUGE), "--kernel-size"),
        (("params", "--in", "9" * 310, "--filters", "1", "--k", "3"), "'--in'"),
        (("params", "--in", "1", "--filters", "9" * 5000, "--k", "3"), "'--filters'"),
        (("kernels", "disk:1e-300"), "disk:radius=1e-300: expected values"),
        (("kernels", "gabor:2,0,1e-300"), "gabor:lambda=2,theta=0,sigma=1e-300: expected"),
        (("apply", "box", "in.png", "out.png", "--map", HUGE), "'--map'"),
    ],
)
def test_numbers_beyond_all_sense_are_wrong_usage(words: tuple[str, ...], said: str) -> None:
    assert said in refusal(*words, status=2)


@pytest.mark.parametrize("spec", ["disk:1e-300", "gabor:2,0,1e-300", f"box:{HUGE}"])
def test_no_warning_of_numpy_is_seen(spec: str) -> None:
    ended = process("kernels", spec)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_the_smallest_parameters_give_finite_weights_or_an_error(entry: Entry) -> None:
    for parameter in entry.parameters:
        for value in (parameter.least, 5e-324, 1e-300, 1e-160, 1e-20):
            if parameter.value_type is float:
                with contextlib.suppress(SpecError):
                    assert np.isfinite(entry.kernel({parameter.name: value}).weights).all()


# ------------------------------------------------------------------ a system with little

LIMITED = """\
import os, resource, sys
limit, most, *words = sys.argv[1:]
resource.setrlimit(getattr(resource, limit), (int(most), int(most)))
os.execv(words[0], words)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
def test_without_threads_the_program_computes_by_itself(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    words = command("apply", "gaussian:3", PHOTOS / "chelsea.png", target, "-q", "--jobs", "4")
    ended = script(
        "import threading, sys\n"
        'def refused(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = refused\n"
        "from convcli.cli.app import main\n"
        "main(sys.argv[1:], prog_name='convcli')",
        *words[3:],
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = script(LIMITED, "RLIMIT_AS", str(120_000 * 1024), *words)
    assert len(ended.stderr.splitlines()) == (0 if ended.returncode == 0 else 1)
    process("apply", "gaussian:3", PHOTOS / "chelsea.png", tmp_path / "one.png", "--jobs", "1")
    assert load(target) == load(tmp_path / "one.png")


@pytest.mark.parametrize("most", [6, 10, 20])
@pytest.mark.skipif(sys.platform != "linux", reason="other systems need more files")
def test_a_batch_with_few_open_files(tmp_path: Path, most: int) -> None:
    for name in "abcd":
        save(tmp_path / f"{name}.png", [[1, 2]])
    words = command("apply", "[[2]]", tmp_path, "--out-dir", tmp_path / "out", "-q")
    ended = script(LIMITED, "RLIMIT_NOFILE", str(most), *words)
    assert len(ended.stderr.splitlines()) == (0 if ended.returncode == 0 else 1)
    if most == 20:
        assert ended.returncode == 0
        assert load(tmp_path / "out" / "d.png") == [[2, 4]]


def test_a_batch_has_as_many_workers_as_the_system_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "abcdefghi"
    jobs = [
        FileJob(str(save(tmp_path / f"{name}.png", [[1, 2]])), str(tmp_path / f"{name}-2.png"))
        for name in names
    ]
    double = BatchJob(kernels=(Kernel([[2]]),), options=Options())
    started: list[object] = []

    class Third(local.WorkerProcess):
        def __init__(self, *arguments: object) -> None:
            if len(started) == 2:
                raise OSError(24, "Too many open files")
            super().__init__(*arguments)  # type: ignore[arg-type]
            started.append(self)

    monkeypatch.setattr(local, "WorkerProcess", Third)
    outcomes = list(local.LocalExecutor(5).run(double, jobs))
    assert [outcome.status for outcome in outcomes] == [Status.DONE] * 9
    assert len(started) == 2
    assert [load(tmp_path / f"{name}-2.png") for name in names] == [[[2, 4]]] * 9

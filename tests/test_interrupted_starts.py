"""An interrupt at the moment when a thread or a process starts: the program ends at once."""

import os
from pathlib import Path

import numpy as np
import pytest

from support.commands import save, script
from support.waiting import PATIENCE

if not hasattr(os, "fork"):
    pytest.skip("the shots are forks of one process", allow_module_level=True)

SHOTS = 15
"""Shots by each of two signals."""

AGAIN = ("--on-exists", "overwrite")

SHOOT = """\
import gc, os, signal, sys, threading, time
from convcli.cli.app import main
# What the command loads is loaded once, not in each fork.
import convcli.cli.apply, convcli.cli.batch, convcli.scale.tiled.run
import tifffile
import convcli.pipeline.files, convcli.images.codecs.png, convcli.images.codecs.numbers
import convcli.kernels.spec, convcli.kernels.formats.read, convcli.batch.local
import concurrent.futures.thread, convcli.images.codecs.tiff_pages
import email.parser, imagecodecs._deflate, imagecodecs._zlib
import difflib, multiprocessing.popen_fork, numpy.ma, PIL.Image
PIL.Image.preinit()
target, nth, shots, seconds, *words = sys.argv[1:]
nth = int(nth)
# A shell starts what runs in the background deaf to the interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

def shoot():
    global nth
    nth -= 1
    if nth == 0:
        os.kill(os.getpid(), number)

bootstrap = threading.Thread._bootstrap
def shot_at(self):
    shoot()
    time.sleep(0.005)  # the thread that waits for this one has the interrupt first
    bootstrap(self)

def run():
    if target == "thread":
        threading.Thread._bootstrap = shot_at
    else:
        os.register_at_fork(after_in_parent=shoot)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    main(words, prog_name="convcli")

def status_of(child):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"

gc.freeze()  # a fork copies what the collector would touch
for number in (signal.SIGINT, signal.SIGTERM) * int(shots):
    child = os.fork()
    if not child:
        break
    status = status_of(child)
    print(status, flush=True)
    if status == "hangs":
        sys.exit()
else:
    sys.exit()
run()
"""
"""Forks itself for each shot: the fork sends itself a signal when its n-th thread, or its n-th
process, has started and has not yet said so."""


EXECUTORS = {
    "engine": ("thread", 1, ("apply", "box:9", "in.png", "out.npy")),
    "png": ("thread", 3, ("apply", "[[2]]", "in.png", "out.png", "--method", "direct")),
    "tiled": ("thread", 2, ("apply", "box:3", "in.tif", "out.tif", "--tiled")),
    "batch": ("process", 2, ("apply", "[[2]]", "a.png", "b.png", "--out-dir", "out", *AGAIN)),
}
"""What is shot at: the first and the second thread are the engine's where it has some."""


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_interrupt_while_it_starts_ends_the_program(tmp_path: Path, executor: str) -> None:
    for name, side in (("in.png", 600), ("in.tif", 700), ("a.png", 9), ("b.png", 9)):
        save(tmp_path / name, np.zeros((side, side, 3), np.uint8))
    target, nth, words = EXECUTORS[executor]
    shot = (target, str(nth), str(SHOTS), str(PATIENCE))
    jobs = "2" if executor == "batch" else "3"
    ended = script(SHOOT, *shot, *words, "--jobs", jobs, "-q", folder=tmp_path)
    assert ended.stderr == ""
    assert ended.stdout.split() == ["130", "143"] * SHOTS
    left = [path.name for path in tmp_path.rglob("*") if path.name.startswith(".convcli")]
    assert left == []

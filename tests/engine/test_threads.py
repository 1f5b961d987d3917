"""Threads that wait for work: shared by callers, and left behind by a fork."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import ndimage

import convcli
from support.waiting import PATIENCE

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
LAPLACIAN = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]])
SIZE = (1_501, 2_003)
"""Large enough to be worth a second thread."""

FORKED = """\
import os, sys
import numpy as np
import convcli
image = np.random.default_rng(0).integers(0, 256, (1501, 2003)).astype(np.uint8)
kernel = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
before = convcli.correlate(image, kernel, jobs=2)
child = os.fork()
after = convcli.correlate(image, kernel, jobs=2)
same = np.array_equal(before, after)
if child == 0:
    os._exit(0 if same else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or not same)
"""


@pytest.mark.parametrize("weights", [SOBEL, LAPLACIAN], ids=["sobel", "laplacian"])
@pytest.mark.parametrize("jobs", [1, 2, 3, 5])
def test_any_number_of_threads_equals_scipy(weights: np.ndarray, jobs: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, SIZE).astype(np.uint8)
    result = convcli.correlate(
        image, weights, padding="same", border="reflect", dtype="int16", jobs=jobs
    )
    expected = ndimage.correlate(image.astype(np.int16), weights, mode="mirror")
    np.testing.assert_array_equal(result, expected)


def test_callers_may_share_the_threads() -> None:
    """More callers than threads: none waits for a thread that another caller keeps."""
    images = [
        np.random.default_rng(seed).integers(0, 256, SIZE).astype(np.uint8) for seed in range(6)
    ]

    def filtered(image: np.ndarray) -> np.ndarray:
        return convcli.correlate(image, SOBEL, padding="same", dtype="int16", jobs=2)

    with ThreadPoolExecutor(6) as callers:
        results = list(callers.map(filtered, images))
    for image, result in zip(images, results, strict=True):
        expected = ndimage.correlate(image.astype(np.int16), SOBEL, mode="constant")
        np.testing.assert_array_equal(result, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    # Python warns of a fork beside threads, which is what is tried here.
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0


def test_what_is_mended_does_not_depend_on_the_number_of_threads() -> None:
    """Beside an infinity a box of 15 is computed tap by tap, which rounds otherwise."""
    image = np.random.default_rng(5).normal(size=(1200, 1500)).astype(np.float32)
    image[600, 700] = np.inf
    results = [convcli.correlate(image, np.ones((15, 15)), jobs=jobs) for jobs in (1, 2, 3)]
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()

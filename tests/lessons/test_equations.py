"""learn's equations: the sums they are made of, and their solution, against NumPy's lstsq."""

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from convcli.choices import Sharing
from convcli.lessons.learning import Samples, Spectrum, sums_of_products, task_for
from convcli.lessons.learning.learn import learn_task

SIZES = [(1, 1), (3, 3), (1, 5), (5, 1), (2, 7), (6, 4)]


def samples_of(
    size: tuple[int, int], planes: int, outputs: int, share: float, pictures: int = 1
) -> Samples:
    """Return noise of 31 × 37 px, of whose targets a share is known."""
    chance = np.random.default_rng(0)
    valid = (31 - size[0] + 1, 37 - size[1] + 1)
    return Samples(
        chance.normal(3, 1, (pictures, planes, 31, 37)),
        chance.normal(size=(pictures, outputs, *valid)),
        chance.random((pictures, *valid)) < share,
        size,
    )


def design(samples: Samples) -> tuple[Any, Any]:
    """Return what each known window sees, one a row, and what should come out."""
    windows = sliding_window_view(samples.inputs, samples.size, axis=(2, 3))
    rows = np.moveaxis(windows, 1, 3)[samples.known].reshape(-1, samples.weights)
    return rows, np.moveaxis(samples.targets, 1, 3)[samples.known]


@pytest.mark.parametrize("share", [1.1, 0.9, 0.4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("planes", "outputs"), [(1, 1), (3, 2)])
def test_the_least_squares_are_those_of_numpy(
    size: tuple[int, int], planes: int, outputs: int, share: float
) -> None:
    samples = samples_of(size, planes, outputs, share, 2)
    seen, wanted = design(samples)
    with_bias = np.column_stack([seen, np.ones(len(seen))])
    expected = np.linalg.lstsq(with_bias, wanted, rcond=None)[0]
    solution = Spectrum.of(samples).solved()
    np.testing.assert_allclose(solution.weights, expected[:-1].T, rtol=0, atol=1e-12)
    np.testing.assert_allclose(solution.bias, expected[-1], rtol=0, atol=1e-11)


@pytest.mark.parametrize("share", [1.1, 0.9, 0.4])
@pytest.mark.parametrize("size", SIZES)
def test_sums_over_whole_numbers_are_exact(size: tuple[int, int], share: float) -> None:
    noise = samples_of(size, 2, 2, share)
    inputs, targets = (np.rint(values * 1000) for values in (noise.inputs, noise.targets))
    samples = Samples(inputs, targets, noise.known, size)
    seen, wanted = (values.astype(np.int64) for values in design(samples))
    design_matrix = np.column_stack([seen, wanted, np.ones(len(seen), np.int64)])
    expected = design_matrix.T @ design_matrix
    np.testing.assert_array_equal(sums_of_products(samples), expected)
    assert Spectrum.of(samples).count == len(seen)


def test_what_is_left_out_costs_no_digits() -> None:
    """One pixel of 10¹² is seen by windows only of which the target is not known."""
    samples = samples_of((3, 3), 1, 1, 1.1)
    samples.inputs[0, 0, 15, 15] = 1e12
    samples.known[0, 13:16, 13:16] = False
    seen, _ = design(samples)
    gram = sums_of_products(samples)[:9, :9]
    np.testing.assert_allclose(gram, seen.T @ seen, rtol=1e-13)


def test_where_weights_are_not_determined_they_are_the_smallest() -> None:
    """Of a ramp all windows look alike but for their mean."""
    ramp = np.add.outer(np.arange(30.0), np.arange(20.0))[..., np.newaxis]
    target = 3 * ramp[1:-1, 1:-1] + 5
    learnt = learn_task(task_for(ramp, target, (3, 3), Sharing.SHARED))
    assert learnt.undetermined == 8
    seen = sliding_window_view(ramp[..., 0], (3, 3)).reshape(-1, 9)
    centred = seen - seen.mean(axis=0)
    wanted = target.ravel() - target.mean()
    expected = np.linalg.lstsq(centred, wanted, rcond=1e-9)[0].reshape(3, 3)
    np.testing.assert_allclose(learnt.kernel.weights, expected, atol=1e-12)


def test_the_residual_is_that_of_the_known_windows() -> None:
    chance = np.random.default_rng(8)
    source = chance.integers(0, 256, (60, 70, 3)).astype(np.uint8)
    target = chance.integers(0, 256, (56, 66, 3)).astype(np.uint8)
    for sharing in Sharing:
        task = task_for(source, target, (5, 5), sharing)
        squares, count = 0.0, 0
        for samples in task.groups:
            seen, wanted = design(samples)
            with_bias = np.column_stack([seen, np.ones(len(seen))])
            squares += float(np.linalg.lstsq(with_bias, wanted, rcond=None)[1].sum())
            count += wanted.size
        assert learn_task(task).residual == pytest.approx((squares / count) ** 0.5, rel=1e-12)

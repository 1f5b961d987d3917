"""One step of gradient descent: torch's autograd, and the command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.images.picture import Frame
from convcli.lessons.learning.step import step_on_crop

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "step.json").read_text())


@pytest.mark.parametrize("number", range(len(GOLDEN)))
def test_equals_autograd(number: int) -> None:
    case = GOLDEN[number]
    rng = np.random.default_rng(number)
    image, kernel = rng.normal(size=(7, 6)), rng.normal(size=(3, 2))
    target = rng.normal(size=case["shape"])
    step = convcli.learn_step(image, target, kernel, bias=0.5, rate=0.01, **case["settings"])
    assert step.loss == pytest.approx(case["loss"])
    assert step.bias_gradient == pytest.approx(case["bias_gradient"])
    np.testing.assert_allclose(step.kernel_gradient, case["kernel_gradient"], rtol=1e-9)
    np.testing.assert_allclose(
        step.image_gradient, case["image_gradient"], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(step.new_kernel, kernel - 0.01 * step.kernel_gradient)
    assert step.new_loss < step.loss


def test_same_padding_keeps_the_sizes() -> None:
    image = np.arange(20.0).reshape(4, 5)
    step = convcli.learn_step(image, image, "box:3", padding="same")
    assert step.output.shape == step.image_gradient.shape == (4, 5)
    assert step.kernel_gradient.shape == (3, 3)


def test_the_command_shows_it(ask: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    before, after = rng.random((9, 9)), rng.random((9, 9))
    np.save(tmp_path / "before.npy", before)
    np.save(tmp_path / "after.npy", after)
    names = (str(tmp_path / "before.npy"), str(tmp_path / "after.npy"))
    step = ask("learn", *names, "--show-step", "--at", "4,4", "--cells", "5")["step"]
    patch, goal = before[2:7, 2:7], after[3:6, 3:6]
    assert step["image"] == pytest.approx(patch)
    assert step["target"] == pytest.approx(goal)
    by_hand = sum(
        (patch[i : i + 3, j : j + 3].mean() - goal[i, j]) * patch[i : i + 3, j : j + 3]
        for i in range(3)
        for j in range(3)
    )
    assert step["kernel_gradient"] == pytest.approx(by_hand)


@pytest.mark.parametrize("label", ["picture", "target"])
def test_says_which_picture_has_no_grey(label: str) -> None:
    shapes = {"picture": (9, 9, 1), "target": (9, 9, 1), label: (9, 9, 2)}
    before, after = (Frame(np.zeros(shape, np.uint8)) for shape in shapes.values())
    with pytest.raises(convcli.ImageError, match=f"^{label}: expected one channel, or red"):
        step_on_crop(before, after, (3, 3), rate=0.1, at=None, cells=5)


def test_refuses_a_bank() -> None:
    with pytest.raises(convcli.GeometryError, match="2-D kernel"):
        convcli.learn_step(np.ones((4, 4)), np.ones((2, 2)), np.ones((1, 1, 3, 3)))

"""Networks run forward: torch's activations, torchvision's names, the command."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import convcli
from convcli.lessons.stacks.run import input_gradient, run_stack
from convcli.lessons.stacks.spec import layers_of
from convcli.lessons.stacks.weights import WeightFiles
from convcli.values import replace
from support import commands
from support.networks import BACKWARD, CASES, random_tensors

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "networks.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("case", list(CASES))
def test_activations_equal_torch(case: str, tmp_path: Path) -> None:
    words, shape = CASES[case]
    tensors, _ = random_tensors(words, shape)
    path = str(tmp_path / "random.safetensors")
    save_file(tensors, path)
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    layers = list(run_stack(words, image, path))
    assert len(layers) == len(GOLDEN[case])
    for layer, told in zip(layers, GOLDEN[case], strict=True):
        values = layer.values.transpose(2, 0, 1)
        whole = told["shape"] + [1] * (3 - len(told["shape"]))
        assert list(values.shape) == whole, layer.row.spec.text
        flat = values.ravel()
        sampled = flat[:: max(flat.size // 7, 1)]
        near = {"rtol": 1e-4, "atol": 1e-4 * told["largest"]}
        np.testing.assert_allclose(sampled, told["sampled"], **near, err_msg=str(layer.number))
        assert float(np.abs(flat).max()) == pytest.approx(told["largest"], rel=1e-4)
        assert float(flat.mean()) == pytest.approx(told["mean"], abs=1e-4 * told["largest"])


def test_finds_the_names_of_torchvision() -> None:
    # as torchvision.models.resnet18().state_dict() and vgg16() have them
    from convcli.lessons.stacks import weights

    resnet = weights.counted_names(layers_of(["resnet18"])[1], blocks=True)
    assert list(resnet.values())[:4] == ["conv1", "bn1", "layer1.0.conv1", "layer1.0.bn1"]
    assert {"layer2.0.downsample.0", "layer2.0.downsample.1", "layer4.1.bn2", "fc"} <= {
        *resnet.values()
    }
    for preset, told in (("vgg16", [28, 0, 3, 6]), ("alexnet", [10, 1, 4, 6])):
        specs = layers_of([preset])[1]
        names = weights.in_two_parts(specs)
        found = [names[n] for n, spec in enumerate(specs) if spec.layer_type in ("conv", "fc")]
        last = f"features.{told[0]}"
        assert found[-4:] == [last, *(f"classifier.{n}" for n in told[1:])]


@pytest.fixture
def edges(tmp_path: Path) -> tuple[str, str]:
    """Return a stack and weights of two filters: the edges of both directions."""
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    save_file({"edge.weight": np.stack([sobel, sobel.T])[:, None]}, tmp_path / "w.safetensors")
    layers = [
        {
            "layer": "conv",
            "filters": 2,
            "k": 3,
            "bias": False,
            "weights": "w.safetensors::edge",
        },
        "relu",
        "pool:2",
    ]
    (tmp_path / "net.json").write_text(json.dumps({"in": "8x8x1", "layers": layers}))
    return str(tmp_path / "net.json"), str(tmp_path / "w.safetensors")


def test_layers_name_their_weights(edges: tuple[str, str]) -> None:
    image = np.zeros((8, 8, 1), np.float32)
    image[:, 4:] = 1
    conv, _, pool = run_stack(edges[0], image, edges[1])
    assert conv.values[0, :, 0].tolist() == [0, 0, 4, 4, 0, 0]
    assert not conv.values[..., 1].any()
    assert pool.values[..., 0].tolist() == [[0, 4, 0]] * 3
    assert conv.strongest(1) == [0]


def test_the_command_writes_maps_and_a_page(
    ask: Callable[..., Any], run: Callable[..., Any], edges: tuple[str, str], tmp_path: Path
) -> None:
    photo, folder = str(tmp_path / "photo.png"), tmp_path / "maps"
    step = np.zeros((8, 8), np.uint8)
    step[:, 4:] = 255
    convcli.open(step)
    convcli.apply("identity", step).save(photo)
    told = ask(
        "stack", edges[0], "--run", photo, "--weights", edges[1], "--out-dir", str(folder)
    )
    assert [layer["high"] for layer in told["layers"]] == [4, 4, 4]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["01-conv.png", "02-relu.png", "03-pool.png", "index.html"]
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 4  # the input, and three layers
    assert "http" not in page
    # One layer, and of its maps the strongest: 96 / 6 = 16 pixels each, one map wide.
    only = ("--out-dir", str(tmp_path / "one"), "--layer", "1", "--top", "1")
    ask("stack", edges[0], "--run", photo, "--weights", edges[1], *only)
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["01-conv.png", "index.html"]
    with (
        Image.open(tmp_path / "one" / "01-conv.png") as one,
        Image.open(folder / names[0]) as all_,
    ):
        assert one.width * one.height < all_.width * all_.height
    said = run("stack", edges[0], "--run", photo, "--weights", edges[1]).output
    assert re.search(r"1 +conv:2,k3,nobias +6×6×2 +0 +4 +[0-9.]+ ms", said)


def test_a_wrong_file_is_refused_before_it_runs(edges: tuple[str, str]) -> None:
    image = np.zeros((8, 8, 1), np.float32)
    with pytest.raises(convcli.KernelError, match="its names are not those"):
        next(run_stack("conv:2,k3,nobias", image, edges[1]))
    with pytest.raises(convcli.KernelError, match="no such file"):
        next(run_stack("conv:2,k3", image, "nowhere.safetensors"))
    specs = [replace(layers_of(["conv:3,k3,nobias"])[1][0], weights="edge")]
    with (
        WeightFiles(edges[1], specs) as files,
        pytest.raises(convcli.KernelError, match=r"expected edge\.weight of shape"),
    ):
        files.tensor(0, "weight", 3, 1, 3, 3)


def test_a_picture_of_floats_is_refused(edges: tuple[str, str], tmp_path: Path) -> None:
    photo = str(tmp_path / "floats.npy")
    np.save(photo, np.ones((8, 8), np.float32))
    words = ("--in", "8x8x1", "conv:2,k3,nobias", "--run", photo, "--weights", edges[1])
    result = commands.run("stack", *words)
    assert result.exit_code == 1
    assert "expected a picture of 8 or 16 bits, got floats" in result.stderr


def test_a_trained_network_reads_digits(ask: Callable[..., Any], tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "golden"
    layers = "conv:8,k3,p1 relu pool:2 conv:12,k3,p1 relu pool:2 flatten fc:10"
    weights, right = str(folder / "digits.safetensors"), 0
    with np.load(folder / "digits.npz") as file:
        images, classes, answers = file["images"], file["classes"], file["answers"]
    for image, told, answer in zip(images, classes, answers, strict=True):
        values = image[..., np.newaxis].astype(np.float32) / np.float32(255)
        *_, last = run_stack(layers, values, weights)
        np.testing.assert_allclose(last.values.ravel(), answer, rtol=1e-4, atol=1e-4)
        right += int(last.values.argmax()) == told
    assert right >= 90
    photo = str(tmp_path / "digit.png")
    convcli.apply("identity", images[0]).save(photo)
    run = ("stack", "--in", "8x8x1", layers, "--run", photo, "--weights", weights)
    named = ask(*run, "--out-dir", str(tmp_path / "maps"))
    # The ten answers are squares of 12 pixels, white where the answer is the highest.
    squares = np.asarray(Image.open(tmp_path / "maps" / "08-fc.png"))[6, 6::12, 0]
    assert len(squares) == 10
    assert squares.argmax() == classes[0]
    assert squares.max() == 255
    assert f"<li>class {classes[0]}:" in (tmp_path / "maps" / "index.html").read_text()
    assert named["classes"][0]["class"] == classes[0]
    assert named["layers"][-1]["high"] == pytest.approx(answers[0].max(), rel=1e-4)


# ------------------------------------------------------------------ receptive fields

GRADIENTS = json.loads((Path(__file__).parents[1] / "golden" / "gradients.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("case", list(BACKWARD))
def test_gradients_of_units_equal_autograd(case: str, tmp_path: Path) -> None:
    words, shape, units = BACKWARD[case]
    tensors, _ = random_tensors(words, shape)
    path = str(tmp_path / "random.safetensors")
    save_file(tensors, path)
    rows = convcli.stack(words, shape).rows
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    for layer, y, x in units:
        told = GRADIENTS[f"{case} {layer} {y} {x}"]
        mix = np.cos(np.arange(rows[layer - 1].volume.channels)).astype(np.float32)
        with WeightFiles(path, [row.spec for row in rows]) as files:
            found = input_gradient(rows[:layer], files, image, (y, x), mix)
        assert float(np.linalg.norm(found)) == pytest.approx(told["norm"], rel=1e-4)
        flat = found.transpose(2, 0, 1).ravel()
        assert float(np.abs(flat).max()) == pytest.approx(told["largest"], rel=1e-4)
        sampled = flat[:: max(flat.size // 50, 1)]
        np.testing.assert_allclose(sampled, told["sampled"], atol=1e-4 * told["largest"])

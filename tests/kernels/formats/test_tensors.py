"""Layers of trained networks: safetensors and .npz, their biases, layouts and lies."""

import io
import json
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file
from scipy import ndimage

from convcli.choices import WeightLayout
from convcli.cli.app import main
from convcli.errors import KernelError
from convcli.kernels.spec import kernel_from

RANDOM = np.random.default_rng(5)
WEIGHTS: NDArray[np.float32] = RANDOM.normal(size=(4, 3, 3, 5)).astype(np.float32)
BIAS: NDArray[np.float32] = RANDOM.normal(size=4).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tensors: dict[str, NDArray[Any]] = {
        "conv1.weight": WEIGHTS,
        "conv1.bias": BIAS,
        "conv2.weight": np.ones((2, 4, 1, 1), np.float16),
        "fc.weight": np.ones((10, 4), np.float32),
        "norm.weight": np.ones(4, np.float32),
    }
    save_file(tensors, path)
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "weights.npz"
    arrays = {
        "conv/kernel": WEIGHTS.transpose(2, 3, 1, 0),
        "conv/bias": BIAS,
        "blur": np.ones((3, 3)),
        "scale": np.ones(3),
    }
    np.savez(path, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(RANDOM.integers(0, 256, (12, 14, 3), dtype=np.uint8)).save(path)
    return path


def run(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_layer_and_its_bias(model: Path) -> None:
    kernel = kernel_from(f"{model}::conv1.weight")
    assert kernel.weights.tolist() == WEIGHTS.astype(float).tolist()
    assert kernel.bias == tuple(BIAS.astype(float).tolist())
    assert kernel.name == "conv1.weight"


def test_a_layer_without_a_bias(model: Path) -> None:
    assert kernel_from(f"{model}::conv2.weight").bias == ()


def test_it_computes_the_layer(model: Path, photo: Path, tmp_path: Path) -> None:
    result = run("apply", f"{model}::conv1.weight", photo, tmp_path / "maps.npy")
    assert result.exit_code == 0, result.stderr
    with Image.open(photo) as image:
        pixels = np.asarray(image).astype(float)
    theirs = [
        bias
        + sum(
            ndimage.correlate(pixels[..., channel], weights[channel], mode="constant")
            for channel in range(3)
        )
        for weights, bias in zip(WEIGHTS.astype(float), BIAS.astype(float), strict=True)
    ]
    ours = np.load(tmp_path / "maps.npy")
    np.testing.assert_allclose(ours, np.dstack(theirs), rtol=0, atol=1e-2)


def test_tensorflows_order_of_axes(archive: Path) -> None:
    kernel = kernel_from(f"{archive}::conv/kernel", layout=WeightLayout.HWIO)
    assert kernel.weights.tolist() == WEIGHTS.astype(float).tolist()
    assert kernel.bias == tuple(BIAS.astype(float).tolist())


def test_the_order_of_axes_by_option(photo: Path, tmp_path: Path) -> None:
    by_tf, by_torch = tmp_path / "tf.npy", tmp_path / "torch.npy"
    np.save(tmp_path / "bank.npy", WEIGHTS)
    np.savez(tmp_path / "plain.npz", kernel=WEIGHTS.transpose(2, 3, 1, 0))
    spec = f"{tmp_path / 'plain.npz'}::kernel"
    assert run("apply", spec, photo, by_tf, "--layout", "hwio").exit_code == 0
    assert run("apply", tmp_path / "bank.npy", photo, by_torch).exit_code == 0
    np.testing.assert_array_equal(np.load(by_tf), np.load(by_torch))
    wrong = run("apply", spec, photo, by_tf)
    assert wrong.exit_code == 1


def test_three_dimensions_are_one_filter(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", WEIGHTS[0])
    assert kernel_from(str(tmp_path / "one.npy")).weights.shape == (1, 3, 3, 5)


def test_the_only_array_needs_no_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", weights=np.ones((2, 2)))
    assert kernel_from(str(tmp_path / "one.npz")).size == (2, 2)


def test_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({"c.weight": np.ones((1, 1, 2, 2), np.float16)}, path)
    assert kernel_from(f"{path}::c.weight").weights.tolist() == [[[[1, 1], [1, 1]]]]
    path.write_bytes(_safetensors(entry([1, 1, 2, 2], [0, 8], "BF16"), b"\0" * 8))
    with pytest.raises(KernelError, match=r"w: expected numbers .*BF16.*float32"):
        kernel_from(f"{path}::w")


def test_the_listing(model: Path, archive: Path) -> None:
    listed = json.loads(run("kernels", model, "--json").stdout)
    assert [(one["name"], one["shape"], one["bias"]) for one in listed] == [
        ("conv1.weight", [4, 3, 3, 5], "conv1.bias"),
        ("conv2.weight", [2, 4, 1, 1], None),
    ]
    shown = run("kernels", model).stdout
    assert "conv1.weight" in shown
    assert "4×3×3×5" in shown
    assert "fc.weight" not in shown
    assert [one["name"] for one in json.loads(run("kernels", archive, "--json").stdout)] == [
        "conv/kernel",
        "blur",
    ]


def test_without_the_extra_the_install_line(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    result = run("kernels", model)
    assert result.exit_code == 2
    assert "pip install '.[models]'" in result.stderr


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (
            "::conv9.weight",
            ["no tensor is called 'conv9.weight'", "conv1.weight, conv2.weight"],
        ),
        ("", ["expected FILE::TENSOR", "conv1.weight"]),
        ("::norm.weight", ["expected 2 to 4 dimensions, got 1 of shape (4,)"]),
    ],
)
def test_tensors_that_are_not_there_or_no_kernels(
    model: Path, photo: Path, tensor: str, words: list[str]
) -> None:
    result = run("apply", f"{model}{tensor}", photo, "out.png")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for word in [str(model), *words]:
        assert word in result.stderr


def _safetensors(header: dict[str, Any], data: bytes, length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        _safetensors(entry([1, 1, 2, 2], [0, 16]), b"\0" * 8),
        _safetensors(entry([1, 1, 2, 2], [0, 16]), b"\0" * 64),
        _safetensors(entry([1, 1, 9, 9], [0, 16]), b"\0" * 16),
        _safetensors(entry([1, 1, 2, 2], [8, 4]), b"\0" * 16),
        _safetensors(entry([1, 1, 2, 2], [0, 2**62]), b"\0" * 16),
        _safetensors(entry([2**31, 2**31, 2, 2], [0, 16]), b"\0" * 16),
        _safetensors(entry([1, 1, 2, 2], [0, 16], "F31"), b"\0" * 16),
        _safetensors(entry([1, 1, 2, 2], [0, 16]), b"\0" * 16, 2**60),
        _safetensors(entry([1, 1, 2, 2], [0, 16]), b"\0" * 16, 3),
        struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    ],
)
def test_a_safetensors_file_that_lies(data: bytes, tmp_path: Path, photo: Path) -> None:
    path = tmp_path / "liar.safetensors"
    path.write_bytes(data)
    for words in (["kernels", path], ["apply", f"{path}::w", photo, tmp_path / "o.png"]):
        result = run(*words)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert "not a whole safetensors file" in result.stderr
        assert "fetch it again" in result.stderr


def test_a_layer_with_nan(tmp_path: Path) -> None:
    path = tmp_path / "nan.safetensors"
    save_file({"w": np.full((1, 1, 1, 1), np.nan, np.float32)}, path)
    with pytest.raises(KernelError, match="finite number, got nan"):
        kernel_from(f"{path}::w")


def test_too_many_weights_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**20, 2**10, 3, 3)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(KernelError, match="at most 4,194,304 weights"):
        kernel_from(str(path))


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"PK\x03\x04 broken", b"not numpy at all"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_numpy_files(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(data)
    with pytest.raises(KernelError, match="not a readable") as caught:
        kernel_from(str(path))
    assert "\n" not in str(caught.value)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.ones((1, 1)))
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("w", "w.npy"):
            archive.writestr(name, array.getvalue())
    with pytest.raises(KernelError, match="two arrays have one name"):
        kernel_from(f"{path}::w")


def test_a_message_has_no_addresses(tmp_path: Path) -> None:
    path = tmp_path / "bad.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00\x05\x00f(x)\n")
    with pytest.raises(KernelError, match="on line 1\\): write it again"):
        kernel_from(str(path))


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([[object()]]), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", weights=np.array([[object()]]), allow_pickle=True)
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(KernelError):
            kernel_from(str(tmp_path / name))


def test_a_damaged_member_of_an_archive(tmp_path: Path, archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[150:170] = b"\xff" * 20
    path = tmp_path / "damaged.npz"
    path.write_bytes(data)
    with pytest.raises(KernelError):
        kernel_from(f"{path}::conv/kernel", layout=WeightLayout.HWIO)


def test_what_double_colons_do_not_go_with(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text("[[1]]")
    np.save(tmp_path / "k.npy", np.ones((1, 1)))
    for name in ("k.json::w", "k.npy::w"):
        with pytest.raises(KernelError):
            kernel_from(str(tmp_path / name))

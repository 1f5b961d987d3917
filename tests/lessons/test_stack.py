import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convcli.errors import GeometryError
from convcli.geometry.layers import Volume
from convcli.lessons.stacks import stack, stack_of
from convcli.lessons.stacks.spec import layers_of

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("preset", "parameters", "giga_multiply_adds"),
    [
        # The table of pretrained models in torchvision's documentation: "Params" and
        # "GFLOPS", which counts multiply-adds.
        ("alexnet", 61_100_840, 0.71),
        ("vgg16", 138_357_544, 15.47),
        ("resnet18", 11_689_512, 1.81),
    ],
)
def test_presets_count_as_torch(
    ask: Ask, preset: str, parameters: int, giga_multiply_adds: float
) -> None:
    totals = ask("stack", "--preset", preset)["totals"]
    assert totals["parameters"] == parameters
    assert round(totals["multiply_adds"] / 1e9, 2) == giga_multiply_adds


def test_lenet_by_hand(ask: Ask) -> None:
    totals = ask("stack", "--preset", "lenet")["totals"]
    assert totals["parameters"] == 156 + 2_416 + 48_120 + 10_164 + 850
    convolutions = 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150
    assert totals["multiply_adds"] == convolutions + 400 * 120 + 120 * 84 + 84 * 10


@pytest.mark.parametrize(
    ("preset", "shapes"),
    [
        # what torch.nn (2.13) gives for the layers that torchvision.models lists
        ("alexnet", [(64, 55), (192, 27), (384, 13), (256, 13), (256, 13)]),
        (
            "vgg16",
            [(64, 224)] * 2
            + [(128, 112)] * 2
            + [(256, 56)] * 3
            + [(512, 28)] * 3
            + [(512, 14)] * 3,
        ),
        (
            "resnet18",
            [(64, 112)] + [(64, 56)] * 4 + [(128, 28)] * 5 + [(256, 14)] * 5 + [(512, 7)] * 5,
        ),
        ("lenet", [(6, 28), (16, 10)]),
    ],
)
def test_presets_have_torchs_shapes(
    ask: Ask, preset: str, shapes: list[tuple[int, int]]
) -> None:
    layers = ask("stack", "--preset", preset)["layers"]
    convolutions = [layer["output"] for layer in layers if layer["layer"].startswith("conv")]
    assert [(one["channels"], one["height"]) for one in convolutions] == shapes
    assert [one["width"] for one in convolutions] == [side for _, side in shapes]


def test_the_issue_with_layer_two_has_its_arithmetic(ask: Ask) -> None:
    layers = ask("stack", "--in", "32x32x3", "conv:50,k3", "relu", "conv:50,k3")["layers"]
    assert layers[2]["arithmetic"] == "(3·3·50+1)·50"
    assert layers[2]["parameters"] == 22_550


def test_two_3x3_see_as_much_as_one_5x5_with_fewer_weights(ask: Ask) -> None:
    both = ask(
        "stack",
        "--in",
        "32x32x64",
        "conv:64,k5,p2,nobias",
        "--compare",
        "conv:64,k3,p1,nobias relu conv:64,k3,p1,nobias",
    )
    one, two = both["first"], both["second"]
    assert (
        one["layers"][-1]["receptive_field"] == two["layers"][-1]["receptive_field"] == [5, 5]
    )
    assert one["totals"]["parameters"] == 25 * 64 * 64
    assert two["totals"]["parameters"] == 2 * 9 * 64 * 64


def test_comparison_stands_side_by_side(run: Callable[..., Any]) -> None:
    text = run(
        "stack", "--in", "32x32x64", "conv:64,k5,p2", "--compare", "conv:64,k3,p1"
    ).stdout
    line = next(line for line in text.splitlines() if "parameters" in line)
    assert line.split() == ["parameters", "102,464", "36,928", "2.77"]


def test_compare_takes_all_layers_that_follow(ask: Ask) -> None:
    second = ["conv:8,k3", "relu", "conv:8,k3"]
    words = ["stack", "conv:8,k5", "--compare", *second, "--in", "32x32x8"]
    quoted = ["stack", "--in", "32x32x8", "conv:8,k5", "--compare", " ".join(second)]
    assert ask(*words) == ask(*quoted)
    assert len(ask(*words)["second"]["layers"]) == len(second)


def test_receptive_field_and_jump_by_hand(ask: Ask) -> None:
    # conv7/2: r=7 j=2; pool3/2: r=7+2·2=11 j=4; dilated 3×3, d=2: r=11+4·4=27; stride 1.
    layers = ask(
        "stack", "--in", "224x224x3", "conv:8,k7,s2,p3", "pool:3,s2,p1", "conv:8,k3,p2,d2"
    )["layers"]
    assert [layer["receptive_field"][0] for layer in layers] == [7, 11, 27]
    assert [layer["jump"][0] for layer in layers] == [2, 4, 4]


def test_groups_divide_the_weights(ask: Ask) -> None:
    layers = ask("stack", "--in", "8x8x16", "conv:32,k3,p1,g4")["layers"]
    assert layers[0]["weights"] == 32 * 4 * 9  # torch.nn.Conv2d(16, 32, 3, groups=4)


def test_global_average_pooling_and_average(ask: Ask) -> None:
    document = ask("stack", "--in", "8x8x16", "avgpool:2", "gap", "fc:10")
    outputs = [tuple(layer["output"].values()) for layer in document["layers"]]
    assert outputs == [(4, 4, 16), (1, 1, 16), (1, 1, 10)]
    assert document["layers"][1]["receptive_field"] == [8, 8]
    assert document["layers"][2]["arithmetic"] == "(16+1)·10"
    assert document["layers"][2]["receptive_field"] == "all"


def test_a_stack_says_what_pool_means(run: Callable[..., Any]) -> None:
    assert "pool: the largest value" in run("stack", "--in", "8x8x1", "pool:2").stdout
    for name in ("maxpool:2", "avgpool:2"):
        assert "pool: the largest" not in run("stack", "--in", "8x8x1", name).stdout


def test_memory_is_four_bytes_a_value(ask: Ask) -> None:
    document = ask("stack", "--in", "4x4x1", "conv:2,k3,p1")
    assert document["layers"][0]["memory_bytes"] == 4 * 4 * 2 * 4
    assert document["totals"]["memory_bytes"] == 4 * 4 * 3 * 4


def test_what_does_not_tile_is_marked(run: Callable[..., Any], ask: Ask) -> None:
    text = run("stack", "--in", "7x7x1", "conv:1,k3,s3").stdout
    assert "2×2×1 !" in text
    assert "7/3 rows and columns, truncated to 2; never looked at: 1 of the map" in text
    assert text.count("truncated") == 1
    assert ask("stack", "--in", "7x7x1", "conv:1,k3,s3")["clean"] is False
    assert "!" not in run("stack", "--in", "7x7x1", "conv:1,k3,s2").stdout


def test_rows_and_columns_that_differ_have_a_note_each(run: Callable[..., Any]) -> None:
    text = run("stack", "--in", "7x8x1", "relu", "conv:1,k3,s3").stdout
    notes = [line for line in text.splitlines() if line.startswith("!")]
    assert notes == [
        "! layer 2 conv:1,k3,s3: 7/3 rows, truncated to 2; never looked at: 1 of the map.",
        "! layer 2 conv:1,k3,s3: 8/3 columns, truncated to 2; never looked at: 2 of the map.",
    ]
    assert any(line.split()[:3] == ["2", "conv:1,k3,s3", "2×2×1"] for line in text.splitlines())


def test_a_stack_from_a_file_is_the_same(ask: Ask, tmp_path: Any) -> None:
    path = tmp_path / "net.json"
    path.write_text(
        '{"in": "32x32x3", "layers": [{"layer": "conv", "filters": 8, "k": [3, 5], '
        '"p": "same", "bias": false}, "relu", "pool:2"]}'
    )
    words = ask("stack", "--in", "32x32x3", "conv:8,k3x5,psame,nobias", "relu", "pool:2")
    assert ask("stack", str(path)) == words
    assert words["layers"][0]["weights"] == 8 * 3 * 15


@pytest.mark.parametrize("size", ['"32x32x3"', "[32, 32, 3]"])
def test_a_file_gives_the_size_of_its_input(ask: Ask, tmp_path: Any, size: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(f'{{"in": {size}, "layers": ["conv:8,k3"]}}')
    document = ask("stack", str(path))
    assert document["input"] == {"height": 32, "width": 32, "channels": 3}
    # --in goes before it, and a stack compared with has its own
    assert ask("stack", str(path), "--in", "9x9x1")["input"]["height"] == 9
    both = ask("stack", "--preset", "lenet", "--compare", str(path))
    assert both["second"]["input"]["channels"] == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"input": "8x8x1", "layers": ["relu"]}', "an unknown key 'input': use in, layers"),
        ('{"in": 8, "layers": ["relu"]}', "in: expected rows x columns x channels"),
        ('{"in": null, "layers": ["relu"]}', "in: expected rows x columns x channels"),
        ('{"in": "8x8x1", "layers": []}', "expected a list of layers"),
        ('{"in": "8x8x1"}', "expected a list of layers"),
        ('"relu"', "expected a list of layers"),
        ('["conv:8', "expected JSON"),
        ('["conv:8,k3"]', "Missing option '--in'"),
        ('{"in": "8x8x1", "layers": [7]}', "expected text or an object with 'layer'"),
        ('{"in": "8x8x1", "layers": [{"layer": "conv", "kernel": 3}]}', "key 'kernel': use"),
        (
            '{"in": "8x8x1", "layers": [{"layer": "fc", "units": 3, "bias": "no"}]}',
            "layer 'fc': expected a bias of true or false",
        ),
    ],
)
def test_a_file_that_is_no_stack_is_refused(
    refuse: Callable[..., str], tmp_path: Any, text: str, said: str
) -> None:
    path = tmp_path / "net.json"
    path.write_text(text)
    assert said in refuse("stack", str(path))


def test_a_shortcut_adds_its_own_weights() -> None:
    stack = stack_of(
        Volume(2, 8, 8),
        layers_of(["residual conv:4,k3,s2,p1,nobias shortcut conv:4,k1,s2,nobias add"])[1],
    )
    assert stack.parameters == 4 * 2 * 9 + 4 * 2
    assert stack.rows[-1].volume == Volume(4, 4, 4)
    assert stack.rows[-1].fields[0].size == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--in", "8x8x1", "cnv:3,k3"], "did you mean conv?"),
        (["--in", "8x8x1", "conv:3"], "its kernel size is missing: write conv:3,k3"),
        (["--in", "8x8x1", "conv:k3"], "its number of filters is missing: write conv:N"),
        (["--in", "8x8x1", "conv"], "its number of filters is missing"),
        (["--in", "8x8x1", "pool:"], "its kernel is missing"),
        (["--in", "8x8x1", "conv:4,k3,p1,"], "nothing stands beside a comma"),
        (["--in", "8x8x1", "conv:4,k3,p-1"], "whole number in 'p-1': write p3, or p3x5"),
        (["--in", "8x8x4", "conv:4,k3,g2x2"], "whole number in 'g2x2': write g3"),
        (["--in", "0x8x1", "relu"], "each at least 1, as 224x224x3; got '0x8x1'"),
        (["--in", "8x8x1", "conv:3,k0"], "expected at least 1"),
        (["--in", "8x8x1", "conv:10000001,k3"], "expected at most 10,000,000 in '10000001'"),
        (["--in", "8x8x1", f"conv:{'9' * 5000},k3"], "999': use less"),
        (["--in", f"8x{'9' * 5000}", "relu"], "expected rows x columns x channels"),
        (["--in", "8x8x1", "conv:3,k3,k5"], "given twice"),
        (["--in", "8x8x1", "conv:3,k3,z9"], "no setting 'z9': conv takes"),
        (["--in", "8x8x1", "relu:3"], "relu takes no settings"),
        (["--in", "8x8x1", "pool:2,p2"], "wider than half of the kernel"),
        (["--in", "8x8x3", "conv:4,k3,g2"], "groups: expected a divisor of 3"),
        (["--in", "8x8x1", "pool:2", "pool:2", "pool:2", "pool:2"], "layer 4 'pool:2'"),
        (["--in", "8x8x1", "residual", "conv:2,k3", "add"], "put 'shortcut conv:2,k1'"),
        (["--in", "8x8x1", "residual", "relu"], "is not closed"),
        (["--in", "8x8x1", "add"], "without 'residual'"),
        (["--in", "8", "relu"], "expected rows x columns x channels"),
        (["relu"], "Missing option '--in'"),
        ([], "or --preset"),
        (["nothing.json"], "nothing.json: cannot be read: No such file or directory: check"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    refuse: Callable[..., str], words: list[str], said: str
) -> None:
    assert said in refuse("stack", *words)


def test_the_library_reads_stacks_as_the_command_does(tmp_path: Path) -> None:
    layers = ["conv:8,k3,p1", "relu", "pool:2"]
    file = tmp_path / "stack.json"
    file.write_text(json.dumps({"in": "32x32x3", "layers": layers}))
    expected = stack_of(Volume(3, 32, 32), layers_of(layers)[1])
    assert stack(str(file)) == expected
    assert stack(layers, "32x32x3") == stack(" ".join(layers), (32, 32, 3)) == expected
    assert stack("lenet").source == Volume(1, 32, 32)
    assert stack("lenet", (40, 40, 3)).source == Volume(3, 40, 40)
    with pytest.raises(GeometryError, match="expected the input's size"):
        stack(layers)

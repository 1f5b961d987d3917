"""Receptive fields: what units can see, what moves them, and the command that draws both."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import convcli
from support.commands import done, refusal, save


@pytest.mark.parametrize(
    ("layers", "unit", "rows", "columns", "cut"),
    [
        # two layers of 3×3 see 5×5, cut at the corner
        ("conv:1,k3,p1 conv:1,k3,p1", "2:0@0,4", (2, 6), (0, 2), (0, 0, 2, 0)),
        # a pool's window begins at 2·4 = 8; its pixels see one more on each side
        ("conv:1,k3,p1 pool:2", "2:0@4,0", (0, 2), (7, 9), (1, 0, 0, 1)),
        # dilation: (1·2 - 1) + {0, 3}
        ("conv:1,k2,s2,d3,p1", "1:0@1,1", (1, 4), (1, 4), (0, 0, 0, 0)),
        # adaptive windows of 9 rows in 4: from ⌊9/4⌋ to ⌈18/4⌉
        ("adaptive:4", "1:0@0,1", (2, 4), (0, 2), (0, 0, 0, 0)),
        # the block sees what its main path or its shortcut sees
        ("residual conv:1,k3,p1 shortcut conv:1,k1 add", "5:*@4,4", (3, 5), (3, 5), (0,) * 4),
        ("residual conv:1,k3,p1 shortcut conv:1,k1 add", "4:*@4,4", (4, 4), (4, 4), (0,) * 4),
        # value 95 of 2 maps of 9×9 is map 1, row 1, column 5
        ("conv:2,k3,p1 flatten relu", "3:95@0,0", (0, 2), (4, 6), (0,) * 4),
        ("pool:3 flatten fc:2", "3:1@0,0", (0, 8), (0, 8), (0,) * 4),
        ("pool:3 gap", "2:0@0,0", (0, 8), (0, 8), (0,) * 4),
        ("conv:1,k1,p2", "1:0@0,2", (0, 0), (0, -1), (0, 0, 2, 0)),  # padding alone
    ],
)
def test_what_a_unit_can_see(
    layers: str, unit: str, rows: Any, columns: Any, cut: tuple[int, ...]
) -> None:
    size = "9x10x1" if layers.startswith("conv:1,k3,p1 pool") else "9x9x1"
    field = convcli.receptive_field(layers, unit, size)
    told = field.as_dict()
    assert (told["rows"], told["columns"]) == ([*rows], [*columns])
    assert tuple(told["padding"].values()) == cut


@pytest.mark.parametrize(
    "layers",
    [
        "conv:4,k3x5,s2,p1 conv:4,k2,d3,g2 avgpool:2",
        "residual conv:2,k3,p1 conv:2,k3,p1 shortcut conv:2,k5,psame add adaptive:5x3",
    ],
)
def test_gradients_reach_all_of_a_field_and_nothing_else(layers: str) -> None:
    rows = convcli.stack(layers, "31x37x2").rows
    volume = rows[-1].volume
    for x, y in ((0, 0), (volume.width // 2, volume.height - 1)):
        unit = f"{len(rows)}:*@{x},{y}"
        field = convcli.receptive_field(layers, unit, "31x37x2")
        found = convcli.effective_field(layers, "31x37x2", unit=unit, seeds=2)
        seen = np.nonzero(found.energy)
        told = field.as_dict()
        assert [seen[0].min(), seen[0].max()] == told["rows"]
        assert [seen[1].min(), seen[1].max()] == told["columns"]


@pytest.fixture
def ones(tmp_path: Path) -> str:
    """Return a file of two layers of 3×3 whose weights are all 1."""
    tensors = {f"conv{n}.weight": np.ones((1, 1, 3, 3), np.float32) for n in (1, 2)}
    save_file(tensors, tmp_path / "ones.safetensors")
    return str(tmp_path / "ones.safetensors")


LAYERS = "conv:1,k3,p1,nobias conv:1,k3,p1,nobias"


def test_the_energy_of_two_layers_by_hand(ones: str) -> None:
    found = convcli.effective_field(LAYERS, "9x9x1", weights=ones, seeds=1, unit="2:0@4,4")
    line = np.array([1, 2, 3, 2, 1])  # how many ways lead from each pixel to the unit
    energy = np.outer(line, line) ** 2 / 19.0**2  # 1 + 4 + 9 + 4 + 1 = 19
    np.testing.assert_allclose(found.energy[2:7, 2:7], energy, rtol=1e-6)
    assert found.share() == pytest.approx(1)
    assert found.share(0.6) == pytest.approx((17 / 19) ** 2)  # the middle 3 of 5
    assert found.as_dict()["reach_95"] == [5, 5]


def test_the_command_says_and_draws_both(
    ask: Callable[..., Any], ones: str, tmp_path: Path
) -> None:
    photo = str(save(tmp_path / "photo.png", np.full((90, 90, 3), 200, np.uint8)))
    drawing = tmp_path / "unit.png"
    words = ("stack", "--in", "90x90x1", LAYERS, "--run", photo, "--unit", "2:0@0,10")
    assert ask(*words)["drawing"] is None
    told = ask(*words, "--png", str(drawing))
    assert (told["rows"], told["columns"]) == ([8, 12], [0, 2])
    assert told["padding"] == {"top": 0, "bottom": 0, "left": 2, "right": 0}
    pixels = np.asarray(Image.open(drawing))
    # 450 / 90 = 5 pixels each, and a margin of 16: bright inside of the field, darker beyond
    assert pixels[16 + 50, 16 + 7].tolist() == [200] * 3
    assert pixels[16 + 50, 16 + 30].tolist() == [80] * 3
    said = " ".join(done(*words).split())
    assert "columns 0 to 2 and rows 8 to 12, 3×5 of 90×90 px" in said
    answer = ask(*words, "--weights", ones)["answer"]
    # 200/255 under 2 × 3 ones in each of the two layers, 3 columns of 5 beyond the edge
    assert answer == pytest.approx(200 / 255 * 3 * (6 + 9), rel=1e-6)
    assert "It answers" in done(*words, "--weights", ones)
    assert "Cut off is what lies over padding: 2 px at the left" in said

    drawing = tmp_path / "erf.png"
    erf = ("stack", "--in", "9x9x1", LAYERS, "--erf", str(drawing), "--seeds", "2")
    assert ask(*erf, "--run", photo)["source"] == photo
    told = ask(*erf, "--weights", ones)
    assert told["field"]["unit"] == "2:*@4,4"
    assert told["energy_inside"] == pytest.approx(1)
    assert np.asarray(Image.open(drawing)).shape[1] > 800
    assert "95 % is in the middle" in done(*erf)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--unit 1:0@0,0", "Missing option '--run'"),
        ("--png a.png", "--png belongs to --unit: add that, or drop --png"),
        ("--erf a.png --unit 1:0@0,0 --layer 1", "--layer: --unit names a layer, too"),
        ("--seeds 3", "--seeds belongs to --erf"),
        ("--top 3", "--top belongs to --run"),
        ("--erf a.png --compare relu", "--compare: --erf has no use for it"),
        ("--erf a.png --png b.png", "--png: --erf has no use for it"),
        ("--run {photo} --unit 1:0@0,0 --out-dir maps", "--out-dir: --unit has no use for it"),
        ("--run {photo} --weights {photo}", "photo.png: not a whole safetensors file"),
        ("--weights a.safetensors", "--weights belongs to --erf or --unit or --run"),
        ("--run {photo}", "Missing option '--weights'"),
        ("--run {photo} --unit 1:0@9,0", "expected x of at most 8, got 9"),
        ("--run {photo} --unit 3:0@0,0", "expected layer 1 to 2, got 3"),
        ("--run {photo} --unit first", "expected layer:map@x,y"),
        ("--erf a.jpg", "expected a name that ends in .png"),
        ("--erf a.png --layer 3", "--layer: expected at most 2, got 3"),
        ("--erf a.png --seeds 0", "--seeds"),
    ],
)
def test_what_is_refused(words: str, message: str, tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", np.zeros((9, 9)))
    given = words.format(photo=photo).split()
    status = 1 if "a.jpg" in words else 2
    said = refusal("stack", "--in", "9x9x1", LAYERS, *given, status=status)
    assert message in " ".join(said.split())


def test_a_unit_that_nothing_moves_is_refused(ones: str) -> None:
    with pytest.raises(convcli.GeometryError, match=re.escape("its gradient is 0 for each")):
        convcli.effective_field(
            "conv:1,k3,nobias relu conv:1,k3,nobias",
            image=np.full((9, 9, 1), -1.0),
            weights=ones,
        )

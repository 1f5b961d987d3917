"""Write what torch says of networks with random weights: run with torch 2.13, from here.

``python make_networks.py`` writes networks.json, their answers, and gradients.json, the
gradients of units with respect to the input. Weights and inputs come from NumPy's seeds, as in
the test; the networks are built from the text of convcli's stacks, layer by layer.
"""

import functools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

_TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_TESTS), str(_TESTS.parent / "src")]
from convcli.lessons.stacks.spec import layers_of  # noqa: E402
from support.networks import BACKWARD, CASES, random_tensors  # noqa: E402


def tensor_in(tensors: Any, name: str, part: str) -> Any:
    return torch.tensor(tensors[f"{name}.{part}"])


def ran(  # noqa: C901, PLR0912 - a branch for each layer
    specs: Any, tensors: Any, names: Any, x: Any
) -> list[Any]:
    blocks: list[list[Any]] = []
    answers = []
    for number, spec in enumerate(specs):
        name, kind = names.get(number, ""), spec.layer_type
        get = functools.partial(tensor_in, tensors, name)
        settings = {"stride": spec.stride, "padding": spec.padding}
        if kind == "conv":
            bias = get("bias") if spec.bias else None
            more = {"groups": spec.groups, "dilation": spec.dilation}
            x = functional.conv2d(x, get("weight"), bias, **more, **settings)
        elif kind == "pool":
            x = functional.max_pool2d(x, spec.kernel, dilation=spec.dilation, **settings)
        elif kind == "avgpool":
            x = functional.avg_pool2d(x, spec.kernel, **settings)
        elif kind in ("adaptive", "gap"):
            x = functional.adaptive_avg_pool2d(x, spec.kernel)
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "fc":
            x = functional.linear(x, get("weight"), get("bias"))
        elif kind == "bn":
            x = functional.batch_norm(
                x, get("running_mean"), get("running_var"), get("weight"), get("bias")
            )
        elif kind == "relu":
            x = functional.relu(x)
        elif kind == "softmax":
            x = functional.softmax(x, 1)
        elif kind == "residual":
            blocks.append([x, None])
        elif kind == "shortcut":
            blocks[-1][1], x = x, blocks[-1][0]
        elif kind == "add":
            entry, main = blocks.pop()
            x = x + (entry if main is None else main)
        answers.append(x[0])
    return answers


found = {}
for case, (words, shape) in CASES.items():
    _, specs = layers_of([words])
    tensors, names = random_tensors(words, shape)
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    x = torch.tensor(image).permute(2, 0, 1)[None]
    found[case] = [
        {
            "shape": list(answer.shape),
            "mean": answer.mean().item(),
            "largest": answer.abs().max().item(),
            "sampled": answer.flatten()[:: max(answer.numel() // 7, 1)].tolist(),
        }
        for answer in ran(specs, tensors, names, x)
    ]
Path("networks.json").write_text(json.dumps(found, separators=(",", ":")))

gradients = {}
for case, (words, shape, units) in BACKWARD.items():
    _, specs = layers_of([words])
    tensors, names = random_tensors(words, shape)
    for layer, y, x in units:
        image = np.random.default_rng(1).random(shape, dtype=np.float32)
        entry = torch.tensor(image).permute(2, 0, 1)[None].requires_grad_()
        answer = ran(specs[:layer], tensors, names, entry)[-1]
        at = answer[:, y, x] if answer.ndim == 3 else answer
        mix = torch.tensor(np.cos(np.arange(len(at))).astype(np.float32))
        (at * mix).sum().backward()
        gradient = entry.grad[0]
        gradients[f"{case} {layer} {y} {x}"] = {
            "norm": gradient.norm().item(),
            "largest": gradient.abs().max().item(),
            "sampled": gradient.flatten()[:: max(gradient.numel() // 50, 1)].tolist(),
        }
Path("gradients.json").write_text(json.dumps(gradients, separators=(",", ":")))

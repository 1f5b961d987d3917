"""Write what torch's autograd says of one step: run with torch 2.13, from this folder.

``python make_step.py``. Inputs come from NumPy's seeds, as in the test.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

CASES: list[dict[str, Any]] = [
    {"stride": 1, "padding": 0, "dilation": 1},
    {"stride": 2, "padding": 1, "dilation": 1},
    {"stride": [2, 1], "padding": [0, 2], "dilation": [1, 2]},
]

found = []
for number, case in enumerate(CASES):
    settings = {name: tuple(v) if isinstance(v, list) else v for name, v in case.items()}
    rng = np.random.default_rng(number)
    image = torch.tensor(rng.normal(size=(7, 6)), requires_grad=True)
    kernel = torch.tensor(rng.normal(size=(3, 2)), requires_grad=True)
    bias = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    output = torch.nn.functional.conv2d(image[None, None], kernel[None, None], bias, **settings)
    target = torch.tensor(rng.normal(size=tuple(output.shape[2:])))
    loss = ((output[0, 0] - target) ** 2).sum() / 2
    loss.backward()
    found.append(
        {
            "settings": case,
            "shape": list(target.shape),
            "loss": loss.item(),
            "kernel_gradient": kernel.grad.tolist(),
            "bias_gradient": bias.grad.item(),
            "image_gradient": image.grad.tolist(),
        }
    )
Path("step.json").write_text(json.dumps(found, separators=(",", ":")))

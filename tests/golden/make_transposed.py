"""Write what torch says of transposed convolutions: run with torch 2.13, from this folder.

``python make_transposed.py``. Inputs and weights come from NumPy's seeds, as
in the test.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

CASES: list[Any] = [
    # channels, filters, kernel, then torch's settings
    (1, 1, (3, 3), {"stride": 1, "padding": 0}),
    (3, 2, (3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    (
        4,
        6,
        (4, 2),
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (0, 2), "groups": 2},
    ),
    (2, 2, (3, 2), {"stride": 2, "padding": (3, 0), "dilation": (2, 3)}),
    (4, 4, (5, 5), {"stride": 3, "padding": 2, "groups": 4}),
    (2, 1, (1, 1), {"stride": 3, "padding": 0, "output_padding": 2}),
    (1, 2, (2, 2), {"stride": 1, "padding": 2}),
]

found = []
for number, (channels, filters, kernel, settings) in enumerate(CASES):
    rng = np.random.default_rng(number)
    image = rng.normal(size=(6, 7, channels))
    groups = settings.get("groups", 1)
    weights = rng.normal(size=(channels, filters // groups, *kernel))
    bias = rng.normal(size=filters)
    answer = torch.nn.functional.conv_transpose2d(
        torch.tensor(image).permute(2, 0, 1)[None],
        torch.tensor(weights),
        torch.tensor(bias),
        **settings,
    )[0].permute(1, 2, 0)
    found.append(
        {
            "case": [channels, filters, kernel, settings],
            "shape": list(answer.shape),
            "every_fifth": [round(value, 9) for value in answer.flatten()[::5].tolist()],
        }
    )
Path("transposed.json").write_text(json.dumps(found, separators=(",", ":")))

"""Train a small network on scikit-learn's digits: run with torch 2.13, from this folder.

``python make_digits.py`` writes digits.safetensors (the weights) and digits.npz (the last 100
digits of 8×8 pixels, 0 to 255, with their classes; the network has not seen them).
"""

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits  # type: ignore[import-not-found]

torch.manual_seed(0)
digits = load_digits()
images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
x = torch.tensor(images / 255.0, dtype=torch.float32)[:, None]
y = torch.tensor(digits.target)
network = torch.nn.Sequential(
    torch.nn.Conv2d(1, 8, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(8, 12, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(48, 10),
)
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
for _ in range(400):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(network(x[:-100]), y[:-100]).backward()
    optimizer.step()
answers = network(x[-100:])
save_file(network.state_dict(), "digits.safetensors")
np.savez_compressed(
    "digits.npz",
    images=images[-100:],
    classes=digits.target[-100:].astype(np.uint8),
    answers=answers.detach().numpy(),
)

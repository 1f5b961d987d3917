"""Folders of pictures that all differ, and what a batch has written into a folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from support.commands import PHOTOS
from support.waiting import wait_for

COUNT = 60
"""How many pictures `write_photos` writes."""


def write_photos(folder: Path) -> None:
    """Write pictures that all differ: 000.jpg, 001.jpg …"""
    with Image.open(PHOTOS / "rocket.jpg") as opened:
        pixels = np.asarray(opened)
    for index in range(COUNT):
        turned = np.roll(pixels, 7 * index, axis=1)
        Image.fromarray(turned[::2, ::2]).save(folder / f"{index:03}.jpg", quality=90)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file of a folder, by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def settled(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder once nobody is in the middle of writing there."""
    wait_for(lambda: not any(path.name.startswith(".convcli-") for path in folder.iterdir()))
    return contents(folder)

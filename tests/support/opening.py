"""Look at a picture without convcli, and leave no file open."""

import io
from pathlib import Path

from PIL import Image, ImageFile


def opened(path: Path) -> ImageFile.ImageFile:
    """Return a file's picture, read from memory."""
    return Image.open(io.BytesIO(path.read_bytes()))

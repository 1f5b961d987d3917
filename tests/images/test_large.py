"""Pictures above a megapixel are handed over in parts: no pixel may be lost or moved."""

import io

import numpy as np
import pytest
from PIL import Image

from convcli.images.read import read_picture


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P", "1", "CMYK"])
def test_large_pictures_are_read_as_pillow_has_them(mode: str) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (1031, 1087, 4), np.uint8)
    image = Image.fromarray(colours).convert(mode)
    file = io.BytesIO()
    image.save(file, "TIFF")
    picture = read_picture(file).frames[0]
    target = {"P": "RGB", "1": "L", "CMYK": "RGB"}.get(mode, mode)
    expected = np.asarray(image.convert(target)).reshape(1031, 1087, -1)
    pixels = picture.pixels
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    np.testing.assert_array_equal(pixels, expected)

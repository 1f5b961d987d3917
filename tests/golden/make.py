"""Make the golden images: crops of photographs, and what other programs say of them.

Run as ``python tests/golden/make.py`` after a change in the list of cases. Each case is a
folder: ``command.txt`` (the arguments of convcli, with ``{in}`` and ``{out}``),
``input.png`` and ``expected.png``. The expected pictures come from SciPy, OpenCV, Pillow
and NumPy, never from convcli. Values that lie so close to a tie that float32 and float64
may round them apart are refused: choose another crop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, signal

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]

HERE = Path(__file__).parent
PHOTOS = HERE.parents[1] / "sample_images"

SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
RELIEF = ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))
RING = ((1, 1, 1), (1, -8, 1), (1, 1, 1))
SLANTED = ((0, 1, 2), (-1, 0, 1), (-2, -1, 1))


@dataclass(frozen=True)
class Case:
    """A golden case.

    Attributes
    ----------
    command : str
        The arguments, as a shell splits them.
    photo : str
        A file in sample_images/.
    corner : (int, int)
        Left and top of the crop.
    side : int
        Its width and height, in pixels.
    mode : str
        L, LA, RGB, RGBA or I;16.
    expected : callable
        From the input's pixels to the output's, by other means than convcli.
    """

    command: str
    photo: str
    corner: tuple[int, int]
    side: int
    mode: str
    expected: Callable[[Array], Array]


# ------------------------------------------------------- from raw values to pixels


def settled(values: Floats, *, white: int = 255, margin: float = 1e-4) -> Array:
    """Round and cut off; refuse values within `margin` of a tie."""
    near = np.abs(np.abs(values - np.floor(values)) - 0.5) < margin
    inside = (values > 0) & (values < white)
    if (near & inside).any():
        raise ValueError(f"{np.count_nonzero(near & inside)} values too close to a tie")
    kind = np.uint8 if white == 255 else np.uint16
    return np.clip(np.rint(values), 0, white).astype(kind)


def absolute(values: Floats) -> Array:
    return settled(np.abs(values))


def shifted(values: Floats) -> Array:
    return settled(values + 128)


def stretched(values: Floats) -> Array:
    return settled((values - values.min()) * 255 / (values.max() - values.min()))


# ------------------------------------------------------------- what others compute


def correlated(pixels: Array, weights: Any, mode: str) -> Floats:
    """Correlate each channel by SciPy; `mode` is SciPy's name of the border."""
    kernel = np.array(weights, np.float64)
    values = pixels.astype(np.float64)
    if values.ndim == 2:
        return np.asarray(ndimage.correlate(values, kernel, mode=mode))
    return np.dstack(
        [correlated(channel, kernel, mode) for channel in np.moveaxis(values, 2, 0)]
    )


def sobel_x(pixels: Array) -> Array:
    values = cv2.Sobel(pixels, cv2.CV_64F, 1, 0, ksize=3, borderType=cv2.BORDER_CONSTANT)
    return absolute(np.asarray(values))


def gaussian(pixels: Array) -> Array:
    values = ndimage.gaussian_filter(pixels.astype(np.float64), (1, 1, 0), mode="nearest")
    return settled(np.asarray(values))


def sharpen(pixels: Array) -> Array:
    kernel = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float64)
    values = cv2.filter2D(pixels, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT_101)
    return settled(np.asarray(values))


def emboss(pixels: Array) -> Array:
    return settled(correlated(pixels, RELIEF, "wrap"))


def every_second(pixels: Array) -> Array:
    values = cv2.Scharr(pixels, cv2.CV_64F, 0, 1, borderType=cv2.BORDER_CONSTANT)
    return absolute(np.asarray(values, np.float64)[::2, ::2])


def with_holes(pixels: Array) -> Array:
    kernel = np.zeros((5, 5))
    kernel[::2, ::2] = ((-1, -1, -1), (0, 0, 0), (1, 1, 1))
    return absolute(correlated(pixels, kernel, "reflect"))


def gray_relief(pixels: Array) -> Array:
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    return shifted(correlated(gray, RING, "nearest"))


def stretched_laplacian(pixels: Array) -> Array:
    values = cv2.Laplacian(pixels, cv2.CV_64F, ksize=1, borderType=cv2.BORDER_REPLICATE)
    return stretched(np.asarray(values))


def box_under_alpha(pixels: Array) -> Array:
    colour = pixels[..., :3].astype(np.float64)
    mean = cv2.blur(colour, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return np.dstack([settled(np.asarray(mean)), pixels[..., 3]])


def edges_under_alpha(pixels: Array) -> Array:
    inside = correlated(pixels[..., 0], -np.array(RING), "constant")[1:-1, 1:-1]
    return np.dstack([absolute(inside[::3, ::3]), pixels[1:-1:3, 1:-1:3, 1]])


def sepia(pixels: Array) -> Array:
    return settled(np.asarray(cv2.transform(pixels.astype(np.float64), np.array(SEPIA))))


def red_against_blue(pixels: Array) -> Array:
    values = pixels.astype(np.float64)
    red = signal.correlate2d(values[..., 0], [[1, 1], [1, 1]], mode="valid")
    blue = signal.correlate2d(values[..., 2], [[1, 1], [1, 1]], mode="valid")
    return settled(red - blue)


def chain(pixels: Array) -> Array:
    soft = ndimage.gaussian_filter(pixels.astype(np.float64), 1, mode="nearest")
    return absolute(correlated(np.asarray(soft), RING, "nearest"))


def convolved(pixels: Array) -> Array:
    return settled(
        np.asarray(signal.convolve2d(pixels.astype(np.float64), SLANTED, mode="same"))
    )


def sixteen_bits(pixels: Array) -> Array:
    mean = cv2.blur(pixels.astype(np.float64), (3, 3), borderType=cv2.BORDER_REFLECT_101)
    return settled(np.asarray(mean), white=65_535, margin=0.05)


def biased(pixels: Array) -> Array:
    values = ndimage.sobel(pixels.astype(np.float64), axis=0, mode="constant")
    return settled(np.asarray(values) + 100)


def roberts(pixels: Array) -> Array:
    values = signal.correlate2d(pixels.astype(np.float64), [[1, 0], [0, -1]], mode="valid")
    return shifted(np.asarray(values)[:, ::2])


FACE, EYE, SPOON, ROCKET = (226, 110), (128, 78), (300, 240), (300, 120)

CASES = {
    "sobel-x": Case("apply sobel-x {in} {out}", "camera.png", FACE, 48, "L", sobel_x),
    "gaussian-replicate": Case(
        "apply gaussian:1 {in} {out} --border replicate",
        "chelsea.png",
        EYE,
        32,
        "RGB",
        gaussian,
    ),
    "sharpen-reflect": Case(
        "apply sharpen {in} {out} --border reflect", "coffee.png", SPOON, 48, "RGB", sharpen
    ),
    "emboss-wrap": Case(
        "apply emboss {in} {out} --border wrap", "rocket.jpg", ROCKET, 48, "RGB", emboss
    ),
    "stride-2": Case(
        "apply scharr-y {in} {out} --stride 2", "camera.png", FACE, 47, "L", every_second
    ),
    "dilation-2": Case(
        "apply prewitt-y {in} {out} --dilation 2 --border symmetric",
        "chelsea.png",
        EYE,
        40,
        "RGB",
        with_holes,
    ),
    "gray-laplacian8-shift": Case(
        "apply laplacian8 {in} {out} --gray --range shift --border replicate",
        "coffee.png",
        SPOON,
        48,
        "RGB",
        gray_relief,
    ),
    "stretch": Case(
        "apply laplacian4 {in} {out} --range stretch --border replicate",
        "chelsea.png",
        EYE,
        48,
        "RGB",
        stretched_laplacian,
    ),
    "rgba-box": Case(
        "apply box:5 {in} {out} --border replicate",
        "coffee.png",
        SPOON,
        48,
        "RGBA",
        box_under_alpha,
    ),
    "la-stride-3": Case(
        "apply edge {in} {out} -s 3 -p valid --strict",
        "camera.png",
        FACE,
        48,
        "LA",
        edges_under_alpha,
    ),
    "bank-sepia": Case(
        "apply '[[[[0.393]],[[0.769]],[[0.189]]],[[[0.349]],[[0.686]],[[0.168]]],"
        "[[[0.272]],[[0.534]],[[0.131]]]]' {in} {out}",
        "chelsea.png",
        EYE,
        32,
        "RGB",
        sepia,
    ),
    "bank-to-gray": Case(
        "apply '[[[[1,1],[1,1]],[[0,0],[0,0]],[[-1,-1],[-1,-1]]]]' {in} {out} "
        "-p valid --range clip",
        "coffee.png",
        SPOON,
        48,
        "RGB",
        red_against_blue,
    ),
    "chain": Case(
        "apply gaussian:1 {in} {out} --then laplacian8 --border replicate",
        "camera.png",
        FACE,
        32,
        "L",
        chain,
    ),
    "flip": Case(
        "apply '[[0,1,2],[-1,0,1],[-2,-1,1]]' {in} {out} --flip",
        "camera.png",
        FACE,
        48,
        "L",
        convolved,
    ),
    "sixteen-bit": Case(
        "apply box {in} {out} --border reflect", "camera.png", FACE, 48, "I;16", sixteen_bits
    ),
    "bias-clip": Case(
        "apply sobel-y {in} {out} --bias 100 --range clip",
        "camera.png",
        FACE,
        48,
        "L",
        biased,
    ),
    "even-kernel-stride-1x2": Case(
        "apply '[[1,0],[0,-1]]' {in} {out} -s 1x2 -p valid --range shift",
        "camera.png",
        FACE,
        48,
        "L",
        roberts,
    ),
}


def input_pixels(case: Case) -> Array:
    """Cut the crop, with an opacity that fades to the right where the mode has one."""
    left, top = case.corner
    with Image.open(PHOTOS / case.photo) as photo:
        crop = photo.crop((left, top, left + case.side, top + case.side))
        pixels = np.asarray(crop.convert("RGB" if "RGB" in case.mode else "L"))
    if case.mode == "I;16":
        fine = np.arange(case.side, dtype=np.uint16)
        return pixels.astype(np.uint16) * 256 + fine
    if case.mode.endswith("A"):
        fade = np.tile(np.linspace(255, 0, case.side), (case.side, 1)).astype(np.uint8)
        return np.dstack([pixels, fade])
    return pixels


def save(pixels: Array, path: Path) -> None:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    image.save(path, optimize=True)


def main() -> None:
    for name, case in CASES.items():
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        pixels = input_pixels(case)
        (folder / "command.txt").write_text(case.command + "\n", encoding="utf-8")
        save(pixels, folder / "input.png")
        save(case.expected(pixels), folder / "expected.png")


if __name__ == "__main__":
    main()

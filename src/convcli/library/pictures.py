"""Pictures in, pictures out: what `convcli apply`, `pool` and `find` do, as functions."""

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypedDict, Union, Unpack, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli import settings
from convcli.errors import ImageError, OptionError, fail
from convcli.images.picture import Frame, Picture, picture_of_samples
from convcli.images.policy import MAX_PIXELS, ReadPolicy, check_exact, readable_named
from convcli.images.read import read_picture, read_pil
from convcli.images.write import Saving
from convcli.kernels.operator import Operator
from convcli.library.chains import KernelLike, Run, check_options, run_of
from convcli.library.chains import kernel as as_kernel
from convcli.library.chains import recipe as read_recipe
from convcli.pipeline.files import FileOutput, filter_picture
from convcli.pipeline.pipeline import Pipeline, plan_pipeline
from convcli.pipeline.recipe import Recipe
from convcli.pipeline.report import Report, combined_report
from convcli.pipeline.run import Filtered
from convcli.storage.urls import FRAME, has_number, unknown_field
from convcli.text import brief, percent
from convcli.values import Record, replace

if TYPE_CHECKING:
    from PIL import Image

    from convcli.choices import Alpha, Border, Colormap, Combine, Depth, Edges, Method, Range
    from convcli.engine.planner import Plan
    from convcli.geometry.window import IntOrPair, Padding
    from convcli.lessons.find import Match

PictureLike: TypeAlias = Union[
    str, Path, bytes, BinaryIO, ArrayLike, "Image.Image", Picture, "Result"
]
"""What a picture can be given as: see `open`."""


class FilterOptions(TypedDict, total=False):
    """The options of `apply`: named, meant and checked as those of the command.

    Each is written as on the command line (``border="replicate"``, ``padding="same"``,
    ``stride="2x1"``), or is the library's own value (``Border.REPLICATE``, ``(2, 1)``).
    `convcli.Options` documents each.

    Examples
    --------
    >>> options: FilterOptions = {"border": "replicate", "stride": 2}
    >>> apply("box", [[0, 0, 9, 9]], **options).array.tolist()
    [[0.0, 6.0]]
    """

    stride: "IntOrPair | str"
    padding: "Padding | str"
    dilation: "IntOrPair | str"
    transposed: bool
    output_padding: int
    border: "Border | Edges | str"
    bias: float | None
    flip: bool
    gray: bool
    range: "Range | str"
    depth: "Depth | str | int | None"
    alpha: "Alpha | str"
    background: "tuple[int, int, int] | str | None"
    linear: bool
    combine: "Combine | str | None"
    map: int | None
    relu: bool
    colormap: "Colormap | str | None"
    direction: bool
    amount: float
    threshold: float
    mask: Any
    region: str | None
    channels: "str | Sequence[str | int] | None"
    axis: str | None
    missing: "str | float | None"
    missing_min: float
    strict: bool
    method: "Method | str"
    jobs: int | None


_DIMENSIONS = (2, 3)
_MOST_BYTES = 8


class Result(Record):
    """The result of `apply` or `pool` for a picture.

    Attributes
    ----------
    filtered : tuple of Filtered
        The result for each frame.
    source : Picture
        The input without its frames: what its file said is saved with the result.
    pipeline : Pipeline
        The plan for the first frame.
    run : Run or None
        What was asked for; None for a pooling.

    Examples
    --------
    >>> import convcli
    >>> result = convcli.apply([[-1, 0, 1]], [[0, 0, 9, 9]])
    >>> result.array.tolist(), result.report.range
    ([[0.0, 9.0, 9.0, -9.0]], None)
    """

    filtered: tuple[Filtered, ...]
    source: Picture
    pipeline: Pipeline
    run: Run | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe that repeats the run; its `save` writes it into a file.

        An `OptionError` is raised where a recipe cannot hold it: of a pooling, or of a mask
        that is an array.
        """
        if self.run is None:
            raise OptionError("recipe: expected a result of apply, got one of pool")
        return self.run.recipe

    @property
    def array(self) -> NDArray[Any]:
        """The pixels of the first frame, shape (H, W) or (H, W, C); an opacity comes last."""
        return self.arrays[0]

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The pixels of every frame, as in `array`."""
        return tuple(frame.array for frame in self.picture.frames)

    @property
    def picture(self) -> Picture:
        """The result as a picture, for the next step."""
        frames = tuple(filtered.frame() for filtered in self.filtered)
        return replace(self.source, frames=frames)

    @property
    def report(self) -> Report:
        """What the command prints: sizes, steps, raw range, clipping, warnings."""
        reports = [filtered.report for filtered in self.filtered]
        return combined_report(reports, self.source.mode, self.source.notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know; empty where all went well."""
        return self.report.warnings

    def save(
        self,
        target: str | Path,
        *,
        format: str | None = None,  # noqa: A002 - as the command spells it
        quality: int | None = None,
        compress_level: int | None = None,
        strip: bool = False,
        sheet: bool = False,
        record: bool = False,
    ) -> Report:
        """Write the result to a file or a URL: complete, or not at all.

        Parameters
        ----------
        target : str or Path
            As OUTPUT of the command: ``{map}`` in it makes a file for each output map,
            ``{frame}`` one for each frame, from 0 (``{frame:03}``: from 000); a ``.npy``
            gets `array` as it is.
        format : str, optional
            The name of the format; that of the suffix unless given.
        quality, compress_level, strip, sheet, record
            As the options of the command.

        Returns
        -------
        Report
            Its warnings name what the file does not hold.

        Raises
        ------
        ImageError
            If the format cannot hold the result, or the target cannot be written.
        """
        from convcli.images.formats import format_for, format_named

        if (field := unknown_field(str(target))) is not None:
            raise ImageError(f"{target}: expected {{map}} or {{frame}}, got {field}")
        file_format = format_named(format) if format else format_for(target, "format=")
        recipe = str(self.recipe) if record else None
        saving = Saving(quality, compress_level, strip, recipe=recipe)
        output = FileOutput(str(target), file_format, saving, sheet)
        count = 1 if has_number(str(target), FRAME) else len(self.filtered)
        output.check_maps(self.pipeline, count)
        return output.write(self.filtered, self.source, self.pipeline)

    def __repr__(self) -> str:
        kernels = ", ".join(step.kernel for step in self.filtered[0].report.steps)
        return f"<Result of {kernels}: {self.array.shape} {self.array.dtype}>"

    def to_pil(self) -> "Image.Image":
        """Return the first frame as an image of Pillow's: see `Picture.to_pil`."""
        return self.picture.to_pil()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001 - NumPy calls it so
        return np.array(self.array, dtype=dtype, copy=copy)

    def _repr_png_(self) -> bytes:
        return self.picture._repr_png_()

    def _repr_html_(self) -> str:
        from base64 import b64encode
        from html import escape

        data = b64encode(self._repr_png_()).decode()
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in _facts(self.report)
        )
        return f"<img src='data:image/png;base64,{data}'><table>{rows}</table>"


def open(  # noqa: A001 - as Pillow and rasterio call it
    source: PictureLike,
    *,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    allow_truncated: bool = False,
    allow_formats: Iterable[str] = (),
    alpha: bool | None = None,
) -> Picture:
    """Read a picture, with all frames and with what its file says about it.

    Parameters
    ----------
    source : str, Path, URL, file object, bytes, PIL image or array
        A URL is one that fsspec knows. An array has shape (H, W) or (H, W, C).
    frame : int, optional
        The only frame to read, counted from 0; all of them otherwise.
    max_pixels : int
        Refuse larger pictures.
    allow_truncated : bool
        Read what there is of a file that ends too early.
    allow_formats : iterable of str
        Formats that are off unless named, such as ``EPS``.
    alpha : bool, optional
        Whether the last channel of an array is its opacity. Unless given, it is in arrays of
        uint8 and uint16 with 2 or 4 channels, as `PIL.Image.fromarray` takes them.

    Raises
    ------
    ImageError
        If there is no such file, or it holds no picture that can be read.

    Examples
    --------
    >>> import numpy as np
    >>> picture = open(np.zeros((2, 3, 4), np.uint8))
    >>> picture.frames[0].shape, picture.frames[0].channels, np.asarray(picture).shape
    ((2, 3), 3, (2, 3, 4))
    """
    if isinstance(source, Result):
        return source.picture
    if isinstance(source, Picture):
        return source
    formats = frozenset(map(readable_named, allow_formats))
    policy = ReadPolicy(max_pixels, allow_truncated, formats, frame)
    if isinstance(source, str | os.PathLike):
        return read_picture(os.fspath(source), reading=policy)
    if isinstance(source, bytes | bytearray | memoryview):
        return read_picture(io.BytesIO(source), "bytes", policy)
    if hasattr(source, "read") and hasattr(source, "seekable"):
        name = str(getattr(source, "name", "file object"))
        return read_picture(cast("BinaryIO", source), name, policy)
    image = read_pil(source, policy)
    return image or Picture((_frame_of_array(cast("ArrayLike", source), alpha=alpha),))


def apply(
    kernel: KernelLike | Sequence[Any] | PictureLike,
    picture: PictureLike | None = None,
    *,
    then: KernelLike | Sequence[Any] = (),
    times: int | None = None,
    recipe: Recipe | str | Path | None = None,
    raw: bool = False,
    **options: Unpack[FilterOptions],
) -> Result:
    """Slide a kernel over a picture, as ``convcli apply`` does.

    Parameters
    ----------
    kernel : str, Path, Kernel, Operator, array or list of rows; or a list of these
        What ``convcli apply`` takes as KERNEL, or weights, or a `Recipe`. A list of kernels is
        a chain: each filters the result of the one before, unrounded. ``"relu"``, ``"abs"``,
        ``"pool:2"`` (means) and ``"max:2"`` may follow a kernel.
    picture : Picture, or whatever `open` takes
        Never modified.
    then : as kernel
        More steps of the chain, as ``--then`` of the command.
    times : int, optional
        How often the chain is repeated, at most 100 times; once, or as a recipe says, unless
        given.
    recipe : Recipe, str or Path, optional
        What `recipe` takes, as ``--recipe`` of the command. There is no `kernel` then, but the
        picture alone, and the other arguments change the recipe.
    raw : bool
        Return raw floats, not pixels.
    **options
        The options of the command: see `FilterOptions`.

    Raises
    ------
    ConvcliError
        If a kernel or an option makes no sense, or does not fit the picture.

    Examples
    --------
    >>> apply("box", [[0, 0, 9, 9]], border="replicate").array.tolist()
    [[0.0, 3.0, 6.0, 9.0]]
    """
    if recipe is not None:
        if picture is not None:
            raise OptionError("recipe: expected the picture alone, got a kernel, too: drop it")
        kernel, picture = read_recipe(recipe), cast("PictureLike", kernel)
    if picture is None:
        raise OptionError("apply: expected a kernel and a picture, or a picture and a recipe")
    run = run_of(kernel, then, times, options)
    return Result(*filter_picture(open(picture), run.steps, run.options, raw=raw), run)


_POOLED = {"stride", "padding", "dilation", "border", "gray", "depth", "alpha", "background"}
_POOLED |= {"linear", "strict", "jobs"}
"""The options of pooling."""


@settings.with_short_names
def pool(
    pooling: str,
    picture: PictureLike,
    *,
    kernel_size: Any = 2,
    raw: bool = False,
    **options: Unpack[FilterOptions],
) -> Result:
    """Keep the largest value, or the average, of each window, as ``convcli pool`` does.

    Parameters
    ----------
    pooling : {"max", "average"}
        Which value is kept.
    picture, raw
        As for `apply`.
    kernel_size : int or (int, int)
        Rows and columns of the window; `k` is taken, too.
    **options
        ``stride`` (the size of the window unless given; `s` is taken, too), ``padding``
        (``"valid"`` unless given), ``dilation``, ``border``, ``gray``, ``depth``,
        ``alpha``, ``background``, ``linear``, ``strict`` and ``jobs`` of `FilterOptions`.

    Raises
    ------
    ConvcliError
        If the window does not fit the picture, or an option is none of pooling.

    Examples
    --------
    >>> pool("max", [[1, 9, 2, 4], [3, 0, 8, 5]]).array.tolist()
    [[9.0, 8.0]]
    """
    from convcli.engine.pooling import Pooling, Reduction
    from convcli.geometry.window import window

    filtering = settings.options_from_words(**{"padding": "valid", **options})
    check_options("pool", "it has no", set(options) - _POOLED)
    if not isinstance(pooling, str | Reduction):
        raise OptionError(
            f"pooling: expected 'max' or 'average', got {brief(pooling)}: name it first, "
            "then give the picture"
        )
    size = settings.pair_from(kernel_size)
    stride = filtering.stride if "stride" in options else size
    slide = window(size, stride, filtering.padding, filtering.dilation)
    border = filtering.border if "border" in options else None
    planned = Pooling(settings.choice_from(Reduction, pooling), slide, border)
    return Result(*filter_picture(open(picture), [planned], filtering, raw=raw))


def find(
    kernel: KernelLike, picture: PictureLike, *, top: int = 5, normalized: bool = False
) -> "list[Match]":
    """Find the places where a kernel answers most strongly, as ``convcli find`` does.

    Parameters
    ----------
    kernel : str, Path, Kernel, array or list of rows
        2-D; ``"image:patch.png"`` looks for a patch.
    picture : Picture, or whatever `open` takes
        Its first frame, made grey.
    top : int
        How many places at most.
    normalized : bool
        Score from -1 to 1, whatever the brightness and contrast.

    Returns
    -------
    list of Match
        Strongest first.

    Raises
    ------
    ConvcliError
        If the kernel is no single 2-D kernel, or larger than the picture.

    Examples
    --------
    >>> find([[0, 1, 0]], [[0, 0, 0, 0], [0, 0, 7, 0]], top=1)[0].score
    7.0
    """
    from convcli.lessons.find import find_matches

    operand = as_kernel(kernel)
    if isinstance(operand, Operator):
        raise ImageError(f"{operand.name}: expected one kernel to find, got several: take one")
    most = settings.named("top", settings.whole_number_from, top, 1)
    return find_matches(open(picture).frames[0], operand, top=most, normalized=normalized)


def plan(
    kernel: KernelLike | Sequence[Any],
    picture: PictureLike,
    *,
    then: KernelLike | Sequence[Any] = (),
    times: int | None = None,
    **options: Unpack[FilterOptions],
) -> "tuple[Plan, ...]":
    """Say how the first frame of a picture would be filtered, and why; nothing is computed.

    The arguments are those of `apply`, and so are the errors. There is a plan for each kernel;
    `Plan.why` says why its strategy was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> plan("sobel-x", np.zeros((512, 512), np.uint8))[0].strategy.name
    'passes'
    """
    run = run_of(kernel, then, times, options)
    header = open(picture).frames[0].header
    return plan_pipeline(header, run.steps, run.options).plans


def _facts(report: Report) -> list[tuple[str, str]]:
    sizes = [report.input_shape, report.output_shape]
    before, after = (f"{columns} × {rows} px, {channels}" for rows, columns, channels in sizes)
    facts = [
        ("input", f"{before} channels"),
        ("output", f"{after} channels"),
        ("kernel", ", ".join(step.kernel for step in report.steps)),
        ("border", report.border),
        ("raw values", report.raw_values),
        ("range", f"{report.range or 'none'}, {percent(report.clipped)} clipped"),
    ]
    return [*facts, *(("warning", warning) for warning in report.warnings)]


def _frame_of_array(values: ArrayLike, *, alpha: bool | None) -> Frame:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > _MOST_BYTES:
        fault = f"expected real numbers of at most 64 bits, got {array.dtype}"
        fail("picture", fault, "convert it with astype", ImageError)
    if array.ndim not in _DIMENSIONS or 0 in array.shape:
        got = f"got the shape {array.shape}"
        fault = f"expected an array (H, W) or (H, W, C) with at least one pixel, {got}"
        fail("picture", fault, "take one picture of it", ImageError)
    check_exact(array, "picture")
    pixels = np.atleast_3d(array.astype(array.dtype.newbyteorder("="), copy=False))
    if alpha is None:
        has_alpha = pixels.dtype in (np.uint8, np.uint16)
        return picture_of_samples(pixels) if has_alpha else Frame(pixels)
    is_split = alpha and array.ndim == max(_DIMENSIONS)
    return Frame(pixels[..., :-1], pixels[..., -1]) if is_split else Frame(pixels)

"""How much memory a run takes: one estimate for files, and for blocks of a tiled picture.

The factors were measured, as the growth of a process's peak by pictures of 12 megapixels:
`tests/pipeline/test_memory.py` holds them against runs.
"""

import math

from convcli.errors import ConvcliError
from convcli.geometry.window import Pair
from convcli.images.write import Saving
from convcli.pipeline.files import FileFilter
from convcli.pipeline.pipeline import Pipeline
from convcli.pipeline.steps import PlannedStep
from convcli.storage.urls import size_of
from convcli.values import replace

_FLOATS = 3  # float results at the same time, where values are mapped as a whole
_BLEND_FLOATS, _BLEND_LINEAR, _BLEND_ALPHA = 11, 5, 12  # further ones of mixing, in light …
_LAID = 4  # copies of an input at the same time, where a border is laid around it
_MISSING_FLOATS = 6  # floats at the same time, of results and inputs, with missing pixels
_TO_LINEAR_FLOATS = 3  # float inputs at the same time, while sRGB codes become linear light
_GRAY_BYTES = 20  # bytes a pixel while a colour picture is made grey
_DECODED = 4  # copies of a file's pixels: Pillow's with a fourth byte, its bytes, the array
_ENCODED = 2  # copies of the result: the encoder's, too
_ENCODER = {"AVIF": 15, "GIF": 15, "JPEG2000": 15, "WEBP": 15}  # its own copies of the result
_START = {"AVIF": 2**24}  # bytes of an encoder, however small the picture is
_BLOCK_COPIES = 2  # copies of a block: one that is read, one that the steps get or is encoded
_UNKNOWN = 16  # bytes for each byte of a file whose header cannot be read


def file_bytes(work: FileFilter, source: str, target: str) -> int:
    """Estimate by its header the bytes that filtering a file takes, 0 if that is impossible."""
    try:
        output = replace(work.output(target), saving=Saving())
        planned = work.planned(source, output)
        if planned is None:
            return _UNKNOWN * size_of(source)
        pipeline = planned.for_translucent()  # as if any pixel were so: none is read
    except (ConvcliError, OSError):
        return 0
    scratch = max(plan.memory_bytes(work.options.jobs or 1) for plan in pipeline.plans)
    encoded = _ENCODED + _ENCODER.get(output.file_format, 0)
    nbytes, _ = _need(pipeline, pipeline.output_shape[:2], _DECODED, encoded)
    start = _START.get(output.file_format, 0)
    return work.options.mask_bytes + scratch + start + pipeline.info.frames * nbytes


def block_need(pipeline: Pipeline, shape: Pair) -> tuple[int, Pair]:
    """Estimate the bytes of a block (rows, columns) on one thread, and what it reads."""
    nbytes, read = _need(pipeline, shape, _BLOCK_COPIES, _BLOCK_COPIES)
    return nbytes + max(plan.memory_bytes(1) for plan in pipeline.plans), read


def _need(pipeline: Pipeline, shape: Pair, decoded: int, encoded: int) -> tuple[int, Pair]:
    """Walk from the result back to the picture: the step that takes most memory counts."""
    (rows, columns), info, options = shape, pipeline.info, pipeline.options
    missing = _MISSING_FLOATS * (options.missing is not None)
    pixel = (pipeline.written_channels + info.alpha) * pipeline.dtype.itemsize
    written, largest = encoded * rows * columns * pixel, 0
    for step in reversed(pipeline.steps):
        is_last, is_first = step is pipeline.steps[-1], step is pipeline.steps[0]
        held = _last_floats(pipeline) if is_last else 1 + (step.combine is not None)
        floats = rows * columns * (step.result_shape[2] + info.alpha) * held
        rows, columns = _input_size(step, rows, columns)
        inputs = missing + (_TO_LINEAR_FLOATS * options.linear if is_first else 1)
        floats += rows * columns * step.shape[2] * inputs
        if step.slid_shape != step.shape[:2]:
            floats += math.prod(step.slid_shape) * step.shape[2]
        taken = floats * pipeline.plans[-1].problem.result.itemsize
        if step.padder is not None:
            dtype = step.plans[0].problem.dtype if step.plans else step.working
            taken += rows * columns * _LAID * step.shape[2] * dtype.itemsize
        largest = max(largest, taken)
    grey = rows * columns * _GRAY_BYTES * options.wants_gray
    read = decoded * rows * columns * (info.shape[2] + info.alpha) * info.dtype.itemsize
    return written + max(largest, grey) + read, (rows, columns)


def _last_floats(pipeline: Pipeline) -> int:
    """Return how many floats a value of the last step takes until the file has it."""
    options = pipeline.options
    if options.missing is not None:
        return _MISSING_FLOATS
    mixing = _BLEND_FLOATS + _BLEND_LINEAR * options.linear + _BLEND_ALPHA * pipeline.info.alpha
    floats = _FLOATS + options.linear + mixing * bool(options.mixing)
    return 0 if pipeline.is_streamed else floats


def _input_size(step: PlannedStep, rows: int, columns: int) -> Pair:
    """Return how many rows and columns of its input a step reads for a block of its result."""
    lengths = []
    for axis, count in enumerate((rows, columns)):
        outputs = min(count + step.tile[axis], step.result_shape[axis])
        lengths.append(min(step.window.axes[axis].input_size(outputs), step.shape[axis]))
    return (lengths[0], lengths[1])

"""How much memory a run takes: one estimate for files, and for blocks of a tiled picture.

The factors were measured, as the growth of a process's peak by pictures of 12 megapixels:
`tests/pipeline/test_memory.py` holds them against runs.
"""

import math
from typing import TypeAlias

from convcli.errors import ConvcliError
from convcli.images.write import Saving
from convcli.pipeline.files import FileFilter
from convcli.pipeline.pipeline import Pipeline
from convcli.pipeline.steps import PlannedStep
from convcli.storage.urls import size_of
from convcli.values import replace

_FLOATS = 3  # float results at the same time, where values are mapped as a whole
_LINEAR_FLOATS, _DIRECTION_FLOATS, _BLEND_FLOATS = 4, 9, 14  # for linear light, hues, mixtures
_BLEND_LINEAR, _BLEND_ALPHA = 6, 12  # further floats of mixing: in light, with opacity
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

MemoryNeed: TypeAlias = tuple[int, tuple[int, int]]  # bytes; the rows and columns read for it


def file_bytes(work: FileFilter, source: str, target: str) -> int:
    """Estimate the bytes of memory that filtering a file takes: rather too many than too few.

    Only the header of the input is read. A file that cannot be filtered takes 0 bytes.
    """
    try:
        output = replace(work.output(target), saving=Saving())
        planned = work.planned(source, output)
        if planned is None:
            return _UNKNOWN * size_of(source)
        # As if any pixel were translucent: none is read.
        header, pipeline = planned[0], planned[1].for_translucent()
    except (ConvcliError, OSError):
        return 0
    scratch = _scratch_bytes(pipeline, work.options.jobs or 1)
    encoded = _ENCODED + _ENCODER.get(output.file_format, 0)
    nbytes, _ = _need(pipeline, pipeline.output_shape[:2], _DECODED, encoded)
    start = _START.get(output.file_format, 0)
    return work.options.mask_bytes + scratch + start + header.frames * nbytes


def block_need(pipeline: Pipeline, shape: tuple[int, int]) -> MemoryNeed:
    """Estimate what a block (rows, columns) of a tiled picture needs, on one thread."""
    nbytes, read = _need(pipeline, shape, _BLOCK_COPIES, _BLOCK_COPIES)
    return nbytes + _scratch_bytes(pipeline, 1), read


def _need(pipeline: Pipeline, shape: tuple[int, int], decoded: int, encoded: int) -> MemoryNeed:
    """Walk from the result back to the picture: the step that takes most memory counts."""
    (rows, columns), alpha, options = shape, pipeline.info.alpha, pipeline.options
    missing = _MISSING_FLOATS * (options.missing is not None)
    pixel = (pipeline.written_channels + alpha) * pipeline.dtype.itemsize
    written = encoded * rows * columns * pixel
    largest = 0
    for step in reversed(pipeline.steps):
        floats = rows * columns * (step.result_shape[2] + alpha) * _floats(pipeline, step)
        rows, columns = _input_size(step, rows, columns)
        is_first = step is pipeline.steps[0]  # its input is the picture itself
        inputs = missing + (_TO_LINEAR_FLOATS * options.linear if is_first else 1)
        floats += rows * columns * step.shape[2] * inputs
        if step.slid_shape != step.shape[:2]:
            floats += math.prod(step.slid_shape) * step.shape[2]
        taken = floats * pipeline.plans[-1].problem.result.itemsize
        if step.padder is not None:
            dtype = step.plans[0].problem.dtype if step.plans else step.working
            taken += rows * columns * _LAID * step.shape[2] * dtype.itemsize
        largest = max(largest, taken)
    info = pipeline.info
    if options.wants_gray:
        largest = max(largest, rows * columns * _GRAY_BYTES)
    read = decoded * rows * columns * (info.shape[2] + alpha) * info.dtype.itemsize
    return written + largest + read, (rows, columns)


def _floats(pipeline: Pipeline, step: PlannedStep) -> int:
    """Return how many floats a value of a step takes until the next step or the file has it."""
    options = pipeline.options
    if step is not pipeline.steps[-1]:
        return 1 + (step.combine is not None)
    if options.direction:
        return _DIRECTION_FLOATS
    if options.is_blended:
        more = _BLEND_LINEAR * options.linear + _BLEND_ALPHA * pipeline.info.alpha
        return _BLEND_FLOATS + more
    if options.missing is not None:
        return _MISSING_FLOATS
    if options.linear:
        return _LINEAR_FLOATS
    return 0 if pipeline.is_streamed else _FLOATS


def _input_size(step: PlannedStep, rows: int, columns: int) -> tuple[int, int]:
    """Return how many rows and columns of its input a step reads for a block of its result."""
    lengths = []
    for axis, count in enumerate((rows, columns)):
        window, most = step.window.axes[axis], step.result_shape[axis]
        outputs = min(count + step.tile[axis], most)
        lengths.append(min(window.input_size(outputs), step.shape[axis]))
    return (lengths[0], lengths[1])


def _scratch_bytes(pipeline: Pipeline, jobs: int) -> int:
    """Return the memory that the largest plan of the engine works in, on `jobs` threads."""
    return max(plan.memory_bytes(jobs) for plan in pipeline.plans)

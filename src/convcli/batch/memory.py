"""How much memory a picture takes while it is filtered, judged by its header.

The factors were measured, as the growth of a process's peak by pictures of 12 megapixels:
`tests/batch/test_batch_memory.py` holds them against runs.
"""

from collections.abc import Sequence

import numpy as np

from convcli.batch import places
from convcli.choices import Range
from convcli.errors import ConvcliError
from convcli.images.formats import NPY, format_for
from convcli.images.policy import ReadPolicy
from convcli.images.read import Header, header_of
from convcli.pipeline.options import Options
from convcli.pipeline.steps import Operand, PlannedStep, plan_chain

_DECODED, _ENCODED = 4, 2
"""Copies of the input (Pillow's, with a fourth byte, its bytes, the array) and of the
result (the encoder's)."""

_FLOATS, _LINEAR_FLOATS, _DIRECTION_FLOATS = 3, 7, 9
"""Float pictures at the same time: where values are mapped as a whole; where they pass
through linear light; where they become directions."""

_ENCODER = {"AVIF": 15, "GIF": 15, "JPEG2000": 15, "WEBP": 15}
"""Copies of the result that an encoder makes for itself."""

_UNKNOWN = 16
"""Bytes for each of a file whose header says nothing."""

_STORED = (Range.AUTO, Range.CLIP, Range.ABS, Range.SHIFT)


def needed_bytes(
    source: str,
    target: str,
    kernels: Sequence[Operand],
    options: Options,
    *,
    reading: ReadPolicy,
    kind: str | None = None,
) -> int:
    """Estimate the memory that filtering a file takes: rather more than less.

    Parameters
    ----------
    source, target, kernels, options, reading, kind
        As in `convcli.pipeline.files.filter_file`; only the input's header is read.

    Returns
    -------
    int
        Bytes. 0 where the file cannot be filtered: it will take none.
    """
    header = header_of(source, reading)
    if header is None:
        return _UNKNOWN * places.size_of(source)
    try:
        stages = _stages(header, kernels, options)
        return _needed(header, stages, options, kind or format_for(target))
    except ConvcliError:
        return 0


def _stages(
    header: Header, kernels: Sequence[Operand], options: Options
) -> tuple[PlannedStep, ...]:
    rows, columns, channels = header.shape
    dtype = np.dtype(np.float32) if options.linear else header.dtype
    shape = (rows, columns, 1 if options.wants_gray else channels)
    return plan_chain(np.broadcast_to(np.zeros((), dtype), shape), kernels, options)


def _needed(header: Header, stages: Sequence[PlannedStep], options: Options, kind: str) -> int:
    rows, columns, channels = header.shape
    pixels, depth = rows * columns, header.dtype.itemsize
    values = max(int(np.prod(stage.problem.result_shape)) for stage in stages)
    plans = [step for stage in stages for step in stage.plans]
    scratch = max(step.memory_bytes(options.jobs or 1) for step in plans)
    floats = _floats(header, stages, options, kind)
    return scratch + header.frames * (
        _DECODED * pixels * (channels + header.alpha) * depth
        + (_ENCODED + _ENCODER.get(kind, 0)) * values * depth
        + 4 * floats * (values + pixels * header.alpha)
    )


def _floats(header: Header, stages: Sequence[PlannedStep], options: Options, kind: str) -> int:
    if options.direction:
        return _DIRECTION_FLOATS
    if options.linear:
        return _LINEAR_FLOATS
    stored = options.range in _STORED and not (options.relu or options.colormap)
    single = len(stages) == 1 and stages[0].combine is None
    opaque = not header.alpha or all(stage.is_zero_sum for stage in stages)
    plain = stored and single and opaque and options.depth is None and kind != NPY
    return 0 if plain else _FLOATS

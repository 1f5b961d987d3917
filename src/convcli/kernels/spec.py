"""Kernels from what a person types: names, parameters, files, inline text, sums of them.

A specification is one term, or several joined by ``+``. A term is a name with parameters
(``gaussian:2``), a file or the text of a kernel; modifiers may follow it (``@45``).
"""

import math
import re

from convcli.choices import Combine, WeightLayout
from convcli.errors import SpecError
from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS, Entry, Parameter
from convcli.kernels.kernel import Kernel
from convcli.kernels.operator import Operator, modifier
from convcli.values import replace

_NAMED = re.compile(r"([A-Za-z][\w-]*)(?::[\w=,-]*)?")  # a name: neither file nor text
_LIKE_A_FILE = re.compile(r"[/\\]|\.[A-Za-z]\w*$")  # no kernel's name has slash or suffix
_PLUS = re.compile(r"\+(?=\s*[A-Za-z_\[{./~])")  # joins kernels; in 1e+5 a digit follows


def kernel_from(spec: str, *, layout: WeightLayout = WeightLayout.OIHW) -> Kernel:
    """Return the kernel that a specification describes.

    Parameters
    ----------
    spec : str
        A name (``sobel-x``), a name with parameters (``gaussian:2``,
        ``gaussian:sigma=2,radius=6``), a file of any known format (``my.json``,
        ``model.safetensors::conv1.weight``), a picture (``image:patch.png``), or the text
        of a kernel in any known format (``[[0,-1,0],[-1,5,-1],[0,-1,0]]``); after it any
        number of modifiers (``@45``, ``@normalize``).
    layout : WeightLayout
        The order of the axes of filter banks in ``.npy``, ``.npz`` and ``.safetensors``.

    Raises
    ------
    SpecError
        If the text names no kernel, or several; or its parameters are wrong.
    KernelError
        If a file or inline text does not hold a kernel.

    Examples
    --------
    >>> kernel_from("box:5").size
    (5, 5)
    >>> kernel_from("sobel-x@90").weights.tolist()
    [[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]
    """
    operand = operand_from(spec, layout=layout)
    if isinstance(operand, Operator):
        names = ", ".join(kernel.name for kernel in operand.kernels)
        raise SpecError(
            f"{spec}: expected one kernel, got {len(operand.kernels)}: use one of {names}"
        )
    return operand


def operand_from(spec: str, *, layout: WeightLayout = WeightLayout.OIHW) -> Kernel | Operator:
    """Return a kernel, or an operator of several as ``sobel`` and ``sobel-x+sobel-y``.

    The parameters and errors are those of `kernel_from`; of several the magnitude is taken.
    """
    text = spec.strip()
    name = _NAMED.fullmatch(text)
    if name and name[1].lower() in (*CATALOGUE, *OPERATORS):
        return _named(text)
    _check_limits(text)
    operands = [_term(term.strip(), layout) for term in _terms(text)]
    if len(operands) == 1:
        return operands[0]
    kernels = [kernel for operand in operands for kernel in operand.kernels]
    return Operator(kernels, Combine.MAGNITUDE)


# ------------------------------------------------------------------ names and parameters


def _named(text: str) -> Kernel | Operator:
    """Return the kernel of ``name`` or ``name:parameters``, or the named operator."""
    name, colon, arguments = text.partition(":")
    operator = OPERATORS.get(name.strip().lower())
    if operator is not None:
        if colon:
            raise SpecError(f"{name}: expected no parameters, got {arguments!r}: drop them")
        return operator.operator()
    entry = entry_named(name)
    if colon and not arguments.strip():
        raise SpecError(f"{name}: expected parameters after ':', got nothing: drop the ':'")
    return entry.kernel(_values(entry, arguments) if colon else {})


_NO_CONVOLUTIONS = {  # what is asked for and is none, why not, what does it
    "median": "it sorts the pixels of a window: scipy.ndimage.median_filter does it",
    "bilateral": "its weights depend on the pixels: cv2.bilateralFilter does it",
    "dilate": "it takes the largest of a window: convcli pool max --k 3 --s 1 --p 1 does it",
    "erode": "it takes the smallest of a window: cv2.erode does it",
    "canny": "it thins and joins edges after a convolution: cv2.Canny does it; sobel is its "
    "first step",
    "resize": "it changes the size: Pillow's resize does it; convcli pool makes smaller",
    "deconvolution": "it undoes one: skimage.restoration does it",
    "video": "it has sound and time: ffmpeg's convolution filter does it",
}

_SAME = {
    **dict.fromkeys(("morphology", "opening", "closing", "erosion", "open", "close"), "erode"),
    **dict.fromkeys(("min", "minimum"), "erode"),
    **dict.fromkeys(("rank", "mode", "despeckle"), "median"),
    **dict.fromkeys(("dilation", "max", "maximum"), "dilate"),
    **dict.fromkeys(("scale", "resample", "downscale", "upscale", "thumbnail"), "resize"),
    **dict.fromkeys(("deconvolve", "wiener", "richardson-lucy", "deblur"), "deconvolution"),
    **dict.fromkeys(("nlmeans", "non-local-means", "guided"), "bilateral"),
}


def no_convolution(name: str) -> str | None:
    """Return why a filter is no convolution, and what does it; None for other names."""
    key = re.split("[:@]", name.strip().lower(), maxsplit=1)[0]
    reason = _NO_CONVOLUTIONS.get(_SAME.get(key, key))
    return None if reason is None else f"no convolution: {key}: {reason}"


_STEPS = ("relu", "abs", "pool", "max", "maxpool", "avgpool")  # of a chain, without weights


def entry_named(name: str) -> Entry:
    """Return the catalogue's entry of that name; the error suggests similar names."""
    key = name.strip().lower()
    if key in CATALOGUE:
        return CATALOGUE[key]
    if (reason := no_convolution(name)) is not None:
        raise SpecError(reason)
    import difflib

    near = difflib.get_close_matches(key, [*CATALOGUE, *OPERATORS], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "'convcli kernels' lists them"
    if re.split(r"\W", key)[0] in _STEPS:
        hint = "behind a kernel, write --then relu, --then abs, --then pool:2 or --then max:2"
    if _LIKE_A_FILE.search(name):
        hint = "if it is a file, there is none of that name: check the path"
    raise SpecError(f"no kernel is called {name!r}: {hint}")


def _values(entry: Entry, arguments: str) -> dict[str, float]:
    """Return the values of ``2,radius=6`` by the names of the parameters."""
    values: dict[str, float] = {}
    for position, part in enumerate(arguments.split(",")):
        name, equals, value = (text.strip() for text in part.partition("="))
        names = [parameter.name for parameter in entry.parameters]
        if name not in names if equals else position >= len(names):
            fault = "no parameter is called" if equals else "no place for"
            known = ", ".join(names) or "no parameters"
            raise SpecError(f"{entry.name}: {fault} {name!r}: it takes {known}")
        parameter = entry.parameters[names.index(name) if equals else position]
        if parameter.name in values:
            raise SpecError(f"{entry.name}: {parameter.name} is given twice: give it once")
        values[parameter.name] = _number(entry, parameter, value if equals else name)
    return values


def _number(entry: Entry, parameter: Parameter, text: str) -> float:
    try:
        value = parameter.value_type(text)
    except ValueError:
        value = math.nan
    if isinstance(value, float) and not math.isfinite(value):
        number = "a whole number" if parameter.value_type is int else "a number"
        unit = f" ({parameter.unit})" if parameter.unit else ""
        expected = f"{number} for {parameter.name}{unit}"
        raise SpecError(f"{entry.name}: expected {expected}, got {text!r}")
    return value


# ------------------------------------------------------------------ terms
# The formats are imported late: most kernels are named, and need neither JSON nor files.

_MOST_TERMS = _MOST_MODIFIERS = 64  # kernels that may be joined, and modifiers of all together
_LONGEST = 16_384  # characters of a specification, besides an inline kernel at its beginning


def _check_limits(spec: str) -> None:
    """Refuse specifications that no person writes: some checks compare each part with all."""
    start = _end_of_json(spec)
    counts = (
        ("modifiers", spec.count("@", start), _MOST_MODIFIERS),
        ("kernels joined by +", len(_PLUS.findall(spec, start)) + 1, _MOST_TERMS),
        ("characters", len(spec) - start, _LONGEST),
    )
    for noun, count, most in counts:
        if count > most and not _is_inline_kernel(spec):
            raise SpecError(
                f"kernel: expected at most {most:,} {noun}, got {count:,}: write a shorter "
                "one, or put the weights into a file"
            )


def _is_inline_kernel(spec: str) -> bool:
    """Tell whether a specification is one inline kernel, with nothing after it."""
    from convcli.kernels.formats.read import is_inline

    if spec.count("@") > _MOST_MODIFIERS:
        return False
    return spec.startswith("<") or (_PLUS.search(spec) is None and is_inline(spec))


def _terms(spec: str) -> list[str]:
    """Split a specification where a + joins kernels: not in JSON, nor in a file's name."""
    from convcli.kernels.formats.read import file_exists, is_file

    may_be_file = is_file(spec)
    if spec.startswith("<") or (may_be_file and file_exists(spec)):
        return [spec]
    pluses = [match.start() for match in _PLUS.finditer(spec, _end_of_json(spec))]
    sure = next((at for at in pluses if _is_whole_term(spec[:at])), None)
    if sure is None and (may_be_file or not pluses):
        return [spec]
    at = pluses[0] if sure is None else sure
    return [spec[:at], *_terms(spec[at + 1 :].strip())]


def _is_whole_term(text: str) -> bool:
    """Tell whether a text is a kernel by itself, not the first half of a file's name."""
    from convcli.kernels.formats.read import file_exists, is_inline

    base = _without_modifiers(text)[0]
    name = base.partition(":")[0].strip().lower()
    return is_inline(base) or file_exists(base) or name in CATALOGUE or name in OPERATORS


def _term(text: str, layout: WeightLayout) -> Kernel | Operator:
    """Return the kernel or operator of a term, after its modifiers."""
    from convcli.kernels.formats.read import is_file, read_inline, read_kernel

    base, words = _without_modifiers(text)
    changes = [modifier(word, text) for word in words]
    if is_file(base):
        operand: Kernel | Operator = read_kernel(base, layout)
    else:
        operand = read_inline(base) or _named(base)
    for change in changes:
        operand = operand.changed(change)
    if isinstance(operand, Kernel):
        return operand
    return replace(operand, name="@".join([operand.name, *map(str.strip, words)]))


def _without_modifiers(text: str) -> tuple[str, list[str]]:
    """Split a term at each @ that begins a modifier: a file's name may have an @ too."""
    from convcli.kernels.formats.read import file_exists, is_file

    start = _end_of_json(text)
    head, *parts = text[start:].split("@")
    parts = [text[:start] + head, *parts]
    for count in range(len(parts), 1, -1):
        file = "@".join(parts[:count])
        if "@" not in file.partition("::")[2] and is_file(file) and file_exists(file):
            return file, parts[count:]
    return parts[0], parts[1:]


def _end_of_json(text: str) -> int:
    """Return where the JSON ends that a text begins with: 0 where there is none."""
    if not text.startswith(("[", "{")):
        return 0
    import json

    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return len(text)

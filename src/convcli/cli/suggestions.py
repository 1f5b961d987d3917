"""What was meant by a command line that is wrong: it is loaded only where one is."""

import difflib
import re
import shlex
from collections.abc import Sequence

import click

_HERE = {
    "apply": "filter convolve conv2d convolution run batch",
    "stack": "network layers summary",
    "size": "output-size shape",
    "params": "parameters count",
    "kernels": "list kernel filters show",
    "pool": "pooling maxpool",
    "find": "match search",
    "borders": "padding",
    "learn": "train fit",
    "--version": "version",
    "--gray": "--grey --grayscale --greyscale --monochrome",
    "--border": "--mode --edge --boundary --pad-mode --virtual-pixel",
    "--depth": "--bits --bit-depth --dtype",
    "--jobs": "--threads --workers --cores -j",
    "--out-dir": "--outdir --output-dir --out-folder",
    "--on-exists overwrite": "--force --overwrite -f -y",
    "--padding": "--pad",
    "--stride": "--step --strides",
    "--dilation": "--dilate --rate",
    "--width": "--input-width --input --input-size",
    "--kernel-size": "--size --ksize --window",
    "--filters": "--out-channels --outputs",
    "--mask": "--selection",
    "--region": "--crop --roi --area",
    "--channels": "--bands --planes",
    "--times": "--repeat --iterations --passes -n",
    "@normalize behind KERNEL": "--normalize --normalise",
    "@45 behind KERNEL": "--rotate --angle",
    "--amount": "--strength",
    "--output": "--out --outfile",
}
_MEANT = {other: here for here, others in _HERE.items() for other in others.split()}
"""Words and options of other programs, and what does that here."""

_PICTURE = re.compile(
    r"\.(png|jpe?g|tiff?|webp|gif|bmp|p[pgnb]m|avif|heic|jxl|jp2|ico|tga|exr|zarr)$",
    re.IGNORECASE,
)
_SUCH_AS = "sobel-x or gaussian:2"
_BEHIND = "the parameters of a kernel stand behind its name"
_LIKE_PARAMETERS = re.compile(
    r"([A-Za-z][\w-]*)(?:[=( ]+|:(?=[a-z]+:))((?:[a-z]+[=:])?[\d.]+)\)?"
)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_PLACE = re.compile(r"\d+,\d+")
_PARAMETERS = {"kernel_size": "size", "k": "size", "ksize": "size", "std": "sigma"}
_POOLINGS = {"mean": "average", "avg": "average", "maximum": "max"}


def correction(words: Sequence[str], error: Exception, program: click.Group) -> str | None:
    """Return what is wrong with a command line, and the one that was meant; None if unknown."""
    if words[:1] == ["help"]:
        words = words[1:]
    command = program.get_command(click.Context(program), words[0]) if words else None
    if command is None:
        unknown = isinstance(error, click.UsageError) and bool(words) and words[0][:1] != "-"
        return _no_command(list(words), program) if unknown else None
    if isinstance(error, click.NoSuchOption):
        return _no_option(error.option_name, words, command)
    names = _arguments(words[1:], command)
    place = next((name for name in names if _PLACE.fullmatch(name)), None)
    if command.name == "explain" and place is not None:
        return f"the pixel needs its name: write --at {place}"
    has_more = command.name == "kernels" and len(names) > 1
    if _takes_kernel(command) or has_more:
        return _kernel_and_picture(words, names)
    if isinstance(error, click.UsageError) and names:
        return _bare_words(command, names)
    return None


def _takes_kernel(command: click.Command) -> bool:
    return any(isinstance(x, click.Argument) and x.name == "kernel" for x in command.params)


def _arguments(words: Sequence[str], command: click.Command) -> list[str]:
    """Return the words that are no options, nor values of options."""
    options = (each for each in command.params if isinstance(each, click.Option))
    takes = {form for each in options if not each.is_flag for form in each.opts}
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in takes:
            next(rest, None)
        elif word == "-" or not word.startswith("-"):
            found.append(word)
    return found


def _no_command(words: list[str], program: click.Group) -> str:
    from convcli.kernels.catalogue.entry import no_convolution

    word, others = words[0], words[1:]
    commands = program.list_commands(click.Context(program))
    said = f"no command is called {word!r}"
    if (reason := no_convolution(word)) is not None:
        return reason
    if is_kernel_name(word):
        meant = f"convcli apply {shlex.join(words)}"
        outputs = "" if len([name for name in others if name[:1] != "-"]) > 1 else " OUTPUT"
        picture = "" if others else " INPUT"
        return f"{said}, but a kernel is: write {meant}{picture}{outputs}"
    if _is_picture(word):
        line = f"convcli apply KERNEL {shlex.quote(word)} OUTPUT"
        return f"{said}: to filter a picture, write {line}"
    known = [*commands, *(each for each in _MEANT if each[0] != "-")]
    near = difflib.get_close_matches(word.lower(), known, n=1)
    if near:
        return f"{said}: did you mean {_MEANT.get(near[0], near[0])}?"
    return f"{said}: use one of {', '.join(commands)}"


def _no_option(name: str, words: Sequence[str], command: click.Command) -> str | None:
    """Say where a parameter of a kernel stands, or what another program's option is here."""
    arguments = _arguments(words[1:], command)
    if _takes_kernel(command) and (spec := _with_parameter(name, words, arguments)):
        return f"no such option: {name}: {_BEHIND}: write {spec}"
    meant = _MEANT.get(name)
    known = {form for each in command.params for form in each.opts if form[:1] == "-"}
    if name in ("--kernel", "-k") and _takes_kernel(command):
        return f"no such option: {name}: KERNEL is the first word, without a name"
    if meant is not None and (meant.split()[0] in known or meant[:1] == "@"):
        return f"no such option: {name}: did you mean {meant}?"
    near = difflib.get_close_matches(name, [form for form in known if form[3:]], n=1)
    return f"no such option: {name}: did you mean {near[0]}?" if near else None


def _with_parameter(name: str, words: Sequence[str], arguments: list[str]) -> str | None:
    """Return the kernel of a command line with the parameter that stands as an option."""
    from convcli.kernels.catalogue.entry import CATALOGUE

    entries = (CATALOGUE.get(word.partition(":")[0].lower()) for word in arguments)
    entry = next(filter(None, entries), None)
    wanted = name.lstrip("-").replace("-", "_")
    wanted = _PARAMETERS.get(wanted, wanted)
    if entry is None and wanted == "sigma":
        entry = CATALOGUE["gaussian"]
    if entry is None or wanted not in [each.name for each in entry.parameters]:
        return None
    given = re.search(rf" {re.escape(name)}[ =]([^ ]+)", f" {' '.join(words)}")
    value = given[1] if given else "N"
    if given and not _NUMBER.fullmatch(value):
        return None
    is_first = entry.parameters[0].name == wanted
    return f"{entry.name}:{value}" if is_first else f"{entry.name}:{wanted}={value}"


def _kernel_and_picture(words: Sequence[str], names: list[str]) -> str | None:
    """Say in which order KERNEL and the picture stand, where that is what is wrong."""
    has_recipe = any(word.partition("=")[0] == "--recipe" for word in words)
    if not names or has_recipe:  # A recipe has the kernel.
        return None
    first, start, rest = names[0], ["convcli", words[0]], list(words[1:])
    if _is_picture(first):
        kernel = next(filter(is_kernel_name, names[1:]), None)
        if kernel is None:
            written = shlex.join([*start, "KERNEL", *rest])
            return f"KERNEL is missing: write {written}, with a KERNEL such as {_SUCH_AS}"
        rest.remove(kernel)
        return f"KERNEL comes before the picture: write {shlex.join([*start, kernel, *rest])}"
    bare = ":" not in first and is_kernel_name(first)
    if bare and len(names) > 1 and _NUMBER.fullmatch(names[1]):
        rest.remove(names[1])
        spec = f"{first}:{names[1]}"
    elif (likely := _LIKE_PARAMETERS.fullmatch(first)) and is_kernel_name(likely[1]):
        spec = f"{likely[1]}:{likely[2].replace(':', '=')}"
    else:
        return None
    rest[rest.index(first)] = spec
    return f"{_BEHIND}: write {shlex.join([*start, *rest])}"


def is_kernel_name(word: str) -> bool:
    """Tell whether a word is a kernel's name, with parameters and modifiers or not."""
    from convcli.kernels.catalogue.entry import CATALOGUE, OPERATORS

    name = re.split("[:@+]", word, maxsplit=1)[0].strip().lower()
    return name in CATALOGUE or name in OPERATORS or word.startswith(("image:", "[["))


def _is_picture(word: str) -> bool:
    return bool(_PICTURE.search(word)) and not word.startswith("image:")


_FLAGS = {
    "size": ("--width", "--kernel-size", "--stride", "--padding"),
    "params": ("--in-channels", "--filters", "--kernel-size"),
}
"""What numbers without names would mean, in this order."""


def _bare_words(command: click.Command, names: list[str]) -> str | None:
    """Name each number of a command that takes only options."""
    word, _, size = names[0].lower().partition(":")
    if command.name == "pool" and word in (*_POOLINGS, "max"):
        size = size or next(filter(_NUMBER.fullmatch, names), "")
        others = [name for name in names[1:] if name != size]
        if word in _POOLINGS or size:
            more = ["--kernel-size", size] if size else []
            line = shlex.join(["convcli", "pool", _POOLINGS.get(word, word), *others, *more])
            return f"expected max or average, and the size as an option: write {line}"
    if command.name == "pool" and _is_picture(names[0]):
        return f"max or average is missing: write convcli pool max {shlex.join(names)}"
    flags = _FLAGS.get(command.name or "")
    if flags is None:
        return None
    pairs = " ".join(f"{flag} {name}" for flag, name in zip(flags, names, strict=False))
    line = f"write convcli {command.name} {pairs}"
    return (
        f"each number needs its name: {line if len(names) <= len(flags) else ', '.join(flags)}"
    )

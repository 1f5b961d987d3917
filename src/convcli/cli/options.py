"""The options that several commands have, in one table, and how a command takes them."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import click

from convcli.choices import WeightLayout
from convcli.cli import types
from convcli.cli.command import Command, Option
from convcli.cli.types import late, setting, whole
from convcli.settings import MOST_TIMES, PARSERS, flag_from, memory_size_from
from convcli.storage.urls import FRAME, MAP

_Command = TypeVar("_Command", bound=Callable[..., Any])

_TABLE = """
Window: options
--stride -s --s =1 *        Step of the window, in pixels.
--padding -p --p =same *    Pixels added on each side; same keeps the size at stride 1.
--border =zero *            How the picture goes on in the padding. constant:VALUE is a number
                            or a colour; two modes are for rows and columns: replicate,wrap.
--dilation -d --d =1 *      Distance between two taps, in pixels.
--transposed                Add up a stamp of the kernel for each pixel, stride pixels apart:
                            the result grows. --padding is cut off; same makes it stride times
                            as large.
--output-padding 0.. =0     Rows and columns to add at the end of a transposed result.
--strict                    Fail where the stride leaves a remainder.

Kernel
--then chain KERNEL *       Filter the result again, unrounded; may be repeated. Window options
                            hold for each. Also relu, abs, avgpool:2 (or pool:2) and maxpool:2
                            (or max:2).
--times =1                  Do the whole chain N times. Nothing is rounded in between.
--layout =oihw              Order of the axes of filter banks in .npy, .npz and .safetensors:
                            oihw as torch (outputs, inputs, rows, columns), hwio as TensorFlow.

Kernel: options
--combine                   How the answers of kernels joined by + become one. [default:
                            magnitude]
--bias NUMBER               Add this to each value (of every kernel).
--axis x|y                  Lay kernels of one row or column along x or y.
--flip                      Flip the kernel first: the mathematician's convolution.

Recipe
--recipe FILE               Repeat the run of a .toml, or of a picture written with --record.
                            Leave KERNEL out; options that you give win.
--save-recipe FILE          Write the kernels, the chain and the options into this .toml, too.
--record                    Keep the recipe in OUTPUT's metadata; convcli recipe OUTPUT shows
                            it.

Output maps
--sheet                     Write all maps as one sheet of labelled tiles.

Output maps: options
--map 0..                   Write this one of a filter bank's maps, counted from 0.
--relu                      Make negative values 0 before they are written.
--colormap                  Colour each map as heat. --range auto then stretches; with diverging
                            it keeps 0 in the middle.

Pixels: options
--direction                 Colour the gradient's direction by hue, its strength by brightness
                            (grey first).
--gray *                    Make the picture grey first.
--range =auto *             How sums become pixels. clip cuts off, abs drops the sign, shift
                            makes 0 mid-grey, stretch fills the range, balance does both. auto:
                            abs if a kernel sums to 0, else clip.
--depth *                   Bits of the result; the input's where none is given. Floats are not
                            clipped.
--alpha =auto               Transparency weighs the colours and is filtered with them
                            (premultiply), stays as it is, or is filtered like a colour. auto:
                            keep for kernels that sum to 0, else premultiply.
--background COLOR          Lay a transparent picture on this colour first: white, #ff8800.
--linear *                  Filter in linear light (sRGB), so that blurs keep the brightness.

How much, and where: options
--amount NUMBER =1          How much to filter, 0 to 10: original + NUMBER · (filtered -
                            original).
--threshold NUMBER =0       Keep the pixels that would change by less than this.
--mask FILE                 A grey picture of the same size: white is filtered, black is left,
                            grey between.
--region X,Y,WxH            Filter only this part, in pixels or per cent: 10,20,50%x50%.
--channels LIST|luma        Filter only these, of r,g,b,a or 0,1,2; or luma: brightness (Y of
                            BT.601, of BT.709 with --linear), which makes no colour fringes.
--missing none|nan|alpha|NUMBER
                            Pixels that weigh nothing: NaN, transparent ones, or those of this
                            number in all channels; the weights of the others are scaled up.
                            [default: what a GeoTIFF calls no data; with none all weigh]
--missing-min SHARE =0      Share of the weights that must be known; else a pixel stays missing.

Input: reading
--frame 0..                 Only this frame or page, counted from 0; all of them otherwise.
--max-pixels N              Refuse larger pictures, of all frames together. [default: 89478485]
--allow-truncated           Read what there is of a file that ends too early.
--allow-format allow_formats NAME
                            Read a format that is off (eps runs Ghostscript); may be repeated.

Large pictures
--tiled                     Filter a TIFF block by block, so that it may be larger than memory
                            (.zarr always is: extra cluster).
--resume                    Go on with a large picture where a stopped run has left it, and
                            leave it there when this run is stopped too (--tiled, .zarr).

Large pictures: planes
--axes LETTERS              The axes of a .zarr that does not name them, a letter for each: yxc,
                            tczyx.
--select                    Filter only these planes of a .zarr: t=0,c=1:3; all of them
                            otherwise.
--pyramid =keep             The smaller levels of an OME-Zarr image: made anew from the result,
                            or none.

Output
--output -o OUTPUT *        OUTPUT, given as an option.
--on-exists [error|skip|overwrite]
                            What to do where an OUTPUT exists. error: run nothing; skip: leave
                            it, so a batch goes on where it was stopped. [default: overwrite;
                            with --out-dir error]
--no-clobber -n             Replace nothing: as --on-exists error.
--format kind               File format of OUTPUT, whatever it is called; on a pipe the input's
                            otherwise.

Output: saving
--quality 1-100 1..100      Quality of JPEG (95 unless given), AVIF (90) and WebP (lossless).
--compress-level 0-9 0..9   Compression of PNG and TIFF: 0 is fast, 9 makes small files.
                            [default: 4]
--fit-depth                 Write fewer bits where the format cannot hold those of the input.
--strip                     Leave out the colour profile, the resolution and EXIF.

Output
--show *                    Show the result in the terminal. An OUTPUT may then be left out.
--compare FILE *            Draw before and after side by side, labelled, as a .png.
--quiet -q *                Print no report (warnings and errors stay).

Result
--json as_json *            Print the result as JSON instead.

Many pictures
--out-dir DIR *             Filter all INPUTs into this folder, which is made where there is
                            none.
--recursive *               Look into the folders of a folder too; the outputs are in the same
                            tree.
--files-from LIST           Read names of further inputs, ended by newlines or NULs, from a file
                            or - (standard input).
--name template TEMPLATE    What the outputs are called: {stem}-edges.png; {suffix} is that of
                            --format, {parent} the input's folder, {frame} and {map} are
                            numbers. [default: {stem}{suffix}]
--fail-fast                 Start no more after the first that fails.
--memory                    Let pictures wait, so that those in work fit into this memory: 4G.
--manifest FILE             Write a line a file as it ends (input, output, size, checksum,
                            status …); with the same FILE again go on with what is not done;
                            convcli retry FILE runs what failed.
--retry-failed              Of convcli retry alone.
--cluster                   Filter on a Dask cluster: tcp://HOST:8786 of its scheduler, or
                            local:N to start one with N workers here (extra cluster).
--retries 0.. =3            How often a picture is tried again whose worker was lost
                            (--cluster).
--timeout SECONDS 1..       Give no work to a worker that takes longer for a picture
                            (--cluster). [default: a minute and 20 times the slowest so far]
--progress [auto|bar|plain|none] =auto
                            What standard error shows: a bar (plain lines in a pipe), plain
                            lines, or nothing. auto: a bar on a terminal, nothing in a pipe.

Engine: options
--method =auto              Kind of strategy; fails where it cannot serve.
--jobs 1..                  Cores to use, by threads or, for many pictures, processes; all that
                            may be used where it is left out.

Engine
--plan plan_only            Say how it would be computed, and why; compute and write nothing. Of
                            many pictures, the first.
--dry-run                   List what would be read, written, skipped and left out, and why;
                            compute and write nothing.

Sizes
--kernel-size -k --k *      Rows and columns of the kernel.
--width -w --w 1.. *        Width of the input, in pixels.
--height --h 1.. *          Height of the input, in pixels.
--in-channels --in 1.. *    Input channels.
--filters --out 1.. *       Filters: output channels.
"""
"""Each part has its heading on the help page and, behind a colon, the value that a command
gets its options in. Left of the text are the forms of an option, its name where no form is it,
what stands for its value, [words] to choose from or the range of a whole number (1..), its
default behind a =, and a * if the short help page has it.
"""

# ------------------------------------------------------------------ what the table does not say


def _format_words() -> list[str]:
    from convcli.images.formats import FORMATS

    return [name.lower() for name in FORMATS]


def _cluster_from(address: str) -> str:
    """Begin to start workers of this machine, where there will be some, while all is read."""
    from convcli.scale.cluster import local_workers, start_forking

    if local_workers(address) is not None:
        start_forking()
    return address


_TYPED = {"allow_from_autoenv": False}
_SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("stride", "dilation", "kernel_size"), types.PAIR),
    "padding": types.PADDING,
    "border": types.BORDER,
    "chain": {"type": types.LINK, "multiple": True},
    "times": whole(1, MOST_TIMES),
    "layout": {"type": types.one_of(WeightLayout), "is_eager": True},
    "recipe": {"is_eager": True, "callback": types.keep_recipe, "type": click.Path(), **_TYPED},
    "save_recipe": click.Path(),
    "max_pixels": whole(1, 2**40),
    "allow_formats": {
        "type": types.ReadType("NAME", late("images.policy:readable_named")),
        "multiple": True,
    },
    "select": {"type": setting("select", "AXIS=N|N:M,…"), "default": (), "show_default": False},
    "output": {"type": types.OUTPUT, **_TYPED},
    "kind": types.ReadType("NAME", late("images.formats:format_named"), _format_words),
    "compare": click.Path(dir_okay=False),
    "template": types.FieldPath("{stem}", "{suffix}", "{parent}", MAP, FRAME, is_template=True),
    "memory": types.ReadType("SIZE", memory_size_from),
    "retry_failed": {"hidden": True},
    "cluster": types.ReadType("ADDRESS", _cluster_from),
}
"""The types of options, or further settings, where `convcli.settings` does not have them."""

_TYPES = {"KERNEL": types.KERNEL, "NUMBER": types.FINITE, "X,Y": types.POINT}  # by metavar
_Declared: TypeAlias = tuple[list[str], dict[str, Any]]  # forms, the last a name; settings


def _declared(
    table: str, settings: dict[str, Any], alike: dict[str, _Declared]
) -> Iterator[_Declared]:
    for part in table.strip().split("\n\n"):
        heading, _, lines = part.partition("\n")
        section, _, group = heading.partition(": ")
        for entry in lines.removeprefix("--").split("\n--"):
            head = entry.partition("\n")[0].partition("  ")[0]
            forms, own = _words(f"--{head}".split(), alike)
            given = settings.get(forms[-1], {})
            own |= given if isinstance(given, dict) else {"type": given}
            if "type" not in own:
                is_read = PARSERS.get(forms[-1], flag_from) is not flag_from
                kind = setting(forms[-1], "") if is_read else _TYPES.get(own.get("metavar", ""))
                own |= {"type": kind} if is_read or "metavar" in own else {"is_flag": True}
            text = " ".join(entry[len(head) :].split()).replace(" [d", "  [d")
            yield forms, {**own, "section": section, "part_of": group, "help": text}


def _words(words: list[str], alike: dict[str, _Declared]) -> _Declared:
    """Return what the words left of the text of an option say."""
    forms, names = list[str](), list[str]()
    own: dict[str, Any] = {"everyday": "*" in words}
    for word in words:
        if word[0] == "-":
            forms.append(word)
        elif word[0] == "=":
            own["default"] = word[1:]
        elif word[0] == "[":
            own["type"] = click.Choice(word[1:-1].split("|"))
        elif limits := _RANGE.fullmatch(word):
            own["type"] = whole(int(limits[1]), int(limits[2]) if limits[2] else None)
        elif word.isidentifier() and word.islower():
            names.append(word)
        elif word != "*":
            own["metavar"] = word
    if len(forms) == 1 and not names and forms[0] in alike:
        forms, kind = alike[forms[0]]
        return forms, kind | own
    return [*forms, *(names or [forms[0].lstrip("-").replace("-", "_")])], own


_RANGE = re.compile(r"(\d+)\.\.(\d*)")

_OPTIONS = {forms[-1]: (forms, own) for forms, own in _declared(_TABLE, _SETTINGS, {})}
_ALIKE = {
    forms[0]: (forms, {key: own[key] for key in ("type", *_TYPED) if key in own})
    for name, (forms, own) in _OPTIONS.items()
    if own["section"] in ("Window", "Sizes")
    or name in ("output", "show", "quiet", "as_json", "dry_run")
}
"""The forms and types of options that commands write alike, by the first form."""

# ------------------------------------------------------------------ how a command takes them

subcommand = functools.partial(click.command, cls=Command)


def _adding(options: Iterable[_Declared]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds options, in this order."""
    found = [click.option(*forms, cls=Option, **settings) for forms, settings in options]
    return lambda command: functools.reduce(lambda made, add: add(made), found[::-1], command)


def with_options(*names: str, **changes: Any) -> Callable[[_Command], _Command]:
    """Add options of the table, in this order: by their names, or all below a heading."""
    return _adding(
        (forms, settings | changes)
        for name in names
        for forms, settings in _OPTIONS.values()
        if name in (forms[-1], settings["section"])
    )


def own_options(table: str, **settings: Any) -> Callable[[_Command], _Command]:
    """Add options that only this command has, written as in the table of shared ones.

    `settings` are types that it does not say, or dictionaries of more. Options that commands
    write alike need only the first of their forms. The short help page has those of no group.
    """
    return _adding(
        (forms, {**own, "everyday": own["everyday"] or not own["part_of"]})
        for forms, own in _declared(table, settings, _ALIKE)
    )


WINDOW = ("stride", "padding", "border", "dilation")  # the names of the options of a window

json_option = with_options("as_json", section="Output")


def picture_options(command: _Command) -> _Command:
    """Add what a command on one picture has: `read`, which returns a frame, and ``--json``."""
    frame: Any = {"default": "0", "help": "Which frame or page, counted from 0."}
    others = ("max_pixels", "allow_truncated", "allow_formats")
    reading = with_options(*others, part_of="read")(json_option(command))
    return with_options("frame", part_of="read", **frame)(reading)

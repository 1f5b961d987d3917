"""Which files a batch is made of, what is left out, and what the outputs are called."""

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from convcli.batch import places
from convcli.batch.job import FileJob
from convcli.errors import BatchError, ImageError, fail, install
from convcli.images.formats import FORMATS, format_for
from convcli.images.policy import needs_package
from convcli.storage import urls
from convcli.storage.urls import FRAME, MAP, first_output, is_pattern, is_url
from convcli.values import Record

_STANDARD = "-"

# ------------------------------------------------------------------ finding inputs


class Inputs(Record):
    """The names of a batch, and what they stand for.

    Names are files, which need not exist; folders; patterns (``*.jpg``, ``**/*.jpg``), unless
    a file has that name. `is_picture` tells whether the files of a folder that have a suffix,
    in lower case, are taken. `recursive` and `excluded` are those of `places.walk`.
    """

    names: Sequence[str]
    is_picture: Callable[[str], bool]
    recursive: bool = False
    excluded: str | None = None

    def find(self, left_out: Counter[str] | None = None) -> Iterator[tuple[str, str]]:
        """Yield the files that the names stand for: in their order, sorted in each.

        Yielded are the place of a file, and the folder for its output below that of all
        outputs: empty but for a file in a folder of a folder. `left_out` counts by suffix what
        is no picture. A name that stands for nothing is a `BatchError`.
        """
        for name in map(places.place_from, self.names):
            if urls.is_folder(name):
                yield from self._in_folder(name, Counter() if left_out is None else left_out)
            elif is_pattern(name) and not urls.is_there(name):
                if not (found := urls.matching(name)):
                    _check_bucket(name)
                    raise BatchError(f"{name}: expected files that match the pattern, got none")
                yield from ((file, "") for file in found)
            else:
                _check_name(name)
                yield name, ""

    def _in_folder(self, folder: str, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
        """Yield the pictures among the files of a folder, and count the others by suffix."""
        is_empty, others = True, Counter[str]()
        for place, below, suffix, reason in self._walked(folder):
            if not reason and self.is_picture(suffix):
                is_empty = False
                yield place, below
            elif not reason:
                others[suffix or NO_SUFFIX] += 1
        left_out.update(others)
        if is_empty:
            remedy = "name another" if self.recursive else "name another, or use --recursive"
            if any(map(needs_package, others)):
                remedy = install("formats")
            got = f"none, but {counts_by_suffix(others)}" if others else "none"
            raise BatchError(f"{folder}: expected pictures in the folder, got {got}: {remedy}")

    def left_out(self) -> Iterator[tuple[str, str]]:
        """Yield what `find` leaves out of the folders, and why."""
        for folder in filter(urls.is_folder, map(places.place_from, self.names)):
            for place, _, suffix, reason in self._walked(folder):
                if reason or not self.is_picture(suffix):
                    yield place, reason or f"{suffix or 'no suffix'} is no picture that is read"

    def _walked(self, folder: str) -> Iterator[tuple[str, str, str, str]]:
        """Yield the place, the path to its own folder, the suffix, and a reason: see `walk`."""
        found = places.walk(folder, recursive=self.recursive, excluded=self.excluded)
        for below, name, reason in found:
            suffix = places.name_parts(name)[2].lower()
            yield places.place_below(folder, below, name), below, suffix, reason


def _check_name(name: str) -> None:
    """Refuse standard input, and a name without a suffix where nothing has that name."""
    if name == _STANDARD:
        fault = "expected files, got the standard stream, which is one picture"
        fail("-", fault, "name files, or list them with --files-from -", BatchError)
    if not name:
        raise BatchError("'': expected the name of a file, got none: name a file")
    if not places.name_parts(name)[2] and not urls.is_there(name):
        _check_bucket(name)
        noun, what = ("folder or file", "path")
        if is_url(name):
            noun, what = ("folder, prefix or file", "URL")
        raise BatchError(f"{name}: no such {noun}: check the {what}")


def _check_bucket(name: str) -> None:
    """Refuse a URL whose bucket is not there."""
    if is_url(name):
        urls.check_store(name, "read", "no such bucket: check the URL")


NO_SUFFIX = "without a suffix"
_SHOWN_SUFFIXES = 6


def counts_by_suffix(counts: Counter[str]) -> str:
    """Return how many files have each suffix, the commonest first, as a line.

    >>> counts_by_suffix(Counter({".txt": 1, ".heic": 12}))
    '12 .heic, 1 .txt'
    """
    shown = [f"{count:,} {suffix}" for suffix, count in counts.most_common(_SHOWN_SUFFIXES)]
    rest = counts.total() - sum(count for _, count in counts.most_common(_SHOWN_SUFFIXES))
    return ", ".join([*shown, *([f"{rest:,} others"] if rest else [])])


_BLOCK = 65_536


def read_list(stream: BinaryIO) -> Iterator[str]:
    r"""Yield the places of a list: each line is the name of a file, no folder and no pattern.

    If the first block of the list has a NUL, names end with NULs instead of newlines. Empty
    names and the carriage return at the end of a line are dropped.
    """
    first = stream.read(_BLOCK)
    end = b"\0" if b"\0" in first else b"\n"
    for entry in _entries(stream, end, first):
        name = entry if end == b"\0" else entry.removesuffix("\r")
        if name:
            yield f"./{name}" if name == _STANDARD else places.place_from(name)


def _entries(stream: BinaryIO, end: bytes, block: bytes) -> Iterator[str]:
    """Split a stream at each `end`; its first block was read already."""
    rest, sign = b"", end.decode()
    while block:
        # To decode many names at once takes less time than one after another.
        complete, found, rest = (rest + block).rpartition(end)
        yield from os.fsdecode(complete).split(sign) if found else ()
        block = stream.read(_BLOCK)
    yield os.fsdecode(rest)


# ------------------------------------------------------------------ naming outputs

FIELDS = ("{parent}", "{stem}", "{suffix}", MAP, FRAME)
"""The fields of a template: the name of the input's folder, the input's name without suffix,
the suffix of the output, the number of a map, that of a frame."""

DEFAULT_TEMPLATE = "{stem}{suffix}"

_FIELD = re.compile(r"\{[^{}]*\}?|\}")
_BESIDE_NUMBER = re.compile(
    r"[\d}](\{(?:map|frame)[\d:]*\})|(\{(?:map|frame)[\d:]*\})(?!\{suffix\})[\d{]"
)
"""A number of a map or a frame next to another digit, or to a name that may have one there."""


class Template(Record):
    """Names each output after its input.

    The text is the name of an output, with `FIELDS`; it may have folders in it. Outputs get
    the suffix of `output_format`, or keep that of the input. A text with an unknown field,
    that leads out of the folder of the outputs, or ends in a suffix that no format has, is a
    `BatchError`.
    """

    text: str = DEFAULT_TEMPLATE
    output_format: str | None = None

    def __post_init__(self) -> None:
        for field in _FIELD.findall(self.text):
            if first_output(field) == field and field not in FIELDS:
                known = ", ".join(FIELDS)
                raise BatchError(f"--name {self.text}: expected {known}; got {field!r}")
        if beside := _BESIDE_NUMBER.search(self.text):
            field = beside[1] or beside[2]
            noun = field.strip("{}:0123456789")
            raise BatchError(
                f"--name {self.text}: expected a sign beside {field} that is no digit, so "
                f"that {noun} 1 of a1 is not {noun} 11 of a: write {{stem}}-{field}.png"
            )
        steps = self.text.replace("\\", "/").split("/")
        if os.path.isabs(self.text) or not {"", ".", ".."}.isdisjoint(steps):
            fault = "expected a name in the folder of --out-dir"
            remedy = "leave out .. and a / at either end"
            fail(f"--name {self.text!r}", fault, remedy, BatchError)
        if self.output_format is None:
            _check_suffix(self.text)

    @functools.cached_property
    def _pattern(self) -> str:
        return re.sub("{(parent|stem|suffix)}", r"%(\1)s", self.text.replace("%", "%%"))

    def job(self, source: str, out_dir: str, subfolder: str = "") -> FileJob:
        """Return the job of a file whose output goes to a folder, or to a folder of that."""
        parent, stem, suffix = places.name_parts(source)
        if self.output_format is not None:
            suffix = FORMATS[self.output_format].suffixes[0]
        if "{" in source and first_output(parent + stem) != parent + stem:
            fault = f"expected a name without {MAP} and {FRAME}, which number outputs"
            fail(source, fault, "rename it, or filter it alone", BatchError)
        name = self._pattern % {"parent": parent, "stem": stem, "suffix": suffix}
        return FileJob(source, _beginning(out_dir, subfolder) + name)


@functools.lru_cache
def _beginning(out_dir: str, subfolder: str) -> str:
    """Return what the places of a folder's files begin with."""
    return places.place_below(out_dir, subfolder, "_")[:-1]


def _check_suffix(name: str) -> None:
    """Refuse a suffix of no format; one that has a field in it differs from file to file."""
    suffix = places.name_parts(name)[2]
    if not suffix and not name.endswith("{suffix}"):
        fault = "expected a name with a suffix, which tells the format"
        fail(f"--name {name}", fault, "add {suffix} or .png, or use --format", BatchError)
    if not suffix or _FIELD.search(suffix):
        return
    try:
        format_for(name)
    except ImageError as error:
        raise BatchError(f"--name {error}") from None

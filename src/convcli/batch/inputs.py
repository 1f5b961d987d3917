"""Where the inputs of a batch come from, and what its outputs are called."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from convcli.batch import places
from convcli.batch.job import Job
from convcli.errors import BatchError, ImageError
from convcli.images.formats import FORMATS, format_for
from convcli.pipeline.files import MAP
from convcli.storage import urls
from convcli.values import Record

_BLOCK = 65_536
_STANDARD = "-"


class Found(Record):
    """A file to filter.

    Attributes
    ----------
    source : str
        Where it is.
    folder : str
        The folder, below that of the outputs, that its output goes to: empty but for
        files in the folders of a folder.
    """

    source: str
    folder: str = ""


def found(
    names: Iterable[str],
    is_picture: Callable[[str], bool],
    *,
    recursive: bool = False,
    besides: str | None = None,
) -> Iterator[Found]:
    """Yield the files that names stand for, in a fixed order.

    Parameters
    ----------
    names : iterable of str
        Files, which are taken as they are; folders; patterns (``*.jpg``, ``**/*.jpg``)
        where no file is called so.
    is_picture : callable
        Tells of a suffix, in lower case, whether its files are taken from folders.
    recursive : bool
        Take files from the folders in folders too.
    besides : str, optional
        A folder inside of a folder that is left out: where the outputs go.

    Raises
    ------
    BatchError
        If a name stands for nothing.
    """
    for name in map(places.located, names):
        if places.is_folder(name):
            yield from _in_folder(name, is_picture, recursive=recursive, besides=besides)
        elif urls.is_pattern(name) and not places.is_there(name):
            yield from _matching(name)
        else:
            yield Found(_checked(name))


def _checked(name: str) -> str:
    if name == _STANDARD:
        raise BatchError(
            "-: expected files, got the standard stream, which is one picture: name files, "
            "or list them with --files-from -"
        )
    if not name:
        raise BatchError("'': expected the name of a file, got none: name a file")
    return name


def _in_folder(
    folder: str, is_picture: Callable[[str], bool], *, recursive: bool, besides: str | None
) -> Iterator[Found]:
    empty = True
    try:
        for below, name in places.files_in(folder, recursive=recursive, besides=besides):
            if is_picture(places.parts(name)[2].lower()):
                empty = False
                yield Found(places.joined(folder, below, name), below)
    except OSError as error:
        where = error.filename or folder
        raise BatchError(f"{where}: the folder cannot be read: {error.strerror}") from None
    if empty:
        remedy = "name another" if recursive else "name another, or use --recursive"
        raise BatchError(f"{folder}: expected pictures in the folder, got none: {remedy}")


def _matching(pattern: str) -> Iterator[Found]:
    names = places.matching(pattern)
    if not names:
        raise BatchError(f"{pattern}: expected files that match the pattern, got none")
    for name in names:
        yield Found(name)


def listed(stream: BinaryIO) -> Iterator[Found]:
    r"""Yield the files of a list, one a line; or ended by NULs, where there is one.

    Names are taken as they are: no folders, no patterns. Empty ones are left out, and the
    carriage return at the end of a line.

    Examples
    --------
    >>> import io
    >>> [one.source for one in listed(io.BytesIO(b"a b.png\0-\0c\nd.png"))]
    ['a b.png', './-', 'c\nd.png']
    """
    first = stream.read(_BLOCK)
    end = b"\0" if b"\0" in first else b"\n"
    for name in split(stream, end, first):
        kept = name if end == b"\0" else name.removesuffix(b"\r")
        if kept:
            text = places.decoded(kept)
            yield Found(f"./{text}" if text == _STANDARD else places.located(text))


def split(stream: BinaryIO, end: bytes, first: bytes = b"") -> Iterator[bytes]:
    """Yield what stands between the ends, a block of a stream at a time."""
    rest, block = b"", first or stream.read(_BLOCK)
    while block:
        *whole, rest = (rest + block).split(end)
        yield from whole
        block = stream.read(_BLOCK)
    if rest:
        yield rest


FIELDS = ("{parent}", "{stem}", "{suffix}", MAP)
"""What a template may hold: the name of the input's folder, its own without suffix, the
suffix of the output, the number of a map."""

DEFAULT = "{stem}{suffix}"

_FIELD = re.compile(r"\{[^{}]*\}?|\}")
_BESIDE_MAP = re.compile(r"[\d}]\{map\}|\{map\}(?!\{suffix\})[\d{]")
"""A number beside another number, or beside a name that may end in one."""


class Template(Record):
    """Names outputs after inputs.

    Parameters
    ----------
    text : str
        The name, with `FIELDS`; it may have folders in it.
    kind : str, optional
        The format of the outputs, whose suffix they get; that of the inputs otherwise.

    Raises
    ------
    BatchError
        If the template has fields that are none, leads out of the outputs' folder, or ends
        in a suffix that no format has.

    Examples
    --------
    >>> Template("{stem}-edges{suffix}").job(Found("photos/a.jpg"), "out").target
    'out/a-edges.jpg'
    """

    text: str = DEFAULT
    kind: str | None = None

    def __post_init__(self) -> None:
        for field in _FIELD.findall(self.text):
            if field not in FIELDS:
                raise BatchError(
                    f"--name {self.text}: expected {', '.join(FIELDS)}; got {field!r}"
                )
        if _BESIDE_MAP.search(self.text):
            raise BatchError(
                f"--name {self.text}: expected a sign beside {MAP} that is no digit, so "
                "that map 1 of a1 is not map 11 of a: write {stem}-{map}.png"
            )
        if not places.stays_below(self.text):
            raise BatchError(
                f"--name {self.text!r}: expected a name in the folder of --out-dir: leave "
                "out .. and a / at either end"
            )
        if self.kind is None:
            _check_suffix(self.text)

    def job(self, one: Found, folder: str) -> Job:
        """Return the job of a file whose output goes to, or below, a folder."""
        parent, stem, suffix = places.parts(one.source)
        if self.kind is not None:
            suffix = FORMATS[self.kind].suffixes[0]
        values = {"{parent}": parent, "{stem}": stem, "{suffix}": suffix}
        name = _FIELD.sub(lambda field: values.get(field[0], field[0]), self.text)
        return Job(one.source, places.joined(folder, one.folder, name))


def _check_suffix(name: str) -> None:
    """Check a suffix that all outputs would have; one with a field in it may be any."""
    suffix = places.parts(name)[2]
    if not suffix or _FIELD.search(suffix):
        return
    try:
        format_for(name)
    except ImageError as error:
        raise BatchError(f"--name {error}") from None

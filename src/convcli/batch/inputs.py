"""Which files a batch is made of: names, folders, patterns and lists."""

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from convcli import storage
from convcli.batch import places
from convcli.errors import BatchError
from convcli.records import Record

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
        elif storage.is_pattern(name) and not places.is_there(name):
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

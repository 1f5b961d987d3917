"""From the names that a person gives to the checked list of all jobs of a batch."""

import contextlib
import functools
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Self

from convcli.batch import places
from convcli.batch.job import FileJob
from convcli.batch.manifest import output_key
from convcli.errors import BatchError, ConvcliError, ImageError, install
from convcli.images.formats import FORMATS, format_for
from convcli.images.policy import needs_package
from convcli.storage.urls import FRAME, MAP, check_bucket, first_output, is_pattern, is_url
from convcli.values import Record

_STANDARD = "-"

# ------------------------------------------------------------------ finding inputs


class InputFile(Record):
    """A file to filter.

    Attributes
    ----------
    source : str
        Its path or URL.
    subfolder : str
        Its output goes to this folder, relative to that of all outputs. It is empty unless
        the file was found in a folder of a folder.
    """

    source: str
    subfolder: str = ""


def find_inputs(
    names: Iterable[str],
    is_picture: Callable[[str], bool],
    *,
    recursive: bool = False,
    excluded: str | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[InputFile]:
    """Yield the files that names stand for: in the order of the names, sorted in each.

    Parameters
    ----------
    names : iterable of str
        Files, which need not exist; folders; patterns (``*.jpg``, ``**/*.jpg``), unless a
        file has that name.
    is_picture : callable
        Tells whether the files of a folder that have this suffix, in lower case, are taken.
    recursive : bool
        Search the folders in folders too.
    excluded : str, optional
        A folder that is not searched: that of the outputs.
    left_out : Counter, optional
        Counts the other files of the folders, by their suffixes in lower case.

    Raises
    ------
    BatchError
        If a name stands for nothing.
    """
    others: Counter[str] = Counter() if left_out is None else left_out
    for name in map(places.place_from, names):
        if places.folder_exists(name):
            files = places.walk_files(name, recursive=recursive, excluded=excluded)
            yield from _in_folder(name, files, is_picture, others, recursive=recursive)
        elif is_pattern(name) and not places.place_exists(name):
            yield from _matching(name)
        else:
            _check_name(name)
            _check_folder(name)
            yield InputFile(name, "")


def _check_name(name: str) -> None:
    if name == _STANDARD:
        raise BatchError(
            "-: expected files, got the standard stream, which is one picture: name files, "
            "or list them with --files-from -"
        )
    if not name:
        raise BatchError("'': expected the name of a file, got none: name a file")


def _check_folder(name: str) -> None:
    """Refuse the name of a folder that is not there: a file of pictures has a suffix."""
    if not places.name_parts(name)[2] and not places.place_exists(name):
        if is_url(name):
            check_bucket(name)
        noun = "folder, prefix or file" if is_url(name) else "folder or file"
        raise BatchError(
            f"{name}: no such {noun}: check the {'URL' if is_url(name) else 'path'}"
        )


def _in_folder(
    folder: str,
    files: Iterable[tuple[str, str]],
    is_picture: Callable[[str], bool],
    left_out: Counter[str],
    *,
    recursive: bool,
) -> Iterator[InputFile]:
    """Yield the pictures among the files of a folder, and count the others by suffix."""
    is_empty, others = True, Counter[str]()
    for below, name in files:
        suffix = places.name_parts(name)[2].lower()
        if is_picture(suffix):
            is_empty = False
            yield InputFile(places.place_below(folder, below, name), below)
        else:
            others[suffix or NO_SUFFIX] += 1
    left_out.update(others)
    if is_empty:
        remedy = "name another" if recursive else "name another, or use --recursive"
        if any(map(needs_package, others)):
            remedy = install("formats")
        got = f"none, but {counts_by_suffix(others)}" if others else "none"
        raise BatchError(f"{folder}: expected pictures in the folder, got {got}: {remedy}")


NO_SUFFIX = "without a suffix"
_SHOWN_SUFFIXES = 6


def counts_by_suffix(counts: Counter[str]) -> str:
    """Return how many files have each suffix, the commonest first, as a line.

    Examples
    --------
    >>> counts_by_suffix(Counter({".txt": 1, ".heic": 12}))
    '12 .heic, 1 .txt'
    """
    shown = [f"{count:,} {suffix}" for suffix, count in counts.most_common(_SHOWN_SUFFIXES)]
    rest = counts.total() - sum(count for _, count in counts.most_common(_SHOWN_SUFFIXES))
    return ", ".join([*shown, *([f"{rest:,} others"] if rest else [])])


def _matching(pattern: str) -> Iterator[InputFile]:
    names = places.files_like(pattern)
    if not names:
        if is_url(pattern):
            check_bucket(pattern)
        raise BatchError(f"{pattern}: expected files that match the pattern, got none")
    yield from map(InputFile, names)


_BLOCK = 65_536


def read_list(stream: BinaryIO) -> Iterator[InputFile]:
    r"""Yield the files of a list.

    Each line is a name. If the first block of the list has a NUL, names end with NULs
    instead of newlines. A name means one file, never a folder or a pattern. Empty names and
    the carriage return at the end of a line are dropped.

    Examples
    --------
    >>> import io
    >>> [file.source for file in read_list(io.BytesIO(b"a b.png\0-\0c\nd.png"))]
    ['a b.png', './-', 'c\nd.png']
    """
    first = stream.read(_BLOCK)
    end = b"\0" if b"\0" in first else b"\n"
    for entry in _entries(stream, end, first):
        name = entry if end == b"\0" else entry.removesuffix("\r")
        if name:
            yield InputFile(f"./{name}" if name == _STANDARD else places.place_from(name), "")


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

    Parameters
    ----------
    text : str
        The name of an output, with `FIELDS`; it may have folders in it.
    output_format : str, optional
        The format of the outputs, which get its suffix. By default they keep the suffix of
        the input.

    Raises
    ------
    BatchError
        If the template has an unknown field, leads out of the folder of the outputs, or ends
        in a suffix that no format has.

    Examples
    --------
    >>> Template("{stem}-edges{suffix}").job(InputFile("photos/a.jpg"), "out").target
    'out/a-edges.jpg'
    """

    text: str = DEFAULT_TEMPLATE
    output_format: str | None = None

    def __post_init__(self) -> None:
        for field in _FIELD.findall(self.text):
            if first_output(field) == field and field not in FIELDS:
                raise BatchError(
                    f"--name {self.text}: expected {', '.join(FIELDS)}; got {field!r}"
                )
        beside = _BESIDE_NUMBER.search(self.text)
        if beside:
            field = beside[1] or beside[2]
            noun = field.strip("{}:0123456789")
            raise BatchError(
                f"--name {self.text}: expected a sign beside {field} that is no digit, so "
                f"that {noun} 1 of a1 is not {noun} 11 of a: write {{stem}}-{field}.png"
            )
        if not _stays_below(self.text):
            raise BatchError(
                f"--name {self.text!r}: expected a name in the folder of --out-dir: leave "
                "out .. and a / at either end"
            )
        if self.output_format is None:
            _check_suffix(self.text)

    @functools.cached_property
    def _pattern(self) -> str:
        return re.sub("{(parent|stem|suffix)}", r"%(\1)s", self.text.replace("%", "%%"))

    def job(self, file: InputFile, out_dir: str) -> FileJob:
        """Return the job of a file whose output goes to a folder, or to its `subfolder`."""
        parent, stem, suffix = places.name_parts(file.source)
        if self.output_format is not None:
            suffix = FORMATS[self.output_format].suffixes[0]
        name = self._pattern % {"parent": parent, "stem": stem, "suffix": suffix}
        return FileJob(file.source, _beginning(out_dir, file.subfolder) + name)


@functools.lru_cache
def _beginning(out_dir: str, subfolder: str) -> str:
    """Return what the places of a folder's files begin with."""
    return places.place_below(out_dir, subfolder, "_")[:-1]


def _stays_below(name: str) -> bool:
    """Tell whether a relative name of a file cannot lead out of a folder."""
    steps = name.replace("\\", "/").split("/")
    return not os.path.isabs(name) and all(step not in ("", ".", "..") for step in steps)


def _check_suffix(name: str) -> None:
    """Refuse a suffix of no format; one that has a field in it differs from file to file."""
    suffix = places.name_parts(name)[2]
    if not suffix and not name.endswith("{suffix}"):
        raise BatchError(
            f"--name {name}: expected a name with a suffix, which tells the format: add "
            "{suffix} or .png, or use --format"
        )
    if not suffix or _FIELD.search(suffix):
        return
    try:
        format_for(name)
    except ImageError as error:
        raise BatchError(f"--name {error}") from None


# ------------------------------------------------------------------ the list of jobs

_CREATE = """
PRAGMA page_size = 16384;
PRAGMA cache_size = -1024;
PRAGMA temp_store = FILE;
PRAGMA journal_mode = OFF;
CREATE TABLE jobs (number INTEGER PRIMARY KEY, source BLOB, target BLOB, output_key BLOB);
CREATE TABLE settled (number INTEGER PRIMARY KEY);
CREATE TABLE named (source BLOB, target BLOB);
"""
"""`source` and `target` are the names as given; the keys, of 16 bytes, are equal where two
names mean the same file. `settled` has the jobs that need not run. A MiB of the tables is held
in memory, and four while they are sorted; the rest is on the disk."""

_INSERT = "INSERT INTO jobs (source, target, output_key) VALUES (?, ?, ?)"

_SHARED_OUTPUT = """
SELECT earliest, number
FROM (SELECT number, min(number) OVER (PARTITION BY output_key) AS earliest FROM jobs)
WHERE earliest < number ORDER BY number LIMIT 1
"""
"""Finds the first job that has the output of an earlier one; returns both numbers."""

_OVERWRITTEN_INPUT = """
WITH keyed AS MATERIALIZED (SELECT number, output_key, key_of(source) AS input_key FROM jobs)
SELECT number FROM (
    SELECT number, min(number) OVER (PARTITION BY name) AS least FROM (
        SELECT output_key AS name, number FROM keyed WHERE output_key != input_key
        UNION ALL SELECT input_key, -number FROM keyed
    )
) WHERE least < 0 AND number > 0 ORDER BY number LIMIT 1
"""
"""Finds the first job whose output is the input of another job. In the middle table the
numbers of outputs are positive, those of inputs negative."""

_MOST_FOLDERS = 4096
"""So many folders are remembered while jobs are listed. With more, the disk sorts the jobs."""


class _Folders:
    """What the order of jobs tells about them while they are listed.

    Attributes
    ----------
    inputs : set of str
        The folders of the inputs.
    last : dict
        The last output in each folder of outputs.
    is_sorted : bool
        Whether the outputs in each folder came in the order of their names, so that no two
        are the same.
    """

    def __init__(self) -> None:
        self.inputs: set[str] = set()
        self.last: dict[str, str] = {}
        self.is_sorted = self.are_few = True

    def row(self, job: FileJob) -> tuple[bytes, bytes, bytes]:
        """Return a job as a row of the table: names as bytes, for some are no valid text."""
        source, target, last = job.source, job.target, self.last
        self.inputs.add(places.folder_and_name(source)[0])
        folder, name = places.folder_and_name(first_output(target))
        if name <= last.get(folder, ""):
            self.is_sorted = False
        last[folder] = name
        if len(self.inputs) > _MOST_FOLDERS or len(last) > _MOST_FOLDERS:
            self.inputs, self.last = set(), {}
            self.is_sorted = self.are_few = False
        key = places.digest(folder + name)
        return places.as_bytes(source), places.as_bytes(target), key

    @property
    def are_apart(self) -> bool:
        """Whether no output can be an input, for no folder has both."""
        return self.are_few and self.inputs.isdisjoint(self.last)

    @property
    def are_empty(self) -> bool:
        """Whether no output can exist, for the folders of this machine have no files."""
        return self.are_few and not any(map(places.may_have_files, self.last))


class JobList:
    """A list of jobs on the disk: its memory does not grow with the number of jobs.

    The list is an SQLite database in a temporary file without a name, which the system
    removes. It takes about twice the disk space of the names, and as much again where they
    are sorted to be checked.

    Parameters
    ----------
    jobs : iterable of FileJob
        It is read once, here. The list can be read as often as needed.

    Raises
    ------
    ConvcliError
        If there is no room on the disk.
    """

    def __init__(self, jobs: Iterable[FileJob]) -> None:
        with contextlib.ExitStack() as stack, _disk_errors():
            self._database = sqlite3.connect("", isolation_level=None)
            stack.callback(self._database.close)
            self._database.executescript(_CREATE)
            self._database.execute("BEGIN")
            self._folders = _Folders()
            rows = map(self._folders.row, jobs)
            self._count = self._database.executemany(_INSERT, rows).rowcount
            self._database.execute("COMMIT")
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[FileJob]:
        return self._selected("number NOT IN settled")

    def _selected(self, condition: str) -> Iterator[FileJob]:
        query = f"SELECT source, target FROM jobs WHERE {condition} ORDER BY number"  # noqa: S608
        with _disk_errors():
            yield from (_job(*row) for row in self._database.execute(query))

    def settled(self) -> Iterator[FileJob]:
        """Yield the jobs that need not run."""
        return self._selected("number IN settled")

    def settle(self, jobs: Iterable[FileJob]) -> None:
        """Take jobs out of those that run; each is one of the list, or is none of it."""
        with _disk_errors():
            rows = ((os.fsencode(job.source), os.fsencode(job.target)) for job in jobs)
            self._database.executemany("INSERT INTO named VALUES (?, ?)", rows)
            self._database.execute(
                "INSERT OR IGNORE INTO settled SELECT number FROM jobs JOIN named "
                "USING (source, target)"
            )
            self._database.execute("DELETE FROM named")

    def settle_existing(self) -> None:
        """Take out the jobs whose outputs are there; a store is asked once for each folder."""
        for target in places.existing_outputs(self._targets()):
            with _disk_errors():
                self._database.execute(
                    "INSERT INTO named VALUES (NULL, ?)", (os.fsencode(target),)
                )
        with _disk_errors():
            self._database.execute(
                "INSERT OR IGNORE INTO settled SELECT number FROM jobs "
                "WHERE target IN (SELECT target FROM named)"
            )
            self._database.execute("DELETE FROM named")

    def keys(self) -> Iterator[bytes]:
        """Yield the key of each output: see `claimed`."""
        with _disk_errors():
            rows = self._database.execute("SELECT output_key FROM jobs")
            yield from (key for (key,) in rows)

    def check(self, *, may_exist: bool) -> None:
        """Refuse jobs that would overwrite each other's files.

        Parameters
        ----------
        may_exist : bool
            Whether outputs may exist already.

        Raises
        ------
        BatchError
            If two jobs write the same file, one writes another's input, or an output exists.
        """
        self._refuse_process_memory()
        with _disk_errors():
            if not self._folders.is_sorted:
                self._refuse_shared_output()
            if not self._folders.are_apart:
                self._refuse_overwritten_input()
        if not may_exist and not self._folders.are_empty:
            self._refuse_existing_output()

    def _refuse_process_memory(self) -> None:
        query = "SELECT target FROM jobs WHERE substr(target, 1, 9) = ? LIMIT 1"
        found = self._database.execute(query, (b"memory://",)).fetchone()
        if found is not None:
            raise BatchError(
                f"{os.fsdecode(found[0])}: a batch has many processes, and memory:// ends with "
                "the one that wrote there: use a path, or the URL of a store"
            )

    def _refuse_shared_output(self) -> None:
        numbers = self._database.execute(_SHARED_OUTPUT).fetchone()
        if numbers is None:
            return
        first, second = map(self._numbered, numbers)
        if places.same_file_key(first.source) == places.same_file_key(second.source):
            raise BatchError(f"{second.source}: the input is given twice: name it once")
        raise BatchError(
            f"{first.source} and {second.source} would both be written to {second.target}: "
            "tell them apart by {stem}, {parent} or {suffix} in --name, or keep their folders "
            "with --recursive"
        )

    def _refuse_overwritten_input(self) -> None:
        self._database.create_function("key_of", 1, _key_of, deterministic=True)
        numbers = self._database.execute(_OVERWRITTEN_INPUT).fetchone()
        if numbers is not None:
            job = self._numbered(*numbers)
            raise BatchError(
                f"{job.target}: the output of {job.source} is another input: use another "
                "--out-dir or --name"
            )

    def _refuse_existing_output(self) -> None:
        existing = places.existing_outputs(self._targets())
        first = next(existing, None)
        if first is None:
            return
        count = sum(1 for _ in existing)
        more = f" (and {count:,} more outputs)" if count else ""
        raise BatchError(
            f"{first}: the output exists{more}: use --on-exists skip or overwrite, or "
            "another --out-dir"
        )

    def _targets(self) -> Iterator[str]:
        rows = self._database.execute("SELECT target FROM jobs ORDER BY number")
        return (os.fsdecode(target) for (target,) in rows)

    def _numbered(self, number: int) -> FileJob:
        query = "SELECT source, target FROM jobs WHERE number = ?"
        return _job(*self._database.execute(query, (number,)).fetchone())


def _key_of(source: bytes) -> bytes:
    return output_key(os.fsdecode(source))


def _job(source: bytes, target: bytes) -> FileJob:
    return FileJob(os.fsdecode(source), os.fsdecode(target))


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn errors of the database into one line: what fails is the disk."""
    try:
        yield
    except sqlite3.Error as error:
        raise ConvcliError(
            f"the list of files cannot be kept on the disk: {error}: make room where temporary "
            "files go, or set TMPDIR to another folder"
        ) from None

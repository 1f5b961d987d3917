"""What outputs are called: templates such as ``{stem}-edges.png``."""

import re

from convcli.batch import places
from convcli.batch.inputs import Found
from convcli.batch.job import Job
from convcli.errors import BatchError, ImageError
from convcli.filtering.maps import MAP
from convcli.images import FORMATS, format_for
from convcli.records import Record

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

"""Files that can be read only when a test says so: named pipes in their places."""

import contextlib
import errno
import os
import time
from pathlib import Path

from support.waiting import PATIENCE


class Held:
    """A file whose readers wait; it must have fewer bytes than a pipe holds, 65,536.

    Parameters
    ----------
    path : Path
        A file, in whose place the pipe is until it is released.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._data = path, path.read_bytes()
        assert len(self._data) <= 65_536
        path.unlink()
        os.mkfifo(path)
        self._end = 0

    def await_reader(self) -> None:
        """Wait until somebody is in the middle of reading it."""
        end = time.monotonic() + PATIENCE
        while not self._end:
            try:
                self._end = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                assert error.errno == errno.ENXIO  # noqa: PT017 - nobody reads yet
                assert time.monotonic() < end
                time.sleep(0.01)

    def release(self) -> None:
        """Let those who wait read the file, and those who come later as well."""
        # Open to read too, so that it waits for nobody: who waits to open it is let in now.
        end = self._end or os.open(self._path, os.O_RDWR)
        whole = self._path.with_name(f"{self._path.name}.whole")
        whole.write_bytes(self._data)
        whole.replace(self._path)
        with contextlib.suppress(BrokenPipeError):  # They were killed meanwhile.
            os.write(end, self._data)
        os.close(end)


def release(held: list[Held]) -> None:
    """Let all be read; none is released twice."""
    while held:
        held.pop().release()

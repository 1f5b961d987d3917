"""What tests wait for: readers of files that are held back, conditions, folders that settle."""

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from support.waiting import PATIENCE


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after ten minutes."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the data of each file of a folder by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def settled(folder: Path) -> dict[str, bytes]:
    """Return a folder's contents once no process is in the middle of writing there."""
    wait_for(lambda: not any(path.name.startswith(".convcli-") for path in folder.iterdir()))
    return contents(folder)


class Held:
    """A file whose readers wait until it is released.

    Parameters
    ----------
    path : Path
        A file of at most 65,536 bytes, which a pipe holds. A named pipe takes its place until
        it is released.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._data = path, path.read_bytes()
        assert len(self._data) <= 65_536
        pipe = path.with_name(f"{path.name}.pipe")
        os.mkfifo(pipe)
        pipe.replace(path)  # In one step: at no time is there no file.
        self._end = 0

    def await_reader(self) -> None:
        """Wait until a process has opened it to read."""
        wait_for(self._has_reader)

    def _has_reader(self) -> bool:
        if not self._end:
            try:
                self._end = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                assert error.errno == errno.ENXIO  # noqa: PT017 - there is no reader yet
        return bool(self._end)

    def release(self) -> None:
        """Let the processes that wait read the file, and those that come later as well."""
        # Opened to read and write, a pipe waits for no other process.
        end = self._end or os.open(self._path, os.O_RDWR)
        whole = self._path.with_name(f"{self._path.name}.whole")
        whole.write_bytes(self._data)
        whole.replace(self._path)
        with contextlib.suppress(BrokenPipeError):  # The readers were killed meanwhile.
            os.write(end, self._data)
        os.close(end)


def release(held: list[Held]) -> None:
    """Release all files, and empty the list, so that none is released twice."""
    while held:
        held.pop().release()

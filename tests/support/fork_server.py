"""Forks itself for each request: a fork has all modules that the requests before it needed.

A request is one message on a socket, with four files: the fork's standard streams, and one to
which its number is written, then its status. Whoever started this keeps the socket's other
end, and ends this by closing it.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
import threading
from types import ModuleType
from typing import Any

MOST_BYTES = 2**18
"""The longest request."""

_STREAMS = 3


def serve(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request, and return it in the fork."""
    told: dict[int, int] = {}  # by the file of a process, where its end is told
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    selector.unregister(key.fileobj)
                    _tell_end(key.fd, told.pop(key.fd), key.data)
                    continue
                data, files, *_ = socket.recv_fds(requests, MOST_BYTES, _STREAMS + 1)
                if not data:
                    sys.exit()
                request: dict[str, Any] = json.loads(data)
                _load(request["loaded"])
                child = os.fork()
                if not child:
                    break
                for stream in files[:_STREAMS]:
                    os.close(stream)
                ends = os.pidfd_open(child)
                told[ends] = files[_STREAMS]
                selector.register(ends, selectors.EVENT_READ, child)
            else:
                continue
            break
    for each in (requests.detach(), *told, *told.values()):
        os.close(each)
    _become(request, files)
    return request


def _load(names: list[str]) -> None:
    fresh = [name for name in names if name not in sys.modules]
    for name in fresh:
        with contextlib.suppress(ImportError):  # An extra that is not installed.
            importlib.import_module(name)
    if fresh:
        gc.collect()
        gc.freeze()  # A fork would copy what the collector touches.


def _tell_end(ends: int, to: int, child: int) -> None:
    os.close(ends)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(BrokenPipeError):  # Nobody may wait for it any more.
        os.write(to, b"%d\n" % status)
    os.close(to)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Be as a process that was just started: its streams, folder, environment and words."""
    for stream, file in enumerate(files[:_STREAMS]):
        os.dup2(file, stream)
        os.close(file)
    # As Python opens them: by lines where they are a terminal.
    sys.stdin = os.fdopen(0, errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    if request["session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["-c", *request["words"]]
    sys.path[:] = [request["folder"], *(request["path"] or sys.path[1:])]
    if "dask" in sys.modules:  # It has read the environment.
        sys.modules["dask"].config.refresh()
    told = files[_STREAMS]
    os.write(told, b"%d\n" % os.getpid())
    os.close(told)


def main() -> None:
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    status: Any = 0
    try:
        _run(request)
    except SystemExit as end:
        status = end.code or 0
    if isinstance(status, int):
        _leave(status)
    sys.exit(status)


def _run(request: dict[str, Any]) -> None:
    if request["module"]:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        return
    sys.modules["__main__"] = own = ModuleType("__main__")
    exec(compile(request["code"], "<string>", "exec"), vars(own))  # noqa: S102 - a test's own


def _leave(status: int) -> None:
    """End as Python does, but free no memory: a fork would copy it first."""
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - as multiprocessing does
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-only
"""A program `mermapctl` for the scripts of tests, which start dozens: each in 15 ms, not in 250.

The program passes its streams to a server (`python -m tests.forkprogram SOCKET`) that has
everything imported and forks; the child is `mermapctl.__main__.main`, as in `tests.forkserver`.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from tests.forkserver import SECONDS, be_mermapctl, import_all

_CLIENT = """\
import _socket, os, sys
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(sys.argv[1])
argv = [os.fsencode(word) for word in sys.argv[2:]]
env = [name + b"=" + value for name, value in os.environb.items()]
streams = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (0, 1, 2))
server.sendmsg([b" "], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.sendall(b"\\0".join([os.getcwdb(), b"%d" % len(argv), *argv, *env]))
server.shutdown(_socket.SHUT_WR)
code = int(server.recv(16) or 70)
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextlib.contextmanager
def program() -> Iterator[str]:
    """Yield the words, for a shell, that start `mermapctl`; the server ends with the block."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "socket"
        server = [sys.executable, "-m", "tests.forkprogram", str(path)]
        with subprocess.Popen(
            server,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as running:
            assert running.stdin is not None
            assert running.stdout is not None
            assert running.stdout.readline() == b"ready\n"
            yield shlex.join([sys.executable, "-ISc", _CLIENT, str(path)])
            running.stdin.close()


_PYTHON = """#!/bin/sh
case "$*" in
"-P -m mermapctl run-cell "*)
    shift 3
    exec {start} "$@" ;;
esac
exec {python} "$@"
"""


@contextlib.contextmanager
def python() -> Iterator[Path]:
    """Yield a Python whose `-m mermapctl run-cell`, a cell of a series, is such a child.

    A forked command of `tests.forkserver` takes it for its own if FORKED_PYTHON names it.
    """
    with program() as start, tempfile.TemporaryDirectory() as place:
        path = Path(place) / "python"
        path.write_text(_PYTHON.format(start=start, python=shlex.quote(sys.executable)))
        path.chmod(0o755)
        yield path


def _serve(listening: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([0, listening.fileno()], [], [])
        if 0 in ready:  # the tests have ended
            return
        asked, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(asked)
        asked.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _answer(asked: socket.socket) -> NoReturn:
    _, streams, _, _ = socket.recv_fds(asked, 1, 3)
    with asked.makefile("rb") as file:
        cwd, count, *words = (os.fsdecode(word) for word in file.read().split(b"\0"))
    request = {
        "argv": words[: int(count)],
        "cwd": cwd,
        "env": dict(each.split("=", 1) for each in words[int(count) :]),
        "seconds": SECONDS,
        "gone": False,
        "first": "",
    }
    pid = os.fork()
    if pid == 0:
        asked.close()
        stdin, stdout, stderr = streams
        be_mermapctl(request, (stdin, stdout, stderr))
    for fd in (0, 1, 2, *streams):  # a pipe ends with the command
        os.close(fd)
    asked.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


if __name__ == "__main__":
    import_all()
    with socket.socket(socket.AF_UNIX) as listened:
        listened.bind(sys.argv[1])
        listened.listen()
        print("ready", flush=True)  # noqa: T201 - the tests wait for it
        _serve(listened)

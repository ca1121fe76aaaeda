# SPDX-License-Identifier: GPL-2.0-only
"""A process of ours that forks the guards of programs (`mermapctl.system.child_guard`).

A fork copies the page tables of the process, and then each page that either side writes: 4 ms where
all of mermapctl is imported, and a guard needs two of them. This process imports little; a program
costs it 2 ms. It runs until we close our end of its socket.

A request is a message with descriptors: of a file that has the command, of the guard's lifeline, of
the directory, of three streams, and of locks.
"""

from __future__ import annotations

import _socket  # socket takes as long to import as Python to start
import marshal
import os

from mermapctl.system import child_guard

TYPE_CHECKING = False  # as in child_guard
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from types import FrameType
else:
    import _signal as signal

MOST = 253
"""Descriptors of a message (SCM_MAX_FD)."""
_GIVEN = 6


def serve(number: int) -> None:
    """Fork a guard for each request on a socket, until its end of file."""
    child_guard.name(b"mermapctl-forks")
    os.set_inheritable(number, False)  # noqa: FBT003 - it has no name
    control = _socket.socket(fileno=number)
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        said, attached, _flags, _address = control.recvmsg(
            1, _socket.CMSG_SPACE(4 * MOST), _socket.MSG_CMSG_CLOEXEC
        )
        if not said:
            break
        descriptors = memoryview(attached[0][2]).cast("i").tolist()
        if os.fork() == 0:
            _guard(descriptors)
        for each in descriptors:
            os.close(each)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while _reaped(0):  # their CPU time becomes ours, and so our parent's
        pass


def _guard(descriptors: Sequence[int]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(descriptors[0], "rb", closefd=False) as file:
        argv, env = marshal.load(file)  # noqa: S302 - we wrote it
    child_guard.guard(
        argv,
        env,
        lifeline=descriptors[1],
        cwd=descriptors[2],
        streams=descriptors[3:_GIVEN],
        locks=descriptors[_GIVEN:],
    )


def _reap(_number: int, _frame: FrameType | None) -> None:
    while _reaped(os.WNOHANG):
        pass


def _reaped(how: int) -> bool:
    try:
        return os.waitpid(-1, how)[0] != 0
    except ChildProcessError:
        return False

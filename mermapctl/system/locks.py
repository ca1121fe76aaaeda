# SPDX-License-Identifier: GPL-2.0-only
"""Locks on open files, which the kernel releases when the last process that has them open ends.

That process is the guard of a program we started (`mermapctl.system.guard`), which keeps them until
its last process has ended: after a kill -9 of us no build starts where our make still writes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from mermapctl.system.inputs import kind

if TYPE_CHECKING:
    from pathlib import Path

_held: set[int] = set()


def opened(path: Path, mode: int | None = None) -> int:
    """Open a lock's file, made with `mode` if that is given; `release` closes it.

    Raises OSError, also for what is no regular file: the holder's name is written into it, and a
    link could point to any file.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    fd = os.open(path, flags if mode is None else flags | os.O_CREAT, mode or 0)
    found = os.fstat(fd).st_mode
    if not stat.S_ISREG(found):
        os.close(fd)
        raise OSError(errno.EINVAL, f"it is {kind(found)}", str(path))
    return fd


def take(fd: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock an open file, until `release`; return whether that succeeded. Raises OSError."""
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, how if wait else how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _held.add(fd)
    return True


def release(fd: int) -> None:
    """Close the file, whether or not it was locked."""
    _held.discard(fd)
    os.close(fd)


def held() -> frozenset[int]:
    """The files that are locked now."""
    return frozenset(_held)

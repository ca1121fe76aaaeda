# SPDX-License-Identifier: GPL-2.0-only
"""Locks on open files, which the kernel releases when the last process that has them open ends.

Each program that mermapctl starts has a guard process (`mermapctl.system.child_guard`), which
inherits the locks and keeps them until no process of that program is left. So after `kill -9` of
mermapctl no other build starts in a directory to which the program, such as make, still writes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from mermapctl.system.inputs import kind

_held: set[int] = set()


def opened(path: Path, mode: int | None = None) -> int:
    """Open a lock file; `release` closes it. With `mode`, create the file if it does not exist.

    Raises OSError, also if the path is no regular file: `lock_holder.sign` writes into the file,
    and a link could lead to any file.
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
    """Return the descriptors of the files that are locked now."""
    return frozenset(_held)

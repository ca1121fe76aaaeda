# SPDX-License-Identifier: GPL-2.0-only
"""Locks on open files, which the kernel drops when the last process that holds them ends.

That is the guard of what we started (`mermapctl.system.guard`), which keeps them until its last
process has ended: after a kill -9 of us nobody builds where our make still writes.
"""

from __future__ import annotations

import fcntl
import os

_held: set[int] = set()


def take(fd: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock an open file, until `release`; whether it was to be had. Raises OSError."""
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

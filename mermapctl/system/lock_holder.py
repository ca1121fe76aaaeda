# SPDX-License-Identifier: GPL-2.0-only
"""Who holds a lock: the holder writes itself into the lock file, for processes that wait."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, and its command."""

    pid: int
    command: str
    since: float

    def __str__(self) -> str:
        seconds = max(0.0, time.time() - self.since)
        since = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
        return f"process {self.pid} ({self.command}), for {since}"


def read(fd: int) -> Holder | None:
    """Return the holder that a lock file names; None if it names none."""
    try:
        fields = json.loads(os.pread(fd, 1 << 16, 0))
        return Holder(int(fields["pid"]), str(fields["command"]), float(fields["since"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def sign(fd: int, command: str) -> None:
    """Write the holder into a held lock, for processes that wait for it."""
    told = json.dumps({"pid": os.getpid(), "command": command, "since": time.time()})
    with contextlib.suppress(OSError):  # on a full disk the holder stays unnamed
        os.ftruncate(fd, 0)
        os.pwrite(fd, told.encode(), 0)

# SPDX-License-Identifier: GPL-2.0-only
"""Who holds a lock: the holder writes itself into the lock file, for processes that wait."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mermapctl.errors import UserError
from mermapctl.system import locks


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
        return msgspec.json.decode(os.pread(fd, 1 << 16, 0), type=Holder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def take(
    fd: int, command: str, *, wait: bool, waiting: Callable[[str], None], taken: str, waits: str
) -> None:
    """Take an opened lock and sign it; call `waiting` once where another process holds it.

    `taken` and `waits` are said of what is locked, each in front of the holder. Raises UserError
    with `wait=False` when another process holds it.
    """
    if not locks.take(fd, wait=False):
        holder = read(fd) or "another process"
        if not wait:
            raise UserError(f"{taken} {holder}", "wait for it, or leave out --no-wait")
        waiting(f"{waits} {holder}")
        locks.take(fd, wait=True)
    sign(fd, command)


def sign(fd: int, command: str) -> None:
    """Write the holder into a held lock, for processes that wait for it."""
    named = command.encode("utf-8", "backslashreplace").decode()  # a path that is not UTF-8
    told = msgspec.json.encode(Holder(os.getpid(), named, time.time()))
    with contextlib.suppress(OSError):  # on a full disk the holder stays unnamed
        os.ftruncate(fd, 0)
        os.pwrite(fd, told, 0)

# SPDX-License-Identifier: GPL-2.0-only
"""The folders of sessions of `mutate`: locked while one works in it, listed, removed."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mermapctl.records import run_folders
from mermapctl.records.folder import size_of
from mermapctl.records.record import rfc3339
from mermapctl.system import files, lock_holder, locks, paths

_LOCK = "lock"
_NAME = re.compile(r"[0-9a-f]{16,}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeptSession:
    """The folder of a session, when a result or a start last changed it, and its bytes on disk."""

    place: Path
    used: str
    size: int


def root() -> Path:
    """Return the directory of all sessions."""
    return paths.state_dir() / "mutants"


@contextlib.contextmanager
def locked(
    place: Path, command: str, *, wait: bool, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Make the folder of a session, and hold its lock: two trees with the same files share it.

    Raises UserError where another process has it and `wait` is not set, HarnessError where it
    cannot be made.
    """
    try:
        paths.make_private(place)
        fd = locks.opened(place / _LOCK, 0o644)
    except OSError as error:
        raise files.cannot_write(place / _LOCK, error) from error
    try:
        busy = "the same mutants are being tried by"
        lock_holder.take(
            fd, command, wait=wait, waiting=waiting, taken=busy, waits=f"waiting: {busy}"
        )
        yield
    finally:
        locks.release(fd)


def kept() -> list[KeptSession]:
    """Return the sessions in which no `mutate` is at work, the last used first.

    What mermapctl did not make is none.
    """
    found = []
    with contextlib.suppress(OSError), os.scandir(root()) as entries:
        for entry in entries:
            if not _NAME.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError, OverflowError, ValueError):
                used = dt.datetime.fromtimestamp(entry.stat().st_mtime, dt.UTC)
                place = Path(entry.path)
                found.append(KeptSession(place, rfc3339(used), size_of(place)))
    return sorted(_unused(found), key=lambda each: (each.used, each.place), reverse=True)


def remove(sessions: Iterable[KeptSession]) -> int:
    """Remove sessions in which no `mutate` is at work; return the bytes freed."""
    freed = 0
    for session in _unused(sessions):
        trash = session.place.with_name(f"{run_folders.TRASH}{session.place.name}")
        run_folders.discard(trash)  # of a removal that was killed
        try:
            session.place.rename(trash)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise files.cannot_write(session.place, error) from error
        freed += session.size
    for trash in root().glob(f"{run_folders.TRASH}*"):
        run_folders.discard(trash)
    return freed


def _unused(sessions: Iterable[KeptSession]) -> Iterator[KeptSession]:
    """Yield the sessions that no process has locked; each is locked until the next is asked for."""
    for session in sessions:
        try:
            fd = locks.opened(session.place / _LOCK)
        except OSError:  # of an earlier mermapctl, or no file: nothing can hold it
            yield session
            continue
        try:
            if locks.take(fd, wait=False):
                yield session
        finally:
            locks.release(fd)

# SPDX-License-Identifier: GPL-2.0-only
"""The place where a kernel tree is made: a hidden directory beside the new tree.

It is closed to other users because its files are not checked yet, and it is locked.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.events import Listener, Note, StageEnded, StageStarted
from mermapctl.system import locks

BYTES = 2_500_000_000
"""Disk space of a tree: 6.12 takes 1.7 GB unpacked and 0.4 GB under .git."""
INODES = 110_000


@contextlib.contextmanager
def stage(tell: Listener, name: str) -> Iterator[None]:
    """Report a stage of the work, and how it ended."""
    tell(StageStarted(name))
    began = time.monotonic()
    ok = False
    try:
        yield
        ok = True
    finally:
        tell(StageEnded(name, time.monotonic() - began, ok))


def make_room(parent: Path, needed: int) -> None:
    """Check that the tree fits, before a minute's work. Raises HarnessError."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        space = os.statvfs(parent)
    except OSError as error:
        raise UserError(f"cannot make {parent}: {error.strerror}", "name another place") from error
    free = space.f_bavail * space.f_frsize
    if free < needed:
        raise HarnessError(
            f"{parent} has {free / 1e9:.1f} GB free; a kernel tree needs {needed / 1e9:.1f}",
            "free some space, or name a place on a larger disk",
        )
    if space.f_files and space.f_favail < INODES and needed == BYTES:
        raise HarnessError(
            f"{parent} has {space.f_favail} inodes left; a kernel tree needs {INODES}",
            "remove files you do not need, or name a place on another disk",
        )


@contextlib.contextmanager
def opened(directory: Path, tell: Listener) -> Iterator[Path]:
    """Make an empty, locked, private directory beside `directory`; remove it at the end.

    A killed run leaves it behind unlocked, and the next run clears it. Removes what was made by its
    handle, not by its name: the owner of the place may have put a link there.
    """
    partial = directory.with_name(f".{directory.name}.mermapctl-partial")
    handle = _lock(partial, directory)
    made = Path(f"/proc/self/fd/{handle}")
    try:
        if any(made.iterdir()):
            tell(Note(f"starting again: removing what an interrupted run left in {partial}"))
            _clear(made)
        yield partial
    finally:
        try:
            _clear(made)
            if _is(partial, handle):
                partial.rmdir()
        finally:
            locks.release(handle)


def is_free(directory: Path) -> bool:
    """Return whether a tree can be put at `directory`: it is missing, or empty."""
    return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))


def put(partial: Path, tree: Path, directory: Path) -> None:
    """Move a finished tree from the hidden directory to its place. Raises HarnessError."""
    if partial.is_symlink() or tree.is_symlink():
        raise HarnessError(f"{partial} was replaced while the tree was made", "run it again")
    try:
        tree.rename(directory)
    except OSError as error:
        message = f"cannot rename {tree} to {directory}: {error.strerror}"
        raise HarnessError(message, "see what is there now, and run it again") from error


def _lock(partial: Path, directory: Path) -> int:
    """Make and lock the directory. Raises UserError if another process has locked it."""
    while True:
        try:
            partial.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as error:
            raise UserError(
                f"cannot make {partial}: {error.strerror}", "name a place that you can write to"
            ) from error
        if os.fstat(handle).st_uid != os.geteuid():  # planted in a world-writable directory
            locks.release(handle)
            raise UserError(f"{partial} belongs to another user", "name another place")
        if not locks.take(handle, wait=False):
            locks.release(handle)
            raise UserError(
                f"another mermapctl is preparing {directory}", "wait until it has ended"
            )
        if _is(partial, handle):
            os.fchmod(handle, 0o700)
            return handle
        locks.release(handle)  # the other process has just ended


def _is(path: Path, handle: int) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(path.lstat(), os.fstat(handle))
    return False


def _clear(partial: Path) -> None:
    for entry in partial.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
            _open_up(entry)  # a tarball may have made it unreadable
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _open_up(directory: Path) -> None:
    """Make every remaining directory accessible to us."""
    for top, names, _ in os.walk(directory):  # from the top down
        for path in (Path(top, name) for name in names):
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)

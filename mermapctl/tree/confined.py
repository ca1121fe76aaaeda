# SPDX-License-Identifier: GPL-2.0-only
"""Reads and writes files below a directory without following symbolic links on the way.

A tree may contain any link, and a write to `mm/` must not land elsewhere. Each component is opened
relative to the one before it, so that no link can be swapped in meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mermapctl.errors import UserError
from mermapctl.system.inputs import LARGEST

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def folder(root: Path, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Open the directory of `name` (relative to `root`); yield it and the last component.

    `make` creates missing directories. Raises UserError for a link on the way and for a name that
    leads out of the root, OSError if a directory cannot be opened.
    """
    *above, last = name.split("/")
    if "" in (*above, last) or ".." in (*above, last) or "." in (*above, last):
        raise UserError(f"{name!r} is no name within {root}", "it is relative, without ..")
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in above:
            inner = _enter(handle, part, root, name, make=make)
            os.close(handle)
            handle = inner
        yield handle, last
    finally:
        os.close(handle)


def _enter(handle: int, part: str, root: Path, name: str, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=handle)
    try:
        return os.open(part, _DIRECTORY, dir_fd=handle)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and _is_link(handle, part):
            raise _link(root, name) from error
        raise


def read(root: Path, name: str) -> bytes | None:
    """Read a file; None if it does not exist. Raises as `folder`, and if it is not a file."""
    try:
        with folder(root, name) as (handle, last):
            if _is_link(handle, last):
                raise _link(root, name)
            fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UserError(f"{root / name} is not a regular file", "take another tree")
        return _bounded(file, root / name)


def _bounded(file: BinaryIO, path: Path) -> bytes:
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UserError(f"{path} is larger than {LARGEST:,} bytes", "take another tree")
    return data


def stage(root: Path, name: str, content: bytes) -> str:
    """Write `content` to a new file beside `name`, with the same mode; return its name."""
    with folder(root, name, make=True) as (handle, last):
        if _is_link(handle, last):
            raise _link(root, name)
        beside = f".{last}.mermapctl"
        with contextlib.suppress(FileNotFoundError):  # left by a killed run
            os.unlink(beside, dir_fd=handle)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(beside, flags, 0o666, dir_fd=handle)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                with contextlib.suppress(FileNotFoundError):
                    mode = os.stat(last, dir_fd=handle, follow_symlinks=False).st_mode
                    os.fchmod(file.fileno(), mode & 0o777)
        except OSError:
            os.unlink(beside, dir_fd=handle)
            raise
    return name.removesuffix(last) + beside


def replace(root: Path, beside: str, name: str) -> None:
    """Rename a staged file to its final name in the same directory."""
    with folder(root, name) as (handle, last):
        staged = beside.rpartition("/")[2]
        os.replace(staged, last, src_dir_fd=handle, dst_dir_fd=handle)


def remove(root: Path, name: str) -> None:
    """Remove a file if it exists."""
    with contextlib.suppress(FileNotFoundError), folder(root, name) as (handle, last):
        os.unlink(last, dir_fd=handle)


def _is_link(handle: int, part: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISLNK(os.stat(part, dir_fd=handle, follow_symlinks=False).st_mode)
    return False


def _link(root: Path, name: str) -> UserError:
    return UserError(
        f"{root / name} is behind a symbolic link: nothing is written through it",
        "put the file or directory itself there, or take another tree",
    )

# SPDX-License-Identifier: GPL-2.0-only
"""Files written whole or not at all: written beside their place, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.system import inputs

ROOM = 1 << 20
"""Free bytes below which a program that failed without a reason may have had no room."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)-[0-9a-f]{6}", re.DOTALL)


def write(path: Path, data: bytes) -> None:
    """Replace the file `path` by `data`; a reader or a crash sees the old file or the new one.

    Follows a symbolic link; keeps mode and owner of the old file. Writes to what is no regular file
    (/dev/null, /dev/stdout, a pipe), since a rename would replace it for all users. Raises
    HarnessError where the file cannot be written; the old one is then untouched.
    """
    try:
        try:
            before = path.stat()
        except FileNotFoundError:  # also a dangling link
            before = None
        if before is not None and not stat.S_ISREG(before.st_mode):
            _write_to(path, data)
            return
        _replace(Path(os.path.realpath(path)), data, before)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_own(path: Path, data: bytes) -> None:
    """Replace a file in a directory of ours, and a link or a pipe in its place."""
    try:
        _replace(path, data, None)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name `path` in an OSError that names no file: write(2) has a number only."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def make(path: Path, data: bytes | str) -> None:
    """Write a file in a new directory of ours, in place. Raises OSError that names it."""
    with naming(path), path.open("wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def make_folder(folder: Path) -> None:
    """Make a directory and those above it, as far as they are missing. Raises HarnessError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def make_empty(folder: Path) -> None:
    """Make a directory anew, in place of what is there. Raises HarnessError."""
    try:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    make_folder(folder)


def copy(source: Path, path: Path) -> None:
    """Copy a regular file of ours to `path`. Raises OSError that names the one at fault."""
    with inputs.open_regular(source) as file, naming(path), path.open("wb") as new:
        shutil.copyfileobj(file, new, 1 << 20)


def reserve(room: Path, size: int) -> None:
    """Make a file of `size` bytes, or a quarter of the free space, for a later `write_reserved`.

    Raises OSError where there is no room at all.
    """
    free = os.statvfs(room.parent)
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = min(size, free.f_bavail * free.f_frsize // 4)
    size = size if limit == resource.RLIM_INFINITY else min(size, limit)
    with room.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))


def write_reserved(room: Path, path: Path, data: bytes) -> None:
    """Replace `path` by `data` in the space reserved for it, which works on a full disk.

    Without that file, or where `data` is larger, as `write_own`. Raises HarnessError.
    """
    try:
        try:
            with room.open("r+b") as file:
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            room.replace(path)
            sync_directory(path.parent)
        except FileNotFoundError:
            _replace(path, data, None)
    except OSError as error:
        raise cannot_write(path, error) from error


def _replace(path: Path, data: bytes, like: os.stat_result | None) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(3).hex()}")
    try:
        with temporary.open("xb") as file:
            if like is not None:
                _imitate(file.fileno(), like)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write_to(path: Path, data: bytes) -> None:
    """Write to a file that is not regular. Fails for a FIFO without a reader instead of waiting."""
    try:
        _require_stream(path)
        # O_NONBLOCK: an open(2) of a FIFO for writing fails with ENXIO where there is no reader.
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        os.set_blocking(handle, True)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as error:
        if error.errno == errno.ENXIO:
            error.strerror = "nothing reads what is written there"
        raise cannot_write(path, error) from error


def _require_stream(path: Path) -> None:
    """Raise OSError for a directory and a disk: a report must not overwrite a file system."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, f"it is {inputs.kind(mode)}", str(path))


def _imitate(handle: int, like: os.stat_result) -> None:
    """Give a new file the owner and mode of the one it replaces."""
    mode = stat.S_IMODE(like.st_mode) & 0o777
    mine = os.fstat(handle)
    if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.fchown(handle, like.st_uid, like.st_gid)
        except PermissionError:
            mode &= 0o707  # the new file has another group, which gets no access
    os.fchmod(handle, mode)


def identity(path: Path) -> list[int | str]:
    """Return what changes when a file does, without reading it; follows links. Raises OSError."""
    found = path.stat()
    return [str(path), found.st_size, found.st_mtime_ns, found.st_ino]


def leftovers(directory: Path) -> list[Path]:
    """Return files that a killed `write` left in `directory`, not those of living processes."""
    found = []
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            made = _TEMPORARY.fullmatch(entry.name)
            if made and not Path("/proc", made["pid"]).exists():
                found.append(directory / entry.name)
    return found


def cannot_write(path: Path, error: OSError) -> HarnessError:
    """Return the error, with a hint, for a failed write to `path`."""
    reason = error.strerror or str(error)
    if is_full(error):
        hint = (
            f"Free some space on the file system of {path.parent} "
            "(`mermapctl report prune` removes old runs), then run it again."
        )
    else:
        hint = f"Check that {path.parent} exists and that you may write to it."
    return HarnessError(f"cannot write {path}: {reason}", hint)


def is_full(error: OSError) -> bool:
    """Return whether a write failed for lack of space: disk, quota or file size limit."""
    return error.errno in _FULL


def has_no_room(place: Path) -> bool:
    """Return whether the disk of a place has less than ROOM left, as far as it can be asked."""
    try:
        return shutil.disk_usage(place).free < ROOM
    except OSError:
        return False


def require_room(place: Path) -> None:
    """Raise HarnessError for a place without room, where a program may have written half a file.

    git and others do not check the last write of a file.
    """
    if has_no_room(place):
        raise HarnessError(
            f"the disk is full: {place} has less than {ROOM >> 20} MB left",
            "free some space, and run it again",
        )


def sync_directory(directory: Path) -> None:
    """Sync a directory, so that a rename in it survives a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a directory
            raise
    finally:
        os.close(handle)

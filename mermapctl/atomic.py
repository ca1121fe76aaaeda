# SPDX-License-Identifier: GPL-2.0-only
"""Files that are either whole or not there: written beside their place, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

from mermapctl import inputs
from mermapctl.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, so that a reader or a crash sees the old file or the new one.

    Raises HarnessError when the file cannot be written; the old one is then untouched. What is no
    file (/dev/null, /dev/stdout, a pipe) is written to: replaced, it would be gone for everybody.
    """
    if path.exists() and not path.is_file():
        _write_to(path, data)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write_to(path: Path, data: bytes) -> None:
    """Write to what is no regular file. A FIFO that nothing reads is an error, not waited for."""
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
    """Raise OSError for a directory, and for a disk: a report must not replace a file system."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        raise OSError(errno.EINVAL, f"it is {inputs.kind(mode)}", str(path))


def cannot_write(path: Path, error: OSError) -> HarnessError:
    """The sentence and the hint for a failed write to `path`."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        hint = (
            f"Free some space on the file system of {path.parent} "
            "(`mermapctl report --prune` removes old runs), then run it again."
        )
    else:
        hint = f"Check that {path.parent} exists and that you may write to it."
    return HarnessError(f"cannot write {path}: {reason}", hint)


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a directory
            raise
    finally:
        os.close(handle)

# SPDX-License-Identifier: GPL-2.0-only
"""Files that are either whole or not there: written beside their place, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING

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
    try:
        with path.open("wb") as file:
            file.write(data)
    except OSError as error:
        raise cannot_write(path, error) from error


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

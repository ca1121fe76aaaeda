# SPDX-License-Identifier: GPL-2.0-only
"""Small files that can be made again: deleted where checksum or type is wrong.

A full disk, a crash or an editor can leave a file that differs from what was written. Its owner
then computes the value again and writes it again.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.system import files, inputs

T = TypeVar("T")

_LARGEST = 16 << 20


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def read(path: Path, kind: type[T]) -> T | None:
    """Return the value that `write` stored at `path`; None where it is missing or damaged."""
    try:
        checksum, _, body = inputs.read_regular(path, _LARGEST).partition(b"\n")
    except OSError:
        return None
    if checksum == _sum(body):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return msgspec.json.decode(body, type=kind)
    forget(path)
    return None


def write(path: Path, value: object) -> None:
    """Store `value` for `read`. Ignores a failure (a full disk): the value is computed again."""
    with contextlib.suppress(OSError, HarnessError, UnicodeEncodeError):
        body = msgspec.json.encode(value)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_own(path, _sum(body) + b"\n" + body)


def forget(path: Path) -> None:
    """Delete the file, if there is one."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)

# SPDX-License-Identifier: GPL-2.0-only
"""Small files that can be made again: what fails its checksum or its type is thrown away.

A disk that was full, a crash and a stray hand all leave a file that is there and is not what was
written. Such a file counts as none: its owner asks anew, once, and writes it again.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from mermapctl.errors import HarnessError
from mermapctl.system import files, inputs

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

_LARGEST = 16 << 20


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def read(path: Path, kind: type[T]) -> T | None:
    """What `write` kept at `path`; None where there is nothing, or nothing that can be trusted."""
    try:
        checksum, _, body = inputs.read_regular(path, _LARGEST).partition(b"\n")
    except OSError:
        return None
    if checksum == _sum(body):
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            return msgspec.json.decode(body, type=kind)
    forget(path)
    return None


def write(path: Path, value: object) -> None:
    """Keep `value` for `read`. What cannot be kept (a full disk) is asked again next time."""
    body = msgspec.json.encode(value)
    with contextlib.suppress(OSError, HarnessError, UnicodeEncodeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_own(path, _sum(body) + b"\n" + body)


def forget(path: Path) -> None:
    """Keep it no longer."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)

# SPDX-License-Identifier: GPL-2.0-only
"""Jobs of our own processes as files: JSON, in which a path keeps its bytes."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mermapctl.errors import UserError
from mermapctl.system import files
from mermapctl.system.inputs import read_regular

T = TypeVar("T")
LARGEST = 16 << 20
"""Bytes of a job: it contains the user's own fragments, 1 MB each at most."""
_FILE = "file://"


def _encoded(value: object) -> object:
    if isinstance(value, Path):  # its bytes need not be UTF-8
        return value.as_uri()
    raise NotImplementedError(type(value))


def _decoded(kind: type, value: Any) -> object:
    if kind is Path:
        return Path(os.fsdecode(urllib.parse.unquote_to_bytes(str(value).removeprefix(_FILE))))
    raise NotImplementedError(kind)


def encoded(job: object) -> bytes:
    """Return a job as bytes, for a file or for another machine."""
    return msgspec.json.encode(job, enc_hook=_encoded)


def decoded(data: bytes, kind: type[T], origin: str, what: str, hint: str) -> T:
    """Read a job of bytes; errors say that `origin` is no `what`. Raises UserError."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_decoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{origin} is no {what}: {error}", hint) from error


def write(path: Path, job: object) -> None:
    """Write a job. Raises HarnessError."""
    files.write_own(path, encoded(job))


def read(path: Path, kind: type[T], what: str, hint: str) -> T:
    """Read a job. Raises UserError."""
    return decoded(contents(path), kind, str(path), what, hint)


def contents(path: Path) -> bytes:
    """Return the bytes of a job. Raises UserError."""
    try:
        return read_regular(path, LARGEST)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error

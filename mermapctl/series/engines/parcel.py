# SPDX-License-Identifier: GPL-2.0-only
"""What travels between a client and the workers of a farm: as bytes, so that nothing is unpickled.

dask itself sends only names of our own functions, and these bytes.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

import mermapctl
from mermapctl.errors import HarnessError
from mermapctl.records.host import Host

T = TypeVar("T")

CONSOLE = "console.log"
"""The console of a cell's first boot, in its folder."""
LARGEST = 512 << 20
"""Bytes of all files of a cell; a console has 128 MB at most (`mermapctl.system.bounded`)."""


class ParcelError(HarnessError):
    """What a machine of the farm sent is none of what it should be: that machine is at fault."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker is: `version` and `package` (a digest of its files) are those of mermapctl.

    `toolchains` has a digest by target of what decides a verdict on that machine: compiler, linker,
    QEMU, KVM. `bases` are the git trees, newest first, on which a bundle may build. `memory` is in
    kB.
    """

    version: str
    package: str
    distributed: str
    python: str
    host: Host
    targets: tuple[str, ...]
    toolchains: dict[str, str]
    cores: int
    memory: int | None
    kvm: bool
    bases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellParcel:
    """A cell for a worker. `job` is a job whose paths the worker replaces by its own.

    `token` names this try, `slug` the cell's folder. `bundle` is the name of a file of git objects
    that was sent before, `base` the git tree that later bundles may build on. `fragments` are the
    user's own kunitconfig files. The worker ends the cell if it hears nothing from the client for
    `patience` seconds.
    """

    job: bytes
    token: str
    slug: str
    base: str
    fragments: dict[str, bytes]
    patience: float
    bundle: str | None = None


@dataclass(frozen=True, slots=True)
class CellHarvest:
    """What a try has left: its files by path, compressed; `error` says why there is no cell.

    With `lacks_files` the worker lacks objects of the commit: it has to be sent a whole bundle.
    """

    host: Host
    seconds: float
    files: dict[str, bytes]
    error: str | None = None
    lacks_files: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What a cell has printed since the last time: lines of events, and a part of its console."""

    lines: tuple[bytes, ...]
    console: bytes
    offset: int


def packed(value: object) -> bytes:
    """Return a value of this module as bytes."""
    return msgspec.msgpack.encode(value)


def unpacked(data: bytes, kind: type[T]) -> T:
    """Return the value of bytes from another machine. Raises ParcelError for what is none."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise ParcelError(f"a message of the farm cannot be read: {error}") from error


def compressed(data: bytes) -> bytes:
    """Return a file for the way; level 1 takes 10 ms per MB."""
    return zlib.compress(data, 1)


def expanded(data: bytes, room: int = LARGEST) -> bytes:
    """Return a file that has arrived. Raises ParcelError for a damaged one, and above `room`."""
    expander = zlib.decompressobj()
    try:
        made = expander.decompress(data, room + 1)
    except zlib.error as error:
        raise ParcelError(f"a file of a worker is damaged: {error}") from error
    if len(made) > room:
        raise ParcelError(f"the files of a worker have more than {LARGEST >> 20} MB")
    if not expander.eof:
        raise ParcelError("a file of a worker is cut off")
    return made


@cache
def package_digest() -> str:
    """Return a digest of the contents of mermapctl's own files, the same on every machine."""
    top = Path(mermapctl.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(top.rglob("*.py")):
        name = str(path.relative_to(top))
        digest.update(f"{name} {hashlib.sha256(_contents(path)).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 24)


def differs(facts: Mapping[str, str], ours: Mapping[str, str]) -> str | None:
    """Return in words which program of a worker has another version than ours; None if none has."""
    for name, version in ours.items():
        other = facts.get(name)
        if other != version:
            return f"it has {name} {other}, this machine has {version}"
    return None

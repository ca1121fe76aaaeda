# SPDX-License-Identifier: GPL-2.0-only
"""A digest of what a machine loads of a kernel: the same digest, the same boot.

Of an ELF file (gABI, chapter 4) the allocated sections count, with their addresses. Notes (the
build id), symbols and debugging information do not: a changed comment changes those alone. Another
image, such as a bzImage, counts whole.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"\x7fELF"
_NOTE, _NOBITS, _ALLOC = 7, 8, 2  # SHT_NOTE, SHT_NOBITS, SHF_ALLOC
_HEADERS = {1: ("HHIIIIIHHHHHH", "IIIIIIIIII"), 2: ("HHIQQQIHHHHHH", "IIQQQQIIQQ")}
"""By EI_CLASS, 32 and 64 bits: the file header behind e_ident, and a section header."""


def of(image: Path) -> str | None:
    """Return the digest of an image; None for one that cannot be read, or is damaged."""
    digest = hashlib.sha256()
    try:
        with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != _MAGIC:
                digest.update(data)
                return digest.hexdigest()
            for part in _loaded(data):
                digest.update(part)
    except (OSError, ValueError, struct.error, KeyError):  # ValueError: an empty file
        return None
    return digest.hexdigest()


def _loaded(data: mmap.mmap) -> Iterator[bytes]:
    """Yield the entry point, then address, size and contents of each allocated section."""
    file_fields, section_fields = _HEADERS[data[4]]
    order = {1: "<", 2: ">"}[data[5]]
    header = struct.unpack_from(f"{order}{file_fields}", data, 16)
    entry, table, size, number = header[3], header[5], header[10], header[11]
    if size != struct.calcsize(f"{order}{section_fields}") or not number:
        raise ValueError("no section headers")
    yield struct.pack("<HQ", header[1], entry)
    for at in range(table, table + size * number, size):
        _, kind, flags, address, offset, length, *_ = struct.unpack_from(
            f"{order}{section_fields}", data, at
        )
        if not flags & _ALLOC or kind == _NOTE:
            continue
        yield struct.pack("<IQQQ", kind, flags, address, length)
        if kind != _NOBITS:
            if offset + length > len(data):
                raise ValueError("a section ends behind the file")
            yield data[offset : offset + length]

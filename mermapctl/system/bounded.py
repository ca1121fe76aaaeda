# SPDX-License-Identifier: GPL-2.0-only
"""A file for a guest's output that never grows beyond a bound: keeps head and tail.

A line of its own counts the bytes left out, in printk's words for lost messages, so that a reader
of a trace concludes nothing from missing lines.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

HEAD_BYTES = 96 << 20
TAIL_BYTES = 32 << 20
"""Bytes kept in memory until the end. A trace of a million events has 100 MB."""
_MARK = b" printk messages dropped ** mermapctl: "
_LEFT_OUT = re.compile(
    rb"\*\* \d+ printk messages dropped \*\* mermapctl: "
    rb"(\d+) bytes(?: or more)? of this file are left out here"
)
_LONGEST_MARK = 160


class BoundedFile:
    """Writes to `file` up to `head` bytes; of what follows, `close` appends the last `tail`."""

    def __init__(self, file: IO[bytes], head: int = HEAD_BYTES, tail: int = TAIL_BYTES) -> None:
        self._file = file
        self._room = head
        self._most = tail
        self._block = min(1 << 16, tail // 16)
        self._tail: deque[bytearray] = deque()
        self._held = 0
        self._bytes = 0
        self._lines = 0

    def write(self, data: bytes) -> None:
        """Write all of `data`. Raises OSError, as on a full disk."""
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        self._whole(head)
        if not rest:
            return
        if not self._tail or len(self._tail[-1]) >= self._block:
            self._tail.append(bytearray())
        self._tail[-1] += rest
        self._held += len(rest)
        while self._held - len(self._tail[0]) >= self._most:
            self._leave_out(self._tail.popleft())

    def _leave_out(self, chunk: bytes | bytearray) -> None:
        self._held -= len(chunk)
        self._bytes += len(chunk)
        self._lines += chunk.count(b"\n")

    def close(self) -> None:
        """Append the tail. Raises OSError, as on a full disk."""
        if self._bytes:
            self._begin_with_a_line()
            lines = min(self._lines, 999_999_999)
            self._whole(
                b"\n** %d%b%d bytes of this file are left out here\n" % (lines, _MARK, self._bytes)
            )
        for chunk in self._tail:
            self._whole(chunk)
        self._tail.clear()

    def _begin_with_a_line(self) -> None:
        """Drop the rest of a line at the start of the tail, unless the tail is that line alone."""
        first = next((n for n, each in enumerate(self._tail) if b"\n" in each), None)
        if first is None:
            return
        for _ in range(first):
            self._leave_out(self._tail.popleft())
        end = self._tail[0].index(b"\n") + 1
        self._leave_out(self._tail[0][:end])
        del self._tail[0][:end]

    def _whole(self, chunk: bytes | bytearray) -> None:
        """Write all of a chunk: a disk that fills up takes a part, and fails at the next write.

        The error names the file.
        """
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = getattr(self._file, "name", None)
            raise


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BoundedFile]:
    """Append to `path`, within bounds. Raises OSError."""
    with path.open("ab", buffering=0) as file, contextlib.closing(BoundedFile(file)) as bounded:
        yield bounded


class Gaps:
    """Pass on the chunks of a file unchanged; then `left_out` is the number of bytes it lacks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.left_out = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks; search each together with the end of the one before."""
        before = b""
        for chunk in self._chunks:
            yield chunk
            seen = before + chunk
            if _MARK in seen:
                for found in _LEFT_OUT.finditer(seen):
                    if found.end() > len(before):
                        self.left_out += int(found[1])
            before = seen[-_LONGEST_MARK:]

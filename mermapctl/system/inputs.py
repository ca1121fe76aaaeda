# SPDX-License-Identifier: GPL-2.0-only
"""Opens files of others such that nothing hangs: a FIFO, a device, a directory.

open(2) of a FIFO waits for a writer that may never come, and /dev/zero never ends.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

WRITER_SECONDS = 1.0
"""How long a FIFO may lack a writer. A writer that waits in open(2) counts as one."""
GROWTH = 64 << 20
"""Bytes by which a file may grow while it is read. A file of /proc says that it has none."""
LARGEST = 64 << 20
"""Bytes of a file that is read at once; the largest source file of 6.12 has 24 MB."""
_STEP = 0.02
_NULL = os.makedev(1, 3)  # /dev/null, Documentation/admin-guide/devices.txt

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


def kind(mode: int) -> str:
    """Name the type of a file that is not regular: "a directory", "a FIFO", …."""
    return _KINDS.get(stat.S_IFMT(mode), "no file")


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; follows a symbolic link.

    Raises OSError for anything else, with the type as its text.
    """
    return io.BufferedReader(_AtHand(_opened(path, {stat.S_IFREG})))


def open_own(path: Path) -> BinaryIO:
    """Open a regular file that this process made. Raises OSError for anything else, for a link too.

    A program that ran in between may have put another file in its place.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "a symbolic link has taken its place", str(path))
    return open_regular(path)


def read_regular(path: Path, limit: int = LARGEST) -> bytes:
    """Return the contents of a regular file. Raises OSError, also above `limit` bytes."""
    with open_regular(path) as file:
        large = os.fstat(file.fileno()).st_size > limit  # /proc says 0 of what it makes
        data = b"" if large else file.read(limit + 1)
    if large or len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return data


def read_tail(path: Path, size: int) -> bytes:
    """Return the last `size` bytes of a regular file. Raises OSError."""
    with open_regular(path) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)


def read_text(path: Path, limit: int = LARGEST) -> str:
    """Return a regular file as text; U+FFFD for what is not UTF-8. Raises as `read_regular`."""
    return read_regular(path, limit).decode("utf-8", errors="replace")


def open_stream(path: Path, *, devices: bool = False) -> BinaryIO:
    """Open a regular file, a pipe or /dev/null for reading, with `devices` any character device.

    Waits WRITER_SECONDS for a FIFO's writer. Leaves a regular file non-blocking: files that wait at
    their end for more (/proc/kmsg, trace_pipe) then end there. Raises OSError with the reason.
    """
    fd = _opened(path, {stat.S_IFREG, stat.S_IFIFO, *({stat.S_IFCHR} if devices else ())})
    try:
        mode = os.fstat(fd).st_mode
        begun = _first_bytes(fd, path) if stat.S_ISFIFO(mode) else None
        os.set_blocking(fd, not stat.S_ISREG(mode))
        if stat.S_ISREG(mode):
            return io.BufferedReader(_Ending(fd, path, os.fstat(fd).st_size + GROWTH))
        return io.BufferedReader(_AtHand(fd) if begun is None else _Begun(fd, begun))
    except BaseException:
        os.close(fd)
        raise


def _opened(path: Path, wanted: set[int]) -> int:
    if "\0" in str(path):  # stat(2) and open(2) would raise ValueError
        raise OSError(errno.EINVAL, "its name has a NUL", str(path).replace("\0", "\\0"))
    # Check the type first: opening some devices (a tape, a watchdog, a serial line) has effects.
    _require(path, path.stat(), wanted)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _require(path, os.fstat(fd), wanted)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _require(path: Path, found: os.stat_result, wanted: set[int]) -> None:
    if stat.S_IFMT(found.st_mode) in wanted:
        return
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL and stat.S_IFIFO in wanted:
        return
    raise OSError(errno.EINVAL, f"it is {kind(found.st_mode)}", str(path))


class _AtHand(io.FileIO):
    """A file that ends where more would have to be waited for, as /proc/kmsg does.

    Python returns None from a non-blocking read that finds nothing, which no reader expects.
    """

    def readinto(self, buffer: WriteableBuffer) -> int:
        return super().readinto(buffer) or 0

    def readall(self) -> bytes:
        return super().readall() or b""


class _Ending(_AtHand):
    """A regular file that is refused once it has more than `most` bytes.

    /proc/self/pagemap has 512 GB, and a log may grow faster than it is read.
    """

    def __init__(self, fd: int, path: Path, most: int) -> None:
        super().__init__(fd)
        self._path, self._rest = path, most

    def readinto(self, buffer: WriteableBuffer) -> int:
        read = super().readinto(buffer)
        self._rest -= read
        if self._rest < 0:
            raise OSError(errno.EFBIG, "it grows while it is read, or has no end", str(self._path))
        return read


class _Begun(io.RawIOBase):
    """A pipe whose first bytes have been read."""

    def __init__(self, fd: int, first: bytes) -> None:
        self._fd, self._first = fd, first

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        with memoryview(buffer).cast("B") as view:
            if not self._first:
                return os.readv(self._fd, [view])
            part, self._first = self._first[: len(view)], self._first[len(view) :]
            view[: len(part)] = part
            return len(part)

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _first_bytes(fd: int, path: Path) -> bytes:
    """Return what a non-blocking FIFO contains, once it has, or had, a writer. Raises OSError.

    A read(2) of an empty FIFO fails with EAGAIN where there is a writer, and returns nothing where
    there is none; poll(2) returns POLLHUP once a writer has come and gone (pipe(7)).
    """
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    until = time.monotonic() + WRITER_SECONDS
    while True:
        try:
            first = os.read(fd, 1 << 16)
        except BlockingIOError:
            return b""
        if first or poll.poll(0):
            return first
        if time.monotonic() > until:
            raise OSError(errno.ENXIO, "it is a FIFO that nothing writes to", str(path))
        time.sleep(_STEP)

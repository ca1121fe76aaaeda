# SPDX-License-Identifier: GPL-2.0-only
"""Standard streams that are closed, full, narrow or without a reader change no exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = {errno.EPIPE, errno.EIO}  # EIO: a terminal that was hung up


class _Out(io.FileIO):
    """Standard output; drops what it gets once nothing reads it any more (`| head`).

    click ends a program with 1, our code for "failed", where a write fails with EPIPE. Waits where
    the other end of a non-blocking pipe, set so by another program, is slow.
    """

    gone = False

    def write(self, data: ReadableBuffer) -> int:
        """Write what the stream takes, as FileIO does. Raises OSError that names the stream."""
        try:
            while not self.gone:
                written: int | None = super().write(data)
                if written is not None:
                    return written
                waiting = select.poll()
                waiting.register(self.fileno(), select.POLLOUT)
                waiting.poll()
        except OSError as error:
            if not reader_gone(error):
                error.filename = "stdout"
                raise
            self.gone = True
        return memoryview(data).nbytes


def make_ready() -> None:
    """Replace closed streams by /dev/null, and stdout by one that survives its reader.

    Escapes what the encoding of stdout lacks.
    """
    out = sys.stdout
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - stays open
            setattr(sys, name, nowhere)
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
        with contextlib.suppress(OSError):  # a file in memory has no number
            sys.stdout = _surviving(out)


def _surviving(out: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream to the same open file; `out` stays open, and empty."""
    out.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Out(out.fileno(), "w", closefd=False)),
        encoding=out.encoding,
        errors=out.errors,
        line_buffering=out.line_buffering,
        write_through=out.write_through,
    )


def is_gone(stream: IO[str]) -> bool:
    """Return whether stdout has lost its reader."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return isinstance(raw, _Out) and raw.gone


def reader_gone(error: OSError) -> bool:
    """Return whether the stream has no reader any more (`| head`)."""
    return error.errno in _GONE


def let_go(stream: IO[str]) -> None:
    """Send what the stream still buffers, and all that follows, to /dev/null."""
    with contextlib.suppress(OSError):  # io.UnsupportedOperation is one
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def tell(text: str, stream: IO[str] | None = None) -> None:
    """Write a line to `stream` (default: stderr), if it can be written."""
    out = stream or sys.stderr
    try:
        out.write(f"{text}\n")
        out.flush()
    except OSError:
        let_go(out)

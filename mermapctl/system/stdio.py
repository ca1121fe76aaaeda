# SPDX-License-Identifier: GPL-2.0-only
"""Standard streams that are closed, full, narrow or without a reader change no exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from pathlib import Path
from typing import IO

_GONE = {errno.EPIPE, errno.EIO}  # EIO: a terminal that was hung up


def make_ready() -> None:
    """Replace closed streams by /dev/null; escape what the encoding of stdout lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - stays open
            setattr(sys, name, nowhere)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def reader_gone(error: OSError) -> bool:
    """Whether the stream has no reader any more (`| head`)."""
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

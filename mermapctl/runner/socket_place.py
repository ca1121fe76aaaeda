# SPDX-License-Identifier: GPL-2.0-only
"""A private directory for a Unix socket: its path must be short (sun_path, unix(7))."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mermapctl.errors import HarnessError

LONGEST = 100
"""Bytes of a socket's path; the kernel allows 107."""
_NAME = len("/mermapctl-12345678/stub")


def server(path: Path) -> str:
    """Return the value of a QEMU option that listens on a socket; there a comma is doubled."""
    return f"unix:{str(path).replace(',', ',,')},server=on,wait=off"


@contextlib.contextmanager
def directory(folder: Path | None = None) -> Iterator[Path]:
    """Make a directory for this user alone, and remove it at the end.

    It is in `folder`, or else, where that path is too long, where temporary files are, or in /tmp.
    Raises HarnessError if none of these can have it.
    """
    places = [*([folder] if folder else []), Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108
    short = [each for each in places if len(os.fsencode(str(each))) + _NAME <= LONGEST]
    with contextlib.ExitStack() as stack:
        yield Path(stack.enter_context(_first(short)))


@contextlib.contextmanager
def socket(folder: Path) -> Iterator[Path]:
    """Yield a path for a socket of a boot in `folder`. Raises as `directory`."""
    with directory(folder) as place:
        yield place / "stub"


def _first(places: list[Path]) -> tempfile.TemporaryDirectory[str]:
    for each in places:
        with contextlib.suppress(OSError):
            return tempfile.TemporaryDirectory(prefix="mermapctl-", dir=each)
    raise HarnessError(
        "there is no place for a socket of QEMU's: a path may have 107 bytes",
        "set TMPDIR to a directory with a short path that you can write to",
    )

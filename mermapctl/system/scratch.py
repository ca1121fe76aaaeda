# SPDX-License-Identifier: GPL-2.0-only
"""Temporary directories; a disk without room for one is named, and not what was read or made."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mermapctl.errors import HarnessError
from mermapctl.system import files

_HINT = "free some space there, or set TMPDIR to a directory on a larger disk"


@contextlib.contextmanager
def directory(what: str) -> Iterator[Path]:
    """Make a directory where temporary files are, and remove it at the end.

    Raises HarnessError if there is no place for one.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=f"mermapctl-{what}-")
    except OSError as error:  # "No usable temporary directory found in …" names all that were tried
        where = f"{error.filename}: " if error.filename else ""
        raise HarnessError(
            f"cannot make a temporary directory: {where}{error.strerror or error}", _HINT
        ) from error
    with made as place:
        yield Path(place)


@contextlib.contextmanager
def filled(what: str) -> Iterator[Path]:
    """Make a directory for a step that fails only if a program or a file of it does.

    Raises HarnessError that names the directory where there is no space left: programs do not
    always say that they found none, and git does not check the last write of a file.
    """
    with directory(what) as place:
        try:
            yield place
        except (OSError, HarnessError) as error:
            found = error if isinstance(error, OSError) else error.__cause__
            if (isinstance(found, OSError) and files.is_full(found)) or files.has_no_room(place):
                raise _full(place) from error
            raise
        if files.has_no_room(place):
            raise _full(place)


def _full(place: Path) -> HarnessError:
    return HarnessError(f"the disk is full: {place} cannot be written", _HINT)

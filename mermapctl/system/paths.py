# SPDX-License-Identifier: GPL-2.0-only
"""Directories of mermapctl's own files, and of its shipped data files.

`MERMAPCTL_HOME`, when set, moves state, cache and user configuration together. Otherwise they are
where the XDG base directory specification has them: it ignores a variable with a relative path.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from mermapctl.errors import UserError
from mermapctl.system import boundary, environment

APP = "mermapctl"
PAGE = "report.html"
_HINT = "set HOME, or MERMAPCTL_HOME, to a directory that you can write to"
_STANDARD = {
    "state": ("XDG_STATE_HOME", ".local/state"),
    "cache": ("XDG_CACHE_HOME", ".cache"),
    "config": ("XDG_CONFIG_HOME", ".config"),
}
"""A variable with an absolute path, and the place below the home without one."""


def _place(kind: str) -> Path:
    home = environment.directory("MERMAPCTL_HOME")
    try:
        place = _standard(kind) if home is None else home.expanduser().absolute() / kind
    except (RuntimeError, OSError) as error:  # no HOME, an unknown ~user, no current directory
        raise UserError(f"no place for the {kind} directory: {error}", _HINT) from error
    if flaw := boundary.flaw_of_place(str(place)):
        raise UserError(f"the {kind} directory {place} {flaw}", _HINT)
    return place


def _standard(kind: str) -> Path:
    """Return the directory by the XDG base directory specification.

    Raises UserError for a relative HOME, which each program would take for another directory, and
    RuntimeError if there is no home.
    """
    variable, below = _STANDARD[kind]
    given = os.environ.get(variable, "")
    if given.startswith("/"):
        return Path(given) / APP
    home = Path(os.environ["HOME"]) if "HOME" in os.environ else Path.home()
    if not home.is_absolute():
        raise UserError(
            f"no place for the {kind} directory: HOME is {os.environ['HOME']!r}, and no absolute "
            "path",
            _HINT,
        )
    return home / below / APP


def state_dir() -> Path:
    """Directory of the store: the database and one artifact folder per run."""
    return _place("state")


def cache_dir() -> Path:
    """Directory of files that can be made again: build directories, parsed Kconfigs."""
    return _place("cache")


def config_dir() -> Path:
    """Directory of the user's own fragments (`*.kunitconfig`)."""
    return _place("config")


def require_not_ours(path: Path) -> None:
    """Raise UserError for a file that mermapctl keeps: a report must not replace its own record.

    The page that `report --open` leaves beside a record may be replaced.
    """
    try:
        state = os.path.realpath(state_dir())
    except UserError:  # no place for any: then none is kept
        return
    kept = os.path.realpath(path).startswith(f"{state}/") and path.exists()
    if kept and path.name != PAGE:
        raise UserError(f"{path} belongs to the store of runs: not replaced", "name another file")


def require_not_read(path: Path, sources: Iterable[Path]) -> None:
    """Raise UserError if the file to write is one of those that are read; `-` is standard input.

    Detects it by any name: a link, a hard link, a redirection.
    """
    for each in sources:
        with contextlib.suppress(OSError):
            found = os.fstat(0) if str(each) == "-" else each.stat()
            if stat.S_ISREG(found.st_mode) and os.path.samestat(found, path.stat()):
                named = "standard input" if str(each) == "-" else each
                raise UserError(
                    f"{path} is what is read ({named}): not replaced", "name another file"
                )


def make_private(directory: Path) -> None:
    """Make a directory and its missing parents, for this user alone; keep an existing one.

    Source: the XDG base directory specification, for a state directory that does not exist yet.
    Raises OSError.
    """
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)  # raises where it is a file


def shipped(name: str) -> Path:
    """Return a data directory shipped with the package: ``configs`` or ``kernel``.

    In a wheel it lies inside the package, in a checkout beside it.
    """
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name

# SPDX-License-Identifier: GPL-2.0-only
"""Refuses trees whose git files would block a reader or never end.

git opens a FIFO like a file, and so does GitPython, which cannot be ended.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mermapctl.errors import HarnessError, UserError
from mermapctl.system import inputs, process
from mermapctl.tree import credentials, git, ownership

SECONDS = 10
"""Time limit for reading a configuration with its includes; normally 5 ms."""
SEARCH = 5
"""Time limit for a search through the whole tree; normally 1 s."""
_READ = frozenset({".gitattributes", ".gitignore", ".gitmodules", ".mailmap"})
"""Files of a tree that git reads in any directory."""
_LOOSE = re.compile(r"[0-9a-f]{2}")
"""Directories of loose objects, of which there may be thousands: `git.LONGEST` bounds a wait."""


def require_readable(tree: Path) -> None:
    """Raise UserError if git would block. Call it after `ownership.require`: it runs git.

    Looks at every file of the repository, except loose objects, and at those that it names.
    """
    for path in _files(tree):
        try:
            mode = path.stat().st_mode
        except OSError:  # missing is fine; git reports unreadable files
            continue
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            name = path.relative_to(tree) if path.is_relative_to(tree) else path
            raise UserError(
                f"git cannot read {tree}: {name} is {inputs.kind(mode)}",
                "remove it, or work on a copy without .git",
            )
    if shutil.which("git") is None:  # the caller that needs git reports it
        return
    ask = ["git", "config", "--name-only", "--null", "--get-regexp", git.FILTERS]
    try:
        said = process.run(ask, cwd=tree, env=git.environment(own=False), timeout=SECONDS)
    except HarnessError as error:
        if isinstance(error.__cause__, OSError):  # it did not start: no fault of the tree's
            raise
        raise _unreadable(tree, error.message) from error
    if said.returncode not in {0, 1} and "not a git repository" not in said.stderr:
        reason = next(iter(said.stderr.strip().splitlines()), f"git ends with {said.returncode}")
        raise _unreadable(tree, credentials.without(reason)[:300])


def _unreadable(tree: Path, reason: str) -> UserError:
    return UserError(
        f"git cannot read the configuration of {tree}: {reason}",
        "try `git config --list` there: does it include a FIFO or a device?",
    )


def blocked(tree: Path, error: HarnessError) -> UserError:
    """Build the error for a git that did not end; look for the file that it waits for."""
    found = _blocking(tree)
    if found is None:
        return UserError(
            f"git cannot read {tree}: {error.message}",
            "try `git status` there: is a .gitattributes or an object a FIFO?",
        )
    name = found.relative_to(tree) if found.is_relative_to(tree) else found
    return UserError(
        f"git cannot read {tree}: {name} is {inputs.kind(found.stat().st_mode)}, "
        f"and {error.message}",
        "remove it, or work on a copy without .git",
    )


def _blocking(tree: Path) -> Path | None:
    """Find a file that git reads and that blocks its reader, in SEARCH seconds at most."""
    until = time.monotonic() + SEARCH
    for root in filter(None, (tree, ownership.beyond(tree / ".git"))):
        for top, _, names in os.walk(root):
            ours = root != tree or Path(top).is_relative_to(tree / ".git")
            for path in (Path(top, name) for name in names if ours or name in _READ):
                with contextlib.suppress(OSError):
                    if not stat.S_ISREG(path.stat().st_mode):
                        return path
            if time.monotonic() > until:
                return None
    return None


def _files(tree: Path) -> Iterator[Path]:
    """Yield what git may open: the top .gitattributes, and the files of its repositories."""
    yield tree / ".gitattributes"
    seen: set[str] = set()
    dot_git = tree / ".git"
    known = ownership.beyond(dot_git) or (dot_git if dot_git.is_dir() else None)
    waiting = [known] if known else [tree / name for name in _BARE]
    while waiting:
        path = waiting.pop()
        yield path
        real = os.path.realpath(path)
        if real in seen or not os.path.isdir(real):  # noqa: PTH112 - a link may form a loop
            continue
        seen.add(real)
        waiting += _named_in(path)
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if path.name == "objects" and _LOOSE.fullmatch(entry.name):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    waiting.append(path / entry.name)


_BARE = ("HEAD", "config", "packed-refs", "shallow", "info", "objects", "refs")
"""What a bare repository has at its top."""


def _named_in(directory: Path) -> Iterator[Path]:
    """Yield other directories that a git directory reads: its common one, borrowed objects."""
    for name in ("commondir", "info/alternates"):
        with contextlib.suppress(OSError):
            data = inputs.read_regular(directory / name, 1 << 16)
            yield from (
                directory / os.fsdecode(line)
                for line in data.split(b"\n")
                if line and b"\0" not in line
            )

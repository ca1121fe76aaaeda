# SPDX-License-Identifier: GPL-2.0-only
"""Detect that a ref of a repository may have moved, without a git process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mermapctl.tree import state

_OWN = ("HEAD", "refs", "reftable")
_SHARED = ("packed-refs", "refs", "reftable")
"""Where the refs are in a git directory, and in the one that linked work trees share."""

Mark = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class RefFiles:
    """The files of a repository in which refs are kept."""

    own: Path
    shared: Path

    def mark(self) -> Mark:
        """Return a value that changes when a ref moves; takes some hundred lstat(2)."""
        roots = {self.own / name for name in _OWN} | {self.shared / name for name in _SHARED}
        return tuple(sorted(each for root in roots for each in _below(os.fspath(root))))


def of(tree: Path) -> RefFiles:
    """Return where a trusted tree's refs are. Raises UserError."""
    with state.reading(tree) as repo:
        return RefFiles(Path(repo.git_dir), Path(repo.common_dir))


def _below(path: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        found = os.lstat(path)
        yield path, found.st_mtime_ns, found.st_size, found.st_ino
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - hundreds
            with os.scandir(path) as entries:
                names = [entry.path for entry in entries]
            for each in names:
                yield from _below(each)
    except OSError:
        return

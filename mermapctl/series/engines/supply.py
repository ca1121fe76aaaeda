# SPDX-License-Identifier: GPL-2.0-only
"""What the workers of a farm lack to build a series: its trees, and the user's own fragments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mermapctl.config import variants
from mermapctl.system import inputs
from mermapctl.tree import bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mermapctl.tree.series_worktrees import Borrower

_FRAGMENT = 1 << 20


class Supply(Protocol):
    """Bundles of the trees, and the user's fragments by file name."""

    fragments: dict[str, bytes]

    def bundle_for(self, worker: str, bases: Sequence[str]) -> Path | None:
        """Return the bundle that a worker lacks, which has these bases; None if it lacks none."""

    def whole_for(self, worker: str) -> bool:
        """Let the worker's next bundle be whole; return False if it already was."""

    def forget(self, worker: str) -> None:
        """Note that a worker is gone: it may come back with nothing."""


class BundleSupply:
    """Bundles made once for each base that workers have, in the directory of the lanes."""

    def __init__(self, repository: Borrower, base: str, trees: Sequence[str]) -> None:
        _remove_bundles(repository)
        self.fragments = own_fragments()
        self._repository = repository
        self._base = base
        self._trees = tuple(dict.fromkeys((base, *trees)))
        self._made: dict[str | None, Path | None] = {}
        self._supplied: set[str] = set()
        self._whole: set[str] = set()

    def bundle_for(self, worker: str, bases: Sequence[str]) -> Path | None:
        """Return what a worker lacks, once. Raises HarnessError."""
        if worker in self._supplied:
            return None
        self._supplied.add(worker)
        git_dir = self._repository.git_dir
        common = None if worker in self._whole else bundle.common(git_dir, bases)
        if common not in self._made:
            self._made[common] = self._make(common)
        return self._made[common]

    def _make(self, common: str | None) -> Path | None:
        wanted = [tree for tree in self._trees if tree != common]
        if not wanted:
            return None
        path = self._repository.place / f"bundle{len(self._made)}"
        bundle.write(self._repository.git_dir, wanted, common, path)
        return path

    def whole_for(self, worker: str) -> bool:
        """Let the next bundle be whole; return False if it already was."""
        if worker in self._whole:
            return False
        self._whole.add(worker)
        self._supplied.discard(worker)
        return True

    def forget(self, worker: str) -> None:
        """Forget what a worker has; the next one of its name says what it has."""
        self._supplied.discard(worker)
        self._whole.discard(worker)


def own_fragments() -> dict[str, bytes]:
    """Return the user's own fragments by file name. Raises UserError as `variants` does."""
    found = {}
    for path in variants.own_fragments().values():
        found[path.name] = inputs.read_regular(path, _FRAGMENT)
    return found


def _remove_bundles(repository: Borrower) -> None:
    """Remove the bundles of an earlier run, and what a killed git left of one (its lock too)."""
    for pattern in ("bundle[0-9]*", ".bundle[0-9]*"):
        for path in repository.place.glob(pattern):
            path.unlink(missing_ok=True)

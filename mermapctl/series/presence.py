# SPDX-License-Identifier: GPL-2.0-only
"""Which commits of a range lack a suite, by their Kconfig files, without a checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mermapctl.tree.commits import Commit
    from mermapctl.tree.series_worktrees import Borrower


class Presence:
    """Answers by git tree. Asks git once for each one that changes a Kconfig file."""

    def __init__(self, repository: Borrower) -> None:
        self._repository = repository
        self._known: dict[tuple[str, str], bool] = {}
        self._last: dict[str, str] = {}

    def defines(self, files: str, symbol: str) -> bool:
        """Return whether the git tree `files` defines a symbol."""
        if (files, symbol) not in self._known:
            before = self._last.get(symbol)
            self._known[files, symbol] = (
                self._repository.defines(files, symbol)
                if before is None or self._touches(before, files)
                else self._known[before, symbol]
            )
            self._last[symbol] = files
        return self._known[files, symbol]

    def _touches(self, before: str, after: str) -> bool:
        changed = self._repository.changed(before, after)
        return any(path.rpartition("/")[2].startswith("Kconfig") for path in changed)

    def lacking(self, files: str, symbols: Iterable[str]) -> str | None:
        """Return a symbol that the git tree `files` does not define; None where it has all."""
        return next((each for each in symbols if not self.defines(files, each)), None)

    def before_suite(self, commits: Sequence[Commit], symbols: Sequence[str]) -> dict[int, str]:
        """Return the rows in front of the first commit with all symbols, and what each lacks.

        A later commit without them has lost them: that is no absence.
        """
        found: dict[int, str] = {}
        for row, commit in enumerate(commits):
            missing = self.lacking(commit.tree, symbols)
            if missing is None:
                break
            found[row] = missing
        return found

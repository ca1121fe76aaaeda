# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl run --commits BASE..TIP --dry-run`: the cells by commit. Builds and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.commands import commit_range, series
from mermapctl.config import target, variants
from mermapctl.config.plan import Request


@dataclass(frozen=True, slots=True)
class PlannedCommit:
    """A commit (null: the work tree with its changes), its subject, the names of its cells."""

    commit: str | None
    subject: str
    cells: tuple[str, ...]


def planned(request: Request, spelled: str) -> tuple[PlannedCommit, ...]:
    """Return what a series would test, oldest first. Raises UserError, as the series would."""
    own, path, found, looked = commit_range.trusted(
        request, lambda tree: series.read_range(tree, spelled)
    )
    tree = target.read(path)
    names = tuple(
        f"{tree.find(each).name} {variants.resolve(name, own, request.suite, each).name}"
        for each in dict.fromkeys(request.targets)
        for name in dict.fromkeys(request.variants)
    )
    rows = [PlannedCommit(each.id, each.subject, names) for each in found.commits]
    if found.at_head and looked.dirty:
        rows.append(PlannedCommit(None, "the work tree, with its changes", names))
    return tuple(rows)

# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report prune`: choose old runs by age, count or size, and remove them."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.errors import UserError
from mermapctl.records.store import Store


@dataclass(frozen=True, slots=True)
class Pruning:
    """The runs to remove (newest first) and their bytes on disk; `kept` runs stay."""

    runs: tuple[str, ...]
    size: int
    kept: int


def choose(store: Store, *, before: str | None, keep: int | None, size: int | None) -> Pruning:
    """Choose the runs started before `before` (RFC 3339), or beyond the newest `keep` or `size`.

    `size` is the sum of the newest runs in bytes. A running run is never chosen. Raises UserError
    if no limit is given.
    """
    if before is None and keep is None and size is None:
        raise UserError(
            "report prune needs a limit",
            "Give --older AGE (30d, 12w), --keep N, --max-size SIZE (500M, 5G), or several.",
        )
    rows = store.query(
        lambda db: db.execute(
            "SELECT id, started, state, coalesce(size, 0) FROM runs ORDER BY id DESC"
        ).fetchall()
    )
    chosen: list[str] = []
    total = freed = 0
    for number, (run, started, state, used) in enumerate(rows):
        total += used
        old = before is not None and "" < started < before  # an unreadable record has no time
        many = keep is not None and number >= keep
        big = size is not None and total > size
        if (old or many or big) and state != "running":
            chosen.append(run)
            freed += used
    return Pruning(tuple(chosen), freed, len(rows) - len(chosen))


def prune(store: Store, pruning: Pruning) -> int:
    """Remove the chosen runs with their artifacts; return the number of bytes freed."""
    return store.remove(pruning.runs)

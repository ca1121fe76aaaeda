# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl report prune`: choose old runs, and results of `mutate`, and remove them."""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.errors import UserError
from mermapctl.mutation import sessions
from mermapctl.mutation.sessions import KeptSession
from mermapctl.records.store import Store


@dataclass(frozen=True, slots=True)
class Pruning:
    """The runs and the sessions of `mutate` to remove (newest first), and their bytes on disk.

    `kept` runs stay.
    """

    runs: tuple[str, ...]
    sessions: tuple[KeptSession, ...]
    size: int
    kept: int

    @property
    def nothing(self) -> bool:
        """Return whether nothing is to be removed."""
        return not self.runs and not self.sessions


@dataclass(frozen=True, slots=True)
class _Thing:
    """A run, the one of a number from the newest, or a session; `used` is when, if `dated`."""

    used: str
    size: int
    run: str | None
    session: KeptSession | None
    number: int | None = None
    running: bool = False
    dated: bool = True


def choose(store: Store, *, before: str | None, keep: int | None, size: int | None) -> Pruning:
    """Choose what is from before `before` (RFC 3339), or beyond the newest `keep` or `size`.

    A run is from when it started, a session of `mutate` from when it was last used; `keep` counts
    runs only. `size` is the sum of the newest in bytes. What still runs is never chosen. Raises
    UserError if no limit is given.
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
    things = [_Thing(each.used, each.size, None, each) for each in sessions.kept()]
    newer = "9"  # after all times
    for number, (run, started, state, used) in enumerate(rows):
        running = state == "running"
        newer = started or newer  # an unreadable record has no time
        things.append(_Thing(newer, used, run, None, number, running=running, dated=bool(started)))
    total = 0
    chosen = []
    for thing in sorted(things, key=lambda thing: thing.used, reverse=True):
        total += thing.size
        old = before is not None and thing.dated and thing.used < before
        many = keep is not None and thing.number is not None and thing.number >= keep
        if (old or many or (size is not None and total > size)) and not thing.running:
            chosen.append(thing)
    runs = sorted((each.run for each in chosen if each.run is not None), reverse=True)
    gone = tuple(each.session for each in chosen if each.session is not None)
    freed = sum(each.size for each in chosen)
    return Pruning(tuple(runs), gone, freed, len(rows) - len(runs))


def prune(store: Store, pruning: Pruning) -> int:
    """Remove what was chosen, runs with their artifacts; return the number of bytes freed."""
    return store.remove(pruning.runs) + sessions.remove(pruning.sessions)

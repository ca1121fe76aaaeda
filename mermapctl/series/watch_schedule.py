# SPDX-License-Identifier: GPL-2.0-only
"""When `mermapctl watch` starts a run, and when it cancels one. Pure: callers pass the time."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Cell, RunRecord
from mermapctl.records.record_kinds import series_of

SETTLE = 0.2
"""Seconds after a save until a run starts: an editor, or `git checkout`, writes several files."""
AGAIN = 1.0
"""Seconds after a ref moved until it is looked at again: a rebase moves it once a commit."""


class Key(enum.StrEnum):
    """A key that the user may press."""

    FAILED = "f"
    ALL = "a"
    AGAIN = "\n"
    QUIT = "q"


_KEYS = {
    "f": Key.FAILED,
    "a": Key.ALL,
    "\n": Key.AGAIN,
    "\r": Key.AGAIN,
    "q": Key.QUIT,
    "\x04": Key.QUIT,  # ^D
}


def pressed(text: str) -> list[Key]:
    """Return the keys in what a terminal sent, in either case; others mean nothing."""
    return [_KEYS[each] for each in text.lower() if each in _KEYS]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next run is: only cells that failed; known verdicts again."""

    failed: bool = False
    rerun: bool = False


@dataclass(slots=True)
class Schedule:
    """The state between runs. `settle` are the seconds from a change to the start of a run.

    `commits` are those of the run that is on; None while there is no run.
    """

    settle: float = SETTLE
    plan: Plan = Plan()
    due: float | None = None
    commits: frozenset[str] | None = None
    cancelled: bool = False
    stale: bool = False

    def saved(self, now: float) -> None:
        """Cancel what runs, because files have changed; start when no more change comes."""
        self._again(now + self.settle)

    def moved(self, commits: Iterable[str], now: float) -> None:
        """Replace the range. A run whose commits are all still in it goes on to its end."""
        if self.commits is not None and self.commits <= {*commits} and not self.cancelled:
            self.stale = True
        else:
            self._again(now)

    def pressed(self, key: Key, now: float) -> None:
        """Take a key, except QUIT."""
        if key is not Key.AGAIN:
            self.plan = Plan(failed=key is Key.FAILED, rerun=True)
        elif self.plan.failed:
            self.plan = replace(self.plan, rerun=True)
        self._again(now)

    def _again(self, due: float) -> None:
        self.due, self.stale = due, False
        self.cancelled = self.commits is not None

    def is_due(self, now: float) -> bool:
        """Return whether a run is to start now."""
        return self.commits is None and self.due is not None and now >= self.due

    def started(self, commits: Iterable[str] = ()) -> None:
        """Note that a run has started."""
        self.commits = frozenset(commits)
        self.due, self.cancelled, self.stale = None, False, False

    def ended(self, now: float) -> bool:
        """Note that the run has ended; return whether its result counts."""
        counts = not self.cancelled
        self.commits, self.cancelled = None, False
        if counts:
            self.plan = replace(self.plan, rerun=False)
        if self.stale:
            self.stale, self.due = False, now
        return counts


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The targets and variants of cells that did not pass, and the commits from BASE to TIP."""

    targets: tuple[str, ...]
    variants: tuple[str, ...]
    commits: str | None = None


def narrowed(record: RunRecord | None) -> Narrowed | None:
    """Return what did not pass in a record; None where all has passed, or nothing is known."""
    bad = [each for each in record.cells if _is_bad(each)] if record else []
    targets = tuple(dict.fromkeys(each.target for each in bad if each.target))
    variants = tuple(dict.fromkeys(each.variant for each in bad if each.variant))
    if record is None or not targets or not variants:
        return None
    series = series_of(record)
    if series is None:
        return Narrowed(targets, variants)
    commits = [each.commit for each in series.commits]
    rows = _rows(commits, bad)
    if rows is None:
        return None
    before = [series.base, *commits][rows[0]]
    tip = commits[rows[1]]
    last = series.work_tree and tip == commits[-1]
    return Narrowed(targets, variants, f"{before}..{'' if last else tip}")


def _rows(commits: Sequence[str], bad: Iterable[Cell]) -> tuple[int, int] | None:
    rows = sorted({commits.index(each.commit) for each in bad if each.commit in commits})
    return (rows[0], rows[-1]) if rows else None


def _is_bad(cell: Cell) -> bool:
    return cell.verdict is not Verdict.PASSED and cell.reason is not Reason.ABSENT

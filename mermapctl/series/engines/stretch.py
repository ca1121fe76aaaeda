# SPDX-License-Identifier: GPL-2.0-only
"""Cells that wait beside each other, the workers at their ends, and where one more may begin. Pure.

All cells are one line, by column and row: a step leads from each to the next, and between columns
the step is a first build. A worker at an end takes the cell beside its last one. One that begins
within pays a first build, and saves the step that nobody has to build any more: it costs nothing to
begin behind a step that is as dear as a first build, such as a change to a header that all include.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

NEVER = 1e9
"""When cells end that no worker has taken."""
_DEAR = 0.9
"""The part of a first build from which on a step is as dear."""
_FREE, _PAID = 20.0, 3.0
"""Seconds by which parts may differ for a second less of first builds: with dear steps, without."""


@dataclass(slots=True)
class Stretch:
    """The waiting cells `low` to `high` of the line, and the workers beside its ends."""

    low: int
    high: int
    left: str | None = None
    right: str | None = None

    def __len__(self) -> int:
        return self.high - self.low + 1

    def leave(self, worker: str) -> None:
        """Take a worker away from its end."""
        if self.left == worker:
            self.left = None
        if self.right == worker:
            self.right = None


@dataclass(frozen=True, slots=True)
class CellLine:
    """The seconds of the step to each cell, of all cells before it, of all steps up to it."""

    steps: Sequence[float]
    before: Sequence[float]
    built: Sequence[float]

    def up(self, low: int, high: int) -> float:
        """Return the seconds of cells for a worker that comes from below."""
        return self.before[high + 1] - self.before[low] if high >= low else 0.0

    def down(self, low: int, high: int) -> float:
        """Return the seconds of cells for a worker that comes from above."""
        if high < low:
            return 0.0
        return self.up(low, high) - self.steps[low] + self.step(high + 1)

    def way(self, one: int, other: int) -> float:
        """Return the seconds of the steps between two cells."""
        return abs(self.built[other] - self.built[one])

    def step(self, index: int) -> float:
        """Return the seconds of the step to a cell; none leads beyond the last one."""
        return self.steps[index] if index < len(self.steps) else 0.0

    def end(self, low: int, high: int, left: float | None, right: float | None) -> float:
        """Return when cells end whose workers are free at `left` and `right` (None: no worker).

        Two of them meet.
        """
        if left is not None and right is not None:
            if high < low:
                return max(left, right)
            both = left + right + self.up(low, high) + self.step(high + 1)
            return max(both / 2, min(left, right))
        if left is not None:
            return left + self.up(low, high)
        if right is not None:
            return right + self.down(low, high)
        return NEVER + self.up(low, high) if high >= low else 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a worker begins within a stretch, and whether it goes up from there."""

    score: float
    index: int
    up: bool


def best_entry(
    line: CellLine,
    found: Stretch,
    ends: tuple[float | None, float | None],
    arrival: Callable[[int], tuple[float, float]],
    limit: float,
) -> Entry | None:
    """Return the best place to begin in a stretch; None if none ends its cells before `limit`.

    `ends` are when the workers at its ends are free. `arrival` returns, for a cell, when a worker
    that begins with it has ended it, and how long its build took. The best place ends all cells
    first, with as few seconds as possible that would not have been spent without this worker.
    """
    entries = _entries(line, found, ends, arrival, limit)
    return min(entries, key=lambda each: each.score, default=None)


def _entries(
    line: CellLine,
    found: Stretch,
    ends: tuple[float | None, float | None],
    arrival: Callable[[int], tuple[float, float]],
    limit: float,
) -> Iterator[Entry]:
    low, high = found.low, found.high
    left, right = ends
    for index in range(low, high + 1):
        ended, build = arrival(index)
        last = max(line.end(low, index - 1, left, None), line.end(index + 1, high, ended, right))
        if last < limit:
            saved = line.steps[index] if left is not None or index > low else 0.0
            yield Entry(last + build - saved, index, up=True)
        last = max(line.end(low, index - 1, left, ended), line.end(index + 1, high, None, right))
        if last < limit:
            saved = line.step(index + 1) if right is not None or index < high else 0.0
            yield Entry(last + build - saved, index, up=False)


def divided(
    line: CellLine, firsts: Sequence[float], whole: Stretch, workers: Sequence[str]
) -> list[Stretch]:
    """Divide cells among workers that have built nothing, into parts of about the same seconds.

    If there are enough steps as dear as a first build, each worker begins behind one of them: where
    one ends early, it helps elsewhere behind another one, and nothing is lost. Else two workers
    begin at both ends of each part, and meet.
    """
    low, end = whole.low, whole.high + 1
    if not workers:
        return [whole]
    dear = sum(line.steps[each] >= _DEAR * firsts[each] for each in range(low + 1, end))
    size, weight = (1, _FREE) if dear >= len(workers) else (2, _PAID)
    made: list[Stretch] = []
    for at in range(0, len(workers), size):
        hands = workers[at : at + size]
        left, rest = len(workers) - at, line.before[end] - line.before[low]
        aim = line.before[low] + rest * len(hands) / left
        free = range(low + len(hands), end - (left - len(hands)) + 1)
        cut = end
        if left > len(hands):
            cut = min(
                free,
                key=lambda each: (
                    abs(line.before[each] - aim) + weight * (firsts[each] - line.steps[each])
                ),
            )
        made.append(Stretch(low, cut - 1, *hands))
        low = cut
    return made

# SPDX-License-Identifier: GPL-2.0-only
"""Which worker of a farm gets which cell next. Pure.

The cells of a column are a line of neighbouring commits. A worker takes one after the other, so
that its next build has little to do; two that come from both ends meet. A worker with nothing left
goes where the expected end is last, if all ends sooner by that.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mermapctl.series.engines.expected import Expected, Spent
from mermapctl.series.engines.stretch import NEVER, CellLine, Stretch, best_entry, divided
from mermapctl.series.grid import Place

_WORTH = 2.0
"""Seconds by which the help of one more worker has to pay."""
_STALE = 1.05
"""By how much more has to be learned until the line is expected anew."""
_ASK_AGAIN = 1.0
"""Seconds until a worker for which there is nothing is considered again, if nothing happens."""


@dataclass(slots=True)
class _Hand:
    """A worker: its targets, where it works, what it runs since when, the last rows built.

    `asked` is when there was nothing for it, at which change of the schedule.
    """

    targets: frozenset[str]
    built: dict[int, int]
    stretch: Stretch | None = None
    began: float = 0.0
    expected: float = 0.0
    asked: tuple[int, float] | None = None


class FarmSchedule:
    """The cells that have no result, and the workers that are there, by name."""

    def __init__(
        self,
        places: Iterable[Place],
        targets: Sequence[str],
        expected: Expected | None = None,
        built: dict[str, dict[int, int]] | None = None,
    ) -> None:
        """Begin with the cells in `places`; `targets` are those of the columns.

        `built` has the last row that each worker has built, by column; it is kept up to date.
        """
        self._targets = targets
        self._expected = expected or Expected()
        self._cells = sorted(places, key=lambda at: (targets[at[1]], at[1], at[0]))
        self._index = {place: index for index, place in enumerate(self._cells)}
        self._stretches: list[Stretch] = []
        for index, place in enumerate(self._cells):
            if index and self._target(place) == self._target(self._cells[index - 1]):
                self._stretches[-1].high = index
            else:
                self._stretches.append(Stretch(index, index))
        self._hands: dict[str, _Hand] = {}
        self._built = {} if built is None else built
        self._running: dict[str, Place] = {}
        self._tried: dict[Place, set[str]] = {}
        self._planned = False
        self._changes = 0
        self._known: tuple[int, CellLine] | None = None

    @property
    def waiting(self) -> int:
        """Return the number of cells that have not begun."""
        return sum(map(len, self._stretches))

    @property
    def running(self) -> dict[str, Place]:
        """Return what each busy worker runs; the same dictionary at each call."""
        return self._running

    def join(self, worker: str, targets: Iterable[str]) -> None:
        """Add a worker, which has built nothing yet as far as is known."""
        built = self._built.setdefault(worker, {})
        self._hands.setdefault(worker, _Hand(frozenset(targets), built))
        self._changes += 1

    def leave(self, worker: str) -> Place | None:
        """Remove a worker; return the cell that it was running. The rest waits for the others."""
        hand = self._hands.pop(worker, None)
        self._built.pop(worker, None)
        if hand and hand.stretch:
            hand.stretch.leave(worker)
        self._changes += 1
        return self._running.pop(worker, None)

    def clear(self) -> None:
        """Leave out all that has not begun."""
        self._stretches.clear()
        for each in self._hands.values():
            each.stretch = None

    def idle(self) -> list[str]:
        """Return the workers that run nothing."""
        return [name for name in self._hands if name not in self._running]

    def unserved(self) -> list[Place]:
        """Return the waiting cells that no worker which is there may run."""
        served = frozenset[str]().union(*(each.targets for each in self._hands.values()))
        lines = (self._cells[each.low : each.high + 1] for each in self._stretches)
        return [place for line in lines for place in line if self._target(place) not in served]

    def others(self, worker: str, place: Place) -> bool:
        """Return whether another worker is there that has not tried this cell, and may run it."""
        tried = self._tried.get(place, set())
        return any(
            name != worker and name not in tried and self._target(place) in each.targets
            for name, each in self._hands.items()
        )

    def again(self, place: Place, not_on: str) -> None:
        """Let a cell wait for another worker than this one, if there is any."""
        self._changes += 1
        self._tried.setdefault(place, set()).add(not_on)
        index = self._index[place]
        for each in self._stretches:
            if each.low == index + 1 and each.left is None and self._beside(index, index + 1):
                each.low = index
                return
            if each.high == index - 1 and each.right is None and self._beside(index, index - 1):
                each.high = index
                return
        self._stretches.append(Stretch(index, index))

    def next(self, worker: str, now: float) -> Place | None:
        """Return the cell that an idle worker begins with now; None where there is none for it."""
        if not self._planned:
            self._plan()
        hand = self._hands[worker]
        if hand.asked and hand.asked[0] == self._changes and now - hand.asked[1] < _ASK_AGAIN:
            return None
        index = self._own(worker, hand, now)
        if index is None:
            if hand.stretch:
                hand.stretch.leave(worker)
                hand.stretch = None
            index = self._help(worker, hand, now)
        if index is None:
            hand.asked = (self._changes, now)
            return None
        place = self._cells[index]
        hand.asked, hand.began = None, now
        hand.expected = self._build(hand, index) + self._expected.rest(place[1])
        self._running[worker] = place
        self._changes += 1
        return place

    def done(self, worker: str, spent: Spent | None) -> Place | None:
        """Note that a worker has ended its cell, and what it took if it was built.

        Return the step (see `Expected`) that was built.
        """
        self._changes += 1
        hand, place = self._hands[worker], self._running.pop(worker, None)
        if place is None or spent is None:
            return None
        row, column = place
        step = self._expected.learn(place, hand.built.get(column), spent)
        hand.built[column] = row
        return step

    def _target(self, place: Place) -> str:
        return self._targets[place[1]]

    def _beside(self, one: int, other: int) -> bool:
        return self._target(self._cells[one]) == self._target(self._cells[other])

    def _may(self, worker: str, index: int) -> bool:
        place = self._cells[index]
        if self._target(place) not in self._hands[worker].targets:
            return False
        return worker not in self._tried.get(place, ()) or not self.others(worker, place)

    def _line(self) -> CellLine:
        """Return the line as it is expected now."""
        if self._known is None or self._expected.version > _STALE * self._known[0]:
            steps: list[float] = []
            before, last = [0.0], (-1, -1)
            for row, column in self._cells:
                known = last[0] if column == last[1] else None
                steps.append(self._expected.between(column, known, row))
                before.append(before[-1] + steps[-1] + self._expected.rest(column))
                last = (row, column)
            built = list(itertools.accumulate(steps))
            self._known = self._expected.version, CellLine(steps, before, built)
        return self._known[1]

    def _plan(self) -> None:
        """Give each worker a place to begin."""
        self._planned = True
        line = self._line()
        firsts = [self._expected.first(column) for _, column in self._cells]
        planned: list[Stretch] = []
        for each, workers in zip(self._stretches, self._dealt(line), strict=True):
            planned += divided(line, firsts, each, workers)
        self._stretches = planned
        for each in planned:
            for worker in filter(None, (each.left, each.right)):
                self._hands[worker].stretch = each

    def _dealt(self, line: CellLine) -> list[list[str]]:
        """Return the workers of each target's cells, by its seconds; no more than it has cells."""
        dealt: list[list[str]] = [[] for _ in self._stretches]
        free = list(self._hands)
        queue = [(-line.up(each.low, each.high), at) for at, each in enumerate(self._stretches)]
        heapq.heapify(queue)
        while queue and free:
            _, at = heapq.heappop(queue)
            found = self._stretches[at]
            worker = next((each for each in free if self._may(each, found.low)), None)
            if worker is None:
                continue
            free.remove(worker)
            dealt[at].append(worker)
            share = len(dealt[at])
            if share < len(found):
                heapq.heappush(queue, (-line.up(found.low, found.high) / (share + 1), at))
        return dealt

    def _build(self, hand: _Hand, index: int) -> float:
        """Return the expected seconds of a cell's build on a worker."""
        row, column = self._cells[index]
        last = hand.built.get(column)
        known = None if last is None else self._index.get((last, column))
        if known is None:
            return self._expected.between(column, last, row)
        return min(self._expected.first(column), self._line().way(known, index))

    def _own(self, worker: str, hand: _Hand, now: float) -> int | None:
        """Take the cell beside the last one; leave the last of a stretch to whom ends it first."""
        found = hand.stretch
        if found is None or not len(found):
            return None
        up = found.left == worker
        index = found.low if up else found.high
        if not self._may(worker, index):
            return None
        other = found.right if up else found.left
        if len(found) == 1 and other in self._running:
            theirs = self._free(other, now) or now
            step = self._line().step(index + 1 if up else index)
            if theirs + step + _WORTH < now + self._build(hand, index):
                return None
        self._take(found, index, up=up)
        return index

    def _take(self, found: Stretch, index: int, *, up: bool) -> None:
        """Take the cell at an end out of a stretch."""
        if up:
            found.low = index + 1
        else:
            found.high = index - 1
        if not len(found):
            self._stretches = [each for each in self._stretches if each is not found]

    def _free(self, worker: str | None, now: float) -> float | None:
        """Return when a worker is expected to be free: one that is late, as much later again."""
        if worker is None:
            return None
        if worker not in self._running:
            return now
        hand = self._hands[worker]
        end = hand.began + hand.expected
        return end if end > now else now + (now - end)

    def _help(self, worker: str, hand: _Hand, now: float) -> int | None:
        """Begin within the stretch that ends last, if its cells end sooner by that, else the next.

        Divides it there.
        """
        line = self._line()

        def arrival(index: int) -> tuple[float, float]:
            if not self._may(worker, index):
                return NEVER * 2, 0.0
            build = self._build(hand, index)
            return now + build + self._expected.rest(self._cells[index][1]), build

        order = []
        for number, each in enumerate(self._stretches):
            ends = self._free(each.left, now), self._free(each.right, now)
            order.append((-line.end(each.low, each.high, *ends), number, each, ends))
        for end, _, found, ends in sorted(order):
            entry = best_entry(line, found, ends, arrival, -end - _WORTH)
            if entry is None:
                continue
            self._divide(found, entry.index, worker, up=entry.up)
            return entry.index
        return None

    def _divide(self, found: Stretch, index: int, worker: str, *, up: bool) -> None:
        """Let a worker begin with a cell of a stretch, and go up or down from there."""
        below = Stretch(found.low, index - 1, found.left, None if up else worker)
        above = Stretch(index + 1, found.high, worker if up else None, found.right)
        kept = [each for each in self._stretches if each is not found]
        self._stretches = [*kept, *(each for each in (below, above) if len(each))]
        for each in (below, above):
            for name in filter(None, (each.left, each.right)):
                self._hands[name].stretch = each

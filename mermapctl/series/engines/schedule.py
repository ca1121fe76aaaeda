# SPDX-License-Identifier: GPL-2.0-only
"""Which worker of a farm gets which cell next. Pure.

The cells of a column are a line of neighbouring commits. A worker takes a segment of it, so that
its next build has little to do. A worker without a segment takes one that nobody has, else the far
half of the longest that another has: more if both end sooner by that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mermapctl.series.grid import Place

_COLD = 4.0
"""What the first build of a column costs on a worker, in cells, until that has been measured."""


@dataclass(slots=True)
class _Hand:
    """A worker: its targets, what waits for it, what it runs, the last row built by column."""

    targets: frozenset[str]
    queue: deque[Place] = field(default_factory=deque)
    running: Place | None = None
    built: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Mean:
    """The mean of what was measured."""

    total: float = 0.0
    number: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.number += 1

    @property
    def value(self) -> float | None:
        return self.total / self.number if self.number else None


class FarmSchedule:
    """The cells that have no result, and the workers that are there, by name."""

    def __init__(self, places: Iterable[Place], targets: Sequence[str]) -> None:
        """Begin with the cells in `places`; `targets` are those of the columns."""
        self._targets = targets
        lines: dict[int, deque[Place]] = {}
        for place in sorted(places, key=lambda place: (place[1], place[0])):
            lines.setdefault(place[1], deque()).append(place)
        self._loose = list(lines.values())
        self._hands: dict[str, _Hand] = {}
        self._tried: dict[Place, set[str]] = {}
        self._cold = _Mean()
        self._warm = _Mean()
        self._turned = False

    @property
    def waiting(self) -> int:
        """Return the number of cells that have not begun."""
        return sum(map(len, self._loose)) + sum(len(each.queue) for each in self._hands.values())

    @property
    def running(self) -> dict[str, Place]:
        """Return what each busy worker runs."""
        found = self._hands.items()
        return {name: each.running for name, each in found if each.running is not None}

    def join(self, worker: str, targets: Iterable[str]) -> None:
        """Add a worker, which has built nothing yet as far as is known."""
        self._hands.setdefault(worker, _Hand(frozenset(targets)))

    def leave(self, worker: str) -> Place | None:
        """Remove a worker; return the cell that it was running. The rest waits for the others."""
        hand = self._hands.pop(worker, None)
        if hand is None:
            return None
        if hand.queue:
            self._loose.append(hand.queue)
        return hand.running

    def clear(self) -> None:
        """Leave out all that has not begun."""
        self._loose.clear()
        for each in self._hands.values():
            each.queue.clear()

    def idle(self) -> list[str]:
        """Return the workers that run nothing."""
        return [name for name, each in self._hands.items() if each.running is None]

    def unserved(self) -> list[Place]:
        """Return the waiting cells that no worker which is there may run."""
        served = frozenset[str]().union(*(each.targets for each in self._hands.values()))
        queues = [*self._loose, *(each.queue for each in self._hands.values())]
        return [place for line in queues for place in line if self._target(place) not in served]

    def others(self, worker: str, place: Place) -> bool:
        """Return whether another worker is there that has not tried this cell, and may run it."""
        tried = self._tried.get(place, set())
        return any(
            name != worker and name not in tried and self._target(place) in each.targets
            for name, each in self._hands.items()
        )

    def again(self, place: Place, not_on: str) -> None:
        """Let a cell wait for another worker than this one, if there is any."""
        self._tried.setdefault(place, set()).add(not_on)
        self._loose.insert(0, deque([place]))

    def next(self, worker: str) -> Place | None:
        """Return the cell that an idle worker begins with now; None where there is none for it."""
        hand = self._hands[worker]
        if not hand.queue:
            hand.queue = self._taken(worker, hand) or self._stolen(worker, hand)
        if not hand.queue:
            return None
        hand.running = hand.queue.popleft()
        return hand.running

    def done(self, worker: str, seconds: float | None) -> None:
        """Note that a worker has ended its cell, and after how many seconds if it was built."""
        hand = self._hands[worker]
        place, hand.running = hand.running, None
        if place is None or seconds is None:
            return
        (self._warm if place[1] in hand.built else self._cold).add(seconds)
        hand.built[place[1]] = place[0]

    def _target(self, place: Place) -> str:
        return self._targets[place[1]]

    def _may(self, worker: str, hand: _Hand, place: Place) -> bool:
        if self._target(place) not in hand.targets:
            return False
        return worker not in self._tried.get(place, ()) or not self.others(worker, place)

    def _taken(self, worker: str, hand: _Hand) -> deque[Place]:
        """Take a fair share of the segment, among those that nobody has, which is nearest."""
        fitting = [line for line in self._loose if self._may(worker, hand, line[0])]
        if not fitting:
            return deque()
        line = min(fitting, key=lambda line: self._distance(hand, line))
        share = -(-self.waiting // len(self._hands))
        taken = deque(line.popleft() for _ in range(min(share, len(line))))
        if self._turned:  # two neighbours begin at their far ends, and meet
            taken.reverse()
        self._turned = not self._turned
        if not line:
            self._loose = [each for each in self._loose if each is not line]
        return taken

    @staticmethod
    def _distance(hand: _Hand, line: deque[Place]) -> tuple[bool, int, int]:
        """Return how far a segment is from what a worker has built; of two, the longer is nearer.

        Another column is further away than any commit.
        """
        row, column = line[0]
        last = hand.built.get(column)
        if last is None:
            return (True, 0, -len(line))
        return (False, abs(row - last), -len(line))

    def _stolen(self, worker: str, hand: _Hand) -> deque[Place]:
        """Take the end of another worker's segment: as much as lets both end at the same time."""
        best: tuple[int, deque[Place]] = (0, deque())
        for victim in self._hands.values():
            if victim.queue and self._may(worker, hand, victim.queue[-1]):
                number = self._share(hand, victim.queue)
                best = max(best, (number, victim.queue), key=lambda each: each[0])
        number, queue = best
        return deque(queue.pop() for _ in range(number))

    def _share(self, hand: _Hand, queue: deque[Place]) -> int:
        """Return how many cells to take: the victim still has half a cell to do, on average."""
        row, column = queue[-1]
        extra, last = self._extra(), hand.built.get(column)
        if last is not None:  # all commits between are built at once, at most
            extra = min(extra, float(abs(row - last) - 1))
        return min(len(queue), max(0, round((len(queue) + 0.5 - extra) / 2)))

    def _extra(self) -> float:
        """Return what a first build costs more than a next one, in cells."""
        cold, warm = self._cold.value, self._warm.value
        if cold is None or not warm:
            return _COLD
        return max(0.0, cold / warm - 1)

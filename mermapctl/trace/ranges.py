# SPDX-License-Identifier: GPL-2.0-only
"""Address ranges that wait for a TLB flush: put, unmapped, and perhaps still in a TLB."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

LIMIT = 8192
"""Ranges kept apart per CPU; past it, neighbours are joined and share one evidence line."""


class Waiting(NamedTuple):
    """`[base, end)`, put at console line `line`; `washed` when a flush not the mermap's hit it."""

    base: int
    end: int
    line: int
    washed: bool = False


class WaitingRanges:
    """Disjoint ranges in address order; a bump pointer appends, so the common case is O(1)."""

    __slots__ = ("_bases", "_items")

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._items: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._items)

    def clear(self) -> None:
        """Forget everything: the mermap flushed."""
        self._bases.clear()
        self._items.clear()

    def wash(self) -> None:
        """Somebody else flushed: nothing here is stale any more, yet the mermap cannot know."""
        self._items = [item if item.washed else item._replace(washed=True) for item in self._items]

    def add(self, base: int, end: int, line: int) -> None:
        """Wait for a flush from console line `line` on."""
        if not self._items or base >= self._items[-1].end:
            self._bases.append(base)
            self._items.append(Waiting(base, end, line))
        else:
            self.remove(base, end)
            at = bisect_left(self._bases, base)
            self._bases.insert(at, base)
            self._items.insert(at, Waiting(base, end, line))
        if len(self._items) > LIMIT:
            self._join()

    def overlapping(self, base: int, end: int) -> list[Waiting]:
        """Every waiting range that shares an address with `[base, end)`, lowest first."""
        first, last = self._span(base, end)
        return self._items[first:last]

    def remove(self, base: int, end: int) -> None:
        """Take `[base, end)` out, cutting what overlaps its borders."""
        first, last = self._span(base, end)
        if first == last:
            return
        rest = []
        low, high = self._items[first], self._items[last - 1]
        if low.base < base:
            rest.append(low._replace(end=base))
        if high.end > end:
            rest.append(high._replace(base=end))
        self._items[first:last] = rest
        self._bases[first:last] = [item.base for item in rest]

    def _span(self, base: int, end: int) -> tuple[int, int]:
        last = bisect_left(self._bases, end)
        first = max(bisect_right(self._bases, base) - 1, 0)
        if first < last and self._items[first].end <= base:
            first += 1
        return first, max(first, last)

    def _join(self) -> None:
        joined: list[Waiting] = []
        for item in self._items:
            before = joined[-1] if joined else None
            if before and before.end == item.base and before.washed == item.washed:
                joined[-1] = Waiting(before.base, item.end, item.line, item.washed)
            else:
                joined.append(item)
        if len(joined) > LIMIT:  # scattered: the oldest evidence goes first, never a false alarm
            joined = sorted(sorted(joined, key=lambda item: item.line)[-LIMIT // 2 :])
        self._items = joined
        self._bases = [item.base for item in joined]

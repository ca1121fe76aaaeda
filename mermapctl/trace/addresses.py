# SPDX-License-Identifier: GPL-2.0-only
"""Addresses of a mermap: page tables prepared, per-CPU regions, ranges that wait for a flush.

The regions are learnt from the addresses that gets return. Only their shape is given: half-open,
one after another for each CPU, all of one size, the last page kept for reserved gets. The trace
shows where they lie:

- `low`: the first get of a process on a CPU starts at the region's base;
- the end: each CPU's part of the page tables that a process prepares, where the console prints how
  many CPUs there are; else a reserved get that took the page after an ordinary one was refused
  for want of room;
- the size of one region whose both ends were seen is the size of all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple

RANGES = 64
"""Ranges kept per process; a mermap makes its tables in one, or in one per CPU."""

PAGE = 4096
SLIP = 16 * PAGE
"""A region and tables that differ by more than this do not belong together."""


class AddressRange(NamedTuple):
    """Addresses in `[low, high)`."""

    low: int
    high: int

    def unit(self, low: int, size: int, cpus: int | None) -> int | None:
        """Return the bytes of these tables per CPU, where a region of `size` bytes begins at `low`.

        None where the tables do not divide into CPUs' parts of about that size. Without `cpus`,
        takes the closest number.
        """
        whole = self.high - self.low
        count = cpus or round(whole / size)
        if count < 1 or whole % (count * PAGE):
            return None
        unit = whole // count
        if abs(unit - size) > SLIP or (low - self.low) % unit:
            return None
        return unit


class Tables:
    """Ranges with page tables; touching ranges are merged."""

    def __init__(self) -> None:
        self._spans: list[AddressRange] = []

    def __bool__(self) -> bool:
        """Whether any range is known."""
        return bool(self._spans)

    def add(self, low: int, high: int) -> None:
        """Add tables made for `[low, high)`."""
        apart = []
        for span in self._spans:
            if span.high < low or high < span.low:
                apart.append(span)
            else:
                low, high = min(low, span.low), max(high, span.high)
        self._spans = sorted([*apart, AddressRange(low, high)])[:RANGES]

    def around(self, address: int) -> AddressRange | None:
        """Return the range that contains `address`."""
        return next((span for span in self._spans if span.low <= address < span.high), None)

    def hold(self, low: int, high: int) -> bool:
        """Whether all of `[low, high)` has tables."""
        span = self.around(low)
        return span is not None and high <= span.high


NO_TABLES = Tables()


RESERVE = PAGE
"""Bytes at a region's end that only reserved gets may reach: one page in every posting."""


@dataclass(slots=True)
class Region:
    """One CPU's region as far as known; `top` is the highest end an ordinary get reached.

    `certain` says that `low` was the first get of a process known to be new; `tables` is the range
    of page tables around it, if that was seen. `doubtful`: gets contradict each other about the
    end, and none of them counts.
    """

    low: int
    certain: bool
    high: int | None = None
    high_line: int = 0
    top: int = 0
    tables: AddressRange | None = None
    doubtful: bool = False


class Regions:
    """All regions seen, lowest first."""

    def __init__(self) -> None:
        self.known: list[Region] = []

    def size(self) -> int | None:
        """Bytes in one region; None until both ends of one were seen."""
        sizes = {r.high - r.low for r in self.known if r.high is not None and r.certain}
        return sizes.pop() if len(sizes) == 1 else None

    def ends(self, region: Region, high: int, line: int) -> None:
        """Note the region's end that a reserved get shows."""
        if region.doubtful:
            return
        if region.high not in (None, high):
            region.high, region.doubtful = None, True
            return
        region.high = high
        region.high_line = region.high_line or line

    def high(self, region: Region, cpus: int | None) -> int | None:
        """Return the region's end: by its page tables, a reserved get, or another region's size."""
        if region.tables is not None and region.certain and cpus:
            whole = region.tables.high - region.tables.low
            unit = region.tables.unit(region.low, whole // cpus, cpus)
            if unit is not None:
                return region.low + unit
        if region.high is not None:
            return region.high
        size = self.size()
        return None if size is None or not region.certain else region.low + size

    def top(self, region: Region) -> int:
        """Return how far ordinary gets went in a region of this size."""
        most = max((r.top - r.low for r in self.known if r.certain), default=0)
        return max(region.top, region.low + most if region.certain else 0)

    def end(self, region: Region, cpus: int | None = None) -> int:
        """Return the region's end, or the highest address used."""
        return self.high(region, cpus) or region.top

    def of_first_get(self, base: int, *, certain: bool) -> Region:
        """Return the region of a process' first get on a CPU."""
        for region in self.known:
            if region.low == base or region.low <= base < self.end(region):
                region.certain = region.certain or (certain and region.low == base)
                return region
        region = Region(base, certain=certain, top=base)
        self.known.append(region)
        self.known.sort(key=lambda known: known.low)
        return region


LIMIT = 8192
"""Ranges kept apart per CPU; further ones join a neighbour and share one evidence line."""


class Waiting(NamedTuple):
    """`[base, end)`, put at console line `line`; `washed` by another flush than the mermap's."""

    base: int
    end: int
    line: int
    washed: bool = False


class WaitingRanges:
    """Disjoint ranges that were put and may still be in a TLB, in address order.

    A bump pointer appends, so the common case is O(1).
    """

    __slots__ = ("_bases", "_items")

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._items: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._items)

    def clear(self) -> None:
        """Remove every range: the mermap flushed."""
        self._bases.clear()
        self._items.clear()

    def wash(self) -> None:
        """Mark every range as no longer stale: another flush reached it, unseen by the mermap."""
        self._items = [item if item.washed else item._replace(washed=True) for item in self._items]

    def add(self, base: int, end: int, line: int) -> None:
        """Add a range put at console line `line`."""
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
        """Return the ranges that share an address with `[base, end)`, lowest first."""
        first, last = self._span(base, end)
        return self._items[first:last]

    def remove(self, base: int, end: int) -> None:
        """Remove `[base, end)`, cutting ranges at its borders."""
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
        if len(joined) > LIMIT:  # scattered: drop the oldest evidence, never report a false alarm
            joined = sorted(sorted(joined, key=lambda item: item.line)[-LIMIT // 2 :])
        self._items = joined
        self._bases = [item.base for item in joined]

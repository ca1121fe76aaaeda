# SPDX-License-Identifier: GPL-2.0-only
"""Addresses of a mermap: page tables prepared, per-CPU regions, ranges that wait for a flush.

`get()` and `put()` stand for the kernel's `__mermap_get()` and `__mermap_put()`.

A process has one region per CPU. The regions lie one after another and have one size. The last page
of each is for reserved gets. The addresses of a region are found as follows:

- Base: the first `get()` of a process on a CPU returns it.
- End: if the console prints the number of CPUs, divide the page tables that a process prepares by
  that number. Otherwise look for an ordinary `get()` that is refused because the region is full. A
  reserved `get()` that follows it returns the region's last page.
- Size: if one region has a known base and a known end, the others have the same size.
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
        """Return how many bytes of these tables belong to one CPU.

        `low` is the base of a region of about `size` bytes. Without `cpus`, take the number of CPUs
        that fits `size` best. Return None if the tables do not divide into one part of about `size`
        bytes per CPU, or if no part begins at `low`.
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
        """Return whether any range is known."""
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
        """Return whether all of `[low, high)` has tables."""
        span = self.around(low)
        return span is not None and high <= span.high


NO_TABLES = Tables()


RESERVE = PAGE
"""Bytes at a region's end that only a reserved `get()` may use: one page in every posting."""


@dataclass(slots=True)
class Region:
    """One CPU's region, as far as the trace shows it.

    `certain`: `low` is the base, because the first `get()` of a new process returned it. `high`:
    the end that a reserved `get()` showed, at console line `high_line`. `top`: the highest end of
    an ordinary `get()`. `tables`: the range of page tables around `low`, if it was seen.
    `doubtful`: two reserved gets showed different ends, so `high` stays unknown.
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
        """Return the bytes in one region; None if no region has two known ends, or sizes differ."""
        sizes = {r.high - r.low for r in self.known if r.high is not None and r.certain}
        return sizes.pop() if len(sizes) == 1 else None

    def ends(self, region: Region, high: int, line: int) -> None:
        """Note the region's end that a reserved `get()` shows; drop it if two of them differ."""
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
        """Return the highest end of an ordinary `get()` in this region.

        All regions have one size. So if a `get()` ended further from the base of another region,
        return the address in this region at that distance from the base.
        """
        most = max((r.top - r.low for r in self.known if r.certain), default=0)
        return max(region.top, region.low + most if region.certain else 0)

    def end(self, region: Region, cpus: int | None = None) -> int:
        """Return the region's end, or the highest address used."""
        return self.high(region, cpus) or region.top

    def of_first_get(self, base: int, *, certain: bool) -> Region:
        """Return the region of a process' first `get()` on a CPU, which returned `base`."""
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
    """`[base, end)`, put at console line `line`.

    `washed`: the range is no longer stale, because a flush reached it that the mermap did not make
    for this process.
    """

    base: int
    end: int
    line: int
    washed: bool = False


class WaitingRanges:
    """Disjoint ranges that were put and may still be in a TLB, in address order.

    The addresses that a `get()` returns ascend, so most ranges are added at the end, in O(1).
    """

    __slots__ = ("_bases", "_items")

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._items: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._items)

    def clear(self) -> None:
        """Remove every range, because the mermap flushed."""
        self._bases.clear()
        self._items.clear()

    def wash(self) -> None:
        """Mark every range as no longer stale, because a flush of another kind reached it."""
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

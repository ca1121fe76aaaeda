# SPDX-License-Identifier: GPL-2.0-only
"""The per-CPU address regions of a mermap, learnt from the addresses that its gets return.

What is known beforehand is only their shape: half-open, one after another for each CPU, all of one
size, the last page kept for reserved gets. Where they lie is read off the trace:

- `low`: the first get of a process on a CPU starts at the region's base;
- the end: each CPU's part of the page tables that a process prepares, where the console prints how
  many CPUs there are; else a reserved get that took the page after an ordinary one was refused
  for want of room;
- the size of one region whose both ends were seen is the size of all.
"""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.trace.tables import PAGE, AddressRange

RESERVE = PAGE
"""Bytes at a region's end that only reserved gets may reach: one page in every posting."""


@dataclass(slots=True)
class Region:
    """One CPU's region as far as it is known; `top` is the highest end an ordinary get reached.

    `certain` says that `low` was the first get of a process known to be new; `tables` is what page
    tables were prepared for around it, if that was seen. `doubtful` where gets contradict each
    other about the end: then none of them is believed.
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
        """Bytes in one region; null until both ends of one were seen."""
        sizes = {r.high - r.low for r in self.known if r.high is not None and r.certain}
        return sizes.pop() if len(sizes) == 1 else None

    def ends(self, region: Region, high: int, line: int) -> None:
        """A reserved get shows where the region ends."""
        if region.doubtful:
            return
        if region.high not in (None, high):
            region.high, region.doubtful = None, True
            return
        region.high = high
        region.high_line = region.high_line or line

    def high(self, region: Region, cpus: int | None) -> int | None:
        """The region's end: its part of the page tables, what a get showed, or its like's."""
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
        """How far ordinary gets were seen to go in a region of this size."""
        most = max((r.top - r.low for r in self.known if r.certain), default=0)
        return max(region.top, region.low + most if region.certain else 0)

    def end(self, region: Region, cpus: int | None = None) -> int:
        """The region's end, or how far it was seen to be used."""
        return self.high(region, cpus) or region.top

    def of_first_get(self, base: int, *, certain: bool) -> Region:
        """The region of a process' first get on a CPU."""
        for region in self.known:
            if region.low == base or region.low <= base < self.end(region):
                region.certain = region.certain or (certain and region.low == base)
                return region
        region = Region(base, certain=certain, top=base)
        self.known.append(region)
        self.known.sort(key=lambda known: known.low)
        return region

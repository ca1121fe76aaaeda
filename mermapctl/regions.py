# SPDX-License-Identifier: GPL-2.0-only
"""The per-CPU address regions of a mermap, learnt from the addresses that its gets return.

What is known beforehand is only their shape: half-open, one after another for each CPU, all of one
size, the last page kept for the reserved get. Where they lie is read off the trace:

- `low`: the first ordinary get of a process on a CPU starts at the region's base;
- `high`: the reserved get's page is the region's last one;
- the size of one region whose both ends were seen is the size of all.
"""

from __future__ import annotations

from dataclasses import dataclass

from mermapctl.tables import Span


@dataclass(slots=True)
class Region:
    """One CPU's region as far as it is known; `top` is the highest end an ordinary get reached.

    `certain` says that `low` was the first get of a process known to be new; `tables` is what page
    tables were prepared for around it, if that was seen.
    """

    low: int
    certain: bool
    high: int | None = None
    high_line: int = 0
    reserve: int = 0  # bytes kept back at the end
    top: int = 0
    top_line: int = 0
    top_base: int = 0
    tables: Span | None = None


class Regions:
    """All regions seen, lowest first."""

    def __init__(self) -> None:
        self.known: list[Region] = []

    def size(self) -> int | None:
        """Bytes in one region; null until both ends of one were seen."""
        sizes = {r.high - r.low for r in self.known if r.high is not None and r.certain}
        return sizes.pop() if len(sizes) == 1 else None

    def high(self, region: Region) -> int | None:
        """The region's end: its own, or that of one of the same size."""
        if region.high is not None:
            return region.high
        size = self.size()
        return None if size is None or not region.certain else region.low + size

    def end(self, region: Region) -> int:
        """The region's end, or how far it was seen to be used."""
        return self.high(region) or region.top

    def reserve(self) -> int:
        """Bytes that ordinary gets may not touch at a region's end; 0 until a reserved get."""
        return max((region.reserve for region in self.known), default=0)

    def of_first_get(self, base: int, *, certain: bool) -> Region:
        """The region of a process' first ordinary get on a CPU."""
        for region in self.known:
            if region.low == base or region.low <= base < self.end(region):
                region.certain = region.certain or (certain and region.low == base)
                return region
        region = Region(base, certain=certain, top=base)
        self.known.append(region)
        self.known.sort(key=lambda known: known.low)
        return region

    def containing(self, base: int) -> Region | None:
        """The region whose known part holds `base`."""
        for region in self.known:
            if region.low <= base < self.end(region):
                return region
        return None

# SPDX-License-Identifier: GPL-2.0-only
"""What a mermap may and may not do: one process' state on one CPU, checked at every get.

The rules (docs/trace.md): live allocations never overlap and lie inside their CPU's region; four
slots, and perhaps one more for the reserve; addresses go up until they no longer fit, then back
to the end of the highest live allocation, behind one flush of this CPU's TLB. The region's last
page is kept for reserved gets. In some versions they take no other; it then needs a flush before it
is used again, after which the ordinary addresses may start over too. In others they ride the bump
pointer, and only may go a page further than ordinary ones. Which it is shows in the trace. Nothing
else flushes, and a flush of another CPU or thread does not count.
"""

from __future__ import annotations

from mermapctl.breaches import Breaches, Evidence, span
from mermapctl.ranges import WaitingRanges
from mermapctl.regions import Region, Regions
from mermapctl.tables import NO_TABLES, Tables

SLOTS = 4
"""Live allocations per process and CPU."""

SAME_STRUCT = 2048
"""Allocations of one per-CPU structure lie closer than this; two CPUs' copies lie further apart."""


class Live:
    """An allocation between its get and its put."""

    __slots__ = ("alloc", "base", "end", "event", "flagged", "line", "reserved", "rode", "where")

    def __init__(
        self, alloc: int, where: str, base: int, end: int, line: int, event: int, *, reserved: bool
    ) -> None:
        self.alloc = alloc
        self.where = where
        self.base = base
        self.end = end
        self.line = line
        self.event = event
        self.reserved = reserved
        self.rode = False  # reserved, and where an ordinary get would have begun
        self.flagged = False


class CpuState:
    """One process (`mm`) on one CPU. `anchor` is an allocation's address in its per-CPU state.

    `fresh` says that the process is known to be new: its first get must take the region's base.
    `again` is where the next get may start instead of `next`, after a flush for the reserved page;
    `rode_to` too, where a reserved get that rode the bump pointer ended. `full` says that not one
    page was left behind `next` for an ordinary get. `first_reserve` and `reserve` are the reserved
    gets that came before the first ordinary one.
    """

    __slots__ = ("again", "anchor", "first_reserve", "fresh", "full", "gets", "live", "mm", "next",
                 "pages", "region", "reserve", "rode_to", "waiting")  # fmt: skip

    def __init__(self, mm: int, anchor: int, *, fresh: bool) -> None:
        self.mm = mm
        self.anchor = anchor
        self.fresh = fresh
        self.region: Region | None = None
        self.next: int | None = None
        self.again: tuple[int, ...] = ()
        self.rode_to: int | None = None
        self.full = False
        self.first_reserve: Live | None = None
        self.reserve: Live | None = None
        self.live: dict[int, Live] = {}
        self.waiting = WaitingRanges()
        self.gets = 0
        self.pages = 0  # handed out since the last flush

    def owns(self, alloc: int) -> bool:
        """Whether an allocation's address lies in this per-CPU structure."""
        return abs(alloc - self.anchor) < SAME_STRUCT

    def wraps_at(self, new: Live) -> bool:
        """Whether a get went back: a bump pointer cannot tell which addresses below are clean."""
        if new.reserved or self.next is None or new.base in self.again:
            return False
        return new.base < self.next

    def restarts(self) -> tuple[int, ...]:
        """Where a wrap must go: the end of the highest live allocation, else the region's base.

        A live reserved get that rode the bump pointer may count as one or not.
        """
        low = [self.region.low] if self.region else []
        ordinary = [live.end for live in self.live.values() if not live.reserved]
        rode = [live.end for live in self.live.values() if live.rode]
        starts = (ordinary or low, [*ordinary, *rode] or low)
        return tuple({max(ends): None for ends in starts if ends})

    def rides(self, new: Live) -> bool:
        """Whether a reserved get begins where an ordinary one might."""
        if self.next is None:
            return False
        if new.base in (self.next, self.rode_to, *self.again):
            return True
        return new.base < self.next and new.base in self.restarts()

    def pending_ride(self, new: Live) -> bool:
        """Whether the reserved gets before the first ordinary one, `new`, rode the bump pointer."""
        first, last = self.first_reserve, self.reserve
        if first is None or last is None:
            return False
        return first.base != last.base or new.base == last.end


class Rules:
    """The checks of a get, in order; the first that fails explains the ones after it."""

    def __init__(self, breaches: Breaches) -> None:
        self.breaches = breaches
        self.regions = Regions()
        self._early: tuple[int, int, Evidence] | None = None  # least room, line, evidence
        self._kept: bool | None = None  # whether reserved gets take no page but the last

    def place(
        self, cpu: CpuState, new: Live, others: list[CpuState], tables: Tables = NO_TABLES
    ) -> bool:
        """A get returned `new`: may it lie there? `others` are all states of its process.

        Returns whether a rule was broken, which explains whatever else is odd about this get.
        """
        return (
            self._overlap(cpu, new, others)
            | self._outside(cpu, new, others, tables)
            | self._too_many(cpu, new)
        )

    def reuse(self, cpu: CpuState, new: Live, *, explained: bool) -> bool:
        """Flushes are accounted for: may these addresses be used again, and is it their turn?

        Returns whether they were used before and not flushed since.
        """
        stale = self._stale(cpu, new)
        if not new.reserved:
            self._order(cpu, new, explained=explained or stale)
        elif new.rode and not self._kept:
            cpu.rode_to = new.end
        return stale

    def finish(self, cpus: int | None) -> None:
        """What only the whole trace can tell: a region's true size. `cpus` if they are known."""
        for region in self.regions.known:
            self._as_prepared(region, cpus)
        if self._early is None:
            return
        room, line, evidence = self._early
        fitted = max((self._fits(r) for r in self.regions.known if r.certain), default=0)
        if room <= fitted:
            evidence["fits"] = f"up to {fitted:#x} bytes from the base, as other gets show"
            self.breaches.note("bump-order", line, evidence)

    def _as_prepared(self, region: Region, cpus: int | None) -> None:
        """Does a region whose both ends were seen end where its page tables do?"""
        if region.high is None or region.tables is None or not region.certain:
            return
        unit = region.tables.unit(region.low, region.high - region.low, cpus)
        if unit is None or unit == region.high - region.low:
            return
        evidence: Evidence = {
            "region": span(region.low, region.high),
            "page tables": span(region.low, region.low + unit),
            "reserved get": f"line {region.high_line}",
        }
        if region.low + unit > region.high:
            self.breaches.note("region-too-small", region.high_line, evidence)
        else:
            evidence["why"] = "it ends behind the page tables that were prepared for it"
            self.breaches.note("outside-region", region.high_line, evidence)

    def _fits(self, region: Region) -> int:
        """Bytes that ordinary gets may use, as far as the trace shows."""
        if region.high is None:
            return region.top - region.low
        return region.high - region.reserve - region.low

    def _overlap(self, cpu: CpuState, new: Live, others: list[CpuState]) -> bool:
        for other in others:
            for live in other.live.values():
                if live.base < new.end and new.base < live.end:
                    evidence: Evidence = {
                        "live": f"line {live.line}: {span(live.base, live.end)}",
                        "get": f"line {new.line}: {span(new.base, new.end)}",
                        "mm": f"{cpu.mm:#x}",
                    }
                    self.breaches.note("overlap", new.line, evidence)
                    return True
        held = cpu.live.get(new.alloc)
        if held is not None:
            evidence = {
                "live": f"line {held.line}: slot {held.alloc:#x}, {span(held.base, held.end)}",
                "get": f"line {new.line}: the same slot, {span(new.base, new.end)}",
                "mm": f"{cpu.mm:#x}",
            }
            self.breaches.note("overlap", new.line, evidence)
            return True
        return False

    def _too_many(self, cpu: CpuState, new: Live) -> bool:
        ordinary = sum(not live.reserved for live in cpu.live.values()) + (not new.reserved)
        total = len(cpu.live) + 1
        if ordinary <= SLOTS and total <= SLOTS + 1:  # a version may keep a slot for the reserve
            return False
        lines = ", ".join(str(live.line) for live in cpu.live.values())
        evidence: Evidence = {
            "live": total,
            "gets still live": f"lines {lines}",
            "get": f"line {new.line}: {span(new.base, new.end)}",
            "slots": SLOTS,
        }
        self.breaches.note("too-many-live", new.line, evidence)
        return True

    def _outside(
        self, cpu: CpuState, new: Live, others: list[CpuState], tables: Tables
    ) -> bool:
        region = cpu.region
        why = None
        if region is None:
            if new.reserved:  # its page alone does not tell where the region begins
                cpu.first_reserve = cpu.first_reserve or new
                cpu.reserve = new
                return False
            region = cpu.region = self._first_get(cpu, new)
            if any(other.region is region for other in others if other is not cpu):
                why = "it lies in the region of another CPU: two per-CPU states share it"
        if why is None:
            why = self._reserved(cpu, region, new) if new.reserved else self._ordinary(region, new)
        region.tables = region.tables or tables.around(region.low)
        if why is None and region.tables and tables and not tables.hold(new.base, new.end):
            why = "no page tables were prepared for all of it"
        if why is None:
            return False
        high = self.regions.high(region)
        evidence: Evidence = {
            "get": f"line {new.line}: {span(new.base, new.end)}",
            "region": span(region.low, high) if high else f"from {region.low:#x}",
            "why": why,
            "mm": f"{cpu.mm:#x}",
        }
        if region.high_line:
            evidence["reserved get"] = f"line {region.high_line}"
        self.breaches.note("outside-region", new.line, evidence)
        return True

    def _first_get(self, cpu: CpuState, new: Live) -> Region:
        """The region of a process' first ordinary get on a CPU."""
        first, last = cpu.first_reserve, cpu.reserve
        if first is None or last is None:
            return self.regions.of_first_get(new.base, certain=cpu.fresh)
        if cpu.pending_ride(new):
            self._kept = False
            cpu.next = last.end
            for live in cpu.live.values():
                live.rode = live.reserved
            return self.regions.of_first_get(first.base, certain=cpu.fresh)
        region = self.regions.of_first_get(new.base, certain=cpu.fresh)
        self._reserve_learnt(region, last)
        return region

    def _reserved(self, cpu: CpuState, region: Region, new: Live) -> str | None:
        """A reserved get that does not ride takes the last page, and so does one on a full CPU."""
        new.rode = cpu.rides(new)
        if not new.rode:
            self._kept = self._kept is None or self._kept
        if self._kept or cpu.full:
            return self._reserve_learnt(region, new)
        high = self.regions.high(region)
        if high is not None and new.end > high:
            return "it ends beyond the region's last page as seen before"
        return None

    def _ordinary(self, region: Region, new: Live) -> str | None:
        high = self.regions.high(region)
        if new.base < region.low:
            if region.certain:
                return "it lies below the address at which this CPU's region starts"
            region.low = new.base
        if high is not None:
            if new.end > high:
                return "it ends beyond the page that the reserved get returned"
            if new.end > high - self.regions.reserve():
                return "it takes the page that is kept for the reserved get"
        if new.end > region.top:
            region.top, region.top_base, region.top_line = new.end, new.base, new.line
        return None

    def _reserve_learnt(self, region: Region, new: Live) -> str | None:
        high = self.regions.high(region)
        if high is not None and high != new.end:
            return "the reserved get's page is not the region's last one as seen before"
        if new.base < region.low:
            return "the reserved get's page lies below its region"
        region.high, region.reserve = new.end, new.end - new.base
        region.high_line = region.high_line or new.line
        if region.top > new.base:
            top = span(region.top_base, region.top)
            region.top = new.base
            return (
                f"the reserved get's page had been handed out to an ordinary get: line "
                f"{region.top_line}: {top}"
            )
        return None

    def _stale(self, cpu: CpuState, new: Live) -> bool:
        stale = [old for old in cpu.waiting.overlapping(new.base, new.end) if not old.washed]
        cpu.waiting.remove(new.base, new.end)
        if not stale:
            return False
        old = stale[0]
        evidence: Evidence = {
            "put": f"line {old.line}: {span(old.base, old.end)}",
            "flush": f"none by this thread on this CPU from line {old.line} to line {new.line}",
            "get": f"line {new.line}: {span(new.base, new.end)}",
            "mm": f"{cpu.mm:#x}",
            "region": f"from {cpu.region.low:#x}" if cpu.region else None,
        }
        if new.reserved:
            evidence["reserved"] = True
        self.breaches.note("stale-reuse", new.line, evidence)
        return True

    def _order(self, cpu: CpuState, new: Live, *, explained: bool) -> None:
        region, expected = cpu.region, cpu.next
        if not explained and region is not None and region.certain:
            if expected is None:
                if cpu.fresh and new.base != region.low:
                    self._disorder(new, "the first get starts at the region's base", region.low)
            elif new.base in (expected, *cpu.again):
                pass
            elif new.base == cpu.rode_to:
                self._kept = False
            elif new.base in cpu.restarts() and new.base < expected:
                self._wrapped(region, new, expected)
            else:
                self._disorder(new, "a get starts where the one before it ended", expected)
        cpu.next, cpu.again, cpu.rode_to, cpu.full = new.end, (), None, False

    def _disorder(self, new: Live, rule: str, expected: int) -> None:
        evidence: Evidence = {
            "get": f"line {new.line}: {span(new.base, new.end)}",
            "rule": rule,
            "expected": f"{expected:#x}",
        }
        self.breaches.note("bump-order", new.line, evidence)

    def _wrapped(self, region: Region, new: Live, expected: int) -> None:
        room = expected + (new.end - new.base) - region.low
        evidence: Evidence = {
            "get": f"line {new.line}: {span(new.base, new.end)}",
            "rule": "it goes back only where the request no longer fits",
            "expected": f"{expected:#x}",
        }
        if self._early is None or room < self._early[0]:
            self._early = (room, new.line, evidence)

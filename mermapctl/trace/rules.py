# SPDX-License-Identifier: GPL-2.0-only
"""The rules of a mermap: one process' state on one CPU, checked at every get.

docs/trace.md has the rules and their reasons. Live allocations never overlap and lie inside their
CPU's region; at most four are live. Addresses go up until a request no longer fits, then back to
the end of the highest live allocation, behind one flush of this CPU's TLB. A reserved get takes the
next address like any other, and it alone may reach the region's last page. Nothing else flushes,
and a flush of another CPU or thread does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mermapctl.trace.addresses import NO_TABLES, RESERVE, Region, Regions, Tables, WaitingRanges
from mermapctl.trace.timeline import Span
from mermapctl.trace.violations import Breaches, Evidence, span

SLOTS = 4
"""Live allocations per process and CPU, the reserved one among them."""

ORDINARY_SLOTS = 3
"""Those of ordinary gets in the later postings; in the first they may use all four."""

SAME_STRUCT = 2048
"""Distance below which allocations belong to one per-CPU structure."""


@dataclass(slots=True, eq=False)
class Live:
    """An allocation between its get and its put; `entries` as in `Span`."""

    alloc: int
    where: str
    base: int
    end: int
    line: int
    event: int
    reserved: bool
    flagged: bool = False
    entries: str = ""

    def until(self, event: int) -> Span:
        """Return its life up to `event`, for a timeline."""
        return Span(
            self.event, event, self.base, self.end, self.reserved, 1, self.line, self.entries
        )


@dataclass(slots=True, eq=False)
class CpuState:
    """One process (`mm`) on one CPU. `anchor` is an allocation's address in its per-CPU state.

    `fresh`: the process is known to be new, so its first get must take the region's base. `again`
    is where the next get may start instead of `next`, after an unneeded flush. `full`: not one page
    was left behind `next` for an ordinary get. `pages` were handed out and `reserves` reserved gets
    seen since the last flush.
    """

    mm: int
    anchor: int
    fresh: bool
    region: Region | None = None
    next: int | None = None
    again: tuple[int, ...] = ()
    full: bool = False
    live: dict[int, Live] = field(default_factory=dict)
    waiting: WaitingRanges = field(default_factory=WaitingRanges)
    gets: int = 0
    pages: int = 0
    reserves: int = 0

    def owns(self, alloc: int) -> bool:
        """Return whether an allocation's address lies in this per-CPU structure."""
        return abs(alloc - self.anchor) < SAME_STRUCT

    def wraps_at(self, new: Live) -> bool:
        """Return whether a get went back: a bump pointer cannot tell which addresses are clean."""
        if self.next is None or new.base in self.again:
            return False
        return new.base < self.next

    def ordinary(self) -> int:
        """Count live allocations that are not reserved."""
        return sum(not live.reserved for live in self.live.values())

    def restarts(self) -> tuple[int, ...]:
        """Return where a wrap must go: the end of the highest live allocation, else the base.

        Where the reserve has a slot of its own, the search may skip it.
        """
        low = [self.region.low] if self.region else []
        every = [live.end for live in self.live.values()]
        ordinary = [live.end for live in self.live.values() if not live.reserved]
        return tuple({max(ends): None for ends in (ordinary or low, every or low) if ends})


class Rules:
    """The checks of a get, in order; the first that fails explains the later ones.

    `cpus` is how many the kernel may use, where the console prints it.
    """

    def __init__(self, breaches: Breaches) -> None:
        self.breaches = breaches
        self.regions = Regions()
        self.cpus: int | None = None
        self.ordinary_slots = ORDINARY_SLOTS  # more, once more were live
        self._early: tuple[int, int, Evidence] | None = None  # least room, line, evidence

    def place(
        self, cpu: CpuState, new: Live, others: list[CpuState], tables: Tables = NO_TABLES
    ) -> bool:
        """Check the place of `new`, which a get returned; `others` are all states of its process.

        Returns whether a rule was broken, which explains other violations of this get.
        """
        return (
            self._overlap(cpu, new, others)
            | self._outside(cpu, new, others, tables)
            | self._too_many(cpu, new)
        )

    def reuse(self, cpu: CpuState, new: Live, *, explained: bool) -> bool:
        """After a flush is accounted for: check that these addresses may be used again, in order.

        Returns whether they were used before and not flushed since.
        """
        stale = self._stale(cpu, new)
        self._order(cpu, new, explained=explained or stale)
        return stale

    def without_slot(self, cpu: CpuState) -> bool:
        """Return whether an ordinary get may lack a slot here, as far as the slots are known."""
        return cpu.ordinary() >= self.ordinary_slots or len(cpu.live) >= SLOTS

    def refused(self, cpu: CpuState, size: int) -> bool:
        """Take a refused ordinary get; return whether the reason was lack of room.

        Without a free slot, or where the request would fit, the refusal proves nothing about the
        region's end.
        """
        if self.without_slot(cpu):
            return False
        region = cpu.region
        if region is None or cpu.next is None or not cpu.live:
            return False
        if max(cpu.restarts()) + size <= self.regions.top(region):
            return False
        if size <= RESERVE:
            cpu.full = True  # the thread cannot have left this CPU
        return True

    def finish(self) -> None:
        """Check a region's true size, which only the whole trace shows."""
        for region in self.regions.known:
            self._as_prepared(region)
        if self._early is None:
            return
        room, line, evidence = self._early
        fitted = max((self._fits(r) for r in self.regions.known if r.certain), default=0)
        if room <= fitted:
            evidence["fits"] = f"up to {fitted:#x} bytes from the base, as other gets show"
            self.breaches.note("bump-order", line, evidence)

    def _as_prepared(self, region: Region) -> None:
        """Check that a region whose both ends were seen ends where its page tables do."""
        if region.high is None or region.tables is None or not region.certain:
            return
        unit = region.tables.unit(region.low, region.high - region.low, self.cpus)
        if unit is None or unit == region.high - region.low:
            return
        evidence: Evidence = {
            "region": span(region.low, region.high),
            "page tables": span(region.low, region.low + unit),
            "reserved get": f"console line {region.high_line}",
        }
        if region.low + unit > region.high:
            self.breaches.note("region-too-small", region.high_line, evidence)
        else:
            evidence["why"] = "it ends behind the page tables that were prepared for it"
            self.breaches.note("outside-region", region.high_line, evidence)

    def _fits(self, region: Region) -> int:
        """Return the bytes available to ordinary gets, as far as the trace shows."""
        if region.high is None:
            return region.top - region.low
        return region.high - RESERVE - region.low

    def _overlap(self, cpu: CpuState, new: Live, others: list[CpuState]) -> bool:
        for other in others:
            for live in other.live.values():
                if live.base < new.end and new.base < live.end:
                    evidence: Evidence = {
                        "live": f"console line {live.line}: {span(live.base, live.end)}",
                        "get": f"console line {new.line}: {span(new.base, new.end)}",
                        "mm": f"{cpu.mm:#x}",
                    }
                    self.breaches.note("overlap", new.line, evidence)
                    return True
        held = cpu.live.get(new.alloc)
        if held is not None:
            evidence = {
                "live": f"console line {held.line}: slot {held.alloc:#x}, "
                f"{span(held.base, held.end)}",
                "get": f"console line {new.line}: the same slot, {span(new.base, new.end)}",
                "mm": f"{cpu.mm:#x}",
            }
            self.breaches.note("overlap", new.line, evidence)
            return True
        return False

    def _too_many(self, cpu: CpuState, new: Live) -> bool:
        """Report more than four live; four ordinary ones show that the reserve has no slot."""
        ordinary = cpu.ordinary() + (not new.reserved)
        self.ordinary_slots = min(max(self.ordinary_slots, ordinary), SLOTS)
        total = len(cpu.live) + 1
        if total <= SLOTS:
            return False
        lines = ", ".join(str(live.line) for live in cpu.live.values())
        evidence: Evidence = {
            "live": total,
            "gets still live": f"lines {lines}",
            "get": f"console line {new.line}: {span(new.base, new.end)}",
            "slots": SLOTS,
        }
        self.breaches.note("too-many-live", new.line, evidence)
        return True

    def _outside(self, cpu: CpuState, new: Live, others: list[CpuState], tables: Tables) -> bool:
        region = cpu.region
        why = None
        if region is None:
            region = cpu.region = self.regions.of_first_get(new.base, certain=cpu.fresh)
            if any(other.region is region for other in others if other is not cpu):
                why = "it lies in the region of another CPU: two per-CPU states share it"
        region.tables = region.tables or tables.around(region.low)
        if why is None:
            why = self._beyond(cpu, region, new)
        if why is None and region.tables and tables and not tables.hold(new.base, new.end):
            why = "no page tables were prepared for all of it"
        if why is None:
            return False
        high = self.regions.high(region, self.cpus)
        evidence: Evidence = {
            "get": f"console line {new.line}: {span(new.base, new.end)}",
            "region": span(region.low, high) if high else f"from {region.low:#x}",
            "why": why,
            "mm": f"{cpu.mm:#x}",
        }
        if region.high_line:
            evidence["reserved get"] = f"console line {region.high_line}"
        self.breaches.note("outside-region", new.line, evidence)
        return True

    def _beyond(self, cpu: CpuState, region: Region, new: Live) -> str | None:
        """Return how a get leaves its region, as far as its ends are known."""
        if new.base < region.low:
            if region.certain:
                return "it lies below the address at which this CPU's region starts"
            region.low = new.base
        if new.reserved and cpu.full and new.base == cpu.next:
            self.regions.ends(region, new.end, new.line)
        high = self.regions.high(region, self.cpus)
        if high is not None and new.end > high:
            return "it ends beyond the region's last page"
        if new.reserved:
            return None
        if high is not None and new.end > high - RESERVE:
            return "it takes the page that is kept for the reserved get"
        region.top = max(region.top, new.end)
        return None

    def _stale(self, cpu: CpuState, new: Live) -> bool:
        stale = [old for old in cpu.waiting.overlapping(new.base, new.end) if not old.washed]
        cpu.waiting.remove(new.base, new.end)
        if not stale:
            return False
        old = stale[0]
        evidence: Evidence = {
            "put": f"console line {old.line}: {span(old.base, old.end)}",
            "flush": f"none by this thread on this CPU, console lines {old.line} to {new.line}",
            "get": f"console line {new.line}: {span(new.base, new.end)}",
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
            elif new.base in cpu.restarts() and new.base < expected:
                self._wrapped(region, new, expected)
            else:
                self._disorder(new, "a get starts where the one before it ended", expected)
        cpu.next, cpu.again, cpu.full = new.end, (), False

    def _disorder(self, new: Live, rule: str, expected: int) -> None:
        evidence: Evidence = {
            "get": f"console line {new.line}: {span(new.base, new.end)}",
            "rule": rule,
            "expected": f"{expected:#x}",
        }
        self.breaches.note("bump-order", new.line, evidence)

    def _wrapped(self, region: Region, new: Live, expected: int) -> None:
        """Remember the wrap with most room left: only the whole trace shows if it was needed."""
        room = expected + (new.end - new.base) - region.low
        if new.reserved:
            room -= RESERVE  # it may extend a page further
        evidence: Evidence = {
            "get": f"console line {new.line}: {span(new.base, new.end)}",
            "rule": "it goes back only where the request no longer fits",
            "expected": f"{expected:#x}",
        }
        if self._early is None or room < self._early[0]:
            self._early = (room, new.line, evidence)

# SPDX-License-Identifier: GPL-2.0-only
"""Page table entries, as read from the guest's memory: do they map what was asked for? Pure.

`get()` and `put()` stand for the kernel's `__mermap_get()` and `__mermap_put()`. These rules apply
to every mermap, in whatever way it walks page tables:

- After a `get()`, all entries of its range are present. They have the pages and the protection that
  were asked for, and none is global.
- After a `put()`, no entry of its range is present.
- In the process' top-level slot, only entries of live ranges are present.
- A `get()` uses the state of the CPU on which it returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mermapctl.trace.addresses import PAGE
from mermapctl.trace.entry_rules import PRESENT, Frames, Odd, Written, frame_of
from mermapctl.trace.processes import LIVE
from mermapctl.trace.timeline import EntriesRead
from mermapctl.trace.violations import Breaches, Evidence, span
from mermapctl.trace.witness_log import spelled

WRITABLE, USER, WRITE_THROUGH, UNCACHED = 1 << 1, 1 << 2, 1 << 3, 1 << 4
GLOBAL, NO_EXECUTE = 1 << 8, 1 << 63
_PROTECTION = {
    WRITABLE: "writable", USER: "user", WRITE_THROUGH: "write-through", UNCACHED: "uncached",
    NO_EXECUTE: "no-execute",
}  # fmt: skip
"""Bits of an entry that a protection is made of (arch/x86/include/asm/pgtable_types.h).

The CPU sets accessed and dirty bits by itself.
"""
LEFT = 1 << 16
"""The most entries left behind whose addresses are kept, to report each of them once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of a `get()`: process, frame of the first page (-1: unknown), protection."""

    mm: int
    frame: int
    page: int
    protection: int


class Mapping(NamedTuple):
    """A range that a `get()` returned, and the line at which it returned."""

    mm: int
    base: int
    end: int
    line: int


class Mapped:
    """Checks entries against the rules. `executable`: the CPU has no NX bit."""

    def __init__(self, breaches: Breaches) -> None:
        self._breaches = breaches
        self._frames = Frames(breaches)
        self._live: dict[int, Mapping] = {}
        self._putting: dict[int, Mapping] = {}
        self._left: set[tuple[int, int]] = set()
        self.read: dict[int, EntriesRead] = {}
        self.executable = False
        self.checked = 0
        self.gets = 0
        self.later_pages = False
        self.unmaps = False

    def got(
        self,
        alloc: int,
        asked: Asked,
        new: Mapping,
        low: int,
        entries: Sequence[int],
        *,
        placed: bool,
    ) -> None:
        """Check the `entries` that were read right after a `get()` returned `new`.

        The first of `entries` is that of the address `low`. Without `placed` another rule reports
        where the range lies: that there is no page table is then no fault of its own.
        """
        self._putting.pop(alloc, None)
        before = (new.base - low) // PAGE
        own = entries[before : before + (new.end - new.base) // PAGE]
        if len(self._live) >= LIVE:
            raise ValueError("more is live than any mermap can have")
        self._live[alloc] = new
        self.gets += 1
        self.checked += len(own)
        frame = asked.frame if asked.frame >= 0 else None
        self.read[new.line] = EntriesRead(spelled(own), frame)
        self.later_pages = self.later_pages or len(own) > 1
        self._left -= {(new.mm, at) for at in range(new.base, new.end, PAGE)}
        absent = next((at for at, entry in enumerate(own) if not entry & PRESENT), None)
        if absent is not None:
            odd = Odd(new.base + absent * PAGE, own[absent], -1)
            if placed or odd.entry:
                more = {"entry": str(odd), **_asked(asked, absent)}
                self._note("wrong-range-mapped", new, more)
        elif not self._shows(asked, new, own):
            self._protects(asked, new, own)
        around = [(low + at * PAGE, entry) for at, entry in enumerate(entries)]
        self._strays(new.mm, around, new, "get")

    def on_cpu(self, new: Mapping, entry: int, cpu: int, home: int) -> None:
        """Check that a `get()` on `cpu` used its own state, not that in the data of CPU `home`."""
        if cpu != home:
            why = f"it is in the state of CPU {home}, and the get returned on CPU {cpu}"
            self._note("outside-region", new, {"entry": entry_at(new.base, entry), "why": why})

    def put(self, alloc: int) -> None:
        """Note that a `put()` begins: until it ends, its entries may be present or not."""
        found = self._live.pop(alloc, None)
        if found is not None:
            self._putting[alloc] = found

    def after(self, alloc: int, line: int, base: int, entries: Sequence[int]) -> None:
        """Check that none of `entries` is present after a `put()` of their range at `base`."""
        old = self._putting.pop(alloc, None)
        if old is None or base != old.base:
            return
        self.checked += len(entries)
        self.unmaps = True
        left = [(base + at * PAGE, entry) for at, entry in enumerate(entries) if entry & PRESENT]
        left = [(at, entry) for at, entry in left if not self._owned(old.mm, at)]
        known = self.read.get(old.line)
        if known is not None:
            self.read[old.line] = known._replace(left=spelled([entry for _, entry in left]))
        if not left:
            return
        self._remember(old.mm, (at for at, _ in left))
        evidence: Evidence = {
            "put": f"line {line}: {span(old.base, old.end)}",
            "entry": _present(*left[0]),
            "entries still present": len(left),
        }
        self._breaches.note("not-unmapped", line, evidence)

    def slot(self, mm: int, line: int, found: Sequence[tuple[int, int]]) -> None:
        """Check all present entries of a process' slot: pairs of an address and an entry.

        They must be read while no `get()` writes entries.
        """
        self.checked += len(found)
        self._strays(mm, found, line, "slot read")

    def gone(self, mm: int) -> None:
        """Forget a process that has ended."""
        for each in (self._live, self._putting):
            for alloc in [alloc for alloc, mapping in each.items() if mapping.mm == mm]:
                del each[alloc]
        self._left = {(owner, at) for owner, at in self._left if owner != mm}

    def test_ended(self) -> None:
        """Forget all mappings at a test's end.

        An mm may be freed without an event, and a new one may have the same address.
        """
        self._live.clear()
        self._putting.clear()
        self._left.clear()

    def finish(self) -> None:
        """Report the pages whose frames contradict those of all other pages."""
        self._frames.finish()

    def _shows(self, asked: Asked, new: Mapping, own: Sequence[int]) -> bool:
        """Report an entry that maps another page than asked for; return whether there is one."""
        if asked.frame < 0:  # unknown: compare this page's frame with those of other pages
            written = Written()
            for at, entry in enumerate(own):
                written.add(new.base + at * PAGE, entry)
            self._frames.got(asked.page, written, new.line, new.base, new.end)
            return written.odd is not None
        for at, entry in enumerate(own):
            if frame_of(entry) != asked.frame + at:
                odd = Odd(new.base + at * PAGE, entry, asked.frame + at)
                self._note("wrong-page", new, {"entry": str(odd)})
                return True
        return False

    def _protects(self, asked: Asked, new: Mapping, own: Sequence[int]) -> None:
        for at, entry in enumerate(own):
            why = self._misprotected(entry, asked.protection)
            if why:
                what = f"PTE {entry:#x} at {new.base + at * PAGE:#x}, asked {asked.protection:#x}"
                self._note("wrong-protection", new, {"entry": what, "why": why})
                return

    def _misprotected(self, entry: int, protection: int) -> str:
        if entry & GLOBAL:
            return "the entry is global, and outlives a flush of one address space"
        for bit, name in _PROTECTION.items():
            if bit == NO_EXECUTE and self.executable:
                continue
            if (entry ^ protection) & bit:
                return f"the entry is {name}" if entry & bit else f"the entry is not {name}"
        return ""

    def _strays(
        self, mm: int, found: Iterable[tuple[int, int]], seen: Mapping | int, what: str
    ) -> None:
        """Report present entries at addresses where the process has no mapping, each entry once."""
        left = [
            (at, entry)
            for at, entry in found
            if entry & PRESENT and (mm, at) not in self._left and not self._owned(mm, at)
        ]
        if not left:
            return
        self._remember(mm, (at for at, _ in left))
        line = seen if isinstance(seen, int) else seen.line
        where = "" if isinstance(seen, int) else f": {span(seen.base, seen.end)}"
        evidence: Evidence = {
            what: f"line {line}{where}",
            "entry": _present(*left[0]),
            "entries present outside live ranges": len(left),
        }
        self._breaches.note("wrong-range-mapped", line, evidence)

    def _owned(self, mm: int, address: int) -> bool:
        """Return whether an address is in a live mapping, or in one whose `put()` still runs."""
        return any(
            mapping.mm == mm and mapping.base <= address < mapping.end
            for each in (self._live, self._putting)
            for mapping in each.values()
        )

    def _remember(self, mm: int, addresses: Iterable[int]) -> None:
        for at in addresses:
            if len(self._left) < LEFT:
                self._left.add((mm, at))

    def _note(self, code: str, new: Mapping, more: Evidence) -> None:
        evidence: Evidence = {"get": f"line {new.line}: {span(new.base, new.end)}", **more}
        self._breaches.note(code, new.line, evidence)


def entry_at(address: int, entry: int) -> str:
    """Return an entry as evidence."""
    if not entry & PRESENT:
        return str(Odd(address, entry, -1))
    return f"PTE {entry:#x} at {address:#x}, page {frame_of(entry):#x}"


def _present(address: int, entry: int) -> str:
    return f"{entry_at(address, entry)}, asked none"


def _asked(asked: Asked, at: int) -> Evidence:
    return {} if asked.frame < 0 else {"asked": f"page {asked.frame + at:#x}"}

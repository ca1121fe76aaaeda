# SPDX-License-Identifier: GPL-2.0-only
"""The page table entries themselves, as read from outside: do they map what was asked for? Pure.

The rules hold for every mermap, however it walks page tables: after a get all entries of its range
are present, show the pages asked for with the protection asked for, and are never global; after a
put none is present; no other entry of the process' top-level slot is, but those of live ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mermapctl.trace.addresses import PAGE
from mermapctl.trace.entries import PRESENT, Frames, Odd, Written, frame_of
from mermapctl.trace.violations import Breaches, Evidence, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
"""Addresses of entries left behind that are remembered, so that each is reported once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a get asked for: its process, the frame of its first page (-1: unknown), protection."""

    mm: int
    frame: int
    page: int
    protection: int


class Mapping(NamedTuple):
    """A range that a get returned, and the line at which it did."""

    mm: int
    base: int
    end: int
    line: int


class Mapped:
    """Holds entries against the rules; `executable` where the CPU has no NX."""

    def __init__(self, breaches: Breaches) -> None:
        self._breaches = breaches
        self._frames = Frames(breaches)
        self._live: dict[int, Mapping] = {}
        self._putting: dict[int, Mapping] = {}
        self._left: set[tuple[int, int]] = set()
        self.executable = False
        self.checked = 0
        self.gets = 0
        self.later_pages = False
        self.unmaps = False

    def got(self, alloc: int, asked: Asked, new: Mapping, low: int, entries: Sequence[int]) -> None:
        """A get returned `new`; right after it `entries` were read, from the address `low` on."""
        self._putting.pop(alloc, None)
        before = (new.base - low) // PAGE
        own = entries[before : before + (new.end - new.base) // PAGE]
        self._live[alloc] = new
        self.gets += 1
        self.checked += len(own)
        self.later_pages = self.later_pages or len(own) > 1
        self._left -= {(new.mm, at) for at in range(new.base, new.end, PAGE)}
        absent = next((at for at, entry in enumerate(own) if not entry & PRESENT), None)
        if absent is not None:
            odd = Odd(new.base + absent * PAGE, own[absent], -1)
            self._note("wrong-range-mapped", new, {"entry": str(odd), **_asked(asked, absent)})
        elif not self._shows(asked, new, own):
            self._protects(asked, new, own)
        around = [(low + at * PAGE, entry) for at, entry in enumerate(entries)]
        self._strays(new.mm, around, new, "get")

    def put(self, alloc: int) -> None:
        """A put begins: its entries may go from now on."""
        found = self._live.pop(alloc, None)
        if found is not None:
            self._putting[alloc] = found

    def after(self, alloc: int, line: int, base: int, entries: Sequence[int]) -> None:
        """A put has ended; `entries` are those of its range, from `base` on."""
        old = self._putting.pop(alloc, None)
        if old is None or base != old.base:
            return
        self.checked += len(entries)
        self.unmaps = True
        left = [(base + at * PAGE, entry) for at, entry in enumerate(entries) if entry & PRESENT]
        left = [(at, entry) for at, entry in left if not self._owned(old.mm, at)]
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
        """All present entries of a process' slot, as (address, entry), while no get fills any."""
        self.checked += len(found)
        self._strays(mm, found, line, "slot read")

    def gone(self, mm: int) -> None:
        """A process has ended."""
        for each in (self._live, self._putting):
            for alloc in [alloc for alloc, mapping in each.items() if mapping.mm == mm]:
                del each[alloc]
        self._left = {(owner, at) for owner, at in self._left if owner != mm}

    def test_ended(self) -> None:
        """A test is over: an mm may be freed, unseen, and its address used again."""
        self._live.clear()
        self._putting.clear()
        self._left.clear()

    def finish(self) -> None:
        """What only all gets together can tell."""
        self._frames.finish()

    def _shows(self, asked: Asked, new: Mapping, own: Sequence[int]) -> bool:
        """Whether another page was shown, which is noted."""
        if asked.frame < 0:  # then pages are held against each other
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
        """Entries that are present where nothing of the process is mapped, each once."""
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
        """Whether an address belongs to a mapping that lives, or whose put has not ended."""
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


def _present(address: int, entry: int) -> str:
    return f"PTE {entry:#x} at {address:#x}, page {frame_of(entry):#x}, asked none"


def _asked(asked: Asked, at: int) -> Evidence:
    return {} if asked.frame < 0 else {"asked": f"page {asked.frame + at:#x}"}

# SPDX-License-Identifier: GPL-2.0-only
"""Page table entries written by a get: whether they map all of the pages requested. Pure.

Each entry is printed as read after its callback returned, so its frame number is the page that the
CPU will use. A get names a page by `struct page`, of which only the address is printed. x86-64
keeps these in one array (SPARSEMEM_VMEMMAP, include/asm-generic/memory_model.h), so a page's
address and its frame number differ by the same for all pages; that difference is learnt.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from mermapctl.trace.addresses import PAGE
from mermapctl.trace.violations import Breaches, Evidence, span
from mermapctl.trace.witness_log import EntryRun

PRESENT = 1
_FRAME = (1 << 52) - PAGE  # arch/x86/include/asm/pgtable_types.h, PTE_PFN_MASK
STRUCT_PAGE = 64
"""Bytes of a `struct page` on x86-64, unless a debug option makes it longer."""
PAGES = 256
"""Pages remembered at most."""
ENOUGH = 3
"""Pages that must agree before another one is reported as wrong."""


def frame_of(entry: int) -> int:
    """Return the frame number in an entry."""
    return (entry & _FRAME) // PAGE


class Odd(NamedTuple):
    """An entry with another frame than requested, or with none (`asked` -1)."""

    address: int
    entry: int
    asked: int

    def __str__(self) -> str:
        if self.asked < 0:
            return f"PTE {self.entry:#x} at {self.address:#x}, not present"
        shown = frame_of(self.entry)
        return f"PTE {self.entry:#x} at {self.address:#x}, page {shown:#x}, asked {self.asked:#x}"


class Written:
    """The entries that one get wrote; those of a correct get ascend without a gap."""

    __slots__ = ("apart", "base", "end", "entry", "odd")

    def __init__(self) -> None:
        self.base = 0
        self.end = 0
        self.entry = 0
        self.apart = False
        self.odd: Odd | None = None

    def __bool__(self) -> bool:
        """Return whether any entry was written."""
        return self.end > self.base

    def __str__(self) -> str:
        return span(self.base, self.end) if self else "none"

    def add(self, address: int, entry: int) -> None:
        """Add the next entry."""
        if not self:
            self.base, self.entry = address, entry
        elif address != self.end:
            self.apart = True
        asked = frame_of(self.entry) + (address - self.base) // PAGE
        if self.odd is None and not entry & PRESENT:
            self.odd = Odd(address, entry, -1)
        elif self.odd is None and frame_of(entry) != asked:
            self.odd = Odd(address, entry, asked)
        self.end = address + PAGE

    def spelled(self) -> str:
        """Return the entries as runs, up to the first out of order; "" if addresses are skipped."""
        if not self or self.apart:
            return ""
        if self.odd is None:
            return str(EntryRun(self.entry, (self.end - self.base) // PAGE, PAGE))
        before = (self.odd.address - self.base) // PAGE
        first = f"{EntryRun(self.entry, before, PAGE)}," if before else ""
        return f"{first}{self.odd.entry:#x}"

    def covers(self, base: int, end: int) -> bool:
        """Return whether exactly the entries of `[base, end)` were written."""
        return not self.apart and (self.base, self.end) == (base, end)


@dataclass(slots=True)
class _FirstShown:
    """The frame in one page's first get."""

    frame: int
    entry: int
    address: int
    line: int
    times: int = 1


class Frames:
    """The frame of each page, over all gets of a trace."""

    def __init__(self, breaches: Breaches) -> None:
        self._breaches = breaches
        self._pages: dict[int, _FirstShown] = {}

    def got(self, page: int, written: Written, line: int, base: int, end: int) -> None:
        """Take a get of `page` that returned `[base, end)` and wrote these entries."""
        if written.odd is not None:
            self._wrong(line, base, end, written.odd)
        elif page > 0:
            self._compare(page, written, line, base, end)

    def _compare(self, page: int, written: Written, line: int, base: int, end: int) -> None:
        frame = frame_of(written.entry)
        known = self._pages.get(page)
        if known is None:
            if len(self._pages) < PAGES:
                self._pages[page] = _FirstShown(frame, written.entry, base, line)
        elif known.frame != frame:
            self._wrong(line, base, end, Odd(written.base, written.entry, known.frame))
        else:
            known.times += 1

    def finish(self) -> None:
        """Report the pages whose frames contradict those of all other pages."""
        apart = Counter(page // STRUCT_PAGE - shown.frame for page, shown in self._pages.items())
        if not apart:
            return
        usual, times = apart.most_common(1)[0]
        if times < ENOUGH or times * 4 < len(self._pages) * 3:
            return  # no array of that shape
        for page, shown in self._pages.items():
            asked = page // STRUCT_PAGE - usual
            if asked != shown.frame:
                odd = Odd(shown.address, shown.entry, asked)
                self._wrong(shown.line, shown.address, None, odd, times=shown.times)

    def _wrong(self, line: int, base: int, end: int | None, odd: Odd, times: int = 1) -> None:
        where = span(base, end) if end else f"from {base:#x}"
        evidence: Evidence = {"get": f"console line {line}: {where}", "entry": str(odd)}
        self._breaches.note("wrong-page", line, evidence, times=times)

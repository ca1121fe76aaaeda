# SPDX-License-Identifier: GPL-2.0-only
"""Find an x86-64 kernel's page tables and `struct page`s by reading the guest's memory.

Only the CPU's own offsets are built in. A value that makes no sense is refused, with a sentence:

- levels: CR4.LA57, the bit by which the CPU itself decides;
- the direct map and the array of `struct page`: `page_offset_base` and `vmemmap_base` or, if the
  kernel was built without KASLR for memory, the constants in
  arch/x86/include/asm/{page_64_types,pgtable_64_types}.h;
- `pgd` in `struct mm_struct`: where `init_mm` has the address of `init_top_pgt`;
- the size of a `struct page`: pgd_set_mm() (arch/x86/mm/pgtable.c) keeps the mm in the `struct
  page` of each top-level table, so only one size leads from that table to its mm.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from mermapctl.runner.gdb_client import GdbClient
from mermapctl.runner.gdb_packets import StubError
from mermapctl.runner.system_map import SystemMap

PAGE = 4096
WORD = 8
ENTRIES = 512
FRAME = (1 << 52) - PAGE
PRESENT, HUGE = 1, 1 << 7
LA57 = 1 << 12
NXE = 1 << 11
DIRECT_MAP = {4: 0xFFFF888000000000, 5: 0xFF11000000000000}
VMEMMAP = {4: 0xFFFFEA0000000000, 5: 0xFFD4000000000000}
LARGEST_MM = 4096
"""The most bytes of `init_mm` in which `pgd` is searched."""
PAGE_SIZES = range(40, 264, 8)
"""Possible sizes of a `struct page`: 64 bytes, less or more under some debug options."""
KERNEL_TEXT, KERNEL_TEXT_SIZE, ALIGNMENT = 0xFFFFFFFF80000000, 1 << 30, 2 << 20
BANNER = b"Linux version "
POLL = 0.05
"""Seconds between two checks where a kernel has moved itself."""
MOST_POLLS = 2000


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """Facts of a running kernel: offset of `pgd` in its mm, table `levels`, addresses of its maps.

    `struct_page` is the size of a `struct page` in bytes, 0 if it is unknown. `cpus` is the number
    of CPUs that the kernel may use, 0 if it is unknown. `nx`: entries can forbid execution; None if
    QEMU does not show it. `stack` is the size of a kernel stack.
    """

    offset: int
    levels: int
    direct_map: int
    vmemmap: int
    pgd: int
    cpus: int
    nx: bool | None
    stack: int
    struct_page: int = 0


def is_here(client: GdbClient, system_map: SystemMap, offset: int) -> bool:
    """Return whether the kernel's banner is at its address in System.map plus `offset`."""
    banner = system_map.one("linux_banner")
    if banner is None:
        return False
    return client.try_read([(banner + offset, len(BANNER))]) == [BANNER]


def moved(client: GdbClient, system_map: SystemMap) -> int | None:
    """Return how far KASLR has moved the kernel; None until it is at its final address.

    KASLR chooses a place in the 1 GiB for kernel text, at a multiple of 2 MiB
    (CONFIG_PHYSICAL_ALIGN).
    """
    text, banner = system_map.one("_text"), system_map.one("linux_banner")
    if text is None or banner is None:
        raise StubError("System.map does not name _text and linux_banner")
    offsets = [0, *(KERNEL_TEXT + at - text for at in range(0, KERNEL_TEXT_SIZE, ALIGNMENT))]
    read = client.try_read([(banner + offset, len(BANNER)) for offset in offsets])
    found = {offset for offset, text in zip(offsets, read, strict=True) if text == BANNER}
    return found.pop() if len(found) == 1 else None


def find(client: GdbClient, system_map: SystemMap) -> int:
    """Let the guest run until its kernel has moved itself; return how far.

    Raises StubError if the kernel is found too late, or not at all.
    """
    state = system_map.one("system_state")
    if state is None:
        raise StubError("System.map does not name system_state")
    for _ in range(MOST_POLLS):
        client.go_on()
        try:
            if client.stopped(POLL).exited:
                raise StubError("the guest ended before its kernel was found")
        except TimeoutError:
            client.interrupt()
        offset = moved(client, system_map)
        if offset is not None:
            if int.from_bytes(client.read(state + offset, 4), "little"):
                raise StubError("the kernel was found only when its boot had come too far")
            return offset
    raise StubError("no kernel of this System.map was found in the guest")


def learn(client: GdbClient, system_map: SystemMap, offset: int) -> KernelFacts:
    """Return all facts but the size of a `struct page`. Raises StubError with the reason."""
    if not is_here(client, system_map, offset):
        raise StubError("the guest's kernel is not the one of this System.map")
    cr4 = client.control("cr4")
    if cr4 is None:
        raise StubError("QEMU's gdb stub does not show CR4, which says how many levels tables have")
    levels = 5 if cr4 & LA57 else 4
    efer = client.control("efer")
    return KernelFacts(
        offset=offset,
        levels=levels,
        direct_map=_variable(client, system_map, "page_offset_base", offset) or DIRECT_MAP[levels],
        vmemmap=_variable(client, system_map, "vmemmap_base", offset) or VMEMMAP[levels],
        pgd=_pgd(client, system_map, offset),
        cpus=_cpus(client, system_map, offset),
        nx=None if efer is None else bool(efer & NXE),
        stack=_stack(system_map),
    )


def with_struct_page(client: GdbClient, facts: KernelFacts, mm: int) -> KernelFacts:
    """Return the facts with the size of a `struct page`, found by the top-level table of `mm`."""
    table = client.words(mm + facts.pgd)[0] - facts.direct_map
    if table < 0 or table % PAGE:
        raise StubError(f"the mm at {mm:#x} has no page table in the direct map")
    number = table // PAGE
    places = [(facts.vmemmap + number * size, size) for size in PAGE_SIZES]
    read = client.try_read(places)
    wanted = struct.pack("<Q", mm)
    fitting = [
        size
        for size, words in zip(PAGE_SIZES, read, strict=True)
        if words is not None and any(words[at : at + WORD] == wanted for at in range(0, size, WORD))
    ]
    return replace(facts, struct_page=fitting[0]) if len(fitting) == 1 else facts


def _variable(client: GdbClient, system_map: SystemMap, name: str, offset: int) -> int | None:
    address = system_map.one(name)
    return None if address is None else client.words(address + offset)[0]


def _pgd(client: GdbClient, system_map: SystemMap, offset: int) -> int:
    init_mm, table = system_map.one("init_mm"), system_map.one("init_top_pgt")
    if init_mm is None or table is None:
        raise StubError("System.map does not name init_mm and init_top_pgt")
    size = min(system_map.size("init_mm"), LARGEST_MM)
    words = client.words(init_mm + offset, size // WORD) if size >= WORD else ()
    fitting = [at * WORD for at, word in enumerate(words) if word == table + offset]
    if len(fitting) != 1:
        raise StubError(
            f"init_mm holds the address of init_top_pgt {len(fitting)} times: where an mm keeps "
            "its page table cannot be told"
        )
    return fitting[0]


def _cpus(client: GdbClient, system_map: SystemMap, offset: int) -> int:
    """Return how many CPUs the kernel may use: `nr_cpu_ids`, or 1 if it has none; 0: unknown."""
    address = system_map.one("nr_cpu_ids")
    if address is not None:
        return int.from_bytes(client.read(address + offset, 4), "little")
    return 0 if system_map.one("__per_cpu_offset") else 1


def _stack(system_map: SystemMap) -> int:
    """Return the size of a kernel stack: that of the first task, from the linker's symbols."""
    low, high = system_map.one("__start_init_stack"), system_map.one("__end_init_stack")
    if low is None or high is None:
        return 4 * PAGE
    size = high - low
    return size if size >= PAGE and size & (size - 1) == 0 else 4 * PAGE


class PageTables:
    """Reads the entries of processes' page tables; caches the addresses of the lowest tables."""

    def __init__(self, client: GdbClient, facts: KernelFacts) -> None:
        self._client = client
        self._facts = facts
        self._lowest: dict[tuple[int, int], int] = {}

    def forget(self, mm: int | None = None) -> None:
        """Forget the tables of a process, or of all, because some may have been made or freed."""
        if mm is None:
            self._lowest.clear()
            return
        for key in [each for each in self._lowest if each[0] == mm]:
            del self._lowest[key]

    def entries(self, mm: int, low: int, high: int) -> list[int]:
        """Return the current values of the entries of `[low, high)`; 0 for one without a table."""
        places: list[tuple[int, int] | None] = []
        counts = []
        at = low
        while at < high:
            table = self._table(mm, at)
            first = at // PAGE % ENTRIES
            count = min(ENTRIES - first, (high - at) // PAGE)
            counts.append(count)
            places.append(None if table is None else (table + first * WORD, count * WORD))
            at += count * PAGE
        read = iter(self._client.read_all([each for each in places if each is not None]))
        found: list[int] = []
        for place, count in zip(places, counts, strict=True):
            found += [0] * count if place is None else struct.unpack(f"<{count}Q", next(read))
        return found

    def slot(self, mm: int, address: int, most: int) -> list[tuple[int, int]] | None:
        """Return every present entry below the top-level entry of `address`, as (address, entry).

        Return None if there are more than `most` tables.
        """
        shift = 12 + 9 * (self._facts.levels - 1)
        low = address >> shift << shift
        top = self._client.words(mm + self._facts.pgd)[0]
        tables = [(low, each) for each in self._client.words(top + (low >> shift) % ENTRIES * WORD)]
        for level in range(self._facts.levels - 1, 0, -1):
            there = [(at, entry) for at, entry in tables if entry & PRESENT and not entry & HUGE]
            if len(there) > most:
                return None
            size = 1 << 12 + 9 * (level - 1)
            read = self._client.read_all([(self._direct(entry), PAGE) for _, entry in there])
            tables = [
                (base + number * size, entry)
                for (base, _), page in zip(there, read, strict=True)
                for number, entry in enumerate(struct.unpack(f"<{ENTRIES}Q", page))
                if entry & PRESENT
            ]
        return tables

    def _direct(self, entry: int) -> int:
        return self._facts.direct_map + (entry & FRAME)

    def _table(self, mm: int, address: int) -> int | None:
        """Return the address of `address`' lowest table in the direct map; None: it has none."""
        key = (mm, address >> 21)
        known = self._lowest.get(key)
        if known is not None:
            return known
        table = self._client.words(mm + self._facts.pgd)[0]
        for level in range(self._facts.levels, 1, -1):
            number = address >> 12 + 9 * (level - 1) & ENTRIES - 1
            entry = self._client.words(table + number * WORD)[0]
            if not entry & PRESENT or entry & HUGE:
                return None
            table = self._direct(entry)
        self._lowest[key] = table
        return table


def with_neighbours(base: int, end: int) -> tuple[int, int]:
    """Return a range with one page more on each side that has the same lowest page table."""
    span = ENTRIES * PAGE
    return base - (PAGE if base % span else 0), end + (PAGE if end % span else 0)


def inner(entries: list[int], low: int, base: int, end: int) -> list[int]:
    """Return those of `entries` that map `[base, end)`; the first of `entries` maps `low`."""
    return entries[(base - low) // PAGE : (end - low) // PAGE]

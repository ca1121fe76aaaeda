# SPDX-License-Identifier: GPL-2.0-only
"""The model mermap with page tables, as a guest under QEMU's gdb stub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.gdb_guest import DIRECT, PAGE, VMEMMAP, Script, Stop
from tests.mermap_model import AREA, MEMMAP, PER_CPU, UNIT, Alloc, Kernel, Mm, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = 0xFFFFFFFF81000000
FUNCTIONS = (
    "__mermap_get", "__mermap_put", "mermap_put", "mermap_mm_prepare", "mermap_mm_teardown",
    "__flush_tlb_all", "apply_to_page_range",
)  # fmt: skip
CALLER = TEXT + 0x9000
"""The function that calls get and put."""
INIT_MM, INIT_TABLE, BANNER, CPUS, OFFSETS, FIRST_AREA, AREA_SIZE = (
    TEXT + 0xA00000 + at * 0x10000 for at in range(7)
)
PGD = 0x50
"""Bytes of `pgd` in an mm."""
PROTECTION = 0x8000000000000063
SENTINEL = 0xFFFFFFFFFF200
STACKS = 0xFFFFC90000000000
FRAME_SIZE = 0x40
FIRST_TABLE = 0x3000000
"""Addresses of the page tables in the guest's memory."""

WITNESSED = {
    "no-flush": "stale-reuse",
    "flush-on-other-cpu": "stale-reuse",
    "counted-not-done": "stale-reuse",
    "flush-twice": "idle-flush",
    "flush-every-get": "idle-flush",
    "flush-at-put": "idle-flush",
    "wrap-onto-live": "overlap",
    "same-address-twice": "overlap",
    "neighbours-region": "outside-region",
    "wrap-early": "bump-order",
    "skips-a-page": "bump-order",
    "no-slot-limit": "too-many-live",
    "never-put": "leak",
    "no-unmap": "not-unmapped",
    "unmaps-one-page": "not-unmapped",
    "maps-one-page": "wrong-range-mapped",
    "stale-reserve": "stale-reuse",
    "first-page-again": "wrong-page",
    "other-page": "wrong-page",
    "skips-an-entry": "wrong-range-mapped",
    "entry-too-many": "wrong-range-mapped",
    "stays-writable": "wrong-protection",
    "global-entry": "wrong-protection",
    "entry-in-neighbours-region": "wrong-range-mapped",
    "migrates-behind-its-flush": "stale-reuse",
    "neighbours-state": "outside-region",
    "bounds-short": "region-too-small",
    "bounds-long": "outside-region",
}
"""A fault -> the code that the witness must report."""


class SeenKernel(Kernel):
    """The model with page tables; it records the guest's stops instead of printing probes."""

    def __init__(self, shape: Shape, fault: str | None = None, levels: int = 4, size: int = 64):
        self.script = Script()
        self.levels = levels
        self.struct_page = size
        self.protection = PROTECTION
        self._tables = 0
        self._writes: dict[int, int] = {}
        self._where: dict[tuple[int, int], int] = {}  # (mm, address >> 21) -> lowest table
        self._begun = 0
        self._direct = {4: DIRECT, 5: 0xFF11000000000000}[levels]
        self._vmemmap = {4: VMEMMAP, 5: 0xFFD4000000000000}[levels]
        script = self.script
        script.symbols = {name: TEXT + 0x1000 * n for n, name in enumerate(FUNCTIONS, 1)}
        script.symbols |= {
            "_text": TEXT, "test_caller": CALLER, "_etext": TEXT + 0x100000, "init_mm": INIT_MM,
            "after_init_mm": INIT_MM + 0x400, "init_top_pgt": INIT_TABLE, "linux_banner": BANNER,
            "nr_cpu_ids": CPUS, "__per_cpu_offset": OFFSETS, "pcpu_base_addr": FIRST_AREA,
            "pcpu_unit_size": AREA_SIZE,
        }  # fmt: skip
        script.cr4 = 1 << 12 if levels == 5 else 0
        for base in (INIT_MM, INIT_TABLE, BANNER, CPUS):
            script.memory[base] = 0
        script.memory[INIT_MM + PGD] = INIT_TABLE
        script.memory[CPUS] = shape.cpus
        script.gs = {cpu: PER_CPU + cpu * UNIT for cpu in range(shape.cpus)}
        script.memory |= {OFFSETS + 8 * cpu: base for cpu, base in script.gs.items()}
        script.memory |= {FIRST_AREA: PER_CPU, AREA_SIZE: UNIT}
        name = b"Linux version 0.0 (a model) "
        for at in range(0, 24, 8):
            script.memory[BANNER + at] = int.from_bytes(name[at : at + 8], "little")
        super().__init__(shape, fault)

    def _stop(self, symbol: str | int, thread: int, cpu: int, **registers: int) -> None:
        pc = symbol if isinstance(symbol, int) else self.script.symbols[symbol]
        stack = STACKS + thread * 0x8000 + 0x3E00
        registers.setdefault("rsp", stack)
        writes, self._writes = self._writes, {}
        self.script.stops.append(Stop(pc, cpu, {**registers, "rip": pc}, writes))

    def _call(
        self, symbol: str, thread: int, cpu: int, back: int, depth: int = 0, **registers: int
    ) -> None:
        """A call from `depth` functions below the test."""
        stack = STACKS + thread * 0x8000 + 0x3E00 - depth * FRAME_SIZE
        self._writes[stack] = back
        self._stop(symbol, thread, cpu, rsp=stack, **registers)

    def _return(self, thread: int, cpu: int, back: int, value: int = 0, depth: int = 0) -> None:
        stack = STACKS + thread * 0x8000 + 0x3E08 - depth * FRAME_SIZE
        self._stop(back, thread, cpu, rax=value, rsp=stack)

    def _new_table(self) -> int:
        self._tables += 1
        place = FIRST_TABLE + self._tables * PAGE
        self._writes[self._direct + place] = 0
        return place

    def prepare(self, recycle: Mm | None = None) -> Mm:
        mm = super().prepare(recycle)
        top = self._new_table()
        self._writes[mm.address] = 0
        self._writes[mm.address + PGD] = self._direct + top
        place = self._vmemmap + top // PAGE * self.struct_page
        self._writes[place + 16] = mm.address
        for at in self._span(AREA, AREA + self.shape.cpus * self.shape.pages * PAGE):
            self._where.pop((mm.address, at >> 21), None)
        for at in self._span(AREA, AREA + self.shape.cpus * self.shape.pages * PAGE):
            self._entry(mm, at, SENTINEL, top)
        return mm

    def _make_tables(self, mm: Mm) -> None:
        """Prepare a process; meanwhile another thread walks the tables of another mm."""
        back, within = CALLER + 0x30, self.script.symbols["mermap_mm_prepare"] + 0x40
        self._call("mermap_mm_prepare", 1, 0, back, rdi=mm.address)
        self._call("apply_to_page_range", 77, 0, within, rdi=mm.address, rsi=AREA, rdx=PAGE)
        for low, size in self._table_ranges():
            self._call("apply_to_page_range", 1, 0, within, 1, rdi=mm.address, rsi=low, rdx=size)
        self._return(1, 0, back)

    def _span(self, low: int, high: int) -> range:
        return range(low, high, PAGE)

    def _entry(self, mm: Mm, address: int, entry: int, top: int | None = None) -> None:
        key = (mm.address, address >> 21)
        table = self._where.get(key)
        if table is None and top is not None:
            table = top
            for level in range(self.levels, 1, -1):
                slot = table + (address >> 12 + 9 * (level - 1)) % 512 * 8
                known = self._where.get((-1, slot))
                if known is None:
                    known = self._where[-1, slot] = self._new_table()
                    self._writes[self._direct + slot] = known | 0x67
                table = known
            self._where[key] = table
        if table is not None:
            self._writes[self._direct + table + address // PAGE % 512 * 8] = entry

    def teardown(self, mm: Mm, thread: int) -> None:
        if self.shape.teardown:
            self._stop("mermap_mm_teardown", thread, 0, rdi=mm.address)

    def test_ended(self, name: str) -> None:
        """End a test, which began where the one before it ended."""
        place = TEXT + 0x20000 + len(self.script.symbols) * 16
        address = self.script.symbols.setdefault(name, place)
        began = Stop(address, 0, {"rip": address, "rsp": STACKS + 0x8000 + 0x3F00})
        self.script.stops.insert(self._begun, began)
        self._begun = len(self.script.stops)

    def foreign_flush(self, who: str) -> None:
        """Flush from another thread ("T51"), or from an interrupt on a CPU ("C1")."""
        number = int(who[1:])
        task = who[0] == "T"
        cpu = 0 if task else number % self.shape.cpus
        thread = 400 + number if task else 900 + cpu
        self._call("__flush_tlb_all", thread, cpu, CALLER + 0x40)

    def get(self, thread: int, mm: Mm, cpu: int, pages: int, *, reserved: bool) -> Alloc | None:
        self._mm = mm
        frame = 0x1900 + 0x211 * (self._gets % 7)
        self._call(
            "__mermap_get", thread, cpu, CALLER + 0x10, rdi=mm.address,
            rsi=self._vmemmap + frame * self.struct_page, rdx=pages * PAGE, rcx=self.protection,
            r8=0xFFFFFF00 | reserved,
        )  # fmt: skip
        alloc = super().get(thread, mm, cpu, pages, reserved=reserved)
        for word, value in enumerate(self._spelled(alloc)):
            if alloc is not None:
                self._writes[alloc.address + 8 * word] = value
        self._return(thread, cpu, CALLER + 0x10, alloc.address if alloc else 0)
        return alloc

    def put(self, thread: int, alloc: Alloc) -> None:
        if self.fault == "never-put":
            return
        back = CALLER + 0x20
        self._mm = alloc.mm
        outer = alloc.reserved and self.shape.outer
        inner = not (outer and self.shape.inlined)
        within = self.script.symbols["mermap_put"] + 0x30 if outer else back
        if outer:
            self._call("mermap_put", thread, alloc.cpu, back, rdi=alloc.address)
        if inner:
            self._call(
                "__mermap_put", thread, alloc.cpu, within, int(outer), rdi=alloc.mm.address,
                rsi=alloc.address,
            )  # fmt: skip
        if self.fault == "no-unmap":
            super().put(thread, alloc)
        else:
            size = PAGE if self.fault == "unmaps-one-page" else alloc.end - alloc.base
            for at in self._span(alloc.base, alloc.base + size):
                self._entry(alloc.mm, at, SENTINEL)
            super().put(thread, alloc)
        if inner:
            self._return(thread, alloc.cpu, within, depth=int(outer))
        if outer:
            self._return(thread, alloc.cpu, back)

    def _take(self, thread: int, mm: Mm, cpu: int, size: int, *, reserved: bool) -> Alloc | None:
        if self.fault == "neighbours-state":
            cpu = (cpu + 1) % self.shape.cpus
        return super()._take(thread, mm, cpu, size, reserved=reserved)

    def _flush(self, thread: int, by: str) -> None:
        cpu = self._on.get(thread, 0)
        if self.fault == "migrates-behind-its-flush":
            cpu = (cpu + 1) % self.shape.cpus
        self._call("__flush_tlb_all", thread, cpu, self.script.symbols[by] + 0x30, depth=2)

    def _spelled(self, alloc: Alloc | None) -> list[int]:
        words = [1, 0, PROTECTION, 0, 0]
        if alloc is not None:
            words[self.shape.base_word], words[self.shape.end_word] = alloc.base, alloc.end
        return words

    def _write(self, thread: int, base: int, size: int, page: int) -> None:
        frame = (page - MEMMAP) // 64
        again = self.fault == "first-page-again"
        frame += self.fault == "other-page" and self._gets % 3 == 0
        flags = self.protection | 0x60
        flags |= 2 if self.fault == "stays-writable" else 0
        flags |= 1 << 8 if self.fault == "global-entry" else 0
        size += PAGE if self.fault == "entry-too-many" else 0
        for offset in range(0, size, PAGE):
            if self.fault == "skips-an-entry" and offset == size - PAGE:
                continue
            self._entry(self._mm, base + offset, flags | frame * PAGE + (0 if again else offset))
        if self.fault == "entry-in-neighbours-region":
            cpu = (self._on[thread] + 1) % self.shape.cpus
            self._entry(self._mm, self.region(cpu)[0], flags | frame * PAGE)

    def _say(self, thread: int, text: str) -> None:
        """Print nothing: the console has no probes."""

    def tests(self) -> Iterator[str]:
        return (name for name in self.script.symbols if name.startswith("test_"))

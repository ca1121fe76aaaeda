# SPDX-License-Identifier: GPL-2.0-only
"""A model of the mermap that prints the lines of the probes, correct or broken in one known way."""

from __future__ import annotations

from dataclasses import dataclass, field

PAGE = 4096
AREA = 0xFFFF880000200000
SLOT_BYTES = 0x28
PER_CPU = 0xFFFF9E5E7EC28000
UNIT = 0x1000000
MEMMAP = 0xFFFFE16C80000000

FAULTS = {
    "no-flush": {"stale-reuse"},
    "flush-on-other-cpu": {"stale-reuse"},
    "counted-not-done": {"stale-reuse", "counter-mismatch"},
    "done-not-counted": {"counter-mismatch"},
    "flush-twice": {"idle-flush"},
    "flush-every-get": {"idle-flush"},
    "flush-at-put": {"idle-flush"},
    "wrap-onto-live": {"overlap"},
    "same-address-twice": {"overlap"},
    "takes-reserve": {"outside-region"},
    "neighbours-region": {"outside-region"},
    "wrap-early": {"bump-order"},
    "skips-a-page": {"bump-order"},
    "no-slot-limit": {"too-many-live"},
    "never-put": {"leak"},
    "no-unmap": {"not-unmapped"},
    "unmaps-one-page": {"not-unmapped"},
    "maps-one-page": {"wrong-range-mapped"},
    "stale-reserve": {"stale-reuse"},
    "first-page-again": {"wrong-page"},
    "other-page": {"wrong-page"},
    "skips-an-entry": {"wrong-range-mapped"},
    "entry-too-many": {"wrong-range-mapped"},
    "stays-pinned": {"migration-leak"},
    "refusal-stays-pinned": {"migration-leak"},
    "bounds-short": {"region-too-small"},
    "bounds-long": {"outside-region"},
}
"""A fault -> the findings that it must lead to."""


@dataclass(frozen=True)
class Shape:
    """The shape of a kernel's structures and console lines."""

    style: str = "array"  # or "words", "legacy"
    base_word: int = 1
    end_word: int = 2
    callers: bool = True
    stamps: bool = False
    walks: str = "existing"  # how tables are walked: see WALKS; "" where that is not probed
    entries: bool = False  # the callback that writes entries is probed
    outer: bool = True  # mermap_put() is probed, by which reserved mappings are put
    inlined: bool = False  # __mermap_put() is inlined into it
    slots: str = "four"  # the reserve among them, or "three" and one for the reserve
    teardown: bool = True
    by: bool = True
    nested: bool = False  # flush_tlb_local() called by __flush_tlb_all(), both probed
    pins: bool = False  # migrate_disable() and migrate_enable() probed
    tables: str = ""  # probed, made "whole" or "each" CPU's by itself
    breakpoints: int = 0  # entry probes print as their CPU's, by the bits of this number
    pages: int = 16
    cpus: int = 2


WALKS = {
    "existing": ("mm_walk", "mm_walk"),
    "first": ("mm_walk", "mm_tables"),
    "newest": ("mm_walk_any", "mm_walk_any"),
}
"""The probes that show the walks of a get and of a put."""
SYMBOLS = {
    "mm_walk": "apply_to_existing_page_range",
    "mm_tables": "apply_to_page_range",
    "mm_walk_any": "__apply_to_page_range",
}


@dataclass
class Alloc:
    address: int
    base: int
    end: int
    reserved: bool
    cpu: int
    mm: Mm


@dataclass
class Cpu:
    next: int
    anchor: int
    live: list[Alloc] = field(default_factory=list)
    counted: int = 0


@dataclass(eq=False)
class Mm:
    address: int
    cpus: list[Cpu]


class Kernel:
    """Run gets and puts, and collect the lines of the console; one CPU per thread at a time."""

    def __init__(self, shape: Shape, fault: str | None = None) -> None:
        self.shape = shape
        self.fault = fault
        self.lines: list[str] = []
        self._mms = 0
        self._chunks = 0
        self._gets = 0
        self._on: dict[int, int] = {}  # thread -> CPU
        probes = ["p:mm_get,__mermap_get", "r:mm_got,__mermap_get", "p:mm_put,__mermap_put"]
        probes.append("p:mm_flush,__flush_tlb_all")
        if shape.nested:
            probes.append("p:mm_flush_local,flush_tlb_local")
        if shape.walks:
            names = dict.fromkeys(("mm_walk", "mm_tables", *WALKS[shape.walks]))
            probes += [f"p:{name},{SYMBOLS[name]}" for name in names]
        elif shape.tables:
            probes.append("p:mm_tables,apply_to_page_range")
        if shape.entries:
            probes.append("r:mm_pte,mermap_set_pte")
        if shape.outer:
            probes.append("p:mm_put_outer,mermap_put")
        if shape.teardown:
            probes.append("p:mm_tear,mermap_mm_teardown")
        if shape.pins:
            probes += ["p:mm_pin,migrate_disable", "p:mm_unpin,migrate_enable"]
        self.lines.append("Command line: tp_printk kprobe_event=" + ";".join(probes) + " x=y")
        self.lines.append(f"setup_percpu: NR_CPUS:64 nr_cpu_ids:{shape.cpus} nr_node_ids:1")

    def region(self, cpu: int) -> tuple[int, int]:
        """The addresses of a CPU's gets."""
        low = AREA + cpu * self.shape.pages * PAGE
        slip = {"bounds-short": -PAGE, "bounds-long": PAGE}.get(str(self.fault), 0)
        return low, low + self.shape.pages * PAGE + slip

    def prepare(self, recycle: Mm | None = None) -> Mm:
        self._mms += recycle is None
        address = recycle.address if recycle else 0xFFFF9E5E41063000 + self._mms * 0x580
        self._chunks += 1
        chunk = PER_CPU + self._chunks * 0x1000
        cpus = [Cpu(self.region(cpu)[0], chunk + cpu * UNIT + 8) for cpu in range(self.shape.cpus)]
        mm = Mm(address, cpus)
        self._make_tables(mm)
        return mm

    def _table_ranges(self) -> list[tuple[int, int]]:
        whole = self.shape.cpus * self.shape.pages * PAGE
        each = self.shape.pages * PAGE
        ranges: dict[str, list[tuple[int, int]]] = {
            "": [],
            "whole": [(AREA, whole)],
            "each": [(AREA + cpu * each, each) for cpu in range(self.shape.cpus)],
        }
        return ranges[self.shape.tables]

    def _make_tables(self, mm: Mm) -> None:
        for low, size in self._table_ranges():
            self._say(
                1,
                f"mm_tables: (apply_to_page_range+0x4/0x20) mm={mm.address:#x} len={size} "
                f"at={low:#x}",
            )

    def teardown(self, mm: Mm, thread: int) -> None:
        if self.shape.teardown:
            self._say(thread, f"mm_tear: (mermap_mm_teardown+0x4/0x100) mm={mm.address:#x}")

    def test_ended(self, name: str) -> None:
        prefix = self._prefix(1) if self.shape.callers else ""
        self.lines.append(f"{prefix}    ok 1 {name}")

    def foreign_flush(self, who: str) -> None:
        by = " by=on_each_cpu_cond_mask+0x40/0x50" if self.shape.by else ' comm="kworker/0:1"'
        prefix = f"[{who:>6}] " if self.shape.callers else ""
        self.lines.append(f"{prefix}mm_flush: (__flush_tlb_all+0x4/0x10){by}")

    def get(self, thread: int, mm: Mm, cpu: int, pages: int, *, reserved: bool) -> Alloc | None:
        size = pages * PAGE
        self._on[thread] = cpu
        frame = 0x1900 + 0x211 * (self._gets % 7)  # a few pages, each of them asked for again
        self._gets += 1
        page = MEMMAP + frame * 64
        self._say(
            thread,
            f"mm_get: (__mermap_get+0x4/0x340) mm={mm.address:#x} page={page:#x} "
            f"size={size} prot=0x8000000000000063 rsv={reserved:d}",
        )
        alloc = self._take(thread, mm, cpu, size, reserved=reserved)
        if self.fault == "flush-every-get" and not reserved:
            self._flush(thread, "__mermap_get")
        self._pin(thread, "pin")
        if alloc is None and self.fault != "refusal-stays-pinned":
            self._pin(thread, "unpin")
        if alloc is not None:
            mapped = PAGE if self.fault == "maps-one-page" else size
            self._walk(thread, mm, alloc.base, mapped, put=False)
            self._write(thread, alloc.base, mapped, page)
        self._say(thread, f"mm_got: (test_x+0x15f/0x400 <- __mermap_get) {self._words(alloc)}")
        return alloc

    def put(self, thread: int, alloc: Alloc) -> None:
        if self.fault == "never-put":
            return
        by = "__mermap_put"
        if alloc.reserved and self.shape.outer:
            self._say(thread, f"mm_put_outer: (mermap_put+0x4/0xc0) alloc={alloc.address:#x}")
            by = "mermap_put" if self.shape.inlined else by
        if by == "__mermap_put":
            self._say(
                thread,
                f"mm_put: (__mermap_put+0x4/0xc0) alloc={alloc.address:#x} base={alloc.base:#x}",
            )
        if self.fault != "no-unmap":
            size = alloc.end - alloc.base
            size = PAGE if "unmaps" in str(self.fault) else size
            self._walk(thread, alloc.mm, alloc.base, size, put=True)
        if self.fault == "flush-at-put":
            self._flush(thread, by)
        if self.fault != "stays-pinned":
            self._pin(thread, "unpin")
        alloc.mm.cpus[alloc.cpu].live.remove(alloc)

    def _slot(self, state: Cpu, *, reserved: bool) -> int | None:
        """Return the free slot that a get may take."""
        taken = {alloc.address for alloc in state.live}
        own = self.shape.slots == "three"
        usable = (range(3, 4) if reserved else range(3)) if own else range(4)
        if self.fault == "no-slot-limit":
            usable = range(99)
        slots = (state.anchor + n * SLOT_BYTES for n in usable)
        return next((address for address in slots if address not in taken), None)

    def _take(self, thread: int, mm: Mm, cpu: int, size: int, *, reserved: bool) -> Alloc | None:
        state = mm.cpus[cpu]
        low, high = self.region(cpu)
        if self.fault == "neighbours-region" and cpu:
            low, high = self.region(0)
            state.next = max(low, min(state.next, high))
        address = self._slot(state, reserved=reserved)
        if address is None:
            return None
        limit = high if reserved or self.fault == "takes-reserve" else high - PAGE
        restart = max([low, *(alloc.end for alloc in state.live)])
        early = 3 * PAGE if self.fault == "wrap-early" and state.next > restart else 0
        if self.fault == "wrap-onto-live":
            restart = low
        if self.fault == "same-address-twice" and state.live:
            state.next = state.live[-1].base
        if state.next + size > limit - early:
            if restart + size > limit:
                return None
            state.next = restart
            if not (reserved and self.fault == "stale-reserve"):
                self._flush_at_wrap(thread, state)
        skips = self.fault == "skips-a-page" and not reserved
        if skips and state.next + PAGE + size <= limit:
            state.next += PAGE
        alloc = Alloc(address, state.next, state.next + size, reserved=reserved, cpu=cpu, mm=mm)
        state.next = alloc.end
        state.live.append(alloc)
        return alloc

    def _flush_at_wrap(self, thread: int, state: Cpu) -> None:
        state.counted += self.fault not in ("done-not-counted", "no-flush")
        if self.fault == "flush-on-other-cpu":
            self.foreign_flush("C1")
        elif self.fault not in ("no-flush", "counted-not-done"):
            self._flush(thread, "__mermap_get")
            if self.fault == "flush-twice":
                self._flush(thread, "__mermap_get")

    def _flush(self, thread: int, by: str) -> None:
        who = f"by={by}+0x2b6/0x310" if self.shape.by else 'comm="kunit_try_catch"'
        self._say(thread, f"mm_flush: (__flush_tlb_all+0x4/0x10) {who}")
        if self.shape.nested:
            self._say(
                thread, "mm_flush_local: (flush_tlb_local+0x4/0x10) by=__flush_tlb_all+0x8/0x10"
            )

    def _pin(self, thread: int, name: str) -> None:
        if self.shape.pins:
            what = "disable" if name == "pin" else "enable"
            self._say(thread, f"mm_{name}: (migrate_{what}+0x4/0x40) by=__mermap_x+0x1/0x2")

    def _walk(self, thread: int, mm: Mm, base: int, size: int, *, put: bool) -> None:
        if self.shape.walks:
            probe = WALKS[self.shape.walks][put]
            self._say(
                thread,
                f"{probe}: ({SYMBOLS[probe]}+0x4/0x20) mm={mm.address:#x} len={size} at={base:#x}",
            )

    def _write(self, thread: int, base: int, size: int, page: int) -> None:
        if not self.shape.entries:
            return
        frame = (page - MEMMAP) // 64
        again = self.fault == "first-page-again"
        frame += self.fault == "other-page" and self._gets % 3 == 0
        size += PAGE if self.fault == "entry-too-many" else 0
        for offset in range(0, size, PAGE):
            if self.fault == "skips-an-entry" and offset == size - PAGE:
                continue
            entry = 0x8000000000000063 | frame * PAGE + (0 if again else offset)
            where = "(apply_to_x+0x1/0x2 <- mermap_set_pte)"
            self._say(thread, f"mm_pte: {where} pte={entry:#x} at={base + offset:#x}")

    def _words(self, alloc: Alloc | None) -> str:
        shape = self.shape
        if alloc is None:  # the words print the former content of the buffer
            words = [AREA, AREA + PAGE, 1, 0, 0, 0, 7, AREA]
        else:
            words = [1, 0, 0x8000000000000063, 0, alloc.mm.address, 2, 0, 0]
            words[shape.base_word], words[shape.end_word] = alloc.base, alloc.end
        ret = f"ret={alloc.address if alloc else 0:#x}"
        if shape.style == "legacy":
            base, end = words[shape.base_word], words[shape.end_word]
            return f"{ret} base={base:#x} end={end:#x}"
        if shape.style == "words":
            return " ".join([ret, *(f"w{n}={word:#x}" for n, word in enumerate(words))])
        return f"{ret} w={{{','.join(f'{word:#x}' for word in words)}}}"

    def _say(self, thread: int, text: str) -> None:
        self.lines.append((self._prefix(thread, text) if self.shape.callers else "") + text)

    def _prefix(self, thread: int, text: str = "") -> str:
        stamp = f"[    0.{len(self.lines):06}]" if self.shape.stamps else ""
        who = f"T{thread}"
        entry = text.startswith("mm_") and not text.startswith(("mm_got", "mm_pte"))
        if entry and self.shape.breakpoints >> len(self.lines) % 16 & 1:
            who = f"C{self._on.get(thread, 0)}"
        return f"{stamp}[{who:>6}] "

# SPDX-License-Identifier: GPL-2.0-only
"""Boot-time probes that trace a tree's mermap, as kernel arguments. Pure.

Syntax: Documentation/trace/kprobetrace.rst. The events become console lines through `tp_printk`;
`mermapctl.trace.events` parses them. They contain no structure offset: `w` is the allocation's
first words. No fetch argument of x86-64 can read per-CPU data, so the CPU is not printed; the
region of an address tells it. The thread comes from CONFIG_PRINTK_CALLER.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mermapctl.trace import events

COMMAND_LINE_SIZE = 2048
"""x86's limit on the whole kernel command line, its NUL included."""

WORDS = 5
"""64-bit words printed of an allocation; all postings have its base and end in the first three."""

LOG_BUFFER = "log_buf_len=4M"
"""Buffers some 25,000 events until the console prints them."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`name` is the event's, `symbol` the function's; `returns` for a return probe."""

    name: str
    symbol: str
    fields: str
    returns: bool = False

    def __str__(self) -> str:
        kind = "r" if self.returns else "p"
        return f"{kind}:{self.name},{self.symbol},{self.fields}"


class Symbol(NamedTuple):
    """A function of a build; `shared` where other files can call it."""

    name: str
    shared: bool


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """`kernel_args` to boot with; `notes` name what is invisible in this build."""

    kernel_args: tuple[str, ...]
    notes: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()


_BY = "by=$stack0:symbol"

NEEDED = (
    Probe("mm_get", "__mermap_get", "mm=$arg1:x64,page=$arg2:x64,size=$arg3:u64,rsv=$arg5:u8"),
    Probe("mm_got", "__mermap_get", f"ret=$retval:x64,w=+0($retval):x64[{WORDS}]", returns=True),
    Probe("mm_put", "__mermap_put", "alloc=$arg2:x64"),
)
"""Without these there is no trace. The function names are the suite's interface."""

FLUSHES = (
    Probe("mm_flush", "__flush_tlb_all", _BY),
    Probe("mm_flush_local", "flush_tlb_local", _BY),
    Probe("mm_flush_arch", "arch_mermap_flush_tlb", _BY),
)
"""Functions that flush one CPU's TLB, surest first; the last may only call another."""

TEARDOWN = Probe("mm_tear", "mermap_mm_teardown", "mm=$arg1:x64")
PREPARE = Probe("mm_prep", "mermap_mm_prepare", "mm=$arg1:x64")
"""Where a process' end is not seen, its preparation separates one life from the next."""

OUTER = Probe(events.OUTER_PUT, "mermap_put", "alloc=$arg1:x64")
"""gcc may inline `__mermap_put()` into it; then only this one fires."""

_RANGE = "mm=$arg1:x64,len=$arg3:u64,at=$arg2:x64"

TABLES = Probe("mm_tables", "apply_to_page_range", _RANGE)
WALKS = (Probe("mm_walk", "apply_to_existing_page_range", _RANGE), TABLES)
"""Functions that walk page tables: the first posting fills by one and clears by the other."""

INNER_WALK = Probe("mm_walk_any", "__apply_to_page_range", _RANGE)
"""Both of them end in it. Later postings make it global and call it themselves; where it is static
(mainline), a probe on it would print each walk twice."""

ENTRY = "pte=+0($arg1):x64,at=$arg2:x64"
"""Prints, of a callback that writes one entry, the entry at the return, and its address.

A return probe reads entry arguments since Linux 6.9 (kernel/trace/trace_probe.c).
"""

CALLBACKS = 2
"""Callbacks probed at most."""

NEIGHBOURS = 24
"""Functions of one file lie side by side in System.map, at most so far apart."""

_FUNCTION = re.compile(r"^[0-9a-f]+ ([TtWw]) (\S+)$", re.ASCII | re.MULTILINE)
_WRITES = re.compile(r"\w*(?:pte|fill)\w*", re.ASCII)
_CLEARS = re.compile(r"unmap|empty|clear|none|prepare|reset|zap|ptep")
WITHOUT = {
    "mm_get": "gets are not seen, so that nothing can be concluded",
    "mm_got": "addresses are not seen: only puts and flushes can be counted",
    "mm_put": "puts are not seen: only the regions' bounds can be checked",
    "mm_put_outer": "a put that is inlined into mermap_put() is not seen, nor then a leak",
    "mm_walk": "whether a put unmaps cannot be told",
    "mm_tables": "whether a region is as long as its page tables cannot be told",
    "mm_pte": "which pages a mapping shows cannot be told",
    "mm_tear": "the end of a process is not seen: each test is taken to use processes of its own",
    "mm_prep": "the preparation of a process is not seen",
    "mm_pin": "whether migration is enabled again cannot be told",
    "mm_unpin": "whether migration is enabled again cannot be told",
}
"""What remains unknown without a probe; a flush probe is not among them."""

PINS = (Probe("mm_pin", "migrate_disable", _BY), Probe("mm_unpin", "migrate_enable", _BY))
"""Functions on SMP kernels before 6.18 only; inlined since, and then never called."""

RT_LOCK = "rt_spin_lock"
"""Of PREEMPT_RT alone (kernel/locking/spinlock_rt.c). There each spinlock disables migration, the
serial console's too: a probe on it prints a line for each line that it prints, without end."""


def functions(system_map: str) -> tuple[Symbol, ...]:
    """Return the functions of a System.map (lines of `ADDRESS TYPE NAME`, sorted by address)."""
    return tuple(Symbol(name, kind != "t") for kind, name in _FUNCTION.findall(system_map))


def plan(symbols: Sequence[Symbol] | None, *, entries: bool = True) -> ProbePlan:
    """Return the probes for a build with these functions, given in the order of their addresses.

    None where the functions are not known yet. An unknown symbol is harmless: the kernel refuses
    that probe, prints so on the console, and sets the others.
    Without `entries` the written page table entries are not printed, a line each.
    """
    if symbols is None:
        return _plan([*NEEDED, OUTER, FLUSHES[0], *WALKS, TEARDOWN], [])
    there = frozenset(symbol.name for symbol in symbols)
    notes = []
    probes = []
    for probe in NEEDED:
        if probe.symbol in there:
            probes.append(probe)
        elif not probe.returns:
            notes.append(f"{probe.symbol}() is not in this build: the trace cannot be judged")
    probes += [OUTER] if OUTER.symbol in there else []
    flushes = [probe for probe in FLUSHES if probe.symbol in there]
    if not flushes:
        names = ", ".join(f"{probe.symbol}()" for probe in FLUSHES)
        notes.append(f"none of {names} is in this build: flushes are not seen")
    probes += flushes
    walks = [probe for probe in WALKS if probe.symbol in there]
    walks += [INNER_WALK] if Symbol(INNER_WALK.symbol, shared=True) in symbols else []
    if not walks:
        names = ", ".join(f"{probe.symbol}()" for probe in WALKS)
        notes.append(f"none of {names} is in this build: {WITHOUT['mm_walk']}")
    probes += walks
    writers = callbacks(symbols) if entries else []
    probes += [Probe(name, symbol, ENTRY, returns=True) for name, symbol in writers]
    if entries and not writers and NEEDED[0].symbol in there:
        notes.append(f"no callback that writes entries is in this build: {WITHOUT['mm_pte']}")
    if TEARDOWN.symbol in there:
        probes.append(TEARDOWN)
    else:
        probes += [PREPARE] if PREPARE.symbol in there else []
        notes.append(f"{TEARDOWN.symbol}() is not in this build: {WITHOUT['mm_tear']}")
    pinned = all(probe.symbol in there for probe in PINS)
    if pinned and RT_LOCK in there:
        notes.append(f"each spinlock of PREEMPT_RT disables migration: {WITHOUT['mm_pin']}")
    return _plan([*probes, *(PINS if pinned and RT_LOCK not in there else ())], notes)


def callbacks(symbols: Sequence[Symbol]) -> list[tuple[str, str]]:
    """Return the functions of the mermap that write entries, as (probe name, symbol).

    The static functions of its file are neighbours of `__mermap_get`; their names tell which are
    callbacks. A neighbour may be another file's (mm/page_table_check.c).
    """
    names = [symbol.name for symbol in symbols]
    if NEEDED[0].symbol not in names:
        return []
    at = names.index(NEEDED[0].symbol)
    near = symbols[max(at - NEIGHBOURS, 0) : at + NEIGHBOURS]
    local = dict.fromkeys(symbol.name for symbol in near if not symbol.shared)
    found = [name for name in local if _WRITES.fullmatch(name) and not _CLEARS.search(name)]
    return [(f"mm_pte{'_b' * n}", symbol) for n, symbol in enumerate(found[:CALLBACKS])]


def _plan(probes: list[Probe], notes: list[str]) -> ProbePlan:
    events = "kprobe_event=" + ";".join(map(str, probes))
    return ProbePlan(("tp_printk", events, LOG_BUFFER), tuple(notes), tuple(probes))

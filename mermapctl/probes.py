# SPDX-License-Identifier: GPL-2.0-only
"""Which boot-time probes show a tree's mermap at work, as kernel arguments. Pure.

Syntax: Documentation/trace/kprobetrace.rst. The events become console lines through `tp_printk`;
`mermapctl.hits` reads them. They hold no structure offset: `w` is the allocation's first words.
The CPU is not printed, because no fetch argument of x86-64 can reach per-CPU data; it is known by
the region that an address lies in. The thread comes from CONFIG_PRINTK_CALLER.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

COMMAND_LINE_SIZE = 2048
"""x86's limit on the whole kernel command line, its NUL included."""

OURS = 1400
"""What the probes may take of it; the rest is for the target's and the user's arguments."""

WORDS = 8
"""64-bit words printed of an allocation."""

LOG_BUFFER = "log_buf_len=4M"
"""Holds some 25,000 events that the console has not caught up with."""


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


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """`kernel_args` to boot with; `notes` say what this build does not let one see."""

    kernel_args: tuple[str, ...]
    notes: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()


_BY = "by=$stack0:symbol"

NEEDED = (
    Probe("mm_get", "__mermap_get", "mm=$arg1:x64,size=$arg3:u64,rsv=$arg5:u8"),
    Probe("mm_got", "__mermap_get", f"ret=$retval:x64,w=+0($retval):x64[{WORDS}]", returns=True),
    Probe("mm_put", "__mermap_put", "alloc=$arg2:x64"),
)
"""Without these there is no trace. The names of the functions are the suite's interface."""

FLUSHES = (
    Probe("mm_flush", "__flush_tlb_all", _BY),
    Probe("mm_flush_local", "flush_tlb_local", _BY),
    Probe("mm_flush_arch", "arch_mermap_flush_tlb", _BY),
)
"""Ways to flush one CPU's TLB, those that are surely done first; the last may only call another."""

TEARDOWN = Probe("mm_tear", "mermap_mm_teardown", "mm=$arg1:x64")
PREPARE = Probe("mm_prep", "mermap_mm_prepare", "mm=$arg1:x64")
"""Where a process' end is not seen, its preparation at least parts one life from the next."""

_RANGE = "mm=$arg1:x64,len=$arg3:u64,at=$arg2:x64"

EXTRAS = (
    (
        Probe("mm_walk", "apply_to_existing_page_range", _RANGE),
        "whether a put unmaps cannot be told",
    ),
    (
        Probe("mm_tables", "apply_to_page_range", _RANGE),
        "whether a region is as long as its page tables cannot be told",
    ),
    (
        TEARDOWN,
        "the end of a process is not seen: each test is taken to use processes of its own",
    ),
)

PINS = (Probe("mm_pin", "migrate_disable", _BY), Probe("mm_unpin", "migrate_enable", _BY))
"""Functions on SMP kernels before 6.18 only; they have been inlined since, and then never hit."""


def plan(symbols: Collection[str] | None) -> ProbePlan:
    """The probes for a build with these function symbols; null where they are not known yet.

    Unknown symbols cost nothing: the kernel refuses a probe that it cannot set, says so on the
    console, and sets the others.
    """
    if symbols is None:
        probes = [*NEEDED, FLUSHES[0], *(probe for probe, _ in EXTRAS)]
        return _plan(probes, [])
    notes = []
    probes = []
    for probe in NEEDED:
        if probe.symbol in symbols:
            probes.append(probe)
        elif not probe.returns:
            notes.append(f"{probe.symbol}() is not in this build: the trace cannot be judged")
    flushes = [probe for probe in FLUSHES if probe.symbol in symbols]
    if not flushes:
        names = ", ".join(f"{probe.symbol}()" for probe in FLUSHES)
        notes.append(f"none of {names} is in this build: flushes are not seen")
    probes += flushes
    for probe, without in EXTRAS:
        if probe.symbol in symbols:
            probes.append(probe)
            continue
        if probe is TEARDOWN and PREPARE.symbol in symbols:
            probes.append(PREPARE)
        notes.append(f"{probe.symbol}() is not in this build: {without}")
    if all(probe.symbol in symbols for probe in PINS):
        probes += PINS
    return _plan(probes, notes)


def _plan(probes: list[Probe], notes: list[str]) -> ProbePlan:
    events = "kprobe_event=" + ";".join(map(str, probes))
    return ProbePlan(("tp_printk", events, LOG_BUFFER), tuple(notes), tuple(probes))

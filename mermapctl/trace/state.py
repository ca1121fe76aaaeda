# SPDX-License-Identifier: GPL-2.0-only
"""State of a trace: each thread's get or put, each process and its CPUs.

`get()` and `put()` stand for the kernel's `__mermap_get()` and `__mermap_put()`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mermapctl.trace.entry_rules import Written
from mermapctl.trace.events import Event
from mermapctl.trace.rules import CpuState, Live

WRAPPER_PROBE, WRAPPER_SYMBOL = "mm_flush_arch", "arch_mermap_flush_tlb"
"""A function that may only call another one that flushes."""
LINES = 4
"""Console lines of flushes kept per `get()`."""


class Put:
    """An allocation that a thread has just put; page-table walks covered its `low` to `high`."""

    __slots__ = ("base", "cpu", "end", "high", "line", "low", "unpinned", "where")

    def __init__(self, cpu: CpuState, live: Live, event: Event) -> None:
        self.cpu = cpu
        self.base = live.base
        self.end = live.end
        self.line = event.line
        self.where = event.where
        self.low = live.end
        self.high = live.base
        self.unpinned = False


class Thread:
    """The `get()` or `put()` that one thread is in; printk's caller id identifies the thread.

    Page-table walks of its `get()` covered `low` to `high`. `outer`: the allocation of a put that
    was seen at `mermap_put()`, else 0. If `__mermap_put()` of the same allocation follows, it is
    the same put.
    """

    __slots__ = ("cpu", "flush_lines", "flush_sites", "flushes", "get", "high", "low", "outer",
                 "pins", "put", "wrappers", "written")  # fmt: skip

    def __init__(self) -> None:
        self.put: Put | None = None
        self.outer = 0
        self.cpu: CpuState | None = None
        self.begin(None)

    def begin(self, get: Event | None) -> None:
        """Reset the state for a new `get()`; None: the thread is in no `get()`."""
        self.get = get
        self.flushes = 0
        self.wrappers = 0
        self.flush_lines: list[int] = []
        self.flush_sites: set[str | None] = set()
        self.low: int | None = None
        self.high: int | None = None
        self.written = Written()
        self.pins = 0  # times migration was disabled in this get, less times enabled

    def pinned(self, times: int) -> None:
        """Add `times` to the number of times that migration was disabled; negative: enabled."""
        self.pins += times
        if self.put is not None and times < 0:
            self.put.unpinned = True

    def flushed(self, event: Event, *, wrapper: bool) -> None:
        """Note a flush by the mermap inside this `get()`."""
        if wrapper:
            self.wrappers += 1
        else:
            self.flushes += 1
        if not (self.wrappers and event.by == WRAPPER_SYMBOL):
            self.flush_sites.add(event.site)
        if len(self.flush_lines) < LINES:
            self.flush_lines.append(event.line)


@dataclass(slots=True, eq=False)
class Process:
    """One process (mm). `fresh`: no state of an earlier mm at this address can be left in it."""

    fresh: bool
    cpus: list[CpuState] = field(default_factory=list)

    def on(self, mm: int, alloc: int) -> CpuState:
        """Return the state of the CPU whose structure contains `alloc`."""
        for cpu in self.cpus:
            if cpu.owns(alloc):
                return cpu
        self.cpus.append(CpuState(mm, alloc, fresh=self.fresh))
        return self.cpus[-1]

    def lives(self) -> list[Live]:
        """Return every live allocation."""
        return [live for cpu in self.cpus for live in cpu.live.values()]

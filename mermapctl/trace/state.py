# SPDX-License-Identifier: GPL-2.0-only
"""State of a trace: threads inside a get or behind a put, processes and their CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mermapctl.trace.entries import Written
from mermapctl.trace.rules import CpuState, Live

if TYPE_CHECKING:
    from mermapctl.trace.events import Event

LINES = 4
"""Console lines of flushes kept per get."""


class Put:
    """An allocation just put; page-table walks covered `low`..`high` of it."""

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
    """The get or put of a printk caller; walks inside its get covered `low`..`high`.

    `outer` is the allocation whose put was just seen at `mermap_put()`: `__mermap_put()` may
    follow.
    """

    __slots__ = ("cpu", "flush_lines", "flushes", "get", "high", "low", "outer", "pins", "put",
                 "wrappers", "written")  # fmt: skip

    def __init__(self) -> None:
        self.put: Put | None = None
        self.outer = 0
        self.cpu: CpuState | None = None
        self.begin(None)

    def begin(self, get: Event | None) -> None:
        """Begin a get, or nothing."""
        self.get = get
        self.flushes = 0
        self.wrappers = 0
        self.flush_lines: list[int] = []
        self.low: int | None = None
        self.high: int | None = None
        self.written = Written()
        self.pins = 0  # times migration was disabled in this get, less times enabled

    def pinned(self, times: int) -> None:
        """Count migration disabled once more; enabled again where `times` is negative."""
        self.pins += times
        if self.put is not None and times < 0:
            self.put.unpinned = True

    def flushed(self, line: int, *, wrapper: bool) -> None:
        """Note a flush of the mermap inside this get."""
        if wrapper:
            self.wrappers += 1
        else:
            self.flushes += 1
        if len(self.flush_lines) < LINES:
            self.flush_lines.append(line)


class Process:
    """One mm; `fresh` when its state contains nothing of an earlier life."""

    __slots__ = ("cpus", "fresh")

    def __init__(self, *, fresh: bool) -> None:
        self.cpus: list[CpuState] = []
        self.fresh = fresh

    def on(self, mm: int, alloc: int) -> CpuState:
        """Return the state of the CPU whose structure contains `alloc`."""
        for cpu in self.cpus:
            if cpu.owns(alloc):
                return cpu
        self.cpus.append(CpuState(mm, alloc, fresh=self.fresh))
        return self.cpus[-1]

    def lives(self) -> list[Live]:
        """Every live allocation."""
        return [live for cpu in self.cpus for live in cpu.live.values()]

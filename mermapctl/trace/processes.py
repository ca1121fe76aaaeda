# SPDX-License-Identifier: GPL-2.0-only
"""The processes of a trace: their CPUs' states, live allocations, page tables and ends."""

from __future__ import annotations

from collections.abc import Iterator

from mermapctl.trace.addresses import NO_TABLES, Tables
from mermapctl.trace.events import Event
from mermapctl.trace.rules import CpuState, Live
from mermapctl.trace.state import Process
from mermapctl.trace.violations import Breaches, Evidence, span

LIVE, STATES = 2048, 512
"""Live allocations, and CPUs of a process, at most: the time for a get grows with them."""
PROCESSES = 256
"""Processes followed at once."""


class Processes:
    """Follows each mm from its first event to its teardown or, unseen, its test's end.

    `all_puts`: a put inlined into its caller is seen there. Otherwise a reserved get without its
    put is counted in `unseen_puts`, and is no leak: the suites of the later postings put the
    reserve by `mermap_put()`, and all else by `__mermap_put()`. `put_seen`: an ordinary put was
    seen.
    """

    def __init__(self, breaches: Breaches) -> None:
        self._breaches = breaches
        self._processes: dict[int, Process] = {}
        self._allocs: dict[int, tuple[CpuState, Live]] = {}
        self._prepared: dict[int, Tables] = {}
        self._ever: set[int] = set()  # mms with a life that no teardown has ended
        self._torn_down = False
        self.all_puts = False
        self.unseen_puts = 0
        self.put_seen = False
        self.crowd_line = 0
        self.in_doubt = False

    def of(self, mm: int) -> Process:
        """Return the process of an mm, new if needed."""
        process = self._processes.get(mm)
        if process is None:
            process = self._processes[mm] = Process(fresh=mm not in self._ever)
            self._ever.add(mm)
            if len(self._processes) > PROCESSES:
                idle = next((m for m, p in self._processes.items() if not p.lives()), None)
                if idle is not None and idle != mm:
                    del self._processes[idle]
        return process

    def states(self) -> Iterator[CpuState]:
        """Return every process' state on every CPU."""
        return (cpu for process in self._processes.values() for cpu in process.cpus)

    def live(self) -> Iterator[tuple[CpuState, Live]]:
        """Return every live allocation."""
        return iter(self._allocs.values())

    def tables(self, mm: int) -> Tables:
        """Return the page tables that were prepared for an mm."""
        return self._prepared.get(mm, NO_TABLES)

    def prepared(self, event: Event) -> None:
        """Note page tables made for a range of a process, which contains its regions."""
        if event.mm not in self._prepared and len(self._prepared) >= PROCESSES:
            self._prepared.pop(next(iter(self._prepared)))
        tables = self._prepared.setdefault(event.mm, Tables())
        tables.add(event.base, event.base + event.size)

    def granted(self, cpu: CpuState, new: Live) -> None:
        """Add a live allocation."""
        cpu.gets += 1
        cpu.live[new.alloc] = new
        self._allocs[new.alloc] = (cpu, new)

    def crowded(self, process: Process, line: int) -> bool:
        """Return whether more is live than a mermap can have: no get is judged from there on.

        What was found before counts. If nothing was, the trace is in doubt.
        """
        if not self.crowd_line and (len(self._allocs) >= LIVE or len(process.cpus) >= STATES):
            self.crowd_line = line
            self.in_doubt = not self._breaches.certain
        return bool(self.crowd_line)

    def reappears(self, cpu: CpuState, alloc: int) -> None:
        """Take a slot handed out again: if its put was not seen, it happened before."""
        held = cpu.live.get(alloc)
        if held is not None and held.reserved and not self.all_puts:
            cpu.live.pop(alloc)
            self._allocs.pop(alloc, None)
            self.unseen_puts += 1

    def put(self, alloc: int) -> tuple[CpuState, Live] | None:
        """Remove and return the allocation live at `alloc`; None where none is known."""
        found = self._allocs.pop(alloc, None)
        if found is not None:
            found[0].live.pop(alloc, None)
            self.put_seen = self.put_seen or not found[1].reserved
        return found

    def prepare(self, mm: int) -> None:
        """Begin a process; it may prepare twice: only teardown, or else doubt, ends a life."""
        process = self._processes.get(mm)
        if not self._torn_down and process is not None and not process.lives():
            del self._processes[mm]

    def teardown(self, mm: int) -> None:
        """End a process; its address may be reused."""
        self._torn_down = True
        self._ever.discard(mm)
        self._prepared.pop(mm, None)
        process = self._processes.pop(mm, None)
        if process is not None:
            self._leaks(process)
            for live in process.lives():
                self._allocs.pop(live.alloc, None)

    def test_ended(self, *, seen: bool) -> None:
        """End a test; not `seen` to its end where an Oops had ended tracing."""
        if seen:
            for process in self._processes.values():
                self._leaks(process)
        if not (seen and self._torn_down):  # an mm may be freed unseen, and its address reused
            self._processes.clear()
            self._allocs.clear()

    def _leaks(self, process: Process) -> None:
        for cpu in process.cpus:
            for live in cpu.live.values():
                if live.flagged:
                    continue
                live.flagged = True
                if live.reserved and not self.all_puts:
                    self.unseen_puts += 1
                    continue
                evidence: Evidence = {
                    "get": f"console line {live.line}: {span(live.base, live.end)}",
                    "by": live.where,
                    "put": "none before the test's end",
                    "mm": f"{cpu.mm:#x}",
                }
                self._breaches.note("leak", live.line, evidence)

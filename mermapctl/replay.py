# SPDX-License-Identifier: GPL-2.0-only
"""Replays a trace's events: which thread is inside which get or put, what each CPU holds. Pure.

Whose flush is it? One that a thread makes between the entry and the return of its own get is the
mermap's and of that get's CPU, since a get that succeeds forbids migration. printk's caller tells
threads apart, and shows an interrupt as a CPU ("C1"): such a flush was asked for by somebody else
or runs on another CPU, and never counts. Without printk's caller, the flush's `comm` must be the
KUnit thread's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.actors import Process, Put, Thread
from mermapctl.breaches import Breach, Breaches, Evidence, span
from mermapctl.hits import ERROR_POINTER, Event, Kind
from mermapctl.rules import SLOTS, CpuState, Live, Rules
from mermapctl.tables import NO_TABLES, Tables
from mermapctl.timeline import Timeline, TimelineBuilder
from mermapctl.tracetable import Tally, TraceSummary

if TYPE_CHECKING:
    from mermapctl.regions import Region

KUNIT_COMM = "kunit_try_catch"
TIMELINES = 48
"""Timelines kept per trace: one per test and CPU."""
PROCESSES = 256
"""Processes followed at once."""
INTERVALS = 16
"""Distances between flushes listed per test."""
WRAPPER_PROBE, WRAPPER_SYMBOL = "mm_flush_arch", "arch_mermap_flush_tlb"
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the replay found; `lost` counts events that must have happened but were not printed."""

    tests: tuple[TraceSummary, ...]
    timelines: tuple[Timeline, ...]
    breaches: tuple[Breach, ...]
    lost: int
    lost_line: int | None


class Replay:
    """Takes events in console order; what it holds is bounded by live allocations, CPUs, tests."""

    def __init__(self) -> None:
        self._breaches = Breaches()
        self._rules = Rules(self._breaches)
        self._threads: dict[str, Thread] = {}
        self._processes: dict[int, Process] = {}
        self._allocs: dict[int, tuple[CpuState, Live]] = {}
        self._prepared: dict[int, Tables] = {}
        self._ever: set[int] = set()  # mms that had a life which no teardown has ended
        self._test = Tally()
        self._tests: list[TraceSummary] = []
        self._timelines: list[tuple[str | None, Region, TimelineBuilder]] = []
        self._cpus: int | None = None
        self._torn_down = False
        self._walks = False
        self._pins = False
        self._flush_symbols: set[str] = set()
        self._wrapper_wraps = False
        self._blind = False
        self._lost = 0
        self._lost_line: int | None = None

    def cpus(self, count: int) -> None:
        """The console said how many CPUs the kernel may use."""
        self._cpus = count

    def event(self, event: Event, found: tuple[int, int] | None = None) -> None:
        """Take an event; `found` is the `(base, end)` of a successful get, null if not legible."""
        self._test.events += 1
        thread = self._threads.get(event.caller)
        if thread is None:
            thread = Thread()
            if event.kind in (Kind.GET, Kind.PUT):  # the others alone do not make one of interest
                self._threads[event.caller] = thread
        match event.kind:
            case Kind.GET:
                self._close_put(thread)
                if thread.get is not None:
                    self._lose(event.line)
                thread.begin(event)
                self._test.gets += 1
                self._test.reserved += event.reserved
                self._test.mms.add(event.mm)
            case Kind.GOT:
                self._got(thread, event, found)
            case Kind.PUT:
                self._close_put(thread)
                self._put(thread, event)
            case Kind.FLUSH:
                self._flush(thread, event)
            case Kind.WALK:
                self._walk(thread, event)
            case Kind.PIN | Kind.UNPIN:
                thread.pinned(1 if event.kind is Kind.PIN else -1)
            case _:
                self._life(thread, event)

    def _life(self, thread: Thread, event: Event) -> None:
        """An event of a process' life: its tables, its preparation, its end."""
        if event.kind is Kind.TEARDOWN:
            self._close_put(thread)
            self._teardown(event.mm)
        elif event.kind is Kind.PREPARE:
            self._prepare(event.mm)
        elif event.kind is Kind.TABLES:
            self._tables(event)

    def test_ended(self, name: str, line: int) -> None:  # noqa: ARG002 - the reader's protocol
        """A test's result line: what happened since the last one was this test."""
        for thread in self._threads.values():
            self._close_put(thread)
        for process in self._processes.values():
            self._leaks(process)
        self._end(name)
        self._threads.clear()
        if not self._torn_down:  # an mm may be freed and its address used again, unseen
            self._processes.clear()
            self._allocs.clear()

    def finish(self) -> Outcome:
        """Everything found; a test without a result line is the last, and nameless."""
        for thread in self._threads.values():
            self._close_put(thread)
        self._end(None)
        self._rules.finish(self._cpus)
        breaches = self._breaches.all()
        if not self._walks:
            breaches = tuple(b for b in breaches if b.code != "not-unmapped")
        if not self._pins:
            breaches = tuple(b for b in breaches if b.code != "migration-leak")
        regions = self._rules.regions
        timelines = tuple(
            builder.build(test, self._cpu_number(region), region.low, regions.end(region))
            for test, region, builder in self._timelines
        )
        return Outcome(tuple(self._tests), timelines, breaches, self._lost, self._lost_line)

    def _got(self, thread: Thread, event: Event, found: tuple[int, int] | None) -> None:
        get = thread.get
        if get is None:
            self._lose(event.line)
            return
        done = thread.flushes or (0 if self._wrapper_wraps else thread.wrappers)
        self._test.done += done
        if not 0 < event.alloc < ERROR_POINTER:
            self._test.refusals += 1
            self._refused(thread, get, event, done)
            if thread.pins > 0:
                self._stays_pinned(get.mm, event.line, f"get: refused, {get.size} bytes")
        elif found is None:
            self._blind = True
        else:
            self._granted(thread, get, event, found, done)
        thread.begin(None)

    def _granted(
        self, thread: Thread, get: Event, event: Event, found: tuple[int, int], done: int
    ) -> None:
        process = self._process(get.mm)
        cpu = process.on(get.mm, event.alloc)
        thread.cpu = cpu
        self._pins = self._pins or thread.pins > 0
        new = Live(
            event.alloc, event.where, *found, event.line, self._test.events, reserved=get.reserved
        )
        tables = self._prepared.get(get.mm, NO_TABLES)
        explained = self._rules.place(cpu, new, process.cpus, tables)
        reused = bool(cpu.waiting.overlapping(new.base, new.end)) or cpu.wraps_at(new)
        self._test.needed += reused
        if done:
            needed = reused or get.reserved or explained
            self._flushed_in_get(thread, cpu, new, done, needed=needed)
        if not new.reserved:
            if cpu.next is not None and new.base < cpu.next and self._test.reuse is None:
                self._test.reuse = cpu.gets
            cpu.pages += (new.end - new.base) // PAGE
        stale = self._rules.reuse(cpu, new, explained=explained)
        if thread.low is not None and (thread.low, thread.high) != found:
            self._wrongly_mapped(thread, new)
        cpu.gets += 1
        cpu.live[new.alloc] = new
        self._allocs[new.alloc] = (cpu, new)
        if cpu.region is not None:
            self._test.cpus.add(id(cpu.region))
            timeline = self._test.timeline(cpu.region)
            if done:
                timeline.flush(new.event)
            if stale:
                timeline.stale_reuse(new.event, new.base, new.end, new.line)

    def _flushed_in_get(
        self, thread: Thread, cpu: CpuState, new: Live, done: int, *, needed: bool
    ) -> None:
        lines = ", ".join(map(str, thread.flush_lines))
        idle = done - 1 if needed else done
        if idle:
            if needed or not cpu.waiting:
                why = "no address was waiting for a flush"
            else:
                why = "the get took an address that was not waiting for a flush"
            evidence: Evidence = {
                "flush": f"line {lines}",
                "get": f"line {new.line}: {span(new.base, new.end)}",
                "flushes in this get": done,
                "why": why,
                "mm": f"{cpu.mm:#x}",
            }
            self._idle(thread, new.line, evidence, idle)
        self._clean(cpu, restarts=new.reserved)

    def _refused(self, thread: Thread, get: Event, event: Event, done: int) -> None:
        cpu = thread.cpu
        if cpu is None or cpu.mm != get.mm:
            return
        if cpu.live and len(cpu.live) < SLOTS and not get.reserved and get.size <= PAGE:
            cpu.full = True  # the thread cannot have left this CPU
        if not done:
            return
        evidence: Evidence = {
            "flush": "line " + ", ".join(map(str, thread.flush_lines)),
            "get": f"line {event.line}: refused, {get.size} bytes",
            "why": "the get was refused, so that nothing was reused",
            "mm": f"{cpu.mm:#x}",
        }
        self._idle(thread, event.line, evidence, done)
        self._clean(cpu, restarts=True)

    def _idle(self, thread: Thread, line: int, evidence: Evidence, times: int) -> None:
        known = bool(thread.get and thread.get.caller)
        self._breaches.note("idle-flush", line, evidence, certain=known, times=times)

    def _clean(self, cpu: CpuState, *, restarts: bool) -> None:
        """The mermap flushed this CPU for `cpu.mm`; other processes' entries went too, unasked.

        `restarts` when the next ordinary get may therefore start over.
        """
        if len(self._test.between) < INTERVALS:
            self._test.between.append(cpu.pages)
        cpu.pages = 0
        if restarts:
            cpu.again = cpu.restarts()
        cpu.waiting.clear()
        self._wash(cpu)

    def _wash(self, cpu: CpuState) -> None:
        for process in self._processes.values():
            for other in process.cpus:
                if other.region is cpu.region:
                    other.waiting.wash()

    def _wrongly_mapped(self, thread: Thread, new: Live) -> None:
        mapped = span(thread.low or 0, thread.high or 0)
        evidence: Evidence = {
            "get": f"line {new.line}: {span(new.base, new.end)}",
            "page tables walked": mapped,
        }
        self._breaches.note("wrong-range-mapped", new.line, evidence)

    def _put(self, thread: Thread, event: Event) -> None:
        self._test.puts += 1
        cpu, live = self._allocs.pop(event.alloc, (None, None))
        if cpu is None or live is None:
            if not self._blind:
                self._lose(event.line)
            return
        cpu.live.pop(live.alloc, None)
        cpu.waiting.add(live.base, live.end, event.line)
        thread.cpu = cpu
        thread.put = Put(cpu, live, event)
        if cpu.region is not None:
            self._test.timeline(cpu.region).span(
                live.event, self._test.events, live.base, live.end, reserved=live.reserved
            )

    def _close_put(self, thread: Thread) -> None:
        put, thread.put = thread.put, None
        if put is None:
            return
        if not put.unpinned:
            what = f"put: {span(put.base, put.end)}"
            self._stays_pinned(put.cpu.mm, put.line, what)
        if put.low <= put.base and put.high >= put.end:
            return
        walked = span(put.low, put.high) if put.low < put.high else "nothing"
        evidence: Evidence = {
            "put": f"line {put.line}: {span(put.base, put.end)}",
            "page tables walked": walked,
            "mm": f"{put.cpu.mm:#x}",
        }
        self._breaches.note("not-unmapped", put.line, evidence)

    def _stays_pinned(self, mm: int, line: int, what: str) -> None:
        evidence: Evidence = {
            "line": f"line {line}: {what}",
            "migrate_enable": "none by this thread before its next get or put",
            "mm": f"{mm:#x}",
        }
        self._breaches.note("migration-leak", line, evidence)

    def _flush(self, thread: Thread, event: Event) -> None:
        self._flush_symbols.add(event.where)
        wrapper = event.probe == WRAPPER_PROBE
        if not wrapper and event.by in self._flush_symbols and event.by != WRAPPER_SYMBOL:
            return  # the second half of a flush already counted
        if thread.get is not None and (event.caller or event.comm in (None, KUNIT_COMM)):
            if not wrapper and thread.wrappers:
                self._wrapper_wraps = True
            thread.flushed(event.line, wrapper=wrapper)
        elif thread.put is not None and event.by == thread.put.where:
            self._flush_at_put(thread.put, event)
        else:
            self._test.other += 1
            ours = event.caller or event.comm in (None, KUNIT_COMM)
            if ours and thread.cpu is not None:
                self._wash(thread.cpu)

    def _flush_at_put(self, put: Put, event: Event) -> None:
        self._test.done += 1
        evidence: Evidence = {
            "put": f"line {put.line}: {span(put.base, put.end)}",
            "flush": f"line {event.line}, by {event.by}",
            "why": "a put needs no flush: its addresses wait until they are reused",
            "mm": f"{put.cpu.mm:#x}",
        }
        self._breaches.note("idle-flush", event.line, evidence)
        self._clean(put.cpu, restarts=True)
        if put.cpu.region is not None:
            self._test.timeline(put.cpu.region).flush(self._test.events)

    def _walk(self, thread: Thread, event: Event) -> None:
        low, high = event.base, event.base + event.size
        put = thread.put
        if thread.get is not None and thread.get.mm == event.mm:
            self._walks = True
            thread.low = low if thread.low is None else min(low, thread.low)
            thread.high = high if thread.high is None else max(high, thread.high)
        elif put is not None and put.cpu.mm == event.mm:
            self._walks = True
            put.low, put.high = min(low, put.low), max(high, put.high)
            if low < put.end and put.base < high:  # a flush before this did not reach it
                put.cpu.waiting.add(max(low, put.base), min(high, put.end), put.line)

    def _process(self, mm: int) -> Process:
        process = self._processes.get(mm)
        if process is None:
            process = self._processes[mm] = Process(fresh=mm not in self._ever)
            self._ever.add(mm)
            if len(self._processes) > PROCESSES:
                idle = next((m for m, p in self._processes.items() if not p.lives()), None)
                if idle is not None and idle != mm:
                    del self._processes[idle]
        return process

    def _tables(self, event: Event) -> None:
        """Page tables were made for a range of a process: its regions lie in there."""
        if event.mm not in self._prepared and len(self._prepared) >= PROCESSES:
            self._prepared.pop(next(iter(self._prepared)))
        tables = self._prepared.setdefault(event.mm, Tables())
        tables.add(event.base, event.base + event.size)

    def _prepare(self, mm: int) -> None:
        """Preparing twice is allowed, so only teardown ends a life; without it, doubt ends one."""
        process = self._processes.get(mm)
        if not self._torn_down and process is not None and not process.lives():
            del self._processes[mm]

    def _teardown(self, mm: int) -> None:
        self._torn_down = True
        self._ever.discard(mm)
        self._prepared.pop(mm, None)
        process = self._processes.pop(mm, None)
        if process is not None:
            self._leaks(process)
            for live in process.lives():
                self._allocs.pop(live.alloc, None)

    def _leaks(self, process: Process) -> None:
        for cpu in process.cpus:
            for live in cpu.live.values():
                if live.flagged:
                    continue
                live.flagged = True
                evidence: Evidence = {
                    "get": f"line {live.line}: {span(live.base, live.end)}",
                    "by": live.where,
                    "put": "none before the test's end",
                    "mm": f"{cpu.mm:#x}",
                }
                self._breaches.note("leak", live.line, evidence)

    def _end(self, name: str | None) -> None:
        test, self._test = self._test, Tally()
        self._breaches.named(name)
        if not (test.gets or test.puts):
            return
        for cpu, live in self._allocs.values():
            if cpu.region is not None and id(cpu.region) in test.timelines:
                test.timeline(cpu.region).span(
                    live.event, test.events, live.base, live.end, reserved=live.reserved
                )
        self._tests.append(test.summary(name))
        room = TIMELINES - len(self._timelines)
        for region, builder in list(test.timelines.values())[: max(room, 0)]:
            self._timelines.append((name, region, builder))

    def _cpu_number(self, region: Region) -> int | None:
        known = self._rules.regions.known
        if self._cpus is not None and len(known) == self._cpus:
            return known.index(region)
        return None

    def _lose(self, line: int) -> None:
        self._lost += 1
        self._lost_line = self._lost_line or line

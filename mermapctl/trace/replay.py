# SPDX-License-Identifier: GPL-2.0-only
"""Replays a trace's events: each thread's get or put, each CPU's live allocations. Pure.

A flush that a thread makes between the entry and the return of its own get is the mermap's and of
that get's CPU, since a get that succeeds forbids migration. printk's caller tells threads apart,
and shows an interrupt as a CPU ("C1"): such a flush was requested elsewhere or runs on another CPU,
and never counts. Without printk's caller, the flush's `comm` must be the KUnit thread's.
"""

from __future__ import annotations

from dataclasses import replace

from mermapctl.trace import evidence
from mermapctl.trace.addresses import PAGE, Region
from mermapctl.trace.entry_rules import Frames
from mermapctl.trace.events import ERROR_POINTER, Event, EventKind
from mermapctl.trace.exercised import Exercise, Exercised
from mermapctl.trace.processes import Processes
from mermapctl.trace.rules import CpuState, Live, Rules
from mermapctl.trace.state import WRAPPER_PROBE, WRAPPER_SYMBOL, Put, Thread
from mermapctl.trace.summary import TestCounts, TraceAccount, TraceSummary
from mermapctl.trace.timeline import TimelineBuilder
from mermapctl.trace.violations import Breaches, Evidence, span

KUNIT_COMM = "kunit_try_catch"
TIMELINES = 48
"""Timelines kept per trace: one per test and CPU."""
UNTRACED = 64
"""Limit of rows for tests that ran untraced."""
INTERVALS = 16
"""Distances between flushes listed per test."""


class Replay:
    """Takes events in console order; live allocations, CPUs and tests bound its memory."""

    def __init__(self) -> None:
        self._breaches = Breaches()
        self._rules = Rules(self._breaches)
        self._frames = Frames(self._breaches)
        self._processes = Processes(self._breaches)
        self._exercised = Exercised()
        self._threads: dict[str, Thread] = {}
        self._test = TestCounts()
        self._tests: list[TraceSummary] = []
        self._timelines: list[tuple[str | None, Region, TimelineBuilder]] = []
        self._walks = False
        self._entries = False
        self._flush_symbols: set[str] = set()
        self._wrapper_wraps = False
        self.misplaced: int | None = None  # the line of the last get in a wrong place
        self._blind = False
        self._lost = 0
        self._lost_line: int | None = None
        self._take = {
            EventKind.GET: self._get,
            EventKind.PUT: self._any_put,
            EventKind.FLUSH: self._flush,
            EventKind.WALK: self._walk,
            EventKind.TABLES: self._tables,
            EventKind.ENTRY: self._entry,
            EventKind.PIN: self._pinned,
            EventKind.UNPIN: self._pinned,
            EventKind.TEARDOWN: self._teardown,
            EventKind.PREPARE: self._prepare,
        }

    def cpus(self, count: int) -> None:
        """Take the number of CPUs that the kernel may use, as printed on the console."""
        self._rules.cpus = count

    def all_puts(self, *, seen: bool) -> None:
        """Note whether a put inlined into its caller is seen there, so that none is missed."""
        self._processes.all_puts = seen

    def event(self, event: Event, found: tuple[int, int] | None = None) -> None:
        """Take an event; `found` is the `(base, end)` of a successful get, None if illegible."""
        self._test.events += 1
        thread = self._threads.get(event.caller)
        if thread is None:
            thread = Thread()
            if event.kind in (EventKind.GET, EventKind.PUT):  # only these begin a get or a put
                self._threads[event.caller] = thread
        if event.kind is not EventKind.PUT:
            thread.outer = 0
        if event.kind is EventKind.GOT:
            self._got(thread, event, found)
        else:
            self._take[event.kind](thread, event)

    def test_ended(self, name: str, off: int | None = None) -> None:
        """Take a test's result line: the events since the previous one belong to it.

        `off` is the line of an Oops after which the kernel traced nothing, 0 for an earlier test's.
        """
        self._close(seen=off is None)
        self._processes.test_ended(seen=off is None)
        self._end(name, off)
        self._threads.clear()

    def finish(self, off: int | None = None) -> TraceAccount:
        """Return what the events say; those after the last result belong to a test without a name.

        The reader of the events adds what it knows of them.
        """
        self._close(seen=off is None)
        self._end(None, off)
        self._rules.finish()
        self._frames.finish()
        believed = {
            "not-unmapped": self._walks,
            "migration-leak": Exercise.MIGRATION in self._exercised,
            "leak": self._processes.all_puts or self._processes.put_seen,
        }
        breaches = tuple(b for b in self._breaches.all() if believed.get(b.code, True))
        regions = self._rules.regions
        timelines = tuple(
            builder.build(
                test, self._cpu_number(region), region.low, regions.end(region, self._rules.cpus)
            )
            for test, region, builder in self._timelines
        )
        return TraceAccount(
            tests=tuple(self._tests),
            timelines=timelines,
            breaches=breaches,
            lost=self._lost + self._processes.in_doubt,
            lost_line=self._lost_line or self._processes.crowd_line,
            not_exercised=self._exercised.missing(),
            unmaps_seen=Exercise.UNMAP in self._exercised,
            unseen_puts=self._processes.unseen_puts,
            off=off,
        )

    def _close(self, *, seen: bool) -> None:
        """Close every thread's put, unless its last events went untraced (not `seen`)."""
        for thread in self._threads.values() if seen else ():
            self._close_put(thread)

    def _get(self, thread: Thread, event: Event) -> None:
        self._close_put(thread)
        if thread.get is not None:
            self._lose(event.line)
        thread.begin(event)
        self._test.gets += 1
        self._test.reserved += event.reserved
        self._test.mms.add(event.mm)

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
        process = self._processes.of(get.mm)
        if self._processes.crowded(process, event.line):
            return
        cpu = process.on(get.mm, event.alloc)
        thread.cpu = cpu
        if thread.pins > 0:
            self._exercised.add(Exercise.MIGRATION)
        new = Live(
            event.alloc, event.where, *found, event.line, self._test.events, reserved=get.reserved
        )
        self._processes.reappears(cpu, new.alloc)
        explained = self._rules.place(cpu, new, process.cpus, self._processes.tables(get.mm))
        self.misplaced = new.line if explained else self.misplaced
        wraps = cpu.wraps_at(new)
        reused = wraps or bool(cpu.waiting.overlapping(new.base, new.end))
        self._test.needed += reused
        self._exercised.granted(cpu, new, self._rules.ordinary_slots, wraps=wraps)
        self._exercised.beside(cpu, process.cpus, self._processes.states())
        if done:
            self._flushed_in_get(thread, cpu, new, done, needed=reused or explained)
        if cpu.next is not None and new.base < cpu.next and self._test.reuse is None:
            self._test.reuse = cpu.gets
        cpu.pages += (new.end - new.base) // PAGE
        cpu.reserves += new.reserved
        stale = self._rules.reuse(cpu, new, explained=explained)
        self._mapped(thread, get, new)
        self._processes.granted(cpu, new)
        if cpu.region is not None:
            self._test.cpus.add(id(cpu.region))
            timeline = self._test.timeline(cpu.region)
            if done:
                timeline.flush(new.event)
            if stale:
                timeline.stale_reuse(new.event, new.base, new.end, new.line)

    def _mapped(self, thread: Thread, get: Event, new: Live) -> None:
        """Check which entries a get filled, and with which pages."""
        written = thread.written
        if thread.low is not None and (thread.low, thread.high) != (new.base, new.end):
            walked = span(thread.low, thread.high or 0)
            self._misses(new, {"page tables walked": walked})
        elif self._entries and not written.covers(new.base, new.end):
            self._misses(new, {"entries written": str(written)})
        if written:
            new.entries = written.spelled()
            self._entries = True
            self._exercised.add(Exercise.PAGES)
            if new.end - new.base > PAGE:
                self._exercised.add(Exercise.LATER_PAGES)
            self._frames.got(get.page, written, new.line, new.base, new.end)

    def _misses(self, new: Live, how: Evidence) -> None:
        proof = {"get": f"console line {new.line}: {span(new.base, new.end)}", **how}
        self._breaches.note("wrong-range-mapped", new.line, proof)

    def _flushed_in_get(
        self, thread: Thread, cpu: CpuState, new: Live, done: int, *, needed: bool
    ) -> None:
        idle = done - 1 if needed else done
        if idle:
            proof = evidence.idle_in_get(thread, cpu, new, done, needed=needed)
            self._idle(thread, new.line, proof, idle)
        self._clean(cpu, restarts=False)

    def _refused(self, thread: Thread, get: Event, event: Event, done: int) -> None:
        cpu = thread.cpu
        if cpu is None or cpu.mm != get.mm:
            states = self._processes.of(get.mm).cpus
            if self._rules.cpus != 1 or not states:
                return
            cpu = states[0]
        if not get.reserved:
            if self._rules.refused(cpu, get.size):
                self._exercised.add(Exercise.NO_ROOM)
            elif self._rules.without_slot(cpu):
                self._exercised.add(Exercise.NO_SLOT)
        if not done:
            return
        proof = evidence.idle_in_refusal(thread, cpu, get, event.line)
        self._idle(thread, event.line, proof, done)
        self._clean(cpu, restarts=True)

    def _idle(self, thread: Thread, line: int, proof: Evidence, times: int) -> None:
        known = bool(thread.get and thread.get.caller)
        self._breaches.note("idle-flush", line, proof, certain=known, times=times)

    def _clean(self, cpu: CpuState, *, restarts: bool) -> None:
        """Note that the mermap flushed this CPU for `cpu.mm`; other processes' entries went too.

        `restarts` when the next ordinary get may therefore start over.
        """
        if len(self._test.between) < INTERVALS:
            self._test.between.append(cpu.pages)
        cpu.pages = cpu.reserves = 0
        if restarts:
            cpu.again = cpu.restarts()
        cpu.waiting.clear()
        self._wash(cpu)

    def _wash(self, cpu: CpuState) -> None:
        for other in self._processes.states():
            if other.region is cpu.region:
                other.waiting.wash()

    def _any_put(self, thread: Thread, event: Event) -> None:
        """Take a put, seen at its own begin or, earlier, at that of `mermap_put()`."""
        if event.alloc == thread.outer and thread.put is not None:
            thread.put.where = event.where
            thread.outer = 0
            return
        self._close_put(thread)
        thread.outer = event.alloc if event.outer else 0
        self._put(thread, event)

    def _put(self, thread: Thread, event: Event) -> None:
        self._test.puts += 1
        found = self._processes.put(event.alloc)
        if found is None:
            if not (self._blind or self._processes.crowd_line):
                self._lose(event.line)
            return
        cpu, live = found
        cpu.waiting.add(live.base, live.end, event.line)
        thread.cpu = cpu
        thread.put = Put(cpu, live, event)
        if cpu.region is not None:
            self._test.timeline(cpu.region).span(live.until(self._test.events))

    def _close_put(self, thread: Thread) -> None:
        put, thread.put = thread.put, None
        if put is None:
            return
        if not put.unpinned:
            what = f"put: {span(put.base, put.end)}"
            self._stays_pinned(put.cpu.mm, put.line, what)
        if put.low <= put.base and put.high >= put.end:
            return
        self._breaches.note("not-unmapped", put.line, evidence.not_unmapped(put))

    def _pinned(self, thread: Thread, event: Event) -> None:
        thread.pinned(1 if event.kind is EventKind.PIN else -1)

    def _stays_pinned(self, mm: int, line: int, what: str) -> None:
        self._breaches.note("migration-leak", line, evidence.stays_pinned(mm, line, what))

    def _flush(self, thread: Thread, event: Event) -> None:
        self._flush_symbols.add(event.where)
        wrapper = event.probe == WRAPPER_PROBE
        if not wrapper and event.by in self._flush_symbols and event.by != WRAPPER_SYMBOL:
            return  # the second half of a flush already counted
        if thread.get is not None and (event.caller or event.comm in (None, KUNIT_COMM)):
            if not wrapper and thread.wrappers:
                self._wrapper_wraps = True
            thread.flushed(event, wrapper=wrapper)
        elif thread.put is not None and event.by == thread.put.where:
            self._flush_at_put(thread.put, event)
        else:
            self._test.other += 1
            ours = event.caller or event.comm in (None, KUNIT_COMM)
            if ours and thread.cpu is not None:
                self._wash(thread.cpu)

    def _flush_at_put(self, put: Put, event: Event) -> None:
        self._test.done += 1
        self._breaches.note("idle-flush", event.line, evidence.idle_at_put(put, event))
        self._clean(put.cpu, restarts=True)
        if put.cpu.region is not None:
            self._test.timeline(put.cpu.region).flush(self._test.events)

    def _walk(self, thread: Thread, event: Event) -> bool:
        """Take a page-table walk; return whether it is a get's or a put's.

        A put's walks run from its entry to its thread's next step, by whichever function.
        """
        low, high = event.base, event.base + event.size
        put = thread.put
        if thread.get is not None and thread.get.mm == event.mm:
            self._walks = True
            thread.low = low if thread.low is None else min(low, thread.low)
            thread.high = high if thread.high is None else max(high, thread.high)
            return True
        if put is None or put.cpu.mm != event.mm or high <= put.base or put.end <= low:
            return False
        self._walks = True
        self._exercised.add(Exercise.UNMAP)
        put.low, put.high = min(low, put.low), max(high, put.high)
        # An earlier flush did not reach it.
        put.cpu.waiting.add(max(low, put.base), min(high, put.end), put.line)
        return True

    def _entry(self, thread: Thread, event: Event) -> None:
        """Take an entry for which page tables are walked; else another function of that name."""
        if thread.get is not None and event.where.lstrip("_").startswith("apply_to_"):
            thread.written.add(event.base, event.entry)

    def _tables(self, thread: Thread, event: Event) -> None:
        """Take page tables made by the function that also fills and clears entries."""
        if not self._walk(thread, event):
            self._processes.prepared(event)

    def _prepare(self, _: Thread, event: Event) -> None:
        self._processes.prepare(event.mm)

    def _teardown(self, thread: Thread, event: Event) -> None:
        self._close_put(thread)
        self._processes.teardown(event.mm)

    def _end(self, name: str | None, off: int | None) -> None:
        test, self._test = self._test, TestCounts()
        self._breaches.named(name)
        happened = test.gets or test.puts
        if off is not None and (happened or name is not None) and len(self._tests) < UNTRACED:
            self._tests.append(replace(test.summary(name), traced=False, until=off or None))
        if not happened or off is not None:
            return
        for cpu, live in self._processes.live():
            if cpu.region is not None and id(cpu.region) in test.timelines:
                test.timeline(cpu.region).span(live.until(test.events))
        self._tests.append(test.summary(name))
        room = TIMELINES - len(self._timelines)
        for region, builder in list(test.timelines.values())[: max(room, 0)]:
            self._timelines.append((name, region, builder))

    def _cpu_number(self, region: Region) -> int | None:
        known = self._rules.regions.known
        return known.index(region) if len(known) == self._rules.cpus else None

    def _lose(self, line: int) -> None:
        self._lost += 1
        self._lost_line = self._lost_line or line

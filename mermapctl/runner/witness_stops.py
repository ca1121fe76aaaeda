# SPDX-License-Identifier: GPL-2.0-only
"""Each stop of a guest under the witness: what it is, what is read, where to stop next.

`get()` and `put()` stand for the kernel's `__mermap_get()` and `__mermap_put()`. Breakpoints are
QEMU's own (`Z1`), so nothing is written to the guest. The guest stops at the entry of a `get()` or
`put()`, and at its end: at the return address on its stack. There the page tables are read.

A stop at a breakpoint is slow. QEMU (up to 7.2 at least) drops all translated code at each stop,
and translates the page around a breakpoint one instruction at a time. If nothing else can run
meanwhile (one CPU, a kernel without preemption), the breakpoints of a `get()` and a `put()`
are removed until the call returns, and need no step over them. In that case, repeated calls at one
depth of the stack are stopped by a watch instead (`mermapctl.runner.call_slots`), and the memory
that the next stop needs is read ahead: the same pieces as at the last stop that followed this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mermapctl.runner import guest_memory, per_cpu, witness_sites
from mermapctl.runner.call_slots import CallSlots
from mermapctl.runner.gdb_client import Access, Breakpoint, GdbClient, Piece
from mermapctl.runner.gdb_packets import StopReply, StubError
from mermapctl.runner.guest_memory import PAGE, PRESENT, KernelFacts, PageTables
from mermapctl.runner.per_cpu import PerCpuAreas
from mermapctl.runner.system_map import SystemMap
from mermapctl.runner.witness_file import WitnessLog
from mermapctl.runner.witness_sites import CALLS, Site, SiteKind
from mermapctl.trace import witness_log
from mermapctl.trace.events import ERROR_POINTER
from mermapctl.trace.probes import WORDS
from mermapctl.trace.reader import fitting

MOST_EVENTS = 60_000
"""The most events that are logged; a test may make a million rounds, and these show all that it
does."""
MOST_TABLES = 64
LARGEST_GET = 1 << 24
"""The most bytes of a get whose entries are read."""


@dataclass(frozen=True, slots=True)
class Call:
    """A get or put that has not returned: the address of its stack, and its return address."""

    site: Site
    stack: int
    back: int
    thread: int
    mm: int = 0
    alloc: int = 0
    size: int = 0


@dataclass(slots=True)
class _Known:
    """What is known of the guest: running calls, live allocations, page tables to be read."""

    calls: list[Call] = field(default_factory=list)
    live: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # alloc: mm, base, end
    pairs: set[tuple[int, int]] | None = None
    due: set[int] = field(default_factory=set)  # mms whose CPU flushed
    places: dict[int, int] = field(default_factory=dict)  # an address of each mm's mermap
    introduced: bool = False


class Stops:
    """Follows one guest from stop to stop. Raises StubError, and OSError if the log is full."""

    def __init__(
        self, client: GdbClient, log: WitnessLog, system_map: SystemMap, tests: Sequence[str]
    ) -> None:
        self._client = client
        self._log = log
        self._map = system_map
        self._tests = tests
        self._sites: dict[int, Site] = {}
        self._set: set[Breakpoint] = set()
        self._slots = CallSlots()
        self._last = 0  # the address of the stop before
        self._ahead: dict[int, tuple[Piece, ...]] = {}
        self._facts: KernelFacts | None = None
        self._tables: PageTables | None = None
        self._areas: PerCpuAreas | None = None
        self._running: dict[int, int | None] = {}  # the kernel's number of each vCPU
        self._known = _Known()
        self._offset = 0

    def watch(self, *, moves: bool) -> None:
        """Watch until the guest ends, or until the most events are logged."""
        self._offset = guest_memory.find(self._client, self._map) if moves else 0
        self._sites = witness_sites.sites(self._map, self._tests, self._offset)
        begun = {at for at, site in self._sites.items() if site.kind is SiteKind.TEST}
        # Before the first test, breakpoints would only slow down the boot.
        self._aim({Breakpoint(at) for at in begun or self._sites})
        self._client.go_on()
        while not (stop := self._client.stopped()).exited:
            if self._log.lines >= MOST_EVENTS:
                self._log.sentence("bound", f"{MOST_EVENTS} events are logged at most")
                return
            self._resume(self._stopped(stop), stop)
        self._log.write("end")

    def _aim(self, wanted: set[Breakpoint]) -> None:
        """Set breakpoints at `wanted` and remove all others."""
        if wanted != self._set:
            self._client.set(sorted(wanted - self._set), remove=sorted(self._set - wanted))
            self._set = set(wanted)

    def _wanted(self) -> set[Breakpoint]:
        calls = self._known.calls
        kinds = {*SiteKind}
        if calls and self._alone and calls[-1].site.kind in (SiteKind.GET, SiteKind.PUT):
            kinds -= {*CALLS, SiteKind.TABLES}
        elif not any(call.site.kind is SiteKind.PREPARE for call in calls):
            kinds.remove(SiteKind.TABLES)
        sites = (at for at, site in self._sites.items() if site.kind in kinds)
        stacks = {call.stack for call in calls}
        watched = {
            Breakpoint(slot, Access.READ if slot in stacks else Access.WRITE)
            for slot in self._slots.watched
        }
        backs = (call.back for call in calls if not self._slots.proven(call.stack))
        return watched | {Breakpoint(at) for at in (*sites, *backs)}

    @property
    def _alone(self) -> bool:
        """Whether no other code can run between the entry and the end of a get or put."""
        one = self._facts is not None and self._facts.cpus == 1
        return one and not self._map.preemptible

    def _resume(self, at: int, stop: StopReply) -> None:
        self._aim(self._wanted())
        # Without a step the guest would stop here again.
        if Breakpoint(at) in self._set and self._client.step(stop.thread or 1).exited:
            raise StubError("the guest ended in the middle of an instruction")
        self._client.go_on()

    def _stopped(self, stop: StopReply) -> int:
        """Log what happens at a stop; return its address."""
        registers = self._client.registers(self._ahead.get(self._last, ()))
        at, stack = registers["rip"], registers["rsp"]
        returns = self._returning(at, stack)
        ours = returns or Breakpoint(at) in self._set
        if stop.watched:
            self._watched(stop.watched, stack, ours=ours, returns=returns)
        if ours:
            self._meets(at, stack, registers, stop)
        self._ahead[self._last], self._last = self._client.pieces, at
        return at

    def _returning(self, at: int, stack: int) -> bool:
        """Return whether a call returns here: the stack pointer is above its return address."""
        return any(call.back == at and call.stack + 8 == stack for call in self._known.calls)

    def _watched(self, slot: int, stack: int, *, ours: bool, returns: bool) -> None:
        """Handle a stop by a watch. Raises StubError if a return must have been missed."""
        if returns and slot + 8 == stack:
            self._slots.returned(slot)
        elif slot + 8 == stack and any(call.stack == slot for call in self._known.calls):
            raise StubError("a function returned from where another one was called")
        self._slots.stopped(slot, ours=ours)

    def _meets(self, at: int, stack: int, registers: dict[str, int], stop: StopReply) -> None:
        """Log the calls that return or begin at the address of a breakpoint."""
        facts = self._facts or self._learn()
        thread = stack // facts.stack
        self._returned(at, stack, thread, stop, registers["rax"])
        site = self._sites.get(at)
        if site is not None and not self._runs(site, stack, thread):
            if site.kind in CALLS and self._alone and not stop.watched:
                self._slots.called(at, stack)
            self._begins(site, registers, thread, stop)

    def _runs(self, site: Site, stack: int, thread: int) -> bool:
        """Return whether this call was logged already: a step over its first instruction failed."""
        return any(
            (call.site, call.stack, call.thread) == (site, stack, thread)
            for call in self._known.calls
        )

    def _learn(self) -> KernelFacts:
        facts = guest_memory.learn(self._client, self._map, self._offset)
        self._facts = facts
        self._tables = PageTables(self._client, facts)
        return facts

    def _begins(self, site: Site, registers: dict[str, int], thread: int, stop: StopReply) -> None:
        cpu, mm = max(stop.thread - 1, 0), registers["rdi"]
        calls = self._known.calls
        if site.kind is SiteKind.TEST:
            self._slots.clear()
            self._log.write("test", name=site.symbol)
        elif site.kind in CALLS:
            back = self._client.words(registers["rsp"])[0]
            self._called(site, registers, Call(site, registers["rsp"], back, thread), cpu)
        elif site.kind is SiteKind.FLUSH:
            by = self._function(self._client.words(registers["rsp"])[0])
            self._known.due |= {call.mm for call in calls if call.thread == thread}
            self._log.write(
                "flush", cpu=cpu, thread=thread, where=site.symbol, probe=site.probe, by=by
            )
        elif site.kind is SiteKind.TABLES:
            at, size = registers["rsi"], registers["rdx"]
            if (SiteKind.PREPARE, thread) in {(each.site.kind, each.thread) for each in calls}:
                self._log.write("tables", cpu=cpu, thread=thread, mm=mm, at=at, size=size)
        else:
            if site.kind is SiteKind.PREPARE:
                back = self._client.words(registers["rsp"])[0]
                calls.append(Call(site, registers["rsp"], back, thread, mm))
            if site.kind is SiteKind.TEARDOWN:
                self._slot(mm)
                self._known.places.pop(mm, None)
            self._reader.forget(mm)
            self._log.write(str(site.kind), cpu=cpu, thread=thread, mm=mm, probe=site.probe)

    def _called(self, site: Site, registers: dict[str, int], call: Call, cpu: int) -> None:
        common: dict[str, int | str | Sequence[int]] = {"cpu": cpu, "thread": call.thread}
        first, second = registers["rdi"], registers["rsi"]
        if site.kind is SiteKind.GET:
            self._introduce(first)
            call = Call(site, call.stack, call.back, call.thread, first, size=registers["rdx"])
            self._log.write(
                "get", **common, mm=first, page=second, size=call.size, prot=registers["rcx"],
                reserved=int(bool(registers["r8"] & 0xFF)),
            )  # fmt: skip
        else:
            alloc = first if site.kind is SiteKind.OUTER else second
            mm = self._known.live.get(alloc, (0, 0, 0))[0]
            call = Call(site, call.stack, call.back, call.thread, mm, alloc)
            self._log.write("put", **common, alloc=alloc, probe=site.probe)
        self._known.calls.append(call)

    def _introduce(self, mm: int) -> None:
        """Log the facts about this kernel before the first get."""
        facts = self._facts
        if facts is None or self._known.introduced or not mm:
            return
        self._known.introduced = True
        self._facts = facts = guest_memory.with_struct_page(self._client, facts, mm)
        self._areas = per_cpu.read(self._client, self._map, self._offset, facts.cpus)
        self._log.write(
            "kernel", offset=facts.offset, levels=facts.levels, pgd=facts.pgd, cpus=facts.cpus,
            vmemmap=facts.vmemmap, page=facts.struct_page,
            nx="unknown" if facts.nx is None else int(facts.nx),
        )  # fmt: skip

    def _returned(self, at: int, stack: int, thread: int, stop: StopReply, result: int) -> None:
        """End the calls that return here: the stack pointer is just above their return address."""
        ended = [
            call for call in self._known.calls
            if call.back == at and call.thread == thread and call.stack + 8 == stack
        ]  # fmt: skip
        for call in reversed(ended):
            self._known.calls.remove(call)
            if call.site.kind is SiteKind.GET:
                self._got(call, at, max(stop.thread - 1, 0), result)
            elif call.site.kind in CALLS:
                self._put(call, max(stop.thread - 1, 0))

    def _got(self, call: Call, at: int, cpu: int, alloc: int) -> None:
        common: dict[str, int | str | Sequence[int]] = {
            "cpu": cpu, "thread": call.thread, "alloc": alloc, "where": self._function(at),
        }  # fmt: skip
        if not 0 < alloc < ERROR_POINTER:
            self._log.write("got", **common)
            return
        words = self._client.words(alloc, WORDS)
        pair = self._pair(words, call)
        if pair is None:
            self._log.write("got", **common, words=words)
            return
        base, end = words[pair[0]], words[pair[1]]
        self._known.live[alloc] = (call.mm, base, end)
        self._known.places[call.mm] = base
        low, high = guest_memory.with_neighbours(base, end)
        entries = self._reader.entries(call.mm, low, high)
        if not all(each & PRESENT for each in guest_memory.inner(entries, low, base, end)):
            self._reader.forget(call.mm)  # the tables may be others than those remembered
            entries = self._reader.entries(call.mm, low, high)
        self._log.write(
            "got", **common, **self._home(alloc, cpu), words=words, pair=pair, base=base, end=end,
            low=low, entries=witness_log.spelled(entries),
        )  # fmt: skip
        if call.mm in self._known.due:
            self._known.due.discard(call.mm)
            self._slot(call.mm)

    def _home(self, alloc: int, vcpu: int) -> dict[str, int]:
        """Return in whose per-CPU data an allocation is, and on which CPU we are, if known."""
        areas = self._areas
        if areas is None:
            return {}
        if vcpu not in self._running:
            self._running[vcpu] = areas.running(self._client.control("gs_base"))
        home, on = areas.owner(alloc), self._running[vcpu]
        return {} if home is None or on is None else {"home": home, "on": on}

    def _pair(self, words: tuple[int, ...], call: Call) -> tuple[int, int] | None:
        """Return the two words with the mapping; of several, those whose first entry is present."""
        fits = fitting(words, call.size)
        self._known.pairs = fits if self._known.pairs is None else self._known.pairs & fits
        pairs = sorted(self._known.pairs, key=lambda pair: (max(pair), pair))
        if call.size > LARGEST_GET or not pairs:
            return None
        if len({(words[low], words[high]) for low, high in pairs}) > 1:
            present = [
                (low, high) for low, high in pairs
                if self._reader.entries(call.mm, words[low], words[low] + PAGE)[0] & PRESENT
            ]  # fmt: skip
            pairs = present or pairs
        return pairs[0]

    def _put(self, call: Call, cpu: int) -> None:
        """Log, at the end of a put, what its range's entries are now."""
        found = self._known.live.pop(call.alloc, None)
        if found is None:
            return  # the outer half of one that was seen already, or of no get
        mm, base, end = found
        entries = self._reader.entries(mm, base, end)
        if any(each & PRESENT for each in entries):
            self._reader.forget(mm)
            entries = self._reader.entries(mm, base, end)
        self._log.write(
            "after", cpu=cpu, thread=call.thread, alloc=call.alloc, base=base, end=end,
            entries=witness_log.spelled(entries),
        )  # fmt: skip

    def _slot(self, mm: int) -> None:
        """Log every present entry around the mappings of a process."""
        place = self._known.places.get(mm)
        found = None if place is None else self._reader.slot(mm, place, MOST_TABLES)
        if found is not None:
            at, entries = [address for address, _ in found], [entry for _, entry in found]
            self._log.write(
                "slot", mm=mm, at=witness_log.spelled(at), entries=witness_log.spelled(entries)
            )

    @property
    def _reader(self) -> PageTables:
        if self._tables is None:
            raise StubError("no kernel was looked at yet")
        return self._tables

    def _function(self, address: int) -> str:
        return self._map.function(address - self._offset) or f"{address:#x}"

# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a witness.log -> the same events as a console's trace, and the same account. Pure.

The rules of addresses and flushes are the trace's (`mermapctl.trace.replay`); those of entries are
in `mermapctl.trace.witness_entry_rules`. A thread is known by its stack, a CPU by QEMU's vCPU: a
flush counts for a get only on the CPU on which that get returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mermapctl.trace.addresses import PAGE
from mermapctl.trace.events import ERROR_POINTER, Event, EventKind
from mermapctl.trace.exercised import Exercise
from mermapctl.trace.probes import FLUSHES, NEEDED, OUTER, TABLES
from mermapctl.trace.replay import Replay
from mermapctl.trace.summary import Layout, TraceAccount
from mermapctl.trace.timeline import with_entries
from mermapctl.trace.violations import Breach, Breaches
from mermapctl.trace.witness_entry_rules import Asked, Mapped, Mapping, entry_at
from mermapctl.trace.witness_log import SeenLine, parse

PLACED = (
    "stale-reuse", "overlap", "outside-region", "too-many-live", "bump-order", "region-too-small",
)  # fmt: skip
"""Codes of breaches whose line is that of a get that returned."""
MOST_SPELLED = 1 << 25
"""Entries of a whole log: 60,000 lines have less, and a line of a few bytes may have a million."""
WALK_PROBES = "mm_walk", "mm_pte"
"""What the witness shows without these probes."""


@dataclass(frozen=True, slots=True)
class WitnessAccount:
    """What a witness.log says; the numbers of `trace`'s lines are those of the log.

    `gets` returned a mapping whose entries were read, `unread` ones whose were not; `checked`
    entries were held against the rules. `lost` is a sentence where nothing can be concluded;
    `bound` one where the witness stopped early, and what it saw until then counts. `struct_page`
    is false where the size of a `struct page` was not learnt.
    """

    trace: TraceAccount
    gets: int = 0
    unread: int = 0
    checked: int = 0
    lost: str | None = None
    bound: str | None = None
    struct_page: bool = True

    @property
    def conclusive(self) -> bool:
        """Whether the absence of a finding says anything."""
        known = self.trace.layout is Layout.KNOWN and "mm_get" in self.trace.seen
        return self.lost is None and self.trace.complete and known and self.gets > 0


class _Getting:
    """A get that has not returned, and the flushes of its thread since its entry."""

    def __init__(self, event: Event, asked: Asked) -> None:
        self.event = event
        self.asked = asked
        self.flushes: list[tuple[int, Event]] = []


class WitnessReader:
    """Takes a log's lines in order; see `read` for all at once."""

    def __init__(self) -> None:
        self._replay = Replay()
        self._breaches = Breaches()
        self._mapped = Mapped(self._breaches)
        self._getting: dict[str, _Getting] = {}
        self._test: str | None = None
        self._number = 0
        self._events = 0
        self._unread = 0
        self._spelled = 0
        self._first: dict[int, tuple[int, int]] = {}  # a get's line: its first address and entry
        self._seen: set[str] = set()
        self._pair: tuple[int, ...] | None = None
        self._pairs_differ = False
        self._vmemmap = self._struct_page = 0
        self._lost: str | None = "the log ends before the guest did"
        self._bound: str | None = None
        self._replay.all_puts(seen=True)
        self._take = {
            "kernel": self._kernel,
            "test": self._begins,
            "get": self._get,
            "got": self._got,
            "put": self._put,
            "after": self._after,
            "flush": self._flush,
            "slot": self._slot,
            "prep": self._prepare,
            "tear": self._teardown,
            "tables": self._tables,
            "end": self._end,
            "bound": self._stopped_early,
            "lost": self._ended_badly,
        }

    def feed(self, text: str) -> None:
        """Take the next line. A line that cannot be read ends all conclusions."""
        self._number += 1
        try:
            line = parse(text)
            self._take[line.word](line)
        except (ValueError, KeyError):
            self._lost = f"line {self._number} of the log cannot be read"
            self._take = dict.fromkeys(self._take, lambda _: None)

    def finish(self) -> WitnessAccount:
        """Close the account."""
        early = self._bound is not None
        off = self._number if early else None
        if self._test is not None:
            self._replay.test_ended(self._test, off)
            self._breaches.named(self._test)
        outcome = self._replay.finish(off)
        self._mapped.finish()
        mapped = self._mapped
        shown = {
            Exercise.PAGES: mapped.gets > 0,
            Exercise.LATER_PAGES: mapped.later_pages,
            Exercise.UNMAP: mapped.unmaps,
        }
        known = Layout.KNOWN if self._pair else Layout.NONE
        trace = replace(
            outcome,
            events=self._events,
            requested=tuple((name, name) for name in sorted(self._seen)),
            seen=frozenset(self._seen),
            layout=Layout.AMBIGUOUS if self._pairs_differ else known,
            timelines=with_entries(outcome.timelines, mapped.read),
            breaches=self._with_entries(outcome.breaches),
            not_exercised=tuple(
                each for each in outcome.not_exercised if not shown.get(Exercise(each), False)
            ),
            unmaps_seen=mapped.unmaps,
        )
        return WitnessAccount(
            trace, mapped.gets, self._unread, mapped.checked, self._lost, self._bound,
            struct_page=self._struct_page > 0,
        )  # fmt: skip

    def _with_entries(self, placed: tuple[Breach, ...]) -> tuple[Breach, ...]:
        """Return all breaches; those of addresses have the entry that was mapped there."""
        codes = {each.code for each in placed}
        read = [each for each in self._breaches.all() if each.code not in codes]
        found = [
            replace(each, evidence={**each.evidence, "entry": entry_at(*self._first[each.line])})
            if each.code in PLACED and each.line in self._first
            else each
            for each in placed
        ]
        return (*found, *read)

    def _kernel(self, line: SeenLine) -> None:
        cpus = line.number("cpus")
        if cpus:
            self._replay.cpus(cpus)
        self._vmemmap, self._struct_page = line.number("vmemmap"), line.number("page")
        self._mapped.executable = line.text("nx") != "1"
        self._seen |= {probe.name for probe in (*NEEDED, OUTER, *FLUSHES)} | {*WALK_PROBES}

    def _begins(self, line: SeenLine) -> None:
        if self._test is not None:
            self._replay.test_ended(self._test)
            self._breaches.named(self._test)
            self._mapped.test_ended()
            self._getting.clear()
        self._test = line.text("name")

    def _get(self, line: SeenLine) -> None:
        page = line.number("page")
        event = Event(
            EventKind.GET, self._number, _thread(line), "mm_get", mm=line.number("mm"),
            size=line.number("size"), reserved=bool(line.number("reserved")), page=page,
        )  # fmt: skip
        asked = Asked(event.mm, self._frame(page), page, line.number("prot"))
        self._getting[event.caller] = _Getting(event, asked)
        self._pass(event)

    def _frame(self, page: int) -> int:
        """Return the number of the page whose `struct page` lies at an address; -1 if not known."""
        if not self._struct_page or page < self._vmemmap:
            return -1
        number, rest = divmod(page - self._vmemmap, self._struct_page)
        return -1 if rest else number

    def _got(self, line: SeenLine) -> None:
        alloc, caller, cpu = line.number("alloc"), _thread(line), line.number("cpu")
        getting = self._getting.pop(caller, None)
        for on, flush in getting.flushes if getting else ():
            # On another CPU it did nothing for this get: then it was somebody else's.
            self._pass(flush if on == cpu else flush._replace(caller=f"C{on}"))
        granted = 0 < alloc < ERROR_POINTER
        found = (line.number("base"), line.number("end")) if line.text("base") else None
        event = Event(
            EventKind.GOT, self._number, caller, "mm_got", line.text("where"), alloc=alloc,
            words=line.numbers("words"),
        )  # fmt: skip
        self._pass(event, found)
        if granted:
            self._read(line, alloc, getting, found)

    def _read(
        self, line: SeenLine, alloc: int, getting: _Getting | None, found: tuple[int, int] | None
    ) -> None:
        if found is None or getting is None:
            self._unread += 1
            return
        pair = line.numbers("pair")
        self._pairs_differ = self._pairs_differ or self._pair not in (None, pair)
        self._pair = pair
        base, end = found
        low = line.number("low")
        entries = self._entries(line, "entries")
        if base < low or low + len(entries) * PAGE < end or base >= end:
            raise ValueError("the entries are not those of the range")
        new = Mapping(getting.asked.mm, base, end, self._number)
        placed = self._replay.misplaced != self._number
        self._mapped.got(alloc, getting.asked, new, low, entries, placed=placed)
        first = entries[(base - low) // PAGE]
        self._first[self._number] = (base, first)
        if line.text("home"):
            self._mapped.on_cpu(new, first, line.number("on"), line.number("home"))

    def _entries(self, line: SeenLine, name: str) -> list[int]:
        """Return the entries of a value. Raises ValueError once a log has too many in all."""
        found = line.entries(name)
        self._spelled += len(found)
        if self._spelled > MOST_SPELLED:
            raise ValueError("too many entries in one log")
        return found

    def _put(self, line: SeenLine) -> None:
        probe = line.text("probe")
        symbol = "mermap_put" if probe == OUTER.name else "__mermap_put"
        event = Event(
            EventKind.PUT, self._number, _thread(line), probe, symbol, alloc=line.number("alloc")
        )
        self._mapped.put(event.alloc)
        self._pass(event)

    def _after(self, line: SeenLine) -> None:
        alloc, base = line.number("alloc"), line.number("base")
        self._mapped.after(alloc, self._number, base, self._entries(line, "entries"))

    def _flush(self, line: SeenLine) -> None:
        event = Event(
            EventKind.FLUSH, self._number, _thread(line), line.text("probe"), line.text("where"),
            by=line.text("by"),
        )  # fmt: skip
        getting = self._getting.get(event.caller)
        if getting is None:
            self._pass(event)
        else:
            getting.flushes.append((line.number("cpu"), event))

    def _slot(self, line: SeenLine) -> None:
        mm = line.number("mm")
        if not any(getting.event.mm == mm for getting in self._getting.values()):
            found = list(
                zip(self._entries(line, "at"), self._entries(line, "entries"), strict=True)
            )
            self._mapped.slot(mm, self._number, found)

    def _prepare(self, line: SeenLine) -> None:
        self._process(EventKind.PREPARE, line)

    def _teardown(self, line: SeenLine) -> None:
        self._process(EventKind.TEARDOWN, line)
        self._mapped.gone(line.number("mm"))

    def _tables(self, line: SeenLine) -> None:
        self._seen.add(TABLES.name)
        event = Event(
            EventKind.TABLES, self._number, _thread(line), TABLES.name, mm=line.number("mm"),
            size=line.number("size"), base=line.number("at"),
        )  # fmt: skip
        self._pass(event)

    def _process(self, kind: EventKind, line: SeenLine) -> None:
        self._seen.add(line.text("probe"))
        self._pass(
            Event(kind, self._number, _thread(line), line.text("probe"), mm=line.number("mm"))
        )

    def _end(self, _: SeenLine) -> None:
        self._lost = None

    def _stopped_early(self, line: SeenLine) -> None:
        self._lost, self._bound = None, line.text("why").replace("_", " ")

    def _ended_badly(self, line: SeenLine) -> None:
        self._lost = line.text("why").replace("_", " ")

    def _pass(self, event: Event, found: tuple[int, int] | None = None) -> None:
        self._events += 1
        self._replay.event(event, found)


def _thread(line: SeenLine) -> str:
    return f"T{line.number('thread'):x}"


def read(lines: Iterable[str]) -> WitnessAccount:
    """Read a whole log."""
    reader = WitnessReader()
    for line in lines:
        reader.feed(line.rstrip("\n"))
    return reader.finish()

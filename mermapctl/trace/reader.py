# SPDX-License-Identifier: GPL-2.0-only
"""Console lines -> flush and allocation events, replayed as they come. Pure and streaming.

The lines are those of boot-time kprobe events printed by `tp_printk` (kernel/trace/trace_kprobe.c,
`print_kprobe_event`); `mermapctl.trace.probes` builds them. No structure offset is known in
advance: the return probe prints the first words of the allocation, and the two words whose
difference is the size requested are its `base` and `end`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from mermapctl.trace import events
from mermapctl.trace.addresses import PAGE
from mermapctl.trace.attribution import Callers
from mermapctl.trace.events import Event, EventKind
from mermapctl.trace.replay import Replay
from mermapctl.trace.summary import Layout, Refused, TraceAccount

_PIECE = (
    r"mm_(?:get|got|put|flush|walk|tables|pte|prep|tear|pin|unpin)[a-z_]*:|^mm_"
    r"|\((?:__mermap_(?:get|put)|(?:__)?flush_tlb_\w+|arch_mermap_flush_tlb"
    r"|(?:__)?apply_to_(?:existing_)?page_range|mermap_(?:mm_\w+|put)|migrate_\w+)\+0x"
    r"|<- (?:__mermap_get|\w*(?:pte|fill)\w*)\)"
)
"""Found in events only; a call trace puts no parenthesis before its functions."""

TRACE_LINE = re.compile(
    rf"{_PIECE}|kprobe_event=|trace_kprobe: |printk messages dropped|replaying previous printk"
    r"|nr_cpu_ids:"
)
"""Matches every console line that a TraceReader needs; it does not need the others."""

_TORN = re.compile(_PIECE)
_DROPPED = re.compile(r"\*\* (\d+) printk messages dropped")
_REFUSED = re.compile(r"Failed to add event\((-?\d+)\): [pr]\d*:(?:\w+/)?(\w+)[ ,]+(\S+)")
_REQUEST = re.compile(r"[pr]\d*:(?:\w+/)?(mm_\w+),([^,;\s']+)")
_CPUS = re.compile(r"\bnr_cpu_ids:(\d+)")
_CALLER = re.compile(r"\[ *([TC]\d+)\] \Z")

KERNEL_HALF = 1 << 63
UNDECIDED_LIMIT = 4096
"""Events buffered at most while the layout is being learnt."""
ENOUGH_GETS = 3


class _Structure:
    """Finds the two words of an allocation that are its base and end.

    Where a get walks page tables, its base is the address walked.
    """

    def __init__(self) -> None:
        self.candidates: set[tuple[int, int]] | None = None
        self.gets = 0
        self.pair: tuple[int, int] | None = None
        self.decided = False
        self.misfit: int | None = None
        self.several = False
        self._sizes: dict[str, int] = {}
        self._walked: dict[str, set[int]] = {}
        self._histories: dict[tuple[int, int], int] = {}

    def learn(self, event: Event) -> None:
        """Take one event before the decision."""
        if event.kind is EventKind.GET:
            self._sizes[event.caller] = event.size
            self._walked[event.caller] = set()
        elif event.kind is EventKind.WALK and event.caller in self._sizes:
            self._walked[event.caller].add(event.base)
        elif event.kind is EventKind.GOT and event.words and event.caller in self._sizes:
            self._got(event)

    def _got(self, event: Event) -> None:
        fits = fitting(event.words, self._sizes.pop(event.caller))
        walked = self._walked.pop(event.caller)
        fits = {pair for pair in fits if event.words[pair[0]] in walked} or fits
        self.gets += 1
        self.candidates = fits if self.candidates is None else self.candidates & fits
        for pair in self.candidates:
            shown = event.words[pair[0]], event.words[pair[1]]
            self._histories[pair] = hash((self._histories.get(pair), shown))
        if not self.candidates and self.misfit is None:
            self.misfit = event.line

    @property
    def ready(self) -> bool:
        """Whether more events would change nothing."""
        if self.candidates is None:
            return False
        return not self.candidates or (self.gets >= ENOUGH_GETS and len(self.candidates) == 1)

    def decide(self) -> None:
        """Choose the two words that fitted every get.

        Of several, takes the first, if they were equal or few gets were seen: a neighbouring slot
        may fit for a while.
        """
        self.decided = True
        if not self.candidates:
            return
        differ = len({self._histories[pair] for pair in self.candidates}) > 1
        self.several = differ and self.gets > ENOUGH_GETS
        if not self.several:
            self.pair = min(self.candidates, key=lambda pair: (max(pair), pair))

    def range_of(self, event: Event, size: int) -> tuple[int, int] | None:
        """Return `(base, end)` of a successful get; None, and noted, where the words do not fit."""
        if self.pair is None:
            return None
        low, high = self.pair
        if len(event.words) > max(low, high):
            base, end = event.words[low], event.words[high]
            if end - base in (size, -(-size // PAGE) * PAGE) and base >= KERNEL_HALF:
                return base, end
        if self.misfit is None:
            self.misfit = event.line
        return None


def fitting(words: tuple[int, ...], size: int) -> set[tuple[int, int]]:
    """Return the pairs of an allocation's words that may bound a get of `size` bytes."""
    sizes = (size, -(-size // PAGE) * PAGE)
    return {
        (i, j)
        for i, low in enumerate(words)
        if low >= KERNEL_HALF and low % PAGE == 0
        for j, high in enumerate(words)
        if i != j and high - low in sizes
    }


class TraceReader:
    """Feed a console's lines (all, or those that `TRACE_LINE` matches) and its test results."""

    def __init__(self) -> None:
        self._replay = Replay()
        self._whose = Callers()
        self._structure = _Structure()
        self._held: list[Event | tuple[str, int | None]] = []
        self._sizes: dict[str, int] = {}
        self._requested: dict[str, str] = {}
        self._refused: list[Refused] = []
        self._seen: set[str] = set()
        self._events = 0
        self._dropped = 0
        self._dropped_line: int | None = None
        self._torn = 0
        self._torn_line: int | None = None
        self._replayed: str | None = None
        self._last = ""
        self._told = False
        self._oops: int | None = None  # its line, where no event came after it
        self._off: int | None = None  # the same; 0 once the test that it hit has ended

    def feed(
        self,
        number: int,
        text: str,
        seconds: float | None,  # noqa: ARG002 - part of the protocol of line consumers
        caller: str | None,
    ) -> None:
        """Take one console line without its printk prefix; `number` counts from 1."""
        match = events.START.search(text)
        if match is None:
            self._other(number, text)
            return
        if self._replayed == text:
            self._replayed = None
            return
        self._replayed = None
        self._last = text
        while match is not None:
            glued = events.START.search(text, match.end())  # two lines without a newline between
            until = glued.start() if glued else len(text)
            try:
                said_by = self._said_by(text[: match.start()], caller)
                event = events.parse(match, text, until, number, said_by)
            except events.TornError:
                self._tear(number)
            else:
                self._seen.add(event.probe)
                self._events += 1
                self._oops = self._off = None
                self._take(event._replace(caller=self._whose.of(event)))
            match = glued

    def test_ended(self, name: str) -> None:
        """Take a test's result line: the events since the previous one belong to this test."""
        self._whose.test_ended()
        off = self._off if self._events else None
        self._off = 0 if off is not None else None
        if self._structure.decided or not self._held:
            self._replay.test_ended(name, off)
        else:
            self._held.append((name, off))

    def oops(self, number: int) -> None:
        """Take an Oops: the kernel traces no more (`oops_enter()`, kernel/panic.c).

        A later event shows that it does.
        """
        if self._oops is None:
            self._oops = self._off = number

    def finish(self) -> TraceAccount:
        """Finish the account."""
        if not self._structure.decided:
            self._decide()
        structure = self._structure
        layout = Layout.NONE
        if structure.several:
            layout = Layout.AMBIGUOUS
        elif structure.misfit is not None:
            layout = Layout.UNKNOWN
        elif structure.pair is not None:
            layout = Layout.KNOWN
        outcome = self._replay.finish(self._oops if self._events else None)
        pair = structure.pair if layout is Layout.KNOWN else None
        if layout is not Layout.KNOWN:
            outcome = replace(outcome, timelines=(), breaches=(), not_exercised=())
        return replace(
            outcome,
            events=self._events,
            requested=tuple(self._requested.items()),
            refused=tuple(self._refused),
            seen=frozenset(self._seen),
            dropped=self._dropped,
            dropped_line=self._dropped_line,
            torn=self._torn,
            torn_line=self._torn_line,
            layout=layout,
            layout_line=structure.misfit,
            offsets=(pair[0] * 8, pair[1] * 8) if pair else None,
        )

    def _other(self, number: int, text: str) -> None:
        if "kprobe_event=" in text:
            requested = dict(_REQUEST.findall(text[text.index("kprobe_event=") :]))
            if len(requested) >= len(self._requested):  # newer kernels print it wrapped
                self._requested.update(requested)
            self._replay.all_puts(seen=events.OUTER_PUT in self._requested)
        elif "Failed to add event" in text:
            if match := _REFUSED.search(text):
                self._refused.append(Refused(match[2], match[3], int(match[1])))
                if match[2] == events.OUTER_PUT:
                    self._replay.all_puts(seen=False)
        elif match := _DROPPED.search(text):
            self._dropped += int(match[1])
            self._dropped_line = self._dropped_line or number
        elif "replaying previous printk" in text:
            self._replayed = self._last
        elif match := _CPUS.search(text):
            self._replay.cpus(int(match[1]))
        elif _TORN.search(text):
            self._tear(number)

    def _said_by(self, before: str, caller: str | None) -> str:
        """Return whose event begins behind `before` in a line of `caller`; TornError if unknown."""
        if before.strip():  # it ran into another one's line
            own = _CALLER.search(before)
            if own is None and caller:
                raise events.TornError
            caller = own[1] if own else None
        if self._told and not caller:
            raise events.TornError
        self._told = bool(caller)
        return caller or ""

    def _tear(self, number: int) -> None:
        self._torn += 1
        self._torn_line = self._torn_line or number

    def _take(self, event: Event) -> None:
        if self._structure.decided:
            self._pass(event)
            return
        self._held.append(event)
        self._structure.learn(event)
        if self._structure.ready or len(self._held) >= UNDECIDED_LIMIT:
            self._decide()

    def _decide(self) -> None:
        self._structure.decide()
        held, self._held = self._held, []
        for item in held:
            if isinstance(item, Event):
                self._pass(item)
            else:
                self._replay.test_ended(*item)

    def _pass(self, event: Event) -> None:
        found = None
        if event.kind is EventKind.GET:
            self._sizes[event.caller] = event.size
        elif event.kind is EventKind.GOT and event.words:
            found = self._structure.range_of(event, self._sizes.get(event.caller, -1))
        self._replay.event(event, found)

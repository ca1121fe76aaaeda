# SPDX-License-Identifier: GPL-2.0-only
"""A CPU's region over time, as data of bounded size, for renderers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

SPANS = 512
"""Live ranges kept per timeline; past twice as many, neighbours in time are joined."""
MARKS = 256
"""Flush marks kept per timeline; past twice as many, every second one is dropped."""


@dataclass(frozen=True, slots=True)
class Span:
    """`[base, end)` was live from event `first` to event `last`; `count` allocations in it.

    `line` is the line of its get, in the console or the witness's log. `entries` are its page table
    entries as read after the get, in the form of a witness.log: "" if none were read; those of a
    console end at the first that is out of order. `asked` is the number of the first page that the
    get was asked to map, `left` the entries still present after the put (`-`: none). Both are null
    if unknown.
    """

    first: int
    last: int
    base: int
    end: int
    reserved: bool = False
    count: int = 1
    line: int | None = None
    entries: str = ""
    asked: int | None = None
    left: str | None = None


class EntriesRead(NamedTuple):
    """The page table entries of one get as a witness read them; see `Span`."""

    entries: str
    asked: int | None
    left: str | None = None


@dataclass(frozen=True, slots=True)
class StaleMark:
    """An address handed out again with no flush; `line` is the console line of the get."""

    event: int
    base: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """One test in one CPU's region `[low, high)`; events count from 0 within the test.

    `cpu` is null where the console does not show the region's CPU. `flushes` are event numbers;
    `flush_count` counts them all, also those dropped by thinning.
    """

    test: str | None
    cpu: int | None
    low: int
    high: int
    first_event: int
    last_event: int
    spans: tuple[Span, ...] = ()
    flushes: tuple[int, ...] = ()
    stale: tuple[StaleMark, ...] = ()
    flush_count: int = 0
    stale_count: int = 0
    allocations: int = 0


class TimelineBuilder:
    """Collects one timeline; memory is bounded for any length of test."""

    __slots__ = ("_allocations", "_epochs", "_flush_count", "_flushes", "_span_limit", "_spans",
                 "_stale", "_stale_count", "first", "last")  # fmt: skip

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first
        self._spans: list[Span] = []
        self._epochs: list[int] = []  # flushes before each span: spans join within one epoch only
        self._flushes: list[int] = []
        self._stale: list[StaleMark] = []
        self._flush_count = 0
        self._stale_count = 0
        self._allocations = 0
        self._span_limit = 2 * SPANS

    def span(self, span: Span) -> None:
        """Add the life of an allocation."""
        self._allocations += 1
        self.last = max(self.last, span.last)
        self._spans.append(span)
        self._epochs.append(self._flush_count)
        if len(self._spans) >= self._span_limit:
            self._join()

    def flush(self, event: int) -> None:
        """Add a flush of this CPU's TLB by the mermap."""
        self._flush_count += 1
        self.last = max(self.last, event)
        self._flushes.append(event)
        if len(self._flushes) >= 2 * MARKS:
            del self._flushes[1::2]

    def stale_reuse(self, event: int, base: int, end: int, line: int) -> None:
        """Add an address handed out again with no flush."""
        self._stale_count += 1
        self.last = max(self.last, event)
        if len(self._stale) < MARKS:
            self._stale.append(StaleMark(event, base, end, line))

    def build(self, test: str | None, cpu: int | None, low: int, high: int) -> Timeline:
        """Return the value."""
        spans = sorted(self._spans, key=lambda span: (span.first, span.base))
        lowest = min((span.base for span in spans), default=low)
        highest = max((span.end for span in spans), default=high)
        return Timeline(
            test=test,
            cpu=cpu,
            low=min(low, lowest),
            high=max(high, highest),
            first_event=self.first,
            last_event=self.last,
            spans=tuple(spans),
            flushes=tuple(self._flushes),
            stale=tuple(self._stale),
            flush_count=self._flush_count,
            stale_count=self._stale_count,
            allocations=self._allocations,
        )

    def _join(self) -> None:
        joined, epochs = self._pairs(across_flushes=False)
        if len(joined) > self._span_limit * 3 // 4:
            joined, epochs = self._pairs(across_flushes=True)
        self._spans, self._epochs = joined, epochs

    def _pairs(self, *, across_flushes: bool) -> tuple[list[Span], list[int]]:
        joined: list[Span] = []
        epochs: list[int] = []
        at = 0
        while at < len(self._spans):
            one, epoch = self._spans[at], self._epochs[at]
            two = self._spans[at + 1] if at + 1 < len(self._spans) else None
            together = two is not None and one.reserved == two.reserved
            if together and (across_flushes or epoch == self._epochs[at + 1]) and two is not None:
                joined.append(_around(one, two))
                at += 2
            else:
                joined.append(one)
                at += 1
            epochs.append(epoch)
        return joined, epochs


def _around(one: Span, two: Span) -> Span:
    return Span(
        min(one.first, two.first),
        max(one.last, two.last),
        min(one.base, two.base),
        max(one.end, two.end),
        one.reserved,
        one.count + two.count,
        one.line,
    )


def with_entries(
    timelines: Iterable[Timeline], read: Mapping[int, EntriesRead]
) -> tuple[Timeline, ...]:
    """Add the entries that were read at each get's line; a joined span has none."""
    return tuple(
        replace(timeline, spans=tuple(_with_entries(span, read) for span in timeline.spans))
        for timeline in timelines
    )


def _with_entries(span: Span, read: Mapping[int, EntriesRead]) -> Span:
    found = read.get(span.line or 0)
    if found is None or span.count > 1:
        return span
    return replace(span, entries=found.entries, asked=found.asked, left=found.left)

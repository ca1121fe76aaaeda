# SPDX-License-Identifier: GPL-2.0-only
"""Timeline -> sentences: each event in words, with its page table entries, and their sum.

Pages count from the region's base. A frame is the number of the page that an entry maps.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from mermapctl.trace.addresses import PAGE
from mermapctl.trace.entry_rules import PRESENT, frame_of
from mermapctl.trace.witness_entry_rules import (
    GLOBAL,
    NO_EXECUTE,
    UNCACHED,
    USER,
    WRITABLE,
    WRITE_THROUGH,
)
from mermapctl.trace.witness_log import EntryRun, entry_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mermapctl.trace.timeline import Span, Timeline

_BITS = (
    (WRITABLE, "writable"),
    (USER, "user"),
    (WRITE_THROUGH, "write-through"),
    (UNCACHED, "uncached"),
    (GLOBAL, "global"),
    (NO_EXECUTE, "no-execute"),
)
_RUNS = 3
"""Runs of entries that are listed for one get."""
_SINGLES = 1024
"""Entries that are looked at one by one in a run that is out of order."""


def pages(span: Span, low: int) -> str:
    """Return ``page 3`` or ``pages 3 to 5``, counted from the region's base `low`."""
    first, count = (span.base - low) // PAGE, (span.end - span.base) // PAGE
    return f"page {first:,}" if count == 1 else f"pages {first:,} to {first + count - 1:,}"


class EventWords:
    """The events of one timeline in words."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._stale = {(mark.event, mark.base) for mark in timeline.stale}
        self._flushes = set(timeline.flushes)

    def is_stale(self, span: Span) -> bool:
        """Return whether a get returned addresses that were put, with no flush since."""
        return (span.first, span.base) in self._stale

    def life_before(self, span: Span) -> Span | None:
        """Return the latest earlier get of any of a span's addresses that was put before it."""
        lives = (
            old
            for old in self.timeline.spans
            if old.first < span.first and old.last <= span.first
            and old.base < span.end and span.base < old.end
        )  # fmt: skip
        return max(lives, key=lambda old: old.last, default=None)

    def waits_until(self, span: Span) -> int | None:
        """Return the event at which a put range is flushed or used again; null if it is live.

        Where neither happens, return an event behind the last.
        """
        timeline = self.timeline
        if span.count > 1 or not self._is_put(span):
            return None
        after = [event for event in timeline.flushes if event > span.last]
        after += [
            new.first
            for new in timeline.spans
            if new.first > span.last and new.base < span.end and span.base < new.end
        ]
        return min(after, default=timeline.last_event + 1)

    def get(self, span: Span) -> str:
        """Return a get, its put, and a reuse of its addresses, as one line."""
        where = f"{pages(span, self.timeline.low)} at {span.base:#x}"
        if span.count > 1:
            return f"events {span.first:,} to {span.last:,}: {span.count} gets in {where}"
        kind = "reserved get" if span.reserved else "get"
        end = "put at" if self._is_put(span) else "live until"
        said = f"event {span.first:,}: {kind} of {where}, {end} event {span.last:,}"
        if self.is_stale(span):
            return f"{said}; used before, and no TLB flush since {self._put_before(span)}"
        return f"{said}; this get flushed the TLB" if span.first in self._flushes else said

    def _is_put(self, span: Span) -> bool:
        """Return whether a get is known to be put: one that lives to the last event may not be."""
        return span.left is not None or span.last < self.timeline.last_event

    def _put_before(self, span: Span) -> str:
        old = self.life_before(span)
        return f"its put at event {old.last:,}" if old and old.count == 1 else "its put"

    def story(self) -> str:
        """Return what the timeline shows, in one to three sentences."""
        wrong = next((span for span in self.timeline.spans if is_wrong(span)), None)
        said = self._flush_story()
        if wrong is not None:
            what = pages(wrong, self.timeline.low)
            return f"The entries of {what}, event {wrong.first:,}, are wrong. {said}"
        return said

    def _flush_story(self) -> str:
        timeline = self.timeline
        gets = {span.first: span for span in timeline.spans if span.count == 1}
        if timeline.stale:
            return self._stale_story(timeline.stale[0].event, gets)
        first = next(iter(timeline.flushes), None)
        if first is None:
            said = "The mermap did not flush this CPU's TLB"
            return f"{said}, and used no address twice." if self._ascends() else f"{said}."
        get = gets.get(first)
        if get is None:
            return f"The TLB was flushed at event {first:,}."
        what = pages(get, timeline.low)
        if self.life_before(get) is None:
            return f"The get of {what} at event {first:,} flushed the TLB."
        return f"The get at event {first:,} flushed the TLB, then used {what} again."

    def _stale_story(self, event: int, gets: dict[int, Span]) -> str:
        again = gets.get(event)
        if again is None:
            return f"Addresses were used again at event {event:,}, and the TLB was not flushed."
        what = pages(again, self.timeline.low)
        many = what.startswith("pages")
        return (
            f"{what[:1].upper()}{what[1:]} {'were' if many else 'was'} handed out again at event "
            f"{event:,}. This CPU's TLB was not flushed since {self._put_before(again)}."
        )

    def _ascends(self) -> bool:
        """Return whether each get begins where the one before it ended, or above."""
        spans = self.timeline.spans
        return all(old.end <= new.base for old, new in itertools.pairwise(spans))


def is_wrong(span: Span) -> bool:
    """Return whether the entries that were read show a fault.

    An entry is absent, maps another page than was asked for, or is present after the put.
    """
    if next(_runs(span.left or ""), None) is not None:
        return True
    absent = any(not run.first & PRESENT for run in _runs(span.entries))
    return absent or _first_other(span) is not None


def entry_words(span: Span) -> str:
    """Return the entries of a get in words, "" where none were read."""
    runs = list(itertools.islice(_runs(span.entries), _RUNS + 1))
    if not runs:
        return ""
    said = "; ".join(_run_words(run) for run in runs[:_RUNS]) + "; …" * (len(runs) > _RUNS)
    other = _first_other(span)
    if other is not None:
        said += f"; page {other:#x} was asked for"
    left = next(_runs(span.left or ""), None)
    if left is not None:
        said += f"; still present after the put: {_run_words(left)}"
    elif span.left is not None:
        said += "; none is left after the put"
    return said


def _first_other(span: Span) -> int | None:
    """Return the first page asked for whose entry maps another one; None if there is none.

    Where it is unknown which page was asked for, the first entry counts, and the rest must follow.
    """
    runs = list(_runs(span.entries))
    asked = span.asked if span.asked is not None else frame_of(runs[0].first) if runs else 0
    for run in runs:
        if run.first & PRESENT and frame_of(run.first) != asked:
            return asked
        if run.first & PRESENT and run.length > 1 and run.step != PAGE:
            return asked + 1
        asked += run.length
    return None


def _runs(text: str) -> Iterator[EntryRun]:
    """Yield runs whose entries differ in the page alone; none of a text that is not entries."""
    try:
        found = entry_runs(text)
    except ValueError:  # a record that was edited
        return
    for run in found:
        if run.length == 1 or run.step in (0, PAGE):
            yield run
        else:
            singles = range(min(run.length, _SINGLES))
            yield from (EntryRun(run.first + at * run.step) for at in singles)


def _run_words(run: EntryRun) -> str:
    if not run.first & PRESENT:
        times = f", {run.length} times" if run.length > 1 else ""
        return f"PTE {run.first:#x}, not present{times}"
    bits = [name for bit, name in _BITS if run.first & bit]
    frame = frame_of(run.first)
    if run.length == 1:
        return f"PTE {run.first:#x}: {', '.join([f'page {frame:#x}', *bits])}"
    same = f"page {frame:#x} in all of them"
    what = f"pages {frame:#x} to {frame + run.length - 1:#x}" if run.step else same
    return f"PTE {run.first:#x} and {run.length - 1} more: {', '.join([what, *bits])}"

# SPDX-License-Identifier: GPL-2.0-only
"""Cell -> the pictures of its timelines: what matters enlarged, the rest as an overview, in words.

The overview has its own coordinate system (x: events, y: pages from the top), stretched to the
width of the page. Ticks and marks are placed in per cent of it, so that text keeps its size.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.render.html.event_words import EventWords, entry_words, is_wrong
from mermapctl.render.html.timeline_closeup import AxisLabel, Box, Closeup, closeup
from mermapctl.trace.addresses import PAGE
from mermapctl.trace.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mermapctl.records.record import Cell
    from mermapctl.trace.timeline import Span

_NICE = (1, 2, 5)
_RULES = 40
"""Rows of the overview that are ruled where ranges wait for a flush."""
CONSOLE, WITNESS, BOTH = "console", "witness", "both"
"""Where a timeline was read; `both`: events of the console, entries of the witness."""


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event in words, with its place in the overview; `line` is that of its get."""

    first: int
    last: int
    y: float
    height: float
    text: str
    entries: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """All events: paths of bars by kind, and of the ranges that wait for a flush."""

    box: str
    paths: tuple[tuple[str, str], ...]
    waiting: str
    flushes: tuple[float, ...]
    stale: tuple[tuple[float, float], ...]
    windows: tuple[Box, ...]
    x_ticks: tuple[AxisLabel, ...]
    y_ticks: tuple[AxisLabel, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One test in one CPU's region; `key` is the event to begin with."""

    test: str
    cpu: int | None
    source: str
    caption: str
    story: str
    closeup: Closeup
    overview: Overview
    events: tuple[EventLine, ...]
    key: int
    stale_lines: tuple[int, ...]
    shown: bool


def draw_all(cell: Cell) -> tuple[Picture, ...]:
    """Return the pictures of a cell: faults first, then flushes, then the rest."""
    drawn = [(timeline, source) for timeline, source in _timelines(cell) if timeline.spans]
    drawn.sort(key=lambda pair: _order(pair[0]))
    return tuple(draw(timeline, source) for timeline, source in drawn)


def _order(timeline: Timeline) -> tuple[bool, bool, int]:
    fine = not timeline.stale_count and not any(map(is_wrong, timeline.spans))
    return fine, not timeline.flush_count, timeline.first_event - timeline.last_event


def _timelines(cell: Cell) -> list[tuple[Timeline, str]]:
    """Return the console's timelines, with the witness's entries where both saw the same gets.

    Otherwise the witness's timeline is one of its own.
    """
    traced = list(cell.trace.timelines) if cell.trace else []
    seen = list(cell.witness.timelines) if cell.witness else []
    found = []
    for timeline in traced:
        twin = next((other for other in seen if _same(timeline, other)), None)
        if twin is None:
            found.append((timeline, CONSOLE))
        else:
            seen.remove(twin)
            found.append((_with_entries(timeline, twin), BOTH))
    return found + [(timeline, WITNESS) for timeline in seen]


def _same(one: Timeline, two: Timeline) -> bool:
    """Return whether two boots of a test made the same gets, flushed as often and reused alike."""
    return (
        (one.test, one.flush_count, one.stale_count, len(one.spans))
        == (two.test, two.flush_count, two.stale_count, len(two.spans))
        and (one.cpu == two.cpu or None in (one.cpu, two.cpu))
        and all(
            (a.base - one.low, a.end - one.low, a.reserved, a.count)
            == (b.base - two.low, b.end - two.low, b.reserved, b.count)
            for a, b in zip(one.spans, two.spans, strict=True)
        )
    )


def _with_entries(timeline: Timeline, seen: Timeline) -> Timeline:
    pairs = zip(timeline.spans, seen.spans, strict=True)
    spans = tuple(
        replace(span, entries=other.entries, asked=other.asked, left=other.left)
        for span, other in pairs
    )
    return replace(timeline, spans=spans)


def draw(timeline: Timeline, source: str = CONSOLE) -> Picture:
    """Draw one test in one CPU's region."""
    words = EventWords(timeline)
    wrong = [span for span in timeline.spans if is_wrong(span)]
    near = closeup(words, wrong)
    whole = _whole(timeline)
    key = next(iter([
        *(mark.event for mark in timeline.stale), *(span.first for span in wrong),
        *timeline.flushes,
    ]), timeline.spans[0].first)  # fmt: skip
    return Picture(
        test=timeline.test or "after the last test",
        cpu=timeline.cpu,
        source=source,
        caption=_caption(timeline),
        story=words.story(),
        closeup=near,
        overview=whole.overview(near),
        events=tuple(whole.line(words, span) for span in timeline.spans),
        key=key,
        stale_lines=() if source == WITNESS else tuple(mark.line for mark in timeline.stale),
        shown=bool(timeline.stale or wrong or timeline.flush_count),
    )


@dataclass(frozen=True, slots=True)
class _Whole:
    """The overview's coordinate system: events from `first`, addresses from `low` to `high`."""

    timeline: Timeline
    first: int
    events: float
    low: float
    high: float

    def across(self, event: float) -> float:
        return round((event - self.first) / self.events * 100, 2)

    def down(self, address: float) -> float:
        return round((self.high - address) / (self.high - self.low) * 100, 2)

    def pages(self, address: float) -> float:
        """Return a place from the top, in pages."""
        return round((self.high - address) / PAGE, 3)

    def line(self, words: EventWords, span: Span) -> EventLine:
        """Return the line of a get in the list of events."""
        top = self.pages(span.end)
        height = round(self.pages(span.base) - top, 3)
        said = words.get(span)
        return EventLine(span.first, span.last, top, height, said, entry_words(span), span.line)

    def overview(self, near: Closeup) -> Overview:
        """Draw all events."""
        timeline = self.timeline
        stale = {(mark.event, mark.base) for mark in timeline.stale}
        paths: dict[str, list[str]] = {}
        for span in timeline.spans:
            kind = "reserved" if span.reserved else "joined" if span.count > 1 else "live"
            if (span.first, span.base) in stale:
                kind = "stale"
            elif is_wrong(span):
                kind = "wrong"
            paths.setdefault(kind, []).append(self._bar(span))
        ticks = _ticks(self.first, self.first + self.events, 6)
        base = timeline.low
        pages = _ticks((self.low - base) / PAGE, (self.high - base) / PAGE, 3)
        return Overview(
            box=f"{self.first} 0 {_number(self.events)} {_number((self.high - self.low) / PAGE)}",
            paths=tuple((kind, "".join(parts)) for kind, parts in paths.items()),
            waiting=self._waiting(),
            flushes=tuple(self.across(event) for event in timeline.flushes),
            stale=tuple(
                (self.across(mark.event + 0.5), self.down((mark.base + mark.end) / 2))
                for mark in timeline.stale
            ),
            windows=tuple(self._window(*window) for window in near.windows),
            x_ticks=tuple(AxisLabel(self.across(at), f"{at:,}") for at in ticks),
            y_ticks=tuple(
                AxisLabel(self.down(base + page * PAGE), f"{page:,}") for page in pages if page >= 0
            ),
        )

    def _bar(self, span: Span) -> str:
        width = _number(max(span.last - span.first, 0.5))
        top, height = self.pages(span.end), _number((span.end - span.base) / PAGE)
        return f"M{span.first} {_number(top)}h{width}v{height}h-{width}z"

    def _window(self, first: int, last: int) -> Box:
        room = self.events / 200
        low = max(self.across(first - room), 0)
        return Box(low, round(min(self.across(last + room), 100) - low, 2))

    def _waiting(self) -> str:
        """Rule the ranges between put and next flush, where stale entries may exist."""
        flushes = sorted(self.timeline.flushes)
        end = self.first + self.events
        step = max(math.ceil((self.high - self.low) / PAGE / _RULES), 1) * PAGE
        lines: dict[float, list[list[float]]] = {}
        at = 0
        for span in sorted(self.timeline.spans, key=lambda span: span.last):
            while at < len(flushes) and flushes[at] <= span.last:
                at += 1
            until = flushes[at] if at < len(flushes) else end
            begin = self.low + math.ceil((span.base - self.low) / step) * step
            row = begin if begin < span.end else None
            while row is not None and row < span.end and span.last < until:
                drawn = lines.setdefault(row, [])
                if drawn and drawn[-1][1] >= span.last:
                    drawn[-1][1] = max(drawn[-1][1], until)
                else:
                    drawn.append([span.last, until])
                row += step
        parts = []
        for row, pieces in lines.items():
            y = _number((self.high - row) / PAGE)
            parts += [f"M{_number(low)} {y}H{_number(high)}" for low, high in pieces]
        return "".join(parts)


def _whole(timeline: Timeline) -> _Whole:
    base, end = _used(timeline)
    room = max((end - base) / 33, PAGE / 8)
    count = max(timeline.last_event - timeline.first_event + 1, 1)
    events = count + max(count / 100, 0.5)
    return _Whole(timeline, timeline.first_event, events, base - room, end + room)


def _used(timeline: Timeline) -> tuple[int, int]:
    """Return the region, or only its used part if that is less than an eighth."""
    low = min(span.base for span in timeline.spans)
    high = max(span.end for span in timeline.spans)
    if high - low > (timeline.high - timeline.low) / 8:
        return timeline.low, timeline.high
    return low, high


def _caption(timeline: Timeline) -> str:
    pages = (timeline.high - timeline.low) // PAGE
    words = [
        _count(timeline.allocations, "get"),
        _count(timeline.flush_count, "TLB flush", "TLB flushes"),
    ]
    if timeline.stale_count:
        words.append(_count(timeline.stale_count, "stale reuse"))
    return f"{', '.join(words)} in a region of {_count(pages, 'page')}"


def _ticks(low: float, high: float, most: int) -> Sequence[int]:
    """Return round numbers within [low, high], `most` + 1 at most."""
    steps = (nice * 10**power for power in itertools.count() for nice in _NICE)
    step = next(step for step in steps if (high - low) / step <= most)
    first = math.ceil(low / step) * step
    return range(first, int(high) + 1, step)


def _count(number: int, one: str, more: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _number(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")

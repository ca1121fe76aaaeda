# SPDX-License-Identifier: GPL-2.0-only
"""Timeline -> the moments that matter, enlarged: both axes are cut where nothing matters.

Columns are the timeline's events (a get, a put, a flush) around each moment, side by side. Rows are
the pages that gets in these columns use. All places are in per cent of the drawing, so that
text keeps its size on a phone.
"""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mermapctl.trace.addresses import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mermapctl.render.html.event_words import EventWords
    from mermapctl.trace.timeline import Span, Timeline

WHOLE = 40
"""Events of a timeline that is drawn whole."""
_MOMENTS = 2
"""Stale reuses, wrong entries or flushes that are enlarged."""
_BEFORE, _AFTER = 5, 4
"""Events shown before and after a moment."""
_NEAR = 3
"""Events between two windows that are not worth a cut."""
_CUT = 1.6
"""Width of a cut, in columns."""
_HEIGHTS = ((10, 24), (20, 17))
"""Pixels of a row, for this many rows at most."""
_LOW_ROW = 11
_LABELS = {"stale": "reused, not flushed", "wrong": "wrong entries"}


@dataclass(frozen=True, slots=True)
class Bar:
    """The life of a get, in per cent; `number` is its place in the timeline's spans.

    `kind` is live, reserved, joined, stale or wrong. `tail` is where its range stops to wait for a
    flush; null if it is live to the end. `side` is where its label has room: left, right or inside.
    """

    kind: str
    number: int
    x: float
    y: float
    width: float
    height: float
    tail: float | None
    label: str = ""
    side: str = "right"


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """A label on an axis, `at` in per cent from the left or the top."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the drawing in per cent: a cut, or a row."""

    at: float
    size: float


@dataclass(frozen=True, slots=True)
class Closeup:
    """The enlarged moments; `windows` are the first and last event of each part."""

    bars: tuple[Bar, ...]
    flushes: tuple[AxisLabel, ...]
    columns: tuple[AxisLabel, ...]
    rows: tuple[AxisLabel, ...]
    lines: tuple[float, ...]
    cuts_across: tuple[Box, ...]
    cuts_down: tuple[Box, ...]
    height: int
    windows: tuple[tuple[int, int], ...]
    whole: bool


def closeup(words: EventWords, wrong: Sequence[Span]) -> Closeup:
    """Enlarge what matters in a timeline with at least one span."""
    timeline = words.timeline
    events = _events(timeline)
    windows = _windows(timeline, words, events, wrong)
    columns = _Columns(events, windows)
    shown = [
        (number, span)
        for number, span in enumerate(timeline.spans)
        if columns.shows(span.first, span.last)
    ]
    rows = _Rows(timeline, [span for _, span in shown])
    faulty = set(wrong)
    bars = [
        _bar(number, span, words, columns, rows, wrong=span in faulty) for number, span in shown
    ]
    return Closeup(
        bars=_labelled(bars),
        flushes=tuple(
            AxisLabel(columns.at(event), f"event {event:,}: TLB flush")
            for event in timeline.flushes
            if columns.has(event)
        ),
        columns=columns.ticks(),
        rows=rows.ticks(),
        lines=rows.lines(),
        cuts_across=columns.cuts(),
        cuts_down=rows.cuts(),
        height=rows.pixels,
        windows=tuple((events[a], events[b]) for a, b in windows),
        whole=len(windows) == 1 and windows[0] == (0, len(events) - 1),
    )


def _labelled(bars: Iterable[Bar]) -> tuple[Bar, ...]:
    """Label the first bar of each faulty kind: more would cover each other."""
    labels = dict(_LABELS)
    return tuple(replace(bar, label=labels.pop(bar.kind, "")) for bar in bars)


def _events(timeline: Timeline) -> list[int]:
    """Return the events at which something begins or ends, in order."""
    found = {event for span in timeline.spans for event in (span.first, span.last)}
    return sorted(found | set(timeline.flushes))


def _windows(
    timeline: Timeline, words: EventWords, events: list[int], wrong: Sequence[Span]
) -> list[tuple[int, int]]:
    """Return the parts of `events` to show, as first and last index."""
    last = len(events) - 1
    if last < WHOLE:
        return [(0, last)]
    spots = sorted(set(_spots(timeline, words, wrong)))
    around: list[tuple[int, int]] = []
    for event, before, after in spots or [(events[0], 0, WHOLE)]:
        at = bisect.bisect_left(events, event)
        low, high = max(at - before, 0), min(at + after, last)
        if around and low - around[-1][1] <= _NEAR:
            around[-1] = (around[-1][0], max(high, around[-1][1]))
        else:
            around.append((low, high))
    return around


def _spots(
    timeline: Timeline, words: EventWords, wrong: Sequence[Span]
) -> Iterator[tuple[int, int, int]]:
    """Yield events that matter, with the number of events to show before and after each."""
    gets = {span.first: span for span in timeline.spans}
    for mark in timeline.stale[:_MOMENTS]:
        yield mark.event, _BEFORE, _AFTER
        yield from _life_before(words, gets.get(mark.event))
    for span in wrong[:_MOMENTS]:
        yield span.first, _BEFORE, _AFTER
        yield span.last, 1, 2
    if timeline.stale or wrong:
        return
    for event in timeline.flushes[:_MOMENTS]:
        yield event, _BEFORE, _AFTER
        yield from _life_before(words, gets.get(event))


def _life_before(words: EventWords, again: Span | None) -> Iterator[tuple[int, int, int]]:
    old = None if again is None else words.life_before(again)
    if old is not None:
        yield old.first, 2, 2
        yield old.last, 2, 2


class _Columns:
    """The events as columns; each is one wide, a cut is _CUT wide."""

    def __init__(self, events: list[int], windows: list[tuple[int, int]]) -> None:
        self._events = events
        self._shown: list[int] = []
        self._places: list[float] = []
        self._cuts: list[tuple[float, float]] = []
        x = 0.0
        if windows[0][0] > 0:
            self._cuts.append((x, x + _CUT))
            x += _CUT
        for number, (low, high) in enumerate(windows):
            if number:
                self._cuts.append((x, x + _CUT))
                x += _CUT
            for at in range(low, high + 1):
                self._shown.append(events[at])
                self._places.append(x)
                x += 1
        if windows[-1][1] < len(events) - 1:
            self._cuts.append((x, x + _CUT))
            x += _CUT
        self._width = x
        self._known = set(self._shown)

    def has(self, event: int) -> bool:
        """Return whether an event has a column."""
        return event in self._known

    def shows(self, first: int, last: int) -> bool:
        """Return whether a column lies in `[first, last]`."""
        at = bisect.bisect_left(self._shown, first)
        return at < len(self._shown) and self._shown[at] <= last

    def at(self, event: int) -> float:
        """Return the place of an event; one without a column lies in the middle of its cut."""
        at = bisect.bisect_left(self._shown, event)
        if at == len(self._shown):
            place = self._width if event > self._events[-1] else self._width - _CUT / 2
        elif self._shown[at] == event:
            place = self._places[at]
        else:
            place = self._places[at] - _CUT / 2
        return round(place / self._width * 100, 3)

    def cuts(self) -> tuple[Box, ...]:
        """Return the cuts."""
        return tuple(_box(low, high, self._width) for low, high in self._cuts)

    def ticks(self) -> tuple[AxisLabel, ...]:
        """Return the event numbers at the ends of each window and between, without a crowd."""
        labelled: list[tuple[float, int]] = []
        room = self._width / 9
        runs = [list(group) for _, group in itertools.groupby(
            zip(self._places, self._shown, strict=True),
            key=lambda pair: sum(pair[0] >= high for _, high in self._cuts),
        )]  # fmt: skip
        for run in runs:
            if not labelled or run[0][0] - labelled[-1][0] >= room / 1.5:
                labelled.append(run[0])
            for place, event in run[1:]:
                if place - labelled[-1][0] >= room:
                    labelled.append((place, event))
        return tuple(
            AxisLabel(round(x / self._width * 100, 3), f"{event:,}") for x, event in labelled
        )


def _box(low: float, high: float, whole: float) -> Box:
    return Box(round(low / whole * 100, 3), round((high - low) / whole * 100, 3))


class _Rows:
    """The used pages as rows, high addresses on top; pages that no get uses are cut."""

    def __init__(self, timeline: Timeline, spans: Iterable[Span]) -> None:
        spans = list(spans)
        bounds = {edge for span in spans for edge in (span.base, span.end)}
        edges = sorted(bounds | {timeline.low, timeline.high})
        used = _used(spans, edges)
        self._low = timeline.low
        self._edges = edges
        self._used = used
        self._places = [0.0]
        for (low, high), taken in zip(itertools.pairwise(edges), used, strict=True):
            height = min(1 + math.log2(max((high - low) // PAGE, 1)) / 5, 2.5) if taken else 0.7
            self._places.append(self._places[-1] + height)
        self._height = self._places[-1] or 1.0
        count = sum(used)
        self._unit = next((unit for most, unit in _HEIGHTS if count <= most), _LOW_ROW)
        self.pixels = max(round(self._height * self._unit), 60)

    def at(self, address: int) -> float:
        """Return the place of an address, from the top."""
        at = bisect.bisect_left(self._edges, address)
        return round(100 - self._places[min(at, len(self._places) - 1)] / self._height * 100, 3)

    def ticks(self) -> tuple[AxisLabel, ...]:
        """Return the page numbers of the rows that have room for them."""
        found: list[AxisLabel] = []
        least = 13 / self.pixels * 100
        for (low, high), used in zip(itertools.pairwise(self._edges), self._used, strict=True):
            middle = round((self.at(low) + self.at(high)) / 2, 3)
            if used and (not found or found[-1].at - middle >= least):
                first, last = (low - self._low) // PAGE, (high - self._low) // PAGE - 1
                found.append(AxisLabel(middle, f"{first}" if first == last else f"{first}-{last}"))
        return tuple(found)

    def lines(self) -> tuple[float, ...]:
        """Return the borders of rows."""
        return tuple(self.at(edge) for edge in self._edges[1:-1])

    def cuts(self) -> tuple[Box, ...]:
        """Return the pages that no get uses."""
        pairs = zip(itertools.pairwise(self._edges), self._used, strict=True)
        return tuple(
            Box(self.at(high), round(self.at(low) - self.at(high), 3))
            for (low, high), used in pairs
            if not used
        )


def _used(spans: Sequence[Span], edges: Sequence[int]) -> list[bool]:
    """Return, for each part between two edges, whether a span covers it."""
    depth = dict.fromkeys(edges, 0)
    for span in spans:
        depth[span.base] += 1
        depth[span.end] -= 1
    return [total > 0 for total in itertools.accumulate(depth[edge] for edge in edges[:-1])]


def _bar(
    number: int, span: Span, words: EventWords, columns: _Columns, rows: _Rows, *, wrong: bool
) -> Bar:
    stale = words.is_stale(span)
    kind = "reserved" if span.reserved else "joined" if span.count > 1 else "live"
    if stale or wrong:
        kind = "stale" if stale else "wrong"
    x, end = columns.at(span.first), columns.at(span.last)
    until = words.waits_until(span)
    top = rows.at(span.end)
    return Bar(
        kind=kind,
        number=number,
        x=x,
        y=top,
        width=max(round(end - x, 3), 0.6),
        height=round(rows.at(span.base) - top, 3),
        tail=None if until is None else columns.at(until),
        side="right" if end <= 55 else "left" if x >= 42 else "inside",
    )

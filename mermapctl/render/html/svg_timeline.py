# SPDX-License-Identifier: GPL-2.0-only
"""Timeline -> the geometry of a picture: addresses over events, in one CPU's region.

Bars have their own coordinate system (x: events, y: pages from the top), stretched to the width of
the page. Ticks, flush marks and stale reuses are placed in per cent of it, so that text keeps its
size on a phone.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.trace.addresses import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mermapctl.trace.summary import TraceTable
    from mermapctl.trace.timeline import Span, Timeline

_LABELLED_FLUSHES = 12
_LABELLED_STALE = 3
_WIDE_EVENTS = 100  # a test with more events gets the whole width of the page
_NICE = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class RangeBar:
    """A live range, in events and pages; `kind` is live, reserved, joined or stale."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    tip: str


@dataclass(frozen=True, slots=True)
class AxisLabel:
    """A label on an axis, `at` in per cent from the left or the top."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class FlushMark:
    """A flush or a stale reuse, in per cent; `line` is its console line, if any."""

    x: float
    y: float
    tip: str
    label: str = ""
    line: int | None = None
    left: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing; `waiting` is the path of the ranges that were put and not yet flushed."""

    test: str
    cpu: int | None
    caption: str
    box: str
    bars: tuple[RangeBar, ...]
    waiting: str
    flushes: tuple[FlushMark, ...]
    stale: tuple[FlushMark, ...]
    x_ticks: tuple[AxisLabel, ...]
    y_ticks: tuple[AxisLabel, ...]
    addresses: str
    wide: bool


def draw_all(trace: TraceTable | None) -> tuple[Picture, ...]:
    """Return the pictures of a cell: stale reuses first, then long tests, then the rest."""
    if trace is None:
        return ()
    drawn = [timeline for timeline in trace.timelines if timeline.spans]
    drawn.sort(key=lambda t: (not t.stale_count, -(t.last_event - t.first_event)))
    return tuple(draw(timeline) for timeline in drawn)


def draw(timeline: Timeline) -> Picture:
    """Draw one test in one CPU's region."""
    region = range((timeline.high - timeline.low) // PAGE + 1)
    base, end = _shown(timeline)
    room = max((end - base) / 33, PAGE / 8)
    low, high = base - room, end + room
    first = timeline.first_event
    events = _events(timeline)

    def across(event: float) -> float:
        return round((event - first) / events * 100, 3)

    def down(address: float) -> float:
        return round((high - address) / (high - low) * 100, 3)

    where = {(mark.event, mark.base) for mark in timeline.stale}
    bars = tuple(_bar(span, low, high, stale=(span.first, span.base) in where, region=timeline.low)
                 for span in timeline.spans)  # fmt: skip
    few = len(timeline.flushes) <= _LABELLED_FLUSHES
    flushes = tuple(
        FlushMark(across(event), 0, f"event {event}: TLB flush", "flush" if few else "",
             left=across(event) > 85)
        for event in timeline.flushes
    )  # fmt: skip
    stale = tuple(
        FlushMark(
            across(mark.event + 0.5),
            down((mark.base + mark.end) / 2),
            f"event {mark.event}: stale reuse of {_range(mark.base, mark.end)}, "
            "no TLB flush since its put",
            "stale reuse" if n < _LABELLED_STALE else "",
            mark.line,
            left=across(mark.event) > 70,
        )
        for n, mark in enumerate(timeline.stale)
    )
    return Picture(
        test=timeline.test or "after the last test",
        cpu=timeline.cpu,
        caption=_caption(timeline),
        box=f"{first} 0 {_number(events)} {_number((high - low) / PAGE)}",
        bars=bars,
        waiting=_waiting(timeline.spans, timeline, high),
        flushes=flushes,
        stale=stale,
        x_ticks=tuple(AxisLabel(across(at), f"{at:,}") for at in _ticks(first, first + events, 8)),
        y_ticks=tuple(
            AxisLabel(down(timeline.low + page * PAGE), f"{page:,}")
            for page in _ticks((low - timeline.low) / PAGE, (high - timeline.low) / PAGE, 6)
            if page in region
        ),
        addresses=_range(base, end),
        wide=bool(timeline.stale) or events > _WIDE_EVENTS,
    )


def _events(timeline: Timeline) -> float:
    """Return the width of the picture, with room after the last event."""
    events = max(timeline.last_event - timeline.first_event + 1, 1)
    return events + max(events / 100, 0.5)


def _shown(timeline: Timeline) -> tuple[int, int]:
    """Return the region, or only its used part if that is less than an eighth."""
    low = min(span.base for span in timeline.spans)
    high = max(span.end for span in timeline.spans)
    if high - low > (timeline.high - timeline.low) / 8:
        return timeline.low, timeline.high
    return low, high


def _bar(span: Span, low: float, high: float, *, stale: bool, region: int) -> RangeBar:
    kind = "reserved" if span.reserved else "joined" if span.count > 1 else "live"
    base, end = max(span.base, low), min(span.end, high)
    what = f"{span.count} allocations" if span.count > 1 else "live"
    page = (span.base - region) // PAGE
    pages = (span.end - span.base) // PAGE
    size = f"page {page}" if pages == 1 else f"pages {page} to {page + pages - 1}"
    return RangeBar(
        kind="stale" if stale else kind,
        x=span.first,
        y=_round((high - end) / PAGE),
        width=max(span.last - span.first, 0.5),
        height=_round((end - base) / PAGE),
        tip=f"events {span.first} to {span.last}: {size}{' (the reserve)' * span.reserved} {what}, "
        f"{_range(span.base, span.end)}{', reused without a flush' * stale}",
    )


def _waiting(spans: Iterable[Span], timeline: Timeline, high: float) -> str:
    """Return the path of ranges between put and next flush, where stale entries may exist."""
    flushes = sorted(timeline.flushes)
    end = timeline.first_event + _events(timeline)
    parts = []
    at = 0
    for span in sorted(spans, key=lambda span: span.last):
        while at < len(flushes) and flushes[at] <= span.last:
            at += 1
        until = flushes[at] if at < len(flushes) else end
        width, height = _number(until - span.last), _number((span.end - span.base) / PAGE)
        if until > span.last:
            top = _number((high - span.end) / PAGE)
            parts.append(f"M{span.last} {top}h{width}v{height}h-{width}z")
    return "".join(parts)


def _caption(timeline: Timeline) -> str:
    pages = (timeline.high - timeline.low) // PAGE
    words = [
        _count(timeline.allocations, "allocation"),
        _count(timeline.flush_count, "TLB flush", "TLB flushes"),
    ]
    if timeline.stale_count:
        words.append(_count(timeline.stale_count, "stale reuse"))
    events = timeline.last_event - timeline.first_event + 1
    words.append(f"{_count(events, 'event')} in a region of {_count(pages, 'page')}")
    return ", ".join(words)


def _ticks(low: float, high: float, most: int) -> Sequence[int]:
    """Return round numbers within [low, high], `most` + 1 at most."""
    steps = (nice * 10**power for power in itertools.count() for nice in _NICE)
    step = next(step for step in steps if (high - low) / step <= most)
    first = math.ceil(low / step) * step
    return range(first, int(high) + 1, step)


def _range(base: int, end: int) -> str:
    return f"{base:#x} to {end:#x}"


def _count(number: int, one: str, more: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _round(number: float) -> float:
    return round(number, 3)


def _number(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")

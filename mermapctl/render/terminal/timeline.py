# SPDX-License-Identifier: GPL-2.0-only
"""A timeline of one CPU's region as plain text lines: addresses upwards, events to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mermapctl.render.visible import ascii_line, one_line

if TYPE_CHECKING:
    from mermapctl.trace.timeline import Timeline

PAGE = 4096
LEAST_WIDTH = 40
GUTTER = 20  # an address, a space, the axis
ZOOM = 8
"""A test that uses less than this part of its region is drawn alone."""


@dataclass(frozen=True, slots=True)
class _Ink:
    """The characters of a picture."""

    live: str
    reserved: str
    flush: str
    flushed: str
    stale: str
    axis: str
    corner: str
    ground: str
    dash: str


_UNICODE = _Ink("█", "▒", "┊", "F", "!", "│", "└", "─", "…")
_ASCII = _Ink("#", "R", ":", "F", "!", "|", "+", "-", "..")


def draw(
    timeline: Timeline, width: int = 80, height: int = 14, *, ascii_only: bool = False
) -> list[str]:
    """The picture, no line wider than `width` (at least 40), with `height` rows of addresses.

    A cell is filled if any address of it was live at any of its events.
    """
    ink = _ASCII if ascii_only else _UNICODE
    width = max(width, LEAST_WIDTH)
    plot = _Plot(timeline, width - GUTTER, max(height, 2))
    rows = plot.rows(ink)
    picture = [_title(timeline, ink, width, ascii_only=ascii_only)]
    picture += [f"{plot.label(row)} {ink.axis}{''.join(cells)}" for row, cells in enumerate(rows)]
    flushed = "".join(ink.flushed if at in plot.flushed else ink.ground for at in range(plot.wide))
    picture.append(f"{'':{GUTTER - 2}} {ink.corner}{flushed}"[:width])
    first, last = f"event {timeline.first_event}", str(timeline.last_event)
    picture.append(f"{'':{GUTTER}}{first}{last:>{plot.wide - len(first)}}")
    picture += _legend(timeline, ink, width)
    return [line.rstrip() for line in picture]


class _Plot:
    """Maps events to columns and addresses to rows, the highest on top."""

    def __init__(self, timeline: Timeline, wide: int, high: int) -> None:
        self.timeline = timeline
        self.wide = wide
        self.low, self.high = timeline.low, max(timeline.high, timeline.low + PAGE)
        used = max((span.end for span in timeline.spans), default=self.high)
        if (used - self.low) * ZOOM <= self.high - self.low:
            self.high = used
        pages = -(-(self.high - self.low) // PAGE)
        self.tall = min(high, pages)
        self.events = max(timeline.last_event - timeline.first_event + 1, 1)
        self.flushed = {self.column(event) for event in timeline.flushes}

    def column(self, event: int) -> int:
        """The column of an event."""
        at = (event - self.timeline.first_event) * self.wide // self.events
        return min(max(at, 0), self.wide - 1)

    def row(self, address: int) -> int:
        """The row of an address."""
        up = (address - self.low) * self.tall // (self.high - self.low)
        return self.tall - 1 - min(max(up, 0), self.tall - 1)

    def label(self, row: int) -> str:
        """The address at which a row begins: whole at the bottom, else how far above it."""
        if row == self.tall - 1:
            return f"{self.low:#x}".rjust(GUTTER - 2)
        above = (self.high - self.low) * (self.tall - 1 - row) // self.tall
        return f"+{above // 1024}K".rjust(GUTTER - 2)

    def rows(self, ink: _Ink) -> list[list[str]]:
        """The cells."""
        cells = [[" "] * self.wide for _ in range(self.tall)]
        for at in self.flushed:
            for line in cells:
                line[at] = ink.flush
        for span in self.timeline.spans:
            for row in range(self.row(span.end - 1), self.row(span.base) + 1):
                for at in range(self.column(span.first), self.column(span.last) + 1):
                    cells[row][at] = ink.reserved if span.reserved else ink.live
        for mark in self.timeline.stale:
            for row in range(self.row(mark.end - 1), self.row(mark.base) + 1):
                cells[row][self.column(mark.event)] = ink.stale
        return cells


def _title(timeline: Timeline, ink: _Ink, width: int, *, ascii_only: bool) -> str:
    clean = ascii_line if ascii_only else one_line
    test = clean(timeline.test or "after the last result", limit=width)
    cpu = f"CPU {timeline.cpu}" if timeline.cpu is not None else "one CPU"
    tail = (
        f": {cpu}, {_count(timeline.allocations, 'allocation')}, "
        f"{_count(timeline.flush_count, 'flush')}"
    )
    room = width - len(tail)
    if len(test) > room > len(ink.dash):
        test = test[: room - len(ink.dash)] + ink.dash
    return (test + tail)[:width]


def _count(number: int, what: str) -> str:
    plural = "es" if what.endswith("sh") else "s"
    return f"{number} {what}{'' if number == 1 else plural}"


def _legend(timeline: Timeline, ink: _Ink, width: int) -> list[str]:
    parts = [f"region of {(timeline.high - timeline.low) // 1024}K", f"{ink.live} live"]
    if any(span.reserved for span in timeline.spans):
        parts.append(f"{ink.reserved} reserved")
    if timeline.flush_count:
        parts.append(f"{ink.flushed} flush")
    if timeline.stale_count:
        parts.append(f"{ink.stale} reused with no flush ({timeline.stale_count})")
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}  {part}".strip()
        if len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part[:width])
    return lines

# SPDX-License-Identifier: GPL-2.0-only
"""`mermapctl watch` on a terminal: the last whole result, and below it what happens now.

A run draws its own progress on stderr, below that result. Elsewhere all is printed in turn.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TextIO

from mermapctl.events import Note
from mermapctl.render import print_record
from mermapctl.render.terminal.columns import paint
from mermapctl.render.terminal.plain import colored, count, plain_look_of
from mermapctl.render.visible import one_line
from mermapctl.series.watch_events import (
    Begins,
    RangeMoved,
    Saved,
    WatchedSet,
    WatchEvent,
    Whole,
    Without,
)
from mermapctl.system import stdio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mermapctl.records.record import Cell

KEYS = "f failed only, a all, enter again, q quit"
_MOST_NAMES = 3
_CLEAR = "\x1b[H\x1b[2J"
_BELOW = "\r\x1b[J\x1b[?25h"
"""Remove what a run drew that was ended in the middle, and show the cursor again."""


class WatchScreen:
    """Shows the events of a watch: results on `out`, what happens on `err`."""

    def __init__(
        self, out: TextIO, err: TextIO, console: Callable[[Cell], Iterable[str]] | None = None
    ) -> None:
        self._out = out
        self._err = err
        self._console = console
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self._redrawn = out.isatty() and err.isatty() and not dumb
        self._look = plain_look_of(err)

    def take(self, event: WatchEvent) -> None:
        """Show one event."""
        if isinstance(event, Whole):
            if self._redrawn:
                stdio.tell(_CLEAR, self._out)
            print_record(event.record, "table", self._out, console=self._console)
        elif isinstance(event, Without):
            self._without(event)
        else:
            self._line(words(event), "dim" if isinstance(event, WatchedSet) else "bold")

    def _without(self, event: Without) -> None:
        if self._redrawn:
            self._err.write(_BELOW)
        if event.cancelled:
            self._line("cancelled", "dim")
        else:
            self._line(f"the run ended with {event.code}, and has no result", "red")

    def _line(self, said: str, style: str) -> None:
        text = self._look.plain(one_line(said), limit=1000)
        clock = time.strftime("%H:%M:%S")
        line = f"mermapctl: {clock} {text}"
        stdio.tell(paint(line, style) if colored(self._err) else line, self._err)


def words(event: WatchEvent) -> str:
    """Return an event as a sentence."""
    if isinstance(event, WatchedSet):
        return _watching(event)
    if isinstance(event, Saved):
        return _saved(event)
    if isinstance(event, RangeMoved):
        return f"the range has {count(event.commits, 'commit')}, {event.new} of them new"
    if isinstance(event, Begins):
        return "running what failed" if event.failed else "running"
    return event.text if isinstance(event, Note) else ""


def _watching(event: WatchedSet) -> str:
    refs = ", and the refs" if event.refs else ""
    of = f", read by {count(event.objects, 'object')}" if event.objects else ""
    one = event.directories == 1
    places = "1 directory" if one else f"{event.directories} directories"
    said = f"watching {count(event.files, 'file')} in {places}{of}{refs}"
    if event.polling:
        said += f", looked at once a second: {event.polling}"
    return f"{said}; {KEYS}" if event.keys else said


def _saved(event: Saved) -> str:
    names = ", ".join(event.names[:_MOST_NAMES])
    more = len(event.names) - _MOST_NAMES
    names += f" and {more} more" if more > 0 else ""
    cost = f"{event.objects} of {event.of} objects" if event.objects else "no object has read it"
    if event.steering:
        cost = f"{event.objects} to {event.of} objects"
    if not event.of:
        cost = "nothing is built yet"
    cancelled = "; what runs is cancelled" if event.running else ""
    return f"{names}: {cost}{cancelled}"

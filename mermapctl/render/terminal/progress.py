# SPDX-License-Identifier: GPL-2.0-only
"""Events of a run -> progress on stderr: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from mermapctl.events import (
    CellStarted,
    Note,
    Objects,
    StageEnded,
    StageStarted,
    TestEnded,
)
from mermapctl.render.terminal.grid_progress import GridState
from mermapctl.render.terminal.plain import count
from mermapctl.render.terminal.text import Look
from mermapctl.render.visible import one_line, visible
from mermapctl.series.grid_events import (
    GridCell,
    GridProgress,
    GridStarted,
    GridWaits,
    SeriesEvent,
    SeriesListener,
)
from mermapctl.system import stdio
from mermapctl.system.signals import deferred

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOING = {
    "": "starting",
    "config": "configuring",
    "explain": "explaining missing symbols",
    "build": "building",
    "boot": "booting",
}
_PLAIN_EVERY = 30.0
_ENOUGH, _SOON = 50, 5.0
"""Objects, and seconds, before the speed of a build says how long it takes."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


class _StageState:
    """The state of both displays: the stage, its start, and its progress."""

    def __init__(self) -> None:
        self.stage = ""
        self.began = time.monotonic()
        self.limit: float | None = None
        self.objects: Objects | None = None
        self.tests: list[TestEnded] = []

    def take(self, event: SeriesEvent) -> None:
        if isinstance(event, CellStarted):
            self._begin("", None)
        elif isinstance(event, StageStarted):
            self._begin(event.stage, event.limit)
        elif isinstance(event, Objects):
            self.objects = event
        elif isinstance(event, TestEnded):
            self.tests.append(event)

    def _begin(self, stage: str, limit: float | None) -> None:
        self.stage, self.limit = stage, limit
        self.began, self.objects, self.tests = time.monotonic(), None, []

    def line(self) -> str:
        most = f" (limit {self.limit:.0f} s)" if self.limit else ""
        elapsed = _seconds(time.monotonic() - self.began)
        words = [f"{_DOING.get(self.stage, self.stage)}, {elapsed}{most}"]
        if self.objects:
            about = "about " if self.objects.about else ""
            of = f" of {about}{self.objects.expected}" if self.objects.expected else ""
            left = self._left(time.monotonic() - self.began)
            words.append(f"{self.objects.made}{of} objects{left}")
        if self.tests:
            last = self.tests[-1]
            result = "ok" if last.ok else "NOT OK"
            words.append(f"{count(len(self.tests), 'test')}, {last.name} {result}")
        return ", ".join(words)

    def _left(self, elapsed: float) -> str:
        """Return the time that the build still takes, at the speed so far; empty if unknown."""
        made = self.objects
        if made is None or not made.expected or made.made < _ENOUGH or elapsed < _SOON:
            return ""
        left = elapsed / made.made * max(0, made.expected - made.made)
        return f", about {_rough(left)} left"


def _rough(seconds: float) -> str:
    """Return a rough duration: whole minutes, or tens of seconds."""
    if seconds >= 90:
        return f"{round(seconds / 60)} min"
    return f"{max(10, round(seconds, -1)):.0f} s"


def _summary(shown: _StageState, event: StageEnded) -> str:
    made = f", {shown.objects.made} objects" if shown.objects and event.stage == "build" else ""
    word = "" if event.ok else f": {event.why or 'FAILED'},"
    return f"{event.stage}{word} {_seconds(event.seconds)}{made}"


def _style(event: StageEnded) -> str:
    """Return the colour of an ended stage: a boot without KVM goes on, and is no failure."""
    if event.ok:
        return ""
    return "yellow" if event.why else "red"


class PlainDisplay:
    """Print lines for a pipe or a CI log: each stage as it ends, and a line every half minute."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.shown = _StageState()
        self.grid: GridState | None = None
        self.last = time.monotonic()

    def _write(self, text: str) -> None:
        self.last = time.monotonic()
        stdio.tell(f"mermapctl: {visible(text)}", self.stream)

    def take(self, event: SeriesEvent) -> None:
        """Print a line for one event, if it is worth one."""
        if isinstance(event, GridStarted):
            self.grid = GridState(event)
            commits, columns = len(event.commits), len(event.columns)
            self._write(f"{count(commits, 'commit')}, {count(commits * columns, 'cell')}")
        elif self.grid is not None:
            self._take_of_grid(self.grid, event)
        else:
            self._take_of_cell(event)

    def _take_of_grid(self, grid: GridState, event: SeriesEvent) -> None:
        if isinstance(event, GridCell):
            self._write(grid.ended(event))
        elif isinstance(event, Note):
            self._write(event.text)
        elif isinstance(event, GridProgress):
            grid.progress(event)
        elif isinstance(event, GridWaits):
            grid.waits(event)
        elif time.monotonic() - self.last > _PLAIN_EVERY and grid.running:
            self._write(grid.running_words())

    def _take_of_cell(self, event: SeriesEvent) -> None:
        self.shown.take(event)
        if isinstance(event, CellStarted):
            if event.of:  # that of a bisect follows a note with its name
                self._write(f"{event.name} ({event.number} of {event.of})")
        elif isinstance(event, Note):
            self._write(event.text)
        elif isinstance(event, StageEnded):
            self._write(_summary(self.shown, event))
        elif isinstance(event, TestEnded):
            self._write(f"{'ok' if event.ok else 'not ok'} {event.name}")
        elif time.monotonic() - self.last > _PLAIN_EVERY:
            self._write(self.shown.line())


class LiveDisplay:
    """Redraw one line of a terminal in place; ended stages scroll up above it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.shown = _StageState()
        self.grid: GridState | None = None
        self.cell = ""
        self.live = Live(console=console, transient=True, refresh_per_second=8, get_renderable=self)

    def __call__(self) -> RenderableType:
        """Return the current live line, or the grid of a series."""
        if self.grid is not None:
            unicode = self.console.encoding.startswith("utf")
            return self.grid.table(Look(unicode), *self.console.size)
        turning = self.console.encoding.startswith("utf")
        frame = _FRAMES[int(time.monotonic() * 8) % len(_FRAMES)] if turning else ""
        cell = f"{self.cell}: " if self.cell else ""
        line = one_line(f"{frame} {cell}{self.shown.line()}")
        return Text(line, overflow="ellipsis", no_wrap=True)

    @contextlib.contextmanager
    def drawn(self) -> Iterator[SeriesListener]:
        """Draw the line; at the end remove it and restore the cursor."""
        try:
            with deferred(), self._terminal_may_be_gone():
                self.live.start()
            yield self.take
        finally:
            with deferred(), self._terminal_may_be_gone():
                self.live.stop()

    @contextlib.contextmanager
    def _terminal_may_be_gone(self) -> Iterator[None]:
        """Continue the run if the terminal is gone."""
        try:
            yield
        except OSError:
            stdio.let_go(self.console.file)

    def take(self, event: SeriesEvent) -> None:
        """Show one event."""
        with self._terminal_may_be_gone():
            self._show(event)

    def _show(self, event: SeriesEvent) -> None:
        self.shown.take(event)
        if isinstance(event, GridStarted):
            self.grid = GridState(event)
        elif isinstance(event, GridProgress) and self.grid is not None:
            self.grid.progress(event)
        elif isinstance(event, GridWaits) and self.grid is not None:
            self.grid.waits(event)
        elif isinstance(event, GridCell) and self.grid is not None:
            self.grid.ended(event)
        elif isinstance(event, CellStarted):
            self.cell = f"{event.name} ({event.number}/{event.of})" if event.of > 1 else event.name
        elif isinstance(event, Note):
            self._above(event.text, "yellow")
        elif isinstance(event, StageEnded):
            self._above(f"{self.cell}: {_summary(self.shown, event)}", _style(event))

    def _above(self, text: str, style: str) -> None:
        self.console.print(Text(visible(text), style=style), soft_wrap=True)


@contextlib.contextmanager
def progress(stream: TextIO, *, quiet: bool) -> Iterator[SeriesListener]:
    """Yield a listener that shows progress on `stream`, or nothing if `quiet`."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if quiet:
        yield lambda _event: None
    elif console.is_terminal and not console.is_dumb_terminal:
        with LiveDisplay(console).drawn() as listener:
            yield listener
    else:
        yield PlainDisplay(stream).take

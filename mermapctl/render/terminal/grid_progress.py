# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series while it runs: a plain line a cell, or a table redrawn in place."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from mermapctl.events import Objects, StageEnded, StageStarted, TestEnded
from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.render import series_words
from mermapctl.render.terminal.plain import seconds
from mermapctl.render.visible import one_line

if TYPE_CHECKING:
    from mermapctl.events import CellEvent
    from mermapctl.records.record import Cell
    from mermapctl.render.terminal.text import Look
    from mermapctl.series.grid_events import GridCell, GridProgress, GridStarted, GridWaits

DOING = {"config": "configuring", "build": "building", "boot": "booting", "explain": "explaining"}
_FEWEST = 4
"""Rows of the table on the lowest terminal."""
_NARROWEST = 12
"""Columns of a subject; where there are fewer, none is shown."""


@dataclass(slots=True)
class _Running:
    """What a cell does now."""

    stage: str = "starting"
    began: float = field(default_factory=time.monotonic)
    objects: Objects | None = None
    tests: int = 0

    def take(self, event: CellEvent) -> None:
        if isinstance(event, StageStarted):
            self.stage, self.began = DOING.get(event.stage, event.stage), time.monotonic()
            self.objects, self.tests = None, 0
        elif isinstance(event, Objects):
            self.objects = event
        elif isinstance(event, TestEnded):
            self.tests += 1
        elif isinstance(event, StageEnded):
            self.stage = f"{event.stage} done"

    def words(self) -> str:
        said = f"{self.stage} {time.monotonic() - self.began:.0f} s"
        if self.objects is not None:
            of = f"/{self.objects.expected}" if self.objects.expected else ""
            said += f", {self.objects.made}{of}"
        return said


class GridState:
    """The grid as far as it is known; both displays read it."""

    def __init__(self, started: GridStarted) -> None:
        self.commits = started.commits
        self.columns = started.columns
        self.cells: dict[tuple[int, int], Cell] = {}
        self.running: dict[tuple[int, int], _Running] = {}
        self.done = 0
        self.of = len(started.commits) * len(started.columns)
        self._active = 0

    def progress(self, event: GridProgress) -> None:
        """Take what a running cell tells."""
        self._active = max(event.row, 0)
        self.running.setdefault((event.row, event.column), _Running()).take(event.event)

    def waits(self, event: GridWaits) -> None:
        """Take a cell that runs no more, and has no result."""
        self.running.pop((event.row, event.column), None)

    def ended(self, event: GridCell) -> str:
        """Take a cell that is known; return its plain line."""
        place = (event.row, event.column)
        self.running.pop(place, None)
        self.cells[place] = event.cell
        self.done, self.of = event.done, event.of
        self._active = max(event.row, 0)
        return self._line(event)

    def _line(self, event: GridCell) -> str:
        cell = event.cell
        if event.row < 0:
            commit, subject = (cell.commit or "")[: series_words.SHORT], "before the series"
        else:
            commit, subject = self.commits[event.row]
        spent = [f"{name} {seconds(took)}" for name, took in _phases(cell) if took]
        source = series_words.origin(cell)
        more = source or ", ".join(spent)
        words = series_words.result(cell)
        column = self.columns[event.column]
        tail = f" ({more})" if more else ""
        return f"{event.done}/{event.of} {commit} {column} {words}{tail}: {subject}"

    def running_words(self) -> str:
        """Return what runs now: `9f2c41d07a3e x86_64/base building 12 s, 40/613`."""
        return "; ".join(
            f"{self.commits[max(row, 0)][0]} {self.columns[column]} {each.words()}"
            for (row, column), each in self.running.items()
        )

    def table(self, look: Look, width: int, height: int) -> Table:
        """Return the table of the grid; of a long one, the rows around what runs.

        Where `width` is too small, first the subjects are cut, then the results.
        """
        made = Table(box=None, show_edge=False, pad_edge=False, header_style="bold")
        rows = self._window(max(_FEWEST, height - 4))
        places = range(len(self.columns))
        fields = [[self._field((row, each), look) for each in places] for row in rows]
        names = [look.plain(name) for name in self.columns]
        room = max(8, (width - series_words.SHORT - 2) // (len(names) or 1) - 2)
        sizes = [
            min(room, max(cell_len(text) for text in (name, *(str(row[at]) for row in fields))))
            for at, name in enumerate(names)
        ]
        rest = width - series_words.SHORT - sum(sizes) - 2 * (len(sizes) + 1)
        made.add_column("Commit", no_wrap=True, width=series_words.SHORT)
        for name, size in zip(names, sizes, strict=True):
            made.add_column(name, no_wrap=True, overflow="ellipsis", width=size)
        if rest >= _NARROWEST:
            head = f"{self.done} of {self.of} cells"
            made.add_column(head, no_wrap=True, overflow="ellipsis", width=rest)
        for row, shown in zip(rows, fields, strict=True):
            commit, subject = self.commits[row]
            more = [Text(one_line(subject))] if rest >= _NARROWEST else []
            made.add_row(commit, *shown, *more)
        return made

    def _window(self, most: int) -> range:
        first = min(max(0, self._active - most // 2), max(0, len(self.commits) - most))
        return range(first, min(len(self.commits), first + most))

    def _field(self, place: tuple[int, int], look: Look) -> Text:
        running = self.running.get(place)
        if running is not None:
            return Text(running.words(), style="bold cyan")
        cell = self.cells.get(place)
        return Text("·" if look.unicode else ".", style="dim") if cell is None else mark(cell, look)


def mark(cell: Cell, look: Look) -> Text:
    """Return a cell of the grid: glyph, result, and where the verdict comes from."""
    if cell.reason is Reason.ABSENT:
        return Text("absent", style="dim")
    words = look.plain(series_words.result(cell))
    if cell.verdict is Verdict.NO_VERDICT:
        words = words.removeprefix("no verdict: ")
    text = look.mark(cell.verdict, words)
    source = series_words.origin(cell)
    return text.append(f"  {look.plain(source)}", style="dim") if source else text


def _phases(cell: Cell) -> list[tuple[str, float | None]]:
    return [("build", cell.phases.build), ("boot", cell.phases.boot)]

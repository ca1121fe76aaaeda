# SPDX-License-Identifier: GPL-2.0-only
"""The events of a series, besides those of one cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mermapctl.events import CellEvent, Event
from mermapctl.records.record import Cell


@dataclass(frozen=True, slots=True)
class GridStarted:
    """A series begins: its commits (short hash, subject), oldest first, and its columns' names."""

    commits: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GridProgress:
    """An event of a running cell of the grid; row and column from 0, the base is row -1."""

    row: int
    column: int
    event: CellEvent


@dataclass(frozen=True, slots=True)
class GridWaits:
    """A cell of the grid that was running waits for another try."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class GridCell:
    """The result of a cell of the grid is known, which makes `done` of `of`."""

    row: int
    column: int
    cell: Cell
    done: int
    of: int


SeriesEvent = Event | GridStarted | GridProgress | GridWaits | GridCell
SeriesListener = Callable[[SeriesEvent], None]

# SPDX-License-Identifier: GPL-2.0-only
"""What a series asks of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mermapctl.records.record import Cell
    from mermapctl.series.engines.work import Work
    from mermapctl.series.grid import Grid, GridColumn
    from mermapctl.series.grid_events import SeriesListener


@dataclass(frozen=True, slots=True)
class Room:
    """How many segments a grid is split into, and the make jobs of each.

    With `tip_first` the last commit runs before all others.
    """

    lanes: int
    jobs: int
    tip_first: bool = True


class Engine(Protocol):
    """Runs the open cells of a grid; puts each result into the grid and reports it."""

    def keys(self, column: GridColumn) -> tuple[str, ...]:
        """Return the keys under which a verdict of this column may be known (see `key.of`)."""

    def room(self, rows: int) -> Room:
        """Return into how many segments so many rows are split."""

    def run(
        self,
        segments: Sequence[Iterable[int]],
        columns: tuple[int, ...] | None = None,
        jobs: int | None = None,
    ) -> None:
        """Run the rows, each segment in its order; all columns, or those given.

        Raises HarnessError, Interrupted; `unfinished` then has the cells that were running.
        """

    def unfinished(self) -> list[Cell]:
        """Return the cells that were running when something ended all."""


EngineMaker = Callable[["Work", "Grid", "SeriesListener"], Engine]

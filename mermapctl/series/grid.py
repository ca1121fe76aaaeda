# SPDX-License-Identifier: GPL-2.0-only
"""The grid of a series: rows (commits), columns (target x variant), what is known so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mermapctl.judge.result_types import Reason, Verdict
from mermapctl.records.record import Cell
from mermapctl.series import verdict_cache
from mermapctl.tree.commits import Commit

Place = tuple[int, int]
"""Row and column, from 0; the row of the base is -1."""
BASE = -1


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A target x variant. `key` is that of `key.of`, `symbols` are those that its suite needs."""

    target: str
    variant: str
    key: str
    symbols: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the column: ``x86_64/base``."""
        return f"{self.target}/{self.variant}"


@dataclass(slots=True)
class Grid:
    """Commits, oldest first, their cells, and those that are known already."""

    base: Commit
    commits: tuple[Commit, ...]
    columns: tuple[GridColumn, ...]
    cells: dict[Place, Cell] = field(default_factory=dict)

    def commit(self, row: int) -> Commit:
        """Return the commit of a row."""
        return self.base if row == BASE else self.commits[row]

    @property
    def size(self) -> int:
        """Return the number of cells, without those of the base."""
        return len(self.commits) * len(self.columns)

    @property
    def done(self) -> int:
        """Return the number of cells that are known, without those of the base."""
        return sum(row != BASE for row, _ in self.cells)

    def open_rows(self) -> list[int]:
        """Return the rows with a cell that is not known yet."""
        columns = range(len(self.columns))
        return [
            row
            for row in range(len(self.commits))
            if any((row, column) not in self.cells for column in columns)
        ]

    def of_column(self, column: int) -> list[tuple[str, Cell | None]]:
        """Return the commits with their cells in a column, the base first."""
        rows = (BASE, *range(len(self.commits)))
        return [(self.commit(row).id, self.cells.get((row, column))) for row in rows]


def absent(column: GridColumn, commit: Commit, symbol: str) -> Cell:
    """Return the cell of a commit that does not have the suite yet."""
    return Cell(
        target=column.target,
        variant=column.variant,
        verdict=Verdict.NO_VERDICT,
        reason=Reason.ABSENT,
        detail=f"no Kconfig of this commit has {symbol} yet",
        commit=commit.id,
    )


def take_over(grid: Grid, keys: Callable[[GridColumn], Sequence[str]]) -> None:
    """Put in the cells whose verdict an earlier run has, under one of the `keys` of its column."""
    of_column = [keys(column) for column in grid.columns]
    for row, commit in enumerate(grid.commits):
        for number in range(len(grid.columns)):
            if (row, number) not in grid.cells:
                cell = verdict_cache.find_any(of_column[number], commit.tree)
                if cell is not None:
                    grid.cells[row, number] = replace(cell, commit=commit.id)

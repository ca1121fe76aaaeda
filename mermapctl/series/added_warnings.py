# SPDX-License-Identifier: GPL-2.0-only
"""The warnings of the compiler that each commit of a series added in the files that it touches."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from mermapctl.judge import compiler_warnings
from mermapctl.records.series_facts import AddedWarning
from mermapctl.series.grid import BASE

if TYPE_CHECKING:
    from mermapctl.records.series_facts import Series
    from mermapctl.series.grid import Grid

Touched = Callable[[str, str], Collection[str]]
"""Returns the paths that differ between two git trees."""


def filled(series: Series, grid: Grid, touched: Touched) -> Series:
    """Return the series with the added warnings of its columns; `touched` is asked when needed."""
    columns = tuple(
        replace(each, warnings=_of_column(grid, number, touched))
        for number, each in enumerate(series.columns)
    )
    return replace(series, columns=columns)


def _of_column(grid: Grid, column: int, touched: Touched) -> tuple[AddedWarning, ...]:
    found: list[AddedWarning] = []
    before = grid.cells.get((BASE, column))
    for row, commit in enumerate(grid.commits):
        cell = grid.cells.get((row, column))
        known = before.warnings if before else None
        new = cell.warnings if cell and cell.warnings else ()
        if new and {*new} - {*(known or ())}:
            files = touched(grid.commit(row - 1).tree, commit.tree)
            added = compiler_warnings.added(known or (), new, files)
            found += [AddedWarning(commit.id, each, known is not None) for each in added]
        before = cell
    return tuple(found)
